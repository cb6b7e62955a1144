//! The complete state of a shard.
//!
//! Architecture invariant: only `apply.rs` changes a [`ShardState`]. Decisions get `&ShardState`.

mod admins;
mod archive;
mod client_ids;
mod deposits;
mod ended;
mod few;
mod groups;
mod listed;
mod lookup;
mod mailbox;
mod market;
mod market_events;
mod market_places;
mod own_orders;
mod parked;
mod parts;
mod purse;
mod table;
mod transfers;

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use schemas::event::CancelReason;
use schemas::frame::FIRST_VOCABULARY;
use schemas::limits::{OUTBOX_MAX, SHARD_MARKETS_MAX, SHARD_ORDERS_MAX, WALLET_MAX};
use schemas::{
    AccountId, AccountLimits, Admin, AdminId, ApiKey, ApiKeyId, Build, ClientId, CommandId, Credits, GroupId,
    MarketEventId, MarketId, Message, NewOrder, OrderId, Parked, Room, Settlement, Shard, Term, Timestamp, TradeId,
    TriggerCause, VOCABULARY,
};

use crate::book::{BookKey, Books};
pub use archive::ArchivedMarkets;
pub use client_ids::{ClientIds, Meaning, RequestName};
pub use deposits::{Deposits, Proposed};
pub use ended::EndedOrders;
pub use few::Few;
pub use groups::{Group, Groups};
pub use listed::Listed;
pub use lookup::{Exposure, Lookup, Reducing};
pub use mailbox::{Inbox, Outbox};
pub use market::{Market, MarketOrder, MarketView, OrderMetadata, Position};
pub use market_events::{KnownMarketEvent, YesClaim};
pub use market_places::MarketPlaces;
pub use own_orders::OwnOrders;
pub use parked::{AccountQueue, OpenAsk, PendingInstruction, PendingInstructions, weight};
pub use parts::{Announced, Parts};
pub use purse::{Purse, PurseLoan, Sealed, step_begins, step_of};
pub use table::{Hashed, Table, TableObserver};
pub use transfers::{OpenTransfer, TransferName, Transfers};

/// Resting purses examined while a shard is full. Limited because every step of a leader asks what
/// is due.
const LOOKED_AT: usize = 16;

/// The complete state of a shard, and nothing else: two states are the same if their snapshot bytes
/// are.
#[derive(Clone, Debug)]
pub struct ShardState {
    pub(crate) shard: Shard,
    pub(crate) map: schemas::shard_map::ShardMap,
    pub(crate) facts: StateFacts,
    pub(crate) lookup: Lookup,
    /// Buffer for the purse changes of a command, reused between commands; empty between them.
    pub(crate) settlements: Vec<Settlement>,
    /// Accounts that got pairs through the current command's changes to a market; empty between
    /// commands.
    pub(crate) paired: Vec<AccountId>,
    /// Accounts whose positions the current command changed in a market where they have reduce-only
    /// buys; empty between commands.
    pub(crate) shrinking: Vec<AccountId>,
    /// Groups that the current command triggered or deleted, with the cause; empty between
    /// commands.
    pub(crate) ending: Vec<((AccountId, GroupId), Option<TriggerCause>)>,
    /// The step (of purse changes) that contains the current command's time.
    pub(crate) step: u32,
    /// The command that the current part of an outcome answers: messages sent carry its id.
    pub(crate) answering: CommandId,
    /// Accounts whose parked requests the current command must try, because something was freed,
    /// parked or ended; empty between commands.
    pub(crate) stirred: BTreeSet<AccountId>,
    /// Where the next command continues to try parked requests, if this one tries all that it
    /// should.
    pub(crate) untried_next: Option<AccountId>,
    /// Number of parked requests that the current command has decided, plus asks and recalls that
    /// it has sent.
    pub(crate) decided: usize,
    /// Events since the changed parts were last hashed.
    pub(crate) unhashed: u32,
    /// The vocabulary that the running program reads. Only decisions depend on it.
    pub(crate) reads: u16,
    /// Number of kept messages from which an outbox to another shard counts as full:
    /// [`OUTBOX_MAX`]. Only decisions read it.
    pub(crate) outbox_max: usize,
    /// The limits at which the books count as full. Only decisions read them.
    pub(crate) books_max: BooksMax,
}

