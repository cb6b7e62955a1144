//! When a row changed last.

use schemas::Timestamp;

/// The last outcome that changed a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastChange {
    /// The outcome's sequence on its shard.
    pub sequence: u64,
    /// The outcome's time.
    pub time: Timestamp,
}
