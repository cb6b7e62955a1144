//! Measures the cost of an order in Redis: commands, the server's CPU, the writer's CPU; on a
//! separate real server.
//!
//!   REDIS_URL=redis://127.0.0.1:PORT/0 cargo bench -p projections --bench redis
//!
//! 10,000 orders and their cancels, on one shard, in batches of 1, 20 and 200 outcomes. Commands
//! are from `INFO commandstats`, which includes calls by scripts; the server's CPU is that of its
//! process (`INFO cpu`), the writer's is the kernel's figure for this process's threads. Everything
//! is folded beforehand, so only the sink is measured.

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

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::exchange::{Exchange, Told};
use fred::prelude::*;
use fred::types::InfoKind;
use projections::fold::RowChanges;
use projections::redis::RedisSink;
use projections::sink::{Sink as _, WriterId};
use schemas::reading::Checkpoint;
use schemas::{Cause, Outcome, Shard, Timestamp};

const ORDERS: usize = 10_000;
const BATCHES: [usize; 3] = [1, 20, 200];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL names a server of this measurement's own");
    let client = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
    client.init().await.unwrap();
    let (seed, flow) = history();
    println!(
        "{:>5} {:>9} {:>10} {:>10} {:>10} {:>8}",
        "batch", "commands", "redis µs", "writer µs", "wall µs", "bytes"
    );
    for size in BATCHES {
        run(&client, &url, size, &seed, &flow).await;
    }
}

/// Returns the outcomes that create accounts and markets, and those of the orders.
fn history() -> (Vec<Outcome>, Vec<Outcome>) {
    let mut exchange = Exchange::new(1, 1);
    let mut sequence = 0;
    let mut outcomes =
        |told: Vec<Told>| -> Vec<Outcome> { told.into_iter().map(|told| outcome(&mut sequence, told)).collect() };
    let seed = outcomes(exchange.seed(1_000, 20));
    let mut flow = Vec::new();
    let before = exchange.orders.len();
    while exchange.orders.len() < before + ORDERS {
        flow.extend(outcomes(exchange.busy_step()));
    }
    (seed, flow)
}

fn outcome(sequence: &mut u64, told: Told) -> Outcome {
    *sequence += 1;
    let cause = Cause { offset: *sequence, id: told.command };
    Outcome { term: 0, sequence: *sequence, time: Timestamp(1_795_000_000_000 + *sequence), cause, events: told.events }
}

async fn run(client: &Client, url: &str, size: usize, seed: &[Outcome], flow: &[Outcome]) {
    client.flushall::<()>(false).await.unwrap();
    let mut sink = RedisSink::new(url, "bench", WriterId::begin(), Shard::new(0).unwrap()).unwrap();
    let mut at = sink.load(0).await.unwrap();
    write(&mut sink, &mut at, &folded(seed, 500)).await;
    let batches = folded(flow, size);
    let (calls, bytes, server, own, start) = begin(client).await;
    write(&mut sink, &mut at, &batches).await;
    let took = start.elapsed();
    let (calls_after, bytes_after, server_after, own_after, _) = begin(client).await;
    let an_order = |total: f64| total / ORDERS as f64;
    let mut by_command = BTreeMap::new();
    for (name, count) in &calls_after {
        let more = count - calls.get(name).unwrap_or(&0);
        if more > 0 && name != "info" {
            by_command.insert(name.as_str(), an_order(more as f64));
        }
    }
    println!(
        "{size:>5} {:>9.2} {:>10.1} {:>10.1} {:>10.1} {:>8.0}",
        by_command.values().sum::<f64>(),
        an_order((server_after - server) * 1e6),
        an_order((own_after - own).as_secs_f64() * 1e6),
        an_order(took.as_secs_f64() * 1e6),
        an_order(bytes_after - bytes),
    );
    println!("      {by_command:.2?}");
    sink.disconnect().await;
}

type Counts = (BTreeMap<String, u64>, f64, f64, Duration, Instant);

/// Returns the counters of the server and this process so far.
async fn begin(client: &Client) -> Counts {
    let text: String = client.info(Some(InfoKind::CommandStats)).await.unwrap();
    let calls = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    let calls = calls.collect();
    let net = number(client, InfoKind::Stats, "total_net_input_bytes:").await;
    let server =
        number(client, InfoKind::Cpu, "used_cpu_sys:").await + number(client, InfoKind::Cpu, "used_cpu_user:").await;
    (calls, net, server, own_cpu(), Instant::now())
}

async fn number(client: &Client, kind: InfoKind, name: &str) -> f64 {
    let text: String = client.info(Some(kind)).await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

/// Returns the processor time that this process's threads have used.
fn own_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = |task: std::fs::DirEntry| -> u64 {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    Duration::from_nanos(tasks.map(|task| nanos(task.unwrap())).sum())
}

fn folded(outcomes: &[Outcome], size: usize) -> Vec<(RowChanges, u64)> {
    let fold = |outcomes: &[Outcome]| {
        let mut changes = RowChanges::new();
        outcomes.iter().for_each(|outcome| changes.fold(outcome).unwrap());
        (changes, outcomes.len() as u64)
    };
    outcomes.chunks(size).map(fold).collect()
}

async fn write(sink: &mut RedisSink, at: &mut Checkpoint, batches: &[(RowChanges, u64)]) {
    for (changes, outcomes) in batches {
        let to = Checkpoint { offset: at.offset + outcomes, sequence: at.sequence + outcomes, ..*at };
        sink.write(changes, at, &to).await.unwrap();
        *at = to;
    }
}
