//! Tests the read rule exhaustively: every short history that two or three writers and an
//! unreliable broker can produce, read by `Reader` and by a naive model that examines the whole
//! history again at every record.
//!
//! A history that breaks the log ends there (the reader halts), so the tree of histories stays
//! small enough to walk completely.

mod later;
mod values;

use std::collections::HashSet;

use schemas::codec::{self, DecodeError, VERSION};
use schemas::frame::HEAD_BYTES;
use schemas::reading::{Admission, BrokenLog, Checkpoint, LogReader, ReadRecord, RecordFault, WrittenBy, admit};
use schemas::record::{Cause, Chain};
use schemas::text::Reason;
use schemas::{
    AdminId, CommandId, EngineId, LeaderHalted, Outcome, Quarantine, Quarantined, Record, Shard, Term, Timestamp,
    VOCABULARY,
};

const SHARDS: u16 = 4;

fn shard() -> Shard {
    Shard::new(1).expect("a shard")
}

fn reader(position: Checkpoint) -> LogReader {
    LogReader::new(shard(), SHARDS, position)
}

/// The possible next record of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Writer 0, 1 or 2 takes over (again).
    Term(usize),
    /// Writer 0, 1 or 2 writes what it believes to be the next outcome. Stale if another took over
    /// since.
    Next(usize),
    /// An outcome of an earlier term's writer that is right in everything but the term.
    StaleButPerfect,
    /// An earlier term's writer is of a later build, and raises the vocabulary.
    StaleRaise,
    /// The current writer raises the vocabulary above what this build reads.
    Raise,
    /// The previous record is delivered again, at its own offset.
    Repeated,
    /// The first record is delivered again.
    FirstAgain,
    /// The broker used an offset for itself; then the current writer continues.
    Gap,
    /// The current writer continues after a command that it has lost.
    CommandLost,
    /// The current term's outcome, with a sequence that is one too high.
    SequenceAhead,
    /// The current term's outcome, with the last sequence again.
    SequenceAgain,
    /// The current term's outcome with another chain.
    WrongChain,
    /// The current term's outcome for a command that has one.
    CommandBack,
    /// An outcome of a term that never began.
    FutureTerm,
    /// A term of another shard.
    ForeignShard,
    /// A term of a log with another number of shards.
    ForeignShards,
    /// Bytes that are not a record.
    Garbage,
    /// A record of a kind that a later build added.
    UnknownKind,
    /// A writer of a later build takes over.
    NewerTerm,
}

const STEPS: [Step; 23] = {
    use Step::*;
    [
        Term(0),
        Term(1),
        Term(2),
        Next(0),
        Next(1),
        Next(2),
        StaleButPerfect,
        StaleRaise,
        Raise,
        Repeated,
        FirstAgain,
        Gap,
        CommandLost,
        SequenceAhead,
        SequenceAgain,
        WrongChain,
        CommandBack,
        FutureTerm,
        ForeignShard,
        ForeignShards,
        Garbage,
        UnknownKind,
        NewerTerm,
    ]
};

type Written = (u64, Vec<u8>);

/// A writer's belief, folded by the writer alone: right when it took over, out of date once another
/// one did.
#[derive(Clone, Copy, Default)]
struct Writer {
    term: u64,
    sequence: u64,
    chain: Chain,
    command: u64,
}

/// All that was delivered so far, and the beliefs of the writers.
#[derive(Clone, Default)]
struct World {
    delivered: Vec<Written>,
    next_offset: u64,
    writers: [Option<Writer>; 3],
    /// The current writer and the previous one.
    current: Option<usize>,
    former: Option<u64>,
    /// The last belief of a current writer: what a new one learns by reading.
    truth: Writer,
}

