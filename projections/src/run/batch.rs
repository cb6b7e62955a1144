//! Folds records of one shard into one batch.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::Timestamp;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};

use super::end::Stop;
use super::queue_share::QueueShare;
use crate::fold::RowChanges;

/// The limits on a batch's size and on the rate of writes. The first limit reached ends the batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// The maximum number of records.
    pub records: usize,
    /// The limit on the bytes of all records; the last record may exceed it.
    pub bytes: usize,
    /// The minimum time from the start of one write to the start of the next.
    pub interval: Duration,
}

/// A log record on its way to a shard's writer.
#[derive(Debug)]
pub struct QueuedRecord {
    /// The record's offset.
    pub offset: u64,
    /// When the broker appended it.
    pub time: Timestamp,
    /// The record's bytes.
    pub bytes: Vec<u8>,
    /// The record's share of the queues' memory, released when the record is folded.
    pub _room: QueueShare,
}

/// The changes that some consecutive records make.
#[derive(Debug)]
pub struct FoldedBatch {
    /// The position before the first record.
    pub from: Checkpoint,
    /// The changes.
    pub changes: RowChanges,
    /// The number of records.
    pub records: usize,
    /// The number of outcomes that count.
    pub outcomes: usize,
    /// The number of records and events that were skipped because a later build wrote them.
    pub unknown: u64,
    /// When the broker appended the first record.
    pub oldest: Timestamp,
    /// When the broker appended the last record.
    pub newest: Timestamp,
    bytes: usize,
}

impl FoldedBatch {
    /// Returns a batch without records, at `from`.
    pub fn new(from: Checkpoint) -> Self {
        let (oldest, newest) = (Timestamp(u64::MAX), Timestamp(0));
        Self { from, changes: RowChanges::new(), records: 0, outcomes: 0, unknown: 0, oldest, newest, bytes: 0 }
    }

    /// Applies the read rule to the next record, and folds the record if it counts. Skips an
    /// unreadable record that admins put into quarantine.
    ///
    /// After an error, the batch still contains exactly the records before the failed one.
    pub fn add(
        &mut self,
        reader: &mut LogReader,
        record: &QueuedRecord,
        quarantined: &BTreeSet<u64>,
    ) -> Result<(), Stop> {
        let mut next = reader.clone();
        let reading = match next.read(record.offset, &record.bytes) {
            Err(_) if quarantined.contains(&record.offset) => {
                next.pass_over(record.offset);
                ReadRecord::Ignored
            }
            read => read?,
        };
        match reading {
            ReadRecord::Outcome(outcome) => {
                let shard = reader.shard();
                self.changes.fold(&outcome).map_err(|nonsense| Stop::Nonsense { shard, nonsense })?;
                self.outcomes += 1;
                self.unknown += outcome.unknown();
            }
            ReadRecord::Unknown => self.unknown += 1,
            ReadRecord::Term(_) | ReadRecord::Halted(_) | ReadRecord::Quarantine(_) | ReadRecord::Ignored => {}
        }
        *reader = next;
        self.records += 1;
        self.bytes += record.bytes.len();
        self.oldest = self.oldest.min(record.time);
        self.newest = self.newest.max(record.time);
        Ok(())
    }

    /// Returns true if no more records should be added.
    pub fn is_full(&self, limits: &BatchLimits) -> bool {
        self.records >= limits.records || self.bytes >= limits.bytes
    }
}
