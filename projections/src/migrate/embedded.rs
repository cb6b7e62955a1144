//! The migrations in this program.

use std::sync::LazyLock;

refinery::embed_migrations!("../migrations");

/// The version of the tables that this build writes: the version of its last migration.
pub fn tables_version() -> i32 {
    static VERSION: LazyLock<i32> = LazyLock::new(|| {
        let runner = migrations::runner();
        runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
    });
    *VERSION
}
