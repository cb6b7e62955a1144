//! Whether the tables are those that this build writes, by the history that `projections migrate` keeps in the database.
//!
//! | the tables are                | do                                                             |
//! |-------------------------------|----------------------------------------------------------------|
//! | of this build's version       | go on                                                          |
//! | not there, or older           | refuse: `projections migrate` of this build comes first        |
//! | newer                         | refuse: the build that migrated them is to be installed        |
//!
//! Newer tables are not safe by rule: a migration may add a column that every writer has to fill (V003 does), or change what a
//! column means to its readers.
//!
//! Needs the right to read `refinery_schema_history`, and no other.

use tokio_postgres::error::SqlState;

use super::error::classify;
use crate::sink::SinkError;

const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// Fails unless the tables are of version `built`, the last that this build knows.
pub async fn check(client: &tokio_postgres::Client, built: i32) -> Result<(), SinkError> {
    let found: Option<i32> = match client.query_one(VERSION, &[]).await {
        Ok(row) => row.get(0),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
        Err(error) => return Err(classify(error)),
    };
    judge(found, built).map_err(SinkError::Foreign)
}

fn judge(found: Option<i32>, built: i32) -> Result<(), String> {
    match found {
        None => Err("Postgres has no tables: run `projections migrate`".to_owned()),
        Some(found) if found < built => {
            Err(format!("Postgres's tables are of version {found}, this build's of {built}: run `projections migrate`"))
        }
        Some(found) if found > built => Err(format!(
            "a later build has migrated Postgres's tables to version {found}, this build knows {built}: install that build"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_version_will_do() {
        assert_eq!(judge(Some(6), 6), Ok(()));
        for (found, says) in
            [(None, "projections migrate"), (Some(5), "projections migrate"), (Some(7), "a later build")]
        {
            assert!(judge(found, 6).is_err_and(|text| text.contains(says)), "{found:?}");
        }
    }
}
