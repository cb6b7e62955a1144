//! Helpers shared by the tests.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod exchange;
#[path = "../../../schemas/tests/later/mod.rs"]
pub mod later;
pub mod log;
pub mod model;
pub mod random;
pub mod stack;
pub mod worker;
