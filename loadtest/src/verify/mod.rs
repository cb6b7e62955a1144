//! Checks: compares the log with all other sources.
//!
//!   fold ─▶ *verify* ◀─ Postgres, Redis, WebSocket, the gateway's answers
//!
//! Each check reports how many items it compared and which faults it found. A check that compared
//! nothing proves nothing: the report shows it, and a demo fails it unless it is one of
//! [`MAY_BE_EMPTY`].

mod compare;
mod faults;
mod heads;

pub mod answers;
pub mod log;
pub mod money;
pub mod postgres;
pub mod purses;
pub mod read_model_error;
pub mod redis;
pub mod settle;
pub mod websocket;

pub use compare::{exactly, with_defaults};
pub use faults::Faults;

/// Checks that may be empty in a demo: a demo may end without a rejection, an unanswered request, a
/// group or a proposed deposit, and its markets belong to no market event.
pub const MAY_BE_EMPTY: &[&str] = &[
    "every refused order had no effect, for the answered reason",
    "every 202 and every failure is resolved by the log",
    "no order was refused for credits that its account had",
    "I-12 at most one market of an exclusive event is YES",
    "Postgres: market events",
    "Postgres: groups of orders",
    "Postgres: proposed deposits",
];

/// One condition that must hold.
#[derive(Debug)]
pub struct Check {
    /// The condition.
    pub name: String,
    /// Number of items compared.
    pub compared: u64,
    /// The violations found.
    pub faults: Faults,
}

impl Check {
    /// Returns a check of `compared` items without faults.
    pub fn new(name: &str, compared: usize) -> Self {
        Self { name: name.to_owned(), compared: compared as u64, faults: Faults::default() }
    }

    /// Returns a check of a single condition.
    pub fn holds(name: &str, compared: usize, holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        let mut check = Self::new(name, compared);
        check.faults.check(holds, otherwise);
        check
    }

    /// Returns true if nothing was compared and nothing failed: the check proves nothing.
    pub fn is_empty(&self) -> bool {
        self.compared == 0 && self.faults.is_empty()
    }

    /// Fails the check if it compared nothing.
    #[must_use]
    pub fn required(mut self) -> Self {
        let is_empty = self.is_empty();
        self.faults.check(!is_empty, || "the check had nothing to compare".to_owned());
        self
    }

    /// Returns a check with faults that were found elsewhere.
    pub fn of(name: &str, compared: usize, faults: Faults) -> Self {
        Self { faults, ..Self::new(name, compared) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_compared_nothing_is_empty_and_fails_where_it_is_required() {
        assert!(Check::new("nothing", 0).is_empty());
        assert!(!Check::new("something", 1).is_empty());
        assert!(!Check::holds("a fault", 0, false, String::new).is_empty(), "what failed was not empty");
        assert_eq!(Check::new("nothing", 0).required().faults.count(), 1);
        assert_eq!(Check::new("something", 1).required().faults.count(), 0);
        assert_eq!(Check::holds("a fault", 0, false, String::new).required().faults.count(), 1);
    }
}
