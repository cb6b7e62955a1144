//! What the fold keeps of each account, order, trade and market, in the units of the log.

use std::collections::BTreeMap;

use super::Description;
use schemas::event::{CancelReason, Trade};
use schemas::market::{Listing, Resolution, ResolutionAnswer};
use schemas::{
    AccountId, BookSide, ClientId, CommandId, Contract, Credits, FeeRate, GroupId, MarketId, MarketLimits, MarketState,
    NewOrder, OrderId, PostOnly, Price, Quantity, Rejection, SelfTrade, Shard, Side, Status, Terms, Timestamp, TradeId,
};

/// What an account may do, as its home tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpectedAccount {
    /// Its home.
    pub shard: Shard,
    /// It can only cancel, and receive credits.
    pub frozen: bool,
    /// Live orders it may have; `None`: any number.
    pub live_orders_max: Option<u64>,
    /// Micro-credits its live buys may hold; `None`: any number.
    pub held_max: Option<u64>,
    /// When its dead-man switch fires.
    pub dead_man_due: Option<u64>,
}

impl ExpectedAccount {
    /// As it is opened: without limits.
    pub fn opened(shard: Shard) -> Self {
        Self { shard, frozen: false, live_orders_max: None, held_max: None, dead_man_due: None }
    }
}

/// Contracts of one account in one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedPosition {
    /// YES held.
    pub yes: i64,
    /// NO held.
    pub no: i64,
    /// YES that resting sells reserve.
    pub yes_reserved: i64,
    /// NO that resting sells reserve.
    pub no_reserved: i64,
}

/// An order as a row of the `orders` table says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedOrder {
    /// The command that began it.
    pub command: CommandId,
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// Of which contract.
    pub contract: Contract,
    /// Bought or sold.
    pub side: Side,
    /// `LIMIT` or `MARKET`.
    pub kind: &'static str,
    /// What happens with a remainder.
    pub time_in_force: &'static str,
    /// When it expires by itself, in milliseconds.
    pub expires: Option<u64>,
    /// Whether it may take.
    pub post_only: PostOnly,
    /// What it does when it meets its own account.
    pub self_trade: SelfTrade,
    /// Whether it ends when its market pauses.
    pub cancel_on_pause: bool,
    /// Whether it only reduces its account's position.
    pub reduce_only: bool,
    /// Which of its account's groups it is in.
    pub group: Option<GroupId>,
    /// Where it rests, or the worst price, in the contract's own ticks, unless there is a budget.
    pub limit: Option<u16>,
    /// What may be spent.
    pub budget: Option<Credits>,
    /// Contracts: as asked, amended or reduced, or what the budget bought.
    pub quantity: u32,
    /// Contracts traded.
    pub filled: u32,
    /// What they cost or brought, before fees.
    pub notional: Credits,
    /// Fees paid for them.
    pub fees: Credits,
    /// Where it stands.
    pub status: Status,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// Why it ended with a remainder; or REDUCE_ONLY, if that took off a part of what was asked for.
    pub cancel_reason: Option<CancelReason>,
    /// The owner's own name for it.
    pub client_id: Option<ClientId>,
    /// When it was born.
    pub created_at: Timestamp,
    /// The shard that tells its life: its market's.
    pub shard: Shard,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

impl ExpectedMarket {
    /// Ticks that a YES pays, once it pays out.
    pub fn yes_value(&self) -> Option<u16> {
        self.resolution.filter(|_| self.state.is_final()).map(|resolution| resolution.answer.yes_value().ticks())
    }
}

impl ExpectedOrder {
    /// Contracts that can still trade.
    pub fn remaining(&self) -> u32 {
        if self.status.is_live() { self.quantity - self.filled } else { 0 }
    }
}

/// The words of an order's terms as the table and the API say them: type, limit, budget, contracts asked for.
pub fn words(order: &NewOrder) -> (&'static str, Option<u16>, Option<Credits>, u32) {
    match order.terms {
        Terms::Limit { price, quantity, .. } => ("LIMIT", Some(price.ticks()), None, quantity.contracts()),
        Terms::Market { quantity, worst_price } => ("MARKET", Some(worst_price.ticks()), None, quantity.contracts()),
        Terms::Budget { budget } => ("MARKET", None, Some(budget), 0),
    }
}

