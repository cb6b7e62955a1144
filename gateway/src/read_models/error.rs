//! Why Redis did not answer.

use std::sync::Arc;

use schemas::Shard;

use crate::fresh::Behind;

/// Why Redis did not answer. Retry later, except for `Evicts` and `Impossible`: an operator must
/// act.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Redis cannot be reached, or failed.
    #[error("Redis: {0}")]
    Redis(#[from] fred::error::Error),
    /// There was no connection yet since the start; the text says why.
    #[error("no connection yet: {0}")]
    NotConnected(Arc<str>),
    /// The shard is being rebuilt, or was never written.
    #[error("the read model of shard {0} is not complete")]
    Incomplete(Shard),
    /// Redis is too far behind the log.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// Redis evicts keys; the message says what to do.
    #[error("{0}")]
    Evicts(String),
    /// A value that the projection does not write.
    #[error("Redis has an impossible {0}")]
    Impossible(&'static str),
}

impl ReadError {
    /// Returns true if the error may end by itself: Redis cannot be reached, or is starting.
    pub fn may_wait(&self) -> bool {
        use fred::error::ErrorKind::{Auth, Config, InvalidArgument, InvalidCommand, Url};
        let by_hand =
            |error: &fred::error::Error| matches!(error.kind(), Auth | Config | InvalidArgument | InvalidCommand | Url);
        matches!(self, Self::Redis(error) if !by_hand(error))
    }
}
