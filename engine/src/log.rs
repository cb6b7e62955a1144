//! The traits that a shard's loop needs from outside. The loop owns them; production implements
//! them with Kafka, a clock and a folder, the simulation with memory and injected faults.

use std::time::Duration;

use schemas::{CommandId, Quarantine, Shard, Timestamp};
use service::kafka::KafkaFault;
pub use snapshots::{SnapshotStore, SnapshotStoreFault};

/// One of a shard's two partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPartition {
    /// The events topic.
    Events,
    /// The commands topic.
    Commands,
}

/// A record of one of the shard's partitions.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The partition.
    pub source: LogPartition,
    /// The record's offset.
    pub offset: u64,
    /// The broker's append time.
    pub time: Timestamp,
    /// The record's bytes.
    pub bytes: &'a [u8],
}

/// The range of offsets of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The offset of the first record.
    pub first: u64,
    /// The offset after the last.
    pub end: u64,
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, end } = self;
        if first == end { write!(f, "nothing before {end}") } else { write!(f, "{first} to {}", end - 1) }
    }
}

/// A record was not accepted for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendFault {
    /// The queue is full. Nothing was written; try the same record again, before any other.
    #[error("the writer's queue is full")]
    Full,
    /// The writer is broken. Records accepted earlier may be missing from the log: give up
    /// leadership and recover.
    #[error("the writer failed")]
    WriterLost,
}

/// One shard's view of the log: reads its own two partitions, writes to all commands partitions.
pub trait ShardLog {
    /// Reads events from `events`, and no commands. `commands`: an existing offset of the commands
    /// partition.
    fn follow_from(&mut self, events: u64, commands: u64) -> Result<(), KafkaFault>;

    /// Reads commands as well, from `offset`.
    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault>;

    /// Stops reading commands.
    fn stop_consuming(&mut self) -> Result<(), KafkaFault>;

    /// Stops reading, until [`ShardLog::follow_from`].
    fn rest(&mut self) -> Result<(), KafkaFault>;

    /// Returns the current range of offsets of a partition. Its end includes only records that no
    /// single broker can lose.
    fn extent(&mut self, source: LogPartition) -> Result<Extent, KafkaFault>;

    /// Returns the first command without an outcome, as a leader last committed it outside the log;
    /// 0 if none ever did.
    fn committed(&mut self) -> Result<u64, KafkaFault>;

    /// Returns the quarantine of the events record at `offset`, if admins have quarantined it.
    fn quarantine_of(&mut self, offset: u64) -> Result<Option<Quarantine>, KafkaFault>;

    /// Passes the next record to `visit`; `None` if there was none within `timeout`. Commands are
    /// delivered only if `hungry`; until then they are kept, in order. Temporary cluster problems
    /// are waited out.
    fn poll<R>(
        &mut self,
        hungry: bool,
        timeout: Duration,
        visit: impl FnOnce(LogRecord<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault>;

    /// Writes to the shard's events partition, after everything written there before through the
    /// same writer.
    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault>;

    /// Writes to the commands partition of `to`.
    fn append_command(&mut self, to: Shard, bytes: &[u8]) -> Result<(), AppendFault>;

    /// Returns true if the writer is broken: see [`AppendFault::WriterLost`].
    fn writer_is_lost(&self) -> bool;

    /// Replaces the current writer if it is broken.
    fn renew_writer(&mut self) -> Result<(), KafkaFault>;
}

/// Time and identity, for the loop's timers only: decisions use the log's time.
pub trait Clock {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Returns the time since a fixed moment; never decreases.
    fn elapsed(&self) -> Duration;

    /// Returns a unique command id.
    fn command_id(&mut self) -> CommandId;

    /// Returns after `pause`.
    fn sleep(&mut self, pause: Duration);
}

/// The machine's clocks and random ids.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        service::clock::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn command_id(&mut self) -> CommandId {
        CommandId(uuid::Uuid::now_v7().as_u128())
    }

    fn sleep(&mut self, pause: Duration) {
        std::thread::sleep(pause);
    }
}
