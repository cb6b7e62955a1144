//! The gateway's reports while a server or program that it needs is gone.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::limit;
use common::socket::Socket;
use common::{Platform, SHARDS, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_engine_is_reported_and_other_requests_are_served() {
    let mut whole = Platform::create("standing").await.impatient().with_all().await;
    let account = whole.api.account("10").await;
    whole.api.market("GONE").await;
    let mut socket = Socket::anonymous(&whole.api).await;
    for process in [&whole.engine, &whole.projections, &whole.gateway] {
        eventually("nothing is degraded", async || (process.degraded().await? == json!({})).then_some(())).await;
    }
    whole.engine.kill();

    // Written, but not decided. The answer has `look`.
    let later = whole.api.order(&account, &limit("GONE", "BUY YES 1 @ 0.10")).await.expect(202);
    assert!(later["look"].as_str().unwrap().starts_with("/v1/orders?command_id="));
    let named = eventually("the missing engine is reported", async || {
        whole.gateway.degraded().await.filter(|named| named.get("commands").is_some())
    });
    let named = named.await;
    assert!(named["commands"].as_str().unwrap().contains("has decided nothing"), "{named}");
    eventually("the sockets get the status", async || {
        socket.degraded().await.contains(&json!("commands")).then_some(())
    })
    .await;
    whole.api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    let others = whole.projections.degraded().await.unwrap();
    assert_eq!(others, json!({}), "idle shards are not reported");
    whole.remove().await;
}

/// The gateway asks a shard without traffic within 40 s, and names it 5 s later.
const IDLE_TOLD_WITHIN: Duration = Duration::from_secs(55);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_engine_is_reported_without_traffic() {
    let mut whole = Platform::whole("idle").await;
    let mut socket = Socket::anonymous(&whole.api).await;
    eventually("nothing is degraded", async || (whole.gateway.degraded().await? == json!({})).then_some(())).await;
    let (engine, gateway) = (&mut whole.engine, &whole.gateway);
    engine.kill();
    let killed = Instant::now();
    let named = async || {
        let named = gateway.degraded().await.expect("the gateway is still ready");
        let names = named.as_object().unwrap().keys().filter(|name| name.starts_with("engine of shard "));
        names.count()
    };
    while named().await == 0 {
        assert!(killed.elapsed() < IDLE_TOLD_WITHIN, "the gateway does not report the missing engine");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let heard =
        async || socket.degraded().await.iter().any(|name| name.as_str().unwrap().starts_with("engine of shard"));
    let mut heard = heard;
    eventually("the sockets get the status", async || heard().await.then_some(())).await;
    let ages = gateway.metric("gateway_shard_decided_age_seconds", "shard").await;
    assert!(ages.len() == usize::from(SHARDS) && ages.iter().all(|age| *age > 5.0), "{ages:?}");
    // A gateway that starts now asks by its announcement.
    let (other, _) = whole.platform.gateway().await;
    let all = async || {
        let named = other.degraded().await?;
        (0..SHARDS).all(|shard| named.get(format!("engine of shard {shard}")).is_some()).then_some(())
    };
    eventually("the missing engine of every shard is reported", all).await;

    whole.engine = whole.platform.program("engine").await;
    for process in [&whole.gateway, &other] {
        eventually("nothing is degraded any more", async || (process.degraded().await? == json!({})).then_some(()))
            .await;
    }
    drop(other);
    whole.remove().await;
}
