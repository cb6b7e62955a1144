//! Checks: what the log says against what everybody else says.
//!
//!   fold ─▶ *verify* ◀─ Postgres, Redis, WebSocket, the gateway's answers
//!
//! Each check says how much it compared and what it found wrong. A check that compared nothing proves nothing, and shows it.

mod compare;
mod faults;

pub mod answers;
pub mod log;
pub mod money;
pub mod postgres;
pub mod purses;
pub mod redis;
pub mod settle;
pub mod websocket;

pub use compare::{exactly, with_defaults};
pub use faults::Faults;

/// One thing that must hold.
#[derive(Debug)]
pub struct Check {
    /// What must hold.
    pub name: String,
    /// How many things were looked at.
    pub compared: u64,
    /// What did not hold.
    pub faults: Faults,
}

impl Check {
    /// Nothing wrong yet among `compared` things.
    pub fn new(name: &str, compared: usize) -> Self {
        Self { name: name.to_owned(), compared: compared as u64, faults: Faults::default() }
    }

    /// One fault, and only that.
    pub fn holds(name: &str, compared: usize, holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        let mut check = Self::new(name, compared);
        check.faults.check(holds, otherwise);
        check
    }

    /// With faults found elsewhere.
    pub fn of(name: &str, compared: usize, faults: Faults) -> Self {
        Self { faults, ..Self::new(name, compared) }
    }
}
