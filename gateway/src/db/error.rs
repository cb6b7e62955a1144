//! Why Postgres did not answer a query.

use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::fresh::Behind;

/// How long a read may take, including the wait for a connection.
pub const READ_WITHIN: Duration = Duration::from_millis(1_800);

/// The time-out of a statement that a read runs, in milliseconds.
pub const READ_STATEMENT_MS: u32 = 1_500;

/// Why Postgres did not answer a query.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The URL that this setting has is invalid. Never retry.
    #[error("{0}: {1}")]
    Url(&'static str, tokio_postgres::Error),
    /// A replica's URL names no host or several. Never retry.
    #[error("LFG_DATABASE_REPLICAS: each URL names one host, and one names {0}")]
    ReplicaHosts(usize),
    /// The sizes of the pool contradict each other. Never retry.
    #[error("LFG_POOL_MIN is {min} and LFG_POOL_MAX is {max}: the minimum is at most the maximum, which is above 0")]
    PoolSize {
        /// Connections that are kept open.
        min: usize,
        /// The maximum of connections.
        max: usize,
    },
    /// The pool could not be built. Never retry.
    #[error(transparent)]
    Build(#[from] deadpool_postgres::BuildError),
    /// No connection. Retry later.
    #[error("no connection to Postgres: {0}")]
    Pool(#[from] PoolError),
    /// A query failed. Retry later.
    #[error("Postgres: {}", detailed(.0))]
    Query(#[from] tokio_postgres::Error),
    /// A row has a value that the log cannot contain. Never retry; an operator must act.
    #[error("a row of Postgres has an impossible {0}")]
    Impossible(&'static str),
    /// The tables are not those that this build reads. Never retry; the message says what to do.
    #[error("{0}")]
    Tables(String),
    /// The tables are too far behind the log. Retry later.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// A replica is behind what its answer needs. The primary is asked.
    #[error("the replica is behind what the read needs")]
    ReplicaBehind,
    /// A connection lacks a required setting. Never retry.
    #[error("a connection has a statement_timeout of {found} ms instead of {wanted}: does a proxy drop its options?")]
    Settings {
        /// What Postgres has.
        found: i64,
        /// What the configuration has.
        wanted: u128,
    },
    /// As many reads of this client, or of all clients, are in progress as may be. Retry later.
    #[error("too many earlier reads are still in progress")]
    Share,
    /// The query took longer than a client may wait. Retry later.
    #[error("no answer of Postgres within {} ms", READ_WITHIN.as_millis())]
    TooLong,
}

impl DbError {
    /// Returns true if the error may end by itself: Postgres cannot be reached, is starting, or has
    /// no room for a connection.
    pub fn may_wait(&self) -> bool {
        match self {
            Self::Pool(PoolError::Backend(error)) | Self::Query(error) => match error.code() {
                None => true,
                Some(state) => *state == SqlState::QUERY_CANCELED || is_of_the_server(state),
            },
            Self::Pool(PoolError::Timeout(_)) | Self::TooLong => true,
            _ => false,
        }
    }

    /// Returns whether Postgres answers, if the error says so. A query that took too long, or that
    /// waited for others, says nothing about the server.
    pub fn answers(&self) -> Option<bool> {
        match self {
            Self::Pool(PoolError::Backend(error)) | Self::Query(error) => {
                Some(error.code().is_some_and(|state| !is_of_the_server(state)))
            }
            Self::Pool(PoolError::Timeout(TimeoutType::Wait)) | Self::Share | Self::TooLong => None,
            Self::Pool(PoolError::Timeout(_)) => Some(false),
            _ => Some(true),
        }
    }
}

/// Returns true for errors of the server and not of a statement: connection exceptions, insufficient
/// resources, operator intervention (starting, shutting down). Its statement timeout has the class
/// of the last, and ends one query alone.
fn is_of_the_server(state: &SqlState) -> bool {
    let is_of_class = ["08", "53", "57"].iter().any(|class| state.code().starts_with(class));
    is_of_class && *state != SqlState::QUERY_CANCELED
}

/// The client library's own text of a server's error is only "db error".
pub fn detailed(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| format!("{} ({})", db.message(), db.code().code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_is_ended_is_no_fault_of_the_server() {
        for of_a_statement in [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED]
        {
            assert!(!is_of_the_server(&of_a_statement), "{}", of_a_statement.code());
        }
        for of_the_server in [
            SqlState::CONNECTION_FAILURE,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ] {
            assert!(is_of_the_server(&of_the_server), "{}", of_the_server.code());
        }
        assert_eq!([DbError::Share.answers(), DbError::TooLong.answers()], [None, None]);
        assert_eq!(DbError::Pool(PoolError::Timeout(TimeoutType::Wait)).answers(), None);
        assert_eq!(DbError::Pool(PoolError::Timeout(TimeoutType::Create)).answers(), Some(false));
        assert_eq!(DbError::Pool(PoolError::Closed).answers(), Some(true));
    }
}
