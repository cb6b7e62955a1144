//! The memory of records that wait in a shard's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A record's share of its queue's memory, returned when it is folded or dropped.
#[derive(Debug)]
pub struct QueueShare {
    level: Arc<AtomicUsize>,
    bytes: usize,
}

impl QueueShare {
    /// Adds `bytes` to the queue's `level`, until the share is dropped.
    pub fn take(level: &Arc<AtomicUsize>, bytes: usize) -> Self {
        level.fetch_add(bytes, Ordering::Relaxed);
        Self { level: Arc::clone(level), bytes }
    }
}

impl Drop for QueueShare {
    fn drop(&mut self) {
        self.level.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
