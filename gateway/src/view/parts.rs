//! The vocabulary of a shard, and the parts that have announced that they read it. Pure.
//!
//! Postgres has none of this. The view learns it from its starting position on: terms, raises and
//! announcements contain the vocabulary, and each part announces itself every few minutes, this
//! gateway at its start.

use std::collections::BTreeMap;

use schemas::frame::FIRST_VOCABULARY;
use schemas::limits::PART_COUNTS_MS;
use schemas::{Event, PartId, PartInfo, Term, Timestamp};

/// The vocabulary and the parts of one shard.
#[derive(Debug, Default)]
pub struct ShardParts {
    vocabulary: Option<u16>,
    parts: BTreeMap<PartId, (PartInfo, Timestamp)>,
}

impl ShardParts {
    /// Folds an event.
    pub fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::PartAnnounced { part, vocabulary } => {
                self.vocabulary = Some(*vocabulary);
                self.parts.retain(|_, (_, at)| now.0 <= at.0.saturating_add(PART_COUNTS_MS));
                self.parts.insert(part.id, (*part, now));
            }
            Event::PartLeft { part } => drop(self.parts.remove(part)),
            Event::VocabularyRaised { to, .. } => self.vocabulary = Some(*to),
            _ => {}
        }
    }

    /// Folds a new term. A raise may have overtaken it, so a raised vocabulary stays.
    pub fn term(&mut self, term: &Term) {
        self.vocabulary = self.vocabulary.max(Some(term.vocabulary));
    }

    /// Returns the shard's vocabulary, once known.
    pub fn vocabulary(&self) -> Option<u16> {
        self.vocabulary
    }

    /// Returns true if commands for the shard may be written in this vocabulary. While the shard's
    /// is unknown, only the first may.
    #[allow(dead_code, reason = "every command that a gateway writes is of the first vocabulary; see docs/upgrades.md")]
    pub fn speaks(&self, vocabulary: u16) -> bool {
        self.vocabulary.unwrap_or(FIRST_VOCABULARY) >= vocabulary
    }

    /// Returns the parts that have announced themselves, with the time of their last announcement.
    pub fn all(&self) -> impl Iterator<Item = &(PartInfo, Timestamp)> {
        self.parts.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Build, EngineId, PartKind, Program, Shard};

    #[test]
    fn the_vocabulary_is_that_of_the_last_that_told_it() {
        let mut parts = ShardParts::default();
        assert!(parts.vocabulary().is_none() && parts.speaks(FIRST_VOCABULARY) && !parts.speaks(FIRST_VOCABULARY + 1));
        let term = |vocabulary| Term { vocabulary, ..Term::new(Shard::new(0).unwrap(), 1, EngineId(1), 1) };
        parts.term(&term(1));
        parts.apply(&Event::VocabularyRaised { to: 3, install: Build::THIS, by: None }, Timestamp(5));
        parts.term(&term(1));
        assert!((parts.vocabulary(), parts.speaks(3), parts.speaks(4)) == (Some(3), true, false));
    }

    #[test]
    fn parts_go_when_they_say_so_or_are_silent() {
        let mut parts = ShardParts::default();
        let announced = |id| Event::PartAnnounced {
            part: Program::THIS.part(PartId(id), PartKind::Engine),
            vocabulary: FIRST_VOCABULARY,
        };
        let ids = |parts: &ShardParts| parts.all().map(|(part, _)| part.id.0).collect::<Vec<_>>();
        parts.apply(&announced(1), Timestamp(1));
        parts.apply(&announced(2), Timestamp(2));
        parts.apply(&announced(3), Timestamp(2 + PART_COUNTS_MS));
        assert_eq!(ids(&parts), [2, 3]);
        parts.apply(&Event::PartLeft { part: PartId(2) }, Timestamp(3 + PART_COUNTS_MS));
        assert_eq!(ids(&parts), [3]);
    }
}
