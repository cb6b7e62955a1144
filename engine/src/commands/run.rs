//! `engine run`: the process. One thread a shard, one for the group, one runtime for everything that waits.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use schemas::{EngineId, Shard};
use service::config::{AdminArgs, LogArgs};
use service::kafka::{GroupProtocol, KafkaFault, topics};
use service::{Admin, Liveness, Readiness, Shutdown, Telemetry};
use tokio::sync::mpsc;

use crate::kafka_log::{KafkaLog, Writer};
use crate::log::SystemClock;
use crate::ownership::{Group, Ownership};
use crate::shard::{Control, Fatal, Pace, Role, ShardLoop};
use crate::snapshots::{LocationError, Snapshots};

/// A shard's thread that is silent for so long hangs. (It beats at least every 20 ms; only a snapshot or a very long
/// recovery step takes longer.)
const SILENT_MAX: Duration = Duration::from_secs(30);

/// How long shards may take to end in good order.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How long records handed over may take to be acknowledged at the end.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Arguments of `engine run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The admin port.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Where snapshots are kept: a path or a URL.
    #[arg(long, env = "LFG_SNAPSHOTS", default_value = ".run/snapshots")]
    pub snapshots: String,
    /// A snapshot after so many outcomes.
    #[arg(long, env = "LFG_SNAPSHOT_EVERY", default_value_t = 100_000)]
    pub snapshot_every: u64,
    /// A snapshot after so many seconds, if anything happened.
    #[arg(long, env = "LFG_SNAPSHOT_SECONDS", default_value_t = 600)]
    pub snapshot_seconds: u64,
    /// How engines agree on who leads which shard.
    #[arg(long, env = "LFG_GROUP_PROTOCOL", value_enum, default_value_t = GroupProtocol::Consumer)]
    pub group_protocol: GroupProtocol,
}

/// The process could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A shard cannot go on.
    #[error("shard {shard}: {fatal}")]
    Shard {
        /// Which.
        shard: Shard,
        /// Why.
        fatal: Fatal,
    },
    /// A shard's thread panicked: an invariant does not hold.
    #[error("shard {0} panicked")]
    Panicked(Shard),
    /// Kafka refuses what the process cannot do without.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// Snapshots have no place.
    #[error("LFG_SNAPSHOTS: {0}")]
    Snapshots(#[from] LocationError),
    /// The machine refuses a port, a thread or a signal handler.
    #[error(transparent)]
    Machine(#[from] std::io::Error),
}

/// Runs until asked to stop; an error means that the process must not pretend to be well.
pub async fn run(args: RunArgs, telemetry: Telemetry) -> Result<(), RunError> {
    crate::metrics::describe();
    let shutdown = Shutdown::on_signals()?;
    let (liveness, readiness) = (Liveness::new(), Readiness::new());
    let owned = readiness.part("ownership");
    let controls: Vec<Control> = Shard::all(args.log.shards)
        .map(|shard| {
            let name = format!("shard {shard}");
            Control::new(readiness.part(&name), liveness.watch(name, SILENT_MAX))
        })
        .collect();
    Admin::start(args.admin.listen, telemetry, liveness, readiness).await?;
    let Some(writer) = connect(&args, &shutdown).await? else { return Ok(()) };
    let mut shards = Shards::start(&args, &writer, controls.clone())?;
    let group = Group { log: args.log, protocol: args.group_protocol, controls, ready: owned };
    let ended = shards.belong(group, &shutdown).await;
    shards.end().await;
    tokio::task::block_in_place(|| writer.drain(DRAIN_WITHIN));
    ended.map(|()| tracing::info!("ended in good order"))
}

/// Waits for Kafka, checks the topics, warms the producer. `None` if asked to stop first.
async fn connect(args: &RunArgs, shutdown: &Shutdown) -> Result<Option<Arc<Writer>>, RunError> {
    let writer = Writer::open(&args.log)?;
    while !shutdown.is_triggered() {
        let checked = topics::verify(&args.log).await;
        match checked.and_then(|()| tokio::task::block_in_place(|| writer.warm(&args.log.topics()))) {
            Ok(()) => return Ok(Some(writer)),
            Err(fault) if fault.may_retry() => tracing::warn!(%fault, "waiting for Kafka"),
            Err(fault) => return Err(fault.into()),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(None)
}

/// The shards' threads.
struct Shards {
    threads: Vec<JoinHandle<()>>,
    controls: Vec<Control>,
    ends: mpsc::Receiver<Result<(), RunError>>,
}

impl Shards {
    fn start(args: &RunArgs, writer: &Arc<Writer>, controls: Vec<Control>) -> Result<Self, RunError> {
        let engine = EngineId(uuid::Uuid::now_v7().as_u128());
        tracing::info!(%engine, shards = args.log.shards, prefix = args.log.topic_prefix, "starts");
        let snapshots = Snapshots::open(&args.snapshots, &args.log.topic_prefix)?;
        let (end, ends) = mpsc::channel(controls.len().max(1));
        let mut threads = Vec::new();
        for (shard, control) in Shard::all(args.log.shards).zip(&controls) {
            let log = KafkaLog::open(&args.log, shard, writer.clone())?;
            let pace = Pace::new(args.snapshot_every, Duration::from_secs(args.snapshot_seconds));
            let outside = (log, SystemClock::default(), snapshots.shelf(shard));
            let mut shard_loop = ShardLoop::new((shard, args.log.shard_map()), engine, outside, control.clone(), pace);
            let guard = Guard { shard, control: control.clone(), end: end.clone(), result: None };
            let body = move || {
                let mut guard = guard;
                let result = shard_loop.run();
                guard.result = Some(result.map_err(|fatal| RunError::Shard { shard, fatal }));
            };
            threads.push(std::thread::Builder::new().name(format!("shard-{shard}")).spawn(body)?);
        }
        Ok(Self { threads, controls, ends })
    }

    /// Joins the group once all shards have caught up, and stays until asked to stop or until a shard ends.
    async fn belong(&mut self, group: Group, shutdown: &Shutdown) -> Result<(), RunError> {
        let caught_up = |control: &Control| control.role() != Role::Recovering;
        while !self.controls.iter().all(caught_up) {
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                end = self.ends.recv() => return end.unwrap_or(Ok(())),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        let ownership = Ownership::join(group)?;
        let ended = tokio::select! {
            () = shutdown.wait() => Ok(()),
            end = self.ends.recv() => end.unwrap_or(Ok(())),
        };
        if let Err(error) = &ended {
            tracing::error!(%error, "the process ends: it must not serve what it cannot trust");
        }
        tokio::task::block_in_place(|| ownership.leave());
        ended
    }

    /// Ends all threads: in good order, or at once after a while.
    async fn end(self) {
        self.controls.iter().for_each(|control| control.stop(false));
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline && !self.threads.iter().all(JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.controls.iter().for_each(|control| control.stop(true));
        tokio::task::block_in_place(|| {
            for thread in self.threads {
                // A panic was reported by the thread's guard.
                let _ = thread.join();
            }
        });
    }
}

/// Reports how a shard's thread ended, however it ended.
struct Guard {
    shard: Shard,
    control: Control,
    end: mpsc::Sender<Result<(), RunError>>,
    result: Option<Result<(), RunError>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or(Err(RunError::Panicked(self.shard)));
        match &result {
            Ok(()) => self.control.ended(),
            Err(error) => {
                tracing::error!(shard = %self.shard, %error, "the shard stops serving");
                self.control.fail(&error.to_string());
            }
        }
        // One message a thread, and room for all: full or closed only when nobody listens any more.
        let _ = self.end.try_send(result);
    }
}
