//! A sink's writers from one load to the next fault: load, tail from there, write; when one writer cannot go on, all begin
//! again from what is stored.
//!
//! Beginning again is the only recovery there is. It is the same after a lost connection, a restarted server, a flushed
//! Redis and a killed process, so it is well tried.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use schemas::Shard;
use schemas::reading::{Position, Reader};
use service::kafka::{EventsTail, KafkaFault, Reading};
use service::{Liveness, LogArgs, Readiness, Shutdown};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::batch::Limits;
use super::end::{Backoff, End, Stop};
use super::meters::{Meters, restarted};
use super::pump::Pump;
use super::shard::{Session, ShardWriter, Trust};
use crate::sink::{Sink, SinkError, WriterId};

/// A writer without a sign of life for so long is to be restarted: above all the time-outs of its store together.
const PULSE_LIMIT: Duration = Duration::from_secs(120);

/// How often the end of the log is asked for.
const LAG_PERIOD: Duration = Duration::from_secs(1);

/// What a sink needs beside its stores.
pub struct Worker {
    /// This process.
    pub writer: WriterId,
    /// The log.
    pub log: LogArgs,
    /// How to cut batches.
    pub limits: Limits,
    /// Told of each writer that caught up.
    pub readiness: Readiness,
    /// Told of each writer's signs of life.
    pub liveness: Liveness,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// A sink with a writer for each shard.
pub struct Writers<S> {
    worker: Worker,
    /// Those that have not halted.
    shards: Vec<ShardWriter<S>>,
    /// How many have.
    halted: usize,
}

impl Worker {
    /// A writer for each of `sinks`, which are those of shard 0, 1, ….
    pub fn prepare<S: Sink>(self, sinks: Vec<S>) -> Writers<S> {
        let writer = |sink: S| {
            let shard = sink.shard();
            let name = format!("{} of shard {shard}", S::NAME);
            ShardWriter {
                meters: Arc::new(Meters::new(S::NAME, shard)),
                ready: self.readiness.share(name.clone()),
                pulse: self.liveness.watch(name, PULSE_LIMIT),
                writer: self.writer,
                trust: Trust::Fresh,
                target: None,
                sink,
            }
        };
        let shards = sinks.into_iter().map(writer).collect();
        Writers { worker: self, shards, halted: 0 }
    }
}

impl<S: Sink> Writers<S> {
    /// Session after session, until asked to stop or until something does not pass.
    pub async fn run(mut self) -> Result<(), Stop> {
        let mut backoff = Backoff::new();
        while !self.shards.is_empty() && !self.worker.shutdown.is_triggered() {
            match self.session().await {
                End::Asked => break,
                End::Stop(stop) => return Err(stop),
                End::Halted => continue,
                End::Again(why) => {
                    tracing::warn!(sink = S::NAME, why, "beginning again from the stored positions");
                    restarted(S::NAME);
                }
            }
            if self.shards.iter().any(|writer| writer.trust == Trust::Confirmed) {
                backoff = Backoff::new();
            }
            tokio::select! {
                () = self.worker.shutdown.wait() => break,
                () = backoff.wait() => {}
            }
        }
        for writer in &self.shards {
            writer.pulse.stop();
        }
        // The last one that halts does not end the process either: a restart would meet the same again.
        if self.halted > 0 {
            self.worker.shutdown.wait().await;
        }
        tracing::info!(sink = S::NAME, "stopped");
        Ok(())
    }

    async fn session(&mut self) -> End {
        match self.begin().await {
            Ok((tail, positions)) => self.write(tail, positions).await,
            Err(end) => end,
        }
    }

    /// Loads the positions and opens the tail there.
    async fn begin(&mut self) -> Result<(Arc<EventsTail>, Vec<Position>), End> {
        let loads = self.shards.iter_mut().map(|writer| async {
            writer.pulse.beat();
            let shard = writer.shard();
            writer.sink.load().await.map_err(|error| match error {
                SinkError::Refused(reason) => {
                    End::Stop(Stop::Refused { sink: S::NAME, shard, reason: reason.to_string() })
                }
                error => End::Again(format!("shard {shard}: {error}")),
            })
        });
        let positions = try_join_all(loads).await?;
        let from: Vec<(Shard, u64)> =
            self.shards.iter().zip(&positions).map(|(writer, at)| (writer.shard(), at.offset)).collect();
        tracing::info!(sink = S::NAME, offsets = ?from.iter().map(|(_, offset)| offset).collect::<Vec<_>>(), "loaded");
        let (kafka, topics) = (self.worker.log.kafka.clone(), self.worker.log.topics());
        // A batch is not written sooner anyway.
        let wait = self.worker.limits.interval;
        let opened = spawn_blocking(move || {
            let tail = EventsTail::open(&kafka, &topics, Reading::Gathered { wait }, from.clone())?;
            let (ends, cut) = (tail.high_watermarks()?, tail.cut(from)?);
            Ok((tail, ends, cut))
        });
        let (tail, ends, cut) =
            opened.await.map_err(|_| Stop::Panicked("opening the tail"))?.map_err(again_if_passing)?;
        if !cut.is_empty() {
            cut.into_iter().for_each(|cut| self.halt(cut.shard, &cut.into()));
            return Err(End::Halted);
        }
        for (writer, (_, end)) in self.shards.iter_mut().zip(ends) {
            writer.target.get_or_insert(end);
        }
        Ok((Arc::new(tail), positions))
    }

