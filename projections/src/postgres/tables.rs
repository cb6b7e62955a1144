//! Verifies the version of the database's tables: see [`service::tables`].

use service::tables::{VERSION, judge, may_become};
use tokio_postgres::error::SqlState;

use super::error::classify;
use crate::sink::SinkError;

/// Fails unless the tables have version `built`, the last that this build knows.
pub async fn check(client: &tokio_postgres::Client, built: i32) -> Result<(), SinkError> {
    let found: Option<i32> = match client.query_one(VERSION, &[]).await {
        Ok(row) => row.get(0),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
        Err(error) => return Err(classify(error)),
    };
    judge(found, built).map_err(|why| match may_become(found, built) {
        true => SinkError::denied(why),
        false => SinkError::Foreign(why),
    })
}
