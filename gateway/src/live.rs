//! The view and the WebSocket subscriptions, shared between the tail and everybody who reads.
//!
//!   tail ─▶ view ─▶ (answers) ─▶ a queue ─▶ *fan-out* ─▶ hub
//!
//! The tail folds an outcome into the view, has it answered, and hands it to the thread that tells watchers: a slow or large fan-out delays no
//! answer. A subscriber holds hub and view, always taken in this order (so nobody holds the view while it waits for the fan-out), for its snapshot and its registration. What the view has then, and the
//! fan-out has not told yet, the hub does not tell this subscriber: so it has every outcome up to its snapshot's sequence and every later one as a
//! delta, and nothing falls between.
//!
//! A poisoned lock is used on: if a fold panicked, its shard has halted, and what is here of the others is whole.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use parking_lot::{FairMutex, FairMutexGuard};
use schemas::ids::LogPosition;
use schemas::reading::Checkpoint;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, ApiKey, ApiKeyId, MarketId, Outcome, Shard, Term};
use service::panic_text;
use tokio::time::Instant;

use crate::store::{Store, StoreError};
use crate::view::keys::KeysOfId;
use crate::view::{FoldError, LiveMarket, LiveView, Moving, ViewChanges};
use crate::waiting::PositionWaiters;
use crate::ws::hub::{Eviction, Hub};

/// Outcomes that wait for the fan-out at most. Beyond that all clients are let go, since none would have all of them.
pub const WAITING_MAX: usize = 16_384;

/// Bytes of their records, likewise.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// See the module.
pub struct Live {
    view: RwLock<LiveView>,
    /// What has what the view does not hold. Never asked under the view's lock, but for archived markets.
    store: Option<Arc<Store>>,
    /// Fair: whoever subscribes has its turn between two outcomes, however many wait.
    hub: Arc<FairMutex<Hub>>,
    fan_out: SyncSender<FoldedOutcome>,
    backlog: Arc<Backlog>,
    waiting: PositionWaiters,
}

/// What is between the tail and the fan-out.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// An outcome was left out, since too much waits: nobody's stream goes on.
    overrun: AtomicBool,
}

/// An outcome, and what it changed in the view.
pub struct FoldedOutcome {
    shard: Shard,
    outcome: Arc<Outcome>,
    changes: ViewChanges,
    /// Bytes of its record.
    bytes: usize,
}

impl Live {
    /// Starts from what was read at boot, with the thread that tells watchers. That ends with the last handle.
    pub fn start(view: LiveView, store: Option<Arc<Store>>, map: ShardMap) -> std::io::Result<Self> {
        let (hub, backlog) = (Arc::new(FairMutex::new(Hub::new(map))), Arc::<Backlog>::default());
        let (fan_out, told) = sync_channel(WAITING_MAX);
        let (tells, waits) = (Arc::clone(&hub), Arc::clone(&backlog));
        std::thread::Builder::new().name("fan-out".to_owned()).spawn(move || tell(&tells, &waits, &told))?;
        Ok(Self { view: RwLock::new(view), store, hub, fan_out, backlog, waiting: PositionWaiters::default() })
    }

