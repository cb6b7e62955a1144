//! The shard process: takes over shards, runs them, relays their messages, and writes snapshots.
//!
//! ```text
//! lfg.commands[s] ─▶ *engine* ─▶ lfg.events[s] ─▶ (back into the *engine*: only what was read back counts)
//! ```
//!
//! Every process follows every shard of the log, or a configured selection ([`standby`]), with one
//! thread per shard, so that it can take them over at once. A consumer group chooses which process
//! should lead which shard ([`ownership`]); terms in the log keep that safe, whatever the group
//! does.
//!
//! - [`log`]: the loop's interfaces to the outside, as small traits; [`kafka_log`]: their
//!   implementation over Kafka.
//! - [`shard`]: the loop of one shard, over those traits.
//! - [`snapshotter`]: writes snapshots outside the loops; the crate `snapshots`: where they are
//!   stored.
//! - [`commands`]: the subcommands for operators: topics, run, verify, inspect, quarantine.
//!
//! Absent: every rule of the exchange. They are in `engine_core`, which does no I/O.

pub mod commands;
pub mod doubt;
pub mod kafka_log;
pub mod log;
pub mod metrics;
pub mod ownership;
pub mod shard;
pub mod snapshotter;
pub mod standby;
