//! Why a shard halts, and what an operator does then.
//!
//! A halt is one shard's: its loop ends, and the process goes on with the others. Nothing here goes away by itself, and
//! a restart meets the same record or command again.

use std::any::Any;

use engine_core::{Divergence, Halt};
use schemas::reading::{BrokenLog, RecordFault};
use service::kafka::KafkaFault;

use crate::log::{Extent, LogPartition, LogRecord};

/// The shard cannot go on. Never retry: an operator must look.
#[derive(Debug, thiserror::Error)]
pub enum HaltCause {
    /// The log is broken, or this program does not agree with it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Kafka refuses what a shard cannot do without; above all records that should be there.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// Commands are gone, though each must have an outcome: the log lost records, or somebody wrote them in
    /// transactions.
    #[error("command {next} does not come: the log goes on with {found}")]
    CommandsMissing {
        /// The one that should come.
        next: u64,
        /// The one that came, each time it was asked for.
        found: u64,
    },
    /// The log lacks what the snapshot has read last, or what comes then: it lost records, or was made anew beside old
    /// snapshots.
    #[error(
        "going on from sequence {sequence} takes events from offset {from} on, read up to {to} before, and there is \
         {events}: the log lost records, or the snapshots are of another log"
    )]
    LogCut {
        /// The snapshot's sequence; 0 without a snapshot.
        sequence: u64,
        /// The offset of the first record that is wanted.
        from: u64,
        /// The offset that the snapshot had read up to.
        to: u64,
        /// What there is.
        events: Extent,
    },
    /// Outcomes are gone that were on the log once, and that were told to clients.
    #[error(
        "outcomes were there for all commands before {committed}, and the log, which ends at {head}, has none from \
         command {next} on: it lost its end"
    )]
    OutcomesGone {
        /// The first command without an outcome.
        next: u64,
        /// The same, as the leader has committed it.
        committed: u64,
        /// The end of the events.
        head: u64,
    },
    /// The commands lack the next one, or a place for it.
    #[error("command {next} is next, and there is {commands}: the commands were cut, or made anew")]
    CommandsCut {
        /// The first command without an outcome.
        next: u64,
        /// What there is.
        commands: Extent,
    },
    /// The commands are not those that the events are of.
    #[error("the command at offset {offset} is not the one that has the last outcome: the commands were made anew")]
    OtherCommands {
        /// The last command with an outcome.
        offset: u64,
    },
    /// The law, or the loop, panicked: an invariant does not hold.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl HaltCause {
    /// From what a panic left.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(service::panic_text(payload))
    }

    /// What an operator does, in one line.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. })) => {
                "install that build in place of this process's; it goes on where this shard stands"
            }
            Self::Halt(Halt::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. })) | Self::LogCut { .. } => {
                HINT_OTHER_LOG
            }
            Self::Halt(Halt::Broken(_)) => {
                "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version wrote it, install that \
                 version; else restore the topic from a copy, or put the record aside \
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
                 the log; install a version that can handle it, or put the command aside \
                 with `engine quarantine`; then restart this process"
            }
        }
    }
}

const HINT_OTHER_LOG: &str = "compare brokers and topic prefix with what the snapshots' folder was made for; if the \
    folder is of another log, give this process its own; if the log was made anew, or its end is lost for good, \
    remove this shard's snapshots; else restore the topic from a copy; then restart this process";

const HINT_OUTCOMES_GONE: &str = "restore the records that are missing at the end of the events; or, if they are lost \
    for good and those commands may be decided again, stop all engines and set the committed offset of group \
    PREFIX.engines for this partition of the commands back to the first command without an outcome \
    (`kafka-consumer-groups.sh --reset-offsets`); then restart the engines";

const HINT_COMMANDS: &str = "commands and events belong together: restore the commands topic that these events are of \
    (look with `engine inspect SHARD --partition commands`); then restart this process";

/// What the loop was at: so that a halt names it, however it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopPosition {
    /// Which partition.
    pub source: LogPartition,
    /// The record's offset there.
    pub offset: u64,
}

impl LoopPosition {
    /// The loop looks at this record now.
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

/// How a shard halted.
#[derive(Debug, thiserror::Error)]
#[error("at {at}: {fatal}; hint: {}", fatal.hint())]
pub struct HaltReport {
    /// The last record that the loop looked at.
    pub at: LoopPosition,
    /// Why.
    pub fatal: HaltCause,
}
