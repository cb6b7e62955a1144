//! An account sees the effects of its answered requests in every later read, through every gateway,
//! without `min_position`.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Api, limit};
use common::{Platform, connect, eventually};
use serde_json::{Value, json};

fn with_name(ticker: &str, words: &str, client_id: &str) -> Value {
    let mut order = limit(ticker, words);
    order["client_id"] = json!(client_id);
    order
}

fn sequence(position: &Value) -> u64 {
    position.as_str().unwrap().split_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_show_everything_that_was_answered() {
    let whole = Platform::with_two_admins("own-writes").await;
    let (api, platform) = (&whole.api, &whole.platform);
    api.market_with("OWN", json!({})).await;
    let alice = api.account("1000").await;
    let key = Some(alice.key.as_str());
    let (other_gateway, other) = platform.gateway().await;
    for round in 0..20 {
        let name = uuid::Uuid::now_v7().to_string();
        let body = with_name("OWN", "BUY YES 10 @ 0.30", &name);
        let placed = api.order(&alice, &body).await.expect(201);
        let path = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap());
        let found = api.get(key, &path).await.expect(200);
        assert_eq!(found["status"], "ACTIVE", "{round}");
        let wallet = api.get(key, "/v1/wallet").await.expect(200);
        assert_eq!(wallet["held"], "3.000000", "{round}");
        let listed = api.get(key, "/v1/orders?status=live").await.expect(200);
        assert_eq!(listed["items"][0]["order_id"], placed["order_id"], "{round}");

        let cancelled = api.delete(key, &path).await.expect(200);
        // The other gateway reads the same log, and shows the same.
        let asked = format!("{path}?min_position={}", cancelled["position"].as_str().unwrap());
        assert_eq!(other.get(key, &asked).await.expect(200)["status"], "CANCELLED", "{round}");
        assert_eq!(api.get(key, &path).await.expect(200)["status"], "CANCELLED", "{round}");
        let wallet = api.get(key, "/v1/wallet").await.expect(200);
        assert_eq!(wallet["held"], "0.000000", "{round}");

        // A repeat is a later outcome than the cancel, and shows the state after it.
        let repeated = api.order(&alice, &body).await.expect(201);
        assert!(sequence(&repeated["position"]) > sequence(&cancelled["position"]), "{round}");
        assert_eq!((&repeated["status"], &repeated["repeated"]), (&json!("CANCELLED"), &json!(true)), "{round}");
    }
    drop(other_gateway);
    whole.remove().await;
}

/// Returns this gateway's answers to a repeat of the order: alone, and in a batch.
async fn repeats(api: &Api, account: &Account, order: &Value) -> [(u64, Value); 2] {
    let request = json!({"requests": [{"place": order}]});
    let batch = api.post(Some(&account.key), "/v1/orders/batch", &request);
    let (alone, batch) = tokio::join!(api.order(account, order), batch);
    let item = batch.body["results"][0].clone();
    [(u64::from(alone.status.as_u16()), alone.body), (item["status"].as_u64().unwrap(), item["body"].clone())]
}

/// The row of the order says ACTIVE as long as the projection cannot write. No answer shows that
/// with a position after the cancel or the amendment: through both gateways, alone and in a batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_never_shows_a_state_older_than_its_position() {
    let whole = Platform::with_two_admins("old-data").await;
    let (api, platform) = (&whole.api, &whole.platform);
    api.market_with("OLD", json!({})).await;
    let alice = api.account("1000").await;
    let key = Some(alice.key.as_str());
    let (other_gateway, other) = platform.gateway().await;
    let writer = connect(&platform.database_url).await;
    for amended in [false, true] {
        let order = with_name("OLD", "BUY YES 10 @ 0.30", &uuid::Uuid::now_v7().to_string());
        let placed = api.order(&alice, &order).await.expect(201);
        let id = placed["order_id"].clone();
        let path = format!("/v1/orders/{}", id.as_str().unwrap());
        for api in [api, &other] {
            let asked = format!("{path}?min_position={}", placed["position"].as_str().unwrap());
            assert_eq!(api.get(key, &asked).await.expect(200)["status"], "ACTIVE");
        }
        // The lock excludes writers, but not readers.
        writer.batch_execute("BEGIN; LOCK TABLE orders_live IN EXCLUSIVE MODE").await.unwrap();
        match amended {
            true => api.amend(&alice, id.as_str().unwrap(), &json!({"quantity": 5})).await.expect(200),
            false => api.delete(key, &path).await.expect(200),
        };
        let (here, there) = tokio::join!(repeats(api, &alice, &order), repeats(&other, &alice, &order));
        for (status, body) in here.into_iter().chain(there) {
            assert_eq!(status, 202, "{body}");
            assert_eq!((&body["order_id"], &body["repeated"]), (&id, &json!(true)), "{body}");
            assert_eq!((&body["status"], &body["look"]), (&Value::Null, &json!(path)), "{body}");
        }
        writer.batch_execute("ROLLBACK").await.unwrap();
        let (status, quantity) = if amended { ("ACTIVE", 5) } else { ("CANCELLED", 10) };
        for api in [api, &other] {
            let after = eventually("the projection goes on", async || {
                let [alone, batch] = repeats(api, &alice, &order).await;
                (alone.0 == 201 && batch.0 == 201).then_some([alone.1, batch.1])
            });
            for body in after.await {
                assert_eq!((&body["status"], &body["quantity"]), (&json!(status), &json!(quantity)), "{body}");
            }
        }
    }
    drop(other_gateway);
    whole.remove().await;
}
