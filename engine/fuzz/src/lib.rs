//! The functions of the fuzzing targets. Every function must return, whatever the bytes are: a
//! decoder that panics or a core that breaks an invariant is a bug.
//!
//! The fuzzer runs these (`ops/fuzz`), and so does `engine/core/tests/fuzz_corpus.rs`, on the
//! corpus and on mutations of it.

mod cluster;
mod script;

pub use cluster::home;

use cluster::Cluster;
use engine_core::Replica;
use schemas::reading::{Checkpoint, LogReader};
use schemas::record::Chain;
use schemas::shard_map::ShardMap;
use schemas::{Command, CommandId, CommandRecord, EngineId, Event, Record, Shard, Term, Timestamp};
use script::{Script, Step};

/// The number of shards of the log that the targets simulate: an account's home shard, a shard
/// whose purse asks, and one whose purse is recalled. (A purse is an account's balance on one
/// shard.)
const SHARDS: u16 = 3;

/// Returns the shard that decoders read as, and the shard map of its log.
pub fn shard() -> (Shard, ShardMap) {
    (Shard::new(0).expect("the first shard"), ShardMap::new(SHARDS).expect("a few shards"))
}

/// A record of the commands topic: decoded or refused. A decoded record is the same after it is
/// encoded again, and not longer: a later build's fields are dropped.
pub fn command_record(bytes: &[u8]) {
    if let Ok(record) = CommandRecord::decode(bytes) {
        let again = record.encode();
        assert!(again.len() <= bytes.len(), "{record:?} grew");
        assert_eq!(CommandRecord::decode(&again), Ok(record));
    }
}

/// A record of the events topic: decoded or refused. Checked like a command, after removing what a
/// later build added.
pub fn event_record(bytes: &[u8]) {
    let again = match Record::decode(bytes) {
        Ok(Record::Term(term)) => Term::encode(&term),
        Ok(Record::Outcome(mut outcome, _)) => {
            outcome.events.retain(|event| !matches!(event, Event::Unknown { .. }));
            let (again, chain) = outcome.encode(Chain::default());
            assert_eq!(Record::decode(&again), Ok(Record::Outcome(outcome, chain)));
            again
        }
        Ok(Record::Halted(halted)) => halted.encode(),
        Ok(Record::Quarantine(quarantine)) => quarantine.encode(),
        Ok(Record::Unknown { .. }) | Err(_) => return,
    };
    assert!(again.len() <= bytes.len(), "it grew");
}

/// A whole partition, each record preceded by its length (2 bytes, little-endian): read, or the
/// reader halts.
pub fn reading(mut bytes: &[u8]) {
    let (shard, map) = shard();
    let mut reader = LogReader::new(shard, map.shards(), Checkpoint::default());
    let mut offset = 0;
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (record, rest) = rest.split_at(length);
        if reader.read(offset, record).is_err() {
            return;
        }
        (offset, bytes) = (offset + 1, rest);
    }
}

/// A snapshot: restored or refused. A restored state is the same after another snapshot.
pub fn snapshot(bytes: &[u8]) {
    let (shard, map) = shard();
    if let Ok(replica) = Replica::restore(shard, map, bytes) {
        assert_eq!(replica.snapshot().as_deref(), Some(bytes));
    }
}

/// Returns a snapshot of the first shard after its part of a sequence of commands. No other shard
/// answers it, so its requests to others are still open.
pub fn snapshot_after(bytes: &[u8]) -> Vec<u8> {
    let (shard, map) = shard();
    let (mut script, mut replica, mut time) = (Script::new(bytes, map), Replica::new(shard, map), 0);
    let term = Term::new(shard, map.shards(), EngineId(1), 1);
    replica.read(0, &term.encode()).expect("a term");
    replica.lead();
    while let Some((wait, step)) = script.next(&[]) {
        time += wait;
        let command = match step {
            Step::Ask(command) if home(map, &command) == shard => command,
            Step::Astray(at, command) if at == shard => command,
            Step::Advance(at) if at == shard => Command::AdvanceTime,
            _ => continue,
        };
        let offset = replica.next_command();
        let record = CommandRecord::new(CommandId(u128::from(offset + 1)), command).encode();
        let outcome = replica.handle(offset, Timestamp(time), &record).expect("the next command");
        replica.read(offset + 1, &outcome).expect("its own outcome");
    }
    replica.snapshot().expect("all has come back")
}

/// A sequence of commands and deliveries of messages: all invariants hold after each, in the end
/// nothing waits, and a state restored from its bytes is the same state.
pub fn commands(bytes: &[u8]) {
    run(bytes);
}

/// Like [`commands`]; returns all events of all shards.
pub fn run(bytes: &[u8]) -> Vec<Event> {
    let (_, map) = shard();
    let (mut cluster, mut script) = (Cluster::new(map), Script::new(bytes, map));
    while let Some((wait, step)) = script.next(&cluster.orders) {
        cluster.wait(wait);
        match step {
            Step::Ask(command) => cluster.ask(home(map, &command), &command),
            Step::Astray(at, command) => cluster.ask(at, &command),
            Step::Advance(shard) => cluster.ask(shard, &Command::AdvanceTime),
            Step::Deliver(from) => {
                cluster.deliver(from);
            }
            Step::Acknowledge(from) => cluster.acknowledge(from),
        }
    }
    cluster.come_to_rest();
    cluster.events
}
