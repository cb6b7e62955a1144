//! What the gateway says while what it depends on is gone.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::limit;
use common::socket::Socket;
use common::{Platform, SHARDS, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_gone_is_named_and_what_is_left_is_served() {
    let mut whole = Platform::create("standing").await.impatient().with_all().await;
    let account = whole.api.account("10").await;
    whole.api.market("GONE").await;
    let mut socket = Socket::anonymous(&whole.api).await;
    for process in [&whole.engine, &whole.projections, &whole.gateway] {
        eventually("all is well", async || (process.degraded().await? == json!({})).then_some(())).await;
    }
    whole.engine.kill();

    // Written, and not decided. It says where to look.
    let later = whole.api.order(&account, &limit("GONE", "BUY YES 1 @ 0.10")).await.expect(202);
    assert!(later["look"].as_str().unwrap().starts_with("/v1/orders?command_id="));
    let named = eventually("the engine is missed", async || {
        whole.gateway.degraded().await.filter(|named| named.get("commands").is_some())
    });
    let named = named.await;
    assert!(named["commands"].as_str().unwrap().contains("has decided nothing"), "{named}");
    eventually("sockets hear of it", async || socket.degraded().await.contains(&json!("commands")).then_some(())).await;
    whole.api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    let others = whole.projections.degraded().await.unwrap();
    assert_eq!(others, json!({}), "what has nothing to do is not silent");
    whole.remove().await;
}

/// A shard without traffic is asked after 40 s at most, and named 5 s later.
const IDLE_TOLD_WITHIN: Duration = Duration::from_secs(55);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_gone_is_named_though_nobody_wants_anything_of_it() {
    let mut whole = Platform::whole("idle").await;
    let mut socket = Socket::anonymous(&whole.api).await;
    eventually("all is well", async || (whole.gateway.degraded().await? == json!({})).then_some(())).await;
    let (engine, gateway) = (&mut whole.engine, &whole.gateway);
    engine.kill();
    let killed = Instant::now();
    let named = async || {
        let named = gateway.degraded().await.expect("it serves on");
        let names = named.as_object().unwrap().keys().filter(|name| name.starts_with("engine of shard "));
        names.count()
    };
    while named().await == 0 {
        assert!(killed.elapsed() < IDLE_TOLD_WITHIN, "nobody misses the engine");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let heard =
        async || socket.degraded().await.iter().any(|name| name.as_str().unwrap().starts_with("engine of shard"));
    let mut heard = heard;
    eventually("sockets hear of it", async || heard().await.then_some(())).await;
    let ages = gateway.metric("gateway_shard_decided_age_seconds", "shard").await;
    assert!(ages.len() == usize::from(SHARDS) && ages.iter().all(|age| *age > 5.0), "{ages:?}");
    // A gateway that starts now has asked as soon as it announces itself.
    let (other, _) = whole.platform.gateway().await;
    let all = async || {
        let named = other.degraded().await?;
        (0..SHARDS).all(|shard| named.get(format!("engine of shard {shard}")).is_some()).then_some(())
    };
    eventually("it misses the engine of every shard", all).await;

    whole.engine = whole.platform.program("engine").await;
    for process in [&whole.gateway, &other] {
        eventually("all is well again", async || (process.degraded().await? == json!({})).then_some(())).await;
    }
    drop(other);
    whole.remove().await;
}
