//! Rates of many owners: each has a bucket of tokens, and a full bucket is the same as none.
//!
//! The arithmetic is GCRA: one time for each owner, when its bucket will be full again. It is our
//! own, because a bucket must also be looked into, get tokens back, and lose tokens that were taken
//! in other processes ([`Buckets::unshared`], [`Buckets::settle`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Owners whose buckets are not full, at most. Those beyond share one bucket.
pub const OWNERS_MAX: usize = 65_536;

/// Time between two looks for buckets that are full again.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What is taken of a bucket, at least one part of so many, before other processes should hear of it
/// at once.
const SHARED_PARTS: u64 = 8;

/// How fast a bucket fills, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketRate {
    /// Tokens a second.
    pub per_second: NonZeroU32,
    /// Tokens of a full bucket.
    pub burst: NonZeroU32,
}

/// What is in a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketLevel {
    /// Tokens.
    pub left: u32,
    /// When it will be full.
    pub full_in: Duration,
}

/// See the module.
pub struct Buckets<K: Hash + Eq + Clone> {
    /// Nanoseconds in which one token comes back.
    each: u64,
    burst: NonZeroU32,
    /// Owners whose buckets are so many times as large, and fill as much faster.
    larger: HashMap<K, NonZeroU32>,
    owners: usize,
    start: Instant,
    state: Mutex<State<K>>,
    /// Wakes who tells other processes what is taken; `None` if nobody does.
    sharing: Option<Arc<Notify>>,
}

struct State<K> {
    buckets: HashMap<K, Bucket>,
    /// The bucket that all others share.
    rest: Bucket,
    swept: Instant,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// When it will be full, in nanoseconds since the start.
    full_at: u64,
    /// The time in which comes back what was taken, and of which other processes do not know.
    unshared: u64,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Creates full buckets for everybody.
    pub fn new(rate: BucketRate) -> Self {
        Self::of_at_most(OWNERS_MAX, rate.each(), rate.burst)
    }

    /// The same. What is taken is kept until it is asked for; `sharing` is notified when much of a
    /// bucket is.
    pub fn shared(rate: BucketRate, sharing: Arc<Notify>) -> Self {
        Self { sharing: Some(sharing), ..Self::new(rate) }
    }

    /// Creates full buckets of `burst` tokens for everybody; an empty one is full again after `within`.
    pub fn slow(burst: NonZeroU32, within: Duration) -> Self {
        Self::of_at_most(OWNERS_MAX, within / burst.get(), burst)
    }

    /// Makes buckets of these owners so many times as large; they fill as much faster.
    #[must_use]
    pub fn larger(self, larger: HashMap<K, NonZeroU32>) -> Self {
        Self { larger, ..self }
    }

    fn of_at_most(owners: usize, each: Duration, burst: NonZeroU32) -> Self {
        let (start, each) = (Instant::now(), nanos(each).max(1));
        let state = State { buckets: HashMap::new(), rest: Bucket::default(), swept: start };
        Self { each, burst, larger: HashMap::new(), owners, start, state: Mutex::new(state), sharing: None }
    }

    /// Takes so many tokens. An error says when they would be there; nothing is taken then. More
    /// than a bucket holds needs a full one, which is full again once all of it came back.
    pub fn take(&self, key: K, count: NonZeroU32) -> Result<(), Duration> {
        let (mut state, now) = (self.state(), self.now());
        self.sweep(&mut state, now);
        let State { buckets, rest, .. } = &mut *state;
        let is_full = buckets.len() >= self.owners;
        let cost = self.worth(&key, count.get());
        match buckets.entry(key) {
            Entry::Occupied(mut entry) => {
                let bucket = entry.get_mut();
                self.take_from(bucket, now, cost)?;
                self.note(bucket, cost);
            }
            Entry::Vacant(_) if is_full => self.take_from(rest, now, cost)?,
            Entry::Vacant(entry) => {
                let mut bucket = Bucket::default();
                self.take_from(&mut bucket, now, cost)?;
                self.note(&mut bucket, cost);
                entry.insert(bucket);
            }
        }
        Ok(())
    }

    fn take_from(&self, bucket: &mut Bucket, now: u64, cost: u64) -> Result<(), Duration> {
        let owed = bucket.full_at.saturating_sub(now);
        let wait = (owed + cost.min(self.whole())).saturating_sub(self.whole());
        if wait > 0 {
            return Err(Duration::from_nanos(wait));
        }
        bucket.full_at = now + owed + cost;
        Ok(())
    }

