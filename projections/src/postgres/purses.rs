//! Rows of purses (an account's balance on one shard), and of the ledger.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use schemas::{AccountId, Shard};
use tokio_postgres::types::{ToSql, Type};

use super::arrays::{all, column, meet, prepared};
use super::copy::{Copy, CopyTable};
use super::error::classify;
use super::progress::number;
use crate::fold::{LedgerEntry, PurseDelta, RowChanges};
use crate::sink::SinkError;

const CHANGE_PURSES: &str = "UPDATE purses AS p \
    SET available = p.available + u.available, held = p.held + u.held, live_orders = p.live_orders + u.live_orders, \
        sent = modulo64(p.sent::numeric + u.sent), received = modulo64(p.received::numeric + u.received), \
        positive = p.available + u.available + p.held + u.held > 0, sequence = u.sequence \
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) \
        AS u (account_id, available, held, live_orders, sent, received, sequence) \
    WHERE p.account_id = u.account_id AND p.shard = $1 AND p.sequence < u.sequence \
    RETURNING p.account_id";

const CREATE_PURSES: &str = "INSERT INTO purses (account_id, shard, available, held, live_orders, sent, received, positive, sequence) \
    SELECT account_id, $1, available, held, live_orders, sent, received, available + held > 0, sequence \
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) \
        AS u (account_id, available, held, live_orders, sent, received, sequence)";

static LEDGER: CopyTable = CopyTable {
    name: "ledger_entries",
    columns: &[
        ("account_id", Type::INT8),
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
        ("index", Type::INT4),
        ("kind", Type::TEXT),
        ("available", Type::INT8),
        ("held", Type::INT8),
        ("order_id", Type::INT8),
        ("market_id", Type::INT8),
        ("client_id", Type::UUID),
        ("created_at", Type::TIMESTAMPTZ),
        ("other_account_id", Type::INT8),
    ],
};

/// Writes the changes of the shard's purses.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let rows = changes.purses.iter().map(|(account, delta)| (*account, *delta)).collect();
    all([Box::pin(purses(tx, shard, rows)), Box::pin(ledger(tx, shard, &changes.ledger))]).await
}

type PurseRow = (AccountId, PurseDelta);

/// Writes purses. The log records no creation of a purse away from its account's home shard: a
/// purse exists from its first change on. So: change existing rows, and insert those that did not
/// match.
async fn purses(tx: &Transaction<'_>, shard: Shard, mut rows: Vec<PurseRow>) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    let shard = number(shard);
    let changed: BTreeSet<i64> = {
        let columns = PurseColumns::of(&rows);
        let prepared = prepared(tx, CHANGE_PURSES).await?;
        let met = tx.query(&prepared, &columns.params(&shard)).await.map_err(classify)?;
        met.iter().map(|row| row.get(0)).collect()
    };
    rows.retain(|(account, _)| !changed.contains(&account.0.cast_signed()));
    if rows.is_empty() {
        return Ok(());
    }
    meet(tx, CREATE_PURSES, &PurseColumns::of(&rows).params(&shard), rows.len()).await
}

/// Account, available, held, live orders, sent, received, sequence.
struct PurseColumns([Vec<i64>; 7]);

impl PurseColumns {
    fn of(rows: &[PurseRow]) -> Self {
        Self([
            column(rows, |(account, _)| account.0.cast_signed()),
            column(rows, |(_, purse)| purse.available.micros()),
            column(rows, |(_, purse)| purse.held.micros()),
            column(rows, |(_, purse)| purse.live_orders),
            column(rows, |(_, purse)| purse.sent.micros()),
            column(rows, |(_, purse)| purse.received.micros()),
            column(rows, |(_, purse)| purse.last.sequence.cast_signed()),
        ])
    }

    /// Returns the shard, followed by the columns.
    fn params<'a>(&'a self, shard: &'a i16) -> Vec<&'a (dyn ToSql + Sync)> {
        let columns = self.0.iter().map(|column| column as &(dyn ToSql + Sync));
        std::iter::once(shard as &(dyn ToSql + Sync)).chain(columns).collect()
    }
}

async fn ledger(tx: &Transaction<'_>, shard: Shard, entries: &[LedgerEntry]) -> Result<(), SinkError> {
    let mut copy = Copy::into(&LEDGER, entries.len());
    for entry in entries {
        let index = i32::try_from(entry.index).map_err(SinkError::refused)?;
        copy.id(entry.change.account.0).int2(number(shard)).id(entry.at.sequence).int4(index);
        copy.text(entry.kind.name()).int8(entry.change.available.micros()).int8(entry.change.held.micros());
        copy.optional(entry.order, |copy, order| copy.id(order.0))
            .optional(entry.market, |copy, market| copy.id(market.0));
        copy.optional(entry.client_id, |copy, id| copy.uuid(id.0)).time(entry.at.time);
        copy.optional(entry.other, |copy, account| copy.id(account.0));
    }
    copy.send(tx).await
}
