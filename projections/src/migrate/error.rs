//! Why a database could not be migrated.

use crate::postgres::causes;
use crate::sink::SinkError;

/// Why the database could not be migrated. Correct the cause and repeat.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Postgres cannot be reached, or refused a statement.
    #[error("{}", causes(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A migration failed, or was changed after it was applied.
    #[error("{}", causes(.0))]
    Migration(#[from] refinery::Error),
    /// The partitions could not be made.
    #[error("partitions of the next months: {0}")]
    Months(SinkError),
    /// The list of indexes in this program is malformed.
    #[error("indexes.sql: {0}")]
    IndexList(String),
}
