//! The log's times as SQL has them.

use schemas::Timestamp;
use time::OffsetDateTime;

/// 9999-12-31 23:59:59.999 UTC, in milliseconds since 1970. The log allows any number, as a market's expiry say; clients
/// and libraries end here. What is later is told as this.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// 2000-01-01, where Postgres counts from, in milliseconds since 1970.
const POSTGRES_EPOCH_MILLIS: i64 = 946_684_800_000;

fn millis(time: Timestamp) -> i64 {
    time.as_millis().min(LAST_MILLIS).cast_signed()
}

/// For parameters.
pub fn moment(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis(time)) * 1_000_000)
        .expect("the year 9999 is in the library's range")
}

/// For binary COPY: microseconds since 2000.
pub fn micros(time: Timestamp) -> i64 {
    (millis(time) - POSTGRES_EPOCH_MILLIS) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_beyond_the_calendar_are_its_end() {
        assert_eq!(moment(Timestamp(1_795_392_000_123)), datetime!(2026-11-23 0:00:00.123 UTC));
        assert_eq!(moment(Timestamp(u64::MAX)), datetime!(9999-12-31 23:59:59.999 UTC));
        assert_eq!(micros(Timestamp(946_684_800_001)), 1_000);
        assert!(micros(Timestamp(0)) < 0);
    }
}
