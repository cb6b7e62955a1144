//! How far a reader of the log has come.

use std::collections::BTreeMap;

use schemas::Shard;

/// A reader's progress: sequence and chain of each shard.
pub type Heads = BTreeMap<Shard, (u64, Vec<u8>)>;
