//! Deterministic simulation: several shards, engine processes, relays, projections and clients in
//! one thread, with one seeded clock and a log in memory that does everything a real one may do.
//!
//! ```text
//! clients ─▶ commands ─▶ *shard loops of the product* ─▶ events ─┬─▶ *the product's fold* ─▶ tables in memory
//!    ▲                                                            └─▶ gateway ─▶ answers
//!    └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! | module       | content                                                                                  |
//! |--------------|------------------------------------------------------------------------------------------|
//! | `plan`       | the parameters of one run: its size, and the faults with their rates                     |
//! | `cluster`    | the log, time, randomness; the product's `ShardLog`, `Clock` and `SnapshotStore` on them |
//! | `builds`     | two builds of the product                                                                |
//! | `identity`   | how a process announces itself and its build on the log                                  |
//! | `process`    | an engine process: the product's `ShardLoop`, once per shard                             |
//! | `clients`    | send, repeat and remember requests; the gateway that answers; `commands` creates requests |
//! | `answers`    | which events answer which command                                                        |
//! | `projection` | the product's fold, with its position kept next to its rows                              |
//! | `simulation` | the scheduler                                                                            |
//! | `faults`     | faults that occur by themselves                                                          |
//! | `settle`     | the end: no more faults, until nothing is left to do                                     |
//! | `oracle`     | what must be true then                                                                   |
//! | `seen`       | counts of what happened                                                                  |
//!
//! A seed determines a run, byte for byte: [`RunReport::digest`] covers every record of the log and
//! every step. A failure names its seed; `ops/simulate --from SEED --seeds 1 --trace` repeats it.
//!
//! Architecture invariant: this crate does not reimplement the product's logic; it only checks its
//! results (`oracle`).

#![allow(missing_docs, reason = "the public face is `run`, which is documented; the rest is one program")]

// Only the projections' fold: their crate would add the clients of Postgres and Redis as
// dependencies.
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
mod identity;
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
