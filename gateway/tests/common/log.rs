//! The events topic as a reader of the log sees it.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use schemas::reading::{Checkpoint, LogReader, ReadRecord as Read};
use schemas::{Event, Outcome, Shard};
use service::kafka::{ConsumerProfile, EventsTail, admin_config};

use super::{PATIENCE, Platform, SHARDS, eventually};

/// Returns all outcomes that count now, for each shard.
pub fn outcomes(platform: &Platform) -> Vec<(Shard, Outcome)> {
    let from = Shard::all(SHARDS).map(|shard| (shard, 0));
    let tail = EventsTail::open(&platform.log.kafka, &platform.log.topics(), ConsumerProfile::Live, from).unwrap();
    let mut readers: Vec<LogReader> =
        Shard::all(SHARDS).map(|shard| LogReader::new(shard, SHARDS, Checkpoint::default())).collect();
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

/// Deletes the records of a shard's events before an offset.
pub async fn lose_beginning(platform: &Platform, shard: Shard, before: i64) {
    let admin: AdminClient<DefaultClientContext> = admin_config(&platform.log.kafka).create().unwrap();
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset(&platform.log.topics().events, shard.partition(), Offset::Offset(before)).unwrap();
    admin.delete_records(&gone, &AdminOptions::new()).await.unwrap();
}

/// Returns all outcomes that a command has caused, on all shards.
pub fn outcomes_of(platform: &Platform, command: &str) -> Vec<(Shard, Outcome)> {
    let mut all = outcomes(platform);
    all.retain(|(_, outcome)| outcome.cause.id.to_string() == command);
    all
}

/// Waits until every message between shards is acknowledged, so that nothing more happens by
/// itself. Returns the positions, as `shard:sequence,…`.
pub async fn quiet(platform: &Platform) -> String {
    eventually("all messages are acknowledged", async || {
        let (mut kept, mut ends) = (BTreeMap::<(Shard, Shard), [u64; 2]>::new(), BTreeMap::new());
        for (shard, outcome) in outcomes(platform) {
            ends.insert(shard, outcome.sequence);
            for event in &outcome.events {
                match event {
                    Event::Sent { to, number, .. } => kept.entry((shard, *to)).or_default()[0] = *number,
                    Event::Acknowledged { to, number } => kept.entry((shard, *to)).or_default()[1] = *number,
                    _ => {}
                }
            }
        }
        let ends: Vec<String> = ends.iter().map(|(shard, sequence)| format!("{shard}:{sequence}")).collect();
        kept.values().all(|[sent, acknowledged]| sent == acknowledged).then(|| ends.join(","))
    })
    .await
}
