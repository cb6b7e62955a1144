//! The Redis read models: one script call per batch, for all its keys, guarded by the position.
//!
//!   fold ─▶ [`RowChanges`](crate::fold::RowChanges) ─▶ models ─▶ operations ─▶ `apply.lua` ─▶ [`keys`]
//!
//! Redis holds nothing that cannot be rebuilt: if a shard's progress is missing, the writer clears
//! the shard's keys and folds the log again from the beginning.

mod forget;
pub mod keys;
mod models;
mod operations;
mod progress;
mod writer;

pub use forget::forget;
pub use progress::RedisProgress;
pub use writer::RedisSink;
