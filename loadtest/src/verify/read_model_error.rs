//! Why a read model cannot be compared with the log.

use std::time::Duration;

use schemas::Shard;

use crate::log_error::LogError;

/// Why a read model cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReadModelError {
    /// Postgres failed.
    #[error("Postgres: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Redis failed.
    #[error("Redis: {0}")]
    Redis(#[from] fred::error::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The content does not have the documented format.
    #[error("not of the documented format: {0}")]
    Nonsense(String),
    /// A read model did not reach the log's end in time.
    #[error("after {waited:?} {who} is not at the end of the log: shard {shard} has {has}, the log {log}")]
    Behind {
        /// The read model.
        who: &'static str,
        /// The shard.
        shard: Shard,
        /// The read model's sequence; `nothing` if it has none.
        has: String,
        /// The log's sequence.
        log: u64,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The log keeps growing.
    #[error("the log keeps growing; compare when nobody trades")]
    Busy,
}
