//! The log's time.

use bincode::{Decode, Encode};

/// Milliseconds since 1970-01-01 UTC. On the log: the broker's append time of the command, made
/// non-decreasing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns milliseconds since 1970-01-01 UTC.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
