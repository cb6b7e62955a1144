//! Rows of the fold: accounts, orders, trades and markets, in the units of the log.

use std::collections::BTreeMap;

use super::Description;
use schemas::event::{CancelReason, Trade};
use schemas::market::{Listing, Resolution, ResolutionAnswer};
use schemas::{
    AccountId, BookSide, ClientId, CommandId, Contract, Credits, FeeRate, GroupId, MarketId, MarketLimits, MarketState,
    NewOrder, OrderId, PostOnly, Price, Quantity, Rejection, SelfTrade, Shard, Side, Status, Terms, Timestamp, TradeId,
};

/// An account's limits and switches, as recorded by its home shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpectedAccount {
    /// The home shard.
    pub shard: Shard,
    /// True if the account can only cancel and receive credits.
    pub frozen: bool,
    /// Maximum number of live orders; `None`: no limit.
    pub live_orders_max: Option<u64>,
    /// Maximum of micro-credits that live buy orders may hold; `None`: no limit.
    pub held_max: Option<u64>,
    /// When the dead-man switch fires; `None`: it is off.
    pub dead_man_due: Option<u64>,
}

impl ExpectedAccount {
    /// Returns an account as opened: without limits.
    pub fn opened(shard: Shard) -> Self {
        Self { shard, frozen: false, live_orders_max: None, held_max: None, dead_man_due: None }
    }
}

/// Contracts of one account in one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedPosition {
    /// YES contracts held.
    pub yes: i64,
    /// NO contracts held.
    pub no: i64,
    /// YES contracts reserved by resting sells.
    pub yes_reserved: i64,
    /// NO contracts reserved by resting sells.
    pub no_reserved: i64,
}

/// An order, as in a row of the `orders` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedOrder {
    /// The command that placed it.
    pub command: CommandId,
    /// The account.
    pub account: AccountId,
    /// The market.
    pub market: MarketId,
    /// The contract.
    pub contract: Contract,
    /// Buy or sell.
    pub side: Side,
    /// `LIMIT` or `MARKET`.
    pub kind: &'static str,
    /// What happens with a remainder.
    pub time_in_force: &'static str,
    /// When it expires, in milliseconds.
    pub expires: Option<u64>,
    /// Whether it may take liquidity.
    pub post_only: PostOnly,
    /// How it behaves when it would match an order of its own account.
    pub self_trade: SelfTrade,
    /// Whether it is cancelled when its market pauses.
    pub cancel_on_pause: bool,
    /// Whether it may only reduce its account's position.
    pub reduce_only: bool,
    /// The order group that it belongs to, if any.
    pub group: Option<GroupId>,
    /// The resting price, or the worst price, in the contract's own ticks; `None` if there is a
    /// budget.
    pub limit: Option<u16>,
    /// The maximum to spend.
    pub budget: Option<Credits>,
    /// The size in contracts: as requested, amended or reduced, or what the budget bought.
    pub quantity: u32,
    /// Contracts traded.
    pub filled: u32,
    /// The cost or proceeds of the traded contracts, before fees.
    pub notional: Credits,
    /// Fees paid for them.
    pub fees: Credits,
    /// The status.
    pub status: Status,
    /// Why it was rejected.
    pub rejection: Option<Rejection>,
    /// Why it ended with a remainder; or REDUCE_ONLY, if that removed a part of the requested
    /// quantity.
    pub cancel_reason: Option<CancelReason>,
    /// The client id.
    pub client_id: Option<ClientId>,
    /// When it was placed or rejected.
    pub created_at: Timestamp,
    /// The shard that records its events: its market's home shard.
    pub shard: Shard,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

impl ExpectedMarket {
    /// Returns the payout of one YES contract in ticks, once there is one.
    pub fn yes_value(&self) -> Option<u16> {
        self.resolution.filter(|_| self.state.is_final()).map(|resolution| resolution.answer.yes_value().ticks())
    }
}

impl ExpectedOrder {
    /// Returns the number of contracts that can still trade.
    pub fn remaining(&self) -> u32 {
        if self.status.is_live() { self.quantity - self.filled } else { 0 }
    }
}

/// Returns an order's terms as the table and the API express them: type, limit, budget, requested
/// contracts.
pub fn words(order: &NewOrder) -> (&'static str, Option<u16>, Option<Credits>, u32) {
    match order.terms {
        Terms::Limit { price, quantity, .. } => ("LIMIT", Some(price.ticks()), None, quantity.contracts()),
        Terms::Market { quantity, worst_price } => ("MARKET", Some(worst_price.ticks()), None, quantity.contracts()),
        Terms::Budget { budget } => ("MARKET", None, Some(budget), 0),
    }
}

/// Totals that must be consistent over an order's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderTotals {
    /// Number of `OrderPlaced` and `OrderRejected` events with its id. Must be 1.
    pub count: u32,
    /// Number of contracts in its trades. Must equal `filled`.
    pub traded: u32,
    /// The fee rate used to compute a buy's hold; `None` for a sell, which holds no credits.
    pub fee_rate: Option<FeeRate>,
    /// True if the order was decided alone, not as part of a batch.
    pub alone: bool,
}

/// A trade and its log position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedTrade {
    /// The trade.
    pub trade: Trade,
    /// The time.
    pub time: Timestamp,
    /// The market's home shard.
    pub shard: Shard,
    /// The outcome that contains it.
    pub sequence: u64,
}