    /// Remembers what other processes do not know yet.
    fn note(&self, bucket: &mut Bucket, cost: u64) {
        let Some(sharing) = &self.sharing else { return };
        bucket.unshared = bucket.unshared.saturating_add(cost);
        if bucket.unshared >= self.much() {
            sharing.notify_one();
        }
    }

    fn much(&self) -> u64 {
        (self.whole() / SHARED_PARTS).max(1)
    }

    /// The time in which an empty bucket is full.
    fn whole(&self) -> u64 {
        self.each.saturating_mul(self.burst.get().into())
    }

    /// Gives back what was just taken.
    pub fn give_back(&self, key: &K, count: NonZeroU32) {
        let (mut state, cost) = (self.state(), self.worth(key, count.get()));
        if let Some(bucket) = state.buckets.get_mut(key) {
            bucket.full_at = bucket.full_at.saturating_sub(cost);
            bucket.unshared = bucket.unshared.saturating_sub(cost);
        }
    }

    /// Looks whether a token is there. An error says when one would be.
    pub fn look(&self, key: &K) -> Result<(), Duration> {
        let (mut bucket, now) = self.bucket(key);
        self.take_from(&mut bucket, now, self.worth(key, 1))
    }

    /// Returns what is in a bucket.
    pub fn level(&self, key: &K) -> BucketLevel {
        let (bucket, now) = self.bucket(key);
        let owed = bucket.full_at.saturating_sub(now);
        let left = self.whole().saturating_sub(owed) / self.worth(key, 1);
        BucketLevel { left: u32::try_from(left).unwrap_or(u32::MAX), full_in: Duration::from_nanos(owed) }
    }

    fn bucket(&self, key: &K) -> (Bucket, u64) {
        let (state, now) = (self.state(), self.now());
        let is_full = state.buckets.len() >= self.owners;
        let absent = || if is_full { state.rest } else { Bucket::default() };
        (state.buckets.get(key).copied().unwrap_or_else(absent), now)
    }

    /// Returns what was taken and other processes do not know, of at most `max` owners, each with the
    /// time in which it comes back. They count as told. Without `all`, only of those who took much.
    pub fn unshared(&self, all: bool, max: usize) -> Vec<(K, Duration)> {
        let least = if all { 1 } else { self.much() };
        let mut state = self.state();
        let found = state.buckets.iter_mut().filter(|(_, bucket)| bucket.unshared >= least).take(max);
        let take = |(key, bucket): (&K, &mut Bucket)| {
            (key.clone(), Duration::from_nanos(std::mem::take(&mut bucket.unshared)))
        };
        found.map(take).collect()
    }

    /// Takes what was taken in other processes: all together, the bucket is full in `full_in`.
    pub fn settle(&self, key: &K, full_in: Duration) {
        let (mut state, now) = (self.state(), self.now());
        if let Some(bucket) = state.buckets.get_mut(key) {
            bucket.full_at = bucket.full_at.max(now + nanos(full_in) + bucket.unshared);
        }
    }

    /// The time in which so many tokens come back.
    fn worth(&self, key: &K, count: u32) -> u64 {
        let times = self.larger.get(key).map_or(1, |times| times.get().into());
        (self.each.saturating_mul(count.into()) / times).max(1)
    }

    fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets full buckets, except those of which others do not know yet.
    fn sweep(&self, state: &mut State<K>, now: u64) {
        if state.swept.elapsed() < SWEEP_EVERY {
            return;
        }
        state.swept = Instant::now();
        state.buckets.retain(|_, bucket| bucket.full_at > now || bucket.unshared > 0);
        // What a flood of owners took is given back.
        let room = 2 * state.buckets.len();
        state.buckets.shrink_to(room);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.state().buckets.len()
    }
}

