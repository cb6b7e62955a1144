//! Reads tables, and the columns of their rows.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use schemas::{GroupId, Shard, Timestamp};
use time::OffsetDateTime;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Row, Transaction};

use crate::verify::read_model_error::ReadModelError;

/// Reads a table into a map, row by row.
pub async fn table<K: Eq + Hash, T>(
    tx: &Transaction<'_>,
    sql: &str,
    read: impl Fn(&Row) -> Result<(K, T), ReadModelError>,
) -> Result<HashMap<K, T>, ReadModelError> {
    let mut rows = pin!(tx.query_raw(sql, std::iter::empty::<i64>()).await?);
    let mut map = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let (key, value) = read(&row)?;
        if map.insert(key, value).is_some() {
            return Err(ReadModelError::Nonsense(format!("two rows with one key: {row:?}")));
        }
    }
    Ok(map)
}

pub fn group_id(number: i32) -> Result<GroupId, ReadModelError> {
    u16::try_from(number).ok().and_then(GroupId::new).ok_or_else(|| nonsense("group_id", number))
}

pub fn nonsense(column: &str, value: impl std::fmt::Display) -> ReadModelError {
    ReadModelError::Nonsense(format!("{column} is {value}"))
}

pub fn natural(row: &Row, column: &str) -> Result<u64, ReadModelError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| nonsense(column, value))
}

pub fn optional(row: &Row, column: &str) -> Result<Option<u64>, ReadModelError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| u64::try_from(value).map_err(|_| nonsense(column, value))).transpose()
}

pub fn contracts(row: &Row, column: &str) -> Result<u32, ReadModelError> {
    let value: i32 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| nonsense(column, value))
}

pub fn small(value: i32) -> Result<u16, ReadModelError> {
    u16::try_from(value).map_err(|_| nonsense("a price", value))
}

pub fn shard(row: &Row, column: &str) -> Result<Shard, ReadModelError> {
    let value: i16 = row.try_get(column)?;
    u16::try_from(value).ok().and_then(Shard::new).ok_or_else(|| nonsense(column, value))
}

pub fn word<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T, ReadModelError> {
    let text: String = get(row, column)?;
    text.parse().map_err(|_| nonsense(column, text))
}

pub fn get<T: FromSqlOwned>(row: &Row, column: &str) -> Result<T, ReadModelError> {
    Ok(row.try_get(column)?)
}

pub fn optional_moment(row: &Row, column: &str) -> Result<Option<u64>, ReadModelError> {
    let there: Option<OffsetDateTime> = row.try_get(column)?;
    there.map(|_| moment(row, column).map(Timestamp::as_millis)).transpose()
}

pub fn moment(row: &Row, column: &str) -> Result<Timestamp, ReadModelError> {
    let moment: OffsetDateTime = row.try_get(column)?;
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).map(Timestamp).map_err(|_| nonsense(column, moment))
}
