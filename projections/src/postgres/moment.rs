//! Converts the log's times to SQL.

use schemas::Timestamp;
use time::OffsetDateTime;

/// 9999-12-31 23:59:59.999 UTC, in milliseconds since 1970. The log allows any number (for example
/// as a market's expiry); clients and libraries end here. Later times are stored as this one.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Converts a time for parameters and for COPY.
pub fn moment(time: Timestamp) -> OffsetDateTime {
    let millis = time.as_millis().min(LAST_MILLIS);
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .expect("the year 9999 is in the library's range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_beyond_the_calendar_are_its_end() {
        assert_eq!(moment(Timestamp(1_795_392_000_123)), datetime!(2026-11-23 0:00:00.123 UTC));
        assert_eq!(moment(Timestamp(u64::MAX)), datetime!(9999-12-31 23:59:59.999 UTC));
    }
}
