//! The Redis read models: one script call per batch, for all its keys, guarded by the position.
//!
//!   fold ─▶ [`RowChanges`](crate::fold::RowChanges) ─▶ models ─▶ operations ─▶ `apply.lua` ─▶ keys ([`schemas::read_models::redis_keys`])
//!
//! Redis holds nothing that cannot be rebuilt: if a shard's progress is missing, the writer clears
//! the shard's keys and folds the log again from the beginning.

mod forget;
mod models;
mod operations;
mod writer;

pub use forget::forget;
pub use writer::RedisSink;
