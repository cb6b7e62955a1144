//! The view and the WebSocket subscriptions, shared between the tail and everybody who reads.
//!
//!   tail ─▶ view ─▶ (answers) ─▶ a queue ─▶ *fan-out* ─▶ hub
//!
//! The tail folds an outcome into the view, has it answered, and hands it to the thread that tells watchers: a slow or large fan-out delays no
//! answer. A subscriber holds view and hub, always taken in this order, for its snapshot and its registration. What the view has then, and the
//! fan-out has not told yet, the hub does not tell this subscriber: so it has every outcome up to its snapshot's sequence and every later one as a
//! delta, and nothing falls between.
//!
//! A poisoned lock is used on: if a fold panicked, its shard has halted, and what is here of the others is whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use schemas::ids::Coordinate;
use schemas::shard_map::ShardMap;
use schemas::{Outcome, Shard, Term};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::view::{Changes, FoldError, LiveView};
use crate::ws::hub::{Eviction, Hub};

/// Outcomes that wait for the fan-out at most. Beyond that all clients are let go, since none would have all of them.
const WAITING_MAX: usize = 16_384;

/// See the module.
pub struct Live {
    view: RwLock<LiveView>,
    hub: Arc<Mutex<Hub>>,
    fan_out: SyncSender<Told>,
    /// The queue was full: what is in it is of no use to those who come now.
    overrun: AtomicBool,
    advanced: Notify,
}

/// An outcome, and what it changed in the view.
pub struct Told {
    shard: Shard,
    outcome: Arc<Outcome>,
    changes: Changes,
}

impl Live {
    /// Starts from what was read at boot, with the thread that tells watchers. That ends with the last handle.
    pub fn start(view: LiveView, map: ShardMap) -> std::io::Result<Self> {
        let hub = Arc::new(Mutex::new(Hub::new(map)));
        let (fan_out, told) = sync_channel(WAITING_MAX);
        let tells = Arc::clone(&hub);
        std::thread::Builder::new().name("fan-out".to_owned()).spawn(move || tell(&tells, &told))?;
        let (view, overrun, advanced) = (RwLock::new(view), AtomicBool::new(false), Notify::new());
        Ok(Self { view, hub, fan_out, overrun, advanced })
    }

    /// Folds an outcome into the view. [`Live::publish`] what this gives back, once the outcome is answered.
    pub fn apply(&self, shard: Shard, outcome: &Arc<Outcome>) -> Result<Told, FoldError> {
        let changes = self.view.write().unwrap_or_else(PoisonError::into_inner).apply(shard, outcome)?;
        self.advanced.notify_waiters();
        Ok(Told { shard, outcome: Arc::clone(outcome), changes })
    }

    /// Hands an outcome to the thread that tells watchers. Never waits.
    pub fn publish(&self, told: Told) {
        match self.fan_out.try_send(told) {
            Ok(()) => self.overrun.store(false, Ordering::Relaxed),
            Err(TrySendError::Full(_)) => {
                if !self.overrun.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the fan-out is behind by {WAITING_MAX} outcomes: all streams begin anew");
                }
                self.hub().evict_all(Eviction::FanOutBehind);
            }
            // The thread ends after a panic alone, and a stream that says nothing would be a lie.
            Err(TrySendError::Disconnected(_)) => self.hub().evict_all(Eviction::FanOutBehind),
        }
    }

    /// A leader began a term.
    pub fn term(&self, shard: Shard, term: &Term) {
        self.view.write().unwrap_or_else(PoisonError::into_inner).term(shard, term);
    }

    /// Reads the view. Short, and never across an await.
    pub fn view(&self) -> RwLockReadGuard<'_, LiveView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The subscriptions alone. Never take the view while holding it.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the view and changes the subscriptions while nothing new comes in.
    pub fn subscribe<T>(&self, act: impl FnOnce(&LiveView, &mut Hub) -> T) -> T {
        let view = self.view();
        act(&view, &mut self.hub())
    }

    /// Waits until the view is at least this far. False if it is not by the deadline.
    pub async fn wait(&self, wanted: &[Coordinate], deadline: Instant) -> bool {
        loop {
            let advanced = self.advanced.notified();
            tokio::pin!(advanced);
            // Registered before the look, so that an advance between the two is not missed.
            advanced.as_mut().enable();
            if self.view().has_reached(wanted) {
                return true;
            }
            if tokio::time::timeout_at(deadline, advanced).await.is_err() {
                return self.view().has_reached(wanted);
            }
        }
    }
}

/// Tells watchers, in the log's order, for as long as outcomes come.
fn tell(hub: &Mutex<Hub>, told: &Receiver<Told>) {
    while let Ok(Told { shard, outcome, changes }) = told.recv() {
        let mut hub = hub.lock().unwrap_or_else(PoisonError::into_inner);
        if !hub.is_empty() {
            hub.publish(shard, &outcome, &changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::view::tests::{SHARD, outcome, placed, view_with_market};
    use crate::ws::hub::Topic;
    use schemas::{Entry, Event};

    fn live() -> Arc<Live> {
        Arc::new(Live::start(view_with_market(), ShardMap::new(4).unwrap()).unwrap())
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
                live.publish(live.apply(SHARD, &bid(sequence)).unwrap());
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
        live.hub().subscribe(inboxes[0].client, Topic::Book(market), [(SHARD, 1)]).unwrap();
        let hub = live.hub();
        publish(&live, 2..10);
        drop(hub);
        // The view has all of them, whoever was told.
        live.subscribe(|view, hub| {
            let at = view.positions().into_iter().map(|at| (at.shard, at.sequence));
            hub.subscribe(inboxes[1].client, Topic::Book(market), at).unwrap();
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

    #[test]
    fn where_more_outcomes_wait_than_may_all_streams_begin_anew() {
        let live = live();
        let inbox = live.hub().connect();
        let hub = live.hub();
        let full = Arc::clone(&live);
        // As many as the queue holds, one that the thread has taken out, and one more, which waits for the hub to let clients go.
        let filling = std::thread::spawn(move || {
            for sequence in 1..=WAITING_MAX as u64 + 2 {
                full.publish(Told { shard: SHARD, outcome: bid(sequence), changes: Changes::default() });
            }
        });
        let start = std::time::Instant::now();
        while !live.overrun.load(Ordering::Relaxed) {
            assert!(start.elapsed() < Duration::from_secs(20), "the queue has no bound");
            std::thread::yield_now();
        }
        drop(hub);
        filling.join().unwrap();
        assert_eq!(*inbox.evicted.borrow(), Some(Eviction::FanOutBehind));
    }
}
