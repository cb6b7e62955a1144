//! A fresh fold of the events log: what every read model must say, worked out here and nowhere else.
//!
//!   lfg.events[s…] ─▶ log ─▶ *fold* ─▶ verify (against Postgres, Redis, WebSocket, answers, the invariants)
//!
//! Pure. Shares with the read models only what the log itself is made of: `schemas`, with its reading rule and its
//! effects. Keeps one entry for each order and trade in memory, which bounds how long a log it can verify.
//!
//! Shards may be folded in any interleaving: nothing here depends on the order of outcomes of different shards.

mod orders;
mod rows;

use std::collections::{BTreeMap, HashMap};

use schemas::event::Event;
use schemas::{AccountId, ClientId, CommandId, Credits, MarketId, OrderId, Outcome, Price, Shard, TradeId, effects};

pub use rows::{Account, Births, Ledger, Life, Market, Order, Position, TradeRow, Wallet, level};

use crate::verify::Faults;

/// A message between shards: from, to, number.
pub type MessageKey = (Shard, Shard, u64);

/// The state that the log tells.
#[derive(Default, Debug)]
pub struct Fold {
    /// Outcomes folded, over all shards.
    pub outcomes: u64,
    /// Wallets of every account that was opened.
    pub wallets: HashMap<AccountId, Wallet>,
    /// What every account may do.
    pub accounts: HashMap<AccountId, Account>,
    /// Sums of wallet changes by kind of ledger entry.
    pub ledger: BTreeMap<&'static str, Ledger>,
    /// Every order that was born.
    pub orders: HashMap<OrderId, Order>,
    /// How often, and how it filled by its trades.
    pub births: HashMap<OrderId, Births>,
    /// Orders by the command that began them.
    pub by_command: HashMap<CommandId, OrderId>,
    /// Orders by their owner's own name for them.
    pub by_client_id: HashMap<(AccountId, ClientId), Vec<OrderId>>,
    /// Orders that were entered and whose outcome is still to come (or was told before, with `false`).
    pub entered: HashMap<OrderId, bool>,
    /// Every trade.
    pub trades: HashMap<TradeId, TradeRow>,
    /// Positions, as far as they ever were.
    pub positions: HashMap<(MarketId, AccountId), Position>,
    /// Markets with their books.
    pub markets: HashMap<MarketId, Market>,
    /// Messages of which only one end was seen: what they carry if it is the sender's, `None` if the receiver's.
    pub in_flight: HashMap<MessageKey, Option<Credits>>,
    /// What came in.
    pub deposits: Credits,
    /// What went out.
    pub withdrawals: Credits,
    /// Where the log contradicts itself.
    pub faults: Faults,
}

/// What an event needs to know of the outcome that holds it.
#[derive(Clone, Copy)]
struct Place {
    shard: Shard,
    sequence: u64,
    time: schemas::Timestamp,
    command: CommandId,
}

impl Fold {
    /// Takes in the next outcome of `shard` that counts.
    pub fn apply(&mut self, shard: Shard, outcome: &Outcome) {
        self.outcomes += 1;
        let place = Place { shard, sequence: outcome.sequence, time: outcome.time, command: outcome.cause.id };
        for event in &outcome.events {
            self.wallets_and_ledger(event);
            self.positions(event);
            self.market_money_and_book(event, place);
            self.orders(event, place);
            self.facts(event, place);
        }
    }

    fn wallets_and_ledger(&mut self, event: &Event) {
        if let Event::AccountOpened { account } = event {
            let again = self.wallets.insert(*account, Wallet::default()).is_some();
            self.faults.check(!again, || format!("account {account} was opened twice"));
            self.accounts.insert(*account, Account::default());
        }
        let Some(change) = effects::wallet_change(event) else { return };
        match self.wallets.get_mut(&change.account) {
            Some(wallet) => {
                wallet.available += change.available;
                wallet.held += change.held;
                wallet.live_orders += i64::from(change.live_orders);
            }
            None => self.faults.add(|| format!("a wallet changed before account {} was opened", change.account)),
        }
        if (change.available, change.held) == (Credits::ZERO, Credits::ZERO) {
            // No change, no entry: what holds nothing entered or ended.
            return;
        }
        let ledger = self.ledger.entry(rows::ledger_kind(event)).or_default();
        ledger.entries += 1;
        ledger.available += change.available;
        ledger.held += change.held;
    }

