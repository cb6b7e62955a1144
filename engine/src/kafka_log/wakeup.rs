//! Wakes a shard's thread: when its queues are no longer empty, and when the broker has reported one of its records.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Rung by the client's threads, heard by one shard's. However often it rings until it is heard, it is heard once.
#[derive(Default)]
pub struct Wakeup {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wakeup {
    /// Wakes who waits, or whoever waits next. Short: the client's threads hold locks when they ring.
    pub fn ring(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            *rung = true;
            self.heard.notify_one();
        }
    }

    /// Returns when it rings, at once if it has rung since the last wait, and after `timeout` at the latest.
    pub fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}
