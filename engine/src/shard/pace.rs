//! When a snapshot is due, and the bytes of one that waits for its place in the log to be certain.

use std::time::Duration;

use engine_core::HASH_EVERY;

/// When snapshots are taken, and when state hashes are published.
#[derive(Debug)]
pub struct Pace {
    hash_every: u64,
    every: u64,
    interval: Duration,
    /// Sequence and time of the last one, or of the start.
    last: (u64, Duration),
    taken: Option<Taken>,
}

/// A state's bytes, taken at a sequence that the log may not have confirmed yet.
#[derive(Debug)]
pub struct Taken {
    pub sequence: u64,
    pub state: Vec<u8>,
}

impl Pace {
    /// A snapshot every `every` outcomes; or after `interval`, if there was any outcome.
    pub fn new(every: u64, interval: Duration) -> Self {
        let every = every.max(1);
        Self { hash_every: HASH_EVERY, every, interval, last: (0, Duration::ZERO), taken: None }
    }

    /// A state hash every so many outcomes instead of [`HASH_EVERY`].
    #[must_use]
    pub fn with_hash_every(self, outcomes: u64) -> Self {
        Self { hash_every: outcomes.max(1), ..self }
    }

    pub(super) fn hash_every(&self) -> u64 {
        self.hash_every
    }

    /// Recovered at `sequence`. What was taken may hold what never counted.
    pub(super) fn restart(&mut self, sequence: u64, now: Duration) {
        self.last = (sequence, now);
        self.taken = None;
    }

    /// True if bytes should be taken of the state, which is at `sequence`.
    pub(super) fn is_due(&self, sequence: u64, now: Duration) -> bool {
        let (last, at) = self.last;
        let many = sequence >= last + self.every;
        let old = sequence > last && now.saturating_sub(at) >= self.interval;
        self.taken.is_none() && (many || old)
    }

    pub(super) fn take(&mut self, taken: Taken, now: Duration) {
        self.last = (taken.sequence, now);
        self.taken = Some(taken);
    }

    /// What was taken at `sequence`, now that the log is read up to there.
    pub(super) fn certain(&mut self, sequence: u64) -> Option<Taken> {
        self.taken.take_if(|taken| taken.sequence == sequence)
    }

    /// The sequence of the last snapshot.
    pub(super) fn last(&self) -> u64 {
        self.last.0
    }
}
