//! An independent fold of the events log: the expected content of every read model.
//!
//!   lfg.events[s…] ─▶ log ─▶ *fold* ─▶ verify (against Postgres, Redis, WebSocket, answers, the invariants)
//!
//! Pure. Shares with the read models only the log's own definitions: `schemas`, with its read rule.
//! What an event changes is computed here ([`sums`]). Keeps one entry per order, trade and change of credits in memory, which limits the
//! length of a log that it can verify.
//!
//! Shards may be folded in any interleaving: nothing here depends on the order of outcomes of
//! different shards.

mod about;
mod admins;
mod facts;
mod groups;
mod orders;
mod purses;
mod rows;
mod sums;
mod waits;

use std::collections::{HashMap, HashSet};

use schemas::event::Event;
use schemas::{
    AccountId, AdminId, ClientId, CommandId, Credits, GroupId, MarketEventId, MarketId, OrderId, Outcome, Price,
    ProposalId, Rejection, Shard, Timestamp, TradeId, answers,
};

pub use about::{Description, MarketEventRow};
pub use admins::ExpectedProposal;
pub use groups::ExpectedGroup;
pub use purses::{ExpectedPurse, ExpectedWallet, Ledger};
pub use rows::{
    ExpectedAccount, ExpectedMarket, ExpectedOrder, ExpectedPosition, ExpectedTrade, Life, OrderTotals, level,
};
pub use waits::OpenWork;

use crate::verify::Faults;

/// An order's key by its account's client id.
pub type ExpectedOrderName = (AccountId, MarketId, ClientId);

/// The state that the log implies.
#[derive(Default, Debug)]
pub struct Fold {
    /// Number of outcomes folded, over all shards.
    pub outcomes: u64,
    /// Every opened account with its limits and switches.
    pub accounts: HashMap<AccountId, ExpectedAccount>,
    /// The shards that recorded facts about each account.
    pub tellers: HashSet<(AccountId, Shard)>,
    /// Purses, by account and shard.
    pub purses: HashMap<(AccountId, Shard), ExpectedPurse>,
    /// Credits sent from one purse of an account to another, less those received there: account,
    /// from, to.
    pub moved: HashMap<(AccountId, Shard, Shard), Credits>,
    /// Changes of each account's spendable credits on any shard, and their times. Credits in
    /// transit between purses are no change.
    pub spendable: HashMap<AccountId, Vec<(Timestamp, Credits)>>,
    /// Sums of each purse's changes by kind of ledger entry.
    pub ledger: HashMap<(AccountId, Shard, &'static str), Ledger>,
    /// Every order that was placed or rejected.
    pub orders: HashMap<OrderId, ExpectedOrder>,
    /// How often each order was placed or rejected, and how much its trades filled.
    pub order_totals: HashMap<OrderId, OrderTotals>,
    /// Orders by client id.
    pub by_client_id: HashMap<ExpectedOrderName, Vec<OrderId>>,
    /// Groups of accounts' orders.
    pub groups: HashMap<(AccountId, GroupId), ExpectedGroup>,
    /// Every trade.
    pub trades: HashMap<TradeId, ExpectedTrade>,
    /// All positions that ever existed.
    pub positions: HashMap<(MarketId, AccountId), ExpectedPosition>,
    /// Markets with their books.
    pub markets: HashMap<MarketId, ExpectedMarket>,
    /// Market events.
    pub market_events: HashMap<MarketEventId, MarketEventRow>,
    /// Work that has begun and not ended.
    pub waiting: OpenWork,
    /// How often each admin performed each action, and the credits moved.
    pub admin_acts: HashMap<(String, AdminId), (u64, Credits)>,
    /// Deposits that needed a second admin.
    pub proposals: HashMap<ProposalId, ExpectedProposal>,
    /// The sum of deposits.
    pub deposits: Credits,
    /// The sum of withdrawals.
    pub withdrawals: Credits,
    /// Contradictions in the log.
    pub faults: Faults,
}

/// The context of an event in its outcome.
#[derive(Clone, Copy)]
struct OutcomeContext {
    shard: Shard,
    sequence: u64,
    time: Timestamp,
    /// The command that the event answers.
    command: CommandId,
    /// True if the outcome answers that command alone, and the command was not a batch.
    alone: bool,
}

impl Fold {
    /// Returns true if this order owns its client id. A rejected order does not if the rejection
    /// leaves the id free.
    pub fn is_named(&self, id: OrderId) -> bool {
        let rejection = self.orders.get(&id).and_then(|order| order.rejection);
        !rejection.is_some_and(Rejection::leaves_client_id_free)
    }

    /// Folds the next outcome of `shard` that counts.
    pub fn apply(&mut self, shard: Shard, outcome: &Outcome) {
        self.outcomes += 1;
        for part in answers::parts(outcome) {
            let alone = !part.events.iter().any(|event| matches!(event, Event::BatchItem { .. }));
            let (sequence, time) = (outcome.sequence, outcome.time);
            let place = OutcomeContext { shard, sequence, time, command: part.command, alone };
            for event in part.events {
                self.facts(event, place);
                self.describe(event, place);
                self.admins(event);
                self.purses(event, place);
                self.positions(event);
                self.market_money_and_book(event, place);
                self.orders(event, place);
                self.groups(event, place);
            }
        }
        for event in &outcome.events {
            self.waits(event, shard);
        }
    }

    fn positions(&mut self, event: &Event) {
        for change in sums::positions(event) {
            let position = self.positions.entry((change.market, change.account)).or_default();
            position.yes += change.yes;
            position.no += change.no;
            position.yes_reserved += change.yes_reserved;
            position.no_reserved += change.no_reserved;
        }
    }

    fn market_money_and_book(&mut self, event: &Event, place: OutcomeContext) {
        if let Some(change) = sums::market(event) {
            let Some(market) = self.market(change.market, place) else { return };
            market.collateral += change.collateral;
            market.fees += change.fees;
            market.yes += change.yes;
            market.no += change.no;
            market.volume += change.volume;
        }
        for change in sums::levels(event) {
            let Some(market) = self.market(change.market, place) else { return };
            let level = market.book.entry((change.side, change.price)).or_default();
            *level += change.quantity;
            let left = *level;
            if left == 0 {
                market.book.remove(&(change.side, change.price));
            }
            self.faults.check(left >= 0, || format!("market {} has a level of {left} contracts", change.market));
        }
    }

    /// Returns the market, or records a fault; records another if the event is on the wrong shard.
    fn market(&mut self, id: MarketId, place: OutcomeContext) -> Option<&mut ExpectedMarket> {
        let Some(market) = self.markets.get_mut(&id) else {
            self.faults.add(|| format!("market {id} was never created"));
            return None;
        };
        let same = market.shard == place.shard;
        self.faults.check(same, || {
            format!("market {id} was created on shard {}, and {} records it", market.shard, place.shard)
        });
        Some(market)
    }

    /// Returns the levels of a market's book, bids best first, then asks best first.
    pub fn levels(&self, market: MarketId) -> Vec<(schemas::BookSide, Price, i64)> {
        let Some(market) = self.markets.get(&market) else { return Vec::new() };
        market.book.iter().map(|(&(side, price), &quantity)| (side, price, quantity)).collect()
    }
}

#[cfg(test)]
pub mod story;
#[cfg(test)]
mod tests;