    /// Folds an outcome into the view; the log is read on behind it at `position`. [`Live::publish`] what this gives back, once the outcome is
    /// answered.
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
            // What is brought may leave again before it is used, though hardly ever.
            drop(view);
            markets.into_iter().try_for_each(|id| self.load(id))?;
            keys.into_iter().try_for_each(|id| self.keys(id).map(drop))?;
        };
        self.waiting.advance(LogPosition { shard, sequence: outcome.sequence });
        Ok(FoldedOutcome { shard, outcome: Arc::clone(outcome), changes, bytes })
    }

    /// Brings a market's book and trades from the store, if the market is live and they are not here.
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

    /// All keys with this id.
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
            // Else a change of it may have left the memory for the store meanwhile.
            if view.generation() == generation {
                return Ok(view.keys().with_stored(id, stored));
            }
        }
    }

    /// An account's keys, by their ids, and the positions that they are as of.
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

    /// Looks at a live market with its book and trades, by its id or ticker. `None` if there is none.
    pub fn market<T>(
        &self,
        name: &str,
        look: impl Fn(&LiveView, &LiveMarket, &Moving) -> T,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let id = {
                let view = self.view();
                let Some(live) = view.market_named(name) else { return Ok(None) };
                if let Some(moving) = live.moving() {
                    return Ok(Some(look(&view, live, moving)));
                }
                live.market.listing.market
            };
            self.load(id)?;
        }
    }

    /// Changes the view otherwise than by an outcome. Short.
    pub fn change<T>(&self, change: impl FnOnce(&mut LiveView) -> T) -> T {
        change(&mut self.view_mut())
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, LiveView> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an outcome to the thread that tells watchers. Never waits.
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

    /// Lets go who came with a key that the outcome revoked.
    pub fn let_go(&self, told: &FoldedOutcome) {
        if !told.changes.revoked.is_empty() {
            self.hub().revoke(&told.changes.revoked);
        }
    }

    /// A leader began a term.
    pub fn term(&self, shard: Shard, term: &Term) {
        self.view_mut().term(shard, term);
    }

    /// Reads the view. Short, and never across an await.
    pub fn view(&self) -> RwLockReadGuard<'_, LiveView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The subscriptions alone. Never take the view while holding it.
    pub fn hub(&self) -> FairMutexGuard<'_, Hub> {
        self.hub.lock()
    }

    /// The same of a live market with its book and trades. `None` if there is none.
    pub fn subscribe_to<T>(
        &self,
        name: &str,
        act: impl Fn(&LiveView, &mut Hub, &LiveMarket, &Moving) -> T,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let id = {
                let mut hub = self.hub();
                let view = self.view();
                let Some(live) = view.market_named(name) else { return Ok(None) };
                if let Some(moving) = live.moving() {
                    return Ok(Some(act(&view, &mut hub, live, moving)));
                }
                live.market.listing.market
            };
            self.load(id)?;
        }
    }

    /// Reads the view and changes the subscriptions while nothing new comes in.
    pub fn subscribe<T>(&self, act: impl FnOnce(&LiveView, &mut Hub) -> T) -> T {
        let mut hub = self.hub();
        act(&self.view(), &mut hub)
    }

    /// Waits until the view is at least this far. False if it is not by the deadline.
    pub async fn wait(&self, wanted: &[LogPosition], deadline: Instant) -> bool {
        self.waiting.reach(wanted, deadline, |at| self.view().has_reached(&[at])).await
    }
}

/// Tells watchers, in the log's order, for as long as outcomes come. Where one was left out, or cannot be told, all streams begin anew.
fn tell(hub: &FairMutex<Hub>, backlog: &Backlog, told: &Receiver<FoldedOutcome>) {
    while let Ok(FoldedOutcome { shard, outcome, changes, bytes }) = told.recv() {
        let mut hub = hub.lock();
        if backlog.overrun.swap(false, Ordering::AcqRel) {
            tracing::warn!(max = WAITING_MAX, "too many outcomes waited for the fan-out: all streams begin anew");
            hub.evict_all(Eviction::FanOutBehind);
        }
        if !hub.is_empty() {
            let publish = AssertUnwindSafe(|| hub.publish(shard, &outcome, &changes));
            if let Err(payload) = catch_unwind(publish) {
                let (sequence, panic) = (outcome.sequence, panic_text(&*payload));
                tracing::error!(%shard, sequence, panic, "an outcome cannot be told: all streams begin anew");
                hub.evict_all(Eviction::FanOutBehind);
            }
        }
        drop(hub);
        backlog.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::view::tests::{SHARD, outcome, placed, view_with_market};
    use crate::ws::hub::{ClientQueue, Subject};
    use schemas::{Entry, Event};

    fn live() -> Arc<Live> {
        Arc::new(Live::start(view_with_market(), None, ShardMap::new(4).unwrap()).unwrap())
    }

    fn bid(sequence: u64) -> Arc<Outcome> {
        let order = placed(sequence, Entry::BuyYes, 5_000, 10, 0);
        Arc::new(outcome(sequence, vec![Event::OrderPlaced(order)]))
    }

    /// In a thread of its own, within a time that only what waits for nobody keeps.
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
        // The view has all of them, whoever was told.
        live.subscribe(|view, hub| {
            let at = view.positions().into_iter().map(|at| (at.shard, at.sequence));
            hub.subscribe(inboxes[1].client, Subject::Book(market), at).unwrap();
        });
        publish(&live, 10..12);
        let mut sequences = Vec::new();
        for (inbox, wanted) in inboxes.iter_mut().zip([10, 2]) {
            let mut told = Vec::new();
            for _ in 0..wanted {
                let frame = tokio::time::timeout(Duration::from_secs(20), inbox.frames.recv()).await.unwrap().unwrap();
                told.push(frame.sequence);
            }
            sequences.push(told);
        }
        assert_eq!(sequences, [(2..12).collect::<Vec<_>>(), vec![10, 11]]);
    }

    /// Hands `count` outcomes of `bytes` each to a fan-out that hangs; true once one was left out.
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
        // As many as the queue holds, and one that the thread has taken out.
        assert!(hangs(&live, WAITING_MAX as u64 + 2, 1), "the queue has no bound");
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
