//! One shard with its log position: follows the log, or leads it.
//!
//! ```text
//! lfg.events[s] ─▶ read ─▶ *Replica* ─▶ handle ─▶ lfg.events[s] ─▶ read (confirmed)
//! ```
//!
//! A follower applies what it reads. A leader decides ahead of what it has read back: an outcome
//! that it wrote counts only once it is read back under the leader's own term, so nothing may leave
//! the shard before that.

use std::collections::VecDeque;

use schemas::reading::{BrokenLog, Checkpoint, LogReader, ReadRecord};
use schemas::record::Chain;
use schemas::shard_map::ShardMap;
use schemas::{
    Cause, CommandId, CommandRecord, Event, Message, Outcome, Quarantine, Rejection, Shard, StateHash, Term, Timestamp,
    VOCABULARY,
};

use crate::hash::WAY;
use crate::snapshot::{self, SnapshotError};
use crate::state::ShardState;
use crate::{CommandContext, Sums};

/// Number of outcomes between published state hashes. Followers check every published hash.
pub const HASH_EVERY: u64 = 1 << 12;

/// A shard's state machine and its log position.
#[derive(Debug)]
pub struct Replica {
    state: ShardState,
    /// Reads the events log and holds the checkpoint.
    reader: LogReader,
    lead: Option<Lead>,
    hash_every: u64,
    unchecked: u64,
    /// Buffer for the events of an outcome, reused between commands; empty between them.
    events: Vec<Event>,
}

/// A leader's work that it has not read back yet.
#[derive(Debug)]
struct Lead {
    term: u64,
    sequence: u64,
    chain: Chain,
    next_command: u64,
    /// Chains of the outcomes that were handled and not read back yet.
    unconfirmed: VecDeque<Chain>,
    /// Commands that were read and not handled yet, the next one first.
    waiting: VecDeque<QueuedCommand>,
}

/// A command that waits to be handled.
#[derive(Debug)]
struct QueuedCommand {
    time: Timestamp,
    record: Result<CommandRecord, RefusedCommand>,
}

/// A command that is refused without being decoded completely.
#[derive(Clone, Copy, Debug)]
struct RefusedCommand {
    /// The command id for the answer; all zero if the record has none.
    id: CommandId,
    code: Rejection,
}

/// How a record of the shard's own events partition was treated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OwnRecord {
    /// Read before, or written by a stale writer.
    Ignored,
    /// Written by a later build, and safe for this build to skip.
    Unknown,
    /// A quarantine: the record at which readers or leaders halted is skipped.
    Quarantine(Quarantine),
    /// A new writer. The caller determines whether that is itself.
    Term(Term),
    /// Another writer's outcome, now applied.
    Followed(Outcome),
    /// This replica's own outcome: it counts, and may leave the shard.
    Confirmed(Outcome),
    /// Another writer took over while this replica led. The state may contain outcomes that never
    /// counted: drop this replica, recover, then follow.
    Deposed(Term),
}

/// The shard must halt and let an operator look. Never retry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// The log breaks its own rules.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log is valid, and this state differs from the writer's.
    #[error(transparent)]
    Diverged(#[from] Divergence),
}

/// This replica and the log disagree.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Divergence {
    /// The state after an outcome differs from the writer's.
    #[error("state hash differs after sequence {sequence} of shard {shard}")]
    StateHash {
        /// The shard.
        shard: Shard,
        /// The sequence of the outcome that published the hash.
        sequence: u64,
    },
    /// The log has another outcome under this replica's term than the one that it wrote.
    #[error("outcome {sequence} of shard {shard} came back changed")]
    Outcome {
        /// The shard.
        shard: Shard,
        /// The sequence of the outcome.
        sequence: u64,
    },
}

impl Replica {
    /// Returns a replica at the beginning of the log.
    pub fn new(shard: Shard, map: ShardMap) -> Self {
        Self::at(ShardState::new(shard, map), Checkpoint::default())
    }