    /// Runs all writers until one of them ends, then ends the others.
    async fn write(&mut self, tail: Arc<EventsTail>, positions: Vec<Position>) -> End {
        let stop = Shutdown::new();
        let (pump, queues) = Pump::new(self.worker.log.shards);
        let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
        let watch = tokio::spawn(watch_lag(Arc::clone(&tail), self.meters()));
        let pumping = {
            // The pump's is the last hold on the tail, and closing it blocks.
            let (stop, runtime) = (stop.clone(), Handle::current());
            spawn_blocking(move || pump.run(&tail, &stop, &runtime))
        };
        let mut writing = JoinSet::new();
        for (mut writer, position) in self.shards.drain(..).zip(positions) {
            let queue = queues[writer.shard().index()].take().expect("a writer for each shard");
            let reader = Reader::new(writer.shard(), self.worker.log.shards, position);
            let mut session = Session { reader, queue, limits: self.worker.limits, stop: stop.clone() };
            writing.spawn(async move {
                let ran = AssertUnwindSafe(writer.run(&mut session)).catch_unwind().await;
                let result = ran.unwrap_or_else(|panic| {
                    let (shard, offset, text) =
                        (writer.shard(), session.reader.position().offset, service::panic_text(&*panic));
                    Err(Stop::WriterPanicked { sink: S::NAME, shard, offset, text }.into())
                });
                (writer, result)
            });
        }
        let mut end = End::Asked;
        loop {
            let joined = tokio::select! {
                joined = writing.join_next() => joined,
                () = self.worker.shutdown.wait(), if !stop.is_triggered() => {
                    stop.trigger();
                    continue;
                }
            };
            match joined {
                None => break,
                Some(Ok((writer, result))) => {
                    let shard = writer.shard();
                    self.shards.push(writer);
                    end = end.or(result.map_err(|end| self.halted_by(shard, end)));
                }
                Some(Err(_)) => end = End::Stop(Stop::Panicked(S::NAME)),
            }
            stop.trigger();
        }
        self.shards.sort_by_key(ShardWriter::shard);
        watch.abort();
        match pumping.await {
            Ok(Ok(())) => end,
            // The next session finds out which shard's it is.
            Ok(Err(fault)) if fault.is_lost_log() => end.or(Err(End::Again(fault.to_string()))),
            Ok(Err(fault)) => end.or(Err(again_if_passing(fault))),
            Err(_) => End::Stop(Stop::Panicked("the pump")),
        }
    }

    /// If what happened to a shard is its own, it halts, and the others begin again without it.
    fn halted_by(&mut self, shard: Shard, end: End) -> End {
        match end {
            End::Stop(stop) if stop.is_one_shards() => {
                self.halt(shard, &stop);
                End::Halted
            }
            end => end,
        }
    }

    fn halt(&mut self, shard: Shard, stop: &Stop) {
        for writer in self.shards.extract_if(.., |writer| writer.shard() == shard) {
            writer.halt(stop);
            self.halted += 1;
        }
    }

    fn meters(&self) -> Vec<Arc<Meters>> {
        self.shards.iter().map(|writer| Arc::clone(&writer.meters)).collect()
    }
}

fn again_if_passing(fault: KafkaFault) -> End {
    if fault.may_retry() { End::Again(fault.to_string()) } else { End::Stop(Stop::Kafka(fault)) }
}

/// Asks for the end of the log from time to time, for the metrics.
async fn watch_lag(tail: Arc<EventsTail>, meters: Vec<Arc<Meters>>) {
    let mut tick = interval(LAG_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let tail = Arc::clone(&tail);
        match spawn_blocking(move || tail.high_watermarks()).await {
            Ok(Ok(ends)) => meters.iter().zip(ends).for_each(|(meters, (_, end))| meters.log_ends(end)),
            Ok(Err(fault)) => tracing::debug!(%fault, "the end of the log is not known now"),
            Err(_) => return,
        }
    }
}
