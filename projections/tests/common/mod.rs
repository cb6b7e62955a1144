//! What the tests share.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod exchange;
pub mod log;
pub mod model;
pub mod random;
pub mod stack;
pub mod worker;