    /// Returns a replica at a snapshot's position. Continue reading from its [`Checkpoint::start`].
    pub fn restore(shard: Shard, map: ShardMap, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        Self::restore_knowing(VOCABULARY, (shard, map), snapshot)
    }

    /// As [`Replica::restore`], in a build that reads the given vocabulary. Refuses a snapshot from
    /// which that build cannot continue.
    pub fn restore_knowing(reads: u16, shard: (Shard, ShardMap), snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let (state, position) = snapshot::read(shard.0, shard.1, snapshot)?;
        let vocabulary = state.vocabulary();
        if vocabulary > reads {
            return Err(SnapshotError::Newer { vocabulary, reads, install: state.facts.install });
        }
        Ok(Self::at(state, position).knowing(reads))
    }

    fn at(state: ShardState, position: Checkpoint) -> Self {
        let reader = LogReader::new(state.shard, state.map.shards(), position);
        Self { state, reader, lead: None, hash_every: HASH_EVERY, unchecked: 0, events: Vec::new() }
    }

    /// Makes the replica read and decide as a build that knows this vocabulary.
    #[must_use]
    pub fn knowing(mut self, reads: u16) -> Self {
        self.state.reads = reads;
        Self { reader: self.reader.knowing(reads), ..self }
    }

    /// Publishes a hash every given number of outcomes (not 0) instead of every [`HASH_EVERY`].
    #[must_use]
    pub fn with_hash_every(self, outcomes: u64) -> Self {
        Self { hash_every: outcomes, ..self }
    }

