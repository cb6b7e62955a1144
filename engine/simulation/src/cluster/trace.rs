//! Notes of a run: hashed, to compare two runs, and the last ones kept, to examine a failure.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::start::START;

const LAST: usize = 30;

pub struct Trace {
    hasher: blake3::Hasher,
    last: VecDeque<String>,
    /// Prints each note as it is taken.
    aloud: bool,
}

impl Trace {
    pub fn new(aloud: bool) -> Self {
        Self { hasher: blake3::Hasher::new(), last: VecDeque::new(), aloud }
    }

    pub fn note(&mut self, now: u64, what: std::fmt::Arguments<'_>) {
        // Reuses the oldest note's memory for the newest.
        let mut text = if self.last.len() < LAST { None } else { self.last.pop_front() }.unwrap_or_default();
        text.clear();
        let _infallible = write!(text, "{:>8} ms  {what}", now - START);
        self.hasher.update(text.as_bytes()).update(b"\n");
        if self.aloud {
            eprintln!("{text}");
        }
        self.last.push_back(text);
    }

    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    pub fn hasher(&self) -> blake3::Hasher {
        self.hasher.clone()
    }
}
