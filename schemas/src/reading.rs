//! The one rule of reading an events log: which records count.
//!
//! ```text
//! lfg.events[s] ─▶ *Reader* ─▶ outcomes that count, each once, in order
//! ```
//!
//! Engines, projections, gateway and auditors all read through here, so they all see the same history, whatever stale
//! writers append. Pure: knows bytes and offsets, not where they come from.
//!
//! A reader that starts from a stored position first reads again what that position was made of last, and so sees
//! whether this is the log that the position is of. (ADR 19.)

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::codec::DecodeError;
use crate::frame::VOCABULARY;
use crate::halting::{LeaderHalted, Quarantine, Quarantined};
use crate::ids::Shard;
use crate::record::{Build, Cause, Chain, Outcome, Record, Term};

/// How far a reader is: everything it needs to go on, kept with its own data in the same transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
pub struct Checkpoint {
    /// The next offset of the events log to read.
    pub offset: u64,
    /// The current term's number; `None` before the first.
    pub term: Option<u64>,
    /// The sequence of the last outcome that counted; 0 before the first.
    pub sequence: u64,
    /// The chain after it.
    pub chain: Chain,
    /// The offset of that outcome's record; 0 before the first. There the log shows that it is the one that the
    /// position is of: the chain there is the hash of all outcomes up to it.
    pub anchor: u64,
    /// The offset of the command after the last one with an outcome that counted: where an owner resumes.
    pub next_command: u64,
}

impl Checkpoint {
    /// Where a reader that was given this position begins to read: at the last outcome that counted, or, if there is
    /// none, at the beginning. Nothing from there on may be deleted.
    pub fn start(&self) -> u64 {
        if self.sequence == 0 { 0 } else { self.anchor }
    }

    /// What is known at [`Checkpoint::start`], before the record there was read.
    fn at_start(&self) -> Self {
        Self { offset: self.start(), ..Self::default() }
    }

    fn moved_to(&mut self, offset: u64, outcome: &Outcome, chain: Chain) {
        self.offset = offset.saturating_add(1);
        self.sequence = outcome.sequence;
        self.chain = chain;
        self.anchor = offset;
        self.next_command = outcome.cause.offset.saturating_add(1);
    }
}

/// What a record is to a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Read before; ignore.
    Repeated,
    /// A new writer: its outcomes count from here on.
    Adopt,
    /// The next fact.
    Apply,
    /// A stale writer is still alive; ignore.
    Skip,
}

/// The log breaks its own rules at this offset, or says what this build must not guess at. Never retry: halt, and let
/// an operator look.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("events log of shard {shard} is {} at offset {offset}: {fault}", fault.kind())]
pub struct BrokenLog {
    /// The shard that was read.
    pub shard: Shard,
    /// The record.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: RecordFault,
}

/// What is wrong with a record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordFault {
    /// It cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// A term of another shard, or of a log with another number of shards.
    #[error("a term of shard {shard} of {shards}")]
    ForeignTerm {
        /// What the record says.
        shard: Shard,
        /// What the record says.
        shards: u16,
    },
    /// An outcome of a term that never began.
    #[error("an outcome of term {0}, which never began")]
    UnknownTerm(u64),
    /// An outcome of the current term that is not the next.
    #[error("sequence {found} where {expected} is next")]
    Sequence {
        /// The next one.
        expected: u64,
        /// What the record says.
        found: u64,
    },
    /// An outcome whose chain does not follow.
    #[error("the hash chain does not follow")]
    Chain,
    /// A writer says what this build does not know and must not pass over. Install the build that wrote it, or a later
    /// one.
    #[error("it needs vocabulary {needs}, and this build reads {reads}: install {writer} or a later one")]
    Newer {
        /// What a reader must know.
        needs: u16,
        /// What this one knows.
        reads: u16,
        /// Who wrote it.
        writer: WrittenBy,
    },
    /// An outcome of a command that already has one, or of one that is not the next: then commands were lost.
    #[error("command {found} has an outcome where {expected} is next")]
    Command {
        /// The next one.
        expected: u64,
        /// What the record says.
        found: u64,
    },
    /// The log is not the one that the stored position is of: another one, or one that was cut and has grown since.
    #[error("the stored position is of a log with {}, and this one goes on otherwise", past(.0))]
    OtherLog(Checkpoint),
}

