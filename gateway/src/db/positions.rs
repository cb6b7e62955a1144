//! The projection's position in each answer of Postgres.

use schemas::ids::LogPosition;
use tokio_postgres::Row;

use super::error::DbError;

/// The projection's position: one row with one short text, because it comes with each row of a
/// query.
pub const PROGRESS: &str =
    "SELECT string_agg(shard || ':' || sequence, ',') AS positions FROM progress WHERE projection = 'tables'";

/// Makes a query for the rows of `query`, which have an `id`, and for the projection's position.
/// One statement reads one snapshot, so the rows are as of exactly that position, on whichever
/// server. Without rows, one row has the position alone.
///
/// The join does not preserve the order of `query`: the order decides which rows a `LIMIT` takes,
/// and the caller sorts them again.
pub fn positioned(query: &str) -> String {
    format!("SELECT at.positions, r.id IS NOT NULL AS found, r.* FROM ({PROGRESS}) at LEFT JOIN ({query}) r ON TRUE")
}

/// Reads the positions of a row.
pub fn coordinates(row: &Row) -> Result<Vec<LogPosition>, DbError> {
    // NULL before the projection has written anything.
    let Some(text) = row.get::<_, Option<&str>>("positions") else { return Ok(Vec::new()) };
    let coordinates: Result<Vec<LogPosition>, _> = text.split(',').map(str::parse).collect();
    let mut coordinates = coordinates.map_err(|_| DbError::Impossible("position"))?;
    coordinates.sort_unstable_by_key(|at| at.shard);
    Ok(coordinates)
}
