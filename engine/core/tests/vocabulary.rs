//! The vocabulary is agreed on the log: components announce what they read, and it is raised once
//! all of them can read it (ADR 21).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use engine_core::{Halt, OwnRecord, Replica, SnapshotError};
use schemas::frame::FIRST_VOCABULARY;
use schemas::limits::{PART_COUNTS_MS, PARTS_MAX};
use schemas::reading::{BrokenLog, RecordFault, WrittenBy};
use schemas::shard_map::ShardMap;
use schemas::{
    AdminId, Build, Command, CommandId, CommandRecord, EngineId, Event, Outcome, PartId, PartInfo, PartKind, Program,
    Record, Rejection, Shard, Term, Timestamp,
};

const SHARD: Shard = Shard::new(0).unwrap();
const FIRST: u16 = FIRST_VOCABULARY;
const NEXT: u16 = FIRST + 1;
const OLDER: Program = Program { reads: FIRST, build: Build { major: 1, minor: 0, patch: 0 } };
const NEWER: Program = Program { reads: NEXT, build: Build { major: 1, minor: 1, patch: 0 } };
const ADMIN: AdminId = AdminId(1);

fn map() -> ShardMap {
    ShardMap::new(1).unwrap()
}

/// A leader that knows `reads`, and the log that it writes and reads back.
struct Stage {
    leader: Replica,
    log: Vec<Vec<u8>>,
    commands: u64,
    now: u64,
}

impl Stage {
    fn new(program: Program) -> Self {
        Self::led_from(program, FIRST)
    }

    fn led_from(program: Program, vocabulary: u16) -> Self {
        let term = Term { vocabulary, build: program.build, ..Term::new(SHARD, 1, EngineId(1), 1) };
        let mut leader = Replica::new(SHARD, map()).knowing(program.reads);
        let log = vec![term.encode()];
        leader.read(0, &log[0]).unwrap();
        leader.lead();
        Self { leader, log, commands: 0, now: 1_000 }
    }

    /// Returns the first event of a command's outcome.
    fn handle(&mut self, command: Command) -> Event {
        let bytes = CommandRecord::new(CommandId(7), command).encode();
        let outcome = self.leader.handle(self.commands, Timestamp(self.now), &bytes).unwrap();
        self.commands += 1;
        let offset = self.log.len() as u64;
        let read = self.leader.read(offset, &outcome).unwrap();
        self.log.push(outcome);
        let OwnRecord::Confirmed(Outcome { events, .. }) = read else { panic!("{read:?}") };
        events[0].clone()
    }

    fn announce(&mut self, id: u128, program: Program) -> Event {
        self.handle(Command::Announce(part(id, program)))
    }

    fn raise(&mut self, to: u16) -> Event {
        self.handle(Command::RaiseVocabulary { to, by: ADMIN })
    }

    /// Reads the whole log as `program` does.
    fn follow(&self, program: Program) -> Result<Replica, Halt> {
        let mut follower = Replica::new(SHARD, map()).knowing(program.reads);
        for (offset, bytes) in (0..).zip(&self.log) {
            follower.read(offset, bytes)?;
        }
        assert_eq!(follower.state().digest(), self.leader.state().digest());
        Ok(follower)
    }
}

fn part(id: u128, program: Program) -> PartInfo {
    program.part(PartId(id), PartKind::Engine)
}

fn refused(code: Rejection) -> Event {
    Event::Rejected { code }
}

fn raised(to: u16, install: Build, by: Option<AdminId>) -> Event {
    Event::VocabularyRaised { to, install, by }
}

fn newer(install: Build) -> RecordFault {
    RecordFault::Newer { needs: NEXT, reads: FIRST, writer: WrittenBy::Build(install) }
}

#[test]
fn the_vocabulary_is_raised_once_all_components_can_read_it() {
    let mut stage = Stage::new(NEWER);
    assert_eq!(stage.raise(FIRST), refused(Rejection::VocabularyNotHigher));
    assert_eq!(stage.raise(NEXT), refused(Rejection::VocabularyUnread), "no component has announced that it reads it");
    stage.announce(1, OLDER);
    assert_eq!(stage.announce(2, NEWER), Event::PartAnnounced { part: part(2, NEWER), vocabulary: FIRST });
    assert_eq!(stage.raise(NEXT), refused(Rejection::VocabularyUnread));
    assert_eq!(stage.handle(Command::Leave { part: PartId(1) }), Event::PartLeft { part: PartId(1) });
    assert!(!stage.leader.state().speaks(NEXT));
    assert_eq!(stage.raise(NEXT), raised(NEXT, NEWER.build, Some(ADMIN)));
    assert!(stage.leader.state().speaks(NEXT));
    assert_eq!(stage.raise(NEXT), refused(Rejection::VocabularyNotHigher), "a repeat has no effect");
    stage.follow(NEWER).unwrap();
}

#[test]
fn a_component_that_restarts_in_a_later_build_is_another_component() {
    let mut stage = Stage::new(NEWER);
    let later = Program { build: Build { major: 2, ..NEWER.build }, ..NEWER };
    stage.announce(1, later);
    stage.announce(2, NEWER);
    // The oldest build that is known to read it is enough as advice which build to install.
    assert_eq!(stage.raise(NEXT), raised(NEXT, NEWER.build, Some(ADMIN)));
}