/// What a log has if the position is of it.
fn past(position: &Checkpoint) -> String {
    let Checkpoint { offset, sequence, anchor, .. } = position;
    match sequence {
        0 => format!("no outcome before offset {offset}"),
        _ => format!("outcome {sequence} at offset {anchor} and no other before offset {offset}"),
    }
}

impl RecordFault {
    fn kind(&self) -> &'static str {
        match self {
            Self::OtherLog(_) => "another log",
            Self::Newer { .. } => "newer than this build",
            _ => "broken",
        }
    }
}

/// Who wrote the records of a term, as far as the reader knows; or which build a raise names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrittenBy {
    /// This build.
    Build(Build),
    /// The one that began the term at this offset. The reader began to read behind it.
    Term(u64),
}

impl std::fmt::Display for WrittenBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Build(build) => write!(f, "build {build}"),
            Self::Term(offset) => write!(f, "the build that the term at offset {offset} names"),
        }
    }
}

/// The rule, for a record at `offset` whose chain was checked to follow `position` (`chained`).
///
/// | record                                        | means                      | do       |
/// |-----------------------------------------------|----------------------------|----------|
/// | offset before the position                    | read before                | repeated |
/// | a kind that may be passed over                | a later build wrote it     | skip     |
/// | Term of a vocabulary that this build lacks    | a later build leads        | halt     |
/// | Term of this shard and number of shards       | a new writer               | adopt    |
/// | Term, other                                   | the wrong log              | halt     |
/// | Halted, of this shard and the current term    | nobody decides             | tell     |
/// | Halted, other                                 | of a term that is over     | skip     |
/// | Quarantine, of this shard, by two admins      | something is put aside     | note     |
/// | Quarantine, by one                            | nothing                    | skip     |
/// | Quarantine, of another shard                  | the wrong log              | halt     |
/// | Outcome, term before the current one          | a stale writer still alive | skip     |
/// | Outcome, term after the current one, or none  | a term nobody began        | halt     |
/// | Outcome, current term, next in every way      | the next fact              | apply    |
/// | Outcome, current term, other                  | the log is broken          | halt     |
///
/// "Next in every way": the sequence is the next, the chain follows, and so is the command: each has an outcome, so every
/// follower notices one that was lost.
///
/// What stands before the position is looked at once, by [`LogReader`], when it starts from a stored one: it must be what
/// the position is of. Nor does a [`LogReader`] decode the events of a stale writer's outcome.
pub fn admit(
    position: &Checkpoint,
    (shard, shards, reads): (Shard, u16, u16),
    offset: u64,
    record: &Record,
    chained: bool,
) -> Result<Admission, RecordFault> {
    if offset < position.offset {
        return Ok(Admission::Repeated);
    }
    match record {
        Record::Unknown { .. } => Ok(Admission::Skip),
        Record::Halted(halted) if halted.shard == shard && position.term == Some(halted.term) => Ok(Admission::Apply),
        Record::Halted(_) => Ok(Admission::Skip),
        Record::Quarantine(quarantine) if quarantine.shard != shard => {
            Err(RecordFault::ForeignTerm { shard: quarantine.shard, shards })
        }
        Record::Quarantine(quarantine) if quarantine.counts(shard) => Ok(Admission::Apply),
        Record::Quarantine(_) => Ok(Admission::Skip),
        Record::Term(Term { vocabulary, build, .. }) if *vocabulary > reads => {
            Err(RecordFault::Newer { needs: *vocabulary, reads, writer: WrittenBy::Build(*build) })
        }
        Record::Term(term) if term.shard == shard && term.shards == shards => Ok(Admission::Adopt),
        Record::Term(term) => Err(RecordFault::ForeignTerm { shard: term.shard, shards: term.shards }),
        Record::Outcome(outcome, _) => match position.term {
            Some(current) if outcome.term < current => Ok(Admission::Skip),
            Some(current) if outcome.term == current => next_fact(position, outcome, chained),
            _ => Err(RecordFault::UnknownTerm(outcome.term)),
        },
    }
}

fn next_fact(position: &Checkpoint, outcome: &Outcome, chained: bool) -> Result<Admission, RecordFault> {
    let expected = position.sequence + 1;
    if outcome.sequence != expected {
        return Err(RecordFault::Sequence { expected, found: outcome.sequence });
    }
    if !chained {
        return Err(RecordFault::Chain);
    }
    if outcome.cause.offset != position.next_command {
        return Err(RecordFault::Command { expected: position.next_command, found: outcome.cause.offset });
    }
    Ok(Admission::Apply)
}

