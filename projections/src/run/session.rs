//! A sink's writers. Each repeats one session: load the stored position, enter the tail there,
//! write. When it cannot continue, it leaves the tail and starts again from the stored position,
//! independently of the others.
//!
//! A new session is the only form of recovery. It is the same after a lost connection, a restarted
//! server, a flushed Redis and a killed process, so it is well tested.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use schemas::Shard;
use schemas::reading::{BrokenLog, LogReader};
use service::kafka::{ConsumerProfile, EventsTail, KafkaFault, quarantine};
use service::{Backoff, Liveness, LogArgs, Readiness, Shutdown};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::batch::BatchLimits;
use super::end::{Stop, WriterEnd};
use super::meters::WriterMetrics;
use super::pump::{Pump, WriterPort};
use super::shard::{ShardWriter, StoreMoves, WriterSession};
use crate::sink::{Sink, WriterId};

/// A writer without a liveness signal for this long must be restarted. Longer than all time-outs of
/// its store together.
const PULSE_LIMIT: Duration = Duration::from_secs(120);

/// How often the end of the log is queried.
const LAG_PERIOD: Duration = Duration::from_secs(1);

/// What a sink needs besides its stores.
#[derive(Clone)]
pub struct Worker {
    /// This process.
    pub writer: WriterId,
    /// The log.
    pub log: LogArgs,
    /// How to cut batches.
    pub limits: BatchLimits,
    /// Notified of each writer that has caught up.
    pub readiness: Readiness,
    /// Receives each writer's liveness signals.
    pub liveness: Liveness,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// A sink with a writer for each shard.
pub struct Writers<S> {
    worker: Worker,
    shards: Vec<ShardWriter<S>>,
}

impl Worker {
    /// Creates a writer for each of `sinks`, which are those of shard 0, 1, ….
    pub fn prepare<S: Sink>(self, sinks: Vec<S>) -> Writers<S> {
        let writer = |sink: S| {
            let shard = sink.shard();
            let name = format!("{} of shard {shard}", S::NAME);
            ShardWriter {
                meters: Arc::new(WriterMetrics::new(S::NAME, shard)),
                ready: self.readiness.share(name.clone()),
                pulse: self.liveness.watch(name, PULSE_LIMIT),
                writer: self.writer,
                moves: StoreMoves::Fresh,
                target: None,
                shut: None,
                sink,
            }
        };
        let shards = sinks.into_iter().map(writer).collect();
        Writers { worker: self, shards }
    }
}

impl<S: Sink> Writers<S> {
    /// Runs until asked to stop or until a fault ends the process. A halted shard ends neither: a
    /// restart would meet the same fault again.
    pub async fn run(self) -> Result<(), Stop> {
        let Self { worker, shards } = self;
        if shards.is_empty() {
            return Ok(());
        }
        // A batch is not written sooner in any case.
        let reading = ConsumerProfile::Gathered { wait: worker.limits.interval };
        let tail = Arc::new(EventsTail::open(&worker.log.kafka, &worker.log.topics(), reading, [])?);
        let meters = shards.iter().map(|writer| (writer.shard(), Arc::clone(&writer.meters))).collect();
        let watch = tokio::spawn(watch_lag(Arc::clone(&tail), meters));
        let (pump, port) = Pump::new(Arc::clone(&tail), worker.log.shards);
        let (stop, pump_stop) = (Shutdown::new(), Shutdown::new());
        let mut pumping = {
            let stop = pump_stop.clone();
            spawn_blocking(move || pump.run(&stop))
        };
        let mut lives = JoinSet::new();
        for writer in shards {
            let (worker, tail, port, stop) = (worker.clone(), Arc::clone(&tail), port.clone(), stop.clone());
            lives.spawn(WriterLife { writer, worker, tail, port, stop, quarantined: BTreeSet::new() }.run());
        }
        drop((tail, port));
        let (mut result, mut pumped) = (Ok(()), None);
        loop {
            let ended = tokio::select! {
                ended = lives.join_next() => match ended {
                    None => break,
                    Some(ended) => ended.unwrap_or(Err(Stop::Panicked(S::NAME))),
                },
                ended = &mut pumping, if pumped.is_none() => {
                    pumped = Some(());
                    stop.trigger();
                    notified_by_pump(ended)
                }
                () = worker.shutdown.wait(), if !stop.is_triggered() => {
                    stop.trigger();
                    Ok(())
                }
            };
            if ended.is_err() {
                stop.trigger();
                result = result.and(ended);
            }
        }
        if result.is_ok() {
            // All writers halted, unless a stop was requested.
            worker.shutdown.wait().await;
        }
        watch.abort();
        pump_stop.trigger();
        if pumped.is_none() {
            result = result.and(notified_by_pump(pumping.await));
        }
        tracing::info!(sink = S::NAME, "stopped");
        result
    }
}

fn notified_by_pump(ended: Result<Result<(), KafkaFault>, tokio::task::JoinError>) -> Result<(), Stop> {
    ended.map_err(|_| Stop::Panicked("the pump"))?.map_err(Stop::from)
}

/// One shard's writer, from session to session.
struct WriterLife<S> {
    writer: ShardWriter<S>,
    worker: Worker,
    tail: Arc<EventsTail>,
    port: WriterPort,
    stop: Shutdown,
    /// Offsets of quarantined records at which it stopped.
    quarantined: BTreeSet<u64>,
}

impl<S: Sink> WriterLife<S> {
    /// Runs until asked to stop, or until the shard halts. Returns an error that ends the process.
    async fn run(mut self) -> Result<(), Stop> {
        let (shard, mut backoff) = (self.writer.shard(), Backoff::new());
        while !self.stop.is_triggered() {
            let end = self.session().await;
            self.port.leave(shard);
            let end = match end {
                Err(WriterEnd::Stop(Stop::Broken(broken))) => Err(self.check_quarantine(broken).await),
                end => end,
            };
            match end {
                Ok(()) => break,
                Err(WriterEnd::Stop(stop)) if stop.is_one_shards() => {
                    self.writer.halt(&stop);
                    return Ok(());
                }
                Err(WriterEnd::Stop(stop)) => {
                    self.writer.pulse.stop();
                    return Err(stop);
                }
                Err(WriterEnd::Shut(why)) => self.writer.shut(why),
                Err(WriterEnd::Again(why)) => {
                    tracing::warn!(sink = S::NAME, %shard, why, "starting again from the stored position");
                    self.writer.meters.restarted();
                }
            }
            if self.writer.moves == StoreMoves::Confirmed {
                backoff = Backoff::new();
            }
            tokio::select! {
                () = self.stop.wait() => break,
                () = backoff.wait() => {}
            }
        }
        self.writer.pulse.stop();
        Ok(())
    }

