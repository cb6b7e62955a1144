//! Orders and trades.
//!
//! Orders are partitioned by the month of their birth, and a change must say which month it means. The events of a change do not,
//! so the writer keeps the births of live orders: those in the tables at the start, plus and minus what each batch says.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use schemas::{OrderId, Shard, Terms, Timestamp};

use super::arrays::{all, column, meet};
use super::copy::Copy;
use super::error::classify;
use super::moment::moment;
use super::progress::number;
use crate::fold::{Changes, Number, OrderChange, OrderRow, Orders, TradeRow};
use crate::sink::SinkError;

const LIVE: &str = "SELECT id, created_at FROM orders WHERE status IN ('ACTIVE', 'PARTIALLY_FILLED') AND shard = $1";

const COPY_ORDERS: &str = "COPY orders (id, command_id, account_id, market_id, contract, side, type, time_in_force, limit_price, \
    budget, quantity, filled, notional, fees, status, reject_code, cancel_reason, fee_rate, client_id, created_at, updated_at, \
    shard, sequence, expires_at, post_only, self_trade, cancel_on_pause, reduce_only, group_id) FROM STDIN BINARY";

// Row by row: which month a row is in, the executor sees by its `created_at`. Bounds of all rows' `created_at` would have the planner
// read every order between them wherever it takes the table for a small one.
const CHANGE_ORDERS: &str = "UPDATE orders AS o \
    SET limit_price = COALESCE(u.limit_price, o.limit_price), quantity = COALESCE(u.quantity, o.quantity) + u.quantity_by, \
        filled = COALESCE(u.filled, o.filled) + u.filled_by, notional = o.notional + u.notional, fees = o.fees + u.fees, \
        status = COALESCE(u.status, o.status), cancel_reason = COALESCE(u.cancel_reason, o.cancel_reason), \
        updated_at = u.updated_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], \
        $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[], $13::bigint[]) \
        AS u (id, created_at, limit_price, quantity, quantity_by, filled, filled_by, notional, fees, status, cancel_reason, \
            updated_at, sequence) \
    WHERE o.id = u.id AND o.created_at = u.created_at AND o.sequence < u.sequence";

const COPY_TRADES: &str = "COPY trades (id, market_id, price, quantity, kind, maker_order_id, maker_account_id, maker_entry, \
    maker_fee, taker_order_id, taker_account_id, taker_entry, taker_fee, created_at, shard, sequence) FROM STDIN BINARY";

/// When each live order was born.
#[derive(Debug, Default)]
pub struct Births {
    births: HashMap<OrderId, Timestamp>,
}

impl Births {
    /// The live orders that `shard` told of, as of `tx`.
    pub async fn load(tx: &Transaction<'_>, shard: Shard) -> Result<Self, SinkError> {
        let live = tx.prepare_cached(LIVE).await.map_err(classify)?;
        let rows = tx.query(&live, &[&number(shard)]).await.map_err(classify)?;
        let birth = |row: tokio_postgres::Row| {
            let millis = row.get::<_, time::OffsetDateTime>(1).unix_timestamp_nanos() / 1_000_000;
            let time = Timestamp(u64::try_from(millis).map_err(SinkError::refused)?);
            Ok((OrderId(row.get::<_, i64>(0).cast_unsigned()), time))
        };
        Ok(Self { births: rows.into_iter().map(birth).collect::<Result<_, SinkError>>()? })
    }

    /// Takes over what a batch, once it is committed, says of live orders.
    pub fn settle(&mut self, orders: &Orders) {
        for (id, row) in &orders.born {
            if row.status.is_live() {
                self.births.insert(*id, row.born.time);
            }
        }
        for (id, change) in &orders.changed {
            if change.status.is_some_and(|status| !status.is_live()) {
                self.births.remove(id);
            }
        }
    }

    fn of(&self, id: OrderId) -> Result<Timestamp, SinkError> {
        let unknown = || SinkError::refused(format!("the log changes order {id}, which is not live in the tables"));
        self.births.get(&id).copied().ok_or_else(unknown)
    }
}

/// Writes what became of orders, and the trades.
pub async fn write(tx: &Transaction<'_>, shard: Shard, births: &Births, changes: &Changes) -> Result<(), SinkError> {
    let mut born = Copy::new(29, changes.orders.born.len());
    for (id, row) in &changes.orders.born {
        put_order(&mut born, shard, *id, row)?;
    }
    let mut trades = Copy::new(16, changes.trades.len());
    for row in &changes.trades {
        put_trade(&mut trades, shard, row)?;
    }
    all([
        Box::pin(born.send(tx, COPY_ORDERS)),
        Box::pin(change(tx, births, &changes.orders)),
        Box::pin(trades.send(tx, COPY_TRADES)),
    ])
    .await
}

