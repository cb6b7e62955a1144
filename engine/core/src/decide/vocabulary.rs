//! The vocabulary of the log: parts announce what they can read, and an admin raises it once all
//! can (ADR 21).

use schemas::limits::PARTS_MAX;
use schemas::{AdminId, Event, PartId, PartInfo, Rejection};

use super::CommandRun;

impl CommandRun<'_> {
    /// Records a part's announcement. A part that reads less than the log needs halts at the first
    /// frame that it cannot read.
    pub(super) fn announce(&mut self, part: &PartInfo) {
        self.answer(|state| {
            let (vocabulary, now) = (state.vocabulary(), state.time());
            if part.reads < vocabulary {
                return Ok(Event::VocabularyRaised { to: vocabulary, install: state.facts.install, by: None });
            }
            let others = state.facts.parts.counting(now).filter(|other| other.id != part.id).count();
            if others >= PARTS_MAX {
                return Err(Rejection::PartsLimit);
            }
            Ok(Event::PartAnnounced { part: *part, vocabulary })
        });
    }

    pub(super) fn leave(&mut self, part: PartId) {
        self.answer(|_| Ok(Event::PartLeft { part }));
    }

    pub(super) fn raise_vocabulary(&mut self, to: u16, by: AdminId) {
        self.answer(|state| {
            if to <= state.vocabulary() {
                return Err(Rejection::VocabularyNotHigher);
            }
            let install = state.facts.parts.all_read(to, state.time());
            // The deciding process reads its own outcomes back, even if its announcement was lost.
            let install = install.filter(|_| to <= state.reads).ok_or(Rejection::VocabularyUnread)?;
            Ok(Event::VocabularyRaised { to, install, by: Some(by) })
        });
    }
}
