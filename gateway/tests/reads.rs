//! Reads of the stores: one call of Redis for all shards, one statement of Postgres with its
//! position.
//!
//! No engine and no projections run here: a scribe writes outcomes, and the test fills Redis.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;
#[path = "../../projections/tests/common/own_redis.rs"]
mod own_redis;

use common::api::Api;
use common::scribe::{Scribe, bid, key, listing};
use common::{Platform, connect, eventually};
use fred::prelude::*;
use fred::types::Value;
use own_redis::OwnRedis;
use schemas::{AccountId, Scopes, Shard};
use serde_json::json;

const ACCOUNT: AccountId = AccountId(77);

/// Creates a platform whose Redis has ten credits of the account on each shard.
async fn prepared(name: &str, redis: &OwnRedis, url: &str) -> (Platform, String) {
    let mut platform = Platform::create(name).await;
    platform.set("REDIS_URL", url);
    let (mut scribe, (text, api_key)) = (Scribe::new(&platform), key(1, 0x11, Scopes::READ_TRADE));
    let home = platform.map().of_account(ACCOUNT);
    scribe.open_account(home, ACCOUNT, api_key).await;
    for shard in Shard::all(common::SHARDS) {
        let key = |rest: &str| format!("{}:{{{shard}}}:{rest}", platform.log.topic_prefix);
        let progress = format!("9:0:{}:{}:8:9:2", 5 + shard.number(), "0".repeat(32));
        let _: () = redis.client.set(key("progress"), progress, None, None, false).await.unwrap();
        let purse = [("available", "10000000"), ("held", "0"), ("live_orders", "0"), ("sent", "0"), ("received", "0")];
        let _: () = redis.client.hset(key(&format!("purse:{ACCOUNT}")), purse.to_vec()).await.unwrap();
        let positions = [(format!("{}:yes", 100 + shard.number()), "3")];
        let _: () = redis.client.hset(key(&format!("positions:{ACCOUNT}")), positions.to_vec()).await.unwrap();
    }
    (platform, text)
}

/// Checks that wallet and positions are read, with the positions of all shards.
async fn are_read(api: &Api, key: &str) {
    let wallet = eventually("the account's key is known", async || {
        let answer = api.get(Some(key), "/v1/wallet").await;
        (answer.status != 401).then_some(answer)
    })
    .await
    .expect(200);
    assert_eq!((&wallet["available"], &wallet["positions"]["3"]), (&json!("40.000000"), &json!(8)), "{wallet}");
    let positions = api.get(Some(key), "/v1/positions").await.expect(200);
    assert_eq!(positions["items"].as_array().unwrap().len(), 4, "{positions}");
}

