//! A Postgres that does not answer delays no client for long, and a query whose client is gone is
//! cancelled.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::limit;
use common::socket::Socket;
use common::{Platform, connect, eventually};
use serde_json::{Value, json};

/// More clients than the pool has connections.
const CLIENTS: usize = 40;

/// Connections that one client may hold of the 16.
const OF_CLIENT: i64 = 4;

const QUERIES: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'lfg-gateway' AND state = 'active'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_gone_holds_no_connection_and_a_waiting_one_is_refused_soon() {
    let whole = Platform::create("abandoned").await.impatient().with_all().await;
    whole.api.two_admins().await;
    let api = &whole.api;
    api.market("GONE").await;
    let alice = api.account("1000").await;
    let key = Some(alice.key.as_str());
    let mut order = limit("GONE", "BUY YES 10 @ 0.30");
    order["client_id"] = json!(uuid::Uuid::now_v7().to_string());
    let placed = api.order(&alice, &order).await.expect(201);
    let path = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap());
    api.get(key, &path).await.expect(200);

    let postgres = connect(&whole.platform.database_url).await;
    let lock = connect(&whole.platform.database_url).await;
    lock.batch_execute("BEGIN; LOCK TABLE orders_live IN ACCESS EXCLUSIVE MODE").await.unwrap();

    // A read of locked rows is refused soon, with a code that allows a retry.
    let start = Instant::now();
    let refused = api.get(key, &path).await;
    refused.problem(503, "read-model-unavailable");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    // A statement that took too long is no fault of Postgres, and readiness names none.
    let readyz = format!("http://{}/readyz", whole.gateway.logged("admin port listens", "address"));
    let lacks_postgres = async || -> bool {
        let answer = reqwest::get(&readyz).await.unwrap().error_for_status().unwrap();
        let told: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        told["degraded"].as_object().unwrap().contains_key("postgres")
    };
    assert!(!lacks_postgres().await);

    // A repeat is answered from the log.
    let repeated = api.order(&alice, &order).await.expect(202);
    assert_eq!((&repeated["order_id"], &repeated["repeated"]), (&placed["order_id"], &json!(true)));

    // The queries of clients that hang up are cancelled long before their time-out.
    let asked: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let request = api.request(reqwest::Method::GET, "/v1/orders?status=live").bearer_auth(&alice.key);
            tokio::spawn(request.send())
        })
        .collect();
    eventually("queries wait for the lock", async || {
        let active: i64 = postgres.query_one(QUERIES, &[]).await.unwrap().get(0);
        (active == OF_CLIENT).then_some(())
    })
    .await;
    let start = Instant::now();
    asked.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("all queries are cancelled", async || {
        let active: i64 = postgres.query_one(QUERIES, &[]).await.unwrap().get(0);
        (active == 0).then_some(())
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // Rows that are not locked are read at once.
    let start = Instant::now();
    api.get(key, "/v1/fills").await.expect(200);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    // The gateway reads one snapshot of an account's connections at a time, and one for each
    // connection.
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = Socket::anonymous(api).await;
        socket.ask(json!({"op": "auth", "api_key": alice.key})).await;
        for _ in 0..4 {
            socket.say(&json!({"op": "subscribe", "channel": "orders"})).await;
        }
        sockets.push(socket);
    }
    eventually("snapshots wait for the lock", async || {
        let active: i64 = postgres.query_one(QUERIES, &[]).await.unwrap().get(0);
        assert!(active <= 3, "{active} queries for snapshots and what ends");
        (active >= 1).then_some(())
    })
    .await;

    lock.batch_execute("COMMIT").await.unwrap();
    // The cancellation of a query does not hit the next query on the same connection.
    eventually("fills are read", async || (api.get(key, "/v1/fills").await.status == 200).then_some(())).await;
    for nth in 0..150_u64 {
        let request = api.request(reqwest::Method::GET, "/v1/orders?status=live").bearer_auth(&alice.key);
        let hangs_up = tokio::time::timeout(Duration::from_micros(300 + nth % 15 * 100), request.send());
        let (_, read) = tokio::join!(hangs_up, api.get(key, "/v1/fills"));
        read.expect(200);
    }
    eventually("orders are read again", async || (api.get(key, &path).await.status == 200).then_some(())).await;
    assert!(!lacks_postgres().await);
    drop(sockets);
    whole.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reads_of_one_client_delay_only_its_own() {
    let whole = Platform::with_two_admins("slow-reads").await;
    let api = &whole.api;
    let (alice, bob) = (api.account("1000").await, api.account("1000").await);
    api.get(Some(&bob.key), "/v1/orders").await.expect(200);
    let postgres = connect(&whole.platform.database_url).await;
    let lock = connect(&whole.platform.database_url).await;
    lock.batch_execute("BEGIN; LOCK TABLE orders_live IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asked: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let request = api.request(reqwest::Method::GET, "/v1/orders?status=live").bearer_auth(&alice.key);
            tokio::spawn(request.send())
        })
        .collect();
    eventually("as many wait for the lock as may", async || {
        let active: i64 = postgres.query_one(QUERIES, &[]).await.unwrap().get(0);
        assert!(active <= OF_CLIENT, "{active} connections");
        (active == OF_CLIENT).then_some(())
    })
    .await;
    let start = Instant::now();
    for _ in 0..5 {
        api.get(Some(&bob.key), "/v1/fills").await.expect(200);
        api.get(None, "/v1/markets").await.expect(200);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // Those that are read are ended, the others are not read at all.
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for answer in asked {
        let answer = answer.await.unwrap().unwrap();
        assert!(answer.status() == 503 && answer.headers().contains_key("retry-after"));
        let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        *codes.entry(problem["code"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(codes.keys().map(String::as_str).collect::<Vec<_>>(), ["overloaded", "read-model-unavailable"]);
    assert!(codes["overloaded"] > CLIENTS / 2, "{codes:?}");
    assert_eq!(whole.gateway.degraded().await, Some(json!({})));
    lock.batch_execute("COMMIT").await.unwrap();
    whole.remove().await;
}