/// What must add up over an order's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderTotals {
    /// `OrderPlaced` and `OrderRejected` events with its id. Always 1.
    pub count: u32,
    /// Contracts in its trades. Always what it is filled by.
    pub traded: u32,
    /// The rate that a buy's hold is computed with; `None` for a sell, which holds nothing.
    pub fee_rate: Option<FeeRate>,
    /// Decided by itself, not as one request of a batch.
    pub alone: bool,
}

/// A trade and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedTrade {
    /// The match.
    pub trade: Trade,
    /// When.
    pub time: Timestamp,
    /// The market's shard.
    pub shard: Shard,
    /// The outcome that holds it.
    pub sequence: u64,
}

/// A market, its money and its book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedMarket {
    /// Its name.
    pub ticker: String,
    /// What it is.
    pub about: Description,
    /// Where it stands.
    pub state: MarketState,
    /// Its answer, from its proposal on.
    pub resolution: Option<Resolution>,
    /// What each account may have there.
    pub limits: MarketLimits,
    /// How long a confirmed answer can be amended, in milliseconds.
    pub dispute_window_ms: u64,
    /// Every position was paid out.
    pub settled: bool,
    /// It has left its shard's state, and Redis.
    pub archived: bool,
    /// Credits that back its pairs.
    pub collateral: Credits,
    /// Fees collected.
    pub fees: Credits,
    /// YES in the world.
    pub yes: i64,
    /// NO in the world.
    pub no: i64,
    /// Contracts traded.
    pub volume: u64,
    /// Of the last trade, in ticks of YES.
    pub last_price: Option<u16>,
    /// Contracts at each level.
    pub book: BTreeMap<(BookSide, Price), i64>,
    /// Its trades, oldest first.
    pub trades: Vec<TradeId>,
    /// Its home.
    pub shard: Shard,
}

impl ExpectedMarket {
    /// As it is listed.
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
    /// What `contracts` of the order hold of its account's credits at a limit in the contract's own ticks.
    pub fn hold(&self, limit: Option<u16>, contracts: u32) -> Credits {
        let (price, quantity) = (limit.and_then(Price::new), Quantity::new(contracts));
        match (self.fee_rate, price, quantity) {
            (Some(rate), Some(price), Some(quantity)) => rate.hold(price, quantity),
            _ => Credits::ZERO,
        }
    }
}

/// What read models say of a market beyond its money.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Life {
    /// `VALUE` or `VOID`, once one is proposed.
    pub answer: Option<String>,
    /// Ticks that a YES pays by it.
    pub yes_value: Option<u64>,
    /// Who proposed it.
    pub proposed_by: Option<u64>,
    /// Who confirmed it.
    pub confirmed_by: Option<u64>,
    /// When the dispute window ends, in milliseconds.
    pub payout_at: Option<u64>,
    /// How long that window is.
    pub dispute_window_ms: u64,
    /// Live orders of one account; `None`: any number.
    pub live_orders_max: Option<u64>,
    /// What they may be worth, in micro-credits; `None`: any number.
    pub notional_max: Option<u64>,
    /// Contracts of one kind; `None`: any number.
    pub position_max: Option<u64>,
}

impl Life {
    /// As the log tells it.
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

/// A limit, unless it is none.
pub fn count_max(max: u32) -> Option<u64> {
    (max != u32::MAX).then_some(max.into())
}

/// A limit, unless it is none.
pub fn credits_max(max: Credits) -> Option<u64> {
    (max.micros() != i64::MAX).then(|| max.micros().cast_unsigned())
}

/// A live order rests in the book at this level.
pub fn level(order: &ExpectedOrder, limit: Price) -> (BookSide, Price) {
    let entry = schemas::Entry::of(order.contract, order.side);
    (entry.book_side(), entry.book_price(limit))
}

/// Orders are told apart by these in messages about faults.
pub fn name(id: OrderId, order: &ExpectedOrder) -> String {
    format!("order {id} ({} {} of account {})", order.side, order.contract, order.account)
}
