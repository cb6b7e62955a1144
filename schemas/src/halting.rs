//! What is written about a shard that has halted: by the leader that halts, and by admins who let it go on.

use bincode::{Decode, Encode};

use crate::ids::{AdminId, EngineId, Shard};
use crate::text::Reason;

/// The leader of a term has halted: until another term begins, nobody decides commands. Only told: no reader depends on
/// it, and a leader that is killed says nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LeaderHalted {
    /// The shard.
    pub shard: Shard,
    /// The term; the record means nothing under another.
    pub term: u64,
    /// The process.
    pub engine: EngineId,
    /// Why, and what an operator does.
    pub reason: Reason,
}

/// Two admins' word about what every reader of a shard, or every leader, would halt at. Written by `engine quarantine`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Quarantine {
    /// The shard.
    pub shard: Shard,
    /// What is put aside.
    pub what: Quarantined,
    /// Who asks.
    pub by: AdminId,
    /// Who agrees: another admin.
    pub seconded: AdminId,
    /// Why.
    pub reason: Reason,
}

impl Quarantine {
    /// True if it is of this shard's log and two admins stand for it. One with the same admin twice counts for nothing.
    pub fn counts(&self, shard: Shard) -> bool {
        self.shard == shard && self.by != self.seconded
    }
}

/// What is put aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Quarantined {
    /// A record of the events at which readers halt: they pass over it. It must not be an outcome that others follow
    /// from.
    Record {
        /// Its offset, before this record's own.
        offset: u64,
    },
    /// A command at which leaders halt, and which has no outcome: the next leader refuses it as `quarantined`.
    Command {
        /// Its offset in the commands.
        offset: u64,
    },
}

impl std::fmt::Display for Quarantined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record { offset } => write!(f, "events record {offset}"),
            Self::Command { offset } => write!(f, "command {offset}"),
        }
    }
}
