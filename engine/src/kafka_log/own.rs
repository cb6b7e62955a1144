//! A leader's own records, which it need not fetch: the broker says where each was written.
//!
//! If every record of a leader is written right behind the one before, nobody else wrote in between, so no other term has begun: what
//! the broker reports is what the partition would give. Where a place is missing, or the broker does not say it, the partition is read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::Message as _;
use rdkafka::producer::DeliveryResult;

use super::wakeup::Wakeup;

/// A record of the own events partition, as the broker reports it.
pub struct Reported {
    /// Where it was written; negative if the broker does not say.
    pub offset: i64,
    pub bytes: Vec<u8>,
}

/// What the broker reports of one shard's outcomes, from the making of a producer on.
pub struct OutcomeReports {
    count: AtomicU64,
    /// The last offset that was reported; -1 before the first.
    last: AtomicI64,
    wanted: Mutex<Subscription>,
}

/// Who wants the reports, if anybody does, and what came for it.
#[derive(Default)]
struct Subscription {
    by: Option<Arc<Wakeup>>,
    records: VecDeque<Reported>,
}

impl OutcomeReports {
    pub fn new() -> Self {
        Self { count: AtomicU64::new(0), last: AtomicI64::new(-1), wanted: Mutex::default() }
    }

    /// In the producer's thread, in order.
    pub fn hear(&self, result: &DeliveryResult<'_>) {
        let mut wanted = self.wanted();
        let by = wanted.by.clone();
        if let Ok(message) = result {
            self.last.fetch_max(message.offset(), Ordering::AcqRel);
            if by.is_some() {
                let bytes = message.payload().unwrap_or_default().to_vec();
                wanted.records.push_back(Reported { offset: message.offset(), bytes });
            }
        }
        drop(wanted);
        self.count.fetch_add(1, Ordering::AcqRel);
        by.inspect(|wakeup| wakeup.ring());
    }

    /// Keeps what comes from now on, and rings this bell; or no more.
    pub fn want(&self, by: Option<Arc<Wakeup>>) {
        *self.wanted() = Subscription { by, records: VecDeque::new() };
    }

    /// The next record.
    pub fn next(&self) -> Option<Reported> {
        self.wanted().records.pop_front()
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
    fn wanted(&self) -> std::sync::MutexGuard<'_, Subscription> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
