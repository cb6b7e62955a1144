//! The causes for which a shard halts, and what an operator does then.
//!
//! A halt affects one shard: its loop ends, and the process continues with the others. None of
//! these causes disappears by itself: a restart meets the same record or command again.

use std::any::Any;

use engine_core::{Divergence, Halt};
use schemas::reading::{BrokenLog, RecordFault};
use service::kafka::KafkaFault;

use crate::log::{Extent, LogPartition, LogRecord};

/// The shard cannot continue. Never retry: an operator must look.
#[derive(Debug, thiserror::Error)]
pub enum HaltCause {
    /// The log is broken, or this program disagrees with it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Kafka refuses a request that a shard needs; above all a read of records that should exist.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// Commands are missing, although each must have an outcome: the log lost records, or someone
    /// wrote them in transactions.
    #[error("command {next} is missing: the log continues with {found}")]
    CommandsMissing {
        /// The offset of the expected command.
        next: u64,
        /// The offset of the command that arrived each time.
        found: u64,
    },
    /// The log lacks the record that the snapshot read last, or the next one: it lost records, or
    /// was created anew while old snapshots remained.
    #[error(
        "continuing from sequence {sequence} needs events from offset {from} on (read up to {to} before), but the log has \
         {events}: the log lost records, or the snapshots belong to another log"
    )]
    LogCut {
        /// The snapshot's sequence; 0 without a snapshot.
        sequence: u64,
        /// The offset of the first record needed.
        from: u64,
        /// The offset up to which the snapshot had read.
        to: u64,
        /// The range of offsets that exists.
        events: Extent,
    },
    /// Outcomes are missing that were once on the log, and that clients were sent.
    #[error(
        "all commands before {committed} had outcomes, but the log, which ends at {head}, has none from command {next} \
         on: it lost its end"
    )]
    OutcomesGone {
        /// The first command without an outcome.
        next: u64,
        /// The first command without an outcome, as the leader committed it.
        committed: u64,
        /// The end of the events.
        head: u64,
    },
    /// The commands partition lacks the next command, and ends before its offset or starts after
    /// it.
    #[error("command {next} is next, but the partition has {commands}: the commands were cut, or created anew")]
    CommandsCut {
        /// The first command without an outcome.
        next: u64,
        /// The range of offsets that exists.
        commands: Extent,
    },
    /// The commands do not belong to the events.
    #[error("the command at offset {offset} is not the one that has the last outcome: the commands were created anew")]
    OtherCommands {
        /// The last command with an outcome.
        offset: u64,
    },
    /// The core or the loop panicked: an invariant is broken.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl HaltCause {
    /// Creates the cause from a panic's payload.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(service::panic_text(payload))
    }

    /// Returns what an operator does, in one line.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. })) => {
                "install that build in place of this process's; it continues where this shard stopped"
            }
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. })) | Self::LogCut { .. } => {
                HINT_OTHER_LOG
            }
            Self::Halt(Halt::Broken(_)) => {
                "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version wrote it, install that \
                 version; else restore the topic from a copy, or quarantine the record \
                 with `engine quarantine`; then restart this process"
            }
            Self::Halt(Halt::Diverged(Divergence::StateHash { .. } | Divergence::Outcome { .. })) => {
                "run `engine verify` with the version that led; if it finds no fault, remove this process's snapshots of the \
                 shard and restart it; else keep log and snapshots, and do not restart other engines"
            }
            Self::Kafka(_) => {
                "compare the topics with `engine topics`, and the offset with what `engine inspect` shows; restore the records \
                 that are missing; then restart this process"
            }
            Self::CommandsMissing { .. } => {
                "look with `engine inspect SHARD --partition commands --from OFFSET`; restore the records that are missing; then \
                 restart this process"
            }
            Self::OutcomesGone { .. } => HINT_OUTCOMES_GONE,
            Self::CommandsCut { .. } | Self::OtherCommands { .. } => HINT_COMMANDS,
            Self::Panicked(_) => {
                "look at the record with `engine inspect SHARD --from OFFSET --max 1` (`--partition commands` for a command); keep \
                 the log; install a version that can handle it, or quarantine the command \
                 with `engine quarantine`; then restart this process"
            }
        }
    }
}

const HINT_OTHER_LOG: &str = "compare brokers and topic prefix with what the snapshots' folder was made for; if the \
    folder belongs to another log, give this process its own; if the log was created anew, or its end is lost for good, \
    remove this shard's snapshots; else restore the topic from a copy; then restart this process";

const HINT_OUTCOMES_GONE: &str = "restore the records that are missing at the end of the events; or, if they are lost \
    for good and those commands may be decided again, stop all engines and set the committed offset of group \
    PREFIX.engines for this partition of the commands back to the first command without an outcome \
    (`kafka-consumer-groups.sh --reset-offsets`); then restart the engines";

const HINT_COMMANDS: &str = "commands and events belong together: restore the commands topic that belongs to these events \
    (look with `engine inspect SHARD --partition commands`); then restart this process";

/// The record that the loop was handling, so that a halt names it, whatever the cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopPosition {
    /// The partition.
    pub source: LogPartition,
    /// The record's offset.
    pub offset: u64,
}

impl LoopPosition {
    /// Sets the record that the loop handles now.
    pub(super) fn visit(&mut self, record: &LogRecord<'_>) -> LogPartition {
        *self = Self { source: record.source, offset: record.offset };
        record.source
    }
}

impl std::fmt::Display for LoopPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let partition = match self.source {
            LogPartition::Events => "events",
            LogPartition::Commands => "commands",
        };
        write!(f, "{partition} offset {}", self.offset)
    }
}

/// The report of a halted shard.
#[derive(Debug, thiserror::Error)]
#[error("at {at}: {fatal}; hint: {}", fatal.hint())]
pub struct HaltReport {
    /// The last record that the loop handled.
    pub at: LoopPosition,
    /// The cause.
    pub fatal: HaltCause,
}
