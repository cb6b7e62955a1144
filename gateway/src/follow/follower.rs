//! One follower: its thread, and its state for readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Clock};

use engine_core::{Halt, Replica, ShardState};
use metrics::{Counter, Gauge, counter, gauge};
use schemas::ids::LogPosition;
use schemas::reading::{BrokenLog, LogReader, RecordFault};
use schemas::{Shard, VOCABULARY};
use service::kafka::{ConsumerProfile, Cut, EventsTail, KafkaFault, quarantine};
use service::{LogArgs, Readiness, ReadinessPart, Shutdown, panic_text};
use snapshots::{Snapshots, newest_snapshot};
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::FollowerFeed;
use super::unavailable::Unavailable;

/// How long to wait for a record before checking for the shutdown.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long records may wait to be processed together: previews are as of their position, and no
/// request waits for an outcome here.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a shard is no longer followed. Never retry: an operator must act.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    /// The log does not have the next record.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The log breaks its rules, or does not lead to the state that its writer had.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Kafka refuses access.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// An assumption of the program does not hold.
    #[error("following panicked at offset {0}: {1}")]
    Panicked(u64, String),
}

impl FollowError {
    /// Returns what an operator does about it.
    fn hint(&self) -> &'static str {
        match self {
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. })) => {
                "install that build of the gateway in place of this process's"
            }
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. })) | Self::Cut(_) => {
                "compare brokers, topic prefix and the folder of snapshots with each other; then restart this process"
            }
            Self::Kafka(_) => "see that this process may read the events topic; then restart it",
            _ => {
                "look at the record with `engine inspect SHARD --from OFFSET --max 1`; previews, queue \
                 positions and groups of the shard are refused until this process is restarted, and nothing else is"
            }
        }
    }
}

/// The stage of a follower.
enum FollowerStage {
    /// Reads what was on the log at the start; `None` before the starting position is known.
    CatchingUp(Option<Box<Replica>>),
    Following(Box<Replica>),
    Halted,
}

impl FollowerStage {
    fn replica(&mut self) -> Option<&mut Replica> {
        match self {
            Self::CatchingUp(replica) => replica.as_deref_mut(),
            Self::Following(replica) => Some(replica),
            Self::Halted => None,
        }
    }
}

/// A shard's follower.
pub struct Follower {
    shard: Shard,
    stage: RwLock<FollowerStage>,
    /// Its sequence; `u64::MAX` once it has halted, so that no request waits for it.
    sequence: watch::Sender<u64>,
    feed: FollowerFeed,
    part: ReadinessPart,
}

/// The source of a follower's records.
enum FollowerReads {
    /// The log, until the follower has reached the feed; `None` while there is no feed.
    Log(Box<EventsTail>, Option<u64>),
    /// The tail.
    Feed,
}

/// The inputs of a follower.
pub struct Source {
    /// The log.
    pub log: LogArgs,
    /// Where engines keep their snapshots, if known.
    pub snapshots: Option<Snapshots>,
    /// When to end.
    pub shutdown: Shutdown,
}

impl Follower {
    /// Creates a follower without a thread.
    pub fn new(shard: Shard, readiness: &Readiness) -> Self {
        gauge!("gateway_follower_halted", "shard" => shard.to_string()).set(0.0);
        let part = readiness.side(format!("follower of shard {shard}"));
        let (stage, sequence) = (RwLock::new(FollowerStage::CatchingUp(None)), watch::Sender::new(0));
        Self { shard, stage, sequence, feed: FollowerFeed::default(), part }
    }

    /// Returns the feed of the shard.
    pub fn feed(&self) -> &FollowerFeed {
        &self.feed
    }

    /// Starts the thread.
    pub fn start(self: Arc<Self>, source: Source) -> std::io::Result<JoinHandle<()>> {
        let name = format!("follower-{}", self.shard);
        std::thread::Builder::new().name(name).spawn(move || {
            let followed = catch_unwind(AssertUnwindSafe(|| self.follow(&source)));
            let at = self.write().replica().map_or(0, |replica| replica.next_offset());
            let panicked = |payload: Box<dyn std::any::Any + Send>| FollowError::Panicked(at, panic_text(&*payload));
            if let Err(error) = followed.unwrap_or_else(|payload| Err(panicked(payload))) {
                self.halt(&error);
            }
        })
    }

