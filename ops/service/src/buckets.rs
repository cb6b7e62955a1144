//! Rates of many owners: each has a bucket of tokens, and a full bucket is the same as none.
//!
//! The arithmetic is `governor`'s (GCRA: one time for each owner). Its stores keep every owner that
//! was ever seen, and it cannot look into a bucket without taking, so the store is our own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// Owners whose buckets are not full, at most. Those beyond share one bucket.
pub const OWNERS_MAX: usize = 65_536;

/// Time between two looks for buckets that are full again.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How fast a bucket fills, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketRate {
    /// Tokens a second.
    pub per_second: NonZeroU32,
    /// Tokens of a full bucket.
    pub burst: NonZeroU32,
}

/// See the module.
pub struct Buckets<K: Hash + Eq + Clone> {
    limiter: RateLimiter<Visit<K>, BucketStore<K>, TokioClock, NoOpMiddleware<Nanos>>,
    burst: NonZeroU32,
    swept: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Creates full buckets for everybody.
    pub fn new(rate: BucketRate) -> Self {
        Self::of_at_most(OWNERS_MAX, Quota::per_second(rate.per_second).allow_burst(rate.burst))
    }

    /// Creates full buckets of `burst` tokens for everybody; an empty one is full again after `within`.
    pub fn slow(burst: NonZeroU32, within: Duration) -> Self {
        let each = (within / burst.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).expect("it is not zero");
        Self::of_at_most(OWNERS_MAX, quota.allow_burst(burst))
    }

    fn of_at_most(owners: usize, quota: Quota) -> Self {
        let store = BucketStore { owners, state: Mutex::new(State { times: HashMap::new(), rest: None }) };
        let limiter = RateLimiter::new(quota, store, TokioClock(Instant::now()));
        Self { limiter, burst: quota.burst_size(), swept: Mutex::new(Instant::now()) }
    }

    /// Takes so many tokens, at most what a full bucket holds. An error says when they would be
    /// there; nothing is taken then.
    pub fn take(&self, key: K, count: NonZeroU32) -> Result<(), Duration> {
        self.sweep();
        self.visit(Visit { key, takes: true }, count)
    }

    /// Looks whether a token is there. An error says when one would be.
    pub fn look(&self, key: K) -> Result<(), Duration> {
        self.visit(Visit { key, takes: false }, NonZeroU32::MIN)
    }

    fn visit(&self, visit: Visit<K>, count: NonZeroU32) -> Result<(), Duration> {
        let found = self.limiter.check_key_n(&visit, count.min(self.burst));
        let found = found.expect("no more is asked for than a bucket holds");
        found.map_err(|not_until| not_until.wait_time_from(self.limiter.clock().now()))
    }

    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.elapsed() >= SWEEP_EVERY {
            *swept = Instant::now();
            drop(swept);
            self.limiter.retain_recent();
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Visit<K> {
    key: K,
    takes: bool,
}

struct BucketStore<K> {
    owners: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    /// When each bucket will be full.
    times: HashMap<K, Nanos>,
    /// The same of the bucket that all others share.
    rest: Option<Nanos>,
}

impl<K> BucketStore<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for BucketStore<K> {
    type Key = Visit<K>;

    fn measure_and_replace<T, F, E>(&self, visit: &Visit<K>, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut state = self.state();
        let State { times, rest } = &mut *state;
        let is_full = times.len() >= self.owners;
        if !visit.takes {
            let time = times.get(&visit.key).copied();
            let (found, _) = measure(if time.is_none() && is_full { *rest } else { time })?;
            return Ok(found);
        }
        match times.entry(visit.key.clone()) {
            Entry::Occupied(mut time) => {
                let (found, next) = measure(Some(*time.get()))?;
                time.insert(next);
                Ok(found)
            }
            Entry::Vacant(_) if is_full => {
                let (found, next) = measure(*rest)?;
                *rest = Some(next);
                Ok(found)
            }
            Entry::Vacant(time) => {
                let (found, next) = measure(None)?;
                time.insert(next);
                Ok(found)
            }
        }
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<Visit<K>> for BucketStore<K> {
    fn retain_recent(&self, full_at: Nanos) {
        let mut state = self.state();
        state.times.retain(|_, time| *time > full_at);
        // What a flood of owners took is given back.
        let room = 2 * state.times.len();
        state.times.shrink_to(room);
    }

    fn len(&self) -> usize {
        self.state().times.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The runtime's clock, which tests can move.
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn many(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn buckets(owners: usize) -> Buckets<u8> {
        Buckets::of_at_most(owners, Quota::per_second(many(10)).allow_burst(many(4)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_a_burst_and_fills_again_and_each_owner_has_one() {
        let buckets = buckets(8);
        assert_eq!(buckets.take(1, many(3)), Ok(()));
        let wait = Duration::from_millis(100);
        assert_eq!(buckets.take(1, many(2)), Err(wait));
        // A failure took nothing.
        assert_eq!((buckets.take(1, ONE), buckets.take(1, ONE)), (Ok(()), Err(wait)));
        assert_eq!((buckets.look(1), buckets.look(2), buckets.take(2, many(4))), (Err(wait), Ok(()), Ok(())));
        tokio::time::advance(wait).await;
        assert_eq!((buckets.look(1), buckets.look(1)), (Ok(()), Ok(())), "looking takes nothing");
        assert_eq!((buckets.take(1, ONE), buckets.take(1, ONE)), (Ok(()), Err(wait)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_more_than_a_bucket_holds_takes_a_whole_one() {
        let buckets = buckets(8);
        assert_eq!(buckets.take(1, many(9)), Ok(()));
        assert_eq!(buckets.take(1, many(9)), Err(Duration::from_millis(400)));
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_bounded_and_those_with_a_full_bucket_are_forgotten() {
        let buckets = buckets(2);
        assert_eq!((buckets.take(1, ONE), buckets.take(2, ONE)), (Ok(()), Ok(())));
        assert_eq!((buckets.take(3, many(3)), buckets.take(4, ONE)), (Ok(()), Ok(())));
        assert!(buckets.look(5).is_err() && buckets.take(5, ONE).is_err(), "they share one");
        assert_eq!((buckets.limiter.len(), buckets.look(1)), (2, Ok(())));
        tokio::time::advance(SWEEP_EVERY).await;
        assert_eq!((buckets.take(5, ONE), buckets.limiter.len()), (Ok(()), 1));
    }
}
