//! Latencies from the intended send time, and their quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;

const HIGHEST_MICROS: u64 = 60_000_000;

/// A histogram of latencies in microseconds, to three significant digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Creates an empty histogram.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, HIGHEST_MICROS, 3).expect("bounds are in order and digits few"))
    }

    /// Records a latency. One above a minute is recorded as a minute.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// Returns the number of latencies.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the latency in milliseconds that a share (0 to 1) of all does not exceed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1_000.0
    }

    /// Returns the longest latency in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut latencies = Latencies::new();
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis));
        }
        latencies.record(Duration::from_secs(3_600));
        assert_eq!(latencies.count(), 1_001);
        assert!((latencies.quantile_ms(0.5) - 500.0).abs() < 2.0);
        assert!((latencies.quantile_ms(0.99) - 991.0).abs() < 2.0);
        assert!((latencies.max_ms() - 60_000.0).abs() < 100.0);
    }
}
