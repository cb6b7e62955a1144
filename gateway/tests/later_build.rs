//! A later build writes to the log: the gateway skips records that it may skip, and halts one shard
//! at a record that it may not.
//!
//! No engine runs here. A scribe reads the gateway's commands and writes outcomes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Answer, Api, limit};
use common::process::Process;
use common::scribe::{Scribe, key, listing};
use common::{Platform, SHARDS, eventually, later};
use reqwest::Method;
use schemas::{
    AccountId, Command, CommandRecord, EngineId, Event, MarketId, NewOrder, OrderId, Rejection, Scopes, Shard, Term,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const ID: AccountId = AccountId(77);

/// A gateway, an account, and a market on each of two shards.
struct Stage {
    platform: Platform,
    scribe: Scribe,
    gateway: Process,
    api: Api,
    key: String,
    markets: [(String, Shard); 2],
}

impl Stage {
    async fn set() -> Self {
        let platform = Platform::create("later").await;
        let mut scribe = Scribe::new(&platform);
        let map = platform.map();
        for shard in Shard::all(SHARDS) {
            scribe.append(shard, &later::record(0)).await;
        }
        let (key, api_key) = key(1, 0x11, Scopes::READ_TRADE);
        scribe.open_account(map.of_account(ID), ID, api_key).await;
        let shard = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
        let all = || (0..).map(|number| format!("RAIN-{number}")).map(|ticker| (shard(&ticker), ticker));
        let (one, ticker) = all().find(|(shard, _)| *shard != map.of_account(ID)).unwrap();
        let (two, other) = all().find(|(shard, _)| ![map.of_account(ID), one].contains(shard)).unwrap();
        let markets = [(ticker, one), (other, two)];
        for (ticker, shard) in &markets {
            scribe.open_market(*shard, listing(ticker, 1)).await;
        }
        let (gateway, api) = platform.gateway().await;
        eventually("the gateway knows the markets", async || {
            let markets = api.get(None, "/v1/markets").await.expect(200);
            (markets["items"].as_array()?.len() == 2).then_some(())
        })
        .await;
        Self { platform, scribe, gateway, api, key, markets }
    }

    /// Sends an order; the answer comes when the scribe writes an outcome.
    fn order(&self, ticker: &str) -> JoinHandle<Answer> {
        let (api, key, body) = (self.api.clone(), self.key.clone(), limit(ticker, "BUY YES 10 @ 0.50"));
        tokio::spawn(async move { api.send_json(Method::POST, Some(&key), "/v1/orders", &body).await })
    }

    async fn admin_page(&self, page: &str) -> (u16, String) {
        let address = self.gateway.logged("admin port listens", "address");
        let answer = reqwest::get(format!("http://{address}{page}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn order_of(record: &CommandRecord) -> NewOrder {
    let Command::PlaceOrder(order) = &record.command else { panic!("{record:?}") };
    *order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_need_not_be_known_is_passed_over_and_what_must_be_halts_one_shard() {
    let mut stage = Stage::set().await;
    let [(ticker, shard), (elsewhere, sound)] = stage.markets.clone();

    // A refusal for a reason that this build does not know, between events that it does not know.
    let answer = stage.order(&ticker);
    let asked = stage.scribe.command(shard);
    let (id, order, code) = (OrderId::compose(shard, 1), order_of(&asked), Rejection::Unknown(9_999));
    let refused = later::grown(&Event::OrderRejected { id, order, code }, 8);
    let at = stage.scribe.answer_later(shard, asked.id, &[later::unknown(0), refused, later::unknown(0)]).await;
    let refused = answer.await.unwrap().expect(409);
    assert_eq!((&refused["code"], &refused["position"]), (&json!("unknown-9999"), &json!(at)));
    assert_eq!(refused["type"], "urn:lfg:problem:unknown-9999");

    // The engine could not decode the command; its outcome has the command's id.
    let answer = stage.order(&ticker);
    let asked = stage.scribe.command(shard);
    let at = stage.scribe.answer(shard, asked.id, vec![Event::Rejected { code: Rejection::Undecodable }]).await;
    let refused = answer.await.unwrap().expect(422);
    assert_eq!((&refused["code"], &refused["position"]), (&json!("undecodable"), &json!(at)));
    assert_eq!(refused["command_id"], json!(asked.id.to_string()));

    let (_, metrics) = stage.admin_page("/metrics").await;
    let counted = |shard: Shard| {
        let is_it = |line: &&str| {
            line.starts_with("gateway_tail_unknown_total{") && line.contains(&format!("shard=\"{shard}\""))
        };
        metrics.lines().find(is_it).unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!((counted(shard), counted(sound)), ("3".to_owned(), "1".to_owned()));

    // A later build takes the shard over, and writes a record that this build may not skip.
    stage.scribe.append(shard, &later::term(Term::new(shard, SHARDS, EngineId(2), 1))).await;
    let body: Value = eventually("the shard halts", async || {
        let (status, body) = stage.admin_page("/readyz").await;
        let body: Value = serde_json::from_str(&body).ok()?;
        // The tail and the follower both halt.
        (status == 200 && body["halted"].as_object()?.len() == 2).then_some(body)
    })
    .await;
    let reason = body["halted"][format!("shard {shard}")].as_str().unwrap();
    let says = "install build 9.8.7 or a later one; hint: install that build of the gateway";
    assert!(reason.contains("is newer than this build at offset") && reason.contains(says), "{reason}");
    stage.order(&ticker).await.unwrap().problem(503, "shard-halted");

    let answer = stage.order(&elsewhere);
    let asked = stage.scribe.command(sound);
    let (id, order, code) = (OrderId::compose(sound, 1), order_of(&asked), Rejection::FundsInsufficient);
    stage.scribe.answer(sound, asked.id, vec![Event::OrderRejected { id, order, code }]).await;
    answer.await.unwrap().problem(409, "funds-insufficient");
    drop(stage.gateway);
    stage.platform.remove().await;
}
