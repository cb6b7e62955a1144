//! The gateway's view of the log: keys, markets, books and recent trades.
//!
//!   lfg.events[*] ─▶ tail ─▶ *view* ─▶ authentication, fee rates, books, WebSocket snapshots, what an account's reads wait for
//!                             │ ▲
//!                             ▼ │ the store, if there is one: what is not in use
//!
//! Each market and each key lives on one shard, so shards can be folded in any interleaving. With a
//! [store](crate::store), memory holds what changed since the last checkpoint and what is in use,
//! and [`crate::live`] loads the rest. Apart from that the view is pure.
//!
//! Not here: purses, positions and orders. Redis and Postgres have them.

pub mod accounts;
pub mod admins;
pub mod book;
pub mod dirty;
pub mod keys;
pub mod market_events;
pub mod moving;
mod names;
pub mod parts;
pub mod stored;
pub mod topics;
pub mod touched;
pub mod trades;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemas::effects;
use schemas::ids::LogPosition;
use schemas::reading::Checkpoint;
use schemas::text::Ticker;
use schemas::{AccountId, ApiKey, ApiKeyId, Event, MarketEventId, MarketId, Outcome, Shard, Term, Timestamp};

use crate::seldom::Seldom;
use crate::shapes::PublicTrade;
use crate::shapes::market::{Clarified, MarketShape};
use crate::store::{Store, StoreError};
use admins::Admins;
use book::{Level, NegativeLevel};
use dirty::Dirty;
use keys::Keys;
use market_events::{MarketEventView, MarketEvents};
pub use moving::Moving;
use names::is_id;
use parts::ShardParts;
use topics::{MarketIndex, MarketTopic};
use touched::Touched;

/// The state of all shards that every request may need.
#[derive(Debug)]
pub struct LiveView {
    positions: Vec<Checkpoint>,
    /// The vocabulary of each shard, and the parts that read it.
    parts: Vec<ShardParts>,
    keys: Keys,
    admins: Admins,
    markets: HashMap<MarketId, LiveMarket>,
    tickers: BTreeMap<Ticker, MarketId>,
    topics: MarketIndex,
    market_events: MarketEvents,
    /// Archived markets, which Postgres keeps. With a store, only those that it does not have yet.
    archived: BTreeSet<MarketId>,
    touched: Touched,
    /// The store, if there is one.
    store: Option<Arc<Store>>,
    /// Changes since the last checkpoint; `None` without a store.
    dirty: Option<Dirty>,
    /// Counts how often data was dropped from memory: data read from the store before is out of
    /// date.
    generation: u64,
    /// True while an outcome is being folded.
    folding: bool,
    /// Markets whose books are in memory, in the order in which they are checked for use.
    loaded: VecDeque<MarketId>,
}

/// A market with its book and trades.
#[derive(Debug)]
pub struct LiveMarket {
    /// Its listing and state.
    pub market: MarketShape,
    moving: Option<Box<Moving>>,
    is_used: AtomicBool,
}

impl LiveMarket {
    /// Its book and trades; `None` if they must be loaded from the store.
    pub fn moving(&self) -> Option<&Moving> {
        self.is_used.store(true, Ordering::Relaxed);
        self.moving.as_deref()
    }
}

/// The changes of one outcome that clients can subscribe to.
#[derive(Debug, Default)]
pub struct ViewChanges {
    /// Changed levels of books, with their new quantities.
    pub books: BTreeMap<MarketId, Vec<Level>>,
    /// Trades, in order of matching.
    pub trades: BTreeMap<MarketId, Vec<PublicTrade>>,
    /// Revoked keys.
    pub revoked: Vec<(AccountId, ApiKeyId)>,
}

