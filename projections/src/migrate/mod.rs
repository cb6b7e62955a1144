//! Migrates a database to this program's tables, partitions of the next months, and indexes. Safe
//! to repeat. Writers of the previous version end at their next new connection; a migration that
//! fills a new table from an old one (V024) needs them to be stopped before.

mod embedded;
mod error;
mod indexes;

use std::time::Duration;

use refinery::Report;
use tokio_postgres::{Client, Config, NoTls};

use crate::postgres::{Months, WritePoolArgs, causes, connections};
pub use embedded::tables_version;
pub use error::MigrateError;

/// The result of a migration.
#[derive(Debug)]
pub struct Migrated {
    /// Names of the migrations that this run applied.
    pub migrations: Vec<String>,
    /// Names of the indexes that this run built.
    pub indexes: Vec<String>,
}

/// The advisory lock that admits one migrator at a time; others wait. The number is arbitrary but
/// must not change.
const LOCK: i64 = 0x4c46_475f_4d49_4752;

/// Migrates the database of `args`.
pub async fn migrate(args: &WritePoolArgs) -> Result<Migrated, MigrateError> {
    let mut client = connect(args).await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let report: Report = embedded::migrations::runner().run_async(&mut client).await?;
    let indexes = indexes::build_missing(&client).await?;
    let months = Months::new(connections(args, 1).map_err(MigrateError::Months)?);
    months.make_ahead().await.map_err(MigrateError::Months)?;
    let migrations = report.applied_migrations().iter().map(ToString::to_string).collect();
    Ok(Migrated { migrations, indexes })
}

/// Opens a connection without the writers' time limit: building an index of a large table may take
/// long.
async fn connect(args: &WritePoolArgs) -> Result<Client, MigrateError> {
    let mut config: Config = args.database_url.parse()?;
    config.application_name("lfg-migrate").connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = causes(&error), "the connection was lost");
        }
    });
    client.batch_execute("SET statement_timeout = 0").await?;
    Ok(client)
}
