//! The faults that a check found: all are counted, the first few are reported in full.

/// Number of faults reported in full; the others are only counted.
const TOLD: usize = 5;

/// The faults found.
#[derive(Default, Debug, Clone)]
pub struct Faults {
    count: u64,
    first: Vec<String>,
}

impl Faults {
    /// Adds a fault. Builds the text only if it will be reported.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(text());
        }
    }

    /// Adds a fault unless `holds`.
    pub fn check(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.add(text);
        }
    }

    /// Returns the number of faults.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns true if there are no faults.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the first few faults.
    pub fn told(&self) -> &[String] {
        &self.first
    }
}
