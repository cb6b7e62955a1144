//! Components (`part` on the wire): the processes that read a shard's log. They announce themselves
//! on it, so that nothing is written there that one of them cannot read.

use bincode::{Decode, Encode};

use crate::build::Build;
use crate::frame::VOCABULARY;
use crate::ids::PartId;

open_enum! {
    /// What a component does. A later build may add kinds freely.
    PartKind: u8, unknown "UNKNOWN_" {
        /// An engine: decides commands, or stands by to do so.
        Engine = 1, "ENGINE";
        /// Folds events into tables and read models.
        Projections = 2, "PROJECTIONS";
        /// Answers clients.
        Gateway = 3, "GATEWAY";
    }
}

/// A component's description of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PartInfo {
    /// The component: one run of a process.
    pub id: PartId,
    /// What it does.
    pub kind: PartKind,
    /// The vocabulary that it reads.
    pub reads: u16,
    /// Its build.
    pub build: Build,
}

/// A program's vocabulary and build, as it announces them on the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// The vocabulary that it reads, and can write.
    pub reads: u16,
    /// Its build.
    pub build: Build,
}

impl Program {
    /// This program.
    pub const THIS: Self = Self { reads: VOCABULARY, build: Build::THIS };

    /// Returns the description of this program as a component.
    pub const fn part(self, id: PartId, kind: PartKind) -> PartInfo {
        PartInfo { id, kind, reads: self.reads, build: self.build }
    }
}
