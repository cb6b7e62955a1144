//! Shards' snapshots: where they are kept, and a shard as its newest whole one has it.
//!
//!   engine's snapshotter ─▶ *snapshots* ─▶ recoveries, followers
//!
//! Absent: making one (the engine's snapshotter), and what is in one (`engine_core`).

mod restore;
mod store;

pub use restore::{SNAPSHOT_WITHIN, newest_snapshot};
pub use store::{LocationError, ObjectSnapshotStore, Snapshots};

/// Snapshots that could not be made or written: the name of the metric, with the label `shard`.
pub const SNAPSHOTS_FAILED: &str = "lfg_engine_snapshots_failed_total";

/// Where one shard's snapshots are kept.
pub trait SnapshotStore {
    /// The sequences of the snapshots that are there, newest first.
    fn list(&mut self) -> Result<Vec<u64>, SnapshotStoreFault>;

    /// A snapshot's bytes.
    fn get(&mut self, sequence: u64) -> Result<Vec<u8>, SnapshotStoreFault>;

    /// Begins to write a snapshot, and goes on beside the loop. Only one is written at a time: see [`SnapshotStore::is_busy`].
    fn put(&mut self, sequence: u64, bytes: Vec<u8>);

    /// True while a snapshot is being written.
    fn is_busy(&self) -> bool;

    /// Waits until nothing is being written.
    fn finish(&mut self);
}

/// The shelf cannot be read now. Snapshots only save time, so there is always another way: the log.
#[derive(Debug, thiserror::Error)]
#[error("snapshots cannot be read: {0}")]
pub struct SnapshotStoreFault(pub Box<dyn std::error::Error + Send + Sync>);
