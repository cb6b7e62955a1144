//! The names of the topics.

/// Names under one prefix (`lfg` in production; tests use prefixes of their own on a shared
/// broker).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// Requests of clients and messages of shards: `PREFIX.commands`, one partition per shard.
    pub commands: String,
    /// Facts: `PREFIX.events`, one partition per shard.
    pub events: String,
    /// The consumer group that assigns shards to engines: `PREFIX.engines`.
    pub engines_group: String,
}

impl Topics {
    /// Returns the names under `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self {
            commands: format!("{prefix}.commands"),
            events: format!("{prefix}.events"),
            engines_group: format!("{prefix}.engines"),
        }
    }
}
