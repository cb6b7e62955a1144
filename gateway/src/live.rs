//! The view and the WebSocket subscriptions, shared between the tail and all readers.
//!
//!   tail ─▶ view ─▶ (answers) ─▶ a queue ─▶ *fan-out* ─▶ hub
//!
//! The tail folds an outcome into the view, delivers its results, and hands it to the fan-out
//! thread, so a slow or large fan-out delays no answer. A subscriber locks hub and view, always in
//! this order (so no thread holds the view while it waits for the fan-out), takes its snapshot and
//! registers. The hub does not deliver to it what the snapshot already contains, so it receives
//! every outcome up to its snapshot's sequence in the snapshot and every later one as a delta.
//!
//! A poisoned lock stays in use: if a fold panicked, its shard has halted, and the data of the
//! others is consistent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use parking_lot::{FairMutex, FairMutexGuard};
use schemas::ids::LogPosition;
use schemas::reading::Checkpoint;
use schemas::{AccountId, ApiKey, ApiKeyId, MarketId, Outcome, Shard, Term};
use service::panic_text;
use tokio::time::Instant;

use crate::books::BookCopy;
use crate::store::{Store, StoreError};
use crate::view::keys::KeysOfId;
use crate::view::{FoldError, LiveMarket, LiveView, Moving, ViewChanges};
use crate::waiting::PositionWaiters;
use crate::ws::hub::{Eviction, Hub};

/// The most outcomes that wait for the fan-out. Beyond that all clients are evicted, because no
/// client would receive all of them.
pub const WAITING_MAX: usize = 16_384;

/// The most outcomes that are queued before some are delivered.
const TOGETHER: usize = 64;

/// The most bytes of their records.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The view and the subscriptions.
pub struct Live {
    view: RwLock<LiveView>,
    /// Contains what the view does not hold. Never read under the view's lock, except for archived
    /// markets.
    store: Option<Arc<Store>>,
    /// Fair: a subscriber gets the lock between two outcomes, however many wait.
    hub: Arc<FairMutex<Hub>>,
    fan_out: SyncSender<FoldedOutcome>,
    backlog: Arc<Backlog>,
    waiting: PositionWaiters,
}

/// The outcomes between the tail and the fan-out.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// An outcome was dropped because too many wait: no stream can continue.
    overrun: AtomicBool,
}

/// An outcome, and the changes that it made to the view.
pub struct FoldedOutcome {
    shard: Shard,
    outcome: Arc<Outcome>,
    changes: ViewChanges,
    /// Bytes of its record.
    bytes: usize,
}

impl Live {
    /// Creates the shared state and starts the fan-out thread, which ends with the last handle.
    pub fn start(view: LiveView, store: Option<Arc<Store>>, hub: Hub) -> std::io::Result<Self> {
        let (hub, backlog) = (Arc::new(FairMutex::new(hub)), Arc::<Backlog>::default());
        let (fan_out, told) = sync_channel(WAITING_MAX);
        let (tells, waits) = (Arc::clone(&hub), Arc::clone(&backlog));
        std::thread::Builder::new().name("fan-out".to_owned()).spawn(move || tell(&tells, &waits, &told))?;
        Ok(Self { view: RwLock::new(view), store, hub, fan_out, backlog, waiting: PositionWaiters::default() })
    }

    /// Folds an outcome into the view; reading continues at `position`. Pass the result to
    /// [`Live::publish`] after the outcome's results were delivered.
    pub fn apply(
        &self,
        shard: Shard,
        outcome: &Arc<Outcome>,
        bytes: usize,
        position: Checkpoint,
    ) -> Result<FoldedOutcome, FoldError> {
        let changes = loop {
            let mut view = self.view_mut();
            let (markets, keys) = view.missing(outcome);
            if markets.is_empty() && keys.is_empty() {
                let changes = view.apply(shard, outcome)?;
                view.reached(shard, position);
                break changes;
            }
            // A loaded book may be dropped again before it is used; that is rare.
            drop(view);
            markets.into_iter().try_for_each(|id| self.load(id))?;
            keys.into_iter().try_for_each(|id| self.keys(id).map(drop))?;
        };
        self.waiting.advance(LogPosition { shard, sequence: outcome.sequence });
        Ok(FoldedOutcome { shard, outcome: Arc::clone(outcome), changes, bytes })
    }

