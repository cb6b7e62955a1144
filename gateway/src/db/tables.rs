//! Whether the tables are those that this build reads, by the history that `projections migrate` keeps in the database.
//!
//! | the tables are                | do                                                             |
//! |-------------------------------|----------------------------------------------------------------|
//! | of this build's version       | go on                                                          |
//! | not there, or older           | refuse: `projections migrate` of this build comes first        |
//! | newer                         | refuse: the build that migrated them is to be installed        |
//!
//! Newer tables are not safe by rule: a migration may change what a column means to its readers, or take it away.
//!
//! Needs the right to read `refinery_schema_history`, and no other.

use tokio_postgres::error::SqlState;

use super::DbError;

const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// The version of the last migration that this build knows, from `build.rs`.
fn built() -> i32 {
    env!("LFG_TABLES_VERSION").parse().expect("build.rs writes a number")
}

/// Fails unless the tables are of this build's version.
pub async fn check(client: &tokio_postgres::Client) -> Result<(), DbError> {
    let found: Option<i32> = match client.query_one(VERSION, &[]).await {
        Ok(row) => row.get(0),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
        Err(error) => return Err(error.into()),
    };
    let built = built();
    let reason = match found {
        None => "Postgres has no tables: run `projections migrate`".to_owned(),
        Some(found) if found < built => {
            format!("Postgres's tables are of version {found}, this build's of {built}: run `projections migrate`")
        }
        Some(found) if found > built => format!(
            "a later build has migrated Postgres's tables to version {found}, this build knows {built}: install that build"
        ),
        Some(_) => return Ok(()),
    };
    Err(DbError::Tables(reason))
}
