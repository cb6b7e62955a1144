//! Classifies Postgres errors for the writer: retry from the stored position, halt the shard, or
//! stop.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::sink::SinkError;

/// How to handle an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Means {
    Retry,
    Denied,
    Refused,
}

/// Classifies an error of a statement, by its SQLSTATE.
///
/// | state                          | means                                                       | do                                  |
/// |--------------------------------|-------------------------------------------------------------|-------------------------------------|
/// | none, not from the server      | the connection is lost                                      | retry                               |
/// | class 08                       | connection exceptions                                       | retry                               |
/// | class 40                       | serialization failures, deadlocks: the transaction is undone | retry                              |
/// | class 53                       | disk full, out of memory, too many connections              | retry                               |
/// | class 57                       | cancelled, timed out, shutting down, starting up, failover  | retry                               |
/// | class 58                       | system errors outside Postgres: I/O                         | retry                               |
/// | 25006                          | read-only: a former or future replica                       | retry                               |
/// | 25P02                          | an echo of another statement's failure                      | retry                               |
/// | 25P03                          | the transaction was idle too long: this process was frozen  | retry                               |
/// | 55P03, 55006                   | another session holds a lock for too long                   | retry                               |
/// | 0A000, 26000                   | prepared before a table was altered, or on another session  | retry                               |
/// | 23514 without a constraint     | a month's partition was removed                             | retry                               |
/// | class 28, 3D000                | password or role refused, no such database                  | wait, and report it                 |
/// | anything else, also 23, 22, 42 | log and tables disagree, a missing table, column or right   | the shard halts                     |
pub fn classify(error: tokio_postgres::Error) -> SinkError {
    let means = match error.as_db_error() {
        None => Means::Retry,
        Some(db) => means(db.code().code(), db.constraint().is_some()),
    };
    match means {
        Means::Retry => SinkError::unavailable(Caused(error)),
        Means::Denied => SinkError::denied(Caused(error)),
        Means::Refused => SinkError::refused(Caused(error)),
    }
}

fn means(state: &str, names_constraint: bool) -> Means {
    match (state.get(..2).unwrap_or_default(), state) {
        ("08" | "40" | "53" | "57" | "58", _) => Means::Retry,
        (_, "25006" | "25P02" | "25P03" | "55P03" | "55006" | "0A000" | "26000") => Means::Retry,
        (_, "23514") if !names_constraint => Means::Retry,
        ("28", _) | (_, "3D000") => Means::Denied,
        _ => Means::Refused,
    }
}

/// Classifies an error of the pool.
pub fn classify_pool(error: PoolError) -> SinkError {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => classify(error),
        PoolError::PostCreateHook(error @ HookError::Message(_)) => SinkError::denied(error),
        error => SinkError::unavailable(error),
    }
}

/// Returns true for the failure of a statement whose transaction had already failed.
pub fn is_echo(error: &SinkError) -> bool {
    let SinkError::Unavailable(error) = error else { return false };
    error.downcast_ref::<Caused>().is_some_and(|caused| caused.0.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
}

/// An error that displays its causes: `tokio_postgres` displays only «db error» at the top.
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

/// Formats an error and its causes in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_errors_are_retried_and_errors_of_the_data_are_not() {
        let passing = [
            "08006", "08P01", "40001", "40P01", "40003", "53100", "53200", "53300", "57014", "57P01", "57P03", "58030",
            "25006", "25P02", "55P03", "0A000",
        ];
        for state in passing {
            assert_eq!(means(state, false), Means::Retry, "{state}");
        }
        for state in ["28000", "28P01", "3D000"] {
            assert_eq!(means(state, false), Means::Denied, "{state}");
        }
        for state in ["23505", "23502", "23514", "22003", "42P01", "42703", "42501", "P0001", "XX001", ""] {
            assert_eq!(means(state, true), Means::Refused, "{state}");
        }
        assert_eq!(means("23514", false), Means::Retry);
    }
}
