//! Finds out whether two admins have quarantined a record of the events. A reader that would halt
//! at a record checks this first.

use std::time::Duration;

use schemas::{Quarantine, Quarantined, Record, Shard};

use super::{ConsumerProfile, EventsTail, KafkaFault};
use crate::config::LogArgs;

const PATIENCE: Duration = Duration::from_millis(100);

/// After so many polls in a row without a record, there is no quarantine, or Kafka is unreachable.
const LOOKS_MAX: u32 = 100;

/// Returns the quarantine of the record at `offset`, if there is one. It comes after that record,
/// behind which no reader could continue, so few records need to be searched. Blocks.
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
            // The broker answers and has no more records for us: the last offset is a control
            // record of a transaction.
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

/// Returns the quarantine in a record, if it counts.
pub fn quarantine(bytes: &[u8], shard: Shard) -> Option<Quarantine> {
    match Record::decode(bytes) {
        Ok(Record::Quarantine(found)) if found.counts(shard) => Some(found),
        _ => None,
    }
}
