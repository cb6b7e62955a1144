//! The pool keeps to its settings, and plans of queries are logged without values.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeSet;

use common::process::Process;
use common::{Platform, connect, eventually};
use serde_json::Value;

const CONNECTIONS: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'lfg-gateway' ORDER BY pid";

fn logged(gateway: &Process, message: &str) -> Vec<Value> {
    let log = gateway.log();
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter(|entry| entry["message"] == message).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minimum_is_kept_warm_and_old_connections_are_replaced() {
    let mut platform = Platform::create("pool").await;
    for (name, value) in [
        ("LFG_POOL_MIN", "3"),
        ("LFG_POOL_MAX", "900"),
        ("LFG_POOL_CHECK", "1"),
        ("LFG_POOL_LIFETIME", "2"),
        ("LFG_STATEMENT_TIMEOUT", "7"),
    ] {
        platform.set(name, value);
    }
    let postgres = connect(&platform.database_url).await;
    let open = async || -> BTreeSet<i32> {
        postgres.query(CONNECTIONS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let (gateway, _) = platform.gateway().await;
    let first = eventually("three connections are open", async || {
        let open = open().await;
        (open.len() >= 3).then_some(open)
    });
    let first = first.await;
    eventually("all are replaced, and as many are open", async || {
        let open = open().await;
        (open.len() >= 3 && open.is_disjoint(&first)).then_some(())
    })
    .await;
    let verified = logged(&gateway, "the pool is verified");
    assert_eq!(verified.len(), 1, "once, not for each connection");
    assert_eq!(verified[0]["statement_timeout_ms"], 7_000, "{verified:?}");
    assert_eq!(verified[0]["read_timeout_ms"], 1_500, "{verified:?}");
    let free: i64 = verified[0]["allowed"].as_i64().unwrap();
    let shown: String = postgres.query_one("SHOW max_connections", &[]).await.unwrap().get(0);
    assert!(free < shown.parse().unwrap(), "less what superusers keep: {free} of {shown}");
    let told = gateway.log();
    assert!(told.contains("the pool may have more connections than Postgres allows"), "{told}");
    drop(gateway);

    platform.set("LFG_POOL_MAX", "2");
    let failed = platform.fails_at_its_start().await;
    assert!(failed.contains("LFG_POOL_MIN is 3 and LFG_POOL_MAX is 2"), "{failed}");
    platform.set("LFG_POOL_MAX", "4");
    platform.set("LFG_DATABASE_REPLICAS", "postgres://lfg:secret@a,postgres://lfg:secret@");
    let failed = platform.fails_at_its_start().await;
    assert!(failed.contains("LFG_DATABASE_REPLICAS") && !failed.contains("secret"), "{failed}");
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_are_logged_without_values() {
    let mut platform = Platform::create("plans").await;
    platform.set("LFG_PLANS", "all");
    let whole = platform.with_all().await;
    whole.api.two_admins().await;
    let market = whole.api.market("PLAN").await;
    let alice = whole.api.account("1000").await;
    // A value that is in no other line of the log.
    let name = uuid::Uuid::now_v7().to_string();
    let path = format!("/v1/orders?client_id={name}&market_id={market}");
    whole.api.get(Some(&alice.key), &path).await.expect(200);
    let entry = eventually("the plan is logged", async || {
        let plans = logged(&whole.gateway, "the plan of a query");
        plans.into_iter().find(|entry| entry["query"].as_str().unwrap().contains("o.client_id = $"))
    });
    let entry = entry.await;
    let plan = entry["plan"].as_str().unwrap();
    assert!(plan.contains("Index Scan on orders_live using orders_live_"), "{plan}");
    assert!(plan.contains("pages hit") && plan.contains("run in "), "{plan}");
    let log = whole.gateway.log();
    assert!(!log.contains(&name) && !plan.contains(&market), "{plan}");
    whole.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_slow_queries_have_their_plans_logged_in_production() {
    let mut whole = Platform::with_two_admins("slow-plans").await;
    let account = whole.api.account("10").await;
    for (slower_than, is_slow) in [("0", true), ("100000", false)] {
        whole.platform.set("LFG_PLANS", "slow");
        whole.platform.set("LFG_PLANS_SLOWER_THAN", slower_than);
        let (gateway, api) = whole.platform.gateway().await;
        for _ in 0..10 {
            api.get(Some(&account.key), "/v1/fills").await.expect(200);
        }
        if is_slow {
            eventually("a plan", async || logged(&gateway, "the plan of a query").pop()).await;
        } else {
            assert_eq!(logged(&gateway, "the plan of a query"), Vec::<Value>::new());
        }
    }
    whole.remove().await;
}
