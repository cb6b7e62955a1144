//! When the next snapshot of a shard is due.

use std::time::Duration;

/// The approximate bytes of an outcome on the log. A snapshot is due when the log has grown by the
/// size of the last one, so that snapshots never cost more than the log.
const OUTCOME_BYTES: u64 = 200;

/// When snapshots are taken. Each shard has its own copy and counts with it.
#[derive(Clone, Debug)]
pub struct SnapshotSchedule {
    every: u64,
    interval: Duration,
    /// Sequence and time of the newest snapshot.
    last: (u64, Duration),
    /// Bytes of the newest snapshot, if this process wrote it.
    bytes: u64,
    /// The last attempt failed: no attempt before this time.
    not_before: Duration,
}

impl SnapshotSchedule {
    /// The pause after a failure before the next attempt.
    const AGAIN_AFTER: Duration = Duration::from_secs(5);

    /// A snapshot every `every` outcomes, more if the state is large; or after `interval`, if there
    /// was any outcome (for a large state: an eighth of the outcomes that make one due).
    pub fn new(every: u64, interval: Duration) -> Self {
        Self { every: every.max(1), interval, last: (0, Duration::ZERO), bytes: 0, not_before: Duration::ZERO }
    }

    /// Returns true if a snapshot of the shard, which is at `sequence` now, is due.
    pub fn is_due(&self, sequence: u64, now: Duration) -> bool {
        let (last, at) = self.last;
        let outcomes = sequence.saturating_sub(last);
        let grown = self.bytes / OUTCOME_BYTES;
        let many = outcomes >= self.every.max(grown);
        let old = outcomes > grown / 8 && now.saturating_sub(at) >= self.interval;
        now >= self.not_before && (many || old)
    }

    /// Returns true if there was any outcome since the newest snapshot.
    pub fn is_behind(&self, sequence: u64) -> bool {
        sequence > self.last.0
    }

    /// Records a snapshot of this sequence: written by this process if its size is given.
    pub fn is_there(&mut self, sequence: u64, bytes: Option<u64>, now: Duration) {
        if sequence > self.last.0 {
            self.last = (sequence, now);
            self.bytes = bytes.unwrap_or(self.bytes);
            self.not_before = now;
        }
    }

    /// Records that a due snapshot was not written.
    pub fn failed(&mut self, now: Duration) {
        self.not_before = now + Self::AGAIN_AFTER;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_snapshot_is_due_after_outcomes_or_time() {
        let mut schedule = SnapshotSchedule::new(100, seconds(60));
        assert!(!schedule.is_due(99, seconds(59)) && !schedule.is_due(0, seconds(600)));
        assert!(schedule.is_due(100, seconds(1)) && schedule.is_due(1, seconds(60)));
        schedule.is_there(100, Some(0), seconds(10));
        assert!(
            !schedule.is_due(199, seconds(69))
                && schedule.is_due(200, seconds(11))
                && schedule.is_due(101, seconds(70))
        );
        // Another process wrote one.
        schedule.is_there(150, None, seconds(20));
        assert!(!schedule.is_due(249, seconds(21)) && schedule.is_due(250, seconds(21)));
    }

    #[test]
    fn a_large_state_is_written_when_the_log_has_grown_by_as_much() {
        let mut schedule = SnapshotSchedule::new(100, seconds(60));
        schedule.is_there(100, Some(1_000 * OUTCOME_BYTES), seconds(0));
        assert!(!schedule.is_due(1_099, seconds(59)) && schedule.is_due(1_100, seconds(1)));
        assert!(!schedule.is_due(225, seconds(60)) && schedule.is_due(226, seconds(60)));
    }

    #[test]
    fn a_failure_is_tried_again_after_a_while() {
        let mut schedule = SnapshotSchedule::new(100, seconds(60));
        schedule.failed(seconds(10));
        assert!(!schedule.is_due(100, seconds(14)) && schedule.is_due(100, seconds(15)));
    }
}
