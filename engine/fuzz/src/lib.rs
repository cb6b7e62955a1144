//! What each fuzzing target does with its bytes. Every function must return, whatever the bytes are: a decoder that panics or a law that
//! breaks an invariant is a bug.
//!
//! The fuzzer runs these (`ops/fuzz`), and so does `engine/core/tests/fuzz_corpus.rs`, over the corpus and over changes of it.

mod script;

use engine_core::{Place, Replica, State};
use schemas::reading::{Position, Reader};
use schemas::shard_map::ShardMap;
use schemas::{Cause, CommandId, CommandRecord, Outcome, Record, Shard, Term, Timestamp};

/// Shards of the log that the targets pretend to be on.
const SHARDS: u16 = 2;

fn shard() -> (Shard, ShardMap) {
    (Shard::new(0).expect("the first shard"), ShardMap::new(SHARDS).expect("a few shards"))
}

/// Version and kind of a record.
const HEAD: usize = 2;

/// A record of the commands topic: decoded or refused. What is decoded has just these bytes.
pub fn command_record(bytes: &[u8]) {
    if let Ok(record) = CommandRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes, "two records of bytes for one command");
    }
}

/// A record of the events topic: decoded or refused. What is decoded has just these bytes, but for how an outcome is chained.
pub fn event_record(bytes: &[u8]) {
    match Record::decode(bytes) {
        Ok(Record::Term(term)) => assert_eq!(Term::encode(&term), bytes),
        Ok(Record::Outcome(outcome, chain)) => {
            let body = HEAD..bytes.len() - chain.0.len();
            assert_eq!(Outcome::encode(&outcome, chain).0[body.clone()], bytes[body]);
        }
        Err(_) => {}
    }
}

/// A whole partition, each record behind its length (2 bytes, little-endian): read, or the reader halts.
pub fn reading(mut bytes: &[u8]) {
    let (shard, map) = shard();
    let mut reader = Reader::new(shard, map.shards(), Position::default());
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

/// A snapshot: restored or refused. What is restored is the same state again.
pub fn snapshot(bytes: &[u8]) {
    let (shard, map) = shard();
    if let Ok(replica) = Replica::restore(shard, map, bytes) {
        assert_eq!(replica.snapshot().as_deref(), Some(bytes));
    }
}

/// A sequence of commands: all invariants hold after each, and a state restored from its bytes is the same state.
pub fn commands(bytes: &[u8]) {
    let shard = Shard::new(0).expect("the first shard");
    let map = ShardMap::new(1).expect("one shard");
    let mut state = State::new(shard, map);
    let mut events = Vec::new();
    let mut script = script::Script::new(bytes);
    let mut offset = 0;
    while let Some((wait, command)) = script.next(&events) {
        offset += 1;
        let time = Timestamp(state.time().0 + wait);
        events.clear();
        state.handle(Place { cause: Cause { offset, id: CommandId(u128::from(offset)) }, time }, &command, &mut events);
        assert!(
            !events.is_empty()
                || matches!(command, schemas::Command::AdvanceTime | schemas::Command::Acknowledge { .. })
        );
        state.assert_all();
        assert_eq!(state.sums(|_| 0).balance().micros(), 0, "credits came or went");
    }
    let restored = State::from_bytes(shard, map, &state.to_bytes()).expect("a state's own bytes");
    assert_eq!(restored.to_bytes(), state.to_bytes());
    assert_eq!(restored.next_due(), state.next_due());
}