impl BucketRate {
    fn each(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn many(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn buckets(owners: usize) -> Buckets<u8> {
        Buckets::of_at_most(owners, Duration::from_millis(100), many(4))
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_a_burst_and_fills_again_and_each_owner_has_one() {
        let buckets = buckets(8);
        assert_eq!(buckets.take(1, many(3)), Ok(()));
        let wait = Duration::from_millis(100);
        assert_eq!(buckets.take(1, many(2)), Err(wait));
        // A failure took nothing.
        assert_eq!((buckets.take(1, ONE), buckets.take(1, ONE)), (Ok(()), Err(wait)));
        assert_eq!((buckets.look(&1), buckets.look(&2), buckets.take(2, many(4))), (Err(wait), Ok(()), Ok(())));
        tokio::time::advance(wait).await;
        assert_eq!((buckets.look(&1), buckets.look(&1)), (Ok(()), Ok(())), "looking takes nothing");
        assert_eq!((buckets.take(1, ONE), buckets.take(1, ONE)), (Ok(()), Err(wait)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_more_than_a_bucket_holds_needs_a_full_one_and_comes_back_as_slowly() {
        let buckets = buckets(8);
        assert_eq!(buckets.take(1, many(9)), Ok(()));
        let empty = BucketLevel { left: 0, full_in: Duration::from_millis(900) };
        assert_eq!((buckets.take(1, many(9)), buckets.level(&1)), (Err(empty.full_in), empty));
        assert_eq!(buckets.take(1, ONE), Err(Duration::from_millis(600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_says_what_is_left_and_what_is_given_back_is_there_again() {
        let buckets = buckets(8);
        let level = |left, millis| BucketLevel { left, full_in: Duration::from_millis(millis) };
        assert_eq!(buckets.level(&1), level(4, 0));
        assert_eq!((buckets.take(1, many(3)), buckets.level(&1)), (Ok(()), level(1, 300)));
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(buckets.level(&1), level(1, 250));
        buckets.give_back(&1, many(2));
        assert_eq!(buckets.level(&1), level(3, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_larger_bucket_holds_more_and_fills_faster() {
        let buckets = buckets(8).larger([(1, many(5))].into());
        let level = |key: u8| buckets.level(&key).left;
        assert_eq!((level(1), level(2)), (20, 4));
        assert_eq!((buckets.take(1, many(19)), level(1)), (Ok(()), 1));
        assert_eq!(buckets.take(1, many(2)), Err(Duration::from_millis(20)));
        tokio::time::advance(Duration::from_millis(20)).await;
        assert_eq!((buckets.take(1, many(2)), level(1)), (Ok(()), 0));
        buckets.give_back(&1, many(2));
        assert_eq!(level(1), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_is_told_once_and_what_others_took_is_missing() {
        let sharing = Arc::new(Notify::new());
        let rate = BucketRate { per_second: many(10), burst: many(16) };
        let buckets = Buckets::shared(rate, Arc::clone(&sharing));
        let millis = Duration::from_millis;
        assert_eq!(buckets.take(1, ONE), Ok(()));
        assert_eq!((buckets.unshared(false, 8), sharing.notified().now_or_never()), (vec![], None));
        assert_eq!(buckets.unshared(true, 8), [(1, millis(100))]);
        assert_eq!(buckets.take(1, many(2)), Ok(()));
        assert_eq!(sharing.notified().now_or_never(), Some(()));
        // What is taken while others are told is not lost.
        assert_eq!((buckets.unshared(false, 8), buckets.take(1, ONE)), (vec![(1, millis(200))], Ok(())));
        buckets.settle(&1, millis(1_000));
        assert_eq!(buckets.level(&1), BucketLevel { left: 5, full_in: millis(1_100) });
        // Who lost what others took gives no more than there is.
        buckets.settle(&1, millis(0));
        assert_eq!(buckets.level(&1).left, 5);
        // A full bucket is kept until it is told.
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!((buckets.take(2, ONE), buckets.len()), (Ok(()), 2));
        assert_eq!((buckets.unshared(true, 1).len(), buckets.unshared(true, 8).len()), (1, 1));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!((buckets.take(2, ONE), buckets.len()), (Ok(()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_bounded_and_those_with_a_full_bucket_are_forgotten() {
        let buckets = buckets(2);
        assert_eq!((buckets.take(1, ONE), buckets.take(2, ONE)), (Ok(()), Ok(())));
        assert_eq!((buckets.take(3, many(3)), buckets.take(4, ONE)), (Ok(()), Ok(())));
        assert!(buckets.look(&5).is_err() && buckets.take(5, ONE).is_err(), "they share one");
        assert_eq!((buckets.len(), buckets.look(&1)), (2, Ok(())));
        tokio::time::advance(SWEEP_EVERY).await;
        assert_eq!((buckets.take(5, ONE), buckets.len()), (Ok(()), 1));
    }
}
