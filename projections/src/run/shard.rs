//! One shard's writer: collect, fold, write, again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use schemas::Shard;
use schemas::reading::{Checkpoint, LogReader};
use service::{Pulse, ReadinessPart, Shutdown};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use super::batch::{BatchLimits, FoldedBatch, QueuedRecord};
use super::end::{Stop, WriterEnd};
use super::meters::WriterMetrics;
use crate::sink::{Sink, SinkError, WriterId};

/// How often an idle writer looks whether its store still is where it left it.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// How long a batch that is being written may hold up the end of the process. What is abandoned rolls back with its position.
const FAREWELL: Duration = Duration::from_secs(10);

/// What an operator does about a store that is not there.
const HINT_SHUT: &str =
    "make it what the message asks for (a database, its tables, a password); this process then goes on by itself";

/// Records folded before the other tasks of the runtime get a turn.
const TURN: usize = 64;

/// One shard of one sink, over all sessions.
pub struct ShardWriter<S> {
    /// Its rows.
    pub sink: S,
    /// Its metrics.
    pub meters: Arc<WriterMetrics>,
    /// Ready once it caught up with the log as it was at the start.
    pub ready: ReadinessPart,
    /// Its signs of life.
    pub pulse: Pulse,
    /// This process.
    pub writer: WriterId,
    /// What a store that is not where it was left would mean.
    pub moves: StoreMoves,
    /// The end of the log when this process first saw it.
    pub target: Option<u64>,
    /// What it waits for, if its store is not there.
    pub shut: Option<String>,
}

/// What it means if the store is not where this writer left it.
///
/// Right after a start or a fault, a batch that was given up for lost may still arrive. That can happen once, not twice, and
/// not after a write of our own: then another writer is alive, and the younger of the two stops.
///
/// | moved by            | Fresh             | Excused, Confirmed  |
/// |---------------------|-------------------|---------------------|
/// | ourselves           | load              | load                |
/// | a younger writer    | load              | load; it will stop  |
/// | an elder, or nobody | load, be Excused  | stop                |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreMoves {
    /// Nothing written since the start or a fault.
    Fresh,
    /// As before, and the store moved once already.
    Excused,
    /// The last thing that happened was a write of ours.
    Confirmed,
}

/// What belongs to one session.
pub struct WriterSession {
    /// Reads from the stored position on.
    pub reader: LogReader,
    /// Offsets of records that admins put aside.
    pub put_aside: BTreeSet<u64>,
    /// Where records come from.
    pub queue: mpsc::Receiver<QueuedRecord>,
    /// How to cut batches.
    pub limits: BatchLimits,
    /// Asks for the end of the session.
    pub stop: Shutdown,
}

impl<S: Sink> ShardWriter<S> {
    /// Whose rows.
    pub fn shard(&self) -> Shard {
        self.sink.shard()
    }

    /// Asks the store how far it is. `end`: where the log ends.
    pub async fn load(&mut self, end: u64) -> Result<Checkpoint, WriterEnd> {
        self.pulse.beat();
        let loaded = self.sink.load(end).await;
        let position = loaded.map_err(|error| self.fault(error))?;
        self.target.get_or_insert(end);
        if self.shut.take().is_some() {
            tracing::info!(sink = S::NAME, shard = %self.shard(), offset = position.offset, "the store is there again");
            self.ready.wait_for(Some("the store is there again, and not as far as the log yet".to_owned()));
            self.meters.shut(false);
        }
        Ok(position)
    }

    /// Writes until asked to stop, which is `Ok`, or until something happens.
    pub async fn run(&mut self, session: &mut WriterSession) -> Result<(), WriterEnd> {
        let mut checks = interval(CHECK_PERIOD);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut earliest = Instant::now();
        self.stands_at(&session.reader);
        loop {
            self.pulse.beat();
            let first = tokio::select! {
                biased;
                () = session.stop.wait() => return Ok(()),
                record = session.queue.recv() => record,
                _ = checks.tick() => {
                    let checked = self.sink.check(session.reader.position()).await;
                    self.judge(checked)?;
                    continue;
                }
            };
            let Some(first) = first else {
                return Err(WriterEnd::Again("the tail lost its place in the log".to_owned()));
            };
            let (batch, broken) = session.collect(first, earliest).await;
            earliest = Instant::now() + session.limits.interval;
            if batch.from != *session.reader.position() {
                self.write(session, &batch).await?;
                checks.reset();
            }
            self.stands_at(&session.reader);
            // What came before a broken record counts, and is in the store now.
            if let Some(stop) = broken {
                return Err(stop.into());
            }
        }
    }

