//! The shard process: takes shards over, runs them, relays their messages, keeps snapshots.
//!
//!   lfg.commands[s] ─▶ *engine* ─▶ lfg.events[s] ─▶ (back into the *engine*: only what came back counts)
//!
//! Every process follows every shard of the log, or those of its choice ([`standby`]), one thread each, so that it can take them over at
//! once. A consumer group says which process should lead which shard ([`ownership`]); terms in the log make that safe, whatever the group does.
//!
//! - [`log`]: what the loop needs of the outside, as small traits; [`kafka_log`]: the same over Kafka.
//! - [`shard`]: the loop of one shard, over those traits.
//! - [`snapshotter`]: writes snapshots beside the loops; the crate `snapshots`: where they are kept.
//! - [`commands`]: what an operator can ask for: topics, run, verify, inspect.
//!
//! Absent: every rule of the exchange. They are in `engine_core`, which does no I/O.

pub mod commands;
pub mod kafka_log;
pub mod log;
pub mod metrics;
pub mod ownership;
pub mod shard;
pub mod snapshotter;
pub mod standby;
