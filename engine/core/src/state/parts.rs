//! The components (parts) that read this shard's log, and what they can read: the vocabulary is
//! raised only when all can read it.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use schemas::limits::PART_COUNTS_MS;
use schemas::{Build, PartId, PartInfo, Timestamp};

/// A part, and the time of its last announcement.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub struct Announced {
    pub part: PartInfo,
    pub at: Timestamp,
}

impl Announced {
    fn counts(&self, now: Timestamp) -> bool {
        now.0 <= self.at.0.saturating_add(PART_COUNTS_MS)
    }
}

/// The announcements of parts. Those that were silent for too long are dropped when another part
/// announces itself.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Parts(BTreeMap<PartId, Announced>);

impl Parts {
    /// Returns the parts that count now.
    pub fn counting(&self, now: Timestamp) -> impl Iterator<Item = &PartInfo> {
        self.0.values().filter(move |announced| announced.counts(now)).map(|announced| &announced.part)
    }

    /// Returns all parts, including those that do not count any more.
    pub fn all(&self) -> impl Iterator<Item = &Announced> {
        self.0.values()
    }

    /// Returns the oldest build of all parts that count, if there is one and each of them reads
    /// this vocabulary.
    pub fn all_read(&self, vocabulary: u16, now: Timestamp) -> Option<Build> {
        let unread = self.counting(now).any(|part| part.reads < vocabulary);
        self.counting(now).map(|part| part.build).min().filter(|_| !unread)
    }

    pub(crate) fn announce(&mut self, part: PartInfo, now: Timestamp) {
        self.drop_silent(now);
        self.0.insert(part.id, Announced { part, at: now });
    }

    pub(crate) fn leave(&mut self, part: PartId) {
        self.0.remove(&part);
    }

    pub(crate) fn drop_silent(&mut self, now: Timestamp) {
        self.0.retain(|_, announced| announced.counts(now));
    }
}
