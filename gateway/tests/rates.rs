//! Clients that come, ask or are refused too fast, beside one that is served all the while.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::{Answer, Api, limit};
use common::process::Process;
use common::raw::{ask, connect_from, ended};
use common::scribe::{Scribe, key, listing};
use common::{Platform, eventually};
use schemas::{AccountId, Event, Scopes};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const GET: &str = "GET /v1/markets HTTP/1.1\r\nHost: lfg.example\r\n\r\n";

struct Gateway {
    platform: Platform,
    api: Api,
    /// Of two accounts.
    keys: [String; 2],
    scribe: Scribe,
    process: Process,
}

/// A gateway with these settings, and no engine: commands stay without an outcome.
async fn gateway(name: &str, settings: &[(&str, &str)]) -> Gateway {
    let mut platform = Platform::create(name).await;
    for (setting, value) in settings {
        platform.set(setting, value);
    }
    let mut scribe = Scribe::new(&platform);
    let mut keys = Vec::new();
    for number in [1_u8, 2] {
        let account = AccountId(70 + u64::from(number));
        let (text, added) = key(u64::from(number), number, Scopes::ALL);
        let events = vec![Event::AccountOpened { account }, Event::ApiKeyAdded { account, key: added, by: None }];
        scribe.tell(platform.map().of_account(account), events).await;
        keys.push(text);
    }
    let listing = listing("RAIN", 100);
    scribe.open_market(platform.map().of_market(listing.market), listing).await;
    let (process, api) = platform.gateway().await;
    Gateway { platform, api, keys: keys.try_into().unwrap(), scribe, process }
}

fn request(method: &str, path: &str, key: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: lfg.example\r\nAuthorization: Bearer {key}\r\n\r\n")
}

/// The code of an answer's problem.
fn code((head, body): &(String, Vec<u8>)) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_else(|_| panic!("{head}"));
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_is_refused_again_and_again_is_slowed_and_may_still_cancel() {
    let limits = [("LFG_REFUSALS_PER_SECOND", "1"), ("LFG_REFUSALS_BURST", "20")];
    let gateway = gateway("refusals", &limits).await;
    let (api, [one, other]) = (&gateway.api, &gateway.keys);
    let bad = json!({"market_id": 7});
    for _ in 0..20 {
        api.post(Some(one), "/v1/orders", &bad).await.problem(400, "invalid-request");
    }
    let start = Instant::now();
    let refused = eventually("the bucket is empty", async || {
        let answer = api.post(Some(one), "/v1/orders", &bad).await;
        (answer.status.as_u16() == 429).then_some(answer)
    })
    .await;
    refused.problem(429, "rate-limited");
    assert_eq!(refused.headers["retry-after"], "1");
    // Others are served, with a key or without, and so are the account's own cancels: at once, and on
    // a connection that is slowed.
    api.post(Some(other), "/v1/orders", &bad).await.problem(400, "invalid-request");
    api.get(None, "/v1/markets").await.expect(200);
    let mut slowed = connect_from(2, &api.address).await;
    eventually("a connection is slowed", async || {
        let answer = ask(&mut slowed, request("GET", "/v1/orders/none", one)).await;
        (code(&answer) == "rate-limited").then_some(())
    })
    .await;
    let cancelled = Instant::now();
    let answer = ask(&mut slowed, request("DELETE", "/v1/orders/none", one)).await;
    assert_eq!(code(&answer), "order-unknown");
    assert!(cancelled.elapsed() < Duration::from_millis(900), "{:?}", cancelled.elapsed());
    // Whatever else it asks waits, and counts again once there is a token.
    ask(&mut slowed, request("GET", "/v1/orders/none", one)).await;
    assert!(cancelled.elapsed() > Duration::from_millis(500), "{:?}", cancelled.elapsed());
    eventually("it is served again", async || (api.get(Some(one), "/v1/api-keys").await.status == 200).then_some(()))
        .await;
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    gateway.platform.remove().await;
}

#[tokio::test]
async fn far_positions_asked_as_fast_as_they_are_refused_come_to_one_a_second_on_a_connection() {
    let limits = [("LFG_REFUSALS_PER_SECOND", "1"), ("LFG_REFUSALS_BURST", "20")];
    let gateway = gateway("far", &limits).await;
    let mut stream = connect_from(2, &gateway.api.address).await;
    let far = "GET /v1/markets?min_position=0:9000000000000 HTTP/1.1\r\nHost: lfg.example\r\n\r\n";
    let (start, mut limited) = (Instant::now(), 0);
    while limited < 4 {
        let answer = ask(&mut stream, far).await;
        assert!(["position-not-reached", "rate-limited"].contains(&code(&answer).as_str()), "{}", answer.0);
        limited += u32::from(code(&answer) == "rate-limited");
    }
    assert!(start.elapsed() > Duration::from_millis(2_900), "{:?}", start.elapsed());
    // Pipelined requests wait as well.
    stream.write_all(far.repeat(3).as_bytes()).await.unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        common::raw::answer(&mut stream).await;
    }
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    // Another address, and a key from the same one, are other clients.
    gateway.api.get(None, "/v1/markets").await.expect(200);
    let mut known = connect_from(2, &gateway.api.address).await;
    let (head, _) = ask(&mut known, request("GET", "/v1/markets", &gateway.keys[0])).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    gateway.platform.remove().await;
}

