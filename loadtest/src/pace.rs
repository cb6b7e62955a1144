//! The open loop: calls are due at times fixed in advance, whether or not earlier ones are done.
//!
//! It runs on its own thread: an async timer is accurate only to a millisecond, which is as long as
//! the latencies measured here.

use std::time::{Duration, Instant};

/// Calls `send` with each index at `start + due(index)`, or immediately if that is past. Ends early
/// if `send` returns false.
///
/// Latency is measured from the due time, so a sender that falls behind shows up in the figures.
pub fn pace(start: Instant, dues: impl Iterator<Item = Duration>, mut send: impl FnMut(usize, Instant) -> bool) {
    for (index, due) in dues.enumerate() {
        let due = start + due;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        if !send(index, due) {
            return;
        }
    }
}

/// Returns the due times of `count` events at `rate` per second, evenly spaced.
pub fn evenly(rate: f64, count: usize) -> impl Iterator<Item = Duration> {
    (0..count).map(move |index| Duration::from_secs_f64(index as f64 / rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_early_and_a_slow_sender_does_not_move_the_due_times() {
        let start = Instant::now();
        let mut seen = Vec::new();
        pace(start, evenly(1_000.0, 5), |index, due| {
            assert!(Instant::now() >= due);
            if index == 1 {
                std::thread::sleep(Duration::from_millis(10));
            }
            seen.push(due - start);
            true
        });
        assert_eq!(seen, (0..5).map(Duration::from_millis).collect::<Vec<_>>());
    }

    #[test]
    fn a_sender_can_end_it() {
        let mut sent = 0;
        pace(Instant::now(), evenly(1e6, 100), |_, _| {
            sent += 1;
            sent < 3
        });
        assert_eq!(sent, 3);
    }
}
