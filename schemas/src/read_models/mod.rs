//! The names and texts of the read models that programs share: who writes them and who reads them
//! are different programs, and none of them uses another (ADR 46).
//!
//!   projections ─▶ [Redis, Postgres: *read models*] ─▶ gateway, load tester
//!
//! Names and their formats alone: no client of a server, and no arithmetic.

pub mod redis_keys;
mod redis_progress;

pub use redis_keys::RedisKeys;
pub use redis_progress::{NoProgress, RedisProgress, sequence_reached};

/// The name of the tables of Postgres in the column `projection` of the table `progress`.
pub const TABLES_PROJECTION: &str = "tables";

/// The lengths of candles in seconds, shortest first. Each is a multiple of the one before.
pub const CANDLE_INTERVALS_S: [u32; 4] = [60, 300, 3_600, 86_400];
