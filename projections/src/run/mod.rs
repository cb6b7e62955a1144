//! The running worker: two sinks side by side, each with its own tail of the log, positions and
//! timing.
//!
//! ```text
//!                      ┌─ pump ─▶ queue ─▶ shard 0 ─▶ transaction ─▶ Postgres
//!   lfg.events[0…n] ───┤            …        …
//!                      └─ pump ─▶ queue ─▶ shard 0 ─▶ script call ─▶ Redis
//! ```
//!
//! The sinks share nothing, so a slow Redis does not delay Postgres. The shards of one sink share
//! only a Kafka consumer. A shard that cannot write is paused there and starts again without
//! delaying others. The same holds for a shard whose store is missing; the health probes name it. A
//! shard whose log cannot be read or folded, or whose store refuses the log's data, halts; the
//! others continue without it.

mod batch;
mod end;
mod meters;
mod pump;
mod queue_share;
mod session;
mod shard;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemas::{PartId, PartKind, Program, Shard};
use service::kafka::{announce, topics};
use service::{Backoff, Liveness, LogArgs, Readiness, Shutdown};

pub use batch::BatchLimits;
pub use end::Stop;

use crate::postgres::{self, Months, PostgresSink, WritePoolArgs};
use crate::redis::RedisSink;
use crate::sink::{Sink, WriterId};
use session::Worker;

/// One store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum StoreKind {
    /// The tables.
    Postgres,
    /// The read models.
    Redis,
}

/// How to reach Redis.
#[derive(Clone, Debug, Args)]
pub struct RedisArgs {
    /// Redis, `redis://[user:password@]host:port/database`.
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: String,
}

/// How to run.
#[derive(Clone, Debug, Args)]
pub struct ProjectionArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Postgres.
    #[command(flatten)]
    pub postgres: WritePoolArgs,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Fold into this store alone (for one process per store). Default: both.
    #[arg(long, env = "LFG_PROJECTIONS_ONLY")]
    pub only: Option<StoreKind>,
    /// Minimum milliseconds between the starts of a shard's transactions; the broker gathers
    /// records for the same time. Larger values mean fewer and larger transactions, and more delay.
    #[arg(long, env = "LFG_POSTGRES_INTERVAL_MS", default_value_t = 50)]
    pub postgres_interval_ms: u64,
    /// The same for a shard's script calls to Redis.
    #[arg(long, env = "LFG_REDIS_INTERVAL_MS", default_value_t = 10)]
    pub redis_interval_ms: u64,
}

impl ProjectionArgs {
    fn postgres_limits(&self) -> BatchLimits {
        let interval = Duration::from_millis(self.postgres_interval_ms);
        BatchLimits { records: 5_000, bytes: 4 * 1024 * 1024, interval }
    }

    fn redis_limits(&self) -> BatchLimits {
        // Redis serves no other client while a script runs.
        let interval = Duration::from_millis(self.redis_interval_ms);
        BatchLimits { records: 500, bytes: 256 * 1024, interval }
    }
}

/// Runs until asked to stop, or until a fault that must not be retried.
pub async fn run(
    args: &ProjectionArgs,
    readiness: &Readiness,
    liveness: &Liveness,
    shutdown: &Shutdown,
) -> Result<(), Stop> {
    let writer = WriterId::begin();
    tracing::info!(writer = %writer.0, "begins");
    let worker = |limits| Worker {
        writer,
        log: args.log.clone(),
        limits,
        readiness: readiness.clone(),
        liveness: liveness.clone(),
        shutdown: shutdown.clone(),
    };
    let (postgres, redis) = (sinks_of_postgres(args, writer)?, sinks_of_redis(args, writer)?);
    let running = AtomicUsize::new([postgres.is_empty(), redis.is_empty()].iter().filter(|none| !**none).count());
    let apart = Apart { shards: args.log.shards, readiness, shutdown, running: &running };
    // All components are registered before the first can be ready.
    let postgres = worker(args.postgres_limits()).prepare(postgres);
    let redis = worker(args.redis_limits()).prepare(redis);
    let topics_right = readiness.part("topics");
    verify_topics(&args.log, shutdown).await?;
    tokio::spawn(topics::watch(args.log.clone(), topics_right, shutdown.clone()));
    let part = Program::THIS.part(PartId(writer.0.as_u128()), PartKind::Projections);
    let announced = announce(args.log.clone(), part, shutdown.clone());
    let (postgres, redis, ()) =
        tokio::join!(apart.run(PostgresSink::NAME, postgres.run()), apart.run(RedisSink::NAME, redis.run()), announced);
    postgres.and(redis)
}

fn sinks_of_postgres(args: &ProjectionArgs, writer: WriterId) -> Result<Vec<PostgresSink>, Stop> {
    if args.only == Some(StoreKind::Redis) {
        return Ok(Vec::new());
    }
    let shards = usize::from(args.log.shards);
    let connections = postgres::connections(&args.postgres, shards).map_err(Stop::settings)?;
    let months = Months::new(connections.clone());
    tokio::spawn(connections.clone().look_after());
    tokio::spawn(months.clone().keep_ahead());
    Ok(Shard::all(args.log.shards)
        .map(|shard| PostgresSink::new(connections.clone(), months.clone(), writer, shard, args.log.shard_map()))
        .collect())
}

fn sinks_of_redis(args: &ProjectionArgs, writer: WriterId) -> Result<Vec<RedisSink>, Stop> {
    if args.only == Some(StoreKind::Postgres) {
        return Ok(Vec::new());
    }
    let sink = |shard| RedisSink::new(&args.redis.redis_url, &args.log.topic_prefix, writer, shard);
    Shard::all(args.log.shards).map(sink).collect::<Result<_, _>>().map_err(Stop::settings)
}

/// The number of shards is part of the data: wait for Kafka if necessary, but never fold another
/// log.
async fn verify_topics(log: &LogArgs, shutdown: &Shutdown) -> Result<(), Stop> {
    let mut backoff = Backoff::new();
    loop {
        match topics::verify(log).await {
            Ok(()) => return Ok(()),
            Err(fault) if fault.may_retry() => {
                tracing::warn!(%fault, "waiting for Kafka");
                tokio::select! {
                    () = shutdown.wait() => return Ok(()),
                    () = backoff.wait() => {}
                }
            }
            Err(fault) => return Err(Stop::Kafka(fault)),
        }
    }
}

/// Runs sinks whose failures are independent.
struct Apart<'a> {
    shards: u16,
    readiness: &'a Readiness,
    shutdown: &'a Shutdown,
    /// Sinks that have not failed.
    running: &'a AtomicUsize,
}

impl Apart<'_> {
    /// A store that a later build has laid out ends only its own sink; the probes name it. Any
    /// other end of a sink, and the end of the last one, ends the process, so that it is noticed.
    async fn run(&self, name: &str, sink: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        let result = sink.await;
        let Err(stop) = &result else { return result };
        let others = self.running.fetch_sub(1, Ordering::AcqRel) - 1;
        if stop.is_one_stores() && others > 0 {
            tracing::error!(sink = name, %stop, hint = HINT_STORE, "this store is no longer written; the other is");
            for shard in Shard::all(self.shards) {
                self.readiness.share(format!("{name} of shard {shard}")).halt(format!("{stop}; hint: {HINT_STORE}"));
            }
        } else {
            tracing::error!(%stop, "stopping");
            self.shutdown.trigger();
        }
        result
    }
}

/// The hint for the operator of a store that ended its sink.
const HINT_STORE: &str =
    "install the build of the projections that wrote the store's tables, in place of this process's";
