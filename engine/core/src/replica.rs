//! One shard with its place in the log: follows the log, or leads it.
//!
//! ```text
//! lfg.events[s] ─▶ read ─▶ *Replica* ─▶ handle ─▶ lfg.events[s] ─▶ read (confirmed)
//! ```
//!
//! A follower applies what it reads. A leader decides ahead of what it has read back: an outcome that it wrote is certain only
//! once it comes back under the leader's own term, so nothing may leave the shard before that.

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

/// Outcomes from one published hash of the state to the next. Followers check whatever is published.
pub const HASH_EVERY: u64 = 1 << 12;

/// A shard's state machine and its place in the log.
#[derive(Debug)]
pub struct Replica {
    state: ShardState,
    /// What was read.
    reader: LogReader,
    lead: Option<Lead>,
    hash_every: u64,
    unchecked: u64,
    /// Memory for the events of an outcome, used again from command to command; empty between them.
    events: Vec<Event>,
}

/// How far a leader is ahead of what it has read back.
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

/// A command that waits for its turn.
#[derive(Debug)]
struct QueuedCommand {
    time: Timestamp,
    record: Result<CommandRecord, RefusedCommand>,
}

/// A command that is refused without a look at what it asks.
#[derive(Clone, Copy, Debug)]
struct RefusedCommand {
    /// What to answer it under; all zero if it has no id.
    id: CommandId,
    code: Rejection,
}

/// What a record of the own events partition was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OwnRecord {
    /// Read before, or a stale writer's.
    Ignored,
    /// A later build's, and nothing that this one need know.
    Unknown,
    /// What readers or leaders halted at is put aside.
    Quarantine(Quarantine),
    /// A new writer; the caller knows whether it is itself.
    Term(Term),
    /// Another writer's outcome, now applied.
    Followed(Outcome),
    /// Our own outcome: it counts, and may leave the shard.
    Confirmed(Outcome),
    /// Another writer took over while we led. Our state may hold what never counted: drop this replica, recover, follow.
    Deposed(Term),
}

/// This shard must stop here and let an operator look. Never retry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// The log breaks its own rules.
    #[error(transparent)]
    Broken(#[from] BrokenLog),
    /// The log is right and this state is not what the writer's was.
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
        /// The outcome that published the hash.
        sequence: u64,
    },
    /// The log has another outcome under our term than the one we wrote.
    #[error("outcome {sequence} of shard {shard} came back changed")]
    Outcome {
        /// The shard.
        shard: Shard,
        /// The outcome.
        sequence: u64,
    },
}

impl Replica {
    /// At the beginning of the log.
    pub fn new(shard: Shard, map: ShardMap) -> Self {
        Self::at(ShardState::new(shard, map), Checkpoint::default())
    }

    /// At a snapshot's position. Read on from its [`Checkpoint::start`].
    pub fn restore(shard: Shard, map: ShardMap, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        Self::restore_knowing(VOCABULARY, (shard, map), snapshot)
    }

    /// The same in a build that reads this vocabulary. What it cannot read on from is refused.
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

    /// Reads and decides as a build that knows this vocabulary.
    #[must_use]
    pub fn knowing(mut self, reads: u16) -> Self {
        self.state.reads = reads;
        Self { reader: self.reader.knowing(reads), ..self }
    }

    /// Publishes a hash with every so many outcomes, not 0, instead of [`HASH_EVERY`].
    #[must_use]
    pub fn with_hash_every(self, outcomes: u64) -> Self {
        Self { hash_every: outcomes, ..self }
    }

