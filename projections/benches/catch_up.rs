//! Measures how fast the worker catches up with a long log, and how soon a single outcome is
//! visible; on the real servers.
//!
//! cargo bench -p projections --bench catch_up            (LFG_BENCH_STEPS: commands in the log,
//! default 200,000)
//!
//! The log is that of a busy exchange: four of five orders place, one cancels; six of ten placed
//! orders match.

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
use schemas::{AdminId, Credits, Event, Shard, Timestamp};

const SHARDS: u16 = 4;
const STEADY: usize = 10_000;
const LONE: usize = 200;
const WARM_UP: usize = 50;

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
    steady(&mut stack, &mut log, &mut exchange, &worker).await;
    assert!(worker.terminate().success());
    stack.remove().await;
}

/// Returns the time from when `begun` holds to when `done` holds.
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

/// Produces one outcome at a time, with pauses, and measures the time until it is visible.
async fn lone(stack: &mut Stack, log: &mut Log, exchange: &Exchange) {
    let (account, _) = *exchange.purses.keys().next().unwrap();
    let home: Shard = exchange.home(account);
    for sink in ["redis", "postgres"] {
        let mut times = Vec::new();
        // A new consumer's first records are slow and are not measured here.
        for round in 0..LONE + WARM_UP {
            log.tell(&one(
                home,
                Event::Deposited { account, amount: Credits(1), client_id: None, by: AdminId(1), seconded: None },
            ));
            let (end, start) = (log.shards[home.index()].records.len(), Instant::now());
            stack.produce(log);
            while offset(stack, sink, home).await != end {}
            if round >= WARM_UP {
                times.push(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
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

/// Measures the cost of a thousand commands per second, and the stores' delay.
async fn steady(stack: &mut Stack, log: &mut Log, exchange: &mut Exchange, worker: &Worker) {
    let backends =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lfg-projections'";
    let rows = stack.postgres.query(backends, &[]).await.unwrap();
    let backends: Vec<u32> = rows.iter().map(|row| row.get::<_, i32>(0).unsigned_abs()).collect();
    let (start, own) = (Instant::now(), cpu(worker.id()));
    let others: Duration = backends.iter().map(|pid| cpu(*pid)).sum();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    for _ in 0..STEADY {
        tick.tick().await;
        let told = exchange.busy_step();
        log.tell_all(&told);
        stack.produce(log);
    }
    let produced = start.elapsed();
    stack.caught_up(log).await;
    let own = cpu(worker.id()) - own;
    let others = backends.iter().map(|pid| cpu(*pid)).sum::<Duration>() - others;
    println!(
        "steady: {STEADY} commands in {produced:.1?}, all visible after {:.1?}; of a core: worker {:.2}, Postgres's backends {:.2}",
        start.elapsed(),
        own.as_secs_f64() / produced.as_secs_f64(),
        others.as_secs_f64() / produced.as_secs_f64()
    );
    let (_, metrics) = worker.get("/metrics").await.unwrap();
    for line in metrics.lines().filter(|line| {
        let name = line.starts_with("lfg_projections_delay") || line.starts_with("lfg_projections_batch_seconds");
        name && line.contains("shard=\"0\"") && line.contains("_bucket")
    }) {
        println!("{line}");
    }
}

/// Returns the processor time that a process has used.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

async fn offset(stack: &Stack, sink: &str, shard: Shard) -> usize {
    if sink == "redis" {
        let keys = schemas::read_models::RedisKeys::new(&stack.log.topic_prefix, shard);
        let progress: String = fred::prelude::KeysInterface::get(&stack.redis, keys.progress()).await.unwrap();
        return progress.split(':').next().unwrap().parse().unwrap();
    }
    let query = "SELECT events_offset FROM progress WHERE shard = $1";
    let number = i16::try_from(shard.number()).unwrap();
    let offset: i64 = stack.postgres.query_one(query, &[&number]).await.unwrap().get(0);
    usize::try_from(offset).unwrap()
}
