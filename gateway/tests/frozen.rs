//! A broker that hangs: it accepts connections and answers nothing. All processes report it, and
//! continue by themselves when the broker does.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::api::limit;
use common::own_kafka::OwnKafka;
use common::{Platform, SHARDS, eventually};
use serde_json::{Value, json};

/// The time within which a silent broker is reported: 5 s of silence, 1 s for the statistics, 1 s
/// for the check, and the rest for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(12);

/// Values of `lfg_engine_role`: leader, and leader that is not sure to be the only one.
const LEADS: f64 = 3.0;
const LEADS_UNCONFIRMED: f64 = 7.0;

fn named(client_id: &str) -> Value {
    let mut order = limit("COLD", "BUY YES 1 @ 0.10");
    order["client_id"] = json!(client_id);
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_told_of_and_nothing_is_lost_or_doubled() {
    let kafka = OwnKafka::start();
    let whole = Platform::create_on(&kafka.brokers, "frozen").await.impatient().with_all().await;
    let (api, processes) = (&whole.api, [&whole.engine, &whole.projections, &whole.gateway]);
    api.market_with("COLD", json!({})).await;
    let account = api.account("1000").await;
    let mut answered = BTreeMap::new();
    for _ in 0..10 {
        let name = uuid::Uuid::now_v7().to_string();
        let placed = api.order(&account, &named(&name)).await.expect(201);
        answered.insert(name, placed["order_id"].clone());
    }
    // The read models have all outcomes.
    api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    api.get(Some(&account.key), "/v1/orders").await.expect(200);
    for process in processes {
        eventually("nothing is degraded", async || (process.degraded().await? == json!({})).then_some(())).await;
    }
    let roles = async || whole.engine.metric("lfg_engine_role", "shard").await;
    assert_eq!(roles().await, vec![LEADS; usize::from(SHARDS)]);

    kafka.freeze();
    let since = Instant::now();
    // Each request has no outcome in time, and its answer has `look`.
    for _ in 0..3 {
        let name = uuid::Uuid::now_v7().to_string();
        let answer = api.order(&account, &named(&name)).await;
        answer.problem(504, "outcome-unknown");
        assert_eq!(answer.body["outcome"], "unknown");
        assert!(answer.body["look"].as_str().unwrap().starts_with("/v1/orders?c"), "{}", answer.body);
        answered.insert(name, Value::Null);
    }
    for (process, names) in [
        (&whole.engine, &["kafka shards", "kafka membership"][..]),
        (&whole.projections, &["kafka tail"]),
        (&whole.gateway, &["kafka tail", "commands"]),
    ] {
        eventually("the hanging broker is reported", async || {
            let told = process.degraded().await.expect("the process is still ready");
            names.iter().all(|name| told.get(*name).is_some()).then_some(())
        })
        .await;
    }
    assert!(since.elapsed() < TOLD_WITHIN, "{:?}", since.elapsed());
    let unknown = |values: Vec<f64>| (!values.is_empty() && values.iter().all(|value| value.is_nan())).then_some(());
    for process in processes {
        eventually("lags are unknown", async || unknown(process.metric("lfg_kafka_lag_records", "topic").await)).await;
    }
    for (process, lag) in
        [(&whole.projections, "lfg_projections_lag_records"), (&whole.engine, "lfg_engine_commands_lag")]
    {
        eventually(lag, async || unknown(process.metric(lag, "shard").await)).await;
    }
    eventually("no engine is sure that it leads", async || {
        roles().await.iter().all(|role| *role == LEADS_UNCONFIRMED).then_some(())
    })
    .await;
    api.get(Some(&account.key), "/v1/wallet").await.expect(200);

    kafka.thaw();
    for process in processes {
        eventually("nothing is degraded any more", async || (process.degraded().await? == json!({})).then_some(()))
            .await;
    }
    eventually("shards are led", async || roles().await.iter().all(|role| *role == LEADS).then_some(())).await;
    let lags = async || whole.projections.metric("lfg_projections_lag_records", "shard").await;
    eventually("no shard of the projections is behind", async || {
        lags().await.iter().all(|lag| *lag == 0.0).then_some(())
    })
    .await;

    // A repeat finds the order, or is the first to arrive: in the end each client id has one order.
    for (name, before) in &mut answered {
        let repeated = eventually("orders are accepted", async || {
            let answer = api.order(&account, &named(name)).await;
            if answer.status != 201 {
                eprintln!("{name}: {} {}", answer.status, answer.body);
            }
            (answer.status == 201).then_some(answer.body)
        });
        let order = repeated.await["order_id"].clone();
        assert!(before.is_null() || *before == order, "{name}");
        *before = order;
    }
    let listed = api.get(Some(&account.key), "/v1/orders?status=live&limit=100").await.expect(200);
    let mut listed: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["order_id"]).collect();
    let mut expected: Vec<&Value> = answered.values().collect();
    listed.sort_by_key(|id| id.to_string());
    expected.sort_by_key(|id| id.to_string());
    assert_eq!(listed, expected);
    let wallet = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    assert_eq!(wallet["held"], "1.300000");
    whole.platform.run("loadtest", &["verify"]).await;
    whole.remove().await;
}
