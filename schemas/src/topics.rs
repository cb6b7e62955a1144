//! The names of the topics.

/// Names under one prefix (`lfg` in production; tests use prefixes of their own on a shared broker).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// What clients and shards ask: `PREFIX.commands`, one partition a shard.
    pub commands: String,
    /// What became true: `PREFIX.events`, one partition a shard.
    pub events: String,
    /// The consumer group that chooses which engine owns which shard: `PREFIX.engines`.
    pub engines_group: String,
}

impl Topics {
    /// The names under `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self {
            commands: format!("{prefix}.commands"),
            events: format!("{prefix}.events"),
            engines_group: format!("{prefix}.engines"),
        }
    }
}
