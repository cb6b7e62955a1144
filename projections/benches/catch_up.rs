//! How fast a long log is caught up with, and how soon a lone outcome is visible; on the real servers.
//!
//!   cargo bench -p projections --bench catch_up            (LFG_BENCH_STEPS: commands in the log, default 200,000)
//!
//! The log is that of a busy exchange: four orders of five place, one cancels; six of ten that place meet something.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement fails by panicking, on small numbers"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::exchange::Exchange;
use common::log::{Log, one};
use common::stack::{Stack, ends};
use common::worker::Worker;
use schemas::{AccountId, Credits, Event, Shard, Timestamp};

const SHARDS: u16 = 4;
const LONE: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let steps: usize = std::env::var("LFG_BENCH_STEPS").map_or(200_000, |steps| steps.parse().unwrap());
    let mut stack = Stack::new("bench", SHARDS).await;
    let (mut log, mut exchange) = (Log::new(SHARDS, Timestamp(1_795_000_000_000)), Exchange::new(SHARDS, 1));
    let told = exchange.seed(1_000, 20);
    log.tell_all(&told);
    for step in 0..steps {
        log.time = Timestamp(log.time.as_millis() + u64::from(step % 4 == 0));
        let told = exchange.busy_step();
        log.tell_all(&told);
    }
    stack.produce_and_flush(&log);
    let bytes: usize = log.shards.iter().flat_map(|shard| &shard.records).map(Vec::len).sum();
    println!(
        "log: {steps} commands, {} outcomes, {:.0} MB, {} orders",
        log.outcomes(),
        bytes as f64 / 1e6,
        exchange.orders.len()
    );

    let worker = Worker::start_on(&stack, &stack.database_url, &["--only", "postgres"]);
    let took = timed(
        async || stack.postgres_offsets().await.iter().any(|offset| *offset > 0),
        async || stack.postgres_offsets().await == ends(&log),
    )
    .await;
    report("postgres", took, steps, &log);
    let rows =
        "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM trades) + (SELECT count(*) FROM ledger_entries)";
    let rows: i64 = stack.postgres.query_one(rows, &[]).await.unwrap().get(0);
    println!("postgres: {rows} rows appended, {:.0} a second", rows as f64 / took.as_secs_f64());
    assert!(worker.terminate().success());

    let worker = Worker::start_on(&stack, &stack.database_url, &["--only", "redis"]);
    let redis_ends: Vec<Option<usize>> = ends(&log).into_iter().map(Some).collect();
    let took = timed(
        async || stack.redis_offsets().await.iter().any(|offset| offset.is_some_and(|offset| offset > 0)),
        async || stack.redis_offsets().await == redis_ends,
    )
    .await;
    report("redis", took, steps, &log);
    assert!(worker.terminate().success());

    let worker = Worker::start(&stack);
    stack.caught_up(&log).await;
    lone(&mut stack, &mut log, &exchange).await;
    assert!(worker.terminate().success());
    stack.remove().await;
}

/// From when `begun` holds to when `done` does.
async fn timed(mut begun: impl AsyncFnMut() -> bool, mut done: impl AsyncFnMut() -> bool) -> Duration {
    while !begun().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = Instant::now();
    while !done().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

fn report(sink: &str, took: Duration, steps: usize, log: &Log) {
    let seconds = took.as_secs_f64();
    let (commands, outcomes) = (steps as f64 / seconds, log.outcomes() as f64 / seconds);
    println!("{sink}: caught up in {seconds:.1} s, {commands:.0} commands and {outcomes:.0} outcomes a second");
}

/// One outcome at a time, with pauses: from its production to its being visible.
async fn lone(stack: &mut Stack, log: &mut Log, exchange: &Exchange) {
    let account: AccountId = *exchange.wallets.keys().next().unwrap();
    let home: Shard = exchange.home(account);
    for sink in ["redis", "postgres"] {
        let mut times = Vec::new();
        for _ in 0..LONE {
            log.tell(&one(home, Event::Deposited { account, amount: Credits(1), client_id: None }));
            let (end, start) = (log.shards[home.index()].records.len(), Instant::now());
            stack.produce(log);
            loop {
                let at = match sink {
                    "redis" => stack.redis_offsets().await[home.index()].unwrap(),
                    _ => stack.postgres_offsets().await[home.index()],
                };
                if at == end {
                    break;
                }
            }
            times.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        times.sort();
        let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
        println!(
            "{sink}: a lone outcome is visible after {:?} (p50), {:?} (p99), {:?} (max)",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
