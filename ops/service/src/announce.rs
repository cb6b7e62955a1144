//! When a component announces itself to the shards whose log it reads: at its start, then every few
//! minutes, and once more when it ends. Pure; [`kafka::announce`](crate::kafka::announce) writes
//! the announcements.

use std::time::Duration;

use schemas::limits::PART_ANNOUNCES_MS;
use schemas::{Command, PartInfo};

/// Pause after an announcement that did not reach the log.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The announcements of one component to one shard.
#[derive(Clone, Copy, Debug)]
pub struct Announcements {
    part: PartInfo,
    due: Duration,
}

impl Announcements {
    /// The first is due at once.
    pub const fn new(part: PartInfo) -> Self {
        Self { part, due: Duration::ZERO }
    }

    /// Returns the command to write now, if one is due. `now` is any clock that never goes back.
    pub fn due(&mut self, now: Duration) -> Option<Command> {
        let is_due = self.due <= now;
        if is_due {
            self.due = now + Duration::from_millis(PART_ANNOUNCES_MS);
        }
        is_due.then_some(Command::Announce(self.part))
    }

    /// Makes the next announcement due at once.
    pub fn hasten(&mut self, now: Duration) {
        self.due = self.due.min(now);
    }

    /// Records that the last announcement did not reach the log.
    pub fn failed(&mut self, now: Duration) {
        self.due = now + AGAIN_AFTER;
    }

    /// Returns when the next announcement is due.
    pub const fn next(&self) -> Duration {
        self.due
    }

    /// Returns the command to write at the end.
    pub const fn leave(&self) -> Command {
        Command::Leave { part: self.part.id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{PartId, PartKind, Program};

    #[test]
    fn a_part_announces_itself_at_once_and_sooner_again_after_a_failure() {
        let part = Program::THIS.part(PartId(1), PartKind::Gateway);
        let mut announcements = Announcements::new(part);
        let at = Duration::from_secs;
        assert_eq!(announcements.due(at(3)), Some(Command::Announce(part)));
        assert_eq!((announcements.due(at(3)), announcements.due(at(302))), (None, None));
        assert_eq!(announcements.due(at(303)), Some(Command::Announce(part)));
        announcements.failed(at(310));
        assert_eq!((announcements.due(at(310)), announcements.next()), (None, at(311)));
        assert_eq!(announcements.due(at(311)), Some(Command::Announce(part)));
        announcements.hasten(at(320));
        assert_eq!((announcements.due(at(320)), announcements.next()), (Some(Command::Announce(part)), at(620)));
        assert_eq!(announcements.leave(), Command::Leave { part: part.id });
    }
}
