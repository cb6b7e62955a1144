//! Wakes a shard's thread: when its queues are no longer empty, and when the broker has reported
//! one of its records.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A wakeup, rung by the client's threads and waited for by one shard's thread. Several rings
/// before a wait count as one.
#[derive(Default)]
pub struct Wakeup {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wakeup {
    /// Wakes the waiting thread, or the next one that waits. Returns quickly: the client's threads
    /// hold locks when they call it.
    pub fn ring(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            *rung = true;
            self.heard.notify_one();
        }
    }

    /// Returns on a ring, immediately if there was one since the last wait, and after `timeout` at
    /// the latest.
    pub fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}
