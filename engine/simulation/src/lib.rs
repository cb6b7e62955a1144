//! Deterministic simulation: several shards, engine processes, relays, projections and clients in one thread, on one seeded
//! clock and a log in memory that does everything a real one may do.
//!
//!   clients ─▶ commands ─▶ *shard loops of the product* ─▶ events ─┬─▶ *the product's fold* ─▶ tables in memory
//!      ▲                                                            └─▶ gateway ─▶ answers
//!      └──────────────────────────────────────────────────────────────────────────┘
//!
//! | module       | what                                                                                     |
//! |--------------|------------------------------------------------------------------------------------------|
//! | `plan`       | what one run is like: its size, and which faults happen how often                        |
//! | `cluster`    | the log, time, luck; the product's `Log`, `Clock` and `Shelf` over them                  |
//! | `builds`     | two builds of the product, and how a process says on the log which one it is             |
//! | `process`    | an engine process: the product's `ShardLoop`, once a shard                               |
//! | `clients`    | ask, repeat, remember; the gateway that answers them; `commands` makes what is asked     |
//! | `answers`    | which events answer which command                                                        |
//! | `projection` | the product's fold, with its position kept beside its rows                               |
//! | `simulation` | the scheduler                                                                            |
//! | `faults`     | what is done to the system                                                               |
//! | `settle`     | the end: no more faults, until nothing is left to do                                     |
//! | `oracle`     | what must be true then                                                                   |
//! | `seen`       | what happened, counted                                                                   |
//!
//! A seed is a run, byte for byte: [`RunReport::digest`] covers every record of the log and every step. A failure names its
//! seed; `ops/simulate --from SEED --seeds 1 --trace` shows it again.
//!
//! Architecture invariant: nothing of the product's logic is written again here, only what it must come to (`oracle`).

#![allow(missing_docs, reason = "the public face is `run`, which is documented; the rest is one program")]

// The projections' fold alone: their crate would bring the clients of Postgres and Redis with it.
extern crate self as projections;
#[path = "../../../projections/src/fold/mod.rs"]
pub mod fold;
#[allow(clippy::unwrap_used, reason = "an oracle fails by panicking")]
#[path = "../../../projections/tests/common/model.rs"]
mod tables;

mod answers;
mod builds;
mod clients;
mod cluster;
mod faults;
mod oracle;
mod plan;
mod process;
mod projection;
mod random;
mod run;
mod seen;
mod settle;
mod simulation;

pub use plan::FAULTS;
pub use run::{Options, RunFailure, RunReport, run};
pub use seen::{Seen, Tally};