impl World {
    /// Returns the world after `step`; `None` if the step is not possible yet.
    fn after(&self, step: Step) -> Option<Self> {
        let mut world = self.clone();
        let offset = world.next_offset;
        world.next_offset += 1;
        let bytes = match step {
            Step::Term(writer) => world.take_over(writer, offset),
            Step::Next(writer) => world.next(writer, 0)?,
            Step::CommandLost => world.next(self.current?, 1)?,
            Step::Gap => {
                world.next_offset += 1;
                let bytes = world.next(self.current?, 0)?;
                world.delivered.push((offset + 1, bytes));
                return Some(world);
            }
            Step::StaleButPerfect => outcome(Writer { term: self.former?, ..self.truth }, 1, 0),
            Step::StaleRaise => raise(Writer { term: self.former?, ..self.truth }),
            Step::Raise => raise(self.belief()?),
            Step::Repeated => return world.again(self.delivered.last()?.clone()),
            Step::FirstAgain => return world.again(self.delivered.first()?.clone()),
            Step::SequenceAhead => outcome(self.belief()?, 2, 0),
            Step::SequenceAgain => outcome(self.belief()?, 0, 0),
            Step::WrongChain => outcome(Writer { chain: Chain([9; 16]), ..self.belief()? }, 1, 0),
            Step::CommandBack => {
                let belief = self.belief()?;
                outcome(Writer { command: belief.command.checked_sub(1)?, ..belief }, 1, 0)
            }
            Step::FutureTerm => outcome(Writer { term: offset + 1, ..self.truth }, 1, 0),
            Step::ForeignShard => term(Shard::new(2).expect("a shard"), SHARDS, 0),
            Step::ForeignShards => term(shard(), SHARDS + 1, 0),
            Step::Garbage => vec![1, 2, 3],
            Step::UnknownKind => vec![VERSION, 0, 0, 0, 0, 77, 0, 0, 0],
            Step::NewerTerm => Term { vocabulary: VOCABULARY + 1, ..term_of(shard(), SHARDS, 0) }.encode(),
        };
        world.delivered.push((offset, bytes));
        Some(world)
    }

    fn belief(&self) -> Option<Writer> {
        self.writers[self.current?]
    }

    fn again(mut self, record: Written) -> Option<Self> {
        self.next_offset -= 1;
        self.delivered.push(record);
        Some(self)
    }

    fn take_over(&mut self, writer: usize, offset: u64) -> Vec<u8> {
        self.former = self.belief().map(|belief| belief.term).or(self.former);
        self.truth.term = offset;
        self.writers[writer] = Some(self.truth);
        self.current = Some(writer);
        term(shard(), SHARDS, writer as u64)
    }

    /// Returns what `writer` writes next, after it has lost `skipped` commands. Its belief advances
    /// whether or not the record counts.
    fn next(&mut self, writer: usize, skipped: u64) -> Option<Vec<u8>> {
        let belief = self.writers[writer]?;
        let bytes = outcome(belief, 1, skipped);
        let chain = *bytes.last_chunk().expect("an outcome ends with its chain");
        let moved = Writer {
            sequence: belief.sequence + 1,
            chain: Chain(chain),
            command: belief.command + skipped + 1,
            ..belief
        };
        self.writers[writer] = Some(moved);
        if self.current == Some(writer) {
            self.truth = moved;
        }
        Some(bytes)
    }
}

fn term(shard: Shard, shards: u16, engine: u64) -> Vec<u8> {
    term_of(shard, shards, engine).encode()
}

fn term_of(shard: Shard, shards: u16, engine: u64) -> Term {
    Term::new(shard, shards, EngineId(engine.into()), 1)
}

fn outcome(writer: Writer, ahead: u64, skipped: u64) -> Vec<u8> {
    let outcome = Outcome {
        term: writer.term,
        sequence: writer.sequence + ahead,
        time: Timestamp(7),
        cause: Cause { offset: writer.command + skipped, id: CommandId(writer.term.into()) },
        events: Vec::new(),
    };
    outcome.encode(writer.chain).0
}

/// An outcome with an event that this build must know, but does not.
fn raise(writer: Writer) -> Vec<u8> {
    let Ok(Record::Outcome(plain, _)) = Record::decode(&outcome(writer, 1, 0)) else { panic!("an outcome") };
    later::outcome(&plain, &[later::unknown(VOCABULARY + 1)], &[], writer.chain).0
}

/// The meaning of the last record of a history, determined from the whole history without other
/// memory.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Meaning {
    NewTerm,
    Fact(u64),
    Nothing,
    Halt,
}

