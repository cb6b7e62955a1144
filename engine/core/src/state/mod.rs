//! Everything that a shard knows.
//!
//! Architecture invariant: only `apply.rs` changes a [`ShardState`]. Deciding has `&State`.

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

/// While a shard is full, so many purses that rest are looked at: each step of a leader asks what is due.
const LOOKED_AT: usize = 16;

/// Everything that a shard knows, and nothing else: its snapshot bytes are its identity.
#[derive(Clone, Debug)]
pub struct ShardState {
    pub(crate) shard: Shard,
    pub(crate) map: schemas::shard_map::ShardMap,
    pub(crate) facts: StateFacts,
    pub(crate) lookup: Lookup,
    /// Memory for what a command does to purses, used again from command to command; empty between them.
    pub(crate) settlements: Vec<Settlement>,
    /// Accounts that came to hold pairs by what the present command did to a market; empty between commands.
    pub(crate) paired: Vec<AccountId>,
    /// Accounts whose positions the present command changed in a market where they have buys that only reduce; empty
    /// between commands.
    pub(crate) shrinking: Vec<AccountId>,
    /// Groups that the present command triggered or deleted, and why; empty between commands.
    pub(crate) ending: Vec<((AccountId, GroupId), Option<TriggerCause>)>,
    /// The step of purses' changes that the present command's time falls into.
    pub(crate) step: u32,
    /// The command that the present part of an outcome answers: what is sent carries its id.
    pub(crate) answering: CommandId,
    /// Accounts whose parked requests the present command has to try: something was freed, parked or ended; empty between commands.
    pub(crate) stirred: BTreeSet<AccountId>,
    /// Where the next command goes on to try what waits, if this one tries all that it should.
    pub(crate) untried_next: Option<AccountId>,
    /// How many parked requests the present command has decided, and asks and recalls it has sent.
    pub(crate) decided: usize,
    /// Events since what changed was hashed.
    pub(crate) unhashed: u32,
    /// The vocabulary that the program reads which has this state. Only what it decides depends on it.
    pub(crate) reads: u16,
    /// Messages kept for another shard from which on it counts as full: [`OUTBOX_MAX`]. Only deciding looks at it.
    pub(crate) outbox_max: usize,
    /// From how many on the books count as full. Only deciding looks at it.
    pub(crate) books_max: BooksMax,
}

/// What may be in a shard's books at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BooksMax {
    /// Orders that rest: [`SHARD_ORDERS_MAX`].
    pub orders: usize,
    /// Markets: [`SHARD_MARKETS_MAX`].
    pub markets: usize,
}

impl Default for BooksMax {
    fn default() -> Self {
        Self { orders: SHARD_ORDERS_MAX, markets: SHARD_MARKETS_MAX }
    }
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct StateFacts {
    /// The latest time of a command; never goes back.
    pub time: Timestamp,
    /// Counter of the last order that came in here.
    pub orders: u64,
    /// Counter of the last trade.
    pub trades: u64,
    /// Credits that came into the exchange here, less those that left.
    pub deposited: Credits,
    /// Counter of the last parked request or instruction.
    pub tickets: u64,
    /// A command decided as many parked requests as one may: the next ones try all that wait, some accounts each, from
    /// this one on.
    pub untried: Option<AccountId>,
    /// Purses of the accounts that trade here, or whose home is here.
    pub purses: Hashed<AccountId, Purse>,
    /// Accounts whose home is here.
    pub accounts: Hashed<AccountId, Account>,
    pub markets: Hashed<MarketId, Market>,
    /// The book of each market, and those of archived markets that no other has yet.
    pub books: Books<OrderId, OrderMetadata>,
    pub client_ids: ClientIds,
    pub ended_orders: EndedOrders,
    pub waiting: BTreeMap<AccountId, AccountQueue>,
    pub instructions: PendingInstructions,
    /// Messages to each other shard that were ever sent to.
    pub outboxes: BTreeMap<Shard, Outbox>,
    /// Messages from each other shard that ever sent.
    pub inboxes: BTreeMap<Shard, Inbox>,
    /// Mass cancels that one command did not finish: whose, and where.
    pub mass_cancels: BTreeMap<(AccountId, Option<MarketId>), MassCancel>,
    /// Transfers that accounts whose home is here have named.
    pub transfers: Transfers,
    /// Deposits that wait for a second admin, and what admins have deposited alone today.
    pub deposits: Deposits,
    /// What is written here may need this vocabulary.
    pub vocabulary: u16,
    /// The oldest build known to read it.
    pub install: Build,
    /// Admins of the exchange; on the first shard alone.
    pub admins: BTreeMap<AdminId, Admin>,
    /// Who reads this shard's log.
    pub parts: Parts,
    /// Markets that were paid out long ago.
    pub archive: ArchivedMarkets,
    /// Market events whose home is here.
    pub market_events: Hashed<MarketEventId, KnownMarketEvent>,
    /// Groups of the accounts' orders.
    pub groups: Hashed<AccountId, Groups>,
}

/// A mass cancel that goes on with time.
#[derive(Clone, Debug, Encode, Decode)]
pub struct MassCancel {
    pub reason: CancelReason,
    /// Later orders are not meant.
    pub up_to: OrderId,
    /// Instructions of the account's home that are answered when it is done.
    pub tickets: Vec<u64>,
}

/// A holder of credits, on its home shard: what is one for the account, wherever it trades.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Account {
    /// It can only cancel, and receive credits.
    pub frozen: bool,
    /// What it may have in all markets together.
    pub limits: AccountLimits,
    /// When its dead-man switch fires.
    pub dead_man_due: Option<Timestamp>,
    /// What its purses on other shards have from here.
    pub lent: Few<Shard, PurseLoan>,
    /// Those that are not revoked, and whose expiry was not told yet.
    pub(crate) keys: Few<ApiKeyId, ApiKey>,
}

