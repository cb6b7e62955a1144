//! Months of the partitioned tables, made before rows need them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::error::classify;
use super::moment::moment;
use super::pool::WritePool;
use crate::fold::{OrderChange, RowChanges};
use crate::sink::SinkError;

/// The tables that are partitioned by month.
pub const TABLES: [&str; 3] = [ORDERS_ENDED, "trades", "ledger_entries"];

const ORDERS_ENDED: &str = "orders_ended";

/// The months in which live orders were born.
const BIRTHS: &str = "SELECT min(created_at) FROM orders_live WHERE id = ANY($1) GROUP BY date_trunc('month', created_at AT TIME ZONE 'UTC')";

/// Months made ahead of the present one.
const AHEAD: i32 = 2;

/// How often the months ahead are looked after.
const PERIOD: Duration = Duration::from_secs(3600);

/// The months that are known to have partitions. Clones share this set.
#[derive(Clone, Debug)]
pub struct Months {
    connections: WritePool,
    known: Arc<Mutex<BTreeSet<i32>>>,
}

impl Months {
    /// Nothing is known yet.
    pub fn new(connections: WritePool) -> Self {
        Self { connections, known: Arc::default() }
    }

    /// Makes sure that every row of `changes` has its month.
    pub async fn cover(&self, changes: &RowChanges) -> Result<(), SinkError> {
        let missing = missing(changes, &self.known());
        for (month, moment) in missing {
            make(&self.connections, &TABLES, &[moment]).await?;
            self.known().insert(month);
        }
        Ok(())
    }

    /// Creates the months into which `changes` move orders that live now: no row of the batch names
    /// them, and they may have been removed.
    pub async fn cover_ends(&self, changes: &RowChanges) -> Result<(), SinkError> {
        let births: Vec<OffsetDateTime> = self.births(changes).await?.into_values().collect();
        make(&self.connections, &[ORDERS_ENDED], &births).await
    }

    /// A row found no partition although its month was known: somebody removed the partition.
    pub fn forget(&self) {
        self.known().clear();
    }

    /// The months into which the batch moves orders that live now, with a moment in each.
    async fn births(&self, changes: &RowChanges) -> Result<BTreeMap<i32, OffsetDateTime>, SinkError> {
        let ends = |change: &OrderChange| change.status.is_some_and(|status| !status.is_live());
        let ended = changes.orders.changed.iter().filter(|(_, change)| ends(change));
        let ended: Vec<i64> = ended.map(|(id, _)| id.0.cast_signed()).collect();
        let rows = self.connections.get().await?.query(BIRTHS, &[&ended]).await.map_err(classify)?;
        Ok(rows.iter().map(|row| row.get(0)).map(|moment| (month_of(moment), moment)).collect())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        // A set of numbers is consistent after every statement, even if a thread panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates the partitions of the current month and the next ones.
    pub async fn make_ahead(&self) -> Result<(), SinkError> {
        let now = OffsetDateTime::now_utc();
        let moments: Vec<OffsetDateTime> = (0..=AHEAD).map(|ahead| ahead_of(now, ahead)).collect();
        make(&self.connections, &TABLES, &moments).await
    }

    /// Keeps making the next months until the runtime ends. What fails is tried again at the next
    /// turn, and by then still weeks ahead of need.
    pub async fn keep_ahead(self) {
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tick.tick().await;
            if let Err(error) = self.make_ahead().await {
                tracing::warn!(%error, "the partitions of the next months could not be made now");
            }
        }
    }
}

/// Months of rows in `changes` that are not in `known`, with a moment in each.
fn missing(changes: &RowChanges, known: &BTreeSet<i32>) -> BTreeMap<i32, OffsetDateTime> {
    let orders = changes.orders.born.values().map(|order| order.born.time);
    let trades = changes.trades.iter().map(|trade| trade.at.time);
    let ledger = changes.ledger.iter().map(|entry| entry.at.time);
    let (mut last, mut missing) = (None, BTreeMap::new());
    for time in orders.chain(trades).chain(ledger) {
        // Rows of one outcome have one time, and stand together.
        if last != Some(time) {
            last = Some(time);
            let moment = moment(time);
            if !known.contains(&month_of(moment)) {
                missing.insert(month_of(moment), moment);
            }
        }
    }
    missing
}

/// Makes the months of these moments.
async fn make(connections: &WritePool, tables: &[&str], moments: &[OffsetDateTime]) -> Result<(), SinkError> {
    if moments.is_empty() {
        return Ok(());
    }
    let client = connections.get().await?;
    for table in tables {
        for moment in moments {
            let row = client.query_one("SELECT ensure_month($1, $2)", &[&table, moment]).await.map_err(classify)?;
            if row.get(0) {
                tracing::info!(table, year = moment.year(), month = %moment.month(), "made a month's partition");
            }
        }
    }
    Ok(())
}

/// A month (UTC): its number since the year 0.
fn month_of(moment: OffsetDateTime) -> i32 {
    moment.year() * 12 + i32::from(u8::from(moment.month())) - 1
}

/// The first day of the month that comes `ahead` months after `moment`'s.
fn ahead_of(moment: OffsetDateTime, ahead: i32) -> OffsetDateTime {
    let mut date = moment.date().replace_day(1).unwrap_or(moment.date());
    for _ in 0..ahead {
        date = (date + time::Duration::days(31)).replace_day(1).unwrap_or(date);
    }
    date.midnight().assume_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn months_ahead_are_consecutive_from_any_day() {
        for moment in [datetime!(2026-10-31 23:59 UTC), datetime!(2027-01-31 0:00 UTC), datetime!(2028-02-29 12:00 UTC)]
        {
            let months: Vec<i32> = (0..=24).map(|ahead| month_of(ahead_of(moment, ahead))).collect();
            let expected: Vec<i32> = (0..=24).map(|ahead| month_of(moment) + ahead).collect();
            assert_eq!(months, expected);
        }
        assert_eq!(ahead_of(datetime!(2026-11-23 1:00 UTC), 2), datetime!(2027-01-01 0:00 UTC));
    }
}