    /// See [`ShardState::with_outbox_max`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { state: self.state.with_outbox_max(messages), ..self }
    }

    /// How far the log was read.
    pub fn position(&self) -> &Checkpoint {
        self.reader.position()
    }

    /// The next offset of the log to read. Before [`Replica::position`] while the log is still to show that it is the
    /// snapshot's.
    pub fn next_offset(&self) -> u64 {
        self.reader.next_offset()
    }

    /// The command of the last outcome that was read; `None` before the first.
    pub fn last_cause(&self) -> Option<Cause> {
        self.reader.cause()
    }

    /// Hashes of the state that were read and not checked, since another build made them in a way that this one does
    /// not know.
    pub fn unchecked_hashes(&self) -> u64 {
        self.unchecked
    }

    /// The state's hash now.
    pub fn state_hash(&mut self) -> StateHash {
        self.state.hash()
    }

    /// The state: what was read and, when leading, what was decided since.
    pub fn state(&self) -> &ShardState {
        &self.state
    }

    /// Reads the next record of the own events partition, following or leading.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) -> Result<OwnRecord, Halt> {
        match self.reader.read(offset, bytes)? {
            ReadRecord::Ignored => Ok(OwnRecord::Ignored),
            ReadRecord::Unknown => Ok(OwnRecord::Unknown),
            ReadRecord::Quarantine(quarantine) => Ok(OwnRecord::Quarantine(quarantine)),
            // Another's, or it was about us and came too late.
            ReadRecord::Halted(_) => Ok(OwnRecord::Ignored),
            ReadRecord::Term(term) if self.lead.is_some() => Ok(OwnRecord::Deposed(term)),
            ReadRecord::Term(term) => {
                // Nobody has decided anything: the vocabulary is whatever the one who begins says.
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

    /// Goes on behind the record at `offset`, at which [`Replica::read`] has just failed: a later record says that it
    /// is put aside.
    pub fn pass_over(&mut self, offset: u64) {
        self.reader.pass_over(offset);
    }

    /// Becomes the writer. Call when [`Replica::read`] returned one's own `Term`.
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

    /// Goes on as a follower. Call when nothing is unconfirmed: then the state is just what was read. Commands that wait are the next
    /// leader's.
    ///
    /// # Panics
    /// If something is unconfirmed.
    pub fn resign(&mut self) {
        assert_eq!(self.unconfirmed(), 0, "a leader resigns when all it wrote has come back");
        self.lead = None;
    }

    /// True between [`Replica::lead`] and [`Replica::resign`].
    pub fn is_leading(&self) -> bool {
        self.lead.is_some()
    }

    /// Takes the command at `offset` in, to be handled after those that wait already. One that has an outcome or waits is passed over.
    ///
    /// # Panics
    /// If this replica does not lead, or commands are missing before this one: see [`Replica::next_command`].
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

    /// Decides, applies and encodes the outcome of the command that has waited longest. `None` if none waits.
    ///
    /// It is quickest while [`LOOKAHEAD`](crate::LOOKAHEAD) more commands wait behind it.
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

    /// [`Replica::accept`] and [`Replica::handle_next`] of one command, while none waits. `None` if it has an outcome already.
    ///
    /// # Panics
    /// As they do.
    pub fn handle(&mut self, offset: u64, time: Timestamp, bytes: &[u8]) -> Option<Vec<u8>> {
        self.accept(offset, time, bytes);
        self.handle_next()
    }

    /// Commands that were taken in and not handled yet.
    pub fn waiting(&self) -> usize {
        self.lead.as_ref().map_or(0, |lead| lead.waiting.len())
    }

    /// The next offset of the commands partition to consume.
    pub fn next_command(&self) -> u64 {
        let lead = self.lead.as_ref().map(|lead| lead.next_command + lead.waiting.len() as u64);
        lead.unwrap_or(self.reader.position().next_command)
    }

    /// Outcomes handled and not read back yet.
    pub fn unconfirmed(&self) -> usize {
        self.lead.as_ref().map_or(0, |lead| lead.unconfirmed.len())
    }

    /// When an `AdvanceTime` has something to do; a time that is past means now.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.next_due()
    }

    /// Messages sent and not yet acknowledged, in order for each receiver: receiver, number, id of the command that began it.
    pub fn kept_messages(&self) -> impl Iterator<Item = (Shard, u64, CommandId, &Message)> {
        self.state.kept_messages()
    }

    /// The sequence that the state is at: what was read and, when leading, what was decided since.
    pub fn sequence(&self) -> u64 {
        self.lead.as_ref().map_or(self.reader.position().sequence, |lead| lead.sequence)
    }

    /// The state's bytes now. Together with the position at [`Replica::sequence`], once that is confirmed, they make a snapshot:
    /// see [`Replica::snapshot_of`].
    pub fn state_bytes(&self) -> Vec<u8> {
        self.state.to_bytes()
    }

    /// A snapshot of `state_bytes` that were taken at the sequence which the log was now read up to.
    pub fn snapshot_of(&self, state_bytes: &[u8]) -> Vec<u8> {
        snapshot::write(&self.state, state_bytes, self.reader.position())
    }

    /// A snapshot of now; `None` while something is unconfirmed.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        (self.unconfirmed() == 0).then(|| self.snapshot_of(&self.state_bytes()))
    }

    /// This shard's part in I-1. `taken_in(to)` tells how many of its messages each other shard has taken in.
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