impl Account {
    /// Its keys that are not revoked, and whose expiry was not told yet.
    pub fn keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.values()
    }

    /// Room of its limits that no purse on another shard has. Without limits there is always some.
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
    /// A shard to which nothing has happened yet.
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

    /// What is written here may need this vocabulary, and no higher one.
    pub fn vocabulary(&self) -> u16 {
        self.facts.vocabulary
    }

    /// The oldest build known to read that vocabulary.
    pub fn install(&self) -> Build {
        self.facts.install
    }

    /// True if what came with this vocabulary may be written. Whatever a build adds asks this first.
    #[inline]
    pub fn speaks(&self, vocabulary: u16) -> bool {
        self.facts.vocabulary >= vocabulary
    }

    /// Which parts read this shard's log, as far as they have said so.
    pub fn parts(&self) -> &Parts {
        &self.facts.parts
    }

    /// The log begins: its first outcome will be written in this term.
    pub(crate) fn begin_log(&mut self, term: &Term) {
        (self.facts.vocabulary, self.facts.install) = (term.vocabulary, term.build);
    }

    /// Takes another shard for full from so many messages on, instead of [`OUTBOX_MAX`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { outbox_max: messages, ..self }
    }

    /// Takes the books for full from so much on, instead of [`BooksMax::default`].
    #[must_use]
    pub fn with_books_max(self, books_max: BooksMax) -> Self {
        Self { books_max, ..self }
    }

    /// True if as many messages are kept for a shard as may be: nothing is begun that would send it more.
    pub(crate) fn is_full(&self, to: Shard) -> bool {
        self.facts.outboxes.get(&to).is_some_and(|outbox| outbox.len() >= self.outbox_max)
    }

    fn any_is_full(&self) -> bool {
        self.facts.outboxes.values().any(|outbox| outbox.len() >= self.outbox_max)
    }

    /// Purses that send their free credits home, and at which step, the first first. Those wait whose home is full; and
    /// those behind some that wait: that costs nobody anything, since credits are recalled where they are needed.
    pub(crate) fn resting_purses(&self) -> impl Iterator<Item = (u32, AccountId)> {
        let (any, all) = (self.any_is_full(), self.lookup.resting_purses.iter().copied());
        all.take(if any { LOOKED_AT } else { usize::MAX })
            .filter(move |(_, account)| !any || !self.is_full(self.map.of_account(*account)))
    }

    /// The shard.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The latest time of a command.
    pub fn time(&self) -> Timestamp {
        self.facts.time
    }

    /// An account's purse here.
    #[inline]
    pub fn purse(&self, account: AccountId) -> Option<&Purse> {
        self.facts.purses.get(account)
    }

    /// All purses here.
    pub fn purses(&self) -> impl Iterator<Item = (AccountId, &Purse)> {
        self.facts.purses.iter()
    }

    /// All parked requests, and claims that wait.
    pub fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.facts.waiting.values().flat_map(AccountQueue::all)
    }

    /// Deposits that wait for a second admin, and what each admin has deposited alone today.
    pub fn deposits(&self) -> &Deposits {
        &self.facts.deposits
    }

    /// The names of all transfers under way, each with the account that gave.
    pub fn transfers_under_way(&self) -> impl Iterator<Item = (AccountId, ClientId)> {
        self.facts.transfers.names()
    }

    /// How many movements of an account wait or are under way.
    pub(crate) fn movements(&self, account: AccountId) -> usize {
        self.waiting(account).map_or(0, AccountQueue::movements) + self.facts.transfers.count(account)
    }

    /// True if the account's home is here.
    #[inline]
    pub(crate) fn is_home(&self, account: AccountId) -> bool {
        self.map.of_account(account) == self.shard
    }

    /// What waits for an account. Most of the time nothing waits for anybody.
    #[inline]
    pub(crate) fn waiting(&self, account: AccountId) -> Option<&AccountQueue> {
        if self.facts.waiting.is_empty() { None } else { self.facts.waiting.get(&account) }
    }

    /// True if `more` would lead an account beyond what one may have, as far as its home knows.
    pub(crate) fn exceeds_wallet(&self, id: AccountId, account: &Account, more: Credits) -> bool {
        let here = self.purse(id).map_or(0, |purse| i128::from(purse.available.0) + i128::from(purse.held.0));
        let lent: i128 = account.lent.values().map(|lent| i128::from(lent.credits.0)).sum();
        here + lent + i128::from(more.0) > i128::from(WALLET_MAX)
    }

    /// An account whose home is here.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.facts.accounts.get(id)
    }

    /// A market whose home is here.
    pub fn market(&self, id: MarketId) -> Option<MarketView<'_>> {
        self.facts.markets.get(id).map(|market| self.view(market))
    }

    /// A market event whose home is here.
    pub fn market_event(&self, id: MarketEventId) -> Option<&KnownMarketEvent> {
        self.facts.market_events.get(id)
    }

    /// All market events whose home is here.
    pub fn market_events(&self) -> impl Iterator<Item = (MarketEventId, &KnownMarketEvent)> {
        self.facts.market_events.iter()
    }

    fn view<'a>(&'a self, market: &'a Market) -> MarketView<'a> {
        MarketView { market, books: &self.facts.books }
    }

    /// A live order, and where it rests.
    pub(crate) fn live_order(&self, id: OrderId) -> Option<(MarketView<'_>, MarketOrder)> {
        let (book, order) = self.facts.books.get(id)?;
        Some((self.view(self.market_of(book)), order))
    }

    /// The market that has a book.
    #[inline]
    pub(crate) fn market_of(&self, book: BookKey) -> &Market {
        self.facts.markets.nth(self.lookup.market_places.place(book)).expect("a book with orders has its market")
    }

    /// An account's live orders here, in one market or in all: market by market in the order of their books, oldest
    /// first in each, none younger than `up_to`. A market where all are younger costs a look at the oldest.
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

    /// Looks up what a command is about, so that what follows finds it at once. Changes nothing that anybody can see.
    pub(crate) fn seek(&mut self, order: &NewOrder) {
        self.facts.purses.seek(order.account);
        self.facts.markets.seek(order.market);
        if let Some(name) = RequestName::of_order(order) {
            self.facts.client_ids.seek(name);
        }
    }

    /// All accounts whose home is here.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.facts.accounts.iter()
    }

    /// All markets whose home is here.
    pub fn markets(&self) -> impl Iterator<Item = (MarketId, MarketView<'_>)> {
        self.facts.markets.iter().map(|(id, market)| (id, self.view(market)))
    }

    /// What is left of markets that are archived.
    pub fn archive(&self) -> &ArchivedMarkets {
        &self.facts.archive
    }

    /// How many orders rest in all markets together.
    pub fn orders(&self) -> usize {
        self.facts.books.orders()
    }

    /// How large the state is: purses, positions, orders, client ids. Of orders that ended, four take as much.
    pub(crate) fn things(&self) -> u64 {
        let positions: usize = self.facts.markets.values().map(|market| market.positions.len()).sum();
        let ended = self.facts.ended_orders.len() / 4;
        (self.facts.purses.len() + positions + self.facts.books.orders() + self.facts.client_ids.len() + ended) as u64
    }

    /// When an `AdvanceTime` has something to do; a time that is past means now.
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

    /// No order that came in here has a higher id.
    pub(crate) fn last_order_id(&self) -> OrderId {
        OrderId::compose(self.shard, self.facts.orders)
    }

    pub(crate) fn next_order_id(&self) -> OrderId {
        OrderId::compose(self.shard, self.facts.orders + 1)
    }

    /// The id of the `nth` trade (from 0) that a decision makes.
    pub(crate) fn next_trade_id(&self, nth: usize) -> TradeId {
        TradeId::compose(self.shard, self.facts.trades + 1 + nth as u64)
    }
}