    /// Decides about a record at which the shard would halt: admins may have quarantined it.
    async fn check_quarantine(&mut self, broken: BrokenLog) -> WriterEnd {
        let BrokenLog { shard, offset, .. } = broken;
        let log = self.worker.log.clone();
        match self.ask_kafka(move |_| quarantine::of_record(&log, shard, offset)).await {
            Ok(None) => WriterEnd::Stop(broken.into()),
            Ok(Some(quarantine)) => {
                self.quarantined.insert(offset);
                WriterEnd::Again(format!("record {offset} is quarantined: {}", quarantine.reason))
            }
            Err(end) => end,
        }
    }

    async fn session(&mut self) -> Result<(), WriterEnd> {
        let Some(mut session) = self.begin().await? else { return Ok(()) };
        let ran = AssertUnwindSafe(self.writer.run(&mut session)).catch_unwind().await;
        ran.unwrap_or_else(|panic| {
            let (shard, offset) = (self.writer.shard(), session.reader.position().offset);
            let text = service::panic_text(&*panic);
            Err(Stop::WriterPanicked { sink: S::NAME, shard, offset, text }.into())
        })
    }

    /// Loads the position and enters the tail there; `None` if asked to stop meanwhile.
    async fn begin(&mut self) -> Result<Option<WriterSession>, WriterEnd> {
        let shard = self.writer.shard();
        let end = self.ask_kafka(move |tail| tail.end(shard)).await?;
        let stop = self.stop.clone();
        let position = tokio::select! {
            position = self.writer.load(end) => position?,
            () = stop.wait() => return Ok(None),
        };
        // Asked again: another writer may have written meanwhile.
        let reader = LogReader::new(shard, self.worker.log.shards, position);
        let asked = reader.clone();
        let cut = self.ask_kafka(move |tail| tail.cut([&asked])).await?;
        if let Some(cut) = cut.first() {
            return Err(Stop::from(*cut).into());
        }
        tracing::info!(sink = S::NAME, %shard, offset = position.offset, "loaded");
        let queue = self.port.enter(shard, position.start());
        Ok(Some(WriterSession {
            reader,
            quarantined: self.quarantined.clone(),
            queue,
            limits: self.worker.limits,
            stop,
        }))
    }

    /// Queries in a thread, since the client blocks.
    async fn ask_kafka<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&EventsTail) -> Result<T, KafkaFault> + Send + 'static,
    ) -> Result<T, WriterEnd> {
        self.writer.pulse.beat();
        let tail = Arc::clone(&self.tail);
        let answer = spawn_blocking(move || question(&tail)).await.map_err(|_| Stop::Panicked("asking Kafka"))?;
        answer.map_err(again_if_passing)
    }
}

fn again_if_passing(fault: KafkaFault) -> WriterEnd {
    if fault.may_retry() { WriterEnd::Again(fault.to_string()) } else { WriterEnd::Stop(Stop::Kafka(fault)) }
}

/// Queries the ends of the logs regularly, for the metrics.
async fn watch_lag(tail: Arc<EventsTail>, meters: Vec<(Shard, Arc<WriterMetrics>)>) {
    let shards: Vec<Shard> = meters.iter().map(|(shard, _)| *shard).collect();
    let mut tick = interval(LAG_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (asked, shards) = (Arc::clone(&tail), shards.clone());
        let ends = match spawn_blocking(move || asked.ends(shards)).await {
            Ok(Ok(ends)) => ends,
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "the ends of the log are unknown at present");
                meters.iter().for_each(|(_, meters)| meters.log_end_unknown());
                continue;
            }
            Err(_) => return,
        };
        for (shard, end) in ends {
            if let Some((_, meters)) = meters.iter().find(|(known, _)| *known == shard) {
                meters.log_ends(end);
            }
        }
    }
}
