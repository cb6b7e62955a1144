//! Rate-limits log lines that many requests would write: one line per interval, with the number of
//! suppressed ones. Clients must not decide how much is logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Interval between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(5);

/// One kind of log line.
#[derive(Debug)]
pub struct Seldom(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    kept_back: u64,
}

impl Seldom {
    /// Creates the limiter.
    pub const fn new() -> Self {
        Self(Mutex::new(State { last: None, kept_back: 0 }))
    }

    /// Returns how many lines were suppressed since the last one, if another may be written now.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            state.kept_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_stands_for_many() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let passed: Vec<_> = (0..1_000).map(|ms| seldom.pass_at(start + Duration::from_millis(ms))).collect();
        assert_eq!(passed.iter().flatten().count(), 1);
        assert_eq!(seldom.pass_at(start + PAUSE), Some(999));
        assert_eq!(seldom.pass_at(start + PAUSE + PAUSE), Some(0));
    }
}
