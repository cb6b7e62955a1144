//! One statement over many rows: a column is an array, and the statement must meet every one of them.

use deadpool_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::error::classify;
use crate::sink::SinkError;

/// A statement's parameters.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// One column of `rows`.
pub fn column<'a, R: 'a, T>(rows: impl IntoIterator<Item = R>, value: impl Fn(R) -> T + 'a) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

/// Runs `statement`, which must meet exactly `rows` rows: fewer or more means that table and log disagree.
pub async fn meet(tx: &Transaction<'_>, statement: &str, params: Params<'_>, rows: usize) -> Result<(), SinkError> {
    let prepared = tx.prepare_cached(statement).await.map_err(classify)?;
    let met = tx.execute(&prepared, params).await.map_err(classify)?;
    if usize::try_from(met) == Ok(rows) {
        return Ok(());
    }
    Err(SinkError::refused(format!("{met} rows were met where the log has {rows}: {statement}")))
}
