//! The effects of migrations on existing rows.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;

use common::stack::Stack;

/// Returns the SQL of the migrations with these numbers, in order, each in its own transaction, as
/// `projections migrate` runs them.
fn migrations(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations");
    let mut found: Vec<(u32, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let number = name.strip_prefix('V')?.split_once("__")?.0.parse().ok()?;
            numbers.contains(&number).then(|| (number, std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, sql)| format!("BEGIN; {sql}; COMMIT")).collect()
}

/// Orders of three months, a third of them live.
const ORDERS: &str = "
    SELECT ensure_month('orders', TIMESTAMPTZ '2026-01-15Z' + month * INTERVAL '1 month') FROM generate_series(0, 2) AS month;
    CREATE INDEX orders_account ON orders (account_id, created_at DESC, id DESC);
    CREATE INDEX orders_account_live ON orders (account_id, created_at DESC, id DESC)
        WHERE status IN ('ACTIVE', 'PARTIALLY_FILLED');
    INSERT INTO orders SELECT i, md5(i::text)::uuid, i % 7, i % 5, 'YES', 'BUY', 'LIMIT', 'GTC', 4000 + i, NULL, 10, i % 2, 40 * (i % 2), 0,
        CASE i % 3 WHEN 0 THEN CASE i % 2 WHEN 0 THEN 'ACTIVE' ELSE 'PARTIALLY_FILLED' END ELSE 'CANCELLED' END, NULL,
        CASE WHEN i % 3 > 0 THEN 'REQUESTED' END, 0, NULL, TIMESTAMPTZ '2026-01-01Z' + i * INTERVAL '1 day', now(), 0, i, NULL, 'OFF', 'ALLOW',
        FALSE, FALSE, CASE WHEN i % 4 = 0 THEN i END
        FROM generate_series(1, 89) AS i";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_before_keep_their_rows_and_live_ones_are_apart() {
    let stack = Stack::new("before", 1).await;
    let sql = async |text: &str| stack.postgres.batch_execute(text).await.unwrap();
    sql("CREATE SCHEMA before; SET search_path TO before").await;
    for migration in migrations(1..=22) {
        sql(&migration).await;
    }
    sql(ORDERS).await;
    let rows = "SELECT (SELECT array_agg(row.value ORDER BY row.key) FROM jsonb_each_text(to_jsonb(o) - 'live') AS row) FROM orders o ORDER BY id";
    let before: Vec<Vec<Option<String>>> =
        stack.postgres.query(rows, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(before.len(), 89);
    for migration in migrations(23..=23) {
        sql(&migration).await;
    }
    let after: Vec<Vec<Option<String>>> =
        stack.postgres.query(rows, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(after, before);
    let counts = "SELECT (SELECT count(*) FROM orders_live), (SELECT count(*) FROM orders_ended), \
        (SELECT count(*) FROM orders_ended_2026_02), to_regclass('orders_ended_account') IS NOT NULL, to_regclass('orders_account_live') IS NULL";
    let row = stack.postgres.query_one(counts, &[]).await.unwrap();
    let counted: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((counted, row.get::<_, bool>(3), row.get::<_, bool>(4)), ((29, 60, 19), true, true));
    // An order that ends moves into its month, and the next month is created as before.
    sql("UPDATE orders SET status = 'FILLED', live = FALSE WHERE live AND id = 33").await;
    sql("SELECT ensure_month('orders_ended', '2026-04-15Z')").await;
    let moved = "SELECT tableoid::regclass::text FROM orders WHERE id = 33";
    assert_eq!(stack.postgres.query_one(moved, &[]).await.unwrap().get::<_, String>(0), "orders_ended_2026_02");
    stack.remove().await;
}

/// Two trades of one minute, one of the same day, one of another market.
const TRADES: &str = "
    SELECT ensure_month('trades', '2026-01-15Z');
    INSERT INTO trades SELECT id, market_id, price, quantity, 'MINT', 1, 1, 'BUY_YES', 0, 2, 2, 'BUY_NO', 0, created_at::timestamptz, 3, sequence
        FROM (VALUES (1, 7, 5000, 2, '2026-01-15 10:00:01Z', 11), (2, 7, 4000, 3, '2026-01-15 10:00:01Z', 11),
            (3, 7, 4500, 5, '2026-01-15 10:04:59Z', 12), (4, 8, 10, 1, '2026-01-15 23:59:59.999Z', 13))
        AS t (id, market_id, price, quantity, created_at, sequence)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_of_before_have_their_candles() {
    let stack = Stack::new("candles", 1).await;
    let sql = async |text: &str| stack.postgres.batch_execute(text).await.unwrap();
    sql("CREATE SCHEMA before; SET search_path TO before; SET timezone TO 'UTC'").await;
    for migration in migrations(1..=23) {
        sql(&migration).await;
    }
    sql(TRADES).await;
    for migration in migrations(24..=24) {
        sql(&migration).await;
    }
    let rows = "SELECT concat_ws(' ', market_id, interval_s, to_char(start_at, 'HH24:MI'), open, high, low, close, volume, trades, shard, sequence) \
        FROM candles ORDER BY market_id, interval_s, start_at";
    let found: Vec<String> = stack.postgres.query(rows, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected = [
        "7 60 10:00 5000 5000 4000 4000 5 2 3 11",
        "7 60 10:04 4500 4500 4500 4500 5 1 3 12",
        "7 300 10:00 5000 5000 4000 4500 10 3 3 12",
        "7 3600 10:00 5000 5000 4000 4500 10 3 3 12",
        "7 86400 00:00 5000 5000 4000 4500 10 3 3 12",
        "8 60 23:59 10 10 10 10 1 1 3 13",
        "8 300 23:55 10 10 10 10 1 1 3 13",
        "8 3600 23:00 10 10 10 10 1 1 3 13",
        "8 86400 00:00 10 10 10 10 1 1 3 13",
    ];
    assert_eq!(found, expected);
    stack.remove().await;
}
