//! What a shard's loop needs of the outside. The loop owns these traits; production puts Kafka, a clock and a folder behind
//! them, a simulation puts memory and injected faults.

use std::time::Duration;

use schemas::{CommandId, Quarantine, Shard, Timestamp};
use service::kafka::KafkaFault;
pub use snapshots::{SnapshotStore, SnapshotStoreFault};

/// Which of a shard's two partitions a record came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPartition {
    /// What became true.
    Events,
    /// What is asked.
    Commands,
}

/// A record of one of the shard's partitions.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The partition.
    pub source: LogPartition,
    /// Its place there.
    pub offset: u64,
    /// The broker's append time.
    pub time: Timestamp,
    /// The record.
    pub bytes: &'a [u8],
}

/// What a partition has.
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

/// A record was not taken for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendFault {
    /// There is no room now. Nothing was written; try the same record again, before any other.
    #[error("the writer's queue is full")]
    Full,
    /// The writer is broken. Records taken earlier may be missing from the log: give up leadership and recover.
    #[error("the writer failed")]
    WriterLost,
}

/// One shard's view of the log: its own two partitions to read, all commands partitions to write.
pub trait ShardLog {
    /// Reads events from `events` on, and no commands. `commands`: an offset of theirs that is there.
    fn follow_from(&mut self, events: u64, commands: u64) -> Result<(), KafkaFault>;

    /// Reads commands as well, from `offset` on.
    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault>;

    /// Reads no more commands.
    fn stop_consuming(&mut self) -> Result<(), KafkaFault>;

    /// Reads nothing, until [`ShardLog::follow_from`].
    fn rest(&mut self) -> Result<(), KafkaFault>;

    /// What a partition of the shard has now. Its end is that of what no broker can lose alone.
    fn extent(&mut self, source: LogPartition) -> Result<Extent, KafkaFault>;

    /// The first command that had no outcome when a leader last said so, in a place that is not the log; 0 if none ever
    /// did.
    fn committed(&mut self) -> Result<u64, KafkaFault>;

    /// The quarantine of the events record at `offset`, if admins put it aside.
    fn quarantine_of(&mut self, offset: u64) -> Result<Option<Quarantine>, KafkaFault>;

    /// Hands the next record to `visit`; `None` when there was none within `timeout`. A command comes only if `hungry`; it
    /// is kept, in order, until then. Passing troubles of the cluster are waited out.
    fn poll<R>(
        &mut self,
        hungry: bool,
        timeout: Duration,
        visit: impl FnOnce(LogRecord<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault>;

    /// Writes to the shard's events partition, after everything written there before through the same writer.
    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault>;

    /// Writes to the commands partition of `to`.
    fn append_command(&mut self, to: Shard, bytes: &[u8]) -> Result<(), AppendFault>;

    /// True if the writer is broken: see [`AppendFault::WriterLost`].
    fn writer_is_lost(&self) -> bool;

    /// A working writer again, if the present one is broken.
    fn renew_writer(&mut self) -> Result<(), KafkaFault>;
}

/// Time and identity, for the loop's timers only: what is decided has the log's time.
pub trait Clock {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;

    /// A command id that nobody else has.
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