/// A market, its money and its book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedMarket {
    /// The ticker.
    pub ticker: String,
    /// The market's properties.
    pub about: Description,
    /// The market's state.
    pub state: MarketState,
    /// The answer, once proposed.
    pub resolution: Option<Resolution>,
    /// The limits of each account in the market.
    pub limits: MarketLimits,
    /// How long a confirmed answer can be amended, in milliseconds.
    pub dispute_window_ms: u64,
    /// True once every position was paid out.
    pub settled: bool,
    /// True once the market has left its shard's state, and Redis.
    pub archived: bool,
    /// Credits that back the market's pairs.
    pub collateral: Credits,
    /// Fees collected.
    pub fees: Credits,
    /// YES contracts outstanding.
    pub yes: i64,
    /// NO contracts outstanding.
    pub no: i64,
    /// Number of contracts traded.
    pub volume: u64,
    /// Price of the last trade, in ticks of YES.
    pub last_price: Option<u16>,
    /// Contracts at each price level.
    pub book: BTreeMap<(BookSide, Price), i64>,
    /// The market's trades, oldest first.
    pub trades: Vec<TradeId>,
    /// The home shard.
    pub shard: Shard,
}

impl ExpectedMarket {
    /// Returns a market as listed.
    pub fn listed(listing: &Listing, shard: Shard) -> Self {
        Self {
            ticker: listing.ticker.to_string(),
            about: Description { listing: listing.clone(), clarifications: Vec::new() },
            state: MarketState::Created,
            resolution: None,
            limits: listing.limits,
            dispute_window_ms: listing.dispute_window_ms,
            settled: false,
            archived: false,
            collateral: Credits::ZERO,
            fees: Credits::ZERO,
            yes: 0,
            no: 0,
            volume: 0,
            last_price: None,
            book: BTreeMap::new(),
            trades: Vec::new(),
            shard,
        }
    }
}

impl OrderTotals {
    /// Returns the credits that `contracts` of the order hold at a limit in the contract's own
    /// ticks.
    pub fn hold(&self, limit: Option<u16>, contracts: u32) -> Credits {
        let (price, quantity) = (limit.and_then(Price::new), Quantity::new(contracts));
        match (self.fee_rate, price, quantity) {
            (Some(rate), Some(price), Some(quantity)) => rate.hold(price, quantity),
            _ => Credits::ZERO,
        }
    }
}

/// The fields of a market in read models, except its money.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Life {
    /// `VALUE` or `VOID`, once an answer is proposed.
    pub answer: Option<String>,
    /// The payout of one YES contract by that answer, in ticks.
    pub yes_value: Option<u64>,
    /// The admin who proposed it.
    pub proposed_by: Option<u64>,
    /// The admin who confirmed it.
    pub confirmed_by: Option<u64>,
    /// When the dispute window ends, in milliseconds.
    pub payout_at: Option<u64>,
    /// The length of the dispute window, in milliseconds.
    pub dispute_window_ms: u64,
    /// Maximum number of one account's live orders; `None`: no limit.
    pub live_orders_max: Option<u64>,
    /// Maximum notional of those orders, in micro-credits; `None`: no limit.
    pub notional_max: Option<u64>,
    /// Maximum number of contracts of one kind; `None`: no limit.
    pub position_max: Option<u64>,
}

impl Life {
    /// Returns the fields that the fold of the log implies.
    pub fn of(market: &ExpectedMarket) -> Self {
        let (resolution, limits) = (market.resolution, market.limits);
        let confirmed = resolution.and_then(|resolution| resolution.confirmed);
        let name = |answer| if answer == ResolutionAnswer::Void { "VOID" } else { "VALUE" };
        Self {
            answer: resolution.map(|resolution| name(resolution.answer).to_owned()),
            yes_value: resolution.map(|resolution| resolution.answer.yes_value().ticks().into()),
            proposed_by: resolution.map(|resolution| resolution.proposed_by.0),
            confirmed_by: confirmed.map(|confirmed| confirmed.by.0),
            payout_at: confirmed.map(|confirmed| confirmed.payout.as_millis()),
            dispute_window_ms: market.dispute_window_ms,
            live_orders_max: count_max(limits.live_orders),
            notional_max: credits_max(limits.notional),
            position_max: (limits.position != u64::MAX).then_some(limits.position),
        }
    }
}

/// Converts a limit on a count; `None`: no limit.
pub fn count_max(max: u32) -> Option<u64> {
    (max != u32::MAX).then_some(max.into())
}

/// Converts a limit on credits; `None`: no limit.
pub fn credits_max(max: Credits) -> Option<u64> {
    (max.micros() != i64::MAX).then(|| max.micros().cast_unsigned())
}

/// Returns the level at which a live order rests.
pub fn level(order: &ExpectedOrder, limit: Price) -> (BookSide, Price) {
    let entry = schemas::Entry::of(order.contract, order.side);
    (entry.book_side(), entry.book_price(limit))
}

/// Returns the name of an order in fault messages.
pub fn name(id: OrderId, order: &ExpectedOrder) -> String {
    format!("order {id} ({} {} of account {})", order.side, order.contract, order.account)
}