/// A record as the rule sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadRecord {
    /// A new writer; its number is the record's offset.
    Term(Term),
    /// The next fact.
    Outcome(Outcome),
    /// The writer of the current term decides no more.
    Halted(LeaderHalted),
    /// What readers or leaders halted at is put aside.
    Quarantine(Quarantine),
    /// Nothing: read before, or written by a stale writer.
    Ignored,
    /// Nothing that this build knows, or need know: a later one wrote it.
    Unknown,
}

/// Reads one shard's events log by the rule, from any position on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReader {
    shard: Shard,
    shards: u16,
    /// The vocabulary that it knows.
    reads: u16,
    position: Checkpoint,
    /// What was read again of the log so far. Once that is `position`, the log is the right one.
    again: Option<Checkpoint>,
    /// The command of the last outcome that counted, if that was read here.
    cause: Option<Cause>,
    /// The build that the current term names, if it was read here.
    build: Option<Build>,
    /// The leader of the current term has said that it decides no more.
    halted: Option<LeaderHalted>,
    /// Commands without an outcome that admins put aside. Said after the last outcome, so a reader that goes on from
    /// its position reads it again.
    quarantined: BTreeSet<u64>,
}

impl LogReader {
    /// A reader of shard `shard` of a log with `shards` shards, at `position`. Give it the records from
    /// [`Checkpoint::start`] on.
    pub fn new(shard: Shard, shards: u16, position: Checkpoint) -> Self {
        let again = (position != Checkpoint::default()).then(|| position.at_start());
        let (cause, build, halted, quarantined) = (None, None, None, BTreeSet::new());
        Self { shard, shards, reads: VOCABULARY, position, again, cause, build, halted, quarantined }
    }

    /// Reads as a build that knows this vocabulary.
    #[must_use]
    pub fn knowing(self, reads: u16) -> Self {
        Self { reads, ..self }
    }

    /// The vocabulary that it knows.
    pub fn reads(&self) -> u16 {
        self.reads
    }

    /// The shard that is read.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// How far it is. Until it [is verified](Reader::is_verified) that is as it was stored.
    pub fn position(&self) -> &Checkpoint {
        &self.position
    }

    /// The next offset to read.
    pub fn next_offset(&self) -> u64 {
        self.again.as_ref().unwrap_or(&self.position).offset
    }

    /// True once the log has shown that it is the one that the position is of. Nothing may be written to it before.
    pub fn is_verified(&self) -> bool {
        self.again.is_none()
    }

