//! A leader's own records, which it need not fetch: the broker reports the offset of each.
//!
//! If every record of a leader directly follows the previous one, no other process wrote in
//! between, so no other term has begun: the reports contain the same records as the partition. If
//! an offset is missing, or the broker does not report it, the partition is read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::Message as _;
use rdkafka::producer::DeliveryResult;

use super::wakeup::Wakeup;

/// A record of the leader's own events partition, as the broker reports it.
pub struct Reported {
    /// The offset; negative if the broker does not report it.
    pub offset: i64,
    pub bytes: Vec<u8>,
}

/// The broker's reports of one shard's outcomes, for one producer.
pub struct OutcomeReports {
    count: AtomicU64,
    /// The last reported offset; -1 before the first.
    last: AtomicI64,
    wanted: Mutex<Subscription>,
}

/// The subscriber to the reports, if any, and its queue of reports.
#[derive(Default)]
struct Subscription {
    by: Option<Arc<Wakeup>>,
    records: VecDeque<Reported>,
}

impl OutcomeReports {
    pub fn new() -> Self {
        Self { count: AtomicU64::new(0), last: AtomicI64::new(-1), wanted: Mutex::default() }
    }

    /// Records a report. Called in the producer's thread, in order.
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

    /// Keeps all reports from now on and rings this wakeup; or stops.
    pub fn want(&self, by: Option<Arc<Wakeup>>) {
        *self.wanted() = Subscription { by, records: VecDeque::new() };
    }

    /// Returns the next record.
    pub fn next(&self) -> Option<Reported> {
        self.wanted().records.pop_front()
    }

    /// Returns the number of records that the broker has reported, written or not.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Returns the offset after the last reported one.
    pub fn end(&self) -> u64 {
        u64::try_from(self.last.load(Ordering::Acquire) + 1).unwrap_or(0)
    }

    // A panic cannot leave the queue inconsistent: it is complete after every call.
    fn wanted(&self) -> std::sync::MutexGuard<'_, Subscription> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
