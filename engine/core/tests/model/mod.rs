//! The whole core against a naive model of the law: the same random commands to both, everything compared after each.
//!
//! - [`law`]: the model, written from the words of `schemas`, not from the core.
//! - [`shards`]: the core's real states, with every message between them delivered after each command.
//! - [`compare`]: what must agree; [`normal`]: what the core tells, in the model's form.
//! - [`preview`]: what the core says of an order before it is placed, beside what becomes of it.
//! - [`random`], [`steps`]: what to try; [`commands`]: the commands that it comes to; [`world`]: runs them on both.
//! - [`corners`]: what random steps hardly reach.
//! - [`coverage`]: what a run must have seen.

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
