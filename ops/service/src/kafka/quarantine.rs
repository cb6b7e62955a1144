//! Whether two admins have put a record of the events aside. A reader that halts at one asks before
//! it does.

use std::time::Duration;

use schemas::{Quarantine, Quarantined, Record, Shard};

use super::{ConsumerProfile, EventsTail, KafkaFault};
use crate::config::LogArgs;

const PATIENCE: Duration = Duration::from_millis(100);

/// So many looks in a row without a record, and there is none, or Kafka is out of reach.
const LOOKS_MAX: u32 = 100;

/// The quarantine of the record at `offset`, if there is one: it stands behind that record, which
/// nobody could read on from, so there is little to look through. Blocks.
pub fn of_record(log: &LogArgs, shard: Shard, offset: u64) -> Result<Option<Quarantine>, KafkaFault> {
    let mut next = offset + 1;
    let tail = EventsTail::open(&log.kafka, &log.topics(), ConsumerProfile::Bulk, [(shard, next)])?;
    let end = tail.high_watermarks()?.first().map_or(0, |(_, end)| *end);
    let mut looks = 0;
    while next < end {
        let Some(record) = tail.next_or_wait(PATIENCE)? else {
            looks += 1;
            if looks < LOOKS_MAX {
                continue;
            }
            // The broker answers, and has no more for us: at the end is a record of its own (of a
            // transaction).
            tail.end(shard)?;
            break;
        };
        (looks, next) = (0, record.offset() + 1);
        if let Some(quarantine) = quarantine(record.payload(), shard)
            && quarantine.what == (Quarantined::Record { offset })
        {
            return Ok(Some(quarantine));
        }
    }
    Ok(None)
}

/// The quarantine in a record, if it is one that counts.
pub fn quarantine(bytes: &[u8], shard: Shard) -> Option<Quarantine> {
    match Record::decode(bytes) {
        Ok(Record::Quarantine(found)) if found.counts(shard) => Some(found),
        _ => None,
    }
}