async fn change(tx: &Transaction<'_>, births: &Births, orders: &Orders) -> Result<(), SinkError> {
    let rows: Vec<(OrderId, Timestamp, &OrderChange)> = orders
        .changed
        .iter()
        .map(|(id, change)| Ok((*id, births.of(*id)?, change)))
        .collect::<Result<_, SinkError>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let quantities = Numbers::of(&rows, |change| change.quantity)?;
    let filled = Numbers::of(&rows, |change| change.filled)?;
    let (ids, created_at, prices, notional, fees, status, cancel_reason, updated_at, sequences) = (
        column(&rows, |(id, ..)| id.0.cast_signed()),
        column(&rows, |(_, born, _)| moment(*born)),
        column(&rows, |(.., change)| change.price.map(|price| i32::from(price.ticks()))),
        column(&rows, |(.., change)| change.notional.micros()),
        column(&rows, |(.., change)| change.fees.micros()),
        column(&rows, |(.., change)| change.status.map(|status| status.name())),
        column(&rows, |(.., change)| change.cancel_reason.map(|reason| reason.name())),
        column(&rows, |(.., change)| moment(change.last.time)),
        column(&rows, |(.., change)| change.last.sequence.cast_signed()),
    );
    meet(
        tx,
        CHANGE_ORDERS,
        &[
            &ids,
            &created_at,
            &prices,
            &quantities.told,
            &quantities.by,
            &filled.told,
            &filled.by,
            &notional,
            &fees,
            &status,
            &cancel_reason,
            &updated_at,
            &sequences,
        ],
        rows.len(),
    )
    .await
}

/// The two columns of a number that is told anew or changes.
struct Numbers {
    told: Vec<Option<i32>>,
    by: Vec<i32>,
}

impl Numbers {
    fn of(
        rows: &[(OrderId, Timestamp, &OrderChange)],
        number: impl Fn(&OrderChange) -> Number,
    ) -> Result<Self, SinkError> {
        let told = rows.iter().map(|(.., change)| number(change).told.map(contracts).transpose());
        let by = column(rows, |(.., change)| number(change).by);
        Ok(Self { told: told.collect::<Result<_, SinkError>>()?, by })
    }
}

fn put_order(copy: &mut Copy, shard: Shard, id: OrderId, row: &OrderRow) -> Result<(), SinkError> {
    let order = &row.order;
    let (kind, budget) = match order.terms {
        Terms::Limit { .. } => ("LIMIT", None),
        Terms::Market { .. } => ("MARKET", None),
        Terms::Budget { budget } => ("MARKET", Some(budget.micros())),
    };
    let limit_price = budget.is_none().then(|| i32::from(row.price.ticks()));
    let time_in_force = order.terms.time_in_force();
    copy.row().id(id.0).uuid(row.command.0).id(order.account.0).id(order.market.0);
    copy.text(order.entry.contract().name()).text(order.entry.side().name()).text(kind).text(time_in_force.name());
    copy.optional(limit_price, Copy::int4).optional(budget, Copy::int8);
    copy.int4(contracts(row.quantity)?).int4(contracts(row.filled)?);
    copy.int8(row.notional.micros()).int8(row.fees.micros()).text(row.status.name());
    copy.optional(row.rejection, |copy, code| copy.int4(i32::from(code.code())));
    copy.optional(row.cancel_reason, |copy, reason| copy.text(&reason.name()));
    copy.int4(i32::try_from(order.fee_rate.millionths()).map_err(SinkError::refused)?);
    copy.optional(order.client_id, |copy, id| copy.uuid(id.0)).time(row.born.time).time(row.last.time);
    copy.int2(number(shard)).id(row.last.sequence);
    copy.optional(time_in_force.expires(), Copy::time).text(order.terms.post_only().name());
    copy.text(order.instructions.self_trade.name()).boolean(order.instructions.cancel_on_pause);
    copy.boolean(order.instructions.reduce_only);
    copy.optional(order.instructions.group, |copy, group| copy.int4(i32::from(group.number())));
    Ok(())
}

fn put_trade(copy: &mut Copy, shard: Shard, row: &TradeRow) -> Result<(), SinkError> {
    let trade = &row.trade;
    copy.row().id(trade.id.0).id(trade.market.0).int4(i32::from(trade.price.ticks())).int4(contracts(trade.quantity)?);
    copy.text(trade.kind().name());
    for party in [&trade.maker, &trade.taker] {
        copy.id(party.order.0).id(party.account.0).text(party.entry.name()).int8(party.fee.micros());
    }
    copy.time(row.at.time).int2(number(shard)).id(row.at.sequence);
    Ok(())
}

fn contracts(quantity: schemas::Quantity) -> Result<i32, SinkError> {
    i32::try_from(quantity.contracts()).map_err(SinkError::refused)
}
