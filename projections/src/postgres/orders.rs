//! Orders and trades.
//!
//! Live orders are in a table of their own, by id. Only live orders change; when one ends, the same
//! statement moves it into the partition of the month in which it was created.

use deadpool_postgres::Transaction;
use schemas::{OrderId, Shard, Status, Terms};
use tokio_postgres::types::Type;

use super::arrays::{all, column, meet};
use super::copy::{Copy, CopyTable};
use super::moment::moment;
use super::progress::number;
use crate::fold::{Number, OrderChange, OrderRow, Orders, RowChanges, TradeRow};
use crate::sink::SinkError;

static ORDERS: CopyTable = CopyTable {
    name: "orders",
    columns: &[
        ("id", Type::INT8),
        ("command_id", Type::UUID),
        ("account_id", Type::INT8),
        ("market_id", Type::INT8),
        ("contract", Type::TEXT),
        ("side", Type::TEXT),
        ("type", Type::TEXT),
        ("time_in_force", Type::TEXT),
        ("limit_price", Type::INT4),
        ("budget", Type::INT8),
        ("quantity", Type::INT4),
        ("filled", Type::INT4),
        ("notional", Type::INT8),
        ("fees", Type::INT8),
        ("status", Type::TEXT),
        ("reject_code", Type::INT4),
        ("cancel_reason", Type::TEXT),
        ("fee_rate", Type::INT4),
        ("client_id", Type::UUID),
        ("created_at", Type::TIMESTAMPTZ),
        ("updated_at", Type::TIMESTAMPTZ),
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
        ("expires_at", Type::TIMESTAMPTZ),
        ("post_only", Type::TEXT),
        ("self_trade", Type::TEXT),
        ("cancel_on_pause", Type::BOOL),
        ("reduce_only", Type::BOOL),
        ("group_id", Type::INT4),
        ("live", Type::BOOL),
    ],
};

// `o.live` restricts the plan to the table of live orders. Postgres moves a row whose `live`
// becomes false.
const CHANGE_ORDERS: &str = "UPDATE orders AS o \
    SET limit_price = COALESCE(u.limit_price, o.limit_price), quantity = COALESCE(u.quantity, o.quantity) + u.quantity_by, \
        filled = COALESCE(u.filled, o.filled) + u.filled_by, notional = o.notional + u.notional, fees = o.fees + u.fees, \
        status = COALESCE(u.status, o.status), cancel_reason = COALESCE(u.cancel_reason, o.cancel_reason), \
        updated_at = u.updated_at, sequence = u.sequence, live = u.live \
    FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], \
        $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::timestamptz[], $12::bigint[], $13::boolean[]) \
        AS u (id, limit_price, quantity, quantity_by, filled, filled_by, notional, fees, status, cancel_reason, \
            updated_at, sequence, live) \
    WHERE o.live AND o.id = u.id AND o.sequence < u.sequence";

static TRADES: CopyTable = CopyTable {
    name: "trades",
    columns: &[
        ("id", Type::INT8),
        ("market_id", Type::INT8),
        ("price", Type::INT4),
        ("quantity", Type::INT4),
        ("kind", Type::TEXT),
        ("maker_order_id", Type::INT8),
        ("maker_account_id", Type::INT8),
        ("maker_entry", Type::TEXT),
        ("maker_fee", Type::INT8),
        ("taker_order_id", Type::INT8),
        ("taker_account_id", Type::INT8),
        ("taker_entry", Type::TEXT),
        ("taker_fee", Type::INT8),
        ("created_at", Type::TIMESTAMPTZ),
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
    ],
};

/// Writes the changes of orders, and the trades.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let mut born = Copy::into(&ORDERS, changes.orders.born.len());
    for (id, row) in &changes.orders.born {
        put_order(&mut born, shard, *id, row)?;
    }
    let mut trades = Copy::into(&TRADES, changes.trades.len());
    for row in &changes.trades {
        put_trade(&mut trades, shard, row)?;
    }
    all([Box::pin(born.send(tx)), Box::pin(change(tx, &changes.orders)), Box::pin(trades.send(tx))]).await
}