    /// Loads a live market's book and trades from the store, if they are not in memory.
    fn load(&self, id: MarketId) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let generation = {
            let view = self.view();
            let is_missing = view.market(id).is_some_and(|live| live.moving().is_none());
            if !is_missing {
                return Ok(());
            }
            view.generation()
        };
        let moving = store.moving(id)?;
        self.view_mut().load(id, moving, generation);
        Ok(())
    }

    /// Returns all keys with this id.
    pub fn keys(&self, id: ApiKeyId) -> Result<KeysOfId, StoreError> {
        loop {
            let generation = {
                let view = self.view();
                if let Some(known) = view.keys().known(id) {
                    return Ok(known);
                }
                view.generation()
            };
            let Some(store) = &self.store else { return Ok(KeysOfId::default()) };
            let stored = KeysOfId(store.keys(id)?);
            let view = self.view();
            // Otherwise a change may have moved from memory to the store meanwhile.
            if view.generation() == generation {
                return Ok(view.keys().with_stored(id, stored));
            }
        }
    }

    /// Returns an account's keys by id, and the positions that they are as of.
    pub fn keys_of(&self, account: AccountId) -> Result<(Vec<Arc<ApiKey>>, Vec<LogPosition>), StoreError> {
        loop {
            let generation = self.view().generation();
            let stored = self.store.as_ref().map(|store| store.keys_of(account)).transpose()?.unwrap_or_default();
            let view = self.view();
            if view.generation() == generation {
                return Ok((view.keys().all_of(account, stored), view.positions()));
            }
        }
    }

    /// Reads a live market with its book and trades, by id or ticker. Returns `None` if there is
    /// none.
    pub fn market<T>(
        &self,
        name: &str,
        look: impl Fn(&LiveView, &LiveMarket, &Moving) -> T,
    ) -> Result<Option<T>, StoreError> {
        self.with_loaded(|| {
            let view = self.view();
            Ok(in_memory(&view, name)?.map(|(live, moving)| look(&view, live, moving)))
        })
    }

    /// Copies a live market's book, if it is in memory.
    pub fn newest_book(&self, id: MarketId) -> Option<BookCopy> {
        let view = self.view();
        let live = view.market(id)?;
        let (shard, book) = (live.market.shard, live.moving()?.book.clone());
        Some(BookCopy { book, at: LogPosition { shard, sequence: view.sequence(shard) } })
    }

    /// Tries again after it has loaded the market that an attempt lacks.
    fn with_loaded<T>(&self, attempt: impl Fn() -> Result<T, MarketId>) -> Result<T, StoreError> {
        loop {
            match attempt() {
                Ok(found) => return Ok(found),
                Err(lacking) => self.load(lacking)?,
            }
        }
    }

    /// Changes the view in another way than by an outcome. Must be short.
    pub fn change<T>(&self, change: impl FnOnce(&mut LiveView) -> T) -> T {
        change(&mut self.view_mut())
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, LiveView> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an outcome to the fan-out thread. Never waits.
    pub fn publish(&self, told: FoldedOutcome) {
        let bytes = told.bytes;
        let sent = match self.backlog.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes > WAITING_BYTES_MAX {
            true => Err(TrySendError::Full(told)),
            false => self.fan_out.try_send(told),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.backlog.bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.backlog.overrun.store(true, Ordering::Release);
        }
    }

    /// Evicts clients that authenticated with a key that the outcome revoked.
    pub fn let_go(&self, told: &FoldedOutcome) {
        if !told.changes.revoked.is_empty() {
            self.hub().revoke(&told.changes.revoked);
        }
    }

    /// Notes a new term of a shard.
    pub fn term(&self, shard: Shard, term: &Term) {
        self.view_mut().term(shard, term);
    }

    /// Locks the view for reading. Must be short, and never held across an await.
    pub fn view(&self) -> RwLockReadGuard<'_, LiveView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the subscriptions. Never lock the view while holding them.
    pub fn hub(&self) -> FairMutexGuard<'_, Hub> {
        self.hub.lock()
    }

    /// The same for a live market with its book and trades. Returns `None` if there is none.
    pub fn subscribe_to<T>(
        &self,
        name: &str,
        act: impl Fn(&LiveView, &mut Hub, &LiveMarket, &Moving) -> T,
    ) -> Result<Option<T>, StoreError> {
        self.with_loaded(|| {
            let mut hub = self.hub();
            let view = self.view();
            Ok(in_memory(&view, name)?.map(|(live, moving)| act(&view, &mut hub, live, moving)))
        })
    }

    /// Reads the view and changes the subscriptions while no new outcome is folded.
    pub fn subscribe<T>(&self, act: impl FnOnce(&LiveView, &mut Hub) -> T) -> T {
        let mut hub = self.hub();
        act(&self.view(), &mut hub)
    }

    /// Waits until the view has reached these positions. Returns false if it has not by the
    /// deadline.
    pub async fn wait(&self, wanted: &[LogPosition], deadline: Instant) -> bool {
        self.waiting.reach(wanted, deadline, |at| self.view().has_reached(&[at])).await
    }
}