/// Returns the term of an outcome: the first field after the version and the frame's head.
fn term_in(outcome: &[u8]) -> u64 {
    u64::from_le_bytes(*outcome[1 + HEAD_BYTES..].first_chunk().expect("a field"))
}

/// Returns the outcomes of an unbroken history, and the term it ends in.
fn look_over(history: &[Written]) -> (Vec<(Outcome, Chain)>, Option<u64>) {
    let mut facts = Vec::new();
    let mut term = None;
    for until in 1..=history.len() {
        match (meaning(&history[..until]), Record::decode(&history[until - 1].1)) {
            (Meaning::NewTerm, _) => term = Some(history[until - 1].0),
            (Meaning::Fact(_), Ok(Record::Outcome(outcome, chain))) => facts.push((outcome, chain)),
            _ => {}
        }
    }
    (facts, term)
}

fn meaning(history: &[Written]) -> Meaning {
    let ((offset, bytes), before) = history.split_last().expect("a history has a record");
    if before.iter().any(|(earlier, _)| earlier >= offset) {
        return Meaning::Nothing;
    }
    let (facts, current) = look_over(before);
    match Record::decode(bytes) {
        Err(DecodeError::Newer { .. }) if current.is_some_and(|current| term_in(bytes) < current) => Meaning::Nothing,
        Err(_) => Meaning::Halt,
        Ok(Record::Term(term)) if term.vocabulary > VOCABULARY => Meaning::Halt,
        Ok(Record::Term(term)) if (term.shard, term.shards) == (shard(), SHARDS) => Meaning::NewTerm,
        Ok(Record::Term(_)) => Meaning::Halt,
        // Neither begins a term nor is an outcome.
        Ok(Record::Quarantine(quarantine)) if quarantine.shard != shard() => Meaning::Halt,
        Ok(Record::Halted(_) | Record::Quarantine(_) | Record::Unknown { .. }) => Meaning::Nothing,
        Ok(Record::Outcome(outcome, chain)) => {
            let Some(current) = current else { return Meaning::Halt };
            if outcome.term != current {
                return if outcome.term < current { Meaning::Nothing } else { Meaning::Halt };
            }
            let before = facts.last().map_or(Chain::default(), |(_, chain)| *chain);
            let next = outcome.sequence == facts.len() as u64 + 1
                && outcome.cause.offset == facts.len() as u64
                && outcome.encode(before).1 == chain;
            if next { Meaning::Fact(outcome.sequence) } else { Meaning::Halt }
        }
    }
}

fn meaning_of(reading: &Result<ReadRecord, BrokenLog>) -> Meaning {
    match reading {
        Ok(ReadRecord::Term(_)) => Meaning::NewTerm,
        Ok(ReadRecord::Outcome(outcome)) => Meaning::Fact(outcome.sequence),
        Ok(ReadRecord::Halted(_) | ReadRecord::Quarantine(_) | ReadRecord::Ignored | ReadRecord::Unknown) => {
            Meaning::Nothing
        }
        Err(_) => Meaning::Halt,
    }
}

/// A position as a consumer's table keeps it: bytes.
fn stored(position: &Checkpoint) -> Checkpoint {
    let mut bytes = Vec::new();
    codec::encode_into(position, &mut bytes);
    codec::decode_exact(&bytes).expect("a position survives its own bytes")
}

/// Reads `history` from a stored position; `Err` if the log is broken on the way.
fn read_on(position: Checkpoint, history: &[Written]) -> Result<Checkpoint, BrokenLog> {
    let mut reader = reader(stored(&position));
    for (offset, bytes) in history {
        reader.read(*offset, bytes)?;
    }
    assert!(reader.is_verified() || reader.next_offset() < position.offset);
    Ok(*reader.position())
}

/// Returns what a reader reads that starts from `position`, which was stored after record `at` of
/// `history`.
fn from_start(position: &Checkpoint, history: &[Written], at: usize) -> Vec<Written> {
    let read = history[..=at].iter().filter(|(offset, _)| *offset >= position.start());
    read.chain(&history[at + 1..]).cloned().collect()
}

