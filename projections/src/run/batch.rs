//! Records of one shard, folded into one batch.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::Timestamp;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};

use super::end::Stop;
use super::pump::QueueShare;
use crate::fold::RowChanges;

/// How large a batch may be, and how often one may be written: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Records at most.
    pub records: usize,
    /// Bytes of records, the last of which may go beyond.
    pub bytes: usize,
    /// From the beginning of one write to that of the next, at least.
    pub interval: Duration,
}

/// A record of the log on its way to a shard's writer.
#[derive(Debug)]
pub struct QueuedRecord {
    /// Its place.
    pub offset: u64,
    /// When the broker appended it.
    pub time: Timestamp,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its share of the queues' memory, given back when it is folded.
    pub _room: QueueShare,
}

/// What some records change.
#[derive(Debug)]
pub struct FoldedBatch {
    /// The position before the first.
    pub from: Checkpoint,
    /// What they change.
    pub changes: RowChanges,
    /// How many they are.
    pub records: usize,
    /// How many of them are outcomes that count.
    pub outcomes: usize,
    /// Records and events that were passed over, since a later build wrote them.
    pub unknown: u64,
    /// When the broker appended the first.
    pub oldest: Timestamp,
    /// When the broker appended the last.
    pub newest: Timestamp,
    bytes: usize,
}

impl FoldedBatch {
    /// No records, at `from`.
    pub fn new(from: Checkpoint) -> Self {
        let (oldest, newest) = (Timestamp(u64::MAX), Timestamp(0));
        Self { from, changes: RowChanges::new(), records: 0, outcomes: 0, unknown: 0, oldest, newest, bytes: 0 }
    }

    /// Reads the next record by the rule, and folds it if it counts. Passes over one that nobody can read and that
    /// admins put aside.
    ///
    /// After an error the batch still is what the records before that one say.
    pub fn add(
        &mut self,
        reader: &mut LogReader,
        record: &QueuedRecord,
        put_aside: &BTreeSet<u64>,
    ) -> Result<(), Stop> {
        let mut next = reader.clone();
        let reading = match next.read(record.offset, &record.bytes) {
            Err(_) if put_aside.contains(&record.offset) => {
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

    /// True if no more should be added.
    pub fn is_full(&self, limits: &BatchLimits) -> bool {
        self.records >= limits.records || self.bytes >= limits.bytes
    }
}
