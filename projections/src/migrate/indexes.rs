//! Builds the missing indexes of `migrations/indexes.sql` without blocking writers.
//!
//! Postgres cannot build a partitioned table's index concurrently as a whole. So:
//!
//! 1. `CREATE INDEX … ON ONLY` the table: instant, not valid yet; new partitions get theirs from now on;
//! 2. on each partition `CREATE INDEX CONCURRENTLY`, then attach it; the last one makes the whole valid.
//!
//! Each step is skipped if it is done, so an interrupted build continues where it stopped. An index
//! that an interruption left half-built is dropped and built again.

use tokio_postgres::Client;

use super::error::MigrateError;

const LIST: &str = include_str!("../../../migrations/indexes.sql");

/// `CREATE INDEX name ON table rest`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Index {
    name: String,
    table: String,
    rest: String,
}

/// The state of an index in the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FoundIndex {
    Nothing,
    Invalid,
    Valid,
}

/// Builds the missing indexes. Returns their names.
pub async fn build_missing(client: &Client) -> Result<Vec<String>, MigrateError> {
    let mut built = Vec::new();
    for index in parse(LIST)? {
        if find(client, &index.name).await? == FoundIndex::Valid {
            continue;
        }
        tracing::info!(index.name, index.table, "building an index");
        if is_partitioned(client, &index.table).await? {
            build_partitioned(client, &index).await?;
        } else {
            build_on(client, &index.name, &index.table, &index.rest).await?;
        }
        built.push(index.name);
    }
    Ok(built)
}

async fn build_partitioned(client: &Client, index: &Index) -> Result<(), MigrateError> {
    let Index { name, table, rest } = index;
    if find(client, name).await? == FoundIndex::Nothing {
        client.batch_execute(&format!("CREATE INDEX {name} ON ONLY {table} {rest}")).await?;
    }
    for partition in partitions_without(client, table, name).await? {
        // This program chooses both names: together they stay below Postgres's 63 bytes.
        let part = format!("{partition}_{name}");
        build_on(client, &part, &partition, rest).await?;
        client.batch_execute(&format!("ALTER INDEX {name} ATTACH PARTITION {part}")).await?;
    }
    Ok(())
}

async fn build_on(client: &Client, name: &str, table: &str, rest: &str) -> Result<(), MigrateError> {
    match find(client, name).await? {
        FoundIndex::Valid => return Ok(()),
        FoundIndex::Invalid => client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await?,
        FoundIndex::Nothing => {}
    }
    Ok(client.batch_execute(&format!("CREATE INDEX CONCURRENTLY {name} ON {table} {rest}")).await?)
}

async fn find(client: &Client, name: &str) -> Result<FoundIndex, MigrateError> {
    let row = client.query_opt("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", &[&name]).await?;
    Ok(match row.map(|row| row.get(0)) {
        None => FoundIndex::Nothing,
        Some(false) => FoundIndex::Invalid,
        Some(true) => FoundIndex::Valid,
    })
}

async fn is_partitioned(client: &Client, table: &str) -> Result<bool, MigrateError> {
    let row = client.query_one("SELECT relkind = 'p' FROM pg_class WHERE oid = $1::text::regclass", &[&table]).await?;
    Ok(row.get(0))
}

/// Returns the partitions of `table` without a part of the index `name`.
async fn partitions_without(client: &Client, table: &str, name: &str) -> Result<Vec<String>, MigrateError> {
    let rows = client
        .query(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass AND inhrelid NOT IN ( \
                 SELECT indrelid FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid WHERE inhparent = $2::text::regclass \
             ) ORDER BY 1",
            &[&table, &name],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn parse(list: &str) -> Result<Vec<Index>, MigrateError> {
    let code: Vec<&str> = list.lines().filter(|line| !line.starts_with("--")).map(str::trim).collect();
    code.join(" ").split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(parse_one).collect()
}

fn parse_one(statement: &str) -> Result<Index, MigrateError> {
    let malformed = || MigrateError::IndexList(format!("not of the form CREATE INDEX name ON table …: {statement}"));
    let code = statement.strip_prefix("CREATE INDEX ").ok_or_else(malformed)?;
    let (name, code) = code.split_once(" ON ").ok_or_else(malformed)?;
    let (table, rest) = code.split_once(' ').ok_or_else(malformed)?;
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !name.is_empty();
    if !plain(name) || !plain(table) {
        return Err(malformed());
    }
    Ok(Index { name: name.to_owned(), table: table.to_owned(), rest: rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_well_formed() {
        let indexes = parse(LIST).unwrap();
        assert!(indexes.contains(&Index {
            name: "markets_open".to_owned(),
            table: "markets".to_owned(),
            rest: "(expiry, id) WHERE state = 'OPEN'".to_owned(),
        }));
        // A part's name is the partition's name (ledger_entries_2026_11_) followed by the index's
        // name.
        assert!(indexes.iter().all(|index| index.name.len() <= 40));
        assert!(parse("CREATE INDEX a ON b; DROP TABLE c;").is_err());
    }
}
