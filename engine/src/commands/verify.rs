//! `engine verify`: folds the whole log from the beginning, as an auditor would.
//!
//! Verifies that every shard's log keeps its own rules (sequence, chain, state hashes), that each
//! state keeps its invariants (among them I-5 and I-8: the holds and counts of its purses equal
//! those of its books), and that credits are conserved over all purses, markets and messages in
//! flight between shards (I-1).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use engine_core::{Halt, OwnRecord, Replica, Sums};
use schemas::{Credits, Event, Shard};
use service::config::LogArgs;
use service::kafka::{ConsumerProfile, EventsTail, KafkaFault, quarantine};

/// Arguments of `engine verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The log is not valid, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log cannot be read.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The log breaks its own rules, or this program disagrees with it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Credits are not conserved (I-1).
    #[error("I-1: credits are not conserved: {0} too many")]
    Credits(Credits),
}

/// All shards, folded up to a consistent cut: every message that was received was also sent.
pub struct Audit {
    log: LogArgs,
    /// The shards' states, by number.
    pub replicas: Vec<Replica>,
    /// Records and events that were skipped because a later build wrote them, by number of the
    /// shard.
    pub unknown: Vec<u64>,
    messages: Messages,
}

/// The messages in the logs: the last number for each (sender, receiver).
#[derive(Default)]
struct Messages {
    sent: BTreeMap<(Shard, Shard), u64>,
    taken_in: BTreeMap<(Shard, Shard), u64>,
}

impl Messages {
    fn note(&mut self, at: Shard, events: &[Event]) {
        for event in events {
            match event {
                Event::Sent { to, number, .. } => drop(self.sent.insert((at, *to), *number)),
                Event::Received { from, number } => drop(self.taken_in.insert((*from, at), *number)),
                _ => {}
            }
        }
    }

    fn is_consistent(&self) -> bool {
        self.taken_in.iter().all(|(pair, number)| self.sent.get(pair) >= Some(number))
    }
}

impl Audit {
    /// Folds the log up to its current end, and further until it is a consistent cut. Blocks.
    pub fn of(log: &LogArgs) -> Result<Self, VerifyError> {
        let map = log.shard_map();
        let mut audit = Self {
            replicas: Shard::all(log.shards).map(|shard| Replica::new(shard, map)).collect(),
            log: log.clone(),
            unknown: vec![0; usize::from(log.shards)],
            messages: Messages::default(),
        };
        let from = Shard::all(log.shards).map(|shard| (shard, 0));
        let tail = EventsTail::open(&log.kafka, &log.topics(), ConsumerProfile::Bulk, from)?;
        audit.fold(&tail)?;
        while !audit.messages.is_consistent() {
            audit.fold(&tail)?;
        }
        Ok(audit)
    }

    fn fold(&mut self, tail: &EventsTail) -> Result<(), VerifyError> {
        let ends = tail.high_watermarks()?;
        let behind = |replicas: &[Replica]| ends.iter().any(|&(s, end)| replicas[s.index()].position().offset < end);
        while behind(&self.replicas) {
            let Some(record) = tail.next_or_wait(Duration::from_millis(200))? else { continue };
            let shard = record.shard();
            let replica = &mut self.replicas[shard.index()];
            let read = match replica.read(record.offset(), record.payload()) {
                Err(Halt::Broken(broken)) if quarantine::of_record(&self.log, shard, broken.offset)?.is_some() => {
                    replica.pass_over(broken.offset);
                    OwnRecord::Ignored
                }
                read => read?,
            };
            match read {
                OwnRecord::Followed(outcome) => {
                    self.messages.note(shard, &outcome.events);
                    self.unknown[shard.index()] += outcome.unknown();
                }
                OwnRecord::Unknown => self.unknown[shard.index()] += 1,
                OwnRecord::Ignored
                | OwnRecord::Quarantine(_)
                | OwnRecord::Term(_)
                | OwnRecord::Confirmed(_)
                | OwnRecord::Deposed(_) => {}
            }
        }
        Ok(())
    }

    /// Returns one shard's contribution to I-1.
    pub fn sums(&self, replica: &Replica) -> Sums {
        let from = replica.state().shard();
        replica.sums(|to| self.messages.taken_in.get(&(from, to)).copied().unwrap_or(0))
    }

    /// Returns the sums of all shards.
    pub fn total(&self) -> Sums {
        self.replicas.iter().map(|replica| self.sums(replica)).fold(Sums::default(), |sum, part| sum + part)
    }
}

/// Folds the log, prints the result, and fails if anything is wrong.
pub fn verify(args: &VerifyArgs) -> Result<(), VerifyError> {
    let mut audit = Audit::of(&args.log)?;
    for replica in &mut audit.replicas {
        let state = replica.state_hash();
        replica.state().assert_all();
        let (shard, position) = (replica.state().shard(), replica.position());
        let term = position.term.map_or("none".to_owned(), |term| term.to_string());
        println!(
            "shard {shard}: offset {} term {term} sequence {} next command {} purses {} parked {} chain {} state {state}",
            position.offset,
            position.sequence,
            position.next_command,
            replica.state().purses().count(),
            replica.state().parked().count(),
            hex(&position.chain.0),
        );
    }
    for (shard, unknown) in audit.unknown.iter().enumerate().filter(|(_, unknown)| **unknown > 0) {
        println!("shard {shard}: skipped {unknown} records and events of a later build");
    }
    let total = audit.total();
    println!(
        "credits: deposited {} = available in purses {} + held in purses {} + collateral {} + fees {} + in flight {}",
        total.deposited, total.available, total.held, total.collateral, total.fees, total.in_flight
    );
    if total.balance() == Credits::ZERO { Ok(()) } else { Err(VerifyError::Credits(total.balance())) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