#[test]
fn a_component_that_is_silent_for_too_long_does_not_count() {
    let mut stage = Stage::new(NEWER);
    stage.announce(1, OLDER);
    stage.now += PART_COUNTS_MS;
    stage.announce(2, NEWER);
    assert_eq!(stage.raise(NEXT), refused(Rejection::VocabularyUnread));
    stage.now += 1;
    assert_eq!(stage.leader.state().parts().all().count(), 2);
    assert_eq!(stage.raise(NEXT), raised(NEXT, NEWER.build, Some(ADMIN)));
    assert_eq!(stage.leader.state().parts().all().count(), 1, "it was dropped");
}

#[test]
fn components_have_a_limit_that_silent_ones_do_not_count_against() {
    let mut stage = Stage::new(NEWER);
    for id in 0..PARTS_MAX as u128 {
        stage.announce(id, NEWER);
    }
    assert_eq!(stage.announce(u128::MAX, NEWER), refused(Rejection::PartsLimit));
    assert!(
        matches!(stage.announce(3, NEWER), Event::PartAnnounced { .. }),
        "a known component may repeat its announcement"
    );
    stage.now += PART_COUNTS_MS + 1;
    assert!(matches!(stage.announce(u128::MAX, NEWER), Event::PartAnnounced { .. }));
    assert_eq!(stage.leader.state().parts().all().count(), 1);
}

#[test]
fn a_leader_raises_to_no_vocabulary_that_it_cannot_read() {
    let mut stage = Stage::new(OLDER);
    stage.announce(2, NEWER);
    assert_eq!(stage.raise(NEXT), refused(Rejection::VocabularyUnread));
}

#[test]
fn an_older_build_stops_at_the_raise_and_names_what_to_install() {
    let mut stage = Stage::new(NEWER);
    stage.announce(2, NEWER);
    stage.raise(NEXT);
    let Err(Halt::Broken(BrokenLog { fault, offset, .. })) = stage.follow(OLDER) else { panic!("it reads on") };
    assert_eq!((fault, offset), (newer(NEWER.build), 2));
}

#[test]
fn an_older_build_that_starts_after_the_raise_stops_at_the_next_outcome() {
    let mut stage = Stage::new(NEWER);
    stage.announce(2, NEWER);
    stage.raise(NEXT);
    // The reader verifies the last outcome again, and it can read that one.
    stage.announce(2, NEWER);
    let position = *stage.leader.position();
    assert_eq!(stage.announce(3, OLDER), raised(NEXT, NEWER.build, None));
    assert_eq!(stage.leader.state().parts().all().count(), 1, "it cannot continue, so no other waits for it");
    let mut reader = schemas::reading::LogReader::new(SHARD, 1, position).knowing(FIRST);
    reader.read(3, &stage.log[3]).unwrap();
    let fault = reader.read(4, &stage.log[4]).unwrap_err().fault;
    assert_eq!(fault, newer(NEWER.build), "though it has not read the term");
    stage.follow(NEWER).unwrap();
}

#[test]
fn a_snapshot_of_a_shard_that_cannot_be_read_on_is_refused() {
    let mut stage = Stage::new(NEWER);
    stage.announce(2, NEWER);
    let before = stage.leader.snapshot().unwrap();
    stage.raise(NEXT);
    let after = stage.leader.snapshot().unwrap();
    let restore = |program: Program, bytes: &[u8]| Replica::restore_knowing(program.reads, (SHARD, map()), bytes);
    assert_eq!(restore(OLDER, &before).unwrap().state().vocabulary(), FIRST);
    let refused = SnapshotError::Newer { vocabulary: NEXT, reads: FIRST, install: NEWER.build };
    assert_eq!(restore(OLDER, &after).unwrap_err(), refused);
    let restored = restore(NEWER, &after).unwrap();
    assert_eq!(restored.state().digest(), stage.leader.state().digest());
}

/// Nothing was decided yet: the last term to begin sets the vocabulary.
#[test]
fn a_log_begins_with_the_vocabulary_of_its_term() {
    let mut follower = Replica::new(SHARD, map()).knowing(NEXT);
    assert_eq!(follower.state().vocabulary(), FIRST);
    let term = |vocabulary| Term { vocabulary, ..Term::new(SHARD, 1, EngineId(1), 1) }.encode();
    follower.read(0, &term(NEXT)).unwrap();
    assert_eq!(follower.state().vocabulary(), NEXT);
    follower.read(1, &term(FIRST)).unwrap();
    assert_eq!(follower.state().vocabulary(), FIRST);
    // After the first outcome a term does not change the vocabulary.
    let mut stage = Stage::led_from(NEWER, NEXT);
    stage.announce(2, NEWER);
    let mut follower = stage.follow(NEWER).unwrap();
    follower.read(2, &term(FIRST)).unwrap();
    assert_eq!(follower.state().vocabulary(), NEXT);
}

/// The frame states the vocabulary, so a reader that does not know the kind stops as well.
#[test]
fn a_raise_needs_the_vocabulary_that_it_raises_to() {
    let mut stage = Stage::new(NEWER);
    stage.announce(2, NEWER);
    stage.raise(NEXT);
    assert!(Record::decode_knowing(NEXT, &stage.log[2]).is_ok());
    assert!(Record::decode_knowing(FIRST, &stage.log[2]).is_err());
    assert!(Record::decode_knowing(FIRST, &stage.log[1]).is_ok());
}
