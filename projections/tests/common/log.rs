//! Events logs as engines would write them: terms, dense sequences, chains, and records of stale
//! engines.

use schemas::record::Chain;
use schemas::{Cause, CommandId, EngineId, Event, Outcome, Shard, Term, Timestamp};

use super::exchange::Told;
use super::later;

/// One shard's log. Offsets are indexes into `records`: this is the only writer of its partition.
#[derive(Default)]
pub struct ShardLog {
    pub records: Vec<Vec<u8>>,
    term: u64,
    sequence: u64,
    chain: Chain,
    next_command: u64,
}

/// All shards' logs.
pub struct Log {
    pub shards: Vec<ShardLog>,
    pub time: Timestamp,
    /// True if a later build writes: the same events, plus some that this build does not know.
    pub later: bool,
}

impl Log {
    /// Creates logs that each begin with a term.
    pub fn new(shards: u16, time: Timestamp) -> Self {
        let mut log = Self { shards: (0..shards).map(|_| ShardLog::default()).collect(), time, later: false };
        for shard in Shard::all(shards) {
            log.take_over(shard);
        }
        log
    }

    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.records.len()).sum()
    }

    /// Counts the outcomes that count.
    pub fn outcomes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.sequence).sum()
    }

    /// Starts a new engine's term on the shard.
    pub fn take_over(&mut self, shard: Shard) {
        let shards = self.shards.len() as u16;
        let log = &mut self.shards[shard.index()];
        log.term = log.records.len() as u64;
        log.records.push(Term::new(shard, shards, EngineId(1), 0).encode());
    }

    /// Appends an outcome of the previous engine, which is stale but still writes.
    pub fn stale(&mut self, told: &Told) {
        let log = &mut self.shards[told.shard.index()];
        if log.term > 0 {
            let (record, _) = log.outcome(log.term - 1, self.time, told).encode(log.chain);
            log.records.push(record);
        }
    }

    /// Appends the next outcome.
    pub fn tell(&mut self, told: &Told) {
        let log = &mut self.shards[told.shard.index()];
        let outcome = log.outcome(log.term, self.time, told);
        let (record, chain) = if self.later { as_later(&outcome, log.chain) } else { outcome.encode(log.chain) };
        if self.later {
            log.records.push(later::record(0));
        }
        log.records.push(record);
        log.sequence += 1;
        log.next_command += 1;
        log.chain = chain;
    }

    pub fn tell_all(&mut self, told: &[Told]) {
        told.iter().for_each(|told| self.tell(told));
    }
}

impl ShardLog {
    fn outcome(&self, term: u64, time: Timestamp, told: &Told) -> Outcome {
        let cause = Cause { offset: self.next_command, id: told.command };
        Outcome { term, sequence: self.sequence + 1, time, cause, events: told.events.clone() }
    }
}

/// Encodes with one more field in each event, in each order and in the outcome, and with one more
/// event.
fn as_later(outcome: &Outcome, before: Chain) -> (Vec<u8>, Chain) {
    let longer = |event: &Event| match event {
        Event::OrderPlaced(_) | Event::OrderRejected { .. } | Event::ApiKeyAdded { .. } => later::grown(event, 8),
        Event::MarketCreated { .. } => later::grown(event, 0),
        _ => later::event(event, 0, &[7; 5]),
    };
    let events: Vec<_> = outcome.events.iter().map(longer).chain([later::unknown(0)]).collect();
    later::outcome(outcome, &events, &[1, 2, 3], before)
}

/// Returns a single event on a shard.
pub fn one(shard: Shard, event: Event) -> Told {
    Told { shard, command: CommandId(1), events: vec![event] }
}
