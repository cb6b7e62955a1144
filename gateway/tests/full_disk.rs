//! The disk of the gateway's store is full: the gateway serves on, says so, and takes checkpoints
//! again once there is room.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::api::{Account, Api, limit};
use common::process::Process;
use common::{Platform, eventually};
use serde_json::json;

/// The first page of the file, and nothing behind it.
const FULL: &str = "4096";

/// The gateway, by a program that has it refuse what is too large instead of ending.
async fn gateway(platform: &Platform, program: &str) -> (Process, Api) {
    let mut gateway = Process::start(program, platform.env());
    let api = Api::new(&gateway.value_of("the gateway listens", "address"));
    (gateway, api)
}

/// Checkpoints that failed.
async fn failures(gateway: &Process) -> f64 {
    gateway.metric("gateway_checkpoints_failed_total", "process").await.iter().sum()
}

/// The best bid of RAIN has so many contracts.
async fn has_bid(api: &Api, contracts: u32) {
    eventually("the book has it", async || {
        let book = api.get(None, "/v1/markets/RAIN/book").await.expect(200);
        (book["bids"] == json!([["0.6000", contracts]])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_a_gateway_serves_on_says_so_and_stores_again_once_there_is_room() {
    let mut platform = Platform::create("full-disk").await;
    let (_engine, _projections) = (platform.program("engine").await, platform.program("projections").await);
    let folder = tempfile::tempdir().unwrap();
    platform.set("LFG_GATEWAY_STATE", &folder.path().join("state").display().to_string());
    let program = folder.path().join("gateway");
    let script = format!("#!/bin/sh\ntrap '' XFSZ\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_gateway"));
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let program = program.display().to_string();

    let (mut first, api) = gateway(&platform, &program).await;
    api.two_admins().await;
    let (alice, bob) = (api.account("1000").await, api.account("1000").await);
    api.market("RAIN").await;
    api.order(&alice, &limit("RAIN", "BUY YES 10 @ 0.6000")).await.expect(201);
    assert!(first.stop());

    let (mut full, api) = gateway(&platform, &program).await;
    full.bound_files(FULL);
    api.order(&alice, &limit("RAIN", "BUY YES 1 @ 0.6000")).await.expect(201);
    eventually("it is named, and the gateway is ready", async || {
        full.degraded().await?.get("store").is_some_and(|why| why.is_string()).then_some(())
    })
    .await;
    let failed = failures(&full).await;
    assert!(failed >= 1.0, "{failed}");
    // What is on the disk alone, and what is only in memory.
    let serves = async |api: &Api, account: &Account| {
        api.order(account, &limit("RAIN", "BUY YES 1 @ 0.6000")).await.expect(201);
    };
    serves(&api, &bob).await;
    let carol = api.account("1000").await;
    serves(&api, &carol).await;
    has_bid(&api, 13).await;
    api.get(None, "/v1/markets/RAIN/trades").await.expect(200);
    // It tries again and again.
    eventually("another one failed", async || (failures(&full).await > failed).then_some(())).await;
    serves(&api, &bob).await;

    // A crash: the rest is on the log.
    full.kill();
    let (mut crashed, api) = gateway(&platform, &program).await;
    has_bid(&api, 14).await;
    serves(&api, &carol).await;

    crashed.bound_files(FULL);
    let dan = api.account("1000").await;
    eventually("it is named again", async || crashed.degraded().await?.get("store").map(drop)).await;
    serves(&api, &dan).await;
    crashed.bound_files("unlimited");
    eventually("it is well again", async || crashed.degraded().await?.get("store").is_none().then_some(())).await;
    serves(&api, &alice).await;
    assert!(crashed.stop());

    let (last, api) = gateway(&platform, &program).await;
    assert!(last.log().contains("the view begins with what the store has"), "{}", last.log());
    for account in [&alice, &bob, &carol, &dan] {
        serves(&api, account).await;
    }
    has_bid(&api, 21).await;
    drop(last);
    platform.remove().await;
}
