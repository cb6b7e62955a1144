//! Restores the newest valid snapshot: the start of a recovery, and of the next snapshot.

use std::time::Duration;

use engine_core::Replica;
use schemas::Shard;
use schemas::shard_map::ShardMap;

use crate::SnapshotStore;

/// The time limit for reading and restoring, or writing, a snapshot of any size that a machine can
/// hold. An operation that takes longer counts as hanging.
pub const SNAPSHOT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Returns the shard restored from its newest valid snapshot; `None` if there is none and only the
/// log has the state. Skips an unusable snapshot with a warning. `reads`: the vocabulary that the
/// program knows.
pub fn newest_snapshot(reads: u16, (shard, map): (Shard, ShardMap), store: &mut impl SnapshotStore) -> Option<Replica> {
    let list = store.list().inspect_err(|error| tracing::warn!(%shard, %error, "snapshots cannot be read"));
    list.unwrap_or_default().into_iter().find_map(|sequence| {
        let skipped = |error: &dyn std::error::Error| {
            tracing::warn!(%shard, sequence, %error, "a snapshot is skipped");
        };
        let bytes = store.get(sequence).inspect_err(|error| skipped(error)).ok()?;
        Replica::restore_knowing(reads, (shard, map), &bytes).inspect_err(|error| skipped(error)).ok()
    })
}