    async fn write(&mut self, session: &WriterSession, batch: &FoldedBatch) -> Result<(), WriterEnd> {
        let (started, to) = (Instant::now(), *session.reader.position());
        let written = tokio::select! {
            written = self.sink.write(&batch.changes, &batch.from, &to) => written,
            () = farewell(&session.stop) => {
                tracing::warn!(sink = S::NAME, shard = %self.shard(), "a batch was abandoned; it will be folded again");
                return Ok(());
            }
        };
        self.judge(written)?;
        self.moves = StoreMoves::Confirmed;
        self.meters.written(batch, &to, started.elapsed());
        Ok(())
    }

    /// Halts for good. What was sound is in the store.
    pub fn halt(&self, stop: &Stop) {
        let hint = stop.hint();
        tracing::error!(sink = S::NAME, shard = %self.shard(), %stop, hint, "a shard halts; the others go on");
        self.meters.halted();
        self.ready.halt(format!("{stop}; hint: {hint}"));
        self.pulse.stop();
    }

    /// The store is not there. It may be another one when it is: how far that is, is not known.
    pub fn shut(&mut self, why: String) {
        if self.shut.as_ref() != Some(&why) {
            tracing::error!(sink = S::NAME, shard = %self.shard(), why, hint = HINT_SHUT, "a store is not there; it is waited for");
        }
        (self.moves, self.target) = (StoreMoves::Fresh, None);
        self.ready.set(false);
        self.ready.wait_for(Some(format!("{why}; hint: {HINT_SHUT}")));
        self.meters.shut(true);
        self.shut = Some(why);
    }

    fn stands_at(&self, reader: &LogReader) {
        self.meters.at(reader.position());
        let next = reader.next_offset();
        if self.target.is_some_and(|target| next >= target) && !self.ready.is_ready() {
            tracing::info!(sink = S::NAME, shard = %self.shard(), offset = next, "caught up");
            self.ready.set(true);
            self.ready.wait_for(None);
        }
    }

    /// What the store's answer to a write or a check means for the session.
    fn judge(&mut self, answer: Result<(), SinkError>) -> Result<(), WriterEnd> {
        let (sink, shard) = (S::NAME, self.shard());
        let (moves, end) = match answer {
            Ok(()) => return Ok(()),
            Err(error @ SinkError::Moved { by: Some(by), .. }) if by >= self.writer => (self.moves, again(&error)),
            Err(error @ SinkError::Moved { .. }) if self.moves == StoreMoves::Fresh => {
                (StoreMoves::Excused, again(&error))
            }
            Err(SinkError::Moved { expected, found, .. }) => {
                (self.moves, Stop::AnotherWriter { sink, shard, expected, found }.into())
            }
            Err(error) => (StoreMoves::Fresh, self.fault(error)),
        };
        self.moves = moves;
        Err(end)
    }

    /// What an error of the store means for the session, whatever was asked.
    fn fault(&self, error: SinkError) -> WriterEnd {
        let (sink, shard) = (S::NAME, self.shard());
        match error {
            SinkError::Refused(reason) => Stop::Refused { sink, shard, reason: reason.to_string() }.into(),
            SinkError::Denied(reason) => WriterEnd::Shut(reason.to_string()),
            SinkError::Foreign(reason) => Stop::Foreign { sink, reason }.into(),
            error => again(&error),
        }
    }
}

fn again(error: &SinkError) -> WriterEnd {
    WriterEnd::Again(error.to_string())
}

impl WriterSession {
    /// Folds what is there, and what comes until a write may begin. With it, what stopped the reading, if something did.
    async fn collect(&mut self, first: QueuedRecord, earliest: Instant) -> (FoldedBatch, Option<Stop>) {
        let mut batch = FoldedBatch::new(*self.reader.position());
        let mut next = Some(first);
        while let Some(record) = next {
            if let Err(stop) = batch.add(&mut self.reader, &record, &self.put_aside) {
                return (batch, Some(stop));
            }
            if batch.records.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
            next = if batch.is_full(&self.limits) { None } else { self.next(earliest).await };
        }
        (batch, None)
    }

    async fn next(&mut self, earliest: Instant) -> Option<QueuedRecord> {
        match self.queue.try_recv() {
            Ok(record) => Some(record),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) if Instant::now() >= earliest => None,
            Err(TryRecvError::Empty) => timeout_at(earliest, self.queue.recv()).await.ok().flatten(),
        }
    }
}

async fn farewell(stop: &Shutdown) {
    stop.wait().await;
    sleep(FAREWELL).await;
}