/// Finds a live market by id or ticker. Fails with its id if its book and trades must be loaded first.
fn in_memory<'a>(view: &'a LiveView, name: &str) -> Result<Option<(&'a LiveMarket, &'a Moving)>, MarketId> {
    let Some(live) = view.market_named(name) else { return Ok(None) };
    let moving = live.moving().ok_or(live.market.listing.market)?;
    Ok(Some((live, moving)))
}

/// Delivers outcomes to subscribers, in the log's order. If one was dropped or cannot be delivered,
/// all streams start again.
fn tell(hub: &FairMutex<Hub>, backlog: &Backlog, told: &Receiver<FoldedOutcome>) {
    // When the hub goes on with what it was told before.
    let mut due: Option<std::time::Instant> = None;
    loop {
        let next = match due {
            None => told.recv().map_err(RecvTimeoutError::from),
            Some(due) => told.recv_timeout(due.saturating_duration_since(std::time::Instant::now())),
        };
        let mut waiting = match next {
            Ok(first) => vec![first],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if !waiting.is_empty() {
            waiting.extend(told.try_iter().take(TOGETHER - 1));
        }
        let bytes: usize = waiting.iter().map(|told| told.bytes).sum();
        let mut hub = hub.lock();
        if backlog.overrun.swap(false, Ordering::AcqRel) {
            tracing::warn!(max = WAITING_MAX, "too many outcomes waited for the fan-out: all streams begin anew");
            hub.evict_all(Eviction::FanOutBehind);
        }
        let now = std::time::Instant::now();
        let publish = AssertUnwindSafe(|| {
            for FoldedOutcome { shard, outcome, changes, .. } in &waiting {
                hub.publish(*shard, outcome, changes, now);
            }
            hub.deliver(now)
        });
        due = catch_unwind(publish).unwrap_or_else(|payload| {
            let panic = panic_text(&*payload);
            tracing::error!(panic, "outcomes cannot be told: all streams begin anew");
            hub.evict_all(Eviction::FanOutBehind);
            None
        });
        drop(hub);
        backlog.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::view::tests::{SHARD, outcome, placed, view_with_market};
    use crate::ws::hub::ClientQueue;
    use crate::ws::subject::Subject;
    use schemas::shard_map::ShardMap;
    use schemas::{Entry, Event};

    fn live() -> Arc<Live> {
        Arc::new(Live::start(view_with_market(), None, Hub::new(ShardMap::new(4).unwrap(), usize::MAX)).unwrap())
    }

    fn bid(sequence: u64) -> Arc<Outcome> {
        let order = placed(sequence, Entry::BuyYes, 5_000, 10, 0);
        Arc::new(outcome(sequence, vec![Event::OrderPlaced(order)]))
    }

    /// Runs in a separate thread, within a time that a waiting publisher would exceed.
    fn publish(live: &Arc<Live>, sequences: std::ops::Range<u64>) {
        let (live, (done, is_done)) = (Arc::clone(live), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            for sequence in sequences {
                live.publish(
                    live.apply(SHARD, &bid(sequence), 100, Checkpoint { sequence, ..Checkpoint::default() }).unwrap(),
                );
            }
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(20)).expect("publishing waits for nobody");
    }

    #[tokio::test]
    async fn a_fan_out_that_hangs_delays_no_outcome_and_a_later_snapshot_is_not_told_what_it_has() {
        let live = live();
        let market = crate::view::tests::listing("RAIN").market;
        let mut inboxes: Vec<_> = (0..2).map(|_| live.hub().connect()).collect();
        live.hub().subscribe(inboxes[0].client, Subject::Book(market), [(SHARD, 1)]).unwrap();
        let hub = live.hub();
        publish(&live, 2..10);
        drop(hub);
        // The view has all of them, whatever was delivered.
        live.subscribe(|view, hub| {
            let at = view.positions().into_iter().map(|at| (at.shard, at.sequence));
            hub.subscribe(inboxes[1].client, Subject::Book(market), at).unwrap();
        });
        publish(&live, 10..12);
        let mut sequences = Vec::new();
        for (inbox, wanted) in inboxes.iter_mut().zip([10, 2]) {
            let mut told = Vec::new();
            while told.len() < wanted {
                let frames = tokio::time::timeout(Duration::from_secs(20), inbox.frames.take()).await.unwrap();
                told.extend(frames.iter().map(|frame| frame.sequence));
            }
            sequences.push(told);
        }
        assert_eq!(sequences, [(2..12).collect::<Vec<_>>(), vec![10, 11]]);
    }

    /// Publishes `count` outcomes of `bytes` each to a hanging fan-out; returns true once one was
    /// dropped.
    fn hangs(live: &Live, count: u64, bytes: usize) -> bool {
        let hub = live.hub();
        for sequence in 1..=count {
            live.publish(FoldedOutcome {
                shard: SHARD,
                outcome: bid(sequence),
                changes: ViewChanges::default(),
                bytes,
            });
        }
        let overrun = live.backlog.overrun.load(Ordering::Relaxed);
        drop(hub);
        overrun
    }

    fn is_let_go(inbox: &ClientQueue) -> bool {
        let start = std::time::Instant::now();
        while inbox.evicted.borrow().is_none() && start.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        *inbox.evicted.borrow() == Some(Eviction::FanOutBehind)
    }

    #[test]
    fn where_more_outcomes_wait_than_may_all_streams_begin_anew() {
        let live = live();
        let inbox = live.hub().connect();
        // As many as the queue holds, and those that the thread has taken.
        assert!(hangs(&live, (WAITING_MAX + TOGETHER) as u64 + 1, 1), "the queue has no bound");
        assert!(is_let_go(&inbox));
    }

    #[test]
    fn large_outcomes_that_wait_are_bounded_by_their_bytes() {
        let live = live();
        let inbox = live.hub().connect();
        assert!(!hangs(&live, 8, WAITING_BYTES_MAX / 16));
        assert!(hangs(&live, 20, WAITING_BYTES_MAX / 16), "the queue has no bound");
        assert!(is_let_go(&inbox));
        let start = std::time::Instant::now();
        while live.backlog.bytes.load(Ordering::Relaxed) > 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "what was told still counts");
            std::thread::yield_now();
        }
    }
}
