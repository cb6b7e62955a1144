//! Pauses between attempts to reach a server: from 100 ms, doubling up to 2 s, with jitter, so that
//! the processes that lost a server together do not all come back to it at the same moment.
//! (Pauses inside of Kafka's client are settings of it: `kafka/clients.rs`.)

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The first pause, without its jitter.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause, without its jitter.
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses of one series of attempts. Create a new one after a success.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// Starts with the shortest pause.
    pub fn new() -> Self {
        let pauses = ExponentialBuilder::new().with_min_delay(FIRST).with_max_delay(LONGEST);
        Self(pauses.without_max_times().with_jitter().build())
    }

    /// Waits; next time longer.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.pause()).await;
    }

    fn pause(&mut self) -> Duration {
        // The series has no end.
        self.0.next().unwrap_or(LONGEST)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_never_end() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..1_000).map(|_| backoff.pause()).collect();
        assert!((FIRST..=2 * FIRST).contains(&pauses[0]), "{:?}", pauses[0]);
        assert!(pauses[999] >= LONGEST);
        assert!(pauses.iter().all(|pause| *pause <= 2 * LONGEST));
    }

    #[test]
    fn processes_do_not_wait_for_the_same_time() {
        let first: std::collections::BTreeSet<_> = (0..10).map(|_| Backoff::new().pause()).collect();
        assert!(first.len() > 1);
    }
}
