//! The read rule: which records of an events log count.
//!
//! ```text
//! lfg.events[s] ─▶ *Reader* ─▶ outcomes that count, each once, in order
//! ```
//!
//! Engines, projections, the gateway and auditors all read through this module, so they all see the
//! same history, whatever stale writers append. Pure: it handles bytes and offsets and does not
//! know where they come from.
//!
//! A reader that starts from a stored position first rereads the last outcome that the position
//! includes, and so verifies that the position belongs to this log. (ADR 19.)

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::build::Build;
use crate::codec::DecodeError;
use crate::frame::VOCABULARY;
use crate::halting::{LeaderHalted, Quarantine, Quarantined};
use crate::ids::Shard;
use crate::record::{Cause, Chain, Outcome, Record, Term};

/// A reader's checkpoint: everything it needs to continue. Store it with the reader's own data in
/// the same transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
pub struct Checkpoint {
    /// The next offset of the events log to read.
    pub offset: u64,
    /// The current term's number; `None` before the first term.
    pub term: Option<u64>,
    /// The sequence of the last outcome that counted; 0 before the first outcome.
    pub sequence: u64,
    /// The chain after that outcome.
    pub chain: Chain,
    /// The offset of that outcome's record; 0 before the first outcome. The reader verifies the log
    /// there: the chain at this record is the hash of all outcomes up to it.
    pub anchor: u64,
    /// The offset after the last command whose outcome counted: where a new leader resumes.
    pub next_command: u64,
}

impl Checkpoint {
    /// Returns the offset at which a reader given this position starts: that of the last outcome
    /// that counted, or the beginning if there is none. Records from there on must not be deleted.
    pub fn start(&self) -> u64 {
        if self.sequence == 0 { 0 } else { self.anchor }
    }

    /// Returns the position as it was before the record at [`Checkpoint::start`] was read.
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

/// How a reader treats a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Read before: ignore it.
    Repeated,
    /// A new term: its outcomes count from here on.
    Adopt,
    /// The next outcome: apply it.
    Apply,
    /// Written by a stale writer: ignore it.
    Skip,
}

/// The log breaks its own rules at this offset, or contains something that this build must not
/// guess at. Never retry: halt, and let an operator look.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("events log of shard {shard} is {} at offset {offset}: {fault}", fault.kind())]
pub struct BrokenLog {
    /// The shard that was read.
    pub shard: Shard,
    /// The offset of the record.
    pub offset: u64,
    /// What is wrong with the record.
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
        /// The shard in the record.
        shard: Shard,
        /// The number of shards in the record.
        shards: u16,
    },
    /// An outcome of a term that never began.
    #[error("an outcome of term {0}, which never began")]
    UnknownTerm(u64),
    /// An outcome of the current term whose sequence is not the next one.
    #[error("sequence {found} where {expected} is next")]
    Sequence {
        /// The next sequence.
        expected: u64,
        /// The sequence in the record.
        found: u64,
    },
    /// An outcome whose chain does not follow from the previous one.
    #[error("the hash chain does not follow")]
    Chain,
    /// The record needs a vocabulary that this build does not know and must not skip. Install the
    /// build that wrote it, or a later one.
    #[error("it needs vocabulary {needs}, and this build reads {reads}: install {writer} or a later one")]
    Newer {
        /// The vocabulary that a reader must know.
        needs: u16,
        /// The vocabulary that this reader knows.
        reads: u16,
        /// The build or term that wrote the record.
        writer: WrittenBy,
    },
    /// An outcome of a command that already has one, or of a command that is not the next, which
    /// means that commands were lost.
    #[error("command {found} has an outcome where {expected} is next")]
    Command {
        /// The offset of the next command.
        expected: u64,
        /// The command offset in the record.
        found: u64,
    },
    /// The stored position does not belong to this log: the log is another one, or was truncated
    /// and has grown since.
    #[error("the stored position belongs to a log with {}, and this log differs", past(.0))]
    OtherLog(Checkpoint),
}

/// Describes what the log would contain if the position belonged to it.
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

/// The writer of a term's records, as far as the reader knows it, or the build that a vocabulary
/// raise names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrittenBy {
    /// A known build.
    Build(Build),
    /// The term that began at this offset. The reader started after that record, so it does not
    /// know the build.
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

/// Applies the read rule to a record at `offset`. `chained` states whether the record's chain
/// follows `position`.
///
/// | record                                        | meaning                    | action   |
/// |-----------------------------------------------|----------------------------|----------|
/// | offset before the position                    | read before                | repeated |
/// | a kind that readers may skip                  | a later build wrote it     | skip     |
/// | Term of a vocabulary that this build lacks    | a later build leads        | halt     |
/// | Term of this shard and number of shards       | a new writer               | adopt    |
/// | Term, other                                   | the wrong log              | halt     |
/// | Halted, of this shard and the current term    | the leader has halted      | report   |
/// | Halted, other                                 | of an earlier term         | skip     |
/// | Quarantine, of this shard, by two admins      | a record is quarantined    | note     |
/// | Quarantine, by one                            | not valid                  | skip     |
/// | Quarantine, of another shard                  | the wrong log              | halt     |
/// | Outcome, term before the current one          | a stale writer still alive | skip     |
/// | Outcome, term after the current one, or none  | a term that never began    | halt     |
/// | Outcome, current term, next in every way      | the next outcome           | apply    |
/// | Outcome, current term, other                  | the log is broken          | halt     |
///
/// "Next in every way": the sequence is the next one, the chain follows, and the command is the
/// next one. Every command has an outcome, so every follower detects a lost command.
///
/// When [`LogReader`] starts from a stored position, it checks the last record before that position
/// once: it must be the one that the position names. A [`LogReader`] does not decode the events of
/// a stale writer's outcome.
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