/// Limits on the contents of a shard's books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BooksMax {
    /// Resting orders: [`SHARD_ORDERS_MAX`].
    pub orders: usize,
    /// Markets: [`SHARD_MARKETS_MAX`].
    pub markets: usize,
}

impl Default for BooksMax {
    fn default() -> Self {
        Self { orders: SHARD_ORDERS_MAX, markets: SHARD_MARKETS_MAX }
    }
}

/// The contents of a snapshot.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct StateFacts {
    /// The latest command time; never decreases.
    pub time: Timestamp,
    /// Counter of the last order accepted on this shard.
    pub orders: u64,
    /// Counter of the last trade.
    pub trades: u64,
    /// Credits that entered the exchange on this shard, minus those that left.
    pub deposited: Credits,
    /// Counter of the last parked request or instruction.
    pub tickets: u64,
    /// Set when a command decided as many parked requests as one command may: the next commands try
    /// all remaining ones, some accounts each, starting from this account.
    pub untried: Option<AccountId>,
    /// Purses (an account's balance on one shard) of the accounts that trade here, or whose home is
    /// here.
    pub purses: Hashed<AccountId, Purse>,
    /// Accounts whose home is here.
    pub accounts: Hashed<AccountId, Account>,
    pub markets: Hashed<MarketId, Market>,
    /// The book of each market, and books of archived markets that no other market has reused yet.
    pub books: Books<OrderId, OrderMetadata>,
    pub client_ids: ClientIds,
    pub ended_orders: EndedOrders,
    pub waiting: BTreeMap<AccountId, AccountQueue>,
    pub instructions: PendingInstructions,
    /// Messages to each other shard to which any were ever sent.
    pub outboxes: BTreeMap<Shard, Outbox>,
    /// Messages from each other shard that ever sent any.
    pub inboxes: BTreeMap<Shard, Inbox>,
    /// Mass cancels that one command did not finish: account and market.
    pub mass_cancels: BTreeMap<(AccountId, Option<MarketId>), MassCancel>,
    /// Transfers with a client id, of accounts whose home is here.
    pub transfers: Transfers,
    /// Deposits that wait for a second admin, and each admin's sole deposits of today.
    pub deposits: Deposits,
    /// The vocabulary that records of this log may need.
    pub vocabulary: u16,
    /// The oldest build known to read that vocabulary.
    pub install: Build,
    /// Admins of the exchange; only on the first shard.
    pub admins: BTreeMap<AdminId, Admin>,
    /// The components that read this shard's log.
    pub parts: Parts,
    /// Markets that were paid out and archived.
    pub archive: ArchivedMarkets,
    /// Market events whose home is here.
    pub market_events: Hashed<MarketEventId, KnownMarketEvent>,
    /// Groups of the accounts' orders.
    pub groups: Hashed<AccountId, Groups>,
}

/// A mass cancel that continues over several commands.
#[derive(Clone, Debug, Encode, Decode)]
pub struct MassCancel {
    pub reason: CancelReason,
    /// The last order that it cancels; later orders stay.
    pub up_to: OrderId,
    /// Instructions from the account's home that are answered when the mass cancel is done.
    pub tickets: Vec<u64>,
}

/// An account on its home shard: everything that is the same for the account wherever it trades.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Account {
    /// The account can only cancel orders and receive credits.
    pub frozen: bool,
    /// Limits over all markets together.
    pub limits: AccountLimits,
    /// When the account's dead-man switch fires.
    pub dead_man_due: Option<Timestamp>,
    /// What the home has lent to the account's purses on other shards.
    pub lent: Few<Shard, PurseLoan>,
    /// API keys that are not revoked and whose expiry was not reported yet.
    pub(crate) keys: Few<ApiKeyId, ApiKey>,
}