#[derive(Default)]
struct Walk {
    histories: u64,
    halted: u64,
    stale: u64,
    /// Positions after each record of the current history.
    positions: Vec<Checkpoint>,
}

impl Walk {
    fn from(&mut self, world: &World, depth: usize, with_splits: bool) {
        for step in STEPS {
            let Some(next) = world.after(step) else { continue };
            let (offset, bytes) = next.delivered.last().expect("a step delivers a record");
            let before = self.positions.last().copied().unwrap_or_default();
            let mut reader = reader(before);
            for (offset, bytes) in &world.delivered {
                assert_eq!(reader.read(*offset, bytes), Ok(ReadRecord::Ignored), "read again");
            }
            assert!(reader.is_verified(), "{before:?} after {:?}", world.delivered);
            let reading = reader.read(*offset, bytes);
            let expected = meaning(&next.delivered);
            assert_eq!(meaning_of(&reading), expected, "{step:?} after {:?}", world.delivered);
            self.histories += 1;
            self.stale += u64::from(reading == Ok(ReadRecord::Ignored));
            if reading.is_err() {
                self.halted += 1;
                assert_eq!(reader.position(), &before, "a broken record must not move the reader");
                continue;
            }
            self.positions.push(*reader.position());
            if with_splits {
                self.every_split_agrees(&next.delivered);
            }
            if depth > 1 {
                self.from(&next, depth - 1, with_splits);
            }
            self.positions.pop();
        }
    }

    /// From any stored position, continuing, restarting and reading everything twice all lead to
    /// the same position.
    fn every_split_agrees(&self, history: &[Written]) {
        let end = self.positions.last().copied().expect("an unbroken history");
        for (at, position) in self.positions.iter().enumerate() {
            let from_start = from_start(position, history, at);
            assert_eq!(read_on(*position, &from_start), Ok(end), "gone on after record {at}");
            assert_eq!(read_on(*position, history), Ok(end), "stored after record {at}, started over");
        }
        let twice: Vec<Written> = history.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
        assert_eq!(read_on(Checkpoint::default(), &twice), Ok(end), "everything read twice");
    }
}

#[test]
fn every_history_is_read_as_by_the_naive_model() {
    let mut walk = Walk::default();
    walk.from(&World::default(), 6, false);
    assert!(walk.histories > 150_000, "walked only {}", walk.histories);
    assert!(walk.halted > 10_000 && walk.stale > 10_000, "halted {} ignored {}", walk.halted, walk.stale);
}

#[test]
fn a_reading_may_be_split_anywhere_and_repeated() {
    Walk::default().from(&World::default(), 5, true);
}

/// Every unbroken history of `depth` records, with the position after each of them.
fn sound_histories(depth: usize) -> Vec<(Vec<Written>, Vec<Checkpoint>)> {
    let mut found = Vec::new();
    let mut open = vec![(World::default(), reader(Checkpoint::default()), Vec::new())];
    while let Some((world, reader, positions)) = open.pop() {
        if positions.len() == depth {
            found.push((world.delivered, positions));
            continue;
        }
        for step in STEPS.into_iter().filter(|step| !matches!(step, Step::Repeated | Step::FirstAgain)) {
            let Some(next) = world.after(step) else { continue };
            let (mut reader, (offset, bytes)) =
                (reader.clone(), next.delivered.last().expect("a step delivers a record"));
            if reader.read(*offset, bytes).is_ok() {
                let positions = positions.iter().copied().chain([*reader.position()]).collect();
                open.push((next, reader, positions));
            }
        }
    }
    found
}

