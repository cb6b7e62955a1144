//! Compares the whole core with a naive model of its rules: the same random commands go to both,
//! and everything is compared after each.
//!
//! - [`law`]: the model, written from the documentation of `schemas`, not from the core.
//! - [`shards`]: the core's real states, with every message between them delivered after each
//!   command.
//! - [`compare`]: what must agree; [`normal`]: the core's events, in the model's form.
//! - [`preview`]: the core's preview of an order, compared with its result.
//! - [`random`], [`steps`]: random steps; [`commands`]: the commands of each step; [`world`]: runs
//!   them on both.
//! - [`corners`]: cases that random steps hardly reach.
//! - [`coverage`]: what a run must have reached.

pub mod commands;
pub mod compare;
pub mod corners;
pub mod coverage;
pub mod law;
pub mod normal;
pub mod preview;
pub mod random;
pub mod shards;
pub mod steps;
pub mod world;
