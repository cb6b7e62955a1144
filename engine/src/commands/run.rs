//! `engine run`: the process. One thread per shard, one for the consumer group, one runtime for all
//! asynchronous work.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use schemas::{EngineId, PartId, PartKind, Program, Shard};
use service::config::{AdminArgs, LogArgs};
use service::kafka::{ConsumerProfile, GroupProtocol, KafkaFault, announce, topics};
use service::{AdminPort, Backoff, Liveness, Readiness, Shutdown, Telemetry};
use snapshots::{LocationError, SNAPSHOT_WITHIN, Snapshots};

use crate::doubt;
use crate::kafka_log::{KafkaLog, LogConsumer, LogWriter};
use crate::log::SystemClock;
use crate::ownership::{GroupConfig, Ownership};
use crate::shard::{AHEAD_MAX, Control, ShardLoop};
use crate::snapshotter::{SnapshotSchedule, Snapshotter, SnapshotterConfig};
use crate::standby::Standby;

/// A shard's thread that does not report for this long counts as hanging. (It reports at least
/// every 20 ms, and announces when it reads and restores a snapshot, which may take longer.)
const SILENT_MAX: Duration = Duration::from_secs(30);

/// How long shards may take to end in an orderly way.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How long, at the end, records handed over to the producer may take to be acknowledged.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);

/// Arguments of `engine run`.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The admin port.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Where snapshots are kept: a path or a URL.
    #[arg(long, env = "LFG_SNAPSHOTS", default_value = ".run/snapshots")]
    pub snapshots: String,
    /// Number of outcomes after which a snapshot is taken; more if the state is large.
    #[arg(long, env = "LFG_SNAPSHOT_EVERY", default_value_t = 100_000)]
    pub snapshot_every: u64,
    /// Seconds after which a snapshot is taken, if there was any outcome.
    #[arg(long, env = "LFG_SNAPSHOT_SECONDS", default_value_t = 600)]
    pub snapshot_seconds: u64,
    /// A leader stops leading a shard when a command's time, which is the broker's, is this many
    /// seconds ahead of the leader's own clock.
    #[arg(long, env = "LFG_CLOCK_AHEAD_MAX_SECONDS", default_value_t = AHEAD_MAX.as_secs())]
    pub clock_ahead_max_seconds: u64,
    /// Shards that this engine follows in addition to those that it leads:
    /// `ENGINE/ENGINESxFOLLOWERS`, for example `2/10x3` for engine 2 of 0 to 9, where each shard
    /// has 3 followers. Default: all shards.
    #[arg(long, env = "LFG_STANDBY", value_name = "ENGINE/ENGINESxFOLLOWERS")]
    pub standby: Option<Standby>,
    /// The protocol by which engines agree on which one leads which shard.
    #[arg(long, env = "LFG_GROUP_PROTOCOL", value_enum, default_value_t = GroupProtocol::Consumer)]
    pub group_protocol: GroupProtocol,
}

