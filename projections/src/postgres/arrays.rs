//! Helpers to write many rows in few statements: a column is an array, and a statement must match
//! every row. Independent statements are sent together.

use std::pin::Pin;

use deadpool_postgres::Transaction;
use futures_util::future::join_all;
use service::statements::statements;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::error::{classify, is_echo};
use crate::sink::SinkError;

/// A statement's parameters.
pub type StatementParams<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Collects one column of `rows`.
pub fn column<'a, R: 'a, T>(rows: impl IntoIterator<Item = R>, value: impl Fn(R) -> T + 'a) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

/// Prepares a statement that is about to run, and counts it.
pub async fn prepared(tx: &Transaction<'_>, statement: &str) -> Result<Statement, SinkError> {
    statements().increment(1);
    tx.prepare_cached(statement).await.map_err(classify)
}

/// Runs `statement`, which must match exactly `rows` rows; any other number means that table and
/// log disagree.
pub async fn meet(
    tx: &Transaction<'_>,
    statement: &str,
    params: StatementParams<'_>,
    rows: usize,
) -> Result<(), SinkError> {
    let prepared = prepared(tx, statement).await?;
    let met = tx.execute(&prepared, params).await.map_err(classify)?;
    if usize::try_from(met) == Ok(rows) {
        return Ok(());
    }
    Err(SinkError::refused(format!("{met} rows were met where the log has {rows}: {statement}")))
}

/// A future that runs some statements of a transaction.
pub type Statements<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// Sends independent statements without waiting for the replies in between, then waits for all.
///
/// When one fails, Postgres refuses those after it, and their replies may arrive first: this
/// returns the original failure, not such an echo.
pub async fn all<const N: usize>(statements: [Statements<'_>; N]) -> Result<(), SinkError> {
    let failures = join_all(statements).await.into_iter().filter_map(Result::err);
    match failures.min_by_key(is_echo) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