#[tokio::test]
async fn reads_take_what_they_cost_and_other_requests_go_on() {
    let gateway = gateway("reads", &[("LFG_READS_PER_SECOND", "1"), ("LFG_READS_BURST", "30")]).await;
    let (api, [one, other]) = (&gateway.api, &gateway.keys);
    for _ in 0..3 {
        assert_ne!(api.get(Some(one), "/v1/orders").await.status, 429);
    }
    let refused = api.get(Some(one), "/v1/orders").await;
    refused.problem(429, "rate-limited");
    let after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((5..=10).contains(&after), "{after}");
    api.delete(Some(one), "/v1/orders/none").await.problem(404, "order-unknown");
    api.post(Some(one), "/v1/orders", &json!({})).await.problem(400, "invalid-request");
    assert_ne!(api.get(Some(other), "/v1/orders").await.status, 429);
    gateway.platform.remove().await;
}

/// The value of a header, e.g. `"write";r=180;t=1`.
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn commands_take_what_they_cost_and_every_answer_says_what_is_left() {
    let limits = [
        ("LFG_WRITES_PER_SECOND", "1"),
        ("LFG_WRITES_BURST", "4"),
        ("LFG_CANCELS_PER_SECOND", "1"),
        ("LFG_CANCELS_BURST", "20"),
        ("LFG_READS_PER_SECOND", "200"),
        ("LFG_READS_BURST", "200"),
    ];
    let gateway = gateway("writes", &limits).await;
    let (api, [one, other]) = (&gateway.api, &gateway.keys);
    // What is refused for another reason has cost as much.
    let answer = api.post(Some(one), "/v1/orders", &json!({})).await;
    answer.problem(400, "invalid-request");
    assert_eq!(header(&answer, "ratelimit-policy"), "\"write\";q=4;w=4");
    assert_eq!(header(&answer, "ratelimit"), "\"write\";r=2;t=2");
    let refused = eventually("the bucket is empty", async || {
        let answer = api.post(Some(one), "/v1/orders", &json!({})).await;
        (answer.status.as_u16() == 429).then_some(answer)
    })
    .await;
    refused.problem(429, "rate-limited");
    assert_eq!(refused.body["violated-policies"], json!(["write"]));
    assert!(
        header(&refused, "ratelimit").starts_with("\"write\";r=0;t=") || header(&refused, "ratelimit").contains("r=1")
    );
    assert!(["1", "2"].contains(&header(&refused, "retry-after")), "{:?}", refused.headers);
    assert_eq!(gateway.process.metric("gateway_rate_limited_total", "policy=\"write\"").await, [1.0]);
    // Cancels and reads go on, and so do others.
    let cancelled = api.delete(Some(one), "/v1/orders/none").await;
    cancelled.problem(404, "order-unknown");
    assert_eq!(header(&cancelled, "ratelimit"), "\"cancel\";r=19;t=1");
    assert_eq!(header(&cancelled, "ratelimit-policy"), "\"cancel\";q=20;w=20");
    let read = api.get(Some(one), "/v1/api-keys").await;
    assert_eq!(header(&read, "ratelimit-policy"), "\"read\";q=200;w=1");
    assert!(header(&read, "ratelimit").starts_with("\"read\";r="), "{:?}", read.headers);
    api.post(Some(other), "/v1/orders", &json!({})).await.problem(400, "invalid-request");
    gateway.platform.remove().await;
}

