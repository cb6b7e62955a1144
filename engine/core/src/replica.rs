//! One shard with its place in the log: follows the log, or leads it.
//!
//! ```text
//! lfg.events[s] ─▶ read ─▶ *Replica* ─▶ handle ─▶ lfg.events[s] ─▶ read (confirmed)
//! ```
//!
//! A follower applies what it reads. A leader decides ahead of what it has read back: an outcome that it wrote is certain only
//! once it comes back under the leader's own term, so nothing may leave the shard before that.

use std::collections::VecDeque;

use schemas::reading::{Broken, Position, Reader, Reading};
use schemas::record::Chain;
use schemas::shard_map::ShardMap;
use schemas::{Cause, CommandId, CommandRecord, Event, Message, Outcome, Rejection, Shard, Term, Timestamp};

use crate::snapshot::{self, SnapshotError};
use crate::state::State;
use crate::{Place, Sums};

/// A shard publishes the hash of its state with every so many outcomes, while its state is small.
const STATE_HASH_EVERY: u64 = 1 << 14;

/// Hashing reads the whole state: so many outcomes are handled for each of its things before it is done again, so that it takes a
/// fixed share of the time however large the state is.
const OUTCOMES_A_THING: u64 = 4;

/// A shard's state machine and its place in the log.
#[derive(Debug)]
pub struct Replica {
    state: State,
    /// What was read.
    reader: Reader,
    lead: Option<Lead>,
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
}

/// What a record of the own events partition was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// Read before, or a stale writer's.
    Ignored,
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
    Broken(#[from] Broken),
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
        let reader = Reader::new(shard, map.shards(), Position::default());
        Self { state: State::new(shard, map), reader, lead: None }
    }

    /// At a snapshot's position.
    pub fn restore(shard: Shard, map: ShardMap, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let (state, position) = snapshot::read(shard, map, snapshot)?;
        Ok(Self { state, reader: Reader::new(shard, map.shards(), position), lead: None })
    }

    /// How far the log was read.
    pub fn position(&self) -> &Position {
        self.reader.position()
    }

    /// The state: what was read and, when leading, what was decided since.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reads the next record of the own events partition, following or leading.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) -> Result<Read, Halt> {
        match self.reader.read(offset, bytes)? {
            Reading::Ignored => Ok(Read::Ignored),
            Reading::Term(term) if self.lead.is_some() => Ok(Read::Deposed(term)),
            Reading::Term(term) => Ok(Read::Term(term)),
            Reading::Outcome(outcome) => match &mut self.lead {
                Some(lead) => confirm(lead, &self.reader, outcome),
                None => self.follow(outcome),
            },
        }
    }

    fn follow(&mut self, outcome: Outcome) -> Result<Read, Halt> {
        let place = Place { cause: outcome.cause, time: outcome.time };
        self.state.follow(place, &outcome.events);
        for event in &outcome.events {
            if let Event::StateHashed { hash } = event
                && *hash != self.state.hash()
            {
                let (shard, sequence) = (self.state.shard(), outcome.sequence);
                return Err(Divergence::StateHash { shard, sequence }.into());
            }
        }
        Ok(Read::Followed(outcome))
    }

    /// Becomes the writer. Call when [`Replica::read`] returned one's own `Term`.
    ///
    /// # Panics
    /// If no term was read yet, or this replica leads already.
    pub fn lead(&mut self) {
        assert!(self.lead.is_none(), "a leader does not take over from itself");
        let position = self.reader.position();
        self.lead = Some(Lead {
            term: position.term.expect("the own term was read"),
            sequence: position.sequence,
            chain: position.chain,
            next_command: position.next_command,
            unconfirmed: VecDeque::new(),
        });
    }

    /// Goes on as a follower. Call when nothing is unconfirmed: then the state is just what was read.
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

    /// Decides, applies and encodes the outcome of the command at `offset`. `None` if it has one already.
    ///
    /// # Panics
    /// If this replica does not lead.
    pub fn handle(&mut self, offset: u64, time: Timestamp, bytes: &[u8]) -> Option<Vec<u8>> {
        let lead = self.lead.as_mut().expect("only a leader decides");
        if offset < lead.next_command {
            return None;
        }
        let sequence = lead.sequence + 1;
        let mut events = Vec::new();
        let place = decide(&mut self.state, offset, time, bytes, &mut events);
        if publishes_hash(&self.state, sequence) {
            events.push(Event::StateHashed { hash: self.state.hash() });
        }
        let outcome = Outcome { term: lead.term, sequence, time: place.time, cause: place.cause, events };
        let (record, chain) = outcome.encode(lead.chain);
        lead.sequence = sequence;
        lead.chain = chain;
        lead.next_command = offset + 1;
        lead.unconfirmed.push_back(chain);
        Some(record)
    }

    /// The next offset of the commands partition to consume.
    pub fn next_command(&self) -> u64 {
        self.lead.as_ref().map_or(self.reader.position().next_command, |lead| lead.next_command)
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

fn decide(state: &mut State, offset: u64, time: Timestamp, bytes: &[u8], events: &mut Vec<Event>) -> Place {
    let at = |id| Place { cause: Cause { offset, id }, time: time.max(state.time()) };
    match CommandRecord::decode(bytes) {
        Ok(record) => {
            let place = at(record.id);
            state.handle(place, &record.command, events);
            place
        }
        Err(_) => {
            let place = at(CommandId(0));
            state.refuse(place, Rejection::Undecodable, events);
            place
        }
    }
}

/// Follows from the state alone, so that it is the same whoever leads.
fn publishes_hash(state: &State, sequence: u64) -> bool {
    sequence.is_multiple_of(STATE_HASH_EVERY) && {
        let outcomes = state.things() * OUTCOMES_A_THING;
        sequence.is_multiple_of(outcomes.next_power_of_two().max(STATE_HASH_EVERY))
    }
}

fn confirm(lead: &mut Lead, reader: &Reader, outcome: Outcome) -> Result<Read, Halt> {
    match lead.unconfirmed.pop_front() {
        Some(chain) if chain == reader.position().chain => Ok(Read::Confirmed(outcome)),
        _ => Err(Divergence::Outcome { shard: reader.shard(), sequence: outcome.sequence }.into()),
    }
}
