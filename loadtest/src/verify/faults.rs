//! What a check found wrong: all of it counted, the first few told.

/// Faults that are told in full; the rest is counted.
const TOLD: usize = 5;

/// Found faults.
#[derive(Default, Debug, Clone)]
pub struct Faults {
    count: u64,
    first: Vec<String>,
}

impl Faults {
    /// One more. The text is only made if it will be told.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(text());
        }
    }

    /// One more unless `holds`.
    pub fn check(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.add(text);
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first few.
    pub fn told(&self) -> &[String] {
        &self.first
    }
}