/// The process could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Kafka refuses a request that the process needs.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The snapshot location cannot be used.
    #[error("LFG_SNAPSHOTS: {0}")]
    Snapshots(#[from] LocationError),
    /// The operating system refuses a port, a thread or a signal handler.
    #[error(transparent)]
    Machine(#[from] std::io::Error),
}

/// Runs until asked to stop. A halted shard does not stop the others: readiness and metrics report
/// it.
pub async fn run(args: EngineArgs, telemetry: Telemetry) -> Result<(), RunError> {
    crate::metrics::describe();
    let shutdown = Shutdown::on_signals()?;
    let (liveness, readiness) = (Liveness::new(), Readiness::new());
    let (owned, topics_right) = (readiness.part("ownership"), readiness.part("topics"));
    let controls: Vec<Control> = Shard::all(args.log.shards)
        .map(|shard| {
            let name = format!("shard {shard}");
            let follows = args.standby.is_none_or(|standby| standby.follows(shard));
            Control::new(readiness.share(&name), liveness.watch(name, SILENT_MAX), follows)
        })
        .collect();
    AdminPort::start(args.admin.listen, telemetry, liveness.clone(), readiness).await?;
    let Some(writer) = connect(&args, &shutdown).await? else { return Ok(()) };
    tokio::spawn(topics::watch(args.log.clone(), topics_right, shutdown.clone()));
    tokio::spawn(doubt::watch(args.log.topics(), controls.clone(), shutdown.clone()));
    let engine = EngineId(uuid::Uuid::now_v7().as_u128());
    let part = Program::THIS.part(PartId(engine.0), PartKind::Engine);
    let announced = tokio::spawn(announce(args.log.clone(), part, shutdown.clone()));
    let snapshots = Snapshots::open(&args.snapshots, &args.log.topic_prefix)?;
    let shards = Shards::start(&args, engine, &writer, &snapshots, controls.clone())?;
    let snapshotter = Snapshotter::start(SnapshotterConfig {
        log: args.log.clone(),
        snapshots,
        schedule: SnapshotSchedule::new(args.snapshot_every, Duration::from_secs(args.snapshot_seconds)),
        controls: controls.clone(),
        writer: Arc::clone(&writer),
        // The snapshotter reports while it reads.
        pulse: liveness.watch("snapshotter", SNAPSHOT_WITHIN),
    })?;
    // Joins at once: each shard takes over when it has recovered, independently of the others.
    let ownership =
        Ownership::join(GroupConfig { log: args.log, protocol: args.group_protocol, controls, ready: owned })?;
    shutdown.wait().await;
    tokio::task::block_in_place(|| ownership.leave());
    shards.end().await;
    tokio::task::block_in_place(|| snapshotter.end());
    tokio::task::block_in_place(|| writer.drain(DRAIN_WITHIN));
    let _ended = announced.await;
    tracing::info!("ended in an orderly way");
    Ok(())
}

/// Waits for Kafka, checks the topics, warms up the producer. `None` if asked to stop first.
async fn connect(args: &EngineArgs, shutdown: &Shutdown) -> Result<Option<Arc<LogWriter>>, RunError> {
    let (writer, mut backoff) = (LogWriter::open(&args.log)?, Backoff::new());
    while !shutdown.is_triggered() {
        let checked = topics::verify(&args.log).await;
        match checked.and_then(|()| tokio::task::block_in_place(|| writer.warm(&args.log.topics()))) {
            Ok(()) => return Ok(Some(writer)),
            Err(fault) if fault.may_retry() => tracing::warn!(%fault, "waiting for Kafka"),
            Err(fault) => return Err(fault.into()),
        }
        backoff.wait().await;
    }
    Ok(None)
}

/// The shards' threads.
struct Shards {
    threads: Vec<JoinHandle<()>>,
    controls: Vec<Control>,
}

impl Shards {
    fn start(
        args: &EngineArgs,
        engine: EngineId,
        writer: &Arc<LogWriter>,
        snapshots: &Snapshots,
        controls: Vec<Control>,
    ) -> Result<Self, RunError> {
        tracing::info!(%engine, shards = args.log.shards, prefix = args.log.topic_prefix, "starts");
        let (consumer, mut threads) = (LogConsumer::open(&args.log, ConsumerProfile::Live)?, Vec::new());
        for (shard, control) in Shard::all(args.log.shards).zip(&controls) {
            let log = KafkaLog::new(&args.log, shard, consumer.clone(), writer.clone());
            let outside = (log, SystemClock::default(), snapshots.store(shard));
            let shard_loop = ShardLoop::new((shard, args.log.shard_map()), engine, outside, control.clone());
            let ahead_max = Duration::from_secs(args.clock_ahead_max_seconds);
            let mut shard_loop = shard_loop.with_clock_ahead_max(ahead_max);
            let body = move || {
                if let Err(halted) = shard_loop.run() {
                    tracing::error!(%shard, %halted, "the shard halted; the process continues without it");
                }
            };
            threads.push(std::thread::Builder::new().name(format!("shard-{shard}")).spawn(body)?);
        }
        Ok(Self { threads, controls })
    }

    /// Ends all threads: in an orderly way, or immediately after a time limit.
    async fn end(self) {
        self.controls.iter().for_each(|control| control.stop(false));
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline && !self.threads.iter().all(JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.controls.iter().for_each(|control| control.stop(true));
        tokio::task::block_in_place(|| {
            for thread in self.threads {
                if thread.join().is_err() {
                    tracing::error!("a shard's thread panicked after its loop had ended");
                }
            }
        });
    }
}
