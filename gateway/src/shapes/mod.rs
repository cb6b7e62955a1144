//! The JSON that clients get, the same over HTTP and WebSocket. Pure.
//!
//! Ids, prices and credits are strings, quantities are numbers, times are RFC 3339 (see API.md).

pub mod market;
pub mod positions;

use std::borrow::Cow;
use std::fmt::Display;

use crate::openapi::described_by;
use crate::openapi::scalars::{
    AmountText, BookSideName, CancelReasonText, ClientIdText, CodeText, CommandIdText, ContractName, ContractsNumber,
    CreditsText, GroupNumber, MarketIdText, OrderIdText, PostOnlyName, PriceText, SelfTradeName, SideName, StatusName,
    TimeInForceName, TimeText, TradeIdText, TradeKindName, TypeName,
};
use schemas::event::{CancelReason, OrderPlaced, Party, Trade, TradeKind};
use schemas::{
    AccountId, BookSide, ClientId, CommandId, Credits, Entry, Event, FeeRate, GroupId, MarketId, NewOrder, OrderId,
    PostOnly, Price, Quantity, Rejection, SelfTrade, Status, Terms, TimeInForce, Timestamp, TradeId,
};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::macros::format_description;
use utoipa::ToSchema;

/// Serializes a value by its text form, as a JSON string.
pub fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Like [`text`]; `None` becomes null.
pub fn text_or_null<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Serializes a number of contracts as a JSON number.
pub fn number<S: Serializer>(value: &Quantity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(value.contracts())
}

/// Serializes a time as RFC 3339 in UTC, with milliseconds.
pub fn iso<S: Serializer>(value: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Iso(*value))
}

/// Like [`iso`]; `None` becomes null.
pub fn iso_or_null<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    text_or_null(&value.map(Iso), serializer)
}

/// Formats a time as RFC 3339 in UTC, with milliseconds.
pub struct Iso(pub Timestamp);

impl Display for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = i128::from(self.0.as_millis()) * 1_000_000;
        // RFC 3339 ends with the year 9999. Later times become its last millisecond.
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .unwrap_or(time::macros::datetime!(9999-12-31 23:59:59.999 UTC));
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&time.format(form).map_err(|_| std::fmt::Error)?)
    }
}

/// Formats ticks of 1/10,000 credit, 0 to 10,000, as a decimal.
pub struct Ticks(pub u16);

impl Display for Ticks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Formats a rate in millionths as a decimal.
pub struct Rate(pub FeeRate);

impl Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Credits(i64::from(self.0.millionths())).fmt(f)
    }
}

/// A trade as everybody sees it: without accounts and orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Trade)]
pub struct PublicTrade {
    /// The trade's id.
    #[serde(serialize_with = "text")]
    #[schema(value_type = TradeIdText)]
    pub trade_id: TradeId,
    /// The price of the YES contract.
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    pub price: Price,
    /// Number of contracts.
    #[serde(serialize_with = "number")]
    #[schema(value_type = ContractsNumber)]
    pub quantity: Quantity,
    /// The side of the book on which the taker's order was entered.
    #[serde(serialize_with = "text")]
    #[schema(value_type = BookSideName)]
    pub taker_side: BookSide,
    /// Whether it created, destroyed or transferred contracts.
    #[serde(serialize_with = "text")]
    #[schema(value_type = TradeKindName)]
    pub kind: TradeKind,
    /// When the trade happened, by the log's time.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    pub time: Timestamp,
}

impl PublicTrade {
    /// Copies the public fields of a trade.
    pub fn of(trade: &Trade, time: Timestamp) -> Self {
        Self {
            trade_id: trade.id,
            price: trade.price,
            quantity: trade.quantity,
            taker_side: trade.taker_side(),
            kind: trade.kind(),
            time,
        }
    }
}

/// An order, as its account sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The order's id.
    pub id: OrderId,
    /// The command that placed it.
    pub command: CommandId,
    /// The account that placed it.
    pub account: AccountId,
    /// The market.
    pub market: MarketId,
    /// The contract and whether it is bought or sold.
    pub entry: Entry,
    /// LIMIT or MARKET, with the current terms of that type.
    pub kind: OrderKind,
    /// The action when it would trade with an order of its own account.
    pub self_trade: SelfTrade,
    /// True if the engine cancels it when its market pauses.
    pub cancel_on_pause: bool,
    /// True if it may only reduce its account's position.
    pub reduce_only: bool,
    /// The account's group that it belongs to.
    pub group: Option<GroupId>,
    /// Number of contracts that it asks for after amendments; for a budget, the number bought.
    pub quantity: Quantity,
    /// Number of contracts filled.
    pub filled: Quantity,
    /// The status.
    pub status: Status,
    /// Why the engine rejected it.
    pub rejection: Option<Rejection>,
    /// Why it ended with a remainder; REDUCE_ONLY if that rule reduced its quantity.
    pub cancel_reason: Option<CancelReason>,
    /// Credits paid or received for the filled contracts, before fees.
    pub notional: Credits,
    /// Fees paid for the fills.
    pub fees: Credits,
    /// The client's own id of the order.
    pub client_id: Option<ClientId>,
    /// When the engine accepted or rejected it, by the log's time.
    pub created_at: Timestamp,
    /// When it last changed, by the log's time.
    pub updated_at: Timestamp,
}