/// The log contradicts the view. Never retry: the view was built from something else.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// An event of a market that was never created.
    #[error("an event of market {0}, which was never created")]
    MarketUnknown(MarketId),
    /// An event of a market event that was never created.
    #[error("an event of market event {0}, which was never created")]
    MarketEventUnknown(MarketEventId),
    /// A duplicate source or tag, or too many of them.
    #[error("market {0} has more than a market may have")]
    Texts(MarketId),
    /// A level below zero.
    #[error("market {0}: {1}")]
    Level(MarketId, NegativeLevel),
    /// A book that was not loaded from the store.
    #[error("the book of market {0} is not in memory")]
    NotLoaded(MarketId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LiveView {
    /// Creates a view at `positions`, one for each shard, without content.
    pub fn at(positions: &[Checkpoint]) -> Self {
        Self {
            positions: positions.to_vec(),
            parts: positions.iter().map(|_| ShardParts::default()).collect(),
            keys: Keys::default(),
            admins: Admins::default(),
            markets: HashMap::new(),
            tickers: BTreeMap::new(),
            topics: MarketIndex::default(),
            market_events: MarketEvents::default(),
            archived: BTreeSet::new(),
            touched: Touched::default(),
            store: None,
            dirty: None,
            generation: 0,
            folding: false,
            loaded: VecDeque::new(),
        }
    }

    /// The same, of which an empty store will get everything that is added, in parts.
    pub fn for_a_store(positions: &[Checkpoint], store: Arc<Store>) -> Self {
        let dirty = Some(Dirty { positions: true, admins: true, ..Dirty::default() });
        Self { dirty, ..Self::stored(positions, store) }
    }

    /// The same, of which a store has the keys, archived markets, books and trades. The caller adds
    /// the rest.
    pub fn stored(positions: &[Checkpoint], store: Arc<Store>) -> Self {
        let (keys, dirty) = (Keys::behind_a_store(), Some(Dirty::default()));
        Self { keys, dirty, store: Some(store), ..Self::at(positions) }
    }

    /// Folds an outcome.
    pub fn apply(&mut self, shard: Shard, outcome: &Outcome) -> Result<ViewChanges, FoldError> {
        self.folding = true;
        let mut changes = ViewChanges::default();
        let mut levels: BTreeMap<MarketId, Vec<effects::BookChange>> = BTreeMap::new();
        for event in &outcome.events {
            self.parts[shard.index()].apply(event, outcome.time);
            for change in effects::book_changes(event) {
                levels.entry(change.market).or_default().push(change);
            }
            self.apply_event(shard, event, outcome.time, &mut changes)?;
        }
        for (market, level_changes) in levels {
            let book = &mut self.moving_mut(market)?.book;
            let touched = book.apply(&level_changes).map_err(|error| FoldError::Level(market, error))?;
            book.changed_by(outcome.sequence);
            changes.books.insert(market, touched);
        }
        self.touched.apply(shard, outcome.sequence, &outcome.events);
        self.positions[shard.index()].sequence = outcome.sequence;
        self.note(|dirty| dirty.positions = true);
        self.folding = false;
        Ok(changes)
    }

    fn apply_event(
        &mut self,
        shard: Shard,
        event: &Event,
        time: Timestamp,
        changes: &mut ViewChanges,
    ) -> Result<(), FoldError> {
        match event {
            Event::ApiKeyAdded { account, key, .. } => self.add_key(*account, key.clone()),
            Event::ApiKeyEnds { account, key, expires } => {
                self.keys.end_at(*account, *key, *expires);
                self.note(|dirty| dirty.keys.insert((*key, *account)));
            }
            Event::ApiKeyRevoked { account, key, .. } | Event::ApiKeyExpired { account, key } => {
                self.keys.revoke(*account, *key);
                self.note(|dirty| dirty.keys.insert((*key, *account)));
                changes.revoked.push((*account, *key));
            }
            Event::AdminSet { admin, .. } => self.admins_mut().set(admin.as_ref().clone()),
            Event::AdminRevoked { admin, .. } => self.admins_mut().revoke(*admin),
            Event::MarketCreated { listing, .. } => self.list(MarketShape::listed(listing.clone(), shard)),
            Event::MarketEdited { market, edit, .. } => self.describe(*market, |market| {
                market.listing.edit(edit);
                Some(())
            })?,
            Event::MarketAddedTo { market, addition, by } => self.describe(*market, |market| {
                market.listing.add(addition)?;
                if let Some(text) = addition.clarification.clone() {
                    market.clarify(Clarified { text, by: *by, time });
                }
                Some(())
            })?,
            Event::MarketEventCreated { event, .. } => {
                self.add_market_event(MarketEventView { event: event.as_ref().clone(), yes: None, shard });
            }
            Event::YesHeld { event, market } => {
                let held = self.market_events.hold(*event, *market);
                held.then_some(()).ok_or(FoldError::MarketEventUnknown(*event))?;
                self.note(|dirty| dirty.events.insert(*event));
            }
            Event::MarketChanged { market, state, resolution, .. } => self.describe(*market, |market| {
                market.state = *state;
                market.resolution = *resolution;
                Some(())
            })?,
            Event::MarketArchived { market, .. } => {
                self.market(*market).ok_or(FoldError::MarketUnknown(*market))?;
                self.archive(*market);
            }
            Event::MarketLimited { market, limits, .. } => self.describe(*market, |market| {
                market.listing.limits = *limits;
                Some(())
            })?,
            Event::Traded(trade) => {
                let public = PublicTrade::of(trade, time);
                self.moving_mut(trade.market)?.trades.push(public);
                changes.trades.entry(trade.market).or_default().push(public);
            }
            _ => {}
        }
        Ok(())
    }

    /// Changes a market's description or state.
    fn describe(&mut self, id: MarketId, change: impl FnOnce(&mut MarketShape) -> Option<()>) -> Result<(), FoldError> {
        let live = self.markets.get_mut(&id).ok_or(FoldError::MarketUnknown(id))?;
        self.topics.remove(&live.market);
        change(&mut live.market).ok_or(FoldError::Texts(id))?;
        self.topics.add(&live.market);
        self.note(|dirty| dirty.markets.insert(id));
        Ok(())
    }

    fn note<T>(&mut self, what: impl FnOnce(&mut Dirty) -> T) {
        if let Some(dirty) = &mut self.dirty {
            what(dirty);
        }
    }

    /// Adds a key.
    pub fn add_key(&mut self, account: AccountId, key: ApiKey) {
        self.note(|dirty| dirty.keys.insert((key.id, account)));
        self.keys.add(account, key);
    }

    /// Adds a market event.
    pub fn add_market_event(&mut self, known: MarketEventView) {
        self.note(|dirty| dirty.events.insert(known.event.id));
        self.market_events.add(known);
    }

    /// Adds a market, with an empty book.
    pub fn list(&mut self, market: MarketShape) {
        let id = market.listing.market;
        self.note(|dirty| {
            dirty.markets.insert(id);
            dirty.moving.insert(id);
        });
        if self.store.is_some() {
            self.loaded.push_back(id);
        }
        self.insert(market, Some(Box::default()));
    }

    /// Adds a market from the store, which has its book as well.
    pub fn list_stored(&mut self, market: MarketShape) {
        self.insert(market, None);
    }

    fn insert(&mut self, market: MarketShape, moving: Option<Box<Moving>>) {
        let (id, listing) = (market.listing.market, &market.listing);
        self.tickers.insert(listing.ticker.clone(), id);
        self.topics.add(&market);
        self.markets.insert(id, LiveMarket { market, moving, is_used: AtomicBool::new(true) });
    }

    /// Archives a market.
    pub fn archive(&mut self, id: MarketId) {
        if let Some(live) = self.markets.remove(&id) {
            let listing = &live.market.listing;
            self.tickers.remove(&listing.ticker);
            self.topics.remove(&live.market);
        }
        self.archived.insert(id);
        self.note(|dirty| {
            dirty.markets.insert(id);
            dirty.moving.insert(id);
            dirty.archived.insert(id);
        });
    }

    /// Returns true if a market is archived.
    pub fn is_archived(&self, id: MarketId) -> bool {
        static LINE: Seldom = Seldom::new();
        let in_store = |store: &Arc<Store>| {
            // The answer is then that there is no such market, as for anything unknown.
            let asked = store.is_archived(id).inspect_err(|error| {
                if let Some(kept_back) = LINE.pass() {
                    tracing::error!(%error, kept_back, "the store cannot say which markets are archived");
                }
            });
            asked.unwrap_or(false)
        };
        self.archived.contains(&id) || self.store.as_ref().is_some_and(in_store)
    }

    /// Finds an archived market by id, or by ticker: the id is the ticker's hash.
    pub fn archived_named(&self, name: &str) -> Option<MarketId> {
        let id = if is_id(name) { name.parse().ok() } else { name.parse::<Ticker>().ok().as_ref().map(MarketId::of) };
        id.filter(|id| self.is_archived(*id))
    }

    fn moving_mut(&mut self, id: MarketId) -> Result<&mut Moving, FoldError> {
        let live = self.markets.get_mut(&id).ok_or(FoldError::MarketUnknown(id))?;
        let moving = live.moving.as_deref_mut().ok_or(FoldError::NotLoaded(id))?;
        *live.is_used.get_mut() = true;
        if let Some(dirty) = &mut self.dirty {
            dirty.moving.insert(id);
        }
        Ok(moving)
    }

    /// Adds the quantity of a level while the view is built.
    pub fn restore_level(&mut self, level: effects::BookChange) -> Result<(), FoldError> {
        let book = &mut self.moving_mut(level.market)?.book;
        book.apply(&[level]).map(|_| ()).map_err(|error| FoldError::Level(level.market, error))
    }

    /// Adds a trade while the view is built, oldest first.
    pub fn restore_trade(&mut self, market: MarketId, trade: PublicTrade) -> Result<(), FoldError> {
        self.moving_mut(market)?.trades.push(trade);
        Ok(())
    }

    /// Returns the keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the admins.
    pub fn admins(&self) -> &Admins {
        &self.admins
    }

    /// Returns the admins to change them.
    pub fn admins_mut(&mut self) -> &mut Admins {
        self.note(|dirty| dirty.admins = true);
        &mut self.admins
    }

    /// Returns a market.
    pub fn market(&self, id: MarketId) -> Option<&LiveMarket> {
        self.markets.get(&id)
    }

    /// Finds a market by id or ticker. Digits alone are an id: an old ticker without a letter is
    /// not found.
    pub fn market_named(&self, name: &str) -> Option<&LiveMarket> {
        if is_id(name) {
            return self.market(name.parse().ok()?);
        }
        self.market(*self.tickers.get(&name.parse::<Ticker>().ok()?)?)
    }

    /// Returns up to `limit` markets that meet all criteria, in order of ticker, starting after
    /// `after`. Examines at most `steps` markets: if there may be more, the last examined ticker is
    /// returned as well.
    ///
    /// Markets that lack one criterion are passed over together, up to the next one that has it.
    pub fn markets_under(
        &self,
        topics: &[MarketTopic],
        after: Option<&Ticker>,
        limit: usize,
        steps: usize,
    ) -> (Vec<MarketShape>, Option<Ticker>) {
        self.markets_meeting(topics, |_| true, after, limit, steps)
    }

    /// Like [`LiveView::markets_under`], without the markets that `allows` refuses.
    pub fn markets_meeting(
        &self,
        topics: &[MarketTopic],
        allows: impl Fn(&MarketShape) -> bool,
        after: Option<&Ticker>,
        limit: usize,
        steps: usize,
    ) -> (Vec<MarketShape>, Option<Ticker>) {
        let (mut found, mut looked_at, mut from) = (Vec::new(), None, after.map_or(Unbounded, Excluded));
        let fewest = topics.iter().min_by_key(|topic| self.topics.count(topic));
        for _ in 0..steps {
            let Some(ticker) = self.next_ticker(fewest, from) else { return (found, None) };
            looked_at = Some(ticker);
            // The first market from here on that each criterion allows.
            let next: Option<Vec<&Ticker>> =
                topics.iter().map(|topic| self.topics.first(topic, Included(ticker))).collect();
            let Some(next) = next else { return (found, None) };
            let furthest = next.into_iter().max().filter(|next| *next > ticker);
            from = furthest.map_or(Excluded(ticker), Included);
            if furthest.is_none() {
                let market = self.tickers.get(ticker).and_then(|id| Some(&self.markets.get(id)?.market));
                found.extend(market.filter(|market| allows(market)).cloned());
            }
            if found.len() == limit {
                break;
            }
        }
        let more = looked_at.filter(|_| self.next_ticker(fewest, from).is_some());
        (found, more.cloned())
    }

    /// Returns the first ticker of a criterion, or of all markets, from here on.
    fn next_ticker(&self, topic: Option<&MarketTopic>, from: Bound<&Ticker>) -> Option<&Ticker> {
        match topic {
            Some(topic) => self.topics.first(topic, from),
            None => self.tickers.range::<Ticker, _>((from, Unbounded)).next().map(|(ticker, _)| ticker),
        }
    }

    /// Returns the positions that a read of an account must have reached.
    pub fn touched(&self, account: AccountId) -> Vec<LogPosition> {
        self.touched.of(account)
    }

    /// Returns the market events.
    pub fn market_events(&self) -> &MarketEvents {
        &self.market_events
    }

    /// Returns the number of markets.
    pub fn markets_len(&self) -> usize {
        self.markets.len()
    }

    /// Returns the vocabulary of a shard and the parts that read it.
    pub fn parts(&self, shard: Shard) -> Option<&ShardParts> {
        self.parts.get(shard.index())
    }

    /// Folds a new term of a shard.
    pub fn term(&mut self, shard: Shard, term: &Term) {
        self.parts[shard.index()].term(term);
    }

    /// Returns the sequence of a shard; 0 for one that does not exist.
    pub fn sequence(&self, shard: Shard) -> u64 {
        self.positions.get(shard.index()).map_or(0, |position| position.sequence)
    }

    /// Returns the position of every shard.
    pub fn positions(&self) -> Vec<LogPosition> {
        let shards = u16::try_from(self.positions.len()).map_or(0, |n| n);
        Shard::all(shards).map(|shard| LogPosition { shard, sequence: self.sequence(shard) }).collect()
    }

    /// Sets where reading continues after the last folded outcome.
    pub fn reached(&mut self, shard: Shard, position: Checkpoint) {
        self.positions[shard.index()] = position;
    }

    /// Returns where reading continues on each shard.
    pub fn read_from(&self) -> &[Checkpoint] {
        &self.positions
    }

    /// Returns true if the view has reached these positions.
    pub fn has_reached(&self, wanted: &[LogPosition]) -> bool {
        wanted.iter().all(|at| self.sequence(at.shard) >= at.sequence)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use keys::PresentedKey;
    use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Party, Trade};
    use schemas::market::Resolution;
    use schemas::{
        About, AdminId, ApiKey, BookSide, Cause, CommandId, Credits, Entry, FeeRate, Instructions, Listing,
        MarketLimits, MarketState, NewOrder, OrderId, PostOnly, Price, Quantity, ResolutionAnswer, Scopes, Status,
        Terms, TimeInForce, TradeId,
    };

    pub const SHARD: Shard = Shard::new(0).unwrap();

    pub fn listing(ticker: &str) -> Listing {
        let ticker: Ticker = ticker.parse().unwrap();
        Listing {
            market: MarketId::of(&ticker),
            ticker,
            about: About::plain("Will it rain?", "YES if it does.", "tests").unwrap().into(),
            opens: None,
            expiry: Timestamp(1),
            tick: 1,
            maker_fee: FeeRate::ZERO,
            taker_fee: FeeRate::new(20_000).unwrap(),
            dispute_window_ms: 0,
            limits: MarketLimits::NONE,
        }
    }

    pub fn outcome(sequence: u64, events: Vec<Event>) -> Outcome {
        let cause = Cause { offset: sequence, id: CommandId(u128::from(sequence)) };
        Outcome { term: 0, sequence, time: Timestamp(sequence), cause, events }
    }

    pub fn placed(id: u64, entry: Entry, ticks: u16, quantity: u32, filled: u32) -> OrderPlaced {
        let contracts = |n| Quantity::new(n).unwrap();
        let terms = Terms::Limit {
            price: Price::new(ticks).unwrap(),
            quantity: contracts(quantity),
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::Off,
        };
        let (account, market) = (AccountId(id), listing("RAIN").market);
        let (fee_rate, client_id, instructions) = (FeeRate::ZERO, None, Instructions::default());
        let order = NewOrder { account, market, entry, terms, fee_rate, client_id, instructions };
        let status = match filled {
            0 => Status::Active,
            all if all == quantity => Status::Filled,
            _ => Status::PartiallyFilled,
        };
        let (id, price, cancel_reason) = (OrderId(id), entry.book_price(terms.limit()), None);
        OrderPlaced {
            id,
            order,
            price,
            quantity: contracts(quantity),
            filled: contracts(filled),
            status,
            cancel_reason,
        }
    }

    /// `placed`, moved to another price and quantity without a fill.
    pub fn amended(placed: &OrderPlaced, ticks: u16, quantity: u32) -> OrderAmended {
        OrderAmended {
            order: placed.id,
            account: placed.order.account,
            market: placed.order.market,
            entry: placed.order.entry,
            old_price: placed.price,
            old_remaining: placed.resting(),
            price: placed.order.entry.book_price(Price::new(ticks).unwrap()),
            quantity: Quantity::new(quantity).unwrap(),
            filled: placed.filled,
            status: placed.status,
            cancel_reason: None,
            in_place: false,
        }
    }

    pub fn trade(id: u64, maker: &OrderPlaced, taker: &OrderPlaced, quantity: u32, maker_remaining: u32) -> Event {
        let party = |placed: &OrderPlaced| Party {
            order: placed.id,
            account: placed.order.account,
            entry: placed.order.entry,
            fee: Credits(5),
        };
        Event::Traded(Trade {
            id: TradeId(id),
            market: maker.order.market,
            price: maker.price,
            quantity: Quantity::new(quantity).unwrap(),
            maker: party(maker),
            taker: party(taker),
            maker_remaining: Quantity::new(maker_remaining).unwrap(),
        })
    }

    pub fn view_with_market() -> LiveView {
        let mut view = LiveView::at(&[Checkpoint::default()]);
        view.apply(SHARD, &outcome(1, vec![Event::MarketCreated { listing: listing("RAIN"), by: AdminId(1) }]))
            .unwrap();
        view
    }

    #[test]
    fn an_outcome_changes_levels_and_trades_together() {
        let mut view = view_with_market();
        let maker = placed(1, Entry::BuyYes, 5_000, 10, 0);
        view.apply(SHARD, &outcome(2, vec![Event::OrderPlaced(maker)])).unwrap();
        // A BUY NO at 0.45 is an ask at 0.55; this one sells through the bid at 0.50 instead.
        let taker = placed(2, Entry::SellYes, 5_000, 14, 10);
        let events = vec![Event::OrderPlaced(taker), trade(1, &maker, &taker, 10, 0)];
        let changes = view.apply(SHARD, &outcome(3, events)).unwrap();

        let market = listing("RAIN").market;
        let price = Price::new(5_000).unwrap();
        let expected =
            [Level { side: BookSide::Bid, price, quantity: 0 }, Level { side: BookSide::Ask, price, quantity: 4 }];
        assert_eq!(changes.books[&market], expected);
        assert_eq!(changes.trades[&market].len(), 1);
        let live = view.market(market).unwrap();
        assert_eq!(live.moving().unwrap().book.levels(BookSide::Bid).count(), 0);
        assert_eq!(live.moving().unwrap().book.levels(BookSide::Ask).collect::<Vec<_>>(), [(price, 4)]);
        assert_eq!(live.moving().unwrap().trades.newest_first().count(), 1);
        assert!(view.has_reached(&["0:3".parse().unwrap()]));
        assert!(!view.has_reached(&["0:4".parse().unwrap()]));
    }

    #[test]
    fn a_level_follows_an_order_that_moves_shrinks_and_expires() {
        let mut view = view_with_market();
        let bid = placed(1, Entry::BuyYes, 5_000, 10, 0);
        let moved = amended(&bid, 5_100, 8);
        let OrderAmended { order, account, market, entry, price, .. } = moved;
        let contracts = |n| Quantity::new(n).unwrap();
        let steps = [
            (vec![Event::OrderPlaced(bid)], vec![(5_000, 10)]),
            (vec![Event::OrderAmended(moved)], vec![(5_100, 8)]),
            (
                vec![Event::OrderReduced {
                    order,
                    account,
                    market,
                    entry,
                    price,
                    quantity: contracts(3),
                    reason: CancelReason::SelfTrade,
                }],
                vec![(5_100, 5)],
            ),
            (
                vec![Event::OrderCancelled {
                    order,
                    account,
                    market,
                    entry,
                    price,
                    quantity: contracts(5),
                    reason: CancelReason::Expired,
                }],
                vec![],
            ),
        ];
        for (sequence, (events, levels)) in (2..).zip(steps) {
            let touched = view.apply(SHARD, &outcome(sequence, events)).unwrap().books.remove(&market).unwrap();
            assert!(!touched.is_empty());
            let book = &view.market(market).unwrap().moving().unwrap().book;
            let shown: Vec<_> = book.levels(BookSide::Bid).map(|(price, n)| (price.ticks(), n)).collect();
            assert_eq!(shown, levels);
        }
    }

    #[test]
    fn digits_are_an_id_and_never_a_ticker() {
        let mut view = view_with_market();
        let rain = listing("RAIN").market;
        // A listing from when tickers needed no letter.
        let events = [rain.to_string(), "2030".to_owned()];
        let events = events.map(|ticker| Event::MarketCreated { listing: listing(&ticker), by: AdminId(1) });
        view.apply(SHARD, &outcome(2, events.into())).unwrap();
        assert_eq!(view.market_named(&rain.to_string()).unwrap().market.listing.market, rain);
        for name in ["2030", &format!("0{rain}"), &format!("+{rain}")] {
            assert!(view.market_named(name).is_none() && view.archived_named(name).is_none(), "{name}");
        }
        let digits = listing("2030").market;
        assert_eq!(view.market_named(&digits.to_string()).unwrap().market.listing.market, digits);
    }

    #[test]
    fn markets_are_found_by_id_and_ticker_and_listed_by_ticker() {
        let mut view = view_with_market();
        let events = ["A-1", "ZZ"].map(|ticker| Event::MarketCreated { listing: listing(ticker), by: AdminId(1) });
        view.apply(SHARD, &outcome(2, events.into())).unwrap();
        let id = listing("RAIN").market;
        assert_eq!(view.market_named("RAIN").unwrap().market.listing.market, id);
        assert_eq!(view.market_named(&id.to_string()).unwrap().market.listing.market, id);
        assert!(view.market_named("rain").is_none() && view.market_named("1").is_none());
        let tickers = |after: Option<&Ticker>| -> Vec<String> {
            let (found, more) = view.markets_under(&[], after, 9, 9);
            assert!(more.is_none());
            found.iter().map(|market| market.listing.ticker.to_string()).collect()
        };
        assert_eq!(tickers(None), ["A-1", "RAIN", "ZZ"]);
        assert_eq!(tickers(Some(&"B".parse().unwrap())), ["RAIN", "ZZ"]);
        assert_eq!(tickers(Some(&"RAIN".parse().unwrap())), ["ZZ"]);
    }

    #[test]
    fn a_page_of_a_state_looks_at_no_market_of_another_and_no_further_than_it_may() {
        let mut view = view_with_market();
        for number in 0..500 {
            let listing = listing(&format!("M-{number:03}"));
            view.apply(SHARD, &outcome(2 + number, vec![Event::MarketCreated { listing, by: AdminId(1) }])).unwrap();
        }
        let paused = |number: u64| {
            let market = listing(&format!("M-{number:03}")).market;
            let (state, resolution, by) = (MarketState::Paused, None, Some(AdminId(1)));
            outcome(600 + number, vec![Event::MarketChanged { market, state, resolution, by }])
        };
        [7, 400].into_iter().for_each(|number| drop(view.apply(SHARD, &paused(number)).unwrap()));
        let names = |(found, more): (Vec<MarketShape>, Option<Ticker>)| {
            let names: Vec<_> = found.iter().map(|market| market.listing.ticker.to_string()).collect();
            (names, more.map(|more| more.to_string()))
        };
        let in_state = |state, steps| names(view.markets_under(&[MarketTopic::State(state)], None, 9, steps));
        assert_eq!(in_state(MarketState::Paused, 2), (vec!["M-007".to_owned(), "M-400".to_owned()], None));
        assert_eq!(in_state(MarketState::Paused, 1), (vec!["M-007".to_owned()], Some("M-007".to_owned())));
        assert_eq!(in_state(MarketState::Voided, 1), (Vec::new(), None));
        let (found, more) = in_state(MarketState::Created, 100);
        assert_eq!((found.len(), more), (9, Some("M-009".to_owned())));
        // Markets of a category without such a state are examined, a bounded number at a time.
        let category = MarketTopic::Category("tests".parse().unwrap());
        let both = [MarketTopic::State(MarketState::Created), category];
        assert_eq!(names(view.markets_under(&both, Some(&"M-495".parse().unwrap()), 9, 100)).0.len(), 5);
    }

    #[test]
    fn markets_that_lack_a_criterion_are_passed_over_together() {
        let mut view = view_with_market();
        let mut sequence = 1;
        let mut list = |ticker: String, category: &str, tag: Option<&str>| {
            let mut listing = listing(&ticker);
            let about = Arc::make_mut(&mut listing.about);
            about.category = category.parse().unwrap();
            about.tags = schemas::Tags::new(tag.iter().map(|tag| tag.parse().unwrap()).collect()).unwrap();
            sequence += 1;
            view.apply(SHARD, &outcome(sequence, vec![Event::MarketCreated { listing, by: AdminId(1) }])).unwrap();
        };
        for number in 0..300 {
            list(format!("A-{number:03}"), "sports", None);
            list(format!("B-{number:03}"), "weather", Some("rain"));
        }
        list("C".to_owned(), "sports", Some("rain"));
        list("D".to_owned(), "sports", None);
        let both = [MarketTopic::Category("sports".parse().unwrap()), MarketTopic::Tag("rain".parse().unwrap())];
        let names = |steps| {
            let (found, more) = view.markets_under(&both, None, 9, steps);
            (found.iter().map(|market| market.listing.ticker.to_string()).collect::<Vec<_>>(), more)
        };
        assert_eq!(names(5), (vec!["C".to_owned()], None));
        // A search that ends goes on behind the last market that it looked at.
        let mut after = None;
        for _ in 0..5 {
            let (found, more) = view.markets_under(&both, after.as_ref(), 9, 2);
            if !found.is_empty() {
                return;
            }
            after = more;
        }
        panic!("not found after {after:?}");
    }

    #[test]
    fn a_market_changes_and_keys_come_and_go() {
        let mut view = view_with_market();
        let (market, account) = (listing("RAIN").market, AccountId(9));
        let presented = PresentedKey::random();
        let key = ApiKey::with_secret(presented.id, presented.hash(), Scopes::READ_TRADE);
        let state = MarketState::Open;
        let limits = MarketLimits { position: 5, ..MarketLimits::NONE };
        let resolution = Some(Resolution { answer: ResolutionAnswer::Void, proposed_by: AdminId(1), confirmed: None });
        let events = vec![
            Event::MarketChanged { market, state, resolution, by: Some(AdminId(1)) },
            Event::MarketLimited { market, limits, by: AdminId(1) },
            Event::ApiKeyAdded { account, key: key.clone(), by: None },
        ];
        view.apply(SHARD, &outcome(2, events)).unwrap();
        let changed = &view.market(market).unwrap().market;
        assert_eq!((changed.state, changed.resolution), (MarketState::Open, resolution));
        assert_eq!(changed.listing.limits, limits);
        assert!(view.keys().known(presented.id).unwrap().holder(&presented, Timestamp(0)).is_some());
        let changes =
            view.apply(SHARD, &outcome(3, vec![Event::ApiKeyRevoked { account, key: key.id, by: None }])).unwrap();
        assert_eq!(changes.revoked, [(account, key.id)]);
        assert!(view.keys().known(presented.id).unwrap().holder(&presented, Timestamp(0)).is_none());
    }

    #[test]
    fn an_archived_market_is_no_more_than_known() {
        let mut view = view_with_market();
        let id = listing("RAIN").market;
        let state = MarketState::Voided;
        let event = |market| Event::MarketArchived {
            market,
            state,
            resolution: None,
            settled: Timestamp(1),
            fees: Credits::ZERO,
        };
        view.apply(SHARD, &outcome(2, vec![event(id)])).unwrap();
        assert!(view.market(id).is_none() && view.market_named("RAIN").is_none());
        assert_eq!(view.markets_under(&[], None, 9, 9), (Vec::new(), None));
        assert!(view.is_archived(id) && view.archived_named("RAIN") == Some(id));
        assert_eq!((view.archived_named(&id.to_string()), view.archived_named("SNOW")), (Some(id), None));
        let again = view.apply(SHARD, &outcome(3, vec![event(id)]));
        assert!(matches!(again, Err(FoldError::MarketUnknown(_))));
    }

    #[test]
    fn a_log_that_does_not_follow_is_an_error() {
        let mut view = LiveView::at(&[Checkpoint::default()]);
        let orphan = outcome(1, vec![Event::OrderPlaced(placed(1, Entry::BuyYes, 1, 1, 0))]);
        assert!(matches!(view.apply(SHARD, &orphan), Err(FoldError::MarketUnknown(_))));
    }
}
