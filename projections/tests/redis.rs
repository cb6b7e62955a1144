//! The keys that the writer leaves in Redis, and the Redis servers that it accepts. Without Kafka:
//! outcomes go straight to the sink.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;
#[path = "common/own_redis.rs"]
mod own_redis;

use std::collections::{BTreeMap, BTreeSet};

use common::exchange::{Exchange, Position, Told};
use fred::prelude::*;
use own_redis::OwnRedis;
use projections::fold::{LastChange, PurseDelta, RowChanges};
use projections::redis::RedisSink;
use projections::sink::{Sink as _, SinkError, WriterId};
use schemas::read_models::RedisKeys;
use schemas::{AccountId, Cause, Credits, Outcome, Shard, Timestamp, reading};

const SHARDS: u16 = 2;
const STEPS: usize = 12_000;
const BATCH: usize = 7;

/// All shards' sinks under a prefix, and their positions.
struct Sinks {
    redis: Client,
    prefix: String,
    shards: Vec<(RedisSink, reading::Checkpoint, Vec<Outcome>)>,
}

impl Sinks {
    async fn new(url: &str) -> Self {
        let redis = Builder::from_config(Config::from_url(url).unwrap()).build().unwrap();
        redis.init().await.unwrap();
        let prefix = format!("test-redis-{}", uuid::Uuid::now_v7().simple());
        let mut shards = Vec::new();
        for shard in Shard::all(SHARDS) {
            let mut sink = RedisSink::new(url, &prefix, WriterId::begin(), shard).unwrap();
            let at = sink.load(0).await.unwrap();
            shards.push((sink, at, Vec::new()));
        }
        Self { redis, prefix, shards }
    }

    /// Folds the outcomes and writes whenever a batch is full.
    async fn tell(&mut self, told: Vec<Told>) {
        for Told { shard, command, events } in told {
            let (_, at, waiting) = &mut self.shards[shard.index()];
            let sequence = at.sequence + waiting.len() as u64 + 1;
            let cause = Cause { offset: sequence, id: command };
            waiting.push(Outcome { term: 0, sequence, time: Timestamp(1_790_000_000_000 + sequence), cause, events });
            if waiting.len() == BATCH {
                self.write(shard).await;
            }
        }
    }

    async fn write(&mut self, shard: Shard) {
        let (sink, at, waiting) = &mut self.shards[shard.index()];
        let mut changes = RowChanges::new();
        waiting.iter().for_each(|outcome| changes.fold(outcome).unwrap());
        let count = waiting.len() as u64;
        let to = reading::Checkpoint { offset: at.offset + count, sequence: at.sequence + count, ..*at };
        sink.write(&changes, at, &to).await.unwrap();
        *at = to;
        waiting.clear();
    }

    /// Returns all keys of a shard, without their common prefix.
    async fn keys(&self, shard: Shard) -> BTreeSet<String> {
        let (pattern, mut cursor, mut keys) =
            (RedisKeys::new(&self.prefix, shard).all(), "0".to_owned(), BTreeSet::new());
        loop {
            let (next, found): (String, Vec<String>) =
                self.redis.scan_page(cursor, pattern.clone(), Some(1_000), None).await.unwrap();
            keys.extend(found.iter().map(|key| key[pattern.len() - 1..].to_owned()));
            cursor = next;
            if cursor == "0" {
                return keys;
            }
        }
    }

    async fn remove(mut self) {
        for shard in Shard::all(SHARDS) {
            let base = RedisKeys::new(&self.prefix, shard).all();
            let keys: Vec<String> =
                self.keys(shard).await.iter().map(|key| format!("{}{key}", &base[..base.len() - 1])).collect();
            let _: i64 = self.redis.unlink(keys).await.unwrap();
            self.shards[shard.index()].0.disconnect().await;
        }
    }
}

/// Returns the keys that an exchange's shard should have.
fn expected(exchange: &Exchange, shard: Shard) -> BTreeSet<String> {
    let mut keys = BTreeSet::from(["progress", "writer"].map(str::to_owned));
    let here = |market| exchange.market_home(market) == shard;
    for (account, at) in exchange.purses.keys() {
        if *at == shard {
            keys.insert(format!("purse:{account}"));
        }
        if exchange.home(*account) == shard {
            keys.insert(format!("account:{account}"));
        }
    }
    for ((market, account), position) in &exchange.positions {
        if here(*market) && *position != Position::default() {
            keys.insert(format!("positions:{account}"));
        }
    }
    for order in exchange.orders.values().filter(|order| here(order.market) && order.status.is_live()) {
        keys.insert(format!("orders:{}", order.account));
    }
    for market in exchange.markets.keys().filter(|market| here(**market) && !exchange.archived.contains(market)) {
        keys.insert(format!("market:{market}"));
        if !exchange.levels(*market).is_empty() {
            keys.insert(format!("book:{market}"));
        }
    }
    keys
}

