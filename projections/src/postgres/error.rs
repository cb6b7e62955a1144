//! What an error of Postgres means to the writer: try again from the stored position, or stop.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::sink::SinkError;

/// States, beside the classes below, that a later try may not meet.
const PASSING: [SqlState; 7] = [
    SqlState::QUERY_CANCELED,
    // An echo of another statement's failure.
    SqlState::IN_FAILED_SQL_TRANSACTION,
    SqlState::LOCK_NOT_AVAILABLE,
    // A replica that was primary a moment ago, or will be.
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    // The statement was prepared before somebody altered a table.
    SqlState::FEATURE_NOT_SUPPORTED,
];

/// Connection exceptions, insufficient resources, operator intervention (shutdown, failover), system errors.
const PASSING_CLASSES: [&str; 4] = ["08", "53", "57", "58"];

/// Sorts an error of a statement.
///
/// | error                                            | means                                   | do    |
/// |--------------------------------------------------|-----------------------------------------|-------|
/// | not from the server                              | the connection is lost                  | retry |
/// | a passing state or class                         | the server is busy, stopping, elsewhere | retry |
/// | check violation without a constraint             | a month's partition went away           | retry |
/// | anything else                                    | log and tables disagree, or no tables   | stop  |
pub fn classify(error: tokio_postgres::Error) -> SinkError {
    if may_retry(&error) { SinkError::unavailable(Caused(error)) } else { SinkError::refused(Caused(error)) }
}

fn may_retry(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(db) if *db.code() == SqlState::CHECK_VIOLATION => db.constraint().is_none(),
        Some(db) => {
            PASSING.contains(db.code()) || PASSING_CLASSES.iter().any(|class| db.code().code().starts_with(class))
        }
    }
}

/// Sorts an error of the pool.
pub fn classify_pool(error: PoolError) -> SinkError {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => classify(error),
        PoolError::PostCreateHook(error @ HookError::Message(_)) => SinkError::refused(error),
        error => SinkError::unavailable(error),
    }
}

/// True for the failure of a statement whose transaction had failed before it.
pub fn is_echo(error: &SinkError) -> bool {
    let SinkError::Unavailable(error) = error else { return false };
    error.downcast_ref::<Caused>().is_some_and(|caused| caused.0.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
}

/// An error that tells its causes: `tokio_postgres` says only «db error» at the top.
#[derive(Debug)]
struct Caused(tokio_postgres::Error);

impl std::fmt::Display for Caused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&causes(&self.0))?;
        match self.0.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN | &SqlState::UNDEFINED_FUNCTION) => {
                f.write_str("; `projections migrate` brings the database up to date")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Caused {}

/// An error and what caused it, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