/// For a position and any log longer than the position: either the log leads to exactly this
/// position, or the reader reports that it is another log, before it accepts anything from it.
#[test]
fn a_checkpoint_is_continued_only_in_its_own_log() {
    let logs = sound_histories(4);
    let positions: HashSet<Checkpoint> = logs.iter().flat_map(|(_, positions)| positions.iter().copied()).collect();
    let (mut own, mut other, mut late) = (0, 0, 0);
    for (log, found) in &logs {
        let (end, _) = log.last().expect("four records");
        for position in positions.iter().filter(|position| position.offset <= *end) {
            let mut reader = reader(stored(position));
            let read = log.iter().filter(|(offset, _)| *offset >= position.start());
            let mut readings = read.map(|(offset, bytes)| (reader.read(*offset, bytes), reader.is_verified()));
            let first = readings.find(|(reading, verified)| reading != &Ok(ReadRecord::Ignored) || *verified);
            let Some((first, verified)) = first else { panic!("{position:?} was not looked for in {log:?}") };
            if verified && !found.contains(position) {
                // Terms are not chained: the same outcome may count in one log and be stale in
                // another. No log was seen to be cut and to continue with the same bytes at the
                // same offset.
                late += 1;
                let place = log.iter().position(|(offset, _)| *offset == position.anchor).expect("it was read");
                assert!(log[place].1.ends_with(&position.chain.0), "{position:?} in {log:?}");
                assert_ne!(found[place].anchor, position.anchor, "{position:?} in {log:?}");
            } else if verified {
                own += 1;
            } else {
                other += 1;
                assert!(!found.contains(position), "{position:?} in {log:?}");
                let fault = first.expect_err("another log").fault;
                assert_eq!(fault, RecordFault::OtherLog(*position), "in {log:?}");
            }
        }
    }
    assert!(own > 1_000 && other > 100 * late, "{own} in their own log, {other} in another, {late} too late there");
}

#[test]
fn a_log_that_ends_before_the_checkpoint_verifies_nothing() {
    let two_facts = |(log, found): &(Vec<Written>, Vec<Checkpoint>)| found[2].sequence == 2 && log[2].0 == 2;
    let (log, positions) = sound_histories(3).into_iter().find(two_facts).expect("two facts");
    let mut reader = reader(positions[2]);
    assert_eq!((positions[2].start(), reader.next_offset()), (2, 2));
    for (offset, bytes) in &log[..2] {
        assert_eq!(reader.read(*offset, bytes), Ok(ReadRecord::Ignored));
    }
    assert!(!reader.is_verified());
    assert_eq!(reader.read(log[2].0, &log[2].1), Ok(ReadRecord::Ignored));
    assert!(reader.is_verified() && reader.next_offset() == 3);
}