/// Returns accounts that traded and have no orders or positions left.
fn closed(exchange: &Exchange) -> BTreeSet<AccountId> {
    let traded = exchange.orders.values().filter(|order| order.filled > 0).map(|order| order.account);
    let live = exchange.orders.values().filter(|order| order.status.is_live()).map(|order| order.account);
    let holds = exchange.positions.iter().filter(|(_, position)| **position != Position::default());
    let busy: BTreeSet<AccountId> = live.chain(holds.map(|((_, account), _)| *account)).collect();
    traded.filter(|account| !busy.contains(account)).collect()
}

#[tokio::test]
async fn a_key_disappears_with_its_last_field() {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is not set: run ops/test");
    let (mut sinks, mut exchange) = (Sinks::new(&url).await, Exchange::new(SHARDS, 11));
    sinks.tell(exchange.seed(60, 4)).await;
    for _ in 0..STEPS {
        sinks.tell(exchange.step()).await;
    }
    for shard in Shard::all(SHARDS) {
        sinks.write(shard).await;
    }
    let mut all = BTreeSet::new();
    for shard in Shard::all(SHARDS) {
        let (mut keys, expected) = (sinks.keys(shard).await, expected(&exchange, shard));
        all.extend(keys.iter().map(|key| (shard, key.clone())));
        // The exchange does not record whether a market has traded or is open.
        keys.retain(|key| !key.starts_with("trades:") && key != "markets:open");
        assert_eq!(keys, expected, "shard {shard}");
    }
    assert!(!exchange.archived.is_empty(), "no market was archived");
    for market in &exchange.archived {
        assert!(all.iter().all(|(_, key)| !key.ends_with(&format!(":{market}"))), "{market}");
    }

    // An account that has closed everything keeps its account key on its home shard, and a purse on
    // each shard where it had one.
    let closed = closed(&exchange);
    assert!(!closed.is_empty(), "no account has closed everything");
    for account in closed {
        let left: BTreeSet<_> = all.iter().filter(|(_, key)| key.ends_with(&format!(":{account}"))).cloned().collect();
        let purses = exchange.purses.keys().filter(|(of, _)| *of == account);
        let mut expected: BTreeSet<_> = purses.map(|(_, shard)| (*shard, format!("purse:{account}"))).collect();
        expected.insert((exchange.home(account), format!("account:{account}")));
        assert_eq!(left, expected);
    }
    sinks.remove().await;
}

/// Credits match the log exactly, even where Lua's numbers are inexact.
#[tokio::test]
async fn sums_are_exact_in_64_bits() {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is not set: run ops/test");
    let mut sinks = Sinks::new(&url).await;
    let (account, shard) = (AccountId(5), Shard::new(0).unwrap());
    let parts = [
        ((1 << 53) + 1, i64::MAX, i64::MIN),
        (-(1 << 53), 10, -10),
        (1, i64::MIN, i64::MAX),
        (i64::MAX - 7, -1, 1),
        (0, 0, 0),
    ];
    let (mut available, mut sent, mut received) = (0_i64, 0_i64, 0_i64);
    for (nth, (more, out, back)) in (1..).zip(parts) {
        let last = LastChange { sequence: nth, time: Timestamp(nth) };
        let delta = PurseDelta {
            available: Credits(more),
            held: Credits(0),
            live_orders: 0,
            sent: Credits(out),
            received: Credits(back),
            last,
        };
        let mut changes = RowChanges::new();
        changes.purses.insert(account, delta);
        let (sink, at, _) = &mut sinks.shards[0];
        let to = reading::Checkpoint { offset: nth, sequence: nth, ..*at };
        sink.write(&changes, at, &to).await.unwrap();
        *at = to;
        (available, sent, received) = (available + more, sent.wrapping_add(out), received.wrapping_add(back));
        let purse: BTreeMap<String, i64> =
            sinks.redis.hgetall(RedisKeys::new(&sinks.prefix, shard).purse(account)).await.unwrap();
        let nth = i64::try_from(nth).unwrap();
        let expected = [
            ("available", available),
            ("held", 0),
            ("live_orders", 0),
            ("received", received),
            ("sent", sent),
            ("sequence", nth),
        ];
        assert_eq!(purse, expected.map(|(field, value)| (field.to_owned(), value)).into());
    }
    sinks.remove().await;
}

#[tokio::test]
async fn a_redis_that_drops_keys_is_refused() {
    let redis = OwnRedis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let mut sink = RedisSink::new(&redis.url("redis"), "test", WriterId::begin(), Shard::new(0).unwrap()).unwrap();
    let refused = sink.load(0).await;
    let Err(SinkError::Denied(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("set maxmemory-policy to noeviction"), "{reason}");
    let keys: i64 = redis.client.dbsize().await.unwrap();
    assert_eq!(keys, 0, "nothing is written");

    redis.run("CONFIG", &["SET", "maxmemory-policy", "noeviction"]).await;
    sink.load(0).await.unwrap();
    sink.disconnect().await;
    // A server that hides its settings is accepted.
    redis.run("ACL", &["SETUSER", "default", "-info"]).await;
    sink.load(0).await.unwrap();
    sink.disconnect().await;
}
