//! Hot queries use the indexes built for them, and an index is built without blocking writers.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::exchange::Exchange;
use common::log::Log;
use common::stack::{Stack, connect, pool_args, until};
use projections::fold::{Act, ProposalEnd, RowChanges};
use projections::migrate::migrate;
use projections::postgres::{Months, PostgresSink};
use projections::sink::{Sink, WriterId};
use schemas::reading::{LogReader, ReadRecord};
use schemas::shard_map::ShardMap;
use schemas::{Shard, Timestamp};

/// A few months of a small exchange: 100 accounts with 1,000 orders each, 20 of them live; 100,000
/// trades in 50 markets.
const FILL: &str = "
    SELECT ensure_month(parent, TIMESTAMPTZ '2026-01-01Z' + month * INTERVAL '1 month')
        FROM unnest(ARRAY['orders_ended', 'trades', 'ledger_entries']) AS parent, generate_series(0, 5) AS month;
    INSERT INTO markets SELECT i, 'M-' || i, 'Will it?', CASE WHEN i % 10 = 0 THEN 'OPEN' ELSE 'RESOLVED' END,
        TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '6 minutes', 1, 0, 0, NULL, FALSE, 0, 0, 0, NULL, NULL, now(), now(), 0, 1, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL
        FROM generate_series(1, 20000) AS i;
    INSERT INTO purses SELECT i, shard, CASE WHEN i % 20 = 0 THEN 5 ELSE 0 END, 0, 0, 0, 0, 1, i % 20 = 0
        FROM generate_series(1, 20000) AS i, generate_series(0, 3) AS shard;
    INSERT INTO positions SELECT i % 200, i % 500, 1, 1, 0, 0, 0, 1
        FROM generate_series(1, 50000) AS i ON CONFLICT DO NOTHING;
    INSERT INTO orders SELECT i, md5(i::text)::uuid, i % 100, 1 + i % 200, CASE WHEN i % 2 = 0 THEN 'YES' ELSE 'NO' END, 'BUY',
        'LIMIT', 'GTC', 4000 + i % 997, NULL, 10, 0, 0, 0, CASE WHEN i % 49 = 7 THEN 'ACTIVE' ELSE 'CANCELLED' END, NULL, NULL, 0,
        md5('c' || i)::uuid, TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '150 seconds', now(), 0, i, NULL, 'OFF', 'ALLOW', FALSE, FALSE, NULL, i % 49 = 7
        FROM generate_series(1, 100000) AS i;
    INSERT INTO trades SELECT i, i % 50, 5000, 1, 'MINT', i, i % 100, 'BUY_YES', 0, i + 1, (i + 7) % 100, 'BUY_NO', 0,
        TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '150 seconds', 0, i FROM generate_series(1, 100000) AS i;
    INSERT INTO candles SELECT i % 50, interval_s, TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '1 hour', 5000, 5000, 5000, 5000, 1, 1, 0, i
        FROM generate_series(1, 10000) AS i, unnest(ARRAY[60, 3600]) AS interval_s;
    INSERT INTO ledger_entries SELECT i % 100, 0, i, 0, 'DEPOSIT', 1, 0, NULL, NULL, NULL,
        TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '150 seconds' FROM generate_series(1, 100000) AS i;
    ANALYZE;";

/// The rows of orders, trades and ledger entries that [`FILL`] makes.
const ROWS: u32 = 100_000;

/// A time in which each hot query ends on any machine, however many rows there are: none reads more
/// than a page.
const HOT_WITHIN_MS: f64 = 250.0;

/// The same tables with so many rows, over the same months: `ops/plans` has a million.
async fn fill(stack: &Stack) {
    let rows: u32 = std::env::var("LFG_PLAN_ROWS").map_or(ROWS, |text| text.parse().expect("LFG_PLAN_ROWS"));
    assert!((ROWS..=10 * ROWS).contains(&rows), "LFG_PLAN_ROWS is from {ROWS} to {}", 10 * ROWS);
    let pause = format!("'{} milliseconds'", 150_000 / (rows / ROWS));
    let fill = FILL.replace("generate_series(1, 100000)", &format!("generate_series(1, {rows})"));
    // Orders and trades keep their months; markets are as many as before.
    let fill = fill.replace("'150 seconds'", &pause);
    stack.postgres.batch_execute(&fill).await.unwrap();
}

