//! The `progress` row: the tables' checkpoint, updated in the same transaction as the rows.

use deadpool_postgres::Transaction;
use schemas::Shard;
use schemas::read_models::TABLES_PROJECTION as PROJECTION;
use schemas::reading::Checkpoint;
use schemas::record::Chain;
use tokio_postgres::Row;

use super::arrays::prepared;
use super::error::classify;
use crate::sink::{SinkError, WriterId};

const BEGIN: &str = "INSERT INTO progress \
    (projection, shard, events_offset, term, sequence, chain, anchor, next_command, updated_at) \
    VALUES ($1, $2, 0, NULL, 0, $3, 0, 0, now()) ON CONFLICT DO NOTHING";

const READ: &str = "SELECT events_offset, term, sequence, chain, anchor, next_command, writer FROM progress \
    WHERE projection = $1 AND shard = $2";

const MOVE: &str = "UPDATE progress \
    SET events_offset = $3, term = $4, sequence = $5, chain = $6, anchor = $7, next_command = $8, writer = $15, \
    updated_at = now() \
    WHERE projection = $1 AND shard = $2 AND events_offset = $9 AND term IS NOT DISTINCT FROM $10 AND sequence = $11 \
    AND chain = $12 AND anchor = $13 AND next_command = $14";

/// Reads the position. Inserts the row at the first call ever.
pub async fn read(tx: &Transaction<'_>, shard: Shard) -> Result<Checkpoint, SinkError> {
    let begin = prepared(tx, BEGIN).await?;
    let chain = Chain::default().0.to_vec();
    tx.execute(&begin, &[&PROJECTION, &number(shard), &chain]).await.map_err(classify)?;
    Ok(current(tx, shard).await?.0)
}

async fn current(tx: &Transaction<'_>, shard: Shard) -> Result<(Checkpoint, Option<WriterId>), SinkError> {
    let read = prepared(tx, READ).await?;
    let row = tx.query_one(&read, &[&PROJECTION, &number(shard)]).await.map_err(classify)?;
    from_row(&row).ok_or_else(|| SinkError::refused(format!("the progress row of shard {shard} is no position")))
}

/// Moves the position. Exactly one row must match; otherwise another writer moved it.
pub async fn advance(
    tx: &Transaction<'_>,
    writer: WriterId,
    shard: Shard,
    from: &Checkpoint,
    to: &Checkpoint,
) -> Result<(), SinkError> {
    let statement = prepared(tx, MOVE).await?;
    let (to_offset, to_term, to_sequence, to_chain, to_anchor, to_next) = columns(to);
    let (offset, term, sequence, chain, anchor, next) = columns(from);
    let moved = tx
        .execute(
            &statement,
            &[
                &PROJECTION,
                &number(shard),
                &to_offset,
                &to_term,
                &to_sequence,
                &to_chain,
                &to_anchor,
                &to_next,
                &offset,
                &term,
                &sequence,
                &chain,
                &anchor,
                &next,
                &writer.0,
            ],
        )
        .await
        .map_err(classify)?;
    if moved == 1 {
        return Ok(());
    }
    let (found, by) = current(tx, shard).await?;
    Err(SinkError::Moved { expected: format!("{from:?}"), found: format!("{found:?}"), by })
}

/// Fails unless the position is `at`.
pub async fn check(client: &deadpool_postgres::Client, shard: Shard, at: &Checkpoint) -> Result<(), SinkError> {
    let read = client.prepare_cached(READ).await.map_err(classify)?;
    let row = client.query_opt(&read, &[&PROJECTION, &number(shard)]).await.map_err(classify)?;
    match row.as_ref().and_then(from_row) {
        Some((found, _)) if found == *at => Ok(()),
        Some((found, by)) => Err(SinkError::Moved { expected: format!("{at:?}"), found: format!("{found:?}"), by }),
        None => Err(SinkError::refused(format!("the progress row of shard {shard} is gone"))),
    }
}

/// Returns the shard's number in SQL.
pub fn number(shard: Shard) -> i16 {
    i16::try_from(shard.number()).expect("at most 128 shards")
}

type Columns = (i64, Option<i64>, i64, Vec<u8>, i64, i64);

fn columns(position: &Checkpoint) -> Columns {
    (
        position.offset.cast_signed(),
        position.term.map(u64::cast_signed),
        position.sequence.cast_signed(),
        position.chain.0.to_vec(),
        position.anchor.cast_signed(),
        position.next_command.cast_signed(),
    )
}

fn from_row(row: &Row) -> Option<(Checkpoint, Option<WriterId>)> {
    let natural = |column: i64| u64::try_from(column).ok();
    let term: Option<i64> = row.get(1);
    let position = Checkpoint {
        offset: natural(row.get(0))?,
        term: match term {
            Some(term) => Some(natural(term)?),
            None => None,
        },
        sequence: natural(row.get(2))?,
        chain: Chain(row.get::<_, &[u8]>(3).try_into().ok()?),
        // NULL comes from an older build: which log that position belongs to is unknown.
        anchor: natural(row.get::<_, Option<i64>>(4)?)?,
        next_command: natural(row.get(5))?,
    };
    Some((position, row.get::<_, Option<uuid::Uuid>>(6).map(WriterId)))
}