/// One check for each line of the table above `admit`, at a position after some records.
#[test]
fn the_table_row_by_row() {
    let position =
        Checkpoint { offset: 20, term: Some(10), sequence: 5, chain: Chain([3; 16]), anchor: 15, next_command: 40 };
    let next = Outcome {
        term: 10,
        sequence: 6,
        time: Timestamp(1),
        cause: Cause { offset: 40, id: CommandId(1) },
        events: Vec::new(),
    };
    let check = |offset: u64, record: Record, chained: bool, expected: Result<Admission, RecordFault>| {
        assert_eq!(admit(&position, (shard(), SHARDS, VOCABULARY), offset, &record, chained), expected, "{record:?}");
    };
    let outcome = |outcome: Outcome| Record::Outcome(outcome, Chain::default());
    let term = |shard: Shard, shards: u16| Record::Term(term_of(shard, shards, 1));
    let other = Shard::new(2).expect("a shard");

    // | offset before the position | read before | repeated | whatever the record says
    check(19, outcome(next.clone()), true, Ok(Admission::Repeated));
    check(19, term(other, 9), false, Ok(Admission::Repeated));
    // | Term of this shard and number of shards | a new writer | adopt | also after a gap
    check(20, term(shard(), SHARDS), false, Ok(Admission::Adopt));
    check(25, term(shard(), SHARDS), false, Ok(Admission::Adopt));
    // | a kind that readers may skip | a later build wrote it | skip |
    check(20, Record::Unknown { kind: 77 }, false, Ok(Admission::Skip));
    // | Term of a vocabulary that this build lacks | a later build leads | halt | wherever the term claims to be
    let newer = |shard| Term { vocabulary: VOCABULARY + 1, ..term_of(shard, SHARDS, 1) };
    let writer = WrittenBy::Build(newer(other).build);
    for shard in [shard(), other] {
        check(
            20,
            Record::Term(newer(shard)),
            false,
            Err(RecordFault::Newer { needs: VOCABULARY + 1, reads: VOCABULARY, writer }),
        );
    }
    // | Halted, of this shard and the current term | the leader has halted | report | otherwise skip
    let halted =
        |shard, term| Record::Halted(LeaderHalted { shard, term, engine: EngineId(1), reason: Reason::of("a test") });
    check(20, halted(shard(), 10), false, Ok(Admission::Apply));
    check(20, halted(shard(), 9), false, Ok(Admission::Skip));
    check(20, halted(other, 10), false, Ok(Admission::Skip));
    // | Quarantine, of this shard, by two admins | a record is quarantined | note | by one: not valid
    let quarantine = |shard, seconded| {
        let (what, reason) = (Quarantined::Record { offset: 17 }, Reason::of("a test"));
        Record::Quarantine(Quarantine { shard, what, by: AdminId(1), seconded: AdminId(seconded), reason })
    };
    check(20, quarantine(shard(), 2), false, Ok(Admission::Apply));
    check(20, quarantine(shard(), 1), false, Ok(Admission::Skip));
    check(20, quarantine(other, 2), false, Err(RecordFault::ForeignTerm { shard: other, shards: SHARDS }));
    // | Term, other | the wrong log | halt |
    check(20, term(other, SHARDS), false, Err(RecordFault::ForeignTerm { shard: other, shards: SHARDS }));
    check(20, term(shard(), 8), false, Err(RecordFault::ForeignTerm { shard: shard(), shards: 8 }));
    // | Outcome, term before the current one | a stale writer still alive | skip | however right the rest is
    check(20, outcome(Outcome { term: 9, ..next.clone() }), true, Ok(Admission::Skip));
    check(20, outcome(Outcome { term: 0, sequence: 99, ..next.clone() }), false, Ok(Admission::Skip));
    // | Outcome, term after the current one, or none | a term that never began | halt |
    check(20, outcome(Outcome { term: 11, ..next.clone() }), true, Err(RecordFault::UnknownTerm(11)));
    let fresh = Checkpoint::default();
    let first = outcome(Outcome { term: 0, sequence: 1, ..next.clone() });
    assert_eq!(admit(&fresh, (shard(), SHARDS, VOCABULARY), 0, &first, true), Err(RecordFault::UnknownTerm(0)));
    // | Outcome, current term, next in every way | the next outcome | apply | also after a gap in the events' offsets
    check(20, outcome(next.clone()), true, Ok(Admission::Apply));
    check(30, outcome(next.clone()), true, Ok(Admission::Apply));
    // | Outcome, current term, other | the log is broken | halt |
    for found in [0, 5, 7, u64::MAX] {
        let fault = RecordFault::Sequence { expected: 6, found };
        check(20, outcome(Outcome { sequence: found, ..next.clone() }), true, Err(fault));
    }
    check(20, outcome(next.clone()), false, Err(RecordFault::Chain));
    for found in [0, 39, 41, u64::MAX] {
        let cause = Cause { offset: found, ..next.cause };
        let fault = RecordFault::Command { expected: 40, found };
        check(20, outcome(Outcome { cause, ..next.clone() }), true, Err(fault));
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let cause = Cause { offset: 0, ..values::outcome().cause };
    let outcome = Outcome { term: 0, sequence: 1, cause, ..values::outcome() };
    let mut reader = LogReader::new(values::term().shard, SHARDS, Checkpoint::default());
    assert_eq!(reader.read(0, &values::term().encode()), Ok(ReadRecord::Term(values::term())));
    let (bytes, chain) = outcome.encode(Chain::default());
    assert_eq!(reader.read(1, &bytes), Ok(ReadRecord::Outcome(outcome.clone())));
    let expected = Checkpoint { offset: 2, term: Some(0), sequence: 1, chain, anchor: 1, next_command: 1 };
    assert_eq!(reader.position(), &expected);
}

#[test]
fn the_chain_covers_every_byte() {
    let start = Chain::default();
    let (bytes, _) = values::outcome().encode(start);
    assert!(Record::follows(&bytes, start));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(!Record::follows(&changed, start), "byte {at} is not covered");
    }
}