/// An order's `type`, with the terms of each type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderKind {
    /// At this price or better; with its time in force and its post-only mode.
    Limit(Price, TimeInForce, PostOnly),
    /// Immediately, at this price or better.
    Market(Price),
    /// Immediately, for a number of credits.
    Budget(Credits),
}

impl From<Terms> for OrderKind {
    fn from(terms: Terms) -> Self {
        match terms {
            Terms::Limit { price, time_in_force, post_only, .. } => Self::Limit(price, time_in_force, post_only),
            Terms::Market { worst_price, .. } => Self::Market(worst_price),
            Terms::Budget { budget } => Self::Budget(budget),
        }
    }
}

impl Order {
    /// The order that `command` placed, right after the engine accepted it. `rest` are the later
    /// events of the same command.
    pub fn placed(placed: &OrderPlaced, rest: &[Event], command: CommandId, time: Timestamp) -> Self {
        let born = Self::born(placed.id, &placed.order, command, time);
        let kind = match born.kind {
            OrderKind::Limit(_, time_in_force, post_only) => {
                OrderKind::Limit(born.entry.book_price(placed.price), time_in_force, post_only)
            }
            other => other,
        };
        let OrderPlaced { quantity, filled, status, cancel_reason, .. } = *placed;
        let order = Self { kind, quantity, filled, status, cancel_reason, ..born };
        fills_of_taker(rest, placed.id).fold(order, |order, fill| Self {
            notional: order.notional + fill.price.cost(fill.quantity),
            fees: order.fees + fill.fee,
            ..order
        })
    }

    /// An order that the engine rejected.
    pub fn rejected(id: OrderId, order: &NewOrder, code: Rejection, command: CommandId, time: Timestamp) -> Self {
        Self { status: Status::Rejected, rejection: Some(code), ..Self::born(id, order, command, time) }
    }

    fn born(id: OrderId, order: &NewOrder, command: CommandId, time: Timestamp) -> Self {
        let quantity = match order.terms {
            Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity,
            Terms::Budget { .. } => Quantity::ZERO,
        };
        Self {
            id,
            command,
            account: order.account,
            market: order.market,
            entry: order.entry,
            kind: order.terms.into(),
            self_trade: order.instructions.self_trade,
            cancel_on_pause: order.instructions.cancel_on_pause,
            reduce_only: order.instructions.reduce_only,
            group: order.instructions.group,
            quantity,
            filled: Quantity::ZERO,
            status: Status::Active,
            rejection: None,
            cancel_reason: None,
            notional: Credits::ZERO,
            fees: Credits::ZERO,
            client_id: order.client_id,
            created_at: time,
            updated_at: time,
        }
    }

    /// Returns the number of contracts that rest in the book.
    pub fn remaining(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }

    /// Returns the mean price of its fills: see [`average_price`].
    pub fn average_price(&self) -> Option<Credits> {
        average_price(self.notional, self.filled)
    }
}

/// Returns the mean price of a filled contract, rounded half up to a micro-credit; `None` without
/// a fill.
pub fn average_price(notional: Credits, filled: Quantity) -> Option<Credits> {
    let filled = i64::from(filled.contracts());
    (filled > 0).then(|| Credits((notional.micros() + filled / 2) / filled))
}

/// Returns the fills of an order that was placed or amended just before `rest`: it is the taker of
/// the trades that follow, up to the next request of a batch.
pub fn fills_of_taker(rest: &[Event], id: OrderId) -> impl Iterator<Item = Fill> {
    let of_request = rest.iter().take_while(|event| !matches!(event, Event::BatchItem { .. }));
    of_request.filter_map(move |event| match event {
        Event::Traded(trade) if trade.taker.order == id => Some(Fill::of(trade, &trade.taker, TradeRole::Taker)),
        _ => None,
    })
}

