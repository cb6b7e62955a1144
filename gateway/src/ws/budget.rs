//! The budget of snapshots of one connection, in bytes that refill with time. A connection beyond
//! its budget is read again later; nothing is refused, and its subscriptions continue. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The most bytes of the budget: all of a connection's first snapshots.
const BURST: f64 = 8.0 * 1024.0 * 1024.0;

/// Bytes that refill each second.
const EACH_SECOND: f64 = 1024.0 * 1024.0;

/// The charge of the smallest request.
const LEAST: usize = 1024;

/// The budget of one connection.
#[derive(Debug)]
pub struct Budget {
    /// Negative when more was taken than was available.
    left: f64,
    at: Instant,
}

impl Budget {
    /// Creates a full budget.
    pub fn full(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    /// Charges a snapshot.
    pub fn spend(&mut self, bytes: usize, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "bytes of a message are far below 2^52")]
        let bytes = bytes.max(LEAST) as f64;
        self.left = since.mul_add(EACH_SECOND, self.left).min(BURST) - bytes;
        self.at = now;
    }

    /// Returns when the connection is read again: a time in the past if it is within its budget.
    pub fn heard_from(&self) -> Instant {
        let lacks = (-self.left).max(0.0);
        self.at + Duration::from_secs_f64(lacks / EACH_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_more_than_a_share_waits_and_nobody_else_does() {
        let start = Instant::now();
        let mut budget = Budget::full(start);
        for _ in 0..256 {
            budget.spend(20 * 1024, start);
        }
        assert!(budget.heard_from() <= start, "as many small books as there may be subscriptions");
        budget.spend(5 * 1024 * 1024, start);
        let waits = budget.heard_from() - start;
        assert!((Duration::from_millis(1_900)..Duration::from_millis(2_100)).contains(&waits), "{waits:?}");
        let later = start + Duration::from_secs(3);
        assert!(budget.heard_from() < later);
        budget.spend(1, later + Duration::from_secs(1_000));
        assert!(budget.left <= BURST);
    }
}
