//! Everything that a shard knows.
//!
//! Architecture invariant: only `apply.rs` changes a [`State`]. Deciding has `&State`.

mod client_ids;
mod mailbox;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use schemas::market::YesValue;
use schemas::message::Settlement;
use schemas::{
    AccountId, ApiKey, ApiKeyId, BookSide, CommandId, Credits, Entry, FeeRate, Listing, MarketId, MarketState, Message,
    OrderId, Price, Quantity, Shard, Timestamp, TradeId,
};

use crate::book::{Book, Resting};
use crate::index::Index;
pub use client_ids::{ClientIds, Remembered};
pub use mailbox::{Inbox, Outbox};
pub use table::Table;

/// Everything that a shard knows, and nothing else: its snapshot bytes are its identity.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) shard: Shard,
    pub(crate) map: schemas::shard_map::ShardMap,
    pub(crate) facts: Facts,
    pub(crate) lookup: Lookup,
    pub(crate) scratch: Scratch,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Facts {
    /// The latest time of a command; never goes back.
    pub time: Timestamp,
    /// Counter of the last order that came in here.
    pub orders: u64,
    /// Counter of the last trade.
    pub trades: u64,
    /// Credits that came into the exchange here, less those that left.
    pub deposited: Credits,
    pub accounts: Table<AccountId, Account>,
    pub markets: Table<MarketId, Market>,
    pub client_ids: ClientIds,
    /// Messages to each other shard that were ever sent to.
    pub outboxes: BTreeMap<Shard, Outbox>,
    /// Messages from each other shard that ever sent.
    pub inboxes: BTreeMap<Shard, Inbox>,
}

/// What follows from the facts and is kept to be found quickly.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The market of each live order.
    pub live: Index<OrderId, MarketId>,
    /// When each market that is not closed yet closes by itself.
    pub expiries: BTreeSet<(Timestamp, MarketId)>,
    /// Ended markets that still have orders to cancel or positions to pay out.
    pub sweeping: BTreeSet<MarketId>,
}

/// Memory that is used again from command to command. Empty between commands, so no part of what a state is.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub settlements: Vec<Settlement>,
    pub touched: Vec<AccountId>,
}

/// A holder of credits, on its home shard.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Account {
    /// What can be spent.
    pub available: Credits,
    /// What live buy orders could still cost (I-5).
    pub held: Credits,
    pub(crate) keys: BTreeMap<ApiKeyId, ApiKey>,
}

/// A market, on its home shard.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Market {
    /// What it was created with.
    pub listing: Listing,
    /// Where it stands.
    pub state: MarketState,
    /// What a YES pays, once known.
    pub yes_value: Option<YesValue>,
    /// Credits that back its pairs (I-2).
    pub collateral: Credits,
    /// Fees collected.
    pub fees: Credits,
    /// YES contracts in the world (I-2).
    pub yes: u64,
    /// NO contracts in the world (I-2).
    pub no: u64,
    pub(crate) positions: Table<AccountId, Position>,
    pub(crate) book: Book<OrderId, Stake>,
}

/// Contracts of one account in one market. One that holds nothing is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Position {
    /// YES contracts held.
    pub yes: u64,
    /// NO contracts held.
    pub no: u64,
    /// Of the YES, how many resting sells reserve.
    pub yes_reserved: u64,
    /// Of the NO, how many resting sells reserve.
    pub no_reserved: u64,
}

impl Position {
    /// Contracts that no sell reserves.
    pub fn free(&self, contract: schemas::Contract) -> u64 {
        match contract {
            schemas::Contract::Yes => self.yes - self.yes_reserved,
            schemas::Contract::No => self.no - self.no_reserved,
        }
    }

    /// Pairs of unreserved YES and NO: they become credits at once.
    pub fn pairs(&self) -> u64 {
        self.free(schemas::Contract::Yes).min(self.free(schemas::Contract::No))
    }
}

/// What a resting order carries for its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Stake {
    pub account: AccountId,
    pub entry: Entry,
    /// The rate that a buy's hold was computed with.
    pub fee_rate: FeeRate,
}

impl Stake {
    /// What `quantity` contracts of this order still hold of its account's credits at book price `price`.
    pub fn hold(&self, price: Price, quantity: Quantity) -> Credits {
        match self.entry.side() {
            schemas::Side::Buy => self.fee_rate.hold(self.entry.book_price(price), quantity),
            schemas::Side::Sell => Credits::ZERO,
        }
    }
}

/// An order in a market's book.
pub type MarketOrder = Resting<OrderId, Stake>;

