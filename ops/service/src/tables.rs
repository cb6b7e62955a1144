//! Whether Postgres's tables are those of this build, by the history that `projections migrate`
//! keeps in the database.
//!
//! | the tables are                | do                                                             |
//! |-------------------------------|----------------------------------------------------------------|
//! | of this build's version       | go on                                                          |
//! | not there, or older           | refuse: `projections migrate` of this build comes first        |
//! | newer                         | refuse: the build that migrated them is to be installed        |
//!
//! Newer tables are not safe by rule: a migration may add a column that every writer has to fill
//! (V003 does), change what a column means to its readers, or take it away.

/// Asks for the version of the last migration; needs the right to read this table, and no other.
/// There is no such table before the first migration.
pub const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// True if these tables are, or may become by `projections migrate`, what this build works with.
/// Newer ones take another build.
pub fn may_become(found: Option<i32>, built: i32) -> bool {
    found.is_none_or(|found| found <= built)
}

/// Fails, and says what to do, unless the version that was found is the last that this build knows.
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
    fn only_the_own_version_will_do() {
        assert_eq!(judge(Some(6), 6), Ok(()));
        for (found, says) in
            [(None, "projections migrate"), (Some(5), "projections migrate"), (Some(7), "a later build")]
        {
            assert!(judge(found, 6).is_err_and(|text| text.contains(says)), "{found:?}");
            assert_eq!(may_become(found, 6), found != Some(7));
        }
    }
}
