//! Converts columns to the log's types. A value that the log cannot contain is an error, never a
//! panic.

use std::str::FromStr;

use schemas::event::CancelReason;
use schemas::{
    AccountId, ClientId, CommandId, Credits, Entry, FeeRate, GroupId, MarketId, OrderId, PostOnly, Price, Quantity,
    Rejection, SelfTrade, Shard, Status, TimeInForce, Timestamp,
};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::DbError;
use crate::shapes::{Order, OrderKind};

/// Reads a number of 0 or above.
pub fn unsigned(value: i64, what: &'static str) -> Result<u64, DbError> {
    u64::try_from(value).map_err(|_| DbError::Impossible(what))
}

/// Reads a shard.
pub fn shard(value: i16) -> Result<Shard, DbError> {
    u16::try_from(value).ok().and_then(Shard::new).ok_or(DbError::Impossible("shard"))
}

/// Reads a price in ticks.
pub fn price(ticks: i32) -> Result<Price, DbError> {
    u16::try_from(ticks).ok().and_then(Price::new).ok_or(DbError::Impossible("price"))
}

/// Reads a number of contracts.
pub fn quantity(contracts: i32) -> Result<Quantity, DbError> {
    u32::try_from(contracts).ok().and_then(Quantity::new).ok_or(DbError::Impossible("quantity"))
}

/// Reads a fee rate in millionths.
pub fn fee_rate(millionths: i32) -> Result<FeeRate, DbError> {
    u32::try_from(millionths).ok().and_then(FeeRate::new).ok_or(DbError::Impossible("fee rate"))
}

/// Reads a time.
pub fn timestamp(time: OffsetDateTime) -> Result<Timestamp, DbError> {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map(Timestamp).map_err(|_| DbError::Impossible("time"))
}

/// Converts a time to a query's parameter.
pub fn to_time(time: Timestamp) -> OffsetDateTime {
    let nanos = i128::from(time.as_millis()) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(time::macros::datetime!(9999-12-31 23:59:59 UTC))
}

/// Reads a name of a type.
pub fn name<T: FromStr>(text: &str, what: &'static str) -> Result<T, DbError> {
    text.parse().map_err(|_| DbError::Impossible(what))
}

/// Converts an id to a query's parameter: all of the log's ids fit a signed column.
pub fn to_i64(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// The columns that [`order`] reads, of a table `orders o`.
pub const ORDER_COLUMNS: &str = "o.id, o.command_id, o.account_id, o.market_id, o.contract, o.side, o.type, o.time_in_force, \
     o.expires_at, o.post_only, o.self_trade, o.cancel_on_pause, o.reduce_only, o.group_id, o.limit_price, o.budget, o.quantity, o.filled, o.status, o.reject_code, o.cancel_reason, o.notional, o.fees, o.client_id, \
     o.created_at, o.updated_at";

/// Reads an order.
pub fn order(row: &Row) -> Result<Order, DbError> {
    let (contract, side) = (name(row.get("contract"), "contract")?, name(row.get("side"), "side")?);
    let rejection = row.get::<_, Option<i32>>("reject_code").map(rejection).transpose()?;
    let reason = row.get::<_, Option<&str>>("cancel_reason");
    Ok(Order {
        id: OrderId(unsigned(row.get("id"), "order id")?),
        command: CommandId(row.get::<_, Uuid>("command_id").as_u128()),
        account: AccountId(unsigned(row.get("account_id"), "account id")?),
        market: MarketId(unsigned(row.get("market_id"), "market id")?),
        entry: Entry::of(contract, side),
        kind: kind(row)?,
        self_trade: name::<SelfTrade>(row.get("self_trade"), "self-trade prevention")?,
        cancel_on_pause: row.get("cancel_on_pause"),
        reduce_only: row.get("reduce_only"),
        group: row.get::<_, Option<i32>>("group_id").map(group).transpose()?,
        quantity: quantity(row.get("quantity"))?,
        filled: quantity(row.get("filled"))?,
        status: name::<Status>(row.get("status"), "status")?,
        rejection,
        cancel_reason: reason.map(|text| name::<CancelReason>(text, "cancel reason")).transpose()?,
        notional: Credits(row.get("notional")),
        fees: Credits(row.get("fees")),
        client_id: row.get::<_, Option<Uuid>>("client_id").map(|id| ClientId(id.as_u128())),
        created_at: timestamp(row.get("created_at"))?,
        updated_at: timestamp(row.get("updated_at"))?,
    })
}

fn group(number: i32) -> Result<GroupId, DbError> {
    u16::try_from(number).ok().and_then(GroupId::new).ok_or(DbError::Impossible("group"))
}

fn rejection(code: i32) -> Result<Rejection, DbError> {
    u16::try_from(code).map(Rejection::from_code).map_err(|_| DbError::Impossible("rejection"))
}

fn kind(row: &Row) -> Result<OrderKind, DbError> {
    let limit = row.get::<_, Option<i32>>("limit_price").map(price).transpose()?;
    let budget = row.get::<_, Option<i64>>("budget").map(Credits);
    match (row.get("type"), limit, budget) {
        ("LIMIT", Some(price), None) => {
            let post_only = name::<PostOnly>(row.get("post_only"), "post-only")?;
            Ok(OrderKind::Limit(price, time_in_force(row)?, post_only))
        }
        ("MARKET", Some(worst), None) => Ok(OrderKind::Market(worst)),
        ("MARKET", None, Some(budget)) => Ok(OrderKind::Budget(budget)),
        _ => Err(DbError::Impossible("order type")),
    }
}

fn time_in_force(row: &Row) -> Result<TimeInForce, DbError> {
    let expires = row.get::<_, Option<OffsetDateTime>>("expires_at").map(timestamp).transpose()?;
    match (row.get("time_in_force"), expires) {
        ("GTC", None) => Ok(TimeInForce::Gtc),
        ("GTD", Some(expires)) => Ok(TimeInForce::Gtd { expires }),
        ("IOC", None) => Ok(TimeInForce::Ioc),
        ("FOK", None) => Ok(TimeInForce::Fok),
        _ => Err(DbError::Impossible("time in force")),
    }
}
