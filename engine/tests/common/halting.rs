//! Helpers for tests of a halted shard: the state of the others, and changes to topics and
//! snapshots.

use std::path::Path;
use std::time::Duration;

use engine::metrics::ROLE;
use engine::shard::ShardRole;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::{AdminId, Command, CommandId, Credits, Record, Shard, Timestamp};
use service::kafka::topics::create;
use service::kafka::{ConsumerProfile, EventsTail, admin_config, consumer_config};

use super::engine::Engine;
use super::load::{Client, World};
use super::logs::drained;
use super::{SHARDS, TestLog, wait_for};

pub const NEVER: Timestamp = Timestamp(4_000_000_000_000);
pub const LIMIT: Duration = Duration::from_secs(30);
pub const BROKEN: u16 = 2;

pub fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

pub fn has_halted(engine: &Engine, number: u16) -> bool {
    engine.metric(ROLE, number) == Some(f64::from(ShardRole::Halted.code()))
}

/// Waits until a shard has halted, and the process reports that as it should.
pub fn halts_alone(engine: &mut Engine, number: u16, why: &str) {
    wait_for("the shard halts", LIMIT, || has_halted(engine, number).then_some(()));
    // It is also ready: it leads the others.
    engine.wait_ready();
    let (ready, live) = (engine.get("/readyz").unwrap(), engine.get("/livez").unwrap());
    assert!(ready.contains(r#""missing":[]"#), "{ready}");
    assert!(ready.contains(&format!(r#""halted":{{"shard {number}":"#)) && ready.contains(why), "{ready}");
    assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    let line = engine.log().lines().rfind(|line| line.contains("the shard halted")).unwrap().to_owned();
    assert!(line.contains(why) && line.contains("hint: ") && line.contains(" offset "), "{line}");
}

/// Requests a deposit on every other shard, and waits for each outcome.
pub fn others_decide(log: &TestLog, client: &Client, world: &World, broken: u16) {
    let others: Vec<Shard> = Shard::all(SHARDS).filter(|other| other.number() != broken).collect();
    let homes = others.iter().map(|other| {
        world.accounts.iter().copied().find(|account| log.args.shard_map().of_account(*account) == *other).unwrap()
    });
    let deposits = homes
        .map(|account| Command::Deposit { account, amount: Credits::whole(1), client_id: None, by: AdminId(1) })
        .collect::<Vec<_>>();
    let mut asked: Vec<CommandId> = deposits.into_iter().map(|deposit| client.ask(deposit)).collect();
    client.flush();
    let from = others.iter().map(|other| (*other, 0));
    let tail = EventsTail::open(&log.args.kafka, &log.topics, ConsumerProfile::Live, from).unwrap();
    wait_for("the other shards decide", LIMIT, || {
        while let Some(record) = tail.next_or_wait(Duration::from_millis(50)).unwrap() {
            if let Record::Outcome(outcome, _) = Record::decode(record.payload()).unwrap() {
                asked.retain(|id| *id != outcome.cause.id);
            }
        }
        asked.is_empty().then_some(())
    });
}

pub fn opened(log: &TestLog) -> (Client, World) {
    let (client, world) = (Client::open(log), World::new(log.args.shard_map(), NEVER));
    for command in world.opening() {
        client.ask(command);
    }
    client.flush();
    drained(log, LIMIT);
    (client, world)
}

/// Returns the first offset of a partition, and the offset after the last.
pub fn extent(log: &TestLog, topic: &str, shard: Shard) -> (u64, u64) {
    let consumer: BaseConsumer = consumer_config(&log.args.kafka, "test", ConsumerProfile::Live).create().unwrap();
    let (low, high) = consumer.fetch_watermarks(topic, shard.partition(), Duration::from_secs(5)).unwrap();
    (u64::try_from(low).unwrap(), u64::try_from(high).unwrap())
}

/// Returns all records of a partition that was never cut.
pub fn records(log: &TestLog, topic: &str, shard: Shard) -> Vec<Vec<u8>> {
    let (_, end) = extent(log, topic, shard);
    let consumer: BaseConsumer = consumer_config(&log.args.kafka, "test", ConsumerProfile::Bulk).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, shard.partition(), Offset::Offset(0)).unwrap();
    consumer.assign(&assignment).unwrap();
    let record = |_| consumer.poll(LIMIT).expect("a record before the end").unwrap().payload().unwrap().to_vec();
    (0..end).map(record).collect()
}

/// Deletes a topic and creates it again, empty.
pub fn make_anew(log: &TestLog, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = admin_config(&log.args.kafka).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deleted = runtime.block_on(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap();
    deleted.into_iter().for_each(|deleted| drop(deleted.unwrap()));
    wait_for("the topic exists again, and is empty", LIMIT, || {
        runtime.block_on(create(&log.args)).ok()?;
        Shard::all(SHARDS).all(|shard| extent(log, topic, shard) == (0, 0)).then_some(())
    });
}

/// Deletes the records of a partition before `end`.
pub fn cut_beginning(log: &TestLog, topic: &str, shard: Shard, end: Offset) {
    let admin: AdminClient<DefaultClientContext> = admin_config(&log.args.kafka).create().unwrap();
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(topic, shard.partition(), end).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.delete_records(&cut, &AdminOptions::new())).unwrap();
}

/// Returns the folder of a shard's snapshots for an engine that started under `folder`.
pub fn snapshots(log: &TestLog, folder: &Path, number: u16) -> std::path::PathBuf {
    folder.join("snapshots").join(&log.args.topic_prefix).join(format!("shard-{number:03}"))
}