/// Returns the clients' commands, newest first, without the calls of scripts.
async fn carried_out(redis: &OwnRedis) -> Vec<Vec<String>> {
    let Value::Array(entries) = redis.run("SLOWLOG", &["GET", "1000"]).await else { panic!("no slow log") };
    let words = |entry: Value| match entry {
        Value::Array(parts) => parts[3].clone().convert::<Vec<String>>().unwrap(),
        other => panic!("{other:?}"),
    };
    entries.into_iter().map(words).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_reads_an_accounts_data_of_all_shards() {
    let redis = OwnRedis::start(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000"]).await;
    let (platform, key) = prepared("one-call", &redis, &redis.url("redis")).await;
    let (gateway, api) = platform.gateway().await;
    are_read(&api, &key).await;
    let of = |kind: &str, calls: &[Vec<String>]| -> Vec<Vec<String>> {
        let named = format!("{kind}:{ACCOUNT}");
        let reads = |call: &&Vec<String>| {
            call[0].to_uppercase().starts_with("EVAL") && call.iter().any(|word| word.ends_with(&named))
        };
        calls.iter().filter(reads).cloned().collect()
    };
    for kind in ["purse", "positions"] {
        let calls = of(kind, &carried_out(&redis).await);
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0][0].to_uppercase(), "EVALSHA", "the text is not sent each time");
        for shard in Shard::all(common::SHARDS) {
            assert!(calls[0].iter().any(|word| word.ends_with(&format!("{{{shard}}}:{kind}:{ACCOUNT}"))), "{calls:?}");
        }
    }
    // The gateway sends the script again to a server that has lost it.
    redis.run("SCRIPT", &["FLUSH"]).await;
    redis.run("SLOWLOG", &["RESET"]).await;
    are_read(&api, &key).await;
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_read_shard_by_shard() {
    let redis = OwnRedis::start(&["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]).await;
    redis.run("CLUSTER", &["ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster has all of its slots", async || {
        let info: String = redis.run("CLUSTER", &["INFO"]).await.convert().unwrap();
        info.contains("cluster_state:ok").then_some(())
    })
    .await;
    for scheme in ["redis-cluster", "redis"] {
        let (platform, key) = prepared(scheme, &redis, &redis.url(scheme)).await;
        let (gateway, api) = platform.gateway().await;
        are_read(&api, &key).await;
        redis.run("SCRIPT", &["FLUSH"]).await;
        are_read(&api, &key).await;
        drop(gateway);
        platform.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_drops_keys_is_refused() {
    let redis = OwnRedis::start(&["--maxmemory-policy", "volatile-lru"]).await;
    let mut platform = Platform::create("evicts").await;
    platform.set("REDIS_URL", &redis.url("redis"));
    let (gateway, api) = platform.gateway().await;
    let said = gateway.logged("Redis cannot be used: reads of it are refused until it can", "error");
    assert!(
        said.contains("maxmemory-policy volatile-lru") && said.contains("set maxmemory-policy to noeviction"),
        "{said}"
    );
    let (mut scribe, (text, api_key)) = (Scribe::new(&platform), key(1, 0x11, Scopes::READ_TRADE));
    scribe.open_account(platform.map().of_account(ACCOUNT), ACCOUNT, api_key).await;
    let wallet = async || (api.get(Some(&text), "/v1/wallet").await.status == 503).then_some(());
    eventually("the wallet is refused, and not its key", wallet).await;
    redis.run("CONFIG", &["SET", "maxmemory-policy", "noeviction"]).await;
    let admin = gateway.logged("admin port listens", "address");
    eventually("Redis is used once it keeps its keys", async || {
        let told: serde_json::Value = reqwest::get(format!("http://{admin}/readyz")).await.ok()?.json().await.ok()?;
        (!told["degraded"]["redis"].to_string().contains("noeviction")).then_some(())
    })
    .await;
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_positions_come_in_one_statement() {
    let platform = Platform::create("one-statement").await;
    let postgres = connect(&platform.database_url).await;
    let (mut scribe, (text, api_key)) = (Scribe::new(&platform), key(1, 0x11, Scopes::READ_TRADE));
    scribe.open_account(platform.map().of_account(ACCOUNT), ACCOUNT, api_key).await;
    let (gateway, api) = platform.gateway().await;
    eventually("the account's key is known", async || {
        (api.get(Some(&text), "/v1/orders").await.status == 200).then_some(())
    })
    .await;
    let progress = "INSERT INTO progress (projection, shard, events_offset, sequence, chain, anchor, next_command, updated_at) \
        SELECT 'tables', n, 0, 5 + n, decode(repeat('00', 16), 'hex'), 0, 0, now() FROM generate_series(0, 3) n";
    postgres.batch_execute(progress).await.unwrap();
    for path in ["/v1/orders", "/v1/orders?status=live", "/v1/fills"] {
        // No row, but positions.
        let page = api.get(Some(&text), path).await.expect(200);
        assert_eq!(page["items"], json!([]), "{page}");
        assert_eq!(page["positions"], json!({"0": 5, "1": 6, "2": 7, "3": 8}), "{page}");
        // With a transaction, the last of several statements would be COMMIT.
        let last = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name = 'lfg-gateway' AND query <> 'SELECT 1' ORDER BY query_start DESC LIMIT 1";
        let last: String = postgres.query_one(last, &[]).await.unwrap().get(0);
        assert!(last.starts_with("SELECT at.positions") && last.contains("FROM progress"), "{path}: {last}");
    }
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_one_shard_is_read_though_another_is_behind() {
    let platform = Platform::create("one-shard").await;
    let postgres = connect(&platform.database_url).await;
    let (mut scribe, (text, api_key)) = (Scribe::new(&platform), key(1, 0x11, Scopes::READ_TRADE));
    let home = platform.map().of_account(ACCOUNT);
    // One market on each shard.
    let listings = (0..).map(|number| listing(&format!("M-{number}"), 100));
    let mut markets = std::collections::BTreeMap::new();
    for listing in listings {
        markets.entry(platform.map().of_market(listing.market)).or_insert(listing);
        if markets.len() == usize::from(common::SHARDS) {
            break;
        }
    }
    for (shard, listing) in &markets {
        scribe.open_market(*shard, listing.clone()).await;
    }
    scribe.open_account(home, ACCOUNT, api_key).await;
    scribe.tell(home, vec![bid(ACCOUNT, markets[&home].market, home)]).await;
    let (gateway, api) = platform.gateway().await;
    // The tables lack what the account did at its home.
    let progress = "INSERT INTO progress (projection, shard, events_offset, sequence, chain, anchor, next_command, updated_at) \
        SELECT 'tables', n, 0, CASE WHEN n = $1 THEN 1 ELSE 5 END, decode(repeat('00', 16), 'hex'), 0, 0, now() \
        FROM generate_series(0, 3) n";
    let number = i32::from(home.number());
    postgres.execute(progress, &[&number]).await.unwrap();
    let key = Some(text.as_str());
    eventually("the account's key is known", async || (api.get(key, "/v1/api-keys").await.status == 200).then_some(()))
        .await;
    let are_read = async || {
        for (shard, listing) in &markets {
            let id = schemas::OrderId::compose(*shard, 7);
            for (path, status) in [
                (format!("/v1/orders?ticker={}", listing.ticker), 200),
                (format!("/v1/fills?ticker={}", listing.ticker), 200),
                (format!("/v1/fills?order_id={id}"), 200),
                (format!("/v1/orders/{id}"), 404),
            ] {
                let answer = api.get(key, &path).await;
                match *shard == home {
                    true => answer.problem(503, "read-model-unavailable"),
                    false => assert_eq!(answer.status, status, "{path}: {}", answer.body),
                }
            }
        }
        for path in ["/v1/orders", "/v1/orders?status=live", "/v1/fills"] {
            api.get(key, path).await.problem(503, "read-model-unavailable");
        }
    };
    are_read().await;
    // And they are older than what was served before.
    let set = async |sequence: i64| {
        let set = "UPDATE progress SET sequence = $2 WHERE shard = $1::int";
        postgres.execute(set, &[&number, &sequence]).await.unwrap();
    };
    set(9).await;
    api.get(key, "/v1/orders").await.expect(200);
    set(8).await;
    are_read().await;
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_markets_goes_on_where_postgres_is_ahead_of_the_view() {
    let platform = Platform::create("ahead").await;
    let postgres = connect(&platform.database_url).await;
    let (gateway, api) = platform.gateway().await;
    let mut scribe = Scribe::new(&platform);
    // Postgres knows that all of them have paid out; the view has yet to read it of the first 60.
    let settled = "INSERT INTO markets (id, ticker, question, state, expiry, tick, maker_fee, taker_fee, settled, collateral, \
        fees, volume, created_at, updated_at, shard, sequence, dispute_window_ms, rules, category, sources, tags) \
        VALUES ($1, $2, 'Will it?', 'VOIDED', now(), 1, 0, 0, TRUE, 0, 0, 0, now(), now(), $3, 1, 0, 'None.', 'other', '{}', '{}')";
    for number in 0..=60 {
        let listing = listing(&format!("M-{number:02}"), 100);
        let (id, shard) = (listing.market, platform.map().of_market(listing.market));
        let number_of_shard = i16::try_from(shard.number()).unwrap();
        postgres.execute(settled, &[&id.0.cast_signed(), &listing.ticker.as_str(), &number_of_shard]).await.unwrap();
        if number < 60 {
            scribe.open_market(shard, listing).await;
        }
    }
    eventually("the view has the markets", async || {
        let page = api.get(None, "/v1/markets?state=OPEN&limit=100").await.expect(200);
        (page["items"].as_array().unwrap().len() == 60).then_some(())
    })
    .await;
    let tickers = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["ticker"].as_str().unwrap().to_owned()).collect()
    };
    let page = api.get(None, "/v1/markets?state=VOIDED&limit=20").await.expect(200);
    assert_eq!((tickers(&page), &page["next"]), (vec!["M-60".to_owned()], &json!(null)));
    // A page that ends before says where to go on.
    let (mut found, mut path) = (Vec::new(), "/v1/markets?state=VOIDED&limit=1".to_owned());
    for _ in 0..=60 {
        let page = api.get(None, &path).await.expect(200);
        found.extend(tickers(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/markets?state=VOIDED&limit=1&cursor={next}");
    }
    assert_eq!(found, ["M-60"]);
    drop(gateway);
    platform.remove().await;
}