/// A hot query, and the indexes that it may use: the named ones, and primary keys.
const HOT: &[(&str, &str, &[&str])] = &[
    (
        "an account's live orders with their markets, newest first (D2)",
        "SELECT o.*, m.ticker, m.question, m.state FROM orders o JOIN markets m ON m.id = o.market_id \
         WHERE o.account_id = 57 AND o.live \
         ORDER BY o.created_at DESC, o.id DESC LIMIT 100",
        &["orders_live_account"],
    ),
    (
        "an account's orders with their markets, newest first, the next page (D2)",
        "SELECT o.*, m.ticker, m.question, m.state FROM ( \
             (SELECT * FROM orders_live WHERE account_id = 57 AND (created_at, id) < (TIMESTAMPTZ '2026-05-30Z', 90000) \
              AND created_at <= TIMESTAMPTZ '2026-05-30Z' ORDER BY created_at DESC, id DESC LIMIT 100) UNION ALL \
             (SELECT * FROM orders_ended WHERE account_id = 57 AND (created_at, id) < (TIMESTAMPTZ '2026-05-30Z', 90000) \
              AND created_at <= TIMESTAMPTZ '2026-05-30Z' ORDER BY created_at DESC, id DESC LIMIT 100) \
         ) AS o JOIN markets m ON m.id = o.market_id ORDER BY o.created_at DESC, o.id DESC LIMIT 100",
        &["orders_live_account", "orders_ended_account"],
    ),
    (
        "a contract's live orders, best price first",
        "SELECT * FROM orders WHERE market_id = 8 AND contract = 'NO' AND live \
         ORDER BY limit_price, created_at",
        &["orders_live_contract"],
    ),
    (
        "newest orders first",
        "SELECT * FROM ( \
             (SELECT * FROM orders_live ORDER BY created_at DESC, id DESC LIMIT 100) UNION ALL \
             (SELECT * FROM orders_ended ORDER BY created_at DESC, id DESC LIMIT 100) \
         ) AS o ORDER BY created_at DESC, id DESC LIMIT 100",
        &["orders_live_newest", "orders_ended_newest"],
    ),
    (
        "a contract's ended orders by status, limit price and time",
        "SELECT * FROM orders WHERE NOT live AND market_id = 9 AND contract = 'YES' AND status = 'CANCELLED' AND limit_price < 4020 \
         ORDER BY limit_price, created_at",
        &["orders_ended_contract"],
    ),
    (
        "the order of a command",
        "SELECT * FROM orders WHERE command_id = md5('777')::uuid",
        &["orders_live_command", "orders_ended_command"],
    ),
    (
        "the order of a client's own name",
        "SELECT * FROM orders WHERE account_id = 77 AND client_id = md5('c777')::uuid",
        &["orders_live_client", "orders_ended_client"],
    ),
    ("an order", "SELECT * FROM orders WHERE id = 777", &[]),
    (
        "a market's trades, newest first",
        "SELECT * FROM trades WHERE market_id = 8 ORDER BY created_at DESC, id DESC LIMIT 100",
        &["trades_market"],
    ),
    (
        "an account's trades, newest first",
        "SELECT * FROM ( \
             (SELECT * FROM trades WHERE maker_account_id = 8 ORDER BY created_at DESC, id DESC LIMIT 100) UNION \
             (SELECT * FROM trades WHERE taker_account_id = 8 ORDER BY created_at DESC, id DESC LIMIT 100) \
         ) AS t ORDER BY created_at DESC, id DESC LIMIT 100",
        &["trades_maker", "trades_taker"],
    ),
    (
        "an account's ended orders of one status, newest first, that everybody has and it has not",
        "SELECT * FROM orders_ended o WHERE o.account_id = 57 AND o.status = 'REJECTED' \
         ORDER BY o.created_at DESC, o.id DESC LIMIT 51",
        &["orders_ended_status"],
    ),
    (
        "the fills of an account's order, newest first",
        "SELECT * FROM ( \
             (SELECT * FROM trades WHERE maker_order_id = 808 AND maker_account_id = 8 \
              ORDER BY created_at DESC, id DESC LIMIT 51) UNION ALL \
             (SELECT * FROM trades WHERE taker_order_id = 808 AND taker_account_id = 8 \
              ORDER BY created_at DESC, id DESC LIMIT 51) \
         ) AS t ORDER BY created_at DESC, id DESC LIMIT 51",
        &["trades_maker_order", "trades_taker_order"],
    ),
    (
        "an account's orders in one market, newest first",
        "SELECT * FROM ( \
             (SELECT * FROM orders_live WHERE account_id = 57 AND market_id = 58 ORDER BY created_at DESC, id DESC LIMIT 51) UNION ALL \
             (SELECT * FROM orders_ended WHERE account_id = 57 AND market_id = 58 AND status = 'CANCELLED' \
              ORDER BY created_at DESC, id DESC LIMIT 51) \
         ) AS o ORDER BY created_at DESC, id DESC LIMIT 51",
        &["orders_live_market", "orders_ended_market"],
    ),
    (
        "an account's trades in one market, newest first",
        "SELECT * FROM ( \
             (SELECT * FROM trades WHERE maker_account_id = 8 AND market_id = 9 ORDER BY created_at DESC, id DESC LIMIT 51) UNION ALL \
             (SELECT * FROM trades WHERE taker_account_id = 8 AND market_id = 9 ORDER BY created_at DESC, id DESC LIMIT 51) \
         ) AS t ORDER BY created_at DESC, id DESC LIMIT 51",
        &["trades_maker_market", "trades_taker_market"],
    ),
    (
        "settled markets of a state by ticker",
        "SELECT * FROM markets WHERE settled AND state = 'VOIDED' AND ticker COLLATE \"C\" > 'M-5' \
         ORDER BY ticker COLLATE \"C\" LIMIT 51",
        &["markets_settled_state"],
    ),
    (
        "wallets with a positive balance",
        "SELECT account_id, sum(available + held) FROM purses WHERE positive AND account_id > 500 \
         GROUP BY account_id ORDER BY account_id LIMIT 100",
        &["purses_with_credits"],
    ),
    ("an account's wallet", "SELECT * FROM wallets WHERE account_id = 8", &[]),
    (
        "open markets by expiry",
        "SELECT * FROM markets WHERE state = 'OPEN' AND expiry > TIMESTAMPTZ '2026-01-05Z' ORDER BY expiry, id LIMIT 100",
        &["markets_open"],
    ),
    ("an account's positions", "SELECT * FROM positions WHERE account_id = 8", &["positions_account"]),
    (
        "an account's ledger, newest first",
        "SELECT * FROM ledger_entries WHERE account_id = 8 \
         ORDER BY created_at DESC, shard DESC, sequence DESC, index DESC LIMIT 100",
        &[],
    ),
    (
        "a page of a market's trades in a range of time",
        "SELECT * FROM trades WHERE market_id = 8 AND (created_at, id) < (TIMESTAMPTZ '2026-05-30Z', 90000) \
         AND created_at <= TIMESTAMPTZ '2026-05-30Z' AND created_at >= TIMESTAMPTZ '2026-03-01Z' \
         ORDER BY created_at DESC, id DESC LIMIT 100",
        &["trades_market"],
    ),
    (
        "an account's orders of several statuses in a range of time",
        "SELECT * FROM ( \
             (SELECT * FROM orders_live WHERE account_id = 57 AND status = 'ACTIVE' AND created_at >= TIMESTAMPTZ '2026-03-01Z' \
              ORDER BY created_at DESC, id DESC LIMIT 100) UNION ALL \
             (SELECT * FROM orders_ended WHERE account_id = 57 AND status = 'FILLED' AND created_at >= TIMESTAMPTZ '2026-03-01Z' \
              ORDER BY created_at DESC, id DESC LIMIT 100) UNION ALL \
             (SELECT * FROM orders_ended WHERE account_id = 57 AND status = 'EXPIRED' AND created_at >= TIMESTAMPTZ '2026-03-01Z' \
              ORDER BY created_at DESC, id DESC LIMIT 100) \
         ) AS o ORDER BY created_at DESC, id DESC LIMIT 100",
        &["orders_live_account", "orders_ended_status"],
    ),
    (
        "a market's candles, newest first",
        "SELECT * FROM candles WHERE market_id = 8 AND interval_s = 60 AND start_at < TIMESTAMPTZ '2026-05-30Z' \
         ORDER BY start_at DESC LIMIT 101",
        &[],
    ),
    (
        "some markets' candles of a day",
        "SELECT market_id, sum(volume) FROM candles WHERE market_id = ANY(ARRAY[8, 9, 10]::bigint[]) AND interval_s = 3600 \
         AND start_at >= TIMESTAMPTZ '2026-05-29Z' GROUP BY market_id",
        &[],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_queries_use_their_indexes() {
    let stack = Stack::new("queries", 1).await;
    fill(&stack).await;
    for (what, query, expected) in HOT {
        let plan = plan(&stack, query).await;
        // The months ahead are empty, and an empty table is read equally fast in any way.
        let scans = plan.lines().filter(|line| line.contains("Seq Scan") && !line.contains("cost=0.00..0.00 "));
        assert_eq!(scans.count(), 0, "{what}:\n{plan}");
        let used = indexes(&stack, &plan).await;
        let named: BTreeSet<&str> = used.iter().map(String::as_str).filter(|name| !name.ends_with("_pkey")).collect();
        assert_eq!(named, expected.iter().copied().collect(), "{what}:\n{plan}");
        assert!(!used.is_empty(), "{what}:\n{plan}");
        let took = [run(&stack, query).await, run(&stack, query).await];
        println!("{:>8.3} ms, again {:>8.3} ms: {what}", took[0], took[1]);
        assert!(took[1] < HOT_WITHIN_MS, "{what}: {took:?} ms");
    }
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newest_first_reads_no_more_months_than_the_page_needs() {
    let stack = Stack::new("pages", 1).await;
    stack.postgres.batch_execute(FILL).await.unwrap();
    for query in [HOT[1].1, HOT[3].1, HOT[8].1] {
        let rows =
            stack.postgres.query(&format!("EXPLAIN (ANALYZE, COSTS off, TIMING off) {query}"), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains("never executed")), "{plan:#?}");
        // A page of live orders and one of ended orders may be merged.
        let rows = |line: &str| line.split_once("rows=")?.1.split_whitespace().next()?.parse::<u32>().ok();
        assert!(!plan.iter().any(|line| line.contains("->  Sort") && rows(line) > Some(200)), "{plan:#?}");
    }
    stack.remove().await;
}

/// However many orders and fills the account has in other markets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_by_market_reads_no_row_of_another_market() {
    let stack = Stack::new("by-market", 1).await;
    stack.postgres.batch_execute(FILL).await.unwrap();
    let by_market: Vec<_> = HOT.iter().filter(|(what, ..)| what.contains("in one market")).collect();
    assert_eq!(by_market.len(), 2);
    for (what, query, _) in by_market {
        let explain = format!("EXPLAIN (ANALYZE, COSTS off, TIMING off) {query}");
        let rows = stack.postgres.query(&explain, &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(!plan.iter().any(|line| line.contains("Rows Removed by Filter")), "{what}: {plan:#?}");
    }
    stack.remove().await;
}

async fn plan(stack: &Stack, query: &str) -> String {
    let rows = stack.postgres.query(&format!("EXPLAIN {query}"), &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

/// Runs a query, and returns how long Postgres took.
async fn run(stack: &Stack, query: &str) -> f64 {
    let rows = stack.postgres.query(&format!("EXPLAIN (ANALYZE, TIMING off) {query}"), &[]).await.unwrap();
    let last: String = rows.last().unwrap().get(0);
    let time = last.strip_prefix("Execution Time: ").and_then(|rest| rest.strip_suffix(" ms"));
    time.expect(&last).parse().unwrap()
}

/// Returns the indexes in a plan; for a partition's part of an index, the whole index.
async fn indexes(stack: &Stack, plan: &str) -> BTreeSet<String> {
    let whole = "SELECT COALESCE((SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = $1::text::regclass), $1::text::regclass)::text";
    let mut found = BTreeSet::new();
    for line in plan.lines().filter(|line| line.contains("Index ") && !line.contains("Cond")) {
        let (_, rest) = line.split_once(" using ").or_else(|| line.split_once(" on ")).expect(line);
        let name = rest.split_whitespace().next().unwrap();
        found.insert(stack.postgres.query_one(whole, &[&name]).await.unwrap().get(0));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_built_without_delaying_writers() {
    let stack = Stack::new("index", 1).await;
    stack.postgres.batch_execute(FILL).await.unwrap();
    stack.postgres.batch_execute("DROP INDEX orders_ended_client; DROP INDEX purses_with_credits").await.unwrap();

    // A writer that fails immediately when it would have to wait for a lock.
    let (writing, client) = (Arc::new(AtomicBool::new(true)), connect(&stack.database_url).await);
    let writer = tokio::spawn({
        let writing = Arc::clone(&writing);
        async move {
            client.batch_execute("SET lock_timeout = '100ms'").await.unwrap();
            let mut written = 0;
            while writing.load(Ordering::Relaxed) {
                let update = "UPDATE purses SET available = available + 1, positive = TRUE WHERE account_id = 7; \
                    UPDATE orders SET notional = notional + 1 WHERE id = 777";
                client.batch_execute(update).await.expect("a writer waited");
                written += 1;
            }
            written
        }
    });
    let done = migrate(&pool_args(&stack.database_url)).await.unwrap();
    assert_eq!(done.indexes, ["orders_ended_client", "purses_with_credits"]);
    writing.store(false, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);

    // A second run has nothing to do, and new months get their part automatically.
    assert_eq!(migrate(&pool_args(&stack.database_url)).await.unwrap().indexes, Vec::<String>::new());
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(stack.postgres.query_one(invalid, &[]).await.unwrap().get::<_, i64>(0), 0);
    let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'orders_ended_client'::regclass";
    let before: i64 = stack.postgres.query_one(parts, &[]).await.unwrap().get(0);
    stack.postgres.batch_execute("SELECT ensure_month('orders_ended', '2040-05-05Z')").await.unwrap();
    assert_eq!(stack.postgres.query_one(parts, &[]).await.unwrap().get::<_, i64>(0), before + 1);
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_build_continues() {
    let stack = Stack::new("interrupted", 1).await;
    stack.postgres.batch_execute(FILL).await.unwrap();
    // The state after a migrator that died after some partitions.
    let half = "DROP INDEX orders_ended_command; CREATE INDEX orders_ended_command ON ONLY orders_ended (command_id); \
        CREATE INDEX orders_ended_2026_01_orders_ended_command ON orders_ended_2026_01 (command_id); \
        CREATE INDEX orders_ended_2026_02_orders_ended_command ON orders_ended_2026_02 (command_id); \
        ALTER INDEX orders_ended_command ATTACH PARTITION orders_ended_2026_01_orders_ended_command";
    stack.postgres.batch_execute(half).await.unwrap();
    assert_eq!(migrate(&pool_args(&stack.database_url)).await.unwrap().indexes, ["orders_ended_command"]);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_ended_command'::regclass";
    assert!(stack.postgres.query_one(valid, &[]).await.unwrap().get::<_, bool>(0));
    stack.remove().await;
}

/// Checks that every constraint that a migration adds unchecked, to avoid blocking, is validated by
/// a later migration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_constraint_is_checked() {
    let stack = Stack::new("constraints", 1).await;
    let unchecked = "SELECT conrelid::regclass || '.' || conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1";
    let found: Vec<String> = stack.postgres.query(unchecked, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(found, Vec::<String>::new());
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_sql_are_those_of_the_log() {
    let stack = Stack::new("names", 1).await;
    // The text stored for reasons that this build does not know.
    let unknown = "^UNKNOWN_[0-9]+$".to_owned();
    let check = async |table: &str, column: &str, names: Vec<&str>| {
        let query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::text::regclass \
            AND conname = $1 || '_' || $2 || '_check'";
        let definition: String = stack.postgres.query_one(query, &[&table, &column]).await.expect(column).get(0);
        let found: BTreeSet<&str> = definition.split('\'').skip(1).step_by(2).collect();
        assert_eq!(found, names.into_iter().collect(), "{table}.{column}");
    };
    use schemas::event::{CancelReason, TradeKind};
    use schemas::{
        Contract, Entry, MarketState, PostOnly, SelfTrade, SettlementReason, Side, Status, TimeInForce, TriggerCause,
    };
    check("markets", "state", MarketState::ALL.iter().map(|name| name.name()).collect()).await;
    check("contracts", "contract", Contract::ALL.iter().map(|name| name.name()).collect()).await;
    check("orders", "contract", Contract::ALL.iter().map(|name| name.name()).collect()).await;
    check("orders", "side", Side::ALL.iter().map(|name| name.name()).collect()).await;
    check("orders", "time_in_force", TimeInForce::NAMES.to_vec()).await;
    check("orders", "post_only", PostOnly::ALL.iter().map(|name| name.name()).collect()).await;
    check("orders", "self_trade", SelfTrade::ALL.iter().map(|name| name.name()).collect()).await;
    check("orders", "status", Status::ALL.iter().map(|name| name.name()).collect()).await;
    let reasons: Vec<_> = CancelReason::ALL.iter().map(|name| name.to_string()).chain([unknown.clone()]).collect();
    check("orders", "cancel_reason", reasons.iter().map(String::as_str).collect()).await;
    check("order_groups", "trigger_cause", TriggerCause::ALL.iter().map(|name| name.name()).collect()).await;
    check("trades", "kind", TradeKind::ALL.iter().map(|name| name.name()).collect()).await;
    check("trades", "maker_entry", Entry::ALL.iter().map(|name| name.name()).collect()).await;
    check("trades", "taker_entry", Entry::ALL.iter().map(|name| name.name()).collect()).await;
    check("markets", "answer", vec!["VALUE", "VOID"]).await;
    let moved = [
        "DEPOSIT",
        "WITHDRAWAL",
        "HOLD",
        "PURSE_SENT",
        "PURSE_RECEIVED",
        "TRANSFER_SENT",
        "TRANSFER_RECEIVED",
        "TRANSFER_RETURNED",
    ];
    let settled: Vec<_> = SettlementReason::ALL.iter().map(|name| name.to_string()).chain([unknown]).collect();
    let acts = [
        Act::Deposit,
        Act::DepositProposed,
        Act::DepositConfirmed,
        Act::DepositDropped,
        Act::Withdrawal,
        Act::AccountFrozen,
        Act::AccountUnfrozen,
        Act::AccountLimited,
        Act::MarketCreated,
        Act::MarketChanged,
        Act::MarketLimited,
        Act::MarketEventCreated,
        Act::MarketEdited,
        Act::MarketAddedTo,
        Act::AdminSet,
        Act::AdminRevoked,
    ];
    check("admin_acts", "act", acts.map(Act::name).to_vec()).await;
    let by = schemas::AdminId(1);
    let ends = [ProposalEnd::Confirmed(by), ProposalEnd::Dropped(by), ProposalEnd::Expired].map(ProposalEnd::name);
    check("deposit_proposals", "status", std::iter::once("OPEN").chain(ends).collect()).await;
    check("ledger_entries", "kind", settled.iter().map(String::as_str).chain(moved).collect()).await;
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_has_its_limits() {
    let stack = Stack::new("limits", 1).await;
    let connections = projections::postgres::connections(&pool_args(&stack.database_url), 2).unwrap();
    let first = connections.get().await.unwrap();
    for client in [&first, &connections.get().await.unwrap()] {
        assert_eq!(client.query_one("SHOW statement_timeout", &[]).await.unwrap().get::<_, &str>(0), "30s");
    }
    stack.remove().await;
}

/// Writes batches of a few outcomes, starting from empty tables: a changed order reads a few index
/// entries, however many orders there are, and purses and positions change without changing any
/// index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_changes_is_read_and_no_others() {
    let stack = Stack::new("changes", 1).await;
    let (mut exchange, mut log) = (Exchange::new(1, 5), Log::new(1, Timestamp(1_700_000_000_000)));
    log.tell_all(&exchange.seed(20, 3));
    for _ in 0..3_000 {
        log.time = Timestamp(log.time.as_millis() + 7);
        log.tell_all(&exchange.busy_step());
    }
    let connections = projections::postgres::connections(&pool_args(&stack.database_url), 1).unwrap();
    let shard = Shard::all(1).next().unwrap();
    let months = Months::new(connections.clone());
    let mut sink = PostgresSink::new(connections.clone(), months, WriterId::begin(), shard, ShardMap::new(1).unwrap());
    let mut from = sink.load(0).await.unwrap();
    let (mut reader, mut changes) = (LogReader::new(shard, 1, from), RowChanges::new());
    for (offset, record) in log.shards[0].records.iter().enumerate() {
        if let ReadRecord::Outcome(outcome) = reader.read(offset as u64, record).unwrap() {
            changes.fold(&outcome).unwrap();
        }
        if offset % 5 == 0 {
            sink.write(&std::mem::take(&mut changes), &from, reader.position()).await.unwrap();
            from = *reader.position();
        }
    }
    // A connection's counters are visible to all once it is closed.
    connections.forget();
    let counted = "SELECT sum(n_tup_upd + n_tup_del)::bigint, (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'orders_%')::bigint \
        FROM pg_stat_user_tables WHERE relname LIKE 'orders_%'";
    let mut seen = (0, 0);
    until("the writer's counts", async || {
        let row = stack.postgres.query_one(counted, &[]).await.unwrap();
        seen = (row.get::<_, i64>(0), row.get::<_, i64>(1));
        seen.0 > 500
    })
    .await;
    let (changed, read) = seen;
    // Entries of dead rows count until a scan has found them.
    assert!(read < 20 * changed, "{changed} orders changed, {read} entries of indexes read");
    // Rows without an indexed change are updated in place if their page has room: new positions use
    // the space of old ones.
    let in_place = "SELECT relname::text, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables \
        WHERE relname IN ('purses', 'positions', 'progress', 'orders_live')";
    for row in stack.postgres.query(in_place, &[]).await.unwrap() {
        let (table, changed, in_place): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let tenths = match table.as_str() {
            "positions" => 5,
            "orders_live" => 8,
            _ => 7,
        };
        assert!(
            changed > 100 && in_place * 10 >= changed * tenths,
            "{table}: {in_place} of {changed} updates in place"
        );
    }
    // An empty position has no row.
    let empty = "SELECT (SELECT count(*) FROM positions WHERE yes = 0 AND no = 0), \
        (SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'positions')";
    let row = stack.postgres.query_one(empty, &[]).await.unwrap();
    let (empty, dropped): (i64, i64) = (row.get(0), row.get(1));
    assert!(empty == 0 && dropped > 10, "{empty} empty positions, {dropped} dropped");
    stack.remove().await;
}
