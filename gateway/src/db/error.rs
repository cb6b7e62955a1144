//! Why Postgres did not answer a query.

use std::time::Duration;

use deadpool_postgres::PoolError;

use crate::fresh::Behind;

/// How long a read may take, including the wait for a connection.
pub const READ_WITHIN: Duration = Duration::from_millis(1_800);

/// The statement timeout, as Postgres shows it.
pub const STATEMENT_TIMEOUT: &str = "1500ms";

/// Why Postgres did not answer a query.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// `DATABASE_URL` is invalid. Never retry.
    #[error("DATABASE_URL: {0}")]
    Url(tokio_postgres::Error),
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
    /// A connection lacks a required setting. Never retry.
    #[error("a connection has statement_timeout {0} instead of {STATEMENT_TIMEOUT}")]
    Settings(String),
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
                // Connection exceptions, insufficient resources, operator intervention (starting,
                // shutting down).
                Some(state) => ["08", "53", "57"].iter().any(|class| state.code().starts_with(class)),
            },
            Self::Pool(PoolError::Timeout(_)) | Self::TooLong => true,
            _ => false,
        }
    }
}

/// The client library's own text of a server's error is only "db error".
pub fn detailed(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| format!("{} ({})", db.message(), db.code().code()))
}