    /// Reads the state.
    pub fn read<T>(&self, look: impl FnOnce(&ShardState) -> T) -> Result<(T, LogPosition), Unavailable> {
        match &*self.stage() {
            FollowerStage::CatchingUp(_) => Err(Unavailable::CatchingUp(self.shard)),
            FollowerStage::Halted => Err(Unavailable::Halted(self.shard)),
            FollowerStage::Following(replica) => {
                let at = LogPosition { shard: self.shard, sequence: replica.position().sequence };
                Ok((look(replica.state()), at))
            }
        }
    }

    /// Waits until the follower has reached this sequence.
    pub async fn reach(&self, sequence: u64, deadline: Instant) -> Result<(), Unavailable> {
        let mut reached = self.sequence.subscribe();
        let far_enough = reached.wait_for(|reached| *reached >= sequence);
        let waited = tokio::time::timeout_at(deadline, far_enough).await.is_ok_and(|reached| reached.is_ok());
        self.read(|_| ())?;
        if waited { Ok(()) } else { Err(Unavailable::NotReached(self.shard)) }
    }

    // A poisoned lock stays in use: only the follower's thread writes, and it halts the follower
    // after a panic.
    fn stage(&self) -> RwLockReadGuard<'_, FollowerStage> {
        self.stage.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, FollowerStage> {
        self.stage.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn halt(&self, error: &FollowError) {
        let (shard, hint) = (self.shard, error.hint());
        tracing::error!(%shard, %error, hint, "a shard is followed no further; all else goes on");
        *self.write() = FollowerStage::Halted;
        self.part.halt(format!("{error}; hint: {hint}"));
        self.sequence.send_replace(u64::MAX);
        gauge!("gateway_follower_halted", "shard" => shard.to_string()).set(1.0);
    }

    fn follow(&self, source: &Source) -> Result<(), FollowError> {
        let start = Clock::now();
        let (shard, map) = (self.shard, source.log.shard_map());
        let mut store = source.snapshots.as_ref().map(|snapshots| snapshots.store(shard));
        let restored = store.as_mut().and_then(|store| newest_snapshot(VOCABULARY, (shard, map), store));
        let replica = restored.unwrap_or_else(|| Replica::new(shard, map));
        let begins_at = replica.position().sequence;
        let reader = LogReader::new(shard, source.log.shards, *replica.position());
        let from = replica.next_offset();
        *self.write() = FollowerStage::CatchingUp(Some(Box::new(replica)));
        let tail = self.open(source, from)?;
        let Some(goal) = patiently(source, || goal(&tail, &reader))? else { return Ok(()) };
        let (meters, mut reads) = (Meters::new(shard), FollowerReads::Log(tail, None));
        let mut caught_up = false;
        while !source.shutdown.is_triggered() {
            if !caught_up && self.has_reached(goal) {
                caught_up = true;
                self.part.set(true);
                tracing::info!(%shard, begins_at, took = ?start.elapsed(), "a follower has caught up with the log");
            }
            match &mut reads {
                FollowerReads::Log(tail, feed) => {
                    let fed_from = *feed.get_or_insert_with(|| self.feed.begin().unwrap_or(u64::MAX));
                    if !self.read_log(source, tail, &meters)? {
                        return Ok(());
                    }
                    match self.next_offset() >= fed_from {
                        true => reads = FollowerReads::Feed,
                        // The tail may not have started.
                        false if fed_from == u64::MAX => *feed = None,
                        false => {}
                    }
                }
                FollowerReads::Feed => {
                    if !self.read_feed(source, &meters)? {
                        reads = FollowerReads::Log(self.open(source, self.next_offset())?, None);
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&self, source: &Source, from: u64) -> Result<Box<EventsTail>, FollowError> {
        let from = [(self.shard, from)];
        Ok(Box::new(EventsTail::open(&source.log.kafka, &source.log.topics(), ConsumerProfile::Live, from)?))
    }

    fn next_offset(&self) -> u64 {
        self.write().replica().map_or(0, |replica| replica.next_offset())
    }

    /// Folds the log's next record, if one arrives. Returns false if asked to end meanwhile.
    fn read_log(&self, source: &Source, tail: &EventsTail, meters: &Meters) -> Result<bool, FollowError> {
        match tail.next_or_wait(PATIENCE) {
            Ok(None) => {}
            Ok(Some(record)) => self.fold(source, (record.offset(), record.payload()), meters)?,
            Err(fault) if fault.is_lost_log() => {
                let position = self.write().replica().map(|replica| *replica.position()).unwrap_or_default();
                let reader = LogReader::new(self.shard, source.log.shards, position);
                if patiently(source, || cut(tail, &reader))?.is_none() {
                    return Ok(false);
                }
                return Err(fault.into());
            }
            Err(fault) => return Err(fault.into()),
        }
        Ok(true)
    }

    /// Folds what the tail has read. Returns false if the feed is lost.
    fn read_feed(&self, source: &Source, meters: &Meters) -> Result<bool, FollowError> {
        let Some(records) = self.feed.take(PATIENCE) else { return Ok(false) };
        if !records.is_empty() {
            for (offset, bytes) in records {
                if offset >= self.next_offset() {
                    self.fold(source, (offset, &bytes), meters)?;
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(true)
    }

    fn fold(&self, source: &Source, record: (u64, &[u8]), meters: &Meters) -> Result<(), FollowError> {
        match self.take(record, meters)? {
            Ok(()) => Ok(()),
            Err(broken) => self.pass_over(source, broken),
        }
    }

    /// Marks the follower as ready once it has everything that was on the log at the start.
    fn has_reached(&self, goal: u64) -> bool {
        let mut stage = self.write();
        match &mut *stage {
            FollowerStage::CatchingUp(replica)
                if replica.as_ref().is_some_and(|replica| replica.next_offset() >= goal) =>
            {
                let Some(replica) = replica.take() else { return false };
                *stage = FollowerStage::Following(replica);
                true
            }
            _ => false,
        }
    }

    /// Folds a record. Returns the fault if the read rule refuses it.
    fn take(&self, (offset, bytes): (u64, &[u8]), meters: &Meters) -> Result<Result<(), BrokenLog>, FollowError> {
        let mut stage = self.write();
        let Some(replica) = stage.replica() else { return Ok(Ok(())) };
        match replica.read(offset, bytes) {
            Ok(_) => {}
            Err(Halt::Broken(broken)) => return Ok(Err(broken)),
            Err(halt) => return Err(halt.into()),
        }
        let sequence = replica.position().sequence;
        drop(stage);
        self.sequence.send_replace(sequence);
        meters.observe(sequence);
        Ok(Ok(()))
    }

    /// Continues after a record that admins have quarantined.
    fn pass_over(&self, source: &Source, broken: BrokenLog) -> Result<(), FollowError> {
        let (shard, offset) = (self.shard, broken.offset);
        let asked = patiently(source, || Ok(quarantine::of_record(&source.log, shard, offset)?))?;
        match asked {
            // Asked to end meanwhile.
            None => Ok(()),
            Some(None) => Err(Halt::Broken(broken).into()),
            Some(Some(quarantined)) => {
                tracing::warn!(%shard, %broken, reason = %quarantined.reason, "skipped: admins have quarantined the record");
                if let Some(replica) = self.write().replica() {
                    replica.pass_over(offset);
                }
                Ok(())
            }
        }
    }
}

/// Asks Kafka again while it cannot be reached. Returns `None` if asked to end meanwhile.
fn patiently<T>(source: &Source, ask: impl Fn() -> Result<T, FollowError>) -> Result<Option<T>, FollowError> {
    while !source.shutdown.is_triggered() {
        match ask() {
            Err(FollowError::Kafka(fault)) if fault.may_retry() => {
                tracing::warn!(%fault, "a follower waits for Kafka");
                std::thread::sleep(PATIENCE);
            }
            answer => return answer.map(Some),
        }
    }
    Ok(None)
}

/// Refuses a log that does not have the record after the reader's position.
fn cut(tail: &EventsTail, reader: &LogReader) -> Result<(), FollowError> {
    match tail.cut([reader])?.into_iter().next() {
        Some(cut) => Err(cut.into()),
        None => Ok(()),
    }
}

/// Returns the current end of the log.
fn goal(tail: &EventsTail, reader: &LogReader) -> Result<u64, FollowError> {
    cut(tail, reader)?;
    Ok(tail.end(reader.shard())?)
}

/// Metrics of a follower.
struct Meters {
    sequence: Gauge,
    records: Counter,
}

impl Meters {
    fn new(shard: Shard) -> Self {
        let label = shard.to_string();
        let sequence = gauge!("gateway_follower_sequence", "shard" => label.clone());
        Self { sequence, records: counter!("gateway_follower_records_total", "shard" => label) }
    }

    #[allow(clippy::cast_precision_loss, reason = "sequences stay below 2^52")]
    fn observe(&self, sequence: u64) {
        self.sequence.set(sequence as f64);
        self.records.increment(1);
    }
}
