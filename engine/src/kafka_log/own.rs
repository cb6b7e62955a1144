//! A leader's own records, which it need not fetch: the broker says where each was written.
//!
//! If every record of a leader is written right behind the one before, nobody else wrote in between, so no other term has begun: what
//! the broker reports is what the partition would give. Where a place is missing, or the broker does not say it, the partition is read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::Message as _;
use rdkafka::producer::DeliveryResult;

/// A record of the own events partition, as the broker reports it.
pub struct Reported {
    /// Where it was written; negative if the broker does not say.
    pub offset: i64,
    pub bytes: Vec<u8>,
}

/// What the broker reports of one shard's outcomes, from the making of a producer on.
pub struct Reports {
    wanted: AtomicBool,
    count: AtomicU64,
    /// The last offset that was reported; -1 before the first.
    last: AtomicI64,
    records: Mutex<VecDeque<Reported>>,
}

impl Reports {
    pub fn new() -> Self {
        let (wanted, count, last) = (AtomicBool::new(false), AtomicU64::new(0), AtomicI64::new(-1));
        Self { wanted, count, last, records: Mutex::default() }
    }

    /// In the producer's thread, in order.
    pub fn hear(&self, result: &DeliveryResult<'_>) {
        if let Ok(message) = result {
            self.last.fetch_max(message.offset(), Ordering::AcqRel);
            if self.wanted.load(Ordering::Acquire) {
                let bytes = message.payload().unwrap_or_default().to_vec();
                self.records().push_back(Reported { offset: message.offset(), bytes });
            }
        }
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Keeps what comes from now on, or no more.
    pub fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
        self.records().clear();
    }

    /// The next record.
    pub fn next(&self) -> Option<Reported> {
        self.records().pop_front()
    }

    /// How many records the broker has reported, written or not.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// The offset after the last one that was reported.
    pub fn end(&self) -> u64 {
        u64::try_from(self.last.load(Ordering::Acquire) + 1).unwrap_or(0)
    }

    // A queue is whole after every call, whoever panicked.
    fn records(&self) -> std::sync::MutexGuard<'_, VecDeque<Reported>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