    fn positions(&mut self, event: &Event) {
        for change in effects::position_changes(event) {
            let position = self.positions.entry((change.market, change.account)).or_default();
            position.yes += change.yes;
            position.no += change.no;
            position.yes_reserved += change.yes_reserved;
            position.no_reserved += change.no_reserved;
        }
    }

    fn market_money_and_book(&mut self, event: &Event, place: Place) {
        if let Event::MarketCreated(listing) = event {
            let again = self.markets.insert(listing.market, Market::listed(listing, place.shard)).is_some();
            self.faults.check(!again, || format!("market {} was created twice", listing.ticker));
        }
        if let Some(change) = effects::market_change(event) {
            let Some(market) = self.market(change.market) else { return };
            market.collateral += change.collateral;
            market.fees += change.fees;
            market.yes += change.yes;
            market.no += change.no;
            market.volume += change.volume;
        }
        for change in effects::book_changes(event) {
            let Some(market) = self.market(change.market) else { return };
            let level = market.book.entry((change.side, change.price)).or_default();
            *level += change.quantity;
            let left = *level;
            if left == 0 {
                market.book.remove(&(change.side, change.price));
            }
            self.faults.check(left >= 0, || format!("market {} has a level of {left} contracts", change.market));
        }
    }

    /// The market, or a fault.
    fn market(&mut self, market: MarketId) -> Option<&mut Market> {
        let found = self.markets.get_mut(&market);
        if found.is_none() {
            self.faults.add(|| format!("market {market} was never created"));
        }
        found
    }

    fn account(&mut self, account: AccountId) -> &mut Account {
        let known = self.accounts.contains_key(&account);
        self.faults.check(known, || format!("account {account} changed before it was opened"));
        self.accounts.entry(account).or_default()
    }

    fn facts(&mut self, event: &Event, place: Place) {
        match event {
            Event::Deposited { amount, .. } => self.deposits += *amount,
            Event::Withdrawn { amount, .. } => self.withdrawals += *amount,
            Event::MarketChanged { market, state, resolution, .. } => {
                let Some(market) = self.market(*market) else { return };
                market.state = *state;
                market.resolution = resolution.or(market.resolution);
            }
            Event::MarketLimited { market, limits } => {
                let Some(market) = self.market(*market) else { return };
                market.limits = *limits;
            }
            Event::AccountFrozen { account, .. } => self.account(*account).frozen = true,
            Event::AccountUnfrozen { account, .. } => self.account(*account).frozen = false,
            Event::AccountLimited { account, limits } => {
                let account = self.account(*account);
                account.live_orders_max = rows::count_max(limits.live_orders);
                account.held_max = rows::credits_max(limits.held);
            }
            Event::DeadManSwitchSet { account, due } => {
                self.account(*account).dead_man_due = due.map(|due| due.as_millis());
            }
            Event::DeadManSwitchFired { account } => self.account(*account).dead_man_due = None,
            Event::MarketSettled { market } => {
                let Some(market) = self.market(*market) else { return };
                market.settled = true;
            }
            Event::Sent { to, number, message } => {
                self.seen_end((place.shard, *to, *number), Some(message.in_flight()));
            }
            Event::Received { from, number } => self.seen_end((*from, place.shard, *number), None),
            _ => {}
        }
    }

    /// One end of a message: it is in flight until the other end is seen, whichever comes first here.
    fn seen_end(&mut self, key: MessageKey, carries: Option<Credits>) {
        match self.in_flight.remove(&key) {
            None => {
                self.in_flight.insert(key, carries);
            }
            Some(other) => {
                let fits = other.is_some() != carries.is_some();
                self.faults.check(fits, || format!("message {key:?} was sent or received twice"));
            }
        }
    }

    /// Orders of which the log does not know yet what became of them.
    pub fn undecided(&self) -> usize {
        self.entered.values().filter(|waits| **waits).count()
    }

    /// Levels of a market's book, bids best first, then asks best first.
    pub fn levels(&self, market: MarketId) -> Vec<(schemas::BookSide, Price, i64)> {
        let Some(market) = self.markets.get(&market) else { return Vec::new() };
        market.book.iter().map(|(&(side, price), &quantity)| (side, price, quantity)).collect()
    }
}

#[cfg(test)]
mod tests;
