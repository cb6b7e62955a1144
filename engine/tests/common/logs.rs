//! Reading a test's logs: until nothing is left to do, until something happens, and compared with
//! what was sent.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::{Command, CommandId, CommandRecord, Event, Outcome, Shard};
use service::kafka::{ConsumerProfile, EventsTail, consumer_config};

use super::audit::Audit;
use super::{SHARDS, TestLog};

/// Reads the events from their beginning.
pub fn tail(log: &TestLog, reading: ConsumerProfile) -> EventsTail {
    let from = Shard::all(SHARDS).map(|shard| (shard, 0));
    EventsTail::open(&log.args.kafka, &log.topics, reading, from).unwrap()
}

/// Reads the events until every command has its outcome and nothing is in flight, parked or due;
/// fails after `limit`.
pub fn drained(log: &TestLog, limit: Duration) -> Audit {
    let mut audit = Audit::new();
    let tail = tail(log, ConsumerProfile::Bulk);
    let start = Instant::now();
    loop {
        while let Some(record) = tail.next_or_wait(Duration::from_millis(200)).unwrap() {
            audit.read(record.shard(), record.offset(), record.payload());
        }
        audit.assert_cut();
        let ends = command_ends(log);
        let done = ends.iter().all(|(&shard, &end)| audit.position(shard).next_command == end);
        if done && audit.is_quiet() && command_ends(log) == ends {
            return audit;
        }
        let at: Vec<_> = Shard::all(SHARDS).map(|shard| audit.position(shard).next_command).collect();
        assert!(
            start.elapsed() < limit,
            "not drained within {limit:?}: at {at:?} of {ends:?}, {}",
            if audit.is_quiet() { "quiet" } else { "something is still in flight, parked or due" }
        );
    }
}

/// Waits for the first outcome with such an event.
pub fn first(log: &TestLog, what: &str, limit: Duration, is_it: impl Fn(&Event) -> bool) -> Outcome {
    let mut audit = Audit::new();
    let tail = tail(log, ConsumerProfile::Live);
    super::wait_for(what, limit, || {
        while let Some(record) = tail.next_or_wait(Duration::from_millis(50)).unwrap() {
            let outcome = audit.read(record.shard(), record.offset(), record.payload());
            let found = outcome.filter(|outcome| outcome.events.iter().any(&is_it));
            if found.is_some() {
                return found;
            }
        }
        None
    })
}

fn command_ends(log: &TestLog) -> BTreeMap<Shard, u64> {
    let consumer: BaseConsumer = consumer_config(&log.args.kafka, "test", ConsumerProfile::Live).create().unwrap();
    let end = |shard: Shard| {
        let marks = consumer.fetch_watermarks(&log.topics.commands, shard.partition(), Duration::from_secs(5));
        (shard, u64::try_from(marks.unwrap().1).unwrap())
    };
    Shard::all(SHARDS).map(end).collect()
}

/// Returns all commands of a shard, in order.
fn commands(log: &TestLog, shard: Shard) -> Vec<(u64, CommandRecord)> {
    let end = command_ends(log)[&shard];
    let consumer: BaseConsumer = consumer_config(&log.args.kafka, "test", ConsumerProfile::Bulk).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&log.topics.commands, shard.partition(), Offset::Offset(0)).unwrap();
    consumer.assign(&assignment).unwrap();
    let mut found: Vec<(u64, CommandRecord)> = Vec::new();
    while found.last().map_or(0, |(offset, _)| offset + 1) < end {
        let record = consumer.poll(Duration::from_secs(10)).expect("a record before the end").unwrap();
        let command = CommandRecord::decode(record.payload().unwrap()).unwrap();
        found.push((u64::try_from(record.offset()).unwrap(), command));
    }
    found
}

/// Every command in the log has exactly one outcome, in order, under its own id, and one answer;
/// every command sent is in the log once.
pub fn assert_each_command_is_answered_once(log: &TestLog, audit: &Audit, asked: &[CommandId]) {
    let mut seen: HashMap<CommandId, u32> = HashMap::new();
    for shard in Shard::all(SHARDS) {
        // Running engines may write more announcements, after what was audited.
        let mut commands = commands(log, shard);
        commands.retain(|(offset, _)| *offset < audit.position(shard).next_command);
        let expected: Vec<_> = commands.iter().map(|(offset, record)| (*offset, record.id)).collect();
        assert_eq!(audit.causes[shard.index()].len(), expected.len(), "outcomes and commands of shard {shard}");
        assert!(audit.causes[shard.index()] == expected, "causes of shard {shard}");
        for CommandRecord { id, command, .. } in commands.iter().map(|(_, record)| record) {
            match command {
                // The commands of engines to themselves and each other are answered by their
                // outcome.
                Command::Receive { .. } | Command::Acknowledge { .. } | Command::AdvanceTime => {}
                // So are the announcements of components.
                Command::Announce(_) | Command::Leave { .. } => {}
                command => {
                    audit.answers.assert_one(shard, *id, command);
                    *seen.entry(*id).or_default() += 1;
                }
            }
        }
    }
    for id in asked {
        assert_eq!(seen.get(id), Some(&1), "command {id}");
    }
}