impl Account {
    /// Returns the API keys that are not revoked and whose expiry was not reported yet.
    pub fn keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.values()
    }

    /// Returns the room (remaining order allowance) that no purse on another shard has. Unlimited
    /// without limits.
    pub(crate) fn unlent(&self) -> Room {
        let (mut orders, mut held) = (0, 0);
        for room in self.lent.values().map(|lent| lent.room) {
            orders += i128::from(room.orders);
            held += i128::from(room.held.0);
        }
        let left = |limit: i128, lent: i128| (limit - lent).max(0);
        Room {
            orders: match self.limits.live_orders {
                u32::MAX => Room::ALL.orders,
                limit => u32::try_from(left(limit.into(), orders)).unwrap_or(u32::MAX),
            },
            held: match self.limits.held.0 {
                i64::MAX => Room::ALL.held,
                limit => Credits(i64::try_from(left(limit.into(), held)).unwrap_or(i64::MAX)),
            },
        }
    }
}

impl ShardState {
    /// Returns the state of a shard before its first outcome.
    pub fn new(shard: Shard, map: schemas::shard_map::ShardMap) -> Self {
        Self {
            shard,
            map,
            facts: StateFacts { vocabulary: FIRST_VOCABULARY, ..StateFacts::default() },
            lookup: Lookup::default(),
            settlements: Vec::new(),
            paired: Vec::new(),
            shrinking: Vec::new(),
            ending: Vec::new(),
            step: 0,
            answering: CommandId(0),
            stirred: BTreeSet::new(),
            untried_next: None,
            decided: 0,
            unhashed: 0,
            reads: VOCABULARY,
            outbox_max: OUTBOX_MAX,
            books_max: BooksMax::default(),
        }
    }

    /// Returns the vocabulary that records of this log may need; they need no higher one.
    pub fn vocabulary(&self) -> u16 {
        self.facts.vocabulary
    }

    /// Returns the oldest build known to read that vocabulary.
    pub fn install(&self) -> Build {
        self.facts.install
    }

    /// Returns true if records that need this vocabulary may be written. Everything that a build
    /// adds checks this first.
    #[inline]
    pub fn speaks(&self, vocabulary: u16) -> bool {
        self.facts.vocabulary >= vocabulary
    }

    /// Returns the components that read this shard's log, as far as they have registered.
    pub fn parts(&self) -> &Parts {
        &self.facts.parts
    }

    /// Begins the log: its first outcome is written in this term.
    pub(crate) fn begin_log(&mut self, term: &Term) {
        (self.facts.vocabulary, self.facts.install) = (term.vocabulary, term.build);
    }

