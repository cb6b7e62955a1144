//! The Redis read models: one script call a batch, for all its keys, guarded by the position.
//!
//!   fold ─▶ [`RowChanges`](crate::fold::Changes) ─▶ models ─▶ operations ─▶ `apply.lua` ─▶ [`keys`]
//!
//! Redis holds nothing that cannot be rebuilt: if a shard's progress is missing, its keys are cleared and the log is folded
//! again from the beginning.

mod forget;
pub mod keys;
mod models;
mod operations;
mod progress;
mod writer;

pub use forget::forget;
pub use progress::RedisProgress;
pub use writer::RedisSink;