impl MarketOrder {
    /// Its price in the book (YES).
    pub fn book_price(&self) -> Price {
        book_price(self.price)
    }

    /// Contracts left.
    pub fn contracts(&self) -> Quantity {
        Quantity::new(self.remaining).expect("an order's quantity is bounded")
    }

    /// What it holds of its account's credits.
    pub fn held(&self) -> Credits {
        self.owner.hold(self.book_price(), self.contracts())
    }
}

/// A price of a market's book.
fn book_price(ticks: u32) -> Price {
    u16::try_from(ticks).ok().and_then(Price::new).expect("a market's book holds prices")
}

impl State {
    /// A shard to which nothing has happened yet.
    pub fn new(shard: Shard, map: schemas::shard_map::ShardMap) -> Self {
        Self { shard, map, facts: Facts::default(), lookup: Lookup::default(), scratch: Scratch::default() }
    }

    /// The shard.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The latest time of a command.
    pub fn time(&self) -> Timestamp {
        self.facts.time
    }

    /// An account whose home is here.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.facts.accounts.get(id)
    }

    /// A market whose home is here.
    pub fn market(&self, id: MarketId) -> Option<&Market> {
        self.facts.markets.get(id)
    }

    /// All accounts whose home is here.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.facts.accounts.iter()
    }

    /// All markets whose home is here.
    pub fn markets(&self) -> impl Iterator<Item = (MarketId, &Market)> {
        self.facts.markets.iter()
    }

    /// When an `AdvanceTime` has something to do; a time that is past means now.
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.lookup.sweeping.is_empty() {
            return Some(self.facts.time);
        }
        self.lookup.expiries.first().map(|(time, _)| *time)
    }

    /// Messages sent and not yet acknowledged, in order for each receiver: receiver, number, id of the command that began it.
    pub fn kept_messages(&self) -> impl Iterator<Item = (Shard, u64, CommandId, &Message)> {
        self.facts
            .outboxes
            .iter()
            .flat_map(|(to, outbox)| outbox.kept().map(move |(number, kept)| (*to, number, kept.origin, &kept.message)))
    }

    /// The number of the last message taken in from a shard; 0 before the first.
    pub fn received_from(&self, from: Shard) -> u64 {
        self.facts.inboxes.get(&from).map_or(0, |inbox| inbox.last)
    }

    pub(crate) fn next_order_id(&self, market: Shard) -> OrderId {
        OrderId::compose(market, self.shard, self.facts.orders + 1)
    }

    /// The id of the `nth` trade (from 0) that a decision makes.
    pub(crate) fn next_trade_id(&self, nth: usize) -> TradeId {
        TradeId::compose(self.shard, self.facts.trades + 1 + nth as u64)
    }
}

impl Market {
    /// An account's contracts here.
    pub fn position(&self, account: AccountId) -> Position {
        self.positions.get(account).copied().unwrap_or_default()
    }

    /// All positions, in the order in which they would be paid out.
    pub fn positions(&self) -> impl Iterator<Item = (AccountId, &Position)> {
        self.positions.iter()
    }

    /// The highest bid or the lowest ask, in YES.
    pub fn best(&self, side: BookSide) -> Option<Price> {
        self.book.best(side).map(book_price)
    }

    /// Contracts that rest at a price.
    pub fn depth(&self, side: BookSide, price: Price) -> u64 {
        self.book.depth(side, u32::from(price.ticks()))
    }

    /// Live orders of one side in the order in which they would fill: id, account, entry, price, remaining, credits held.
    pub fn orders(
        &self,
        side: BookSide,
    ) -> impl Iterator<Item = (OrderId, AccountId, Entry, Price, Quantity, Credits)> {
        self.book.queue(side).map(|order| {
            let (id, owner) = (order.id, order.owner);
            (id, owner.account, owner.entry, order.book_price(), order.contracts(), order.held())
        })
    }

    /// True if the market ended and still has orders to cancel or positions to pay out.
    pub(crate) fn needs_sweep(&self) -> bool {
        match self.state {
            MarketState::Created | MarketState::Open | MarketState::Paused => false,
            MarketState::Closed => !self.book.is_empty(),
            MarketState::Resolved | MarketState::Voided => !self.book.is_empty() || !self.positions.is_empty(),
        }
    }

    /// True if the market closes by itself at its expiry.
    pub(crate) fn expires(&self) -> bool {
        matches!(self.state, MarketState::Created | MarketState::Open | MarketState::Paused)
    }
}