/// A record as the read rule classifies it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadRecord {
    /// A new term; its number is the record's offset.
    Term(Term),
    /// The next outcome.
    Outcome(Outcome),
    /// The leader of the current term has halted and decides no more commands.
    Halted(LeaderHalted),
    /// Quarantines the record at which readers or leaders halted.
    Quarantine(Quarantine),
    /// Ignored: read before, or written by a stale writer.
    Ignored,
    /// Unknown to this build, which may skip it: a later build wrote it.
    Unknown,
}

/// Reads one shard's events log by the read rule, from any position on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReader {
    shard: Shard,
    shards: u16,
    /// The vocabulary that this reader knows.
    reads: u16,
    position: Checkpoint,
    /// The position reached while rereading. When it equals `position`, the log is verified.
    again: Option<Checkpoint>,
    /// The command of the last outcome that counted, if this reader has read that outcome.
    cause: Option<Cause>,
    /// The build that the current term names, if this reader has read that record.
    build: Option<Build>,
    /// The halt report of the current term's leader, if it has halted.
    halted: Option<LeaderHalted>,
    /// Commands without an outcome that admins have quarantined. Their records follow the last
    /// outcome, so a reader that continues from its position reads them again.
    quarantined: BTreeSet<u64>,
}

impl LogReader {
    /// Returns a reader of shard `shard` of a log with `shards` shards, at `position`. Pass it the
    /// records from [`Checkpoint::start`] on.
    pub fn new(shard: Shard, shards: u16, position: Checkpoint) -> Self {
        let again = (position != Checkpoint::default()).then(|| position.at_start());
        let (cause, build, halted, quarantined) = (None, None, None, BTreeSet::new());
        Self { shard, shards, reads: VOCABULARY, position, again, cause, build, halted, quarantined }
    }

    /// Sets the vocabulary that this reader knows.
    #[must_use]
    pub fn knowing(self, reads: u16) -> Self {
        Self { reads, ..self }
    }

    /// Returns the vocabulary that this reader knows.
    pub fn reads(&self) -> u16 {
        self.reads
    }

    /// Returns the shard that is read.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Returns the current position: the stored one until the reader [is
    /// verified](LogReader::is_verified).
    pub fn position(&self) -> &Checkpoint {
        &self.position
    }

    /// Returns the next offset to read.
    pub fn next_offset(&self) -> u64 {
        self.again.as_ref().unwrap_or(&self.position).offset
    }

    /// Returns true once the log is verified to be the one that the position belongs to. Write
    /// nothing to it before.
    pub fn is_verified(&self) -> bool {
        self.again.is_none()
    }

    /// Returns the command of the last outcome that counted; `None` before the first outcome, and
    /// before the reader is verified.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Reads the record at `offset`. Offsets may have gaps (a broker's own records) and may repeat,
    /// but a repeated offset must have the same record.
    ///
    /// On an error nothing has changed and the reader must not continue.
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

    /// Rereads a record before the stored position.
    fn read_again(&mut self, again: Checkpoint, offset: u64, bytes: &[u8]) -> Result<ReadRecord, RecordFault> {
        if offset < again.offset {
            return Ok(ReadRecord::Ignored);
        }
        let other = RecordFault::OtherLog(self.position);
        // The record before it must exist, since it was read.
        if offset >= self.position.offset {
            return Err(other);
        }
        let next = if again.sequence == self.position.sequence {
            match self.step(again, offset, bytes) {
                Err(unread @ (RecordFault::Undecodable(_) | RecordFault::Newer { .. })) => return Err(unread),
                // No such record existed when the position was stored.
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

    /// Returns the halt report of the current term's leader. No commands are decided until another
    /// term begins.
    pub fn leader_halted(&self) -> Option<&LeaderHalted> {
        self.halted.as_ref()
    }

    /// Returns true if admins have quarantined this command: a leader refuses it. Valid once
    /// everything before the command has been read.
    pub fn is_quarantined(&self, command: u64) -> bool {
        self.quarantined.contains(&command)
    }

    /// Continues after the record at `offset`, at which [`LogReader::read`] has just failed,
    /// because a later record quarantines it.
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

    /// Returns the position after the record at the anchor, if that record is the outcome that the
    /// stored position names.
    fn anchored(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Checkpoint>, RecordFault> {
        let Checkpoint { sequence, chain, anchor, .. } = self.position;
        let record = match Record::decode_knowing(self.reads, bytes) {
            Ok(record) => record,
            // A later build wrote it, and it is not the record that the position names.
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

    /// Applies the read rule to a record and returns the position after it.
    fn step(
        &self,
        mut position: Checkpoint,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(Checkpoint, ReadRecord), RecordFault> {
        if offset < position.offset {
            return Ok((position, ReadRecord::Ignored));
        }
        // A stale outcome may contain what only a later build can read, such as a vocabulary raise
        // decided after its writer was deposed.
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
