//! Parts: the processes that read a shard's log, and what they say of themselves on it, so that nothing is written
//! there that one of them cannot read.

use bincode::{Decode, Encode};

use crate::frame::VOCABULARY;
use crate::ids::PartId;
use crate::record::Build;

open_enum! {
    /// What a part does. A later build may add kinds freely.
    PartKind: u8, unknown "UNKNOWN_" {
        /// Decides commands, or stands by to.
        Engine = 1, "ENGINE";
        /// Folds events into tables and read models.
        Projections = 2, "PROJECTIONS";
        /// Answers clients.
        Gateway = 3, "GATEWAY";
    }
}

/// What a part says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PartInfo {
    /// Which part: one run of a process.
    pub id: PartId,
    /// What it does.
    pub kind: PartKind,
    /// The vocabulary that it reads.
    pub reads: u16,
    /// Which build it is.
    pub build: Build,
}

/// A program as the log knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// The vocabulary that it reads, and can write.
    pub reads: u16,
    /// Which build it is.
    pub build: Build,
}

impl Program {
    /// This one.
    pub const THIS: Self = Self { reads: VOCABULARY, build: Build::THIS };

    /// What it says of itself as this part.
    pub const fn part(self, id: PartId, kind: PartKind) -> PartInfo {
        PartInfo { id, kind, reads: self.reads, build: self.build }
    }
}
