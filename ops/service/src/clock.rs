//! The machine's clock, in the log's unit.

use std::time::{SystemTime, UNIX_EPOCH};

use schemas::Timestamp;

/// Returns milliseconds since 1970-01-01 UTC; 0 for an earlier time.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
