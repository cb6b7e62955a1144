//! Passes the records of one shard from the tail to the follower, so that a gateway reads each
//! record of the log once.
//!
//!   tail ─▶ *feed* ─▶ follower
//!
//! The tail never waits here. A follower that is too slow loses the feed and reads the log itself
//! until it has caught up.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most bytes that wait for the follower.
const BYTES_MAX: usize = 16 << 20;

/// Overhead of a record, in bytes.
const RECORD_OVERHEAD: usize = 64;

/// A record: its offset and its bytes.
pub type FedRecord = (u64, Box<[u8]>);

/// The records between the tail and a follower.
#[derive(Default)]
pub struct FollowerFeed {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    /// The offset that the tail reads next; `None` before it starts and after it stopped reading
    /// the shard.
    next: Option<u64>,
    /// True while the follower takes records.
    wanted: bool,
    records: VecDeque<FedRecord>,
    bytes: usize,
}

impl State {
    fn drop_all(&mut self) {
        (self.wanted, self.bytes, self.records) = (false, 0, VecDeque::new());
    }
}

impl FollowerFeed {
    /// Notes that the tail starts to read the shard at `next`.
    pub fn opens(&self, next: u64) {
        self.state().next = Some(next);
    }

    /// Adds a record that the tail has read. Ignores one that the tail reads again.
    pub fn put(&self, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        if state.next.is_none_or(|next| offset < next) {
            return;
        }
        state.next = Some(offset + 1);
        if !state.wanted {
            return;
        }
        let size = bytes.len() + RECORD_OVERHEAD;
        if state.bytes + size > BYTES_MAX {
            state.drop_all();
        } else {
            state.bytes += size;
            state.records.push_back((offset, bytes.into()));
        }
        let was_empty = state.records.len() <= 1;
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Notes that the tail no longer reads the shard.
    pub fn closes(&self) {
        let mut state = self.state();
        state.next = None;
        state.drop_all();
        drop(state);
        self.filled.notify_one();
    }

    /// Keeps every record from now on for [`FollowerFeed::take`]. Returns the offset of the first;
    /// `None` if the tail does not read the shard.
    pub fn begin(&self) -> Option<u64> {
        let mut state = self.state();
        state.drop_all();
        state.wanted = state.next.is_some();
        state.next
    }

    /// Waits for records and takes them; returns none after `timeout`. `None` once the feed is
    /// lost.
    pub fn take(&self, timeout: Duration) -> Option<VecDeque<FedRecord>> {
        let waits = |state: &mut State| state.wanted && state.records.is_empty();
        let waited = self.filled.wait_timeout_while(self.state(), timeout, waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.bytes = 0;
        state.wanted.then(|| std::mem::take(&mut state.records))
    }

    // No change is left half done by a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn offsets(feed: &FollowerFeed) -> Option<Vec<u64>> {
        feed.take(Duration::ZERO).map(|records| records.iter().map(|(offset, _)| *offset).collect())
    }

    #[test]
    fn every_record_from_the_beginning_on_is_handed_over_once() {
        let feed = FollowerFeed::default();
        assert_eq!(feed.begin(), None, "the tail does not read yet");
        feed.opens(7);
        feed.put(7, b"before");
        assert_eq!(offsets(&feed), None, "nobody has begun");
        assert_eq!(feed.begin(), Some(8));
        assert_eq!(offsets(&feed), Some(Vec::new()));
        [8, 9, 8, 9, 12].into_iter().for_each(|offset| feed.put(offset, b"record"));
        assert_eq!(offsets(&feed), Some(vec![8, 9, 12]));
        feed.put(13, b"record");
        feed.closes();
        feed.put(14, b"record");
        assert_eq!(offsets(&feed), None);
        assert_eq!(feed.begin(), None);
    }

    #[test]
    fn a_follower_that_is_too_slow_loses_the_feed_and_not_the_tail() {
        let feed = FollowerFeed::default();
        feed.opens(0);
        assert_eq!(feed.begin(), Some(0));
        let record = vec![0; 1 << 20];
        (0..40).for_each(|offset| feed.put(offset, &record));
        assert_eq!(offsets(&feed), None);
        assert!(feed.state().records.is_empty());
        assert_eq!(feed.begin(), Some(40));
        feed.put(40, &record);
        assert_eq!(offsets(&feed), Some(vec![40]));
    }

    #[test]
    fn who_waits_is_woken_by_a_record_and_by_the_end() {
        let feed = FollowerFeed::default();
        feed.opens(0);
        feed.begin();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| feed.take(Duration::from_secs(60)));
            feed.put(0, b"record");
            assert_eq!(waits.join().unwrap().unwrap().len(), 1);
            let waits = scope.spawn(|| feed.take(Duration::from_secs(60)));
            feed.closes();
            assert_eq!(waits.join().unwrap(), None);
        });
    }
}
