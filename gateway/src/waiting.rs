//! Requests that wait for a position. Each is woken when its own position is reached and not
//! before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::Shard;
use schemas::ids::LogPosition;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// By shard and sequence; the number distinguishes requests that wait for the same position.
type Place = (Shard, u64, u64);

/// The waiting requests.
#[derive(Default)]
pub struct PositionWaiters {
    places: Mutex<Places>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Places {
    next: u64,
    waiting: BTreeMap<Place, oneshot::Sender<()>>,
}

impl PositionWaiters {
    /// Returns true if any request waits.
    pub fn is_wanted(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Wakes the requests that wait for this position or an earlier one.
    pub fn advance(&self, at: LogPosition) {
        if !self.is_wanted() {
            return;
        }
        let mut places = self.places();
        let after = (at.shard, at.sequence, u64::MAX);
        while let Some((&place, _)) = places.waiting.range((at.shard, 0, 0)..=after).next() {
            if let Some(waits) = places.waiting.remove(&place) {
                // The waiting request may be gone.
                let _gone = waits.send(());
            }
        }
        self.count.store(places.waiting.len(), Ordering::Release);
    }

    /// Waits until all positions are reached. `has` checks one; it must return true for everything
    /// that [`PositionWaiters::advance`] was told. Returns false if they are not reached by the
    /// deadline.
    pub async fn reach(&self, wanted: &[LogPosition], deadline: Instant, has: impl Fn(LogPosition) -> bool) -> bool {
        for &at in wanted {
            if has(at) {
                continue;
            }
            // Registered before the second check, so that an advance between the two is not missed.
            let (ticket, woken) = self.register(at);
            let reached = has(at) || timeout_at(deadline, woken).await.is_ok();
            drop(ticket);
            if !reached && !has(at) {
                return false;
            }
        }
        true
    }

    fn register(&self, at: LogPosition) -> (WaiterKey<'_>, oneshot::Receiver<()>) {
        let (sender, woken) = oneshot::channel();
        let mut places = self.places();
        let place = (at.shard, at.sequence, places.next);
        places.next += 1;
        places.waiting.insert(place, sender);
        self.count.store(places.waiting.len(), Ordering::Release);
        (WaiterKey { waiting: self, place }, woken)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's registration, which ends when it is dropped.
struct WaiterKey<'a> {
    waiting: &'a PositionWaiters,
    place: Place,
}

impl Drop for WaiterKey<'_> {
    fn drop(&mut self) {
        let mut places = self.waiting.places();
        places.waiting.remove(&self.place);
        self.waiting.count.store(places.waiting.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    fn at(shard: u16, sequence: u64) -> LogPosition {
        LogPosition { shard: Shard::new(shard).unwrap(), sequence }
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_woken_by_its_own_position_alone() {
        let (waiting, reached, looks) =
            (Arc::new(PositionWaiters::default()), Arc::new(AtomicU64::new(0)), Arc::default());
        let deadline = Instant::now() + Duration::from_secs(2);
        let wait = |wanted: Vec<LogPosition>| {
            let (waiting, reached, looks) =
                (Arc::clone(&waiting), Arc::clone(&reached), Arc::<AtomicU64>::clone(&looks));
            tokio::spawn(async move {
                let has = |at: LogPosition| {
                    looks.fetch_add(1, Ordering::Relaxed);
                    at.shard.number() == 1 && at.sequence <= reached.load(Ordering::Relaxed)
                };
                waiting.reach(&wanted, deadline, has).await
            })
        };
        let (near, far, elsewhere) = (wait(vec![at(1, 5)]), wait(vec![at(1, 500)]), wait(vec![at(1, 5), at(2, 1)]));
        while waiting.count.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        let before = looks.load(Ordering::Relaxed);
        for sequence in 1..=5 {
            reached.store(sequence, Ordering::Relaxed);
            waiting.advance(at(1, sequence));
        }
        assert!(near.await.unwrap());
        assert!(looks.load(Ordering::Relaxed) <= before + 2, "only those are woken whose position came");
        assert_eq!((far.await.unwrap(), elsewhere.await.unwrap()), (false, false));
        assert!(Instant::now() >= deadline && !waiting.is_wanted());
    }
}
