//! Ways in which a writer's work ends: requested, to be retried, or permanent.

use schemas::Shard;
use schemas::reading::{BrokenLog, RecordFault};
use service::kafka::{Cut, KafkaFault};

use crate::fold::FoldFault;
use crate::sink::SinkError;

/// Why a shard of a sink, or the process, stops. None of these disappears without an operator.
///
/// | cause                                            | stops                   |
/// |--------------------------------------------------|-------------------------|
/// | a shard's log: broken, cut, another, or invalid  | that shard of that sink |
/// | a panic                                          | that shard of that sink |
/// | a shard's rows: the store refuses the log's data | that shard of that sink |
/// | a store that a later build has laid out          | that sink; the process  |
/// |                                                  | if it was the last      |
/// | another writer, settings, Kafka                  | the process             |
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The log breaks its own rules.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log contradicts itself.
    #[error("events log of shard {shard}: {nonsense}")]
    Nonsense {
        /// The shard of the log.
        shard: Shard,
        /// The contradiction.
        nonsense: FoldFault,
    },
    /// The log lacks the next record.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// Folding or writing a shard panicked.
    #[error("{sink} of shard {shard} panicked after offset {offset}: {text}")]
    WriterPanicked {
        /// The store.
        sink: &'static str,
        /// The shard of the rows.
        shard: Shard,
        /// The next offset to read at that moment.
        offset: u64,
        /// The panic's message.
        text: String,
    },
    /// Another process folds the same shard into the same store.
    #[error("another writer is alive: {sink} of shard {shard} was at {expected} and is at {found}")]
    AnotherWriter {
        /// The store.
        sink: &'static str,
        /// The shard of the rows.
        shard: Shard,
        /// The position that this writer wrote last.
        expected: String,
        /// The position in the store.
        found: String,
    },
    /// The store refuses this shard's data, or holds rows that contradict the log.
    #[error("{sink} of shard {shard} refuses: {reason}")]
    Refused {
        /// The store.
        sink: &'static str,
        /// The shard of the rows.
        shard: Shard,
        /// The store's reason.
        reason: String,
    },
    /// The store is laid out as a later build writes it.
    #[error("{sink}: {reason}")]
    Foreign {
        /// The store.
        sink: &'static str,
        /// The store's reason.
        reason: String,
    },
    /// Kafka refuses, or its topics lack the log's configuration.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The settings cannot be used.
    #[error("settings: {0}")]
    Settings(SinkError),
    /// A component panicked; the log output contains the panic.
    #[error("{0} panicked")]
    Panicked(&'static str),
}

/// The hint for the operator of a halted shard.
const HINT: &str = "look at the record with `engine inspect SHARD --from OFFSET --max 1`; if a later version \
     wrote it, install that version of the projections; else restore the topic from a copy, or quarantine the \
     record with `engine quarantine`; then restart this process";

/// The hint if a later build writes records that this one does not know.
const HINT_NEWER: &str =
    "install that build of the projections in place of this process's; it continues from the stored position";

/// The hint if the log does not contain the records that the store's rows come from.
const HINT_OTHER_LOG: &str = "compare brokers and topic prefix with what this store was filled from; if the log \
     was created again, fold it into a new database (Postgres) or run `projections rebuild redis --shard SHARD` \
     (Redis); else restore the topic from a copy; then restart this process";

/// The hint if a store refuses a shard.
const HINT_POSTGRES: &str = "nothing of that batch was written; correct in Postgres the constraint, row or right \
     that the message names, or, if the rows do not fit the log, fold into a new database; then restart this \
     process, which continues from the stored position";
const HINT_REDIS: &str = "readers get 503 for models that the refused batch left incomplete; `projections rebuild \
     redis --shard SHARD`, then restart this process, which folds the shard again from the beginning of its log";

impl Stop {
    /// Returns the hint for the operator of a halted shard.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. }) => HINT_NEWER,
            Self::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. }) | Self::Cut(_) => HINT_OTHER_LOG,
            Self::Refused { sink: "redis", .. } => HINT_REDIS,
            Self::Refused { .. } => HINT_POSTGRES,
            _ => HINT,
        }
    }

    /// True if one shard stops and the others continue.
    pub fn is_one_shards(&self) -> bool {
        matches!(
            self,
            Self::Broken(_) | Self::Nonsense { .. } | Self::Cut(_) | Self::WriterPanicked { .. } | Self::Refused { .. }
        )
    }

    /// True if one store is no longer written and the other still is.
    pub fn is_one_stores(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// An error before anything was written.
    pub fn settings(error: SinkError) -> Self {
        Self::Settings(error)
    }
}

/// Why a session of a shard's writer ended, other than by request.
#[derive(Debug)]
pub enum WriterEnd {
    /// A passing fault: start again from the stored position.
    Again(String),
    /// The store is missing or denies access: start again once an operator has corrected that.
    Shut(String),
    /// A permanent fault.
    Stop(Stop),
}

impl<E: Into<Stop>> From<E> for WriterEnd {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}
