//! The time and memory of a start with many markets and keys: from Postgres, and from the gateway's
//! own store.
//!
//! By default few, to check that it works: more keys than one part of a store has. To measure:
//! `LFG_START_MARKETS=500000
//! LFG_START_KEYS=1000000 ops/test -p gateway --release --test start_time -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::Duration;

use common::api::Api;
use common::process::Process;
use common::scribe::key;
use common::{Platform, connect};
use schemas::{KeyProof, Scopes};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Long enough for any number of markets and keys.
const LONGEST: Duration = Duration::from_secs(300);

fn many(name: &str, few: u64) -> u64 {
    std::env::var(name).map_or(few, |text| text.parse().unwrap())
}

/// Returns the time of the first log line whose message starts with `message`.
fn when(log: &str, message: &str) -> Option<OffsetDateTime> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message)))?;
    OffsetDateTime::parse(line["timestamp"].as_str()?, &Rfc3339).ok()
}

/// Starts a gateway, and prints the time and memory of its start.
async fn started(platform: &Platform, how: &str) -> (Process, Api) {
    let mut gateway = platform.start_gateway();
    let begun = std::time::Instant::now();
    while when(&gateway.log(), "the gateway listens").is_none() {
        assert!(begun.elapsed() < LONGEST, "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log = gateway.log();
    let at = |message| when(&log, message).unwrap();
    let (view, caught_up) = (at("the view begins with"), at("the view has caught up"));
    let first = at("admin port listens");
    let [now, most] = gateway.memory();
    println!(
        "{how}: view after {} ms, caught up after {} ms; {now} MiB, at most {most}",
        (view - first).whole_milliseconds(),
        (caught_up - first).whole_milliseconds()
    );
    let api = Api::new(&gateway.value_of("the gateway listens", "address"));
    (gateway, api)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_from_the_store_shows_everything() {
    let (markets, keys) = (many("LFG_START_MARKETS", 300), many("LFG_START_KEYS", 80_000));
    let mut platform = Platform::create("start-time").await;
    let postgres = connect(&platform.database_url).await;
    let fill = format!(
        "INSERT INTO markets (id, ticker, question, state, expiry, tick, maker_fee, taker_fee, settled, collateral, fees, volume, \
         created_at, updated_at, shard, sequence, dispute_window_ms) \
         SELECT n, 'M-' || n, 'Will it happen, and when will it?', 'OPEN', '2099-01-01', 1, 0, 0, FALSE, 0, 0, 0, now(), now(), n % 4, 1, 0 \
         FROM generate_series(1, {markets}) n; \
         INSERT INTO api_keys (id, account_id, hash, scopes, added_at, shard, sequence) \
         SELECT n::bigint << 20, n, sha256(n::text::bytea), 3, now(), 0, 1 FROM generate_series(2, {keys}) n; ANALYZE"
    );
    postgres.batch_execute(&fill).await.unwrap();
    let (text, known) = key(0x11, 0x11, Scopes::READ_TRADE);
    let KeyProof::Secret(hash) = known.proof else { panic!("a secret") };
    let insert = "INSERT INTO api_keys (id, account_id, hash, scopes, added_at, shard, sequence) \
        VALUES (17, 1, $1, 3, now(), 0, 1)";
    postgres.execute(insert, &[&hash.as_slice()]).await.unwrap();

    let state = tempfile::tempdir().unwrap();
    for how in ["without a store", "with a store that is made", "with a store", "with a store, after a crash"] {
        if how == "with a store that is made" {
            platform.set("LFG_GATEWAY_STATE", &state.path().display().to_string());
        }
        let (mut gateway, api) = started(&platform, how).await;
        let listed = api.get(Some(&text), "/v1/api-keys").await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        api.get(Some("lfg_0000000000000012_"), "/v1/api-keys").await.problem(401, "unauthenticated");
        let book = api.get(None, &format!("/v1/markets/M-{markets}/book")).await.expect(200);
        assert_eq!(book["bids"], json!([]));
        let page = api.get(None, "/v1/markets?state=OPEN&limit=100").await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 100);
        if how == "with a store" {
            gateway.kill();
        } else {
            assert!(gateway.stop());
        }
    }
    let size = std::fs::metadata(state.path().join(format!("{}.redb", platform.log.topic_prefix))).unwrap().len();
    println!("{markets} markets and {keys} keys: the store has {} MiB", size >> 20);
    platform.remove().await;
}
