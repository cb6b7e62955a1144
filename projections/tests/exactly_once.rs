//! The real program, killed at random moments while the log grows: at the end each store contains
//! each outcome exactly once.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::exchange::{Exchange, Purse};
use common::log::Log;
use common::random::Random;
use common::stack::{Stack, dump_postgres, until};
use common::worker::Worker;
use fred::interfaces::HashesInterface as _;
use schemas::read_models::RedisKeys;
use schemas::{AccountId, MarketEventId, MarketId, Shard, Timestamp};

const SHARDS: u16 = 3;
const KILLS: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_and_double_nothing() {
    let seed = std::env::var("LFG_TEST_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("LFG_TEST_SEED={seed}");
    let mut stack = Stack::new("kill", SHARDS).await;
    let mut exchange = Exchange::new(SHARDS, seed);
    let mut random = Random::new(seed);
    let mut log = Log::new(SHARDS, Timestamp(1_790_000_000_000));
    let told = exchange.seed(40, 6);
    log.tell_all(&told);

    for kill in 0..KILLS {
        // Builds a backlog, so that the kill interrupts large batches as well as small ones.
        grow(&mut log, &mut exchange, if kill % 3 == 0 { 3_000 } else { 300 });
        stack.produce_and_flush(&log);
        let worker = Worker::start(&stack);
        let before = stack.postgres_offsets().await;
        // In odd rounds kill only once it is known to write, else at any moment from its first
        // instruction on.
        if kill % 2 == 1 {
            until("the worker writes", async || stack.postgres_offsets().await != before).await;
        }
        let pieces = random.below(60);
        for _ in 0..pieces {
            grow(&mut log, &mut exchange, 20);
            stack.produce(&log);
            tokio::time::sleep(Duration::from_millis(random.below(8))).await;
        }
        worker.kill();
    }

    grow(&mut log, &mut exchange, 500);
    stack.produce_and_flush(&log);
    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    until("ready", async || matches!(worker.get("/readyz").await, Some((200, _)))).await;
    assert!(worker.terminate().success());

    // A fresh fold of the same log, into separate stores.
    let (postgres, redis) = (dump_postgres(&stack.postgres).await, stack.dump_redis().await);
    let (other_url, other) = stack.other_database().await;
    let worker = Worker::start_on(&stack, &other_url, &["--only", "postgres"]);
    let ends = common::stack::ends(&log);
    until("a fresh fold", async || common::stack::offsets(&other, SHARDS).await == ends).await;
    assert!(worker.terminate().success());
    let fresh = dump_postgres(&other).await;
    for (table, rows) in &postgres {
        assert!(!rows.is_empty(), "{table} is empty");
        assert_eq!(rows.len(), fresh[table].len(), "{table}");
        assert!(rows == &fresh[table], "{table} differs");
    }
    let worker = rebuild_redis(&stack).await;
    stack.redis_caught_up(&log).await;
    assert!(worker.terminate().success());
    let fresh = stack.dump_redis().await;
    assert!(redis.len() > 100);
    assert_eq!(redis, fresh);

    check_truth(&stack, &exchange).await;
    candles_are_those_of_the_trades(&stack).await;
    stack.remove().await;
}

/// Compares the candles with those that the migration would make of the trades.
async fn candles_are_those_of_the_trades(stack: &Stack) {
    let sql = include_str!("../../migrations/V024__candles.sql");
    let (_, select) = sql.split_once("INSERT INTO candles\n").unwrap();
    let select = select.trim_end().trim_end_matches(';');
    let differing = format!(
        "SELECT count(*) FROM ((TABLE candles EXCEPT ALL ({select})) UNION ALL (({select}) EXCEPT ALL TABLE candles)) AS d"
    );
    assert_eq!(stack.postgres.query_one(&differing, &[]).await.unwrap().get::<_, i64>(0), 0);
    let sums = "SELECT count(*) FROM (SELECT interval_s FROM candles GROUP BY interval_s \
        HAVING sum(trades) = (SELECT count(*) FROM trades) AND sum(volume) = (SELECT sum(quantity) FROM trades)) AS s";
    assert_eq!(stack.postgres.query_one(sums, &[]).await.unwrap().get::<_, i64>(0), 4);
}

fn grow(log: &mut Log, exchange: &mut Exchange, steps: usize) {
    for _ in 0..steps {
        log.time = Timestamp(log.time.as_millis() + exchange.random.below(20_000));
        let told = exchange.step();
        if exchange.random.below(200) == 0 {
            told.iter().take(1).for_each(|told| log.take_over(told.shard));
        }
        if exchange.random.below(50) == 0 {
            told.iter().for_each(|told| log.stale(told));
        }
        log.tell_all(&told);
    }
}

async fn rebuild_redis(stack: &Stack) -> Worker {
    for shard in Shard::all(SHARDS) {
        for keys in stack.keys_of(shard).await.chunks(1_000) {
            let _: i64 = fred::prelude::KeysInterface::unlink(&stack.redis, keys.to_vec()).await.unwrap();
        }
    }
    Worker::start_on(stack, &stack.database_url, &["--only", "redis"])
}

/// Checks that the tables have the groups of the accounts' home shards, and none of the copies.
async fn check_groups(stack: &Stack, exchange: &Exchange) {
    let query = "SELECT account_id, group_id, contracts, window_s, generation, trigger_cause FROM order_groups";
    let rows = stack.postgres.query(query, &[]).await.unwrap();
    assert_eq!(rows.len(), exchange.groups.len());
    for row in rows {
        let group = schemas::GroupId::new(row.get::<_, i32>(1) as u16).unwrap();
        let expected = exchange.groups[&(AccountId(row.get::<_, i64>(0).cast_unsigned()), group)];
        let (contracts, window_s, generation) = (row.get::<_, i32>(2), row.get::<_, i16>(3), row.get::<_, i64>(4));
        let limits = schemas::GroupLimits::new(contracts as u32, window_s as u8).unwrap();
        assert_eq!((limits, generation as u64), (expected.limits, expected.generation));
        assert_eq!(row.get::<_, Option<&str>>(5), expected.triggered.map(schemas::TriggerCause::name));
    }
}

/// Compares the tables with the exchange that wrote the log.
async fn check_truth(stack: &Stack, exchange: &Exchange) {
    check_purses(stack, exchange).await;
    check_wallets(stack, exchange).await;
    let orders = stack
        .postgres
        .query("SELECT id, quantity, filled, status, limit_price, cancel_reason, command_id, group_id FROM orders", &[])
        .await
        .unwrap();
    assert_eq!(orders.len(), exchange.orders.len());
    for row in orders {
        let (id, quantity, filled, status): (i64, i32, i32, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let order = exchange.orders[&schemas::OrderId(id.cast_unsigned())];
        let expected = (order.quantity as i32, order.filled as i32, order.status.name());
        assert_eq!((quantity, filled, status), expected, "order {id}");
        if let Some(price) = row.get::<_, Option<i32>>(4) {
            assert_eq!(price, i32::from(order.price.ticks()), "order {id}");
        }
        assert_eq!(
            row.get::<_, Option<&str>>(5),
            order.cancel_reason.map(|reason| reason.name()).as_deref(),
            "order {id}"
        );
        let command = schemas::CommandId(row.get::<_, uuid::Uuid>(6).as_u128());
        assert_eq!(command, order.command, "order {id}");
        assert_eq!(row.get::<_, Option<i32>>(7), order.group.map(|group| group.number().into()), "order {id}");
    }
    check_groups(stack, exchange).await;
    check_markets(stack, exchange).await;
    for (market, id) in exchange.markets.keys().map(|id| (exchange.market_home(*id), *id)) {
        let keys = RedisKeys::new(&stack.log.topic_prefix, market);
        let book: BTreeMap<String, u64> = stack.redis.hgetall(keys.book(id)).await.unwrap();
        let level = |((side, price), n): ((_, _), u64)| (schemas::read_models::redis_keys::level(side, price), n);
        let expected: BTreeMap<String, u64> = exchange.levels(id).into_iter().map(level).collect();
        assert_eq!(book, expected, "book of {id}");
    }
}

/// Checks the properties of markets and market events.
async fn check_markets(stack: &Stack, exchange: &Exchange) {
    let columns = "id, question, rules, sources, category, tags, event_id, opens_at, expiry";
    let rows = stack.postgres.query(&format!("SELECT {columns} FROM markets"), &[]).await.unwrap();
    assert_eq!(rows.len(), exchange.markets.len());
    for row in rows {
        let listing = &exchange.markets[&MarketId(row.get::<_, i64>(0).cast_unsigned())].listing;
        let about = &listing.about;
        let texts = [1, 2, 4].map(|nth| row.get::<_, &str>(nth));
        assert_eq!(texts, [about.question.as_str(), about.rules.as_str(), about.category.as_str()]);
        let sources: Vec<&str> = about.sources.iter().map(|source| source.as_str()).collect();
        let tags: Vec<&str> = about.tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!((row.get::<_, Vec<&str>>(3), row.get::<_, Vec<&str>>(5)), (sources, tags));
        assert_eq!(row.get::<_, Option<i64>>(6), about.event.map(|event| event.0.cast_signed()));
        let millis = |time: time::OffsetDateTime| (time.unix_timestamp_nanos() / 1_000_000) as u64;
        let opens: Option<time::OffsetDateTime> = row.get(7);
        assert_eq!(opens.map(millis), listing.opens.map(Timestamp::as_millis));
        let expiry: time::OffsetDateTime = row.get(8);
        assert!(listing.expiry.as_millis() == u64::MAX || millis(expiry) == listing.expiry.as_millis());
    }
    let rows = stack.postgres.query("SELECT id, name, exclusive, yes_market_id FROM market_events", &[]).await.unwrap();
    assert_eq!(rows.len(), exchange.events.len());
    for row in rows {
        let (event, yes) = &exchange.events[&MarketEventId(row.get::<_, i64>(0).cast_unsigned())];
        assert_eq!((row.get(1), row.get(2)), (event.name.as_str(), event.exclusive));
        assert_eq!(row.get::<_, Option<i64>>(3), yes.map(|market| market.0.cast_signed()));
    }
    let clarified = "SELECT count(*) FROM market_clarifications JOIN markets m ON m.id = market_id";
    let clarified: i64 = stack.postgres.query_one(clarified, &[]).await.unwrap().get(0);
    assert_eq!(usize::try_from(clarified), Ok(exchange.clarifications));
}

/// Checks the purses in both stores, and their ledger.
async fn check_purses(stack: &Stack, exchange: &Exchange) {
    let columns = ["available", "held", "live_orders", "sent", "received"];
    let query = format!("SELECT account_id, shard, {} FROM purses", columns.join(", "));
    let rows = stack.postgres.query(&query, &[]).await.unwrap();
    assert_eq!(rows.len(), exchange.purses.len());
    for row in rows {
        let (id, shard): (i64, i16) = (row.get(0), row.get(1));
        let place = (AccountId(id.cast_unsigned()), Shard::new(shard.cast_unsigned()).unwrap());
        let Purse { available, held, live_orders, sent, received } = exchange.purses[&place];
        let expected = [available, held, live_orders, sent, received];
        let found: [i64; 5] = std::array::from_fn(|nth| row.get(nth + 2));
        assert_eq!(found, expected, "purse {place:?}");
        let key = RedisKeys::new(&stack.log.topic_prefix, place.1).purse(place.0);
        let mut hash: BTreeMap<String, i64> = stack.redis.hgetall(key).await.unwrap();
        assert!(hash.remove("sequence").is_some());
        let expected = columns.iter().map(|column| (*column).to_owned()).zip(expected).collect();
        assert_eq!(hash, expected, "purse {place:?}");
    }
    let wrong = "SELECT count(*) FROM purses WHERE positive <> (available + held > 0)";
    assert_eq!(stack.postgres.query_one(wrong, &[]).await.unwrap().get::<_, i64>(0), 0);
    let sums = "SELECT count(*) FROM purses p FULL JOIN \
        (SELECT account_id, shard, sum(available) AS available, sum(held) AS held FROM ledger_entries GROUP BY 1, 2) l \
        USING (account_id, shard) WHERE (COALESCE(p.available, 0), COALESCE(p.held, 0)) \
        IS DISTINCT FROM (COALESCE(l.available, 0), COALESCE(l.held, 0))";
    assert_eq!(stack.postgres.query_one(sums, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Checks each account's total, including credits between its purses, and whether it is frozen.
async fn check_wallets(stack: &Stack, exchange: &Exchange) {
    let wallets = stack.postgres.query("SELECT account_id, in_transit, total FROM wallets", &[]).await.unwrap();
    let accounts: BTreeSet<AccountId> = exchange.purses.keys().map(|(account, _)| *account).collect();
    assert_eq!(wallets.len(), accounts.len());
    for row in wallets {
        let account = AccountId(row.get::<_, i64>(0).cast_unsigned());
        let in_transit = exchange.in_transit(account);
        let purses = exchange.purses.iter().filter(|((whose, _), _)| *whose == account);
        let total = purses.map(|(_, purse)| purse.available + purse.held).sum::<i64>() + in_transit;
        assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (in_transit, total), "wallet {account}");
        let key = RedisKeys::new(&stack.log.topic_prefix, exchange.home(account)).account(account);
        let frozen: Option<String> = stack.redis.hget(key, "frozen").await.unwrap();
        let expected = if exchange.frozen.contains(&account) { "1" } else { "0" };
        assert_eq!(frozen.as_deref(), Some(expected), "account {account}");
    }
}
