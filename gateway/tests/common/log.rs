//! The events topic as a reader of the log sees it.

use schemas::reading::{Position, Reader, Reading as Read};
use schemas::{Outcome, Shard};
use service::kafka::{EventsTail, Reading};

use super::{PATIENCE, Platform, SHARDS};

/// All outcomes that count by now, shard by shard.
pub fn outcomes(platform: &Platform) -> Vec<(Shard, Outcome)> {
    let from = Shard::all(SHARDS).map(|shard| (shard, 0));
    let tail = EventsTail::open(&platform.log.kafka, &platform.log.topics(), Reading::Live, from).unwrap();
    let mut readers: Vec<Reader> =
        Shard::all(SHARDS).map(|shard| Reader::new(shard, SHARDS, Position::default())).collect();
    let goals = tail.high_watermarks().unwrap();
    let mut found = Vec::new();
    while goals.iter().any(|(shard, goal)| readers[shard.index()].position().offset < *goal) {
        let record = tail.next(PATIENCE).unwrap().expect("a record before the end of the log");
        let shard = record.shard();
        if let Read::Outcome(outcome) = readers[shard.index()].read(record.offset(), record.payload()).unwrap() {
            found.push((shard, outcome));
        }
    }
    found
}

/// All outcomes that a command has caused by now, wherever.
pub fn outcomes_of(platform: &Platform, command: &str) -> Vec<(Shard, Outcome)> {
    let mut all = outcomes(platform);
    all.retain(|(_, outcome)| outcome.cause.id.to_string() == command);
    all
}
