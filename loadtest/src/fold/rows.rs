//! What the fold keeps of each account, order, trade and market, in the units of the log.

use std::collections::BTreeMap;

use schemas::event::{CancelReason, Event, Trade};
use schemas::market::Listing;
use schemas::message::SettlementReason;
use schemas::{
    AccountId, BookSide, ClientId, CommandId, Contract, Credits, MarketId, MarketState, NewOrder, OrderId, Price,
    Rejection, Shard, Side, Status, Terms, TimeInForce, Timestamp, TradeId,
};

/// Credits of one account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wallet {
    /// Can be spent.
    pub available: Credits,
    /// Kept for live buys.
    pub held: Credits,
}

/// Sums over ledger entries of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// How many.
    pub entries: i64,
    /// Their changes of available credits.
    pub available: Credits,
    /// Their changes of held credits.
    pub held: Credits,
}

/// The kind of ledger entry that an event which changes a wallet is.
pub fn ledger_kind(event: &Event) -> &'static str {
    match event {
        Event::Deposited { .. } => "DEPOSIT",
        Event::Withdrawn { .. } => "WITHDRAWAL",
        Event::OrderFunded { .. } => "HOLD",
        Event::Settled(settlement) => match settlement.reason {
            SettlementReason::Trade => "TRADE",
            SettlementReason::Release => "RELEASE",
            SettlementReason::Redemption => "REDEMPTION",
            SettlementReason::Payout => "PAYOUT",
        },
        _ => "none",
    }
}

/// Contracts of one account in one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
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
pub struct Order {
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
    pub time_in_force: TimeInForce,
    /// The worst price in the contract's own ticks, unless there is a budget.
    pub limit: Option<u16>,
    /// What may be spent.
    pub budget: Option<Credits>,
    /// Contracts: as asked, or what the budget bought.
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
    /// Why it was cancelled, if it had rested.
    pub cancel_reason: Option<CancelReason>,
    /// The owner's own name for it.
    pub client_id: Option<ClientId>,
    /// When it was born.
    pub created_at: Timestamp,
    /// The shard that tells its life.
    pub shard: Shard,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

impl Order {
    /// Contracts that can still trade.
    pub fn remaining(&self) -> u32 {
        if self.status.is_live() { self.quantity - self.filled } else { 0 }
    }
}

/// The words of an order's terms as the table and the API say them: type, time in force, limit, budget, contracts asked for.
pub fn words(order: &NewOrder) -> (&'static str, TimeInForce, Option<u16>, Option<Credits>, u32) {
    match order.terms {
        Terms::Limit { price, quantity, time_in_force } => {
            ("LIMIT", time_in_force, Some(price.ticks()), None, quantity.contracts())
        }
        Terms::Market { quantity, worst_price } => {
            ("MARKET", TimeInForce::Ioc, Some(worst_price.ticks()), None, quantity.contracts())
        }
        Terms::Budget { budget } => ("MARKET", TimeInForce::Ioc, None, Some(budget), 0),
    }
}

/// What must add up over an order's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Births {
    /// `OrderPlaced` and `OrderRejected` events with its id. Always 1.
    pub count: u32,
    /// Contracts in its trades. Always what it is filled by.
    pub traded: u32,
    /// What one of its contracts holds of its account's credits while it is live.
    pub hold_per_contract: Credits,
}

/// A trade and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TradeRow {
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
pub struct Market {
    /// Its name.
    pub ticker: String,
    /// Where it stands.
    pub state: MarketState,
    /// What a YES pays, once known.
    pub yes_value: Option<u16>,
    /// Every position was paid out.
    pub settled: bool,
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

impl Market {
    /// As it is listed.
    pub fn listed(listing: &Listing, shard: Shard) -> Self {
        Self {
            ticker: listing.ticker.to_string(),
            state: MarketState::Created,
            yes_value: None,
            settled: false,
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

/// A live order rests in the book at this level.
pub fn level(order: &Order, limit: Price) -> (BookSide, Price) {
    let entry = schemas::Entry::of(order.contract, order.side);
    (entry.book_side(), entry.book_price(limit))
}

/// Orders are told apart by these in messages about faults.
pub fn name(id: OrderId, order: &Order) -> String {
    format!("order {id} ({} {} of account {})", order.side, order.contract, order.account)
}
