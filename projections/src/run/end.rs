//! How a writer's work ends: asked, for now, or for good.

use schemas::Shard;
use schemas::reading::{BrokenLog, RecordFault};
use service::kafka::{Cut, KafkaFault};

use crate::fold::FoldFault;
use crate::sink::SinkError;

/// Why a shard of a sink, or the process, stops. None of these goes away by itself.
///
/// | what is wrong                                        | what stops              |
/// |------------------------------------------------------|-------------------------|
/// | a shard's log: broken, cut, another, makes no sense  | that shard of that sink |
/// | a panic                                              | that shard of that sink |
/// | a shard's rows: the store refuses what the log says  | that shard of that sink |
/// | a store that a later build has laid out              | that sink; the process  |
/// |                                                      | if it was the last      |
/// | another writer, settings, Kafka                      | the process             |
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The log breaks its own rules.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log contradicts itself.
    #[error("events log of shard {shard}: {nonsense}")]
    Nonsense {
        /// Whose log.
        shard: Shard,
        /// How.
        nonsense: FoldFault,
    },
    /// The log does not have what comes next.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// Folding or writing a shard panicked.
    #[error("{sink} of shard {shard} panicked after offset {offset}: {text}")]
    WriterPanicked {
        /// Which store.
        sink: &'static str,
        /// Whose rows.
        shard: Shard,
        /// The next offset to read, as it was.
        offset: u64,
        /// What the panic said.
        text: String,
    },
    /// Somebody else folds the same shard into the same store.
    #[error("another writer is alive: {sink} of shard {shard} was at {expected} and is at {found}")]
    AnotherWriter {
        /// Which store.
        sink: &'static str,
        /// Whose rows.
        shard: Shard,
        /// Where this writer left it.
        expected: String,
        /// Where it is.
        found: String,
    },
    /// The store refuses what the log says of this shard, or holds what the log says cannot be.
    #[error("{sink} of shard {shard} refuses: {reason}")]
    Refused {
        /// Which store.
        sink: &'static str,
        /// Whose rows.
        shard: Shard,
        /// What it said.
        reason: String,
    },
    /// The store is laid out as a later build writes it.
    #[error("{sink}: {reason}")]
    Foreign {
        /// Which store.
        sink: &'static str,
        /// What it said.
        reason: String,
    },
    /// Kafka refuses, or its topics are not the log's.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The settings are of no use.
    #[error("settings: {0}")]
    Settings(SinkError),
    /// A part of the program panicked; what it was is in the log.
    #[error("{0} panicked")]
    Panicked(&'static str),
}

/// What an operator does with a shard that halted.
const HINT: &str = "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version wrote it, install that \
    version of the projections; else restore the topic from a copy, or put the record aside with `engine \
    quarantine`; then restart this process";

/// The same where a later build writes what this one does not know.
const HINT_NEWER: &str =
    "install that build of the projections in place of this process's; it goes on where this shard stands";

/// The same where the log does not have what the store's rows come from.
const HINT_OTHER_LOG: &str = "compare brokers and topic prefix with what this store was filled from; if the log was \
    made anew, fold it into a new database (Postgres) or run `projections rebuild redis --shard SHARD` (Redis); else \
    restore the topic from a copy; then restart this process";

/// The same where a store refuses a shard.
const HINT_POSTGRES: &str = "nothing of that batch was written; correct in Postgres what the message names (a constraint, a row, a \
    right), or, if the rows do not fit the log, fold into a new database; then restart this process, which goes on from the shard's \
    stored position";
const HINT_REDIS: &str = "readers get 503 for what the refused batch left incomplete; `projections rebuild redis --shard SHARD`, then \
    restart this process, which folds the shard again from the beginning of its log";

impl Stop {
    /// What an operator does with a shard that halted for this.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. }) => HINT_NEWER,
            Self::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. }) | Self::Cut(_) => HINT_OTHER_LOG,
            Self::Refused { sink: "redis", .. } => HINT_REDIS,
            Self::Refused { .. } => HINT_POSTGRES,
            _ => HINT,
        }
    }

    /// True if one shard stops, and the others go on.
    pub fn is_one_shards(&self) -> bool {
        matches!(
            self,
            Self::Broken(_) | Self::Nonsense { .. } | Self::Cut(_) | Self::WriterPanicked { .. } | Self::Refused { .. }
        )
    }

    /// True if one store stops being written, and the other is written on.
    pub fn is_one_stores(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// An error before anything was written.
    pub fn settings(error: SinkError) -> Self {
        Self::Settings(error)
    }
}

/// Why a session of a shard's writer ended, if nobody asked for it.
#[derive(Debug)]
pub enum WriterEnd {
    /// Something that passes: begin again from the stored position.
    Again(String),
    /// The store is not there, or does not let this program in: begin again once somebody has seen
    /// to that.
    Shut(String),
    /// Something that does not.
    Stop(Stop),
}

impl<E: Into<Stop>> From<E> for WriterEnd {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}
