//! Shards' snapshots: where they are stored, and how a shard is restored from its newest valid
//! snapshot.
//!
//! ```text
//! engine's snapshotter ─▶ *snapshots* ─▶ recoveries, followers
//! ```
//!
//! Absent: making a snapshot (the engine's snapshotter), and its content (`engine_core`).

mod restore;
mod store;

pub use restore::{SNAPSHOT_WITHIN, newest_snapshot};
pub use store::{LocationError, ObjectSnapshotStore, Snapshots};

/// The name of the metric, with the label `shard`, that counts snapshots that could not be made or
/// written.
pub const SNAPSHOTS_FAILED: &str = "lfg_engine_snapshots_failed_total";

/// The store of one shard's snapshots.
pub trait SnapshotStore {
    /// Returns the sequences of the stored snapshots, newest first.
    fn list(&mut self) -> Result<Vec<u64>, SnapshotStoreFault>;

    /// Returns a snapshot's bytes.
    fn get(&mut self, sequence: u64) -> Result<Vec<u8>, SnapshotStoreFault>;

    /// Starts to write a snapshot in the background. Only one is written at a time: see
    /// [`SnapshotStore::is_busy`].
    fn put(&mut self, sequence: u64, bytes: Vec<u8>);

    /// Returns true while a snapshot is being written.
    fn is_busy(&self) -> bool;

    /// Waits until nothing is being written.
    fn finish(&mut self);
}

/// The snapshot store cannot be read at present. Snapshots only save time: the log always has
/// everything.
#[derive(Debug, thiserror::Error)]
#[error("snapshots cannot be read: {0}")]
pub struct SnapshotStoreFault(pub Box<dyn std::error::Error + Send + Sync>);