async fn change(tx: &Transaction<'_>, orders: &Orders) -> Result<(), SinkError> {
    let rows: Vec<(OrderId, &OrderChange)> = orders.changed.iter().map(|(id, change)| (*id, change)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let quantities = Numbers::of(&rows, |change| change.quantity)?;
    let filled = Numbers::of(&rows, |change| change.filled)?;
    let (ids, prices, notional, fees, status, cancel_reason, updated_at, sequences, live) = (
        column(&rows, |(id, ..)| id.0.cast_signed()),
        column(&rows, |(.., change)| change.price.map(|price| i32::from(price.ticks()))),
        column(&rows, |(.., change)| change.notional.micros()),
        column(&rows, |(.., change)| change.fees.micros()),
        column(&rows, |(.., change)| change.status.map(|status| status.name())),
        column(&rows, |(.., change)| change.cancel_reason.map(|reason| reason.name())),
        column(&rows, |(.., change)| moment(change.last.time)),
        column(&rows, |(.., change)| change.last.sequence.cast_signed()),
        column(&rows, |(.., change)| change.status.is_none_or(Status::is_live)),
    );
    meet(
        tx,
        CHANGE_ORDERS,
        &[
            &ids,
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
            &live,
        ],
        rows.len(),
    )
    .await
}

/// The two columns of a number that events set or change.
struct Numbers {
    told: Vec<Option<i32>>,
    by: Vec<i32>,
}

impl Numbers {
    fn of(rows: &[(OrderId, &OrderChange)], number: impl Fn(&OrderChange) -> Number) -> Result<Self, SinkError> {
        let told = rows.iter().map(|(.., change)| number(change).told.map(contracts).transpose());
        let by = column(rows, |(.., change)| number(change).by);
        Ok(Self { told: told.collect::<Result<_, SinkError>>()?, by })
    }
}

fn put_order(copy: &mut Copy<'_>, shard: Shard, id: OrderId, row: &OrderRow) -> Result<(), SinkError> {
    let order = &row.order;
    let (kind, budget) = match order.terms {
        Terms::Limit { .. } => ("LIMIT", None),
        Terms::Market { .. } => ("MARKET", None),
        Terms::Budget { budget } => ("MARKET", Some(budget.micros())),
    };
    let limit_price = budget.is_none().then(|| i32::from(row.price.ticks()));
    let time_in_force = order.terms.time_in_force();
    copy.id(id.0).uuid(row.command.0).id(order.account.0).id(order.market.0);
    copy.text(order.entry.contract().name()).text(order.entry.side().name()).text(kind).text(time_in_force.name());
    copy.optional(limit_price, Copy::int4).optional(budget, Copy::int8);
    copy.int4(contracts(row.quantity)?).int4(contracts(row.filled)?);
    copy.int8(row.notional.micros()).int8(row.fees.micros()).text(row.status.name());
    copy.optional(row.rejection, |copy, code| copy.int4(i32::from(code.code())));
    copy.optional(row.cancel_reason, |copy, reason| copy.text(reason.name()));
    copy.int4(i32::try_from(order.fee_rate.millionths()).map_err(SinkError::refused)?);
    copy.optional(order.client_id, |copy, id| copy.uuid(id.0)).time(row.born.time).time(row.last.time);
    copy.int2(number(shard)).id(row.last.sequence);
    copy.optional(time_in_force.expires(), Copy::time).text(order.terms.post_only().name());
    copy.text(order.instructions.self_trade.name()).boolean(order.instructions.cancel_on_pause);
    copy.boolean(order.instructions.reduce_only);
    copy.optional(order.instructions.group, |copy, group| copy.int4(i32::from(group.number())));
    copy.boolean(row.status.is_live());
    Ok(())
}

fn put_trade(copy: &mut Copy<'_>, shard: Shard, row: &TradeRow) -> Result<(), SinkError> {
    let trade = &row.trade;
    copy.id(trade.id.0).id(trade.market.0).int4(i32::from(trade.price.ticks())).int4(contracts(trade.quantity)?);
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