    /// The command of the last outcome that counted; `None` before the first, and before the reader is verified.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Reads the record at `offset`. Offsets may have gaps (a broker's own records) and may repeat, but not go back and change.
    ///
    /// On an error nothing has changed and the reader must not go on.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) -> Result<ReadRecord, BrokenLog> {
        let read = match self.again {
            Some(again) => self.read_again(again, offset, bytes),
            None => self.step(self.position, offset, bytes).map(|(position, reading)| {
                self.position = position;
                self.note(&reading);
                reading
            }),
        };
        read.map_err(|fault| BrokenLog { shard: self.shard, offset, fault })
    }

    /// Reads a record that the stored position has behind it.
    fn read_again(&mut self, again: Checkpoint, offset: u64, bytes: &[u8]) -> Result<ReadRecord, RecordFault> {
        if offset < again.offset {
            return Ok(ReadRecord::Ignored);
        }
        let other = RecordFault::OtherLog(self.position);
        // The record before it must be there, since it was read.
        if offset >= self.position.offset {
            return Err(other);
        }
        let next = if again.sequence == self.position.sequence {
            match self.step(again, offset, bytes) {
                Err(unread @ (RecordFault::Undecodable(_) | RecordFault::Newer { .. })) => return Err(unread),
                // None of this was there when the position was made.
                Err(_) | Ok((_, ReadRecord::Outcome(_))) => return Err(other),
                Ok((next, reading)) => {
                    self.note(&reading);
                    next
                }
            }
        } else {
            self.anchored(offset, bytes)?.ok_or_else(|| other.clone())?
        };
        if next.offset < self.position.offset {
            self.again = Some(next);
        } else if next == self.position {
            self.again = None;
        } else {
            return Err(other);
        }
        Ok(ReadRecord::Ignored)
    }

    /// What the leader of the current term said when it halted: nobody decides commands until another term begins.
    pub fn leader_halted(&self) -> Option<&LeaderHalted> {
        self.halted.as_ref()
    }

    /// True if admins put this command aside: a leader refuses it. Known once everything before it has been read.
    pub fn is_quarantined(&self, command: u64) -> bool {
        self.quarantined.contains(&command)
    }

    /// Goes on behind the record at `offset`, at which [`LogReader::read`] has just failed: a later record says that it is
    /// put aside.
    pub fn pass_over(&mut self, offset: u64) {
        let next = offset.saturating_add(1);
        match &mut self.again {
            None => self.position.offset = next,
            Some(again) => {
                again.offset = next;
                if *again == self.position {
                    self.again = None;
                }
            }
        }
    }

    fn note(&mut self, reading: &ReadRecord) {
        match reading {
            ReadRecord::Term(term) => {
                self.build = Some(term.build);
                self.halted = None;
            }
            ReadRecord::Halted(halted) => self.halted = Some(halted.clone()),
            ReadRecord::Outcome(outcome) => {
                self.cause = Some(outcome.cause);
                self.quarantined.retain(|command| *command > outcome.cause.offset);
            }
            ReadRecord::Quarantine(Quarantine { what: Quarantined::Command { offset }, .. }) => {
                self.quarantined.insert(*offset);
            }
            ReadRecord::Quarantine(_) | ReadRecord::Ignored | ReadRecord::Unknown => {}
        }
    }

    /// The position after the record at the anchor, if it is the outcome that the stored position says.
    fn anchored(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Checkpoint>, RecordFault> {
        let Checkpoint { sequence, chain, anchor, .. } = self.position;
        let record = match Record::decode_knowing(self.reads, bytes) {
            Ok(record) => record,
            // A later build's, and not the one that the position is of.
            Err(DecodeError::Newer { .. }) if !bytes.ends_with(&chain.0) => return Ok(None),
            Err(error) => return Err(self.undecodable(error)),
        };
        Ok(match record {
            Record::Outcome(outcome, found) if (offset, outcome.sequence, found) == (anchor, sequence, chain) => {
                let mut position = Checkpoint { term: Some(outcome.term), ..Checkpoint::default() };
                position.moved_to(offset, &outcome, found);
                self.cause = Some(outcome.cause);
                Some(position)
            }
            _ => None,
        })
    }

    /// Where a record leads to, by the rule.
    fn step(
        &self,
        mut position: Checkpoint,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(Checkpoint, ReadRecord), RecordFault> {
        if offset < position.offset {
            return Ok((position, ReadRecord::Ignored));
        }
        // It may hold what only a later build reads: a raise that was decided after its writer was deposed.
        let is_stale = |current| Record::term_of_outcome(bytes).is_some_and(|term| term < current);
        if position.term.is_some_and(is_stale) {
            position.offset = offset.saturating_add(1);
            return Ok((position, ReadRecord::Ignored));
        }
        let record = Record::decode_knowing(self.reads, bytes).map_err(|error| self.undecodable(error))?;
        let chained = Record::follows(bytes, position.chain);
        let admission = admit(&position, (self.shard, self.shards, self.reads), offset, &record, chained)?;
        position.offset = offset.saturating_add(1);
        let reading = match (admission, record) {
            (Admission::Adopt, Record::Term(term)) => {
                position.term = Some(offset);
                ReadRecord::Term(term)
            }
            (Admission::Apply, Record::Outcome(outcome, chain)) => {
                position.moved_to(offset, &outcome, chain);
                ReadRecord::Outcome(outcome)
            }
            (Admission::Apply, Record::Halted(halted)) => ReadRecord::Halted(halted),
            (Admission::Apply, Record::Quarantine(quarantine)) => ReadRecord::Quarantine(quarantine),
            (_, Record::Unknown { .. }) => ReadRecord::Unknown,
            _ => ReadRecord::Ignored,
        };
        Ok((position, reading))
    }

    /// With the build to install, if there is one that reads it.
    fn undecodable(&self, error: DecodeError) -> RecordFault {
        match (error, self.position.term) {
            (DecodeError::Newer { needs, reads, install, .. }, Some(term)) => {
                let writer = install.or(self.build).map_or(WrittenBy::Term(term), WrittenBy::Build);
                RecordFault::Newer { needs, reads, writer }
            }
            (error, _) => RecordFault::Undecodable(error),
        }
    }
}
