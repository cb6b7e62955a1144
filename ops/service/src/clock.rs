//! The machine's clock, as the log's time has it.

use std::time::{SystemTime, UNIX_EPOCH};

use schemas::Timestamp;

/// Milliseconds since 1970-01-01 UTC. A clock before that is at it.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
