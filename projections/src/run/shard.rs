//! The writer of one shard: collects records, folds them, writes the batch, repeats.

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

/// How often an idle writer verifies that no other writer has moved its store.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// How long a batch that is being written may delay the end of the process. An abandoned write
/// rolls back together with its position.
const FAREWELL: Duration = Duration::from_secs(10);

/// What an operator does about an unavailable store.
const HINT_SHUT: &str =
    "correct what the message names (database, tables, password); this process then continues without a restart";

/// Records folded before the task yields to the others of the runtime.
const TURN: usize = 64;

/// The writer of one shard in one sink, across all sessions.
pub struct ShardWriter<S> {
    /// The shard's store.
    pub sink: S,
    /// The writer's metrics.
    pub meters: Arc<WriterMetrics>,
    /// Ready once the writer has reached the log's end as of the start.
    pub ready: ReadinessPart,
    /// The writer's liveness signal.
    pub pulse: Pulse,
    /// The id of this process.
    pub writer: WriterId,
    /// How to interpret a stored position that differs from the last one written.
    pub moves: StoreMoves,
    /// The end of the log when this process first saw it.
    pub target: Option<u64>,
    /// Why the store is unavailable, while it is.
    pub shut: Option<String>,
}

/// How to interpret a stored position that differs from the last one written.
///
/// Right after a start or a fault, a batch that was considered lost may still arrive. That can
/// happen once, not twice, and not after a write by this process. If it does, another writer is
/// alive, and the younger of the two stops.
///
/// | moved by            | Fresh             | Excused, Confirmed  |
/// |---------------------|-------------------|---------------------|
/// | this process        | load              | load                |
/// | a younger writer    | load              | load; it will stop  |
/// | an older, or none   | load, be Excused  | stop                |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreMoves {
    /// Nothing was written since the start or a fault.
    Fresh,
    /// Like `Fresh`, and the store moved once already.
    Excused,
    /// The last event was a write by this process.
    Confirmed,
}

/// The state of one session.
pub struct WriterSession {
    /// Reads the log from the stored position on.
    pub reader: LogReader,
    /// Offsets of records that admins put into quarantine.
    pub quarantined: BTreeSet<u64>,
    /// The source of records.
    pub queue: mpsc::Receiver<QueuedRecord>,
    /// The limits of a batch.
    pub limits: BatchLimits,
    /// Requests the end of the session.
    pub stop: Shutdown,
}

impl<S: Sink> ShardWriter<S> {
    /// Returns the shard.
    pub fn shard(&self) -> Shard {
        self.sink.shard()
    }

    /// Reads the store's position. `end` is where the log ends.
    pub async fn load(&mut self, end: u64) -> Result<Checkpoint, WriterEnd> {
        self.pulse.beat();
        let loaded = self.sink.load(end).await;
        let position = loaded.map_err(|error| self.fault(error))?;
        self.target.get_or_insert(end);
        if self.shut.take().is_some() {
            tracing::info!(sink = S::NAME, shard = %self.shard(), offset = position.offset, "the store is available again");
            self.ready.wait_for(Some("the store is available again, and behind the log".to_owned()));
            self.meters.shut(false);
        }
        Ok(position)
    }

    /// Writes until asked to stop, which returns `Ok`, or until a fault.
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
                return Err(WriterEnd::Again("the tail lost its position in the log".to_owned()));
            };
            let (batch, broken) = session.collect(first, earliest).await;
            earliest = Instant::now() + session.limits.interval;
            if batch.from != *session.reader.position() {
                self.write(session, &batch).await?;
                checks.reset();
            }
            self.stands_at(&session.reader);
            // Everything before a broken record counts, and is in the store now.
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

    /// Halts permanently. Everything before the broken record is in the store.
    pub fn halt(&self, stop: &Stop) {
        let hint = stop.hint();
        tracing::error!(sink = S::NAME, shard = %self.shard(), %stop, hint, "a shard halts; the others continue");
        self.meters.halted();
        self.ready.halt(format!("{stop}; hint: {hint}"));
        self.pulse.stop();
    }

    /// Records that the store is unavailable. The position is unknown: another store may be there
    /// when it returns.
    pub fn shut(&mut self, why: String) {
        if self.shut.as_ref() != Some(&why) {
            tracing::error!(sink = S::NAME, shard = %self.shard(), why, hint = HINT_SHUT, "a store is unavailable; waiting for it");
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

    /// Decides what the store's reply to a write or a check means for the session.
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

    /// Decides what an error of the store means for the session, for any request.
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
    /// Folds the queued records, and those that arrive until a write may begin. Also returns why
    /// reading stopped, if it did.
    async fn collect(&mut self, first: QueuedRecord, earliest: Instant) -> (FoldedBatch, Option<Stop>) {
        let mut batch = FoldedBatch::new(*self.reader.position());
        let mut next = Some(first);
        while let Some(record) = next {
            if let Err(stop) = batch.add(&mut self.reader, &record, &self.quarantined) {
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
