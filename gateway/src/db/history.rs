//! How far the primary was, and when: the lag of a replica is the age of the first position that it
//! lacks.
//!
//! Postgres's own figures would not do: a replica whose connection to the primary is gone has
//! replayed all that it received, and a primary without traffic looks like a replica that lags.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemas::ids::LogPosition;

/// Interval between two samples.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// The number of samples: a greater lag shows as 5 minutes.
const SAMPLES_MAX: usize = 600;

/// Positions of the primary, oldest first.
#[derive(Default)]
pub struct PrimaryHistory(Mutex<VecDeque<(Instant, Vec<LogPosition>)>>);

impl PrimaryHistory {
    /// Notes a position of the primary.
    pub fn note(&self, at: &[LogPosition], now: Instant) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.back().is_some_and(|(last, _)| now.saturating_duration_since(*last) < SAMPLE_EVERY) {
            return;
        }
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((now, at.to_vec()));
    }

    /// Returns the lag of a replica at this position.
    pub fn lag(&self, reached: &[LogPosition], now: Instant) -> Duration {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let covers =
            |wanted: &LogPosition| reached.iter().any(|at| at.shard == wanted.shard && at.sequence >= wanted.sequence);
        let lacks = samples.iter().find(|(_, positions)| !positions.iter().all(covers));
        lacks.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Shard;

    fn at(sequence: u64) -> [LogPosition; 1] {
        [LogPosition { shard: Shard::new(0).unwrap(), sequence }]
    }

    #[test]
    fn the_lag_is_the_age_of_the_first_position_that_is_lacking() {
        let (history, start, second) = (PrimaryHistory::default(), Instant::now(), Duration::from_secs(1));
        assert_eq!(history.lag(&[], start), Duration::ZERO, "nothing is known yet");
        for number in 0..10 {
            history.note(&at(u64::from(number)), start + second * number);
            history.note(&at(99), start + second * number + SAMPLE_EVERY / 2);
        }
        let now = start + second * 10;
        assert_eq!(history.lag(&at(9), now), Duration::ZERO);
        assert_eq!(history.lag(&at(7), now), second * 2);
        assert_eq!(history.lag(&[], now), second * 10);
        for number in 0..2_000 {
            history.note(&at(100), now + second * number);
        }
        assert_eq!(history.0.lock().unwrap().len(), SAMPLES_MAX);
    }
}
