//! Reads use a streaming replica of Postgres, never see it behind what they need, and do without it
//! while it is paused, suspended, killed, or a server of its own.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::{Account, Api, limit};
use common::own_replica::OwnReplica;
use common::{Platform, Whole, eventually};
use serde_json::json;

/// A replica that does not answer holds a read for half a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_millis(1_400);

/// Places an order and reads it at once, by the account's own read and with `min_position`.
async fn places_and_sees(api: &Api, account: &Account) -> Duration {
    let key = Some(account.key.as_str());
    let placed = api.order(account, &limit("COPY", "BUY YES 1 @ 0.30")).await.expect(201);
    let path = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap());
    let begun = Instant::now();
    let found = api.get(key, &path).await.expect(200);
    let slowest = begun.elapsed();
    assert_eq!(found["status"], "ACTIVE");
    let begun = Instant::now();
    let position = placed["position"].as_str().unwrap();
    let listed = api.get(key, &format!("/v1/orders?limit=1&min_position={position}")).await.expect(200);
    assert_eq!(listed["items"][0]["order_id"], placed["order_id"]);
    let (shard, sequence) = position.split_once(':').unwrap();
    assert!(listed["positions"][shard].as_u64().unwrap() >= sequence.parse().unwrap(), "{listed}");
    let slowest = slowest.max(begun.elapsed());
    api.delete(key, &path).await.expect(200);
    assert_eq!(api.get(key, &path).await.expect(200)["status"], "CANCELLED");
    slowest
}

async fn reads_by(whole: &Whole, server: &str) -> f64 {
    whole.gateway.metric("gateway_reads_total", &format!("server=\"{server}\"")).await.iter().sum()
}

/// Waits until reads are answered by the replica again, and nothing is degraded.
async fn is_used(whole: &Whole, replica: &OwnReplica, account: &Account) {
    let before = reads_by(whole, &replica.name).await;
    eventually("the replica answers reads", async || {
        whole.api.get(Some(&account.key), "/v1/fills").await.expect(200);
        (reads_by(whole, &replica.name).await > before + 2.0).then_some(())
    })
    .await;
    eventually("nothing is degraded", async || (whole.gateway.degraded().await? == json!({})).then_some(())).await;
}

/// Reads go on, soon and right, until the replica is named as degraded; then it costs them nothing.
async fn does_without(whole: &Whole, replica: &OwnReplica, account: &Account, why: &str) {
    // Clients read the name: it does not say where the server is.
    let named = "postgres replica 1";
    eventually("the replica is named", async || {
        let took = places_and_sees(&whole.api, account).await;
        assert!(took < SOON, "{took:?}");
        let degraded = whole.gateway.degraded().await.expect("the gateway is ready");
        degraded[named].as_str().map(|told| assert!(told.contains(why), "{told}"))
    })
    .await;
    let before = reads_by(whole, &replica.name).await;
    for _ in 0..5 {
        places_and_sees(&whole.api, account).await;
    }
    assert!((reads_by(whole, &replica.name).await - before).abs() < 0.5, "it is skipped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_use_a_replica_and_do_without_it() {
    let mut platform = Platform::create("replicas").await;
    let replica = OwnReplica::start(&platform.database_url);
    platform.set("LFG_DATABASE_REPLICAS", &replica.url);
    platform.set("LFG_REPLICA_LAG", "2");
    let whole = platform.with_all().await;
    whole.api.two_admins().await;
    whole.api.market("COPY").await;
    let alice = whole.api.account("1000").await;

    is_used(&whole, &replica, &alice).await;
    for _ in 0..20 {
        places_and_sees(&whole.api, &alice).await;
    }

    // It gets everything, and shows nothing of it.
    replica.command("SELECT pg_wal_replay_pause()").await;
    does_without(&whole, &replica, &alice, "behind").await;
    replica.command("SELECT pg_wal_replay_resume()").await;
    is_used(&whole, &replica, &alice).await;
    assert_eq!(whole.gateway.log().matches("reads skip the replica").count(), 1, "logged once");

    // It accepts connections and answers nothing.
    replica.freeze();
    does_without(&whole, &replica, &alice, "no answer").await;
    replica.thaw();
    is_used(&whole, &replica, &alice).await;

    // It is gone.
    replica.kill();
    does_without(&whole, &replica, &alice, "").await;
    replica.restart(&whole.platform.database_url);
    is_used(&whole, &replica, &alice).await;

    // It is a server of its own.
    replica.command("SELECT pg_promote()").await;
    does_without(&whole, &replica, &alice, "not in recovery").await;
    assert_eq!(whole.gateway.log().matches("reads skip the replica").count(), 4);
    drop(replica);
    whole.remove().await;
}