    /// Sets the number of kept messages from which an outbox counts as full. See
    /// [`ShardState::with_outbox_max`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { state: self.state.with_outbox_max(messages), ..self }
    }

    /// Returns the checkpoint: up to where the log was read.
    pub fn position(&self) -> &Checkpoint {
        self.reader.position()
    }

    /// Returns the next offset of the events log to read. It is before [`Replica::position`] until
    /// the reader has verified that the log is the one of the snapshot.
    pub fn next_offset(&self) -> u64 {
        self.reader.next_offset()
    }

    /// Returns the cause (command) of the last outcome that was read; `None` before the first.
    pub fn last_cause(&self) -> Option<Cause> {
        self.reader.cause()
    }

    /// Returns the number of state hashes that were read and not checked, because another build
    /// computed them in a way that this build does not know.
    pub fn unchecked_hashes(&self) -> u64 {
        self.unchecked
    }

    /// Computes the hash of the current state.
    pub fn state_hash(&mut self) -> StateHash {
        self.state.hash()
    }

    /// Returns the state: everything that was read and, when leading, everything decided since.
    pub fn state(&self) -> &ShardState {
        &self.state
    }

    /// Reads the next record of the shard's own events partition, as follower or leader.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) -> Result<OwnRecord, Halt> {
        match self.reader.read(offset, bytes)? {
            ReadRecord::Ignored => Ok(OwnRecord::Ignored),
            ReadRecord::Unknown => Ok(OwnRecord::Unknown),
            ReadRecord::Quarantine(quarantine) => Ok(OwnRecord::Quarantine(quarantine)),
            // It concerns another process, or it named this one and came too late.
            ReadRecord::Halted(_) => Ok(OwnRecord::Ignored),
            ReadRecord::Term(term) if self.lead.is_some() => Ok(OwnRecord::Deposed(term)),
            ReadRecord::Term(term) => {
                // Nothing was decided yet: the writer of the first term sets the vocabulary.
                if self.reader.position().sequence == 0 {
                    self.state.begin_log(&term);
                }
                Ok(OwnRecord::Term(term))
            }
            ReadRecord::Outcome(outcome) => match &mut self.lead {
                Some(lead) => confirm(lead, &self.reader, outcome),
                None => self.follow(outcome),
            },
        }
    }

    fn follow(&mut self, outcome: Outcome) -> Result<OwnRecord, Halt> {
        let place = CommandContext { cause: outcome.cause, time: outcome.time };
        self.state.follow(place, &outcome.events);
        for event in &outcome.events {
            let Event::StateHashed { hash } = event else { continue };
            if hash.way != WAY {
                self.unchecked += 1;
            } else if *hash != self.state.hash() {
                let (shard, sequence) = (self.state.shard(), outcome.sequence);
                return Err(Divergence::StateHash { shard, sequence }.into());
            }
        }
        Ok(OwnRecord::Followed(outcome))
    }

    /// Continues after the record at `offset`, at which [`Replica::read`] has just failed: a later
    /// quarantine record excludes it.
    pub fn pass_over(&mut self, offset: u64) {
        self.reader.pass_over(offset);
    }

    /// Becomes the leader. Call when [`Replica::read`] returned one's own `Term`.
    ///
    /// # Panics
    /// If no term was read yet, or this replica leads already.
    pub fn lead(&mut self) {
        assert!(self.lead.is_none(), "a leader does not take over from itself");
        assert!(self.reader.is_verified(), "nobody leads a log that may be another");
        let position = self.reader.position();
        self.lead = Some(Lead {
            term: position.term.expect("the own term was read"),
            sequence: position.sequence,
            chain: position.chain,
            next_command: position.next_command,
            unconfirmed: VecDeque::new(),
            waiting: VecDeque::new(),
        });
    }

    /// Becomes a follower again. Call when nothing is unconfirmed: then the state is exactly what
    /// was read. Drops queued commands; the next leader reads them from the log.
    ///
    /// # Panics
    /// If something is unconfirmed.
    pub fn resign(&mut self) {
        assert_eq!(self.unconfirmed(), 0, "a leader resigns when all it wrote has come back");
        self.lead = None;
    }

    /// Returns true between [`Replica::lead`] and [`Replica::resign`].
    pub fn is_leading(&self) -> bool {
        self.lead.is_some()
    }

    /// Queues the command at `offset`, to be handled after those queued already. Skips a command
    /// that has an outcome or is queued.
    ///
    /// # Panics
    /// If this replica does not lead, or commands before this one are missing: see
    /// [`Replica::next_command`].
    pub fn accept(&mut self, offset: u64, time: Timestamp, bytes: &[u8]) {
        let next = self.next_command();
        let lead = self.lead.as_mut().expect("only a leader decides");
        assert!(offset <= next, "command {offset} where {next} is next");
        if offset == next {
            let refused = |code| RefusedCommand { id: CommandRecord::id_of(bytes).unwrap_or(CommandId(0)), code };
            let record = if self.reader.is_quarantined(offset) {
                Err(refused(Rejection::Quarantined))
            } else {
                CommandRecord::decode_knowing(self.reader.reads(), bytes).map_err(|_| refused(Rejection::Undecodable))
            };
            lead.waiting.push_back(QueuedCommand { time, record });
        }
    }

    /// Decides, applies and encodes the outcome of the oldest queued command. Returns `None` if
    /// none is queued.
    ///
    /// It is fastest while [`LOOKAHEAD`](crate::LOOKAHEAD) more commands are queued after it.
    ///
    /// # Panics
    /// If this replica does not lead.
    pub fn handle_next(&mut self) -> Option<Vec<u8>> {
        let lead = self.lead.as_mut().expect("only a leader decides");
        let next = lead.waiting.front()?;
        self.state.prefetch(|behind| Some(&lead.waiting.get(behind)?.record.as_ref().ok()?.command));
        let (sequence, mut events) = (lead.sequence + 1, std::mem::take(&mut self.events));
        let place = decide(&mut self.state, lead.next_command, next, &mut events);
        if sequence.is_multiple_of(self.hash_every) {
            events.push(Event::StateHashed { hash: self.state.hash() });
        }
        let outcome = Outcome { term: lead.term, sequence, time: place.time, cause: place.cause, events };
        let (record, chain) = outcome.encode_naming(lead.chain, Some(self.state.install()));
        lead.sequence = sequence;
        lead.chain = chain;
        lead.next_command += 1;
        lead.unconfirmed.push_back(chain);
        lead.waiting.pop_front();
        self.events = outcome.events;
        self.events.clear();
        Some(record)
    }

    /// Runs [`Replica::accept`] and [`Replica::handle_next`] for one command, while none is queued.
    /// Returns `None` if the command has an outcome already.
    ///
    /// # Panics
    /// As those two do.
    pub fn handle(&mut self, offset: u64, time: Timestamp, bytes: &[u8]) -> Option<Vec<u8>> {
        self.accept(offset, time, bytes);
        self.handle_next()
    }

    /// Returns the number of queued commands.
    pub fn waiting(&self) -> usize {
        self.lead.as_ref().map_or(0, |lead| lead.waiting.len())
    }

    /// Returns the next offset of the commands partition to consume.
    pub fn next_command(&self) -> u64 {
        let lead = self.lead.as_ref().map(|lead| lead.next_command + lead.waiting.len() as u64);
        lead.unwrap_or(self.reader.position().next_command)
    }

    /// Returns the number of outcomes that were handled and not read back yet.
    pub fn unconfirmed(&self) -> usize {
        self.lead.as_ref().map_or(0, |lead| lead.unconfirmed.len())
    }

    /// Returns when the next `AdvanceTime` has something to do; a past time means now.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.next_due()
    }

    /// Returns messages that were sent and not yet acknowledged, in order for each receiver:
    /// receiver, number, id of the command that started it.
    pub fn kept_messages(&self) -> impl Iterator<Item = (Shard, u64, CommandId, &Message)> {
        self.state.kept_messages()
    }

    /// Returns the sequence of the state: what was read and, when leading, what was decided since.
    pub fn sequence(&self) -> u64 {
        self.lead.as_ref().map_or(self.reader.position().sequence, |lead| lead.sequence)
    }

    /// Encodes the current state. Together with the position at [`Replica::sequence`], once that is
    /// confirmed, the bytes make a snapshot: see [`Replica::snapshot_of`].
    pub fn state_bytes(&self) -> Vec<u8> {
        self.state.to_bytes()
    }

    /// Makes a snapshot of `state_bytes` that were taken at the sequence up to which the log has
    /// now been read.
    pub fn snapshot_of(&self, state_bytes: &[u8]) -> Vec<u8> {
        snapshot::write(&self.state, state_bytes, self.reader.position())
    }

    /// Makes a snapshot of the current state; `None` while something is unconfirmed.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        (self.unconfirmed() == 0).then(|| self.snapshot_of(&self.state_bytes()))
    }

    /// Returns this shard's part of invariant I-1. `taken_in(to)` returns how many of its messages
    /// each other shard has received.
    pub fn sums(&self, taken_in: impl Fn(Shard) -> u64) -> Sums {
        self.state.sums(taken_in)
    }
}

fn decide(state: &mut ShardState, offset: u64, waiting: &QueuedCommand, events: &mut Vec<Event>) -> CommandContext {
    let at = |id| CommandContext { cause: Cause { offset, id }, time: waiting.time.max(state.time()) };
    match &waiting.record {
        Ok(record) => {
            let place = at(record.id);
            state.handle_record(place, record, events);
            place
        }
        Err(RefusedCommand { id, code }) => {
            let place = at(*id);
            state.refuse(place, *code, events);
            place
        }
    }
}

fn confirm(lead: &mut Lead, reader: &LogReader, outcome: Outcome) -> Result<OwnRecord, Halt> {
    match lead.unconfirmed.pop_front() {
        Some(chain) if chain == reader.position().chain => Ok(OwnRecord::Confirmed(outcome)),
        _ => Err(Divergence::Outcome { shard: reader.shard(), sequence: outcome.sequence }.into()),
    }
}
