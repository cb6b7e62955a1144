//! Makes one snapshot from the previous one and the log since then.

use std::time::Duration;

use engine_core::{Halt, Replica};
use schemas::Shard;
use schemas::shard_map::ShardMap;
use service::kafka::KafkaFault;
use snapshots::newest_snapshot;

use crate::log::{LogPartition, ShardLog, SnapshotStore};

/// How long one poll for the next record takes at most. [`LOOKS_MAX`] empty polls in a row mean
/// that the log is unreachable.
const PATIENCE: Duration = Duration::from_millis(100);
const LOOKS_MAX: u32 = 100;

/// No snapshot can be made. The shard's loop meets the same problem, and reports what an operator
/// does.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    /// The log is broken, or the previous snapshot does not lead to the outcomes on the log.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Kafka cannot be read now.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// Records that are on the log do not arrive.
    #[error("the log ends at {head}, but no record arrives after {at}")]
    Silent {
        /// The reader's offset.
        at: u64,
        /// The end of the log.
        head: u64,
    },
}

/// A snapshot and its sequence.
pub struct TakenSnapshot {
    /// Its sequence.
    pub sequence: u64,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Makes a snapshot of the shard's current state on the log. `None` if there was no outcome since
/// the newest one, or `go_on` returns false.
pub fn take<L: ShardLog, S: SnapshotStore>(
    reads: u16,
    (shard, map): (Shard, ShardMap),
    (log, store): (&mut L, &mut S),
    go_on: impl Fn() -> bool,
) -> Result<Option<TakenSnapshot>, SnapshotFault> {
    let newest = newest_snapshot(reads, (shard, map), store);
    let mut replica = newest.unwrap_or_else(|| Replica::new(shard, map).knowing(reads));
    let begun_at = replica.position().sequence;
    let (head, commands) = (log.extent(LogPartition::Events)?.end, log.extent(LogPartition::Commands)?);
    log.follow_from(replica.next_offset(), commands.first)?;
    let mut looks = 0;
    while replica.next_offset() < head {
        if !go_on() {
            return Ok(None);
        }
        let read = log.poll(false, PATIENCE, |record| replica.read(record.offset, record.bytes))?;
        match read.transpose() {
            Err(Halt::Broken(broken)) if log.quarantine_of(broken.offset)?.is_some() => {
                replica.pass_over(broken.offset);
            }
            Err(halt) => return Err(halt.into()),
            Ok(Some(_)) => looks = 0,
            Ok(None) if looks == LOOKS_MAX => return Err(SnapshotFault::Silent { at: replica.next_offset(), head }),
            Ok(None) => looks += 1,
        }
    }
    let sequence = replica.position().sequence;
    let bytes = if sequence > begun_at { replica.snapshot() } else { None };
    Ok(bytes.map(|bytes| TakenSnapshot { sequence, bytes }))
}