    /// Sets the number of kept messages from which another shard counts as full, instead of
    /// [`OUTBOX_MAX`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { outbox_max: messages, ..self }
    }

    /// Sets the limits at which the books count as full, instead of [`BooksMax::default`].
    #[must_use]
    pub fn with_books_max(self, books_max: BooksMax) -> Self {
        Self { books_max, ..self }
    }

    /// Returns true if the outbox to a shard is full: then nothing is started that would send it
    /// more.
    pub(crate) fn is_full(&self, to: Shard) -> bool {
        self.facts.outboxes.get(&to).is_some_and(|outbox| outbox.len() >= self.outbox_max)
    }

    fn any_is_full(&self) -> bool {
        self.facts.outboxes.values().any(|outbox| outbox.len() >= self.outbox_max)
    }

    /// Returns the purses that send their free credits home, each with its step, earliest first.
    /// Purses whose home is full wait, and so do those behind enough of them; that costs no account
    /// anything, because credits are recalled where they are needed.
    pub(crate) fn resting_purses(&self) -> impl Iterator<Item = (u32, AccountId)> {
        let (any, all) = (self.any_is_full(), self.lookup.resting_purses.iter().copied());
        all.take(if any { LOOKED_AT } else { usize::MAX })
            .filter(move |(_, account)| !any || !self.is_full(self.map.of_account(*account)))
    }

    /// Returns the shard's id.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Returns the latest command time.
    pub fn time(&self) -> Timestamp {
        self.facts.time
    }

    /// Returns an account's purse on this shard.
    #[inline]
    pub fn purse(&self, account: AccountId) -> Option<&Purse> {
        self.facts.purses.get(account)
    }

    /// Returns all purses on this shard.
    pub fn purses(&self) -> impl Iterator<Item = (AccountId, &Purse)> {
        self.facts.purses.iter()
    }

    /// Returns all parked requests, and claims that wait.
    pub fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.facts.waiting.values().flat_map(AccountQueue::all)
    }

    /// Returns the deposits that wait for a second admin, and each admin's sole deposits of today.
    pub fn deposits(&self) -> &Deposits {
        &self.facts.deposits
    }

    /// Returns the client ids of all open transfers, each with the account that pays.
    pub fn transfers_under_way(&self) -> impl Iterator<Item = (AccountId, ClientId)> {
        self.facts.transfers.names()
    }

    /// Returns the number of an account's movements that wait or are open.
    pub(crate) fn movements(&self, account: AccountId) -> usize {
        self.waiting(account).map_or(0, AccountQueue::movements) + self.facts.transfers.count(account)
    }

    /// Returns true if the account's home is this shard.
    #[inline]
    pub(crate) fn is_home(&self, account: AccountId) -> bool {
        self.map.of_account(account) == self.shard
    }

    /// Returns the queue of an account's waiting requests. Usually no account has any.
    #[inline]
    pub(crate) fn waiting(&self, account: AccountId) -> Option<&AccountQueue> {
        if self.facts.waiting.is_empty() { None } else { self.facts.waiting.get(&account) }
    }

    /// Returns true if `more` credits would exceed the maximum of an account, as far as its home
    /// can see.
    pub(crate) fn exceeds_wallet(&self, id: AccountId, account: &Account, more: Credits) -> bool {
        let here = self.purse(id).map_or(0, |purse| i128::from(purse.available.0) + i128::from(purse.held.0));
        let lent: i128 = account.lent.values().map(|lent| i128::from(lent.credits.0)).sum();
        here + lent + i128::from(more.0) > i128::from(WALLET_MAX)
    }

    /// Returns an account whose home is here.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.facts.accounts.get(id)
    }

    /// Returns a market whose home is here.
    pub fn market(&self, id: MarketId) -> Option<MarketView<'_>> {
        self.facts.markets.get(id).map(|market| self.view(market))
    }

    /// Returns a market event whose home is here.
    pub fn market_event(&self, id: MarketEventId) -> Option<&KnownMarketEvent> {
        self.facts.market_events.get(id)
    }

    /// Returns all market events whose home is here.
    pub fn market_events(&self) -> impl Iterator<Item = (MarketEventId, &KnownMarketEvent)> {
        self.facts.market_events.iter()
    }

    fn view<'a>(&'a self, market: &'a Market) -> MarketView<'a> {
        MarketView { market, books: &self.facts.books }
    }

    /// Returns a live order and the market in which it rests.
    pub(crate) fn live_order(&self, id: OrderId) -> Option<(MarketView<'_>, MarketOrder)> {
        let (book, order) = self.facts.books.get(id)?;
        Some((self.view(self.market_of(book)), order))
    }

    /// Returns the market that has this book.
    #[inline]
    pub(crate) fn market_of(&self, book: BookKey) -> &Market {
        self.facts.markets.nth(self.lookup.market_places.place(book)).expect("a book with orders has its market")
    }

    /// Returns an account's live orders here, in one market or in all: market by market in the
    /// order of their books, oldest first in each, none younger than `up_to`. A market in which all
    /// are younger costs one look at the oldest.
    pub(crate) fn own_orders(
        &self,
        account: AccountId,
        only: Option<MarketId>,
        up_to: OrderId,
    ) -> impl Iterator<Item = (MarketId, OrderId)> {
        let own = &self.lookup.own_orders;
        let place = self.facts.purses.place(account);
        let one = only.and_then(|market| own.market(place?, self.facts.markets.get(market)?.book));
        let all = place.filter(|_| only.is_none()).into_iter().flat_map(|place| own.markets(place));
        one.into_iter().chain(all).flat_map(move |(book, oldest)| {
            let market = self.market_of(book).listing.market;
            let orders = own.from(oldest).map(|slot| self.facts.books.order(slot).id);
            orders.take_while(move |order| *order <= up_to).map(move |order| (market, order))
        })
    }

    /// Looks up what an order refers to, so that later look-ups find it faster. No visible effect.
    pub(crate) fn seek(&mut self, order: &NewOrder) {
        self.facts.purses.seek(order.account);
        self.facts.markets.seek(order.market);
        if let Some(name) = RequestName::of_order(order) {
            self.facts.client_ids.seek(name);
        }
    }

    /// Returns all accounts whose home is here.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.facts.accounts.iter()
    }

    /// Returns all markets whose home is here.
    pub fn markets(&self) -> impl Iterator<Item = (MarketId, MarketView<'_>)> {
        self.facts.markets.iter().map(|(id, market)| (id, self.view(market)))
    }

    /// Returns what is kept of archived markets.
    pub fn archive(&self) -> &ArchivedMarkets {
        &self.facts.archive
    }

    /// Returns the number of orders that rest in all markets together.
    pub fn orders(&self) -> usize {
        self.facts.books.orders()
    }

    /// Returns the size of the state in things: purses, positions, orders, client ids. Four ended
    /// orders count as one.
    pub(crate) fn things(&self) -> u64 {
        let positions: usize = self.facts.markets.values().map(|market| market.positions.len()).sum();
        let ended = self.facts.ended_orders.len() / 4;
        (self.facts.purses.len() + positions + self.facts.books.orders() + self.facts.client_ids.len() + ended) as u64
    }

    /// Returns when the next `AdvanceTime` has something to do; a past time means now.
    pub fn next_due(&self) -> Option<Timestamp> {
        let unfinished = !self.facts.mass_cancels.is_empty() || self.facts.untried.is_some();
        if unfinished || !self.lookup.sweeping.is_empty() {
            return Some(self.facts.time);
        }
        let market = self.lookup.market_times.first().map(|(time, _)| *time);
        let order = self.lookup.order_expiries.first().map(|(time, _)| *time);
        let switch = self.lookup.dead_man_switches.first().map(|(time, _)| *time);
        let key = self.lookup.key_expiries.first().map(|(time, ..)| *time);
        let parked = self.lookup.parked.first().map(|(time, ..)| *time);
        let purse = self.resting_purses().next().map(|(step, _)| step_begins(step));
        let deposit = self.facts.deposits.open.first_key_value().map(|(_, proposed)| proposed.expires);
        [market, order, switch, key, parked, purse, deposit].into_iter().flatten().min()
    }

    /// Returns messages that were sent and not yet acknowledged, in order for each receiver:
    /// receiver, number, id of the command that started it.
    pub fn kept_messages(&self) -> impl Iterator<Item = (Shard, u64, CommandId, &Message)> {
        self.facts
            .outboxes
            .iter()
            .flat_map(|(to, outbox)| outbox.kept().map(move |(number, kept)| (*to, number, kept.origin, &kept.message)))
    }

    /// Returns the number of the last message received from a shard; 0 before the first.
    pub fn received_from(&self, from: Shard) -> u64 {
        self.facts.inboxes.get(&from).map_or(0, |inbox| inbox.last)
    }

    /// Returns the highest id of any order accepted on this shard.
    pub(crate) fn last_order_id(&self) -> OrderId {
        OrderId::compose(self.shard, self.facts.orders)
    }

    pub(crate) fn next_order_id(&self) -> OrderId {
        OrderId::compose(self.shard, self.facts.orders + 1)
    }

    /// Returns the id of the `nth` trade (from 0) that a decision makes.
    pub(crate) fn next_trade_id(&self, nth: usize) -> TradeId {
        TradeId::compose(self.shard, self.facts.trades + 1 + nth as u64)
    }
}