/// The fields of an order in JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
struct OrderFields {
    #[schema(value_type = OrderIdText)]
    order_id: String,
    #[schema(value_type = MarketIdText)]
    market_id: String,
    #[schema(value_type = ContractName)]
    contract: &'static str,
    #[schema(value_type = SideName)]
    side: &'static str,
    #[schema(value_type = TypeName)]
    r#type: &'static str,
    /// The limit price of the order's own contract; null for a MARKET order.
    #[schema(value_type = Option<PriceText>, required)]
    price: Option<String>,
    #[schema(value_type = TimeInForceName)]
    time_in_force: &'static str,
    /// When it expires, with GTD.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = PostOnlyName)]
    post_only: &'static str,
    #[schema(value_type = SelfTradeName)]
    self_trade: &'static str,
    /// True if a pause of the market cancels it.
    cancel_on_pause: bool,
    /// True if it only reduces its account's position.
    reduce_only: bool,
    /// Its group.
    #[schema(value_type = Option<GroupNumber>, required)]
    group: Option<u16>,
    /// The worst price of a MARKET order.
    #[schema(value_type = Option<PriceText>, required)]
    worst_price: Option<String>,
    /// The credits of a MARKET order with a budget.
    #[schema(value_type = Option<AmountText>, required)]
    budget: Option<String>,
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Contracts asked for; of a budget, those bought.
    #[schema(value_type = ContractsNumber)]
    quantity: u32,
    /// Contracts filled.
    #[schema(value_type = ContractsNumber)]
    filled: u32,
    /// Contracts that rest in the book.
    #[schema(value_type = ContractsNumber)]
    remaining: u32,
    /// Why it was rejected.
    #[schema(value_type = Option<CodeText>, required)]
    rejection: Option<Cow<'static, str>>,
    #[schema(value_type = Option<CancelReasonText>, required)]
    cancel_reason: Option<Cow<'static, str>>,
    /// The mean price of its fills, before fees.
    #[schema(value_type = Option<CreditsText>, required)]
    average_price: Option<String>,
    /// Fees paid for its fills.
    #[schema(value_type = CreditsText)]
    fees: String,
    #[schema(value_type = Option<ClientIdText>, required)]
    client_id: Option<String>,
    /// When it was accepted or rejected.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    time: Timestamp,
    /// When it last changed.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    updated_at: Timestamp,
    /// The command that placed it.
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

described_by!(Order, OrderFields);

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, price, worst_price, budget) = match self.kind {
            OrderKind::Limit(price, _, _) => ("LIMIT", Some(price), None, None),
            OrderKind::Market(worst) => ("MARKET", None, Some(worst), None),
            OrderKind::Budget(budget) => ("MARKET", None, None, Some(budget)),
        };
        let (time_in_force, post_only) = match self.kind {
            OrderKind::Limit(_, time_in_force, post_only) => (time_in_force, post_only),
            OrderKind::Market(_) | OrderKind::Budget(_) => (TimeInForce::Ioc, PostOnly::Off),
        };
        let shape = OrderFields {
            order_id: self.id.to_string(),
            market_id: self.market.to_string(),
            contract: self.entry.contract().name(),
            side: self.entry.side().name(),
            r#type: kind,
            price: price.map(|price| price.to_string()),
            time_in_force: time_in_force.name(),
            expires_at: time_in_force.expires(),
            post_only: post_only.name(),
            self_trade: self.self_trade.name(),
            cancel_on_pause: self.cancel_on_pause,
            reduce_only: self.reduce_only,
            group: self.group.map(GroupId::number),
            worst_price: worst_price.map(|price| price.to_string()),
            budget: budget.map(|budget| budget.to_string()),
            status: self.status.name(),
            quantity: self.quantity.contracts(),
            filled: self.filled.contracts(),
            remaining: self.remaining().contracts(),
            rejection: self.rejection.map(Rejection::name),
            cancel_reason: self.cancel_reason.map(CancelReason::name),
            average_price: self.average_price().map(|price| price.to_string()),
            fees: self.fees.to_string(),
            client_id: self.client_id.map(|id| id.to_string()),
            time: self.created_at,
            updated_at: self.updated_at,
            command_id: self.command.to_string(),
        };
        shape.serialize(serializer)
    }
}

/// One order's side of a trade. The price is the contract's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Fill {
    /// The trade.
    #[serde(serialize_with = "text")]
    #[schema(value_type = TradeIdText)]
    pub trade_id: TradeId,
    /// The price of the order's contract.
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    pub price: Price,
    /// Number of contracts.
    #[serde(serialize_with = "number")]
    #[schema(value_type = ContractsNumber)]
    pub quantity: Quantity,
    /// The fee that the order paid.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    pub fee: Credits,
    /// MAKER or TAKER.
    pub role: TradeRole,
}

