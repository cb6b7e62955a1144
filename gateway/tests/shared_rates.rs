//! Two gateways share the rates of their clients through Redis, and each has its own while Redis is
//! away.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;
#[path = "../../projections/tests/common/own_redis.rs"]
mod own_redis;

use std::time::{Duration, Instant};

use common::api::Api;
use common::process::Process;
use common::scribe::{Scribe, key};
use common::{Platform, eventually};
use futures_util::future::join_all;
use own_redis::OwnRedis;
use schemas::{AccountId, Scopes};

const BURST: u32 = 100;
const PER_SECOND: u32 = 20;

async fn are_sharing(gateways: &[(Process, Api)], shared: f64) {
    for (process, _) in gateways {
        eventually("its standing is known", async || {
            (process.metric("gateway_rates_shared", "gateway").await == [shared]).then_some(())
        })
        .await;
    }
}

/// Sends reads to all gateways for so long, on several connections to each, and returns how many were
/// served.
async fn served(gateways: &[(Process, Api)], key: &str, within: Duration) -> u32 {
    let start = Instant::now();
    let client = async |api: &Api| {
        let mut served = 0;
        while start.elapsed() < within {
            let sent = Instant::now();
            let answer = api.get(Some(key), "/v1/account/costs").await;
            assert!(sent.elapsed() < Duration::from_secs(2), "no request waits for Redis: {:?}", sent.elapsed());
            match answer.status.as_u16() {
                200 => served += 1,
                429 => {
                    let after = Duration::from_secs(1).div_f64(PER_SECOND.into());
                    tokio::time::sleep(after).await;
                }
                other => panic!("{other}: {}", answer.body),
            }
        }
        served
    };
    let clients = gateways.iter().flat_map(|(_, api)| [api, api]).map(client);
    join_all(clients).await.into_iter().sum()
}

#[tokio::test]
async fn two_gateways_let_through_one_rate_and_each_its_own_while_redis_is_away() {
    let mut redis = OwnRedis::start(&[]).await;
    let mut platform = Platform::create("shared-rates").await;
    let (rate, burst) = (PER_SECOND.to_string(), BURST.to_string());
    let url = redis.url("redis");
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("LFG_READS_PER_SECOND", &rate),
        ("LFG_READS_BURST", &burst),
        // So that connections are not slowed.
        ("LFG_SHARED_ADDRESSES", "127.0.0.1"),
    ];
    for (name, value) in settings {
        platform.set(name, value);
    }
    let mut scribe = Scribe::new(&platform);
    let mut keys = Vec::new();
    for number in 1..=3_u8 {
        let account = AccountId(80 + u64::from(number));
        let (text, added) = key(u64::from(number), number, Scopes::ALL);
        scribe.open_account(platform.map().of_account(account), account, added).await;
        keys.push(text);
    }
    let gateways = [platform.gateway().await, platform.gateway().await];
    are_sharing(&gateways, 1.0).await;

    let within = Duration::from_secs(5);
    let one_gateway = BURST + PER_SECOND * 5;
    let together = served(&gateways, &keys[0], within).await;
    println!("sharing: {together} of {one_gateway}");
    assert!((one_gateway * 8 / 10..=one_gateway * 13 / 10).contains(&together), "{together} of {one_gateway}");

    // It stops: nothing is refused for that reason, and each gateway counts alone.
    redis.stop();
    are_sharing(&gateways, 0.0).await;
    let together = served(&gateways, &keys[1], within).await;
    println!("each alone: {together} of {one_gateway}");
    assert!((one_gateway * 16 / 10..=one_gateway * 22 / 10).contains(&together), "{together} of {one_gateway}");

    // It is back, empty.
    redis.start_again();
    are_sharing(&gateways, 1.0).await;
    let together = served(&gateways, &keys[2], within).await;
    println!("sharing again: {together} of {one_gateway}");
    assert!((one_gateway * 8 / 10..=one_gateway * 13 / 10).contains(&together), "{together} of {one_gateway}");
    drop(gateways);
    platform.remove().await;
}
