//! Orders rebuilt from the `orders` channel alone equal `GET /v1/orders/{id}` after every message.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;

use common::api::{Account, Api};
use common::socket::Socket;
use common::{Platform, Random};
use serde_json::{Value, json};

const SEED: u64 = 13;
const STEPS: usize = 150;

/// The fields that messages and lists of orders both have.
const FIELDS: [&str; 8] =
    ["status", "price", "quantity", "filled", "remaining", "average_price", "fees", "cancel_reason"];

/// An account's orders, rebuilt from its stream.
#[derive(Default)]
struct Rebuilt(BTreeMap<String, Value>);

impl Rebuilt {
    /// Applies a delta. Returns the ids of the orders that it changes.
    fn apply(&mut self, delta: &Value) -> Vec<String> {
        let changes = delta["changes"].as_array().unwrap();
        changes.iter().filter_map(|change| self.change(change)).collect()
    }

    fn change(&mut self, change: &Value) -> Option<String> {
        if let Some(order) = change.get("order") {
            let id = order["order_id"].as_str().unwrap().to_owned();
            self.0.insert(id.clone(), order.clone());
            return Some(id);
        }
        let id = change["order_id"].as_str()?.to_owned();
        let order = self.0.get_mut(&id).unwrap_or_else(|| panic!("unknown: {change}"));
        for field in FIELDS {
            if let Some(value) = change.get(field) {
                order[field] = value.clone();
            }
        }
        match change["kind"].as_str().unwrap() {
            "CANCELLED" => {
                order["remaining"] = json!(0);
                order["cancel_reason"] = change["reason"].clone();
            }
            "FILL" => {
                let left = order["quantity"].as_u64().unwrap() - order["filled"].as_u64().unwrap();
                assert_eq!(order["remaining"], left, "{change}");
            }
            _ => {}
        }
        Some(id)
    }
}

/// Sends an order, an amendment or a cancel, for one of a few accounts.
async fn act(api: &Api, random: &mut Random, accounts: &[Account], ids: &mut Vec<(usize, String)>) {
    let who = usize::try_from(random.below(accounts.len() as u64)).unwrap();
    let account = &accounts[who];
    let (quantity, price) = (1 + random.below(20), format!("0.{}", 45 + random.below(10)));
    let chosen = random.below(10);
    if chosen < 7 || ids.is_empty() {
        let (side, contract) =
            [("BUY", "YES"), ("BUY", "NO"), ("SELL", "YES"), ("SELL", "NO")][usize::try_from(random.below(4)).unwrap()];
        let time_in_force = if random.below(4) == 0 { "IOC" } else { "GTC" };
        let self_trade =
            ["ALLOW", "CANCEL_OLDEST", "CANCEL_NEWEST", "DECREMENT"][usize::try_from(random.below(4)).unwrap()];
        let body = json!({"ticker": "STREAM", "side": side, "contract": contract, "type": "LIMIT", "quantity": quantity,
            "price": price, "time_in_force": time_in_force, "self_trade": self_trade});
        let placed = api.order(account, &body).await;
        if placed.status == 201 {
            ids.push((who, placed.body["order_id"].as_str().unwrap().to_owned()));
        } else {
            assert!(placed.status == 422 || placed.status == 409, "{}", placed.body);
        }
        return;
    }
    let (owner, id) = ids[usize::try_from(random.below(ids.len() as u64)).unwrap()].clone();
    // The order may have ended; then the request has no effect.
    if chosen < 9 {
        api.amend(&accounts[owner], &id, &json!({"price": price, "quantity": quantity})).await;
    } else {
        api.delete(Some(&accounts[owner].key), &format!("/v1/orders/{id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_rebuilt_from_the_stream_equal_reads_at_every_message() {
    let whole = Platform::with_two_admins("orders-stream").await;
    let api = &whole.api;
    api.market("STREAM").await;
    let accounts = [api.account("1000").await, api.account("1000").await, api.account("1000").await];
    let mut streams = Vec::new();
    for account in &accounts {
        let mut socket = Socket::anonymous(api).await;
        socket.ask(json!({"op": "auth", "api_key": account.key})).await;
        let snapshot = socket.ask(json!({"op": "subscribe", "channel": "orders"})).await;
        assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
        streams.push((account, socket, Rebuilt::default()));
    }
    let (mut random, mut ids, mut compared) = (Random(SEED), Vec::new(), 0);
    for step in 0..STEPS {
        act(api, &mut random, &accounts, &mut ids).await;
        for (account, socket, rebuilt) in &mut streams {
            // Every effect of the step was published before its answer, or comes before the next
            // pong.
            let mut touched = Vec::new();
            socket.say(&json!({"op": "ping"})).await;
            loop {
                let message = socket.next().await;
                if message["type"] == "pong" {
                    break;
                }
                let at = format!("{}:{}", message["shard"], message["sequence"]);
                touched.extend(rebuilt.apply(&message).into_iter().map(|id| (id, at.clone())));
            }
            for (id, at) in touched {
                let path = format!("/v1/orders/{id}?min_position={at}");
                let read = api.get(Some(&account.key), &path).await.expect(200);
                for field in FIELDS {
                    let told = &rebuilt.0[&id][field];
                    assert_eq!(told, &read[field], "seed {SEED}, step {step}, {field} of {id} at {at}: {read}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > STEPS / 2, "{compared}");
    whole.remove().await;
}
