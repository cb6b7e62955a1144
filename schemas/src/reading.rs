//! The one rule of reading an events log: which records count.
//!
//! ```text
//! lfg.events[s] ─▶ *Reader* ─▶ outcomes that count, each once, in order
//! ```
//!
//! Engines, projections, gateway and auditors all read through here, so they all see the same history, whatever stale
//! writers append. Pure: knows bytes and offsets, not where they come from.

use bincode::{Decode, Encode};

use crate::codec::DecodeError;
use crate::frame::VOCABULARY;
use crate::ids::Shard;
use crate::record::{Build, Chain, Outcome, Record, Term};

/// How far a reader is: everything it needs to go on, kept with its own data in the same transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Position {
    /// The next offset of the events log to read.
    pub offset: u64,
    /// The current term's number; `None` before the first.
    pub term: Option<u64>,
    /// The sequence of the last outcome that counted; 0 before the first.
    pub sequence: u64,
    /// The chain after it.
    pub chain: Chain,
    /// The offset of the command after the last one with an outcome that counted: where an owner resumes.
    pub next_command: u64,
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
pub struct Broken {
    /// The shard that was read.
    pub shard: Shard,
    /// The record.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
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
    /// An outcome for a command that already has one.
    #[error("command {found} has an outcome where {expected} is next")]
    Command {
        /// The next one.
        expected: u64,
        /// What the record says.
        found: u64,
    },
}

impl Fault {
    fn kind(&self) -> &'static str {
        match self {
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
/// | Outcome, term before the current one          | a stale writer still alive | skip     |
/// | Outcome, term after the current one, or none  | a term nobody began        | halt     |
/// | Outcome, current term, next in every way      | the next fact              | apply    |
/// | Outcome, current term, other                  | the log is broken          | halt     |
///
/// "Next in every way": the sequence is the next, the chain follows, and the command comes after the last one.
pub fn admit(
    position: &Position,
    (shard, shards, reads): (Shard, u16, u16),
    offset: u64,
    record: &Record,
    chained: bool,
) -> Result<Admission, Fault> {
    if offset < position.offset {
        return Ok(Admission::Repeated);
    }
    match record {
        Record::Unknown { .. } => Ok(Admission::Skip),
        Record::Term(Term { vocabulary, build, .. }) if *vocabulary > reads => {
            Err(Fault::Newer { needs: *vocabulary, reads, writer: WrittenBy::Build(*build) })
        }
        Record::Term(term) if term.shard == shard && term.shards == shards => Ok(Admission::Adopt),
        Record::Term(term) => Err(Fault::ForeignTerm { shard: term.shard, shards: term.shards }),
        Record::Outcome(outcome, _) => match position.term {
            Some(current) if outcome.term < current => Ok(Admission::Skip),
            Some(current) if outcome.term == current => next_fact(position, outcome, chained),
            _ => Err(Fault::UnknownTerm(outcome.term)),
        },
    }
}

fn next_fact(position: &Position, outcome: &Outcome, chained: bool) -> Result<Admission, Fault> {
    let expected = position.sequence + 1;
    if outcome.sequence != expected {
        return Err(Fault::Sequence { expected, found: outcome.sequence });
    }
    if !chained {
        return Err(Fault::Chain);
    }
    if outcome.cause.offset < position.next_command {
        return Err(Fault::Command { expected: position.next_command, found: outcome.cause.offset });
    }
    Ok(Admission::Apply)
}

/// A record as the rule sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A new writer; its number is the record's offset.
    Term(Term),
    /// The next fact.
    Outcome(Outcome),
    /// Nothing: read before, or written by a stale writer.
    Ignored,
    /// Nothing that this build knows, or need know: a later one wrote it.
    Unknown,
}

/// Reads one shard's events log by the rule, from any position on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    shard: Shard,
    shards: u16,
    /// The vocabulary that it knows.
    reads: u16,
    position: Position,
    /// The build that the current term names, if it was read here.
    build: Option<Build>,
}

impl Reader {
    /// A reader of shard `shard` of a log with `shards` shards, at `position`.
    pub fn new(shard: Shard, shards: u16, position: Position) -> Self {
        Self { shard, shards, reads: VOCABULARY, position, build: None }
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

    /// How far it is.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Reads the record at `offset`. Offsets may have gaps (a broker's own records) and may repeat, but not go back and change.
    ///
    /// On an error nothing has changed and the reader must not go on.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) -> Result<Reading, Broken> {
        self.admit(offset, bytes).map_err(|fault| Broken { shard: self.shard, offset, fault })
    }

    fn admit(&mut self, offset: u64, bytes: &[u8]) -> Result<Reading, Fault> {
        if offset < self.position.offset {
            return Ok(Reading::Ignored);
        }
        let record = Record::decode_knowing(self.reads, bytes).map_err(|error| self.undecodable(error))?;
        let chained = Record::follows(bytes, self.position.chain);
        let admission = admit(&self.position, (self.shard, self.shards, self.reads), offset, &record, chained)?;
        self.position.offset = offset.saturating_add(1);
        Ok(match (admission, record) {
            (Admission::Adopt, Record::Term(term)) => {
                self.position.term = Some(offset);
                self.build = Some(term.build);
                Reading::Term(term)
            }
            (Admission::Apply, Record::Outcome(outcome, chain)) => {
                self.position.sequence = outcome.sequence;
                self.position.chain = chain;
                self.position.next_command = outcome.cause.offset.saturating_add(1);
                Reading::Outcome(outcome)
            }
            (_, Record::Unknown { .. }) => Reading::Unknown,
            _ => Reading::Ignored,
        })
    }

    /// With the build to install, if there is one that reads it.
    fn undecodable(&self, error: DecodeError) -> Fault {
        match (error, self.position.term) {
            (DecodeError::Newer { needs, reads, install, .. }, Some(term)) => {
                let writer = install.or(self.build).map_or(WrittenBy::Term(term), WrittenBy::Build);
                Fault::Newer { needs, reads, writer }
            }
            (error, _) => Fault::Undecodable(error),
        }
    }
}
