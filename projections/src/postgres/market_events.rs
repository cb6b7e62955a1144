//! Rows of market events, and of clarifications of markets' rules.

use deadpool_postgres::Transaction;
use schemas::{MarketEvent, MarketEventId, Shard};
use tokio_postgres::types::Type;

use super::arrays::{all, column, meet};
use super::copy::{Copy, CopyTable};
use super::moment::moment;
use super::progress::number;
use crate::fold::{LastChange, MarketEventDelta, RowChanges};
use crate::sink::SinkError;

static CLARIFICATIONS: CopyTable = CopyTable {
    name: "market_clarifications",
    columns: &[
        ("market_id", Type::INT8),
        ("sequence", Type::INT8),
        ("text", Type::TEXT),
        ("admin", Type::INT8),
        ("created_at", Type::TIMESTAMPTZ),
        ("shard", Type::INT2),
    ],
};

static EVENTS: CopyTable = CopyTable {
    name: "market_events",
    columns: &[
        ("id", Type::INT8),
        ("name", Type::TEXT),
        ("title", Type::TEXT),
        ("exclusive", Type::BOOL),
        ("yes_market_id", Type::INT8),
        ("created_at", Type::TIMESTAMPTZ),
        ("updated_at", Type::TIMESTAMPTZ),
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
    ],
};

const CHANGE_EVENTS: &str = "UPDATE market_events AS e \
    SET yes_market_id = u.yes_market_id, updated_at = u.updated_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[]) AS u (id, yes_market_id, updated_at, sequence) \
    WHERE e.id = u.id AND e.sequence < u.sequence";

/// Writes both.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    all([Box::pin(clarifications(tx, shard, changes)), Box::pin(events(tx, shard, changes))]).await
}

async fn clarifications(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let mut copy = Copy::into(&CLARIFICATIONS, changes.clarifications.len());
    for row in &changes.clarifications {
        copy.id(row.market.0).id(row.at.sequence).text(row.text.as_str()).id(row.by.0).time(row.at.time);
        copy.int2(number(shard));
    }
    copy.send(tx).await
}

/// Inserts new events as of the end of the batch, and changes older ones.
async fn events(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let born = changes.market_events.values().filter_map(|delta| Some((delta.born.as_ref()?, delta)));
    let born: Vec<(&(Box<MarketEvent>, LastChange), &MarketEventDelta)> = born.collect();
    let mut copy = Copy::into(&EVENTS, born.len());
    for ((event, at), delta) in born {
        copy.id(event.id.0).text(event.name.as_str()).text(event.title.as_str()).boolean(event.exclusive);
        copy.optional(delta.yes.flatten(), |copy, market| copy.id(market.0));
        copy.time(at.time).time(delta.last.time).int2(number(shard)).id(delta.last.sequence);
    }
    copy.send(tx).await?;
    let before = changes.market_events.iter().filter(|(_, delta)| delta.born.is_none());
    let changed: Vec<(&MarketEventId, &MarketEventDelta)> = before.collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (ids, holders, times, sequences) = (
        column(&changed, |(id, _)| id.0.cast_signed()),
        column(&changed, |(_, delta)| delta.yes.flatten().map(|market| market.0.cast_signed())),
        column(&changed, |(_, delta)| moment(delta.last.time)),
        column(&changed, |(_, delta)| delta.last.sequence.cast_signed()),
    );
    meet(tx, CHANGE_EVENTS, &[&ids, &holders, &times, &sequences], changed.len()).await
}
