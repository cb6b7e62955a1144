//! The time at which a run begins.

/// The start time of runs, in milliseconds since 1970.
pub const START: u64 = 1_800_000_000_000;