/// One of a trade's two orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TradeRole {
    /// The order that rested in the book.
    Maker,
    /// The incoming order.
    Taker,
}

impl Fill {
    /// Returns the side of `trade` that `party` had.
    pub fn of(trade: &Trade, party: &Party, role: TradeRole) -> Self {
        let price = party.entry.book_price(trade.price);
        Self { trade_id: trade.id, price, quantity: trade.quantity, fee: party.fee, role }
    }
}

/// LIMIT and MARKET: an order's `type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderType {
    /// A limit order: with a price.
    Limit,
    /// A market order: without a price.
    Market,
}

impl std::str::FromStr for OrderType {
    type Err = schemas::text::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "LIMIT" => Ok(Self::Limit),
            "MARKET" => Ok(Self::Market),
            _ => Err(schemas::text::UnknownName),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Instructions;
    use serde_json::json;

    fn fill(ticks: u16, contracts: u32, fee: i64) -> Fill {
        let (price, quantity) = (Price::new(ticks).unwrap(), Quantity::new(contracts).unwrap());
        Fill { trade_id: TradeId(1), price, quantity, fee: Credits(fee), role: TradeRole::Taker }
    }

    #[test]
    fn an_average_is_exact_to_a_micro_credit() {
        let placed = crate::view::tests::placed(1, Entry::BuyYes, 6_000, 3, 3);
        let order = Order::placed(&placed, &[], CommandId(1), Timestamp(1));
        let filled = Order { notional: Credits(1_500_200), ..order };
        assert_eq!(filled.average_price().unwrap().to_string(), "0.500067");
        assert_eq!(Order { filled: Quantity::ZERO, ..filled }.average_price(), None);
    }

    #[test]
    fn texts_are_as_documented() {
        assert_eq!(Iso(Timestamp(1_234)).to_string(), "1970-01-01T00:00:01.234Z");
        assert_eq!(Iso(Timestamp(u64::MAX)).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Ticks(10_000).to_string(), "1.0000");
        assert_eq!(Rate(FeeRate::new(70_000).unwrap()).to_string(), "0.070000");
        assert_eq!(
            serde_json::to_value(fill(5_500, 4, 12_000)).unwrap(),
            json!({"trade_id": "1", "price": "0.5500", "quantity": 4, "fee": "0.012000", "role": "TAKER"})
        );
    }

    #[test]
    fn a_budget_order_shows_its_budget_and_no_price() {
        let order = NewOrder {
            account: AccountId(1),
            market: MarketId(2),
            entry: Entry::BuyNo,
            terms: Terms::Budget { budget: Credits::whole(5) },
            fee_rate: FeeRate::ZERO,
            client_id: None,
            instructions: Instructions::default(),
        };
        let order = Order::rejected(OrderId(3), &order, Rejection::MarketNotOpen, CommandId(4), Timestamp(0));
        let shown = serde_json::to_value(order).unwrap();
        assert_eq!(
            (&shown["type"], &shown["price"], &shown["budget"]),
            (&json!("MARKET"), &json!(null), &json!("5.000000"))
        );
        assert_eq!((&shown["status"], &shown["rejection"]), (&json!("REJECTED"), &json!("market-not-open")));
        assert_eq!(
            (&shown["contract"], &shown["side"], &shown["time_in_force"]),
            (&json!("NO"), &json!("BUY"), &json!("IOC"))
        );
    }

    #[test]
    fn a_repriced_order_shows_where_it_went_and_when_it_expires() {
        let mut placed = crate::view::tests::placed(1, Entry::BuyNo, 4_000, 3, 0);
        let (price, quantity) = (Price::new(4_000).unwrap(), Quantity::new(3).unwrap());
        let time_in_force = TimeInForce::Gtd { expires: Timestamp(9_000) };
        placed.order.terms = Terms::Limit { price, quantity, time_in_force, post_only: PostOnly::Reprice };
        placed.price = Price::new(6_100).unwrap();
        let order = Order::placed(&placed, &[], CommandId(1), Timestamp(1));
        let shown = serde_json::to_value(order).unwrap();
        assert_eq!((&shown["price"], &shown["post_only"]), (&json!("0.3900"), &json!("REPRICE")));
        assert_eq!(
            (&shown["time_in_force"], &shown["expires_at"]),
            (&json!("GTD"), &json!("1970-01-01T00:00:09.000Z"))
        );
    }
}
