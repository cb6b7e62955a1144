//! Records about a halted shard, written by the leader that halts, and by admins who let the shard
//! continue.

use bincode::{Decode, Encode};

use crate::ids::{AdminId, EngineId, Shard};
use crate::text::Reason;

/// The leader of a term has halted: no commands are decided until another term begins.
/// Informational: no reader depends on this record, and a leader that is killed does not write it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LeaderHalted {
    /// The shard.
    pub shard: Shard,
    /// The term; the record has no meaning in another term.
    pub term: u64,
    /// The process.
    pub engine: EngineId,
    /// The cause, and what an operator does.
    pub reason: Reason,
}

/// A statement by two admins to skip what every reader of a shard, or every leader, would halt at.
/// Written by `engine quarantine`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Quarantine {
    /// The shard.
    pub shard: Shard,
    /// The quarantined record or command.
    pub what: Quarantined,
    /// The admin who makes the request.
    pub by: AdminId,
    /// The other admin, who agrees.
    pub seconded: AdminId,
    /// Why.
    pub reason: Reason,
}

impl Quarantine {
    /// Returns true if the record belongs to this shard's log and two different admins signed it. A
    /// record with the same admin twice is not valid.
    pub fn counts(&self, shard: Shard) -> bool {
        self.shard == shard && self.by != self.seconded
    }
}

/// A quarantined record or command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Quarantined {
    /// A record of the events log at which readers halt: they skip it. It must not be an outcome
    /// that later outcomes depend on.
    Record {
        /// Its offset, lower than this record's own.
        offset: u64,
    },
    /// A command at which leaders halt and which has no outcome: the next leader refuses it as
    /// `quarantined`.
    Command {
        /// Its offset in the commands topic.
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
