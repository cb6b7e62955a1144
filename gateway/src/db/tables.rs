//! Checks the version of Postgres' tables: see [`service::tables`].

use service::tables::{VERSION, judge};
use tokio_postgres::error::SqlState;

use super::error::DbError;

/// The version of the last migration that this build knows, from `build.rs`.
fn built() -> i32 {
    env!("LFG_TABLES_VERSION").parse().expect("build.rs writes a number")
}

/// Fails unless the tables have this build's version.
pub async fn check(client: &tokio_postgres::Client) -> Result<(), DbError> {
    let found: Option<i32> = match client.query_one(VERSION, &[]).await {
        Ok(row) => row.get(0),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
        Err(error) => return Err(error.into()),
    };
    judge(found, built()).map_err(DbError::Tables)
}
