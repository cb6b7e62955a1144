//! What the gateway says while what it depends on is gone.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::limit;
use common::process::Process;
use common::socket::Socket;
use common::{Platform, eventually};
use serde_json::{Value, json};

/// What a process that is ready says to be degraded.
async fn degraded(process: &Process) -> Option<Value> {
    let address = process.logged("admin port listens", "address");
    let answer = reqwest::get(format!("http://{address}/readyz")).await.ok()?;
    let ready = answer.status() == 200;
    let body: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
    ready.then(|| body["degraded"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_gone_is_named_and_what_is_left_is_served() {
    let mut whole = Platform::whole("standing").await;
    let account = whole.api.account("10").await;
    whole.api.market("GONE").await;
    let mut socket = Socket::anonymous(&whole.api).await;
    for process in [&whole.engine, &whole.projections, &whole.gateway] {
        eventually("all is well", async || (degraded(process).await? == json!({})).then_some(())).await;
    }
    whole.engine.kill();

    // Written, and not decided. It says where to look.
    let later = whole.api.order(&account, &limit("GONE", "BUY YES 1 @ 0.10")).await.expect(202);
    assert!(later["look"].as_str().unwrap().starts_with("/v1/orders?command_id="));
    let named = eventually("the engine is missed", async || {
        degraded(&whole.gateway).await.filter(|named| named.get("commands").is_some())
    });
    let named = named.await;
    assert!(named["commands"].as_str().unwrap().contains("has decided nothing"), "{named}");
    eventually("sockets hear of it", async || socket.degraded().await.contains(&json!("commands")).then_some(())).await;
    whole.api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    let others = degraded(&whole.projections).await.unwrap();
    assert_eq!(others, json!({}), "what has nothing to do is not silent");
    whole.remove().await;
}
