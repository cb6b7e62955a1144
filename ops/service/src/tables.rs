//! Checks whether Postgres's tables have this build's version, by the history that
//! `projections migrate` keeps in the database.
//!
//! | the tables are                | do                                                             |
//! |-------------------------------|----------------------------------------------------------------|
//! | of this build's version       | continue                                                       |
//! | missing, or older             | refuse: `projections migrate` of this build comes first        |
//! | newer                         | refuse: install the build that migrated them                   |
//!
//! Newer tables are always refused: a migration may add a column that every writer has to fill
//! (V003 does), change the meaning of a column, or remove it.

/// The query for the version of the last migration. Needs the right to read this table only. The
/// table does not exist before the first migration.
pub const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// True if these tables have this build's version, or can get it by `projections migrate`. Newer
/// ones need another build.
pub fn may_become(found: Option<i32>, built: i32) -> bool {
    found.is_none_or(|found| found <= built)
}

/// Fails with a hint unless the found version is the last one of this build.
pub fn judge(found: Option<i32>, built: i32) -> Result<(), String> {
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
    fn only_the_own_version_is_accepted() {
        assert_eq!(judge(Some(6), 6), Ok(()));
        for (found, says) in
            [(None, "projections migrate"), (Some(5), "projections migrate"), (Some(7), "a later build")]
        {
            assert!(judge(found, 6).is_err_and(|text| text.contains(says)), "{found:?}");
            assert_eq!(may_become(found, 6), found != Some(7));
        }
    }
}