#[tokio::test]
async fn a_batch_is_admitted_whole_or_nothing_of_it_is_written() {
    let limits = [
        ("LFG_WRITES_PER_SECOND", "1"),
        ("LFG_WRITES_BURST", "120"),
        ("LFG_CANCELS_PER_SECOND", "1"),
        ("LFG_CANCELS_BURST", "60"),
        // Nobody decides: its answer is that it is on the log.
        ("LFG_OUTCOME_WITHIN", "1"),
    ];
    let gateway = gateway("batches", &limits).await;
    let (api, [one, _]) = (&gateway.api, &gateway.keys);
    let batch = async |places: usize, cancels: usize| {
        let place = json!({"place": limit("RAIN", "BUY YES 1 @ 0.30")});
        let mut requests = vec![place; places];
        // All of one market, so one command.
        let cancel = json!({"cancel": {"ticker": "RAIN", "client_id": "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11"}});
        requests.extend(vec![cancel; cancels]);
        api.post(Some(one), "/v1/orders/batch", &json!({"requests": requests})).await
    };
    batch(50, 50).await.expect(202);
    // There is enough for its cancels, and too little for its orders; and then the other way round.
    for (places, cancels, policy) in [(55, 1, "write"), (1, 55, "cancel")] {
        let refused = batch(places, cancels).await;
        refused.problem(429, "rate-limited");
        assert_eq!(refused.body["violated-policies"], json!([policy]));
        assert!(header(&refused, "ratelimit-policy").contains("\"cancel\";q=60;w=60"), "{:?}", refused.headers);
    }
    batch(5, 5).await.expect(202);
    assert_eq!(gateway.scribe.commands(), 2, "nothing is written of what is refused");
    gateway.platform.remove().await;
}

#[tokio::test]
async fn costs_are_those_of_the_limiter_with_what_is_left() {
    let limits = [("LFG_WRITES_PER_SECOND", "1"), ("LFG_WRITES_BURST", "9")];
    let gateway = gateway("costs", &limits).await;
    let (api, [one, _]) = (&gateway.api, &gateway.keys);
    api.post(Some(one), "/v1/orders", &json!({})).await.problem(400, "invalid-request");
    let costs = api.get(Some(one), "/v1/account/costs").await.expect(200);
    let of = |list: &str, field: &str, value: &str| {
        let list = costs[list].as_array().unwrap();
        list.iter().filter(|item| item[field] == value).cloned().collect::<Vec<_>>()
    };
    let [write] = &of("policies", "name", "write")[..] else { panic!("{costs}") };
    assert_eq!((&write["quota"], &write["window_seconds"]), (&json!(9), &json!(9)));
    assert!(write["remaining"].as_u64().unwrap() < 9, "{write}");
    let order = json!({"method": "POST", "path": "/v1/orders", "policies": ["write"], "cost": 2});
    assert!(of("routes", "path", "/v1/orders").contains(&order), "{costs}");
    // Everybody may read it; without a key, it is about the address.
    let costs = api.get(None, "/v1/account/costs").await.expect(200);
    assert_eq!(costs["policies"][0]["remaining"], 9, "{costs}");
    api.get(None, "/v1/account/costs?x=1").await.problem(400, "invalid-request");
    gateway.platform.remove().await;
}

#[tokio::test]
async fn an_address_of_many_clients_has_no_rates() {
    let limits = [
        ("LFG_READS_PER_SECOND", "1"),
        ("LFG_READS_BURST", "1"),
        ("LFG_REFUSALS_PER_SECOND", "1"),
        ("LFG_REFUSALS_BURST", "1"),
        ("LFG_SHARED_ADDRESSES", "127.0.0.1"),
    ];
    let gateway = gateway("many", &limits).await;
    for _ in 0..20 {
        gateway.api.get(None, "/v1/markets").await.expect(200);
        gateway.api.get(None, "/v1/none").await.problem(404, "route-unknown");
    }
    gateway.platform.remove().await;
}

#[tokio::test]
async fn who_hangs_up_before_the_answer_is_refused_in_the_end() {
    let gateway = gateway("hang-ups", &[("LFG_REFUSALS_PER_SECOND", "1"), ("LFG_REFUSALS_BURST", "20")]).await;
    let [one, other] = &gateway.keys;
    // It waits for a position that another gateway might have seen.
    let waits = request("GET", "/v1/wallet?min_position=0:1000", one);
    eventually("those who hang up are refused", async || {
        let mut hung_up = connect_from(2, &gateway.api.address).await;
        hung_up.write_all(waits.as_bytes()).await.unwrap();
        drop(hung_up);
        (gateway.api.get(Some(one), "/v1/api-keys").await.status == 429).then_some(())
    })
    .await;
    gateway.api.get(Some(other), "/v1/api-keys").await.expect(200);
    gateway.platform.remove().await;
}

#[tokio::test]
async fn an_address_begins_so_many_connections_and_no_more() {
    let mut platform = Platform::create("comes-and-goes").await;
    platform.set("LFG_CONNECTIONS_PER_SECOND", "1");
    platform.set("LFG_CONNECTIONS_BURST", "20");
    let (gateway, api) = platform.gateway().await;
    let mut streams = Vec::new();
    for _ in 0..80 {
        streams.push(connect_from(2, &api.address).await);
    }
    let mut last = streams.pop().unwrap();
    ended(&mut last).await;
    // Those that were taken are served, and so is everybody else.
    let (head, _) = ask(&mut streams[0], GET).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    api.get(None, "/v1/markets").await.expect(200);
    drop(gateway);
    platform.remove().await;
}
