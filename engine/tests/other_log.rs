//! Another log, or an incomplete one: no engine leads it, and nothing is written to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::audit::Audit;
use common::engine::Engine;
use common::halting::{
    BROKEN, LIMIT, cut_beginning, extent, halts_alone, make_anew, opened, others_decide, records, shard, snapshots,
};
use common::load::Client;
use common::logs::drained;
use common::{SHARDS, TestLog, wait_for};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use schemas::{AdminId, Command, Credits, Record, Shard};
use service::kafka::{ConsumerProfile, consumer_config};

/// Returns a log that an engine has led and left, with snapshots at its end.
fn left(name: &str) -> (TestLog, tempfile::TempDir) {
    let (log, folder) = (TestLog::create(name), tempfile::tempdir().unwrap());
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    opened(&log);
    engine.stop();
    (log, folder)
}

/// Returns the first command of a shard without an outcome.
fn next_command(log: &TestLog, shard: Shard) -> u64 {
    let mut audit = Audit::new();
    for (offset, record) in (0..).zip(records(log, &log.topics.events, shard)) {
        audit.read(shard, offset, &record);
    }
    audit.position(shard).next_command
}

fn leads_all(engine: &Engine) {
    wait_for("it leads all shards", LIMIT, || (engine.leads().len() == usize::from(SHARDS)).then_some(()));
}

/// Writes records to a partition, in their order.
fn restore(client: &Client, log: &TestLog, topic: &str, shard: Shard, records: &[Vec<u8>]) {
    for record in records {
        if topic == log.topics.events {
            client.write_event(shard, record);
        } else {
            client.write_command(shard, record);
        }
    }
    client.flush();
}

/// Creates a topic again with its records, except the last `lost` of one shard.
fn lose_end(log: &TestLog, topic: &str, lost: usize) -> usize {
    let all: Vec<(Shard, Vec<Vec<u8>>)> = Shard::all(SHARDS).map(|shard| (shard, records(log, topic, shard))).collect();
    make_anew(log, topic);
    let client = Client::open(log);
    let mut left = 0;
    for (of, mut records) in all {
        if of == shard(BROKEN) {
            left = records.len() - lost;
            records.truncate(left);
        }
        restore(&client, log, topic, of, &records);
    }
    left
}

#[test]
fn a_snapshot_of_another_log_halts_its_shard_before_anything_is_written() {
    let (log, folder) = left("other");
    make_anew(&log, &log.topics.events);
    make_anew(&log, &log.topics.commands);
    // The current log, which is longer than the first.
    let now = folder.path().join("now");
    let mut engine = Engine::start_ready(&log, &now, &[]);
    let (client, world) = opened(&log);
    for account in world.accounts.iter().chain(&world.accounts) {
        client.ask(Command::Deposit { account: *account, amount: Credits::whole(1), client_id: None, by: AdminId(1) });
    }
    client.flush();
    drained(&log, LIMIT);
    engine.stop();
    exchange_snapshots(&log, folder.path(), &now);

    let before = records(&log, &log.topics.events, shard(BROKEN));
    for _ in 0..2 {
        let mut engine = Engine::start_ready(&log, &now, &[]);
        halts_alone(&mut engine, BROKEN, "events log of shard 2 is another log at offset");
        assert!(engine.log().contains("compare brokers and topic prefix"), "{}", engine.log());
        others_decide(&log, &client, &world, BROKEN);
        engine.stop();
        assert!(records(&log, &log.topics.events, shard(BROKEN)) == before, "something was written");
    }

    // As the hint requires.
    std::fs::remove_dir_all(snapshots(&log, &now, BROKEN)).unwrap();
    let mut engine = Engine::start_ready(&log, &now, &[]);
    leads_all(&engine);
    others_decide(&log, &client, &world, SHARDS);
    engine.stop();
}

/// Replaces the snapshots of the broken shard with those of an engine that started under `from`.
fn exchange_snapshots(log: &TestLog, from: &Path, to: &Path) {
    let (from, to) = (snapshots(log, from, BROKEN), snapshots(log, to, BROKEN));
    std::fs::remove_dir_all(&to).unwrap();
    std::fs::rename(from, to).unwrap();
}

#[test]
fn events_that_have_lost_their_end_are_not_led() {
    let (log, folder) = left("end-gone");
    let whole = extent(&log, &log.topics.events, shard(BROKEN)).1;
    let end = lose_end(&log, &log.topics.events, 3);
    assert_eq!(end as u64 + 3, whole);
    // With a snapshot that is ahead, and without one.
    for why in
        [format!("read up to {whole} before), but the log has 0 to {}", end - 1), "all commands before".to_owned()]
    {
        let mut engine = Engine::start_ready(&log, folder.path(), &[]);
        halts_alone(&mut engine, BROKEN, &why);
        engine.stop();
        assert_eq!(extent(&log, &log.topics.events, shard(BROKEN)), (0, end as u64), "something was written");
        let _gone_already = std::fs::remove_dir_all(snapshots(&log, folder.path(), BROKEN));
    }

    // An operator who gives up those outcomes sets the group's offset back.
    let consumer: BaseConsumer =
        consumer_config(&log.args.kafka, &log.topics.engines_group, ConsumerProfile::Live).create().unwrap();
    let mut back = TopicPartitionList::new();
    back.add_partition_offset(&log.topics.commands, shard(BROKEN).partition(), Offset::Offset(0)).unwrap();
    wait_for("the group lets it be set", LIMIT, || consumer.commit(&back, CommitMode::Sync).ok());
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    leads_all(&engine);
    drained(&log, LIMIT);
    engine.stop();
}

#[test]
fn commands_that_end_before_the_next_are_not_read() {
    let (log, folder) = left("commands-anew");
    // More than the announcements of the engine that left, which are undecided.
    lose_end(&log, &log.topics.commands, 5);
    let before = extent(&log, &log.topics.events, shard(BROKEN));
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    // The end varies: a shard that leads earlier may have written a message to this one.
    halts_alone(&mut engine, BROKEN, "is next, but the partition has 0 to ");
    engine.stop();
    assert_eq!(extent(&log, &log.topics.events, shard(BROKEN)), before, "something was written");
}

#[test]
fn commands_of_a_topic_created_again_are_not_decided() {
    let (log, folder) = left("commands-other");
    let count = records(&log, &log.topics.commands, shard(BROKEN)).len();
    lose_end(&log, &log.topics.commands, count);
    let client = Client::open(&log);
    (0..=count).for_each(|_| client.write_command(shard(BROKEN), b"of another exchange"));
    client.flush();
    let before = records(&log, &log.topics.events, shard(BROKEN));
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    // Which command is the last with an outcome varies: the engine that left wrote announcements,
    // too.
    halts_alone(&mut engine, BROKEN, "is not the one that has the last outcome");
    engine.stop();
    // Only a leader reads commands, and it records on the log that it has halted.
    let written = records(&log, &log.topics.events, shard(BROKEN)).split_off(before.len());
    let written: Vec<_> = written.iter().map(|bytes| Record::decode(bytes).unwrap()).collect();
    assert!(matches!(written[..], [Record::Term(_), Record::Halted(_)]), "{written:?}");
}

#[test]
fn commands_may_lose_their_beginning_up_to_the_next_and_no_further() {
    let (log, folder) = left("commands-cut");
    // Not to the end: the engine may have left before it decided its own announcements.
    for shard in Shard::all(SHARDS) {
        let next = i64::try_from(next_command(&log, shard)).unwrap();
        cut_beginning(&log, &log.topics.commands, shard, Offset::Offset(next));
    }
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    leads_all(&engine);
    let client = Client::open(&log);
    engine.stop();
    client.write_command(shard(BROKEN), b"a command without an outcome");
    client.flush();
    cut_beginning(&log, &log.topics.commands, shard(BROKEN), Offset::End);
    let (first, end) = extent(&log, &log.topics.commands, shard(BROKEN));
    assert_eq!(first, end);
    let next = next_command(&log, shard(BROKEN));
    assert!(next < end, "{next} to {end}");
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    // The announcements of the engine that left are undecided, too. There may be no record, or
    // already a message of a shard that leads earlier.
    halts_alone(&mut engine, BROKEN, &format!("command {next} is next, but the partition has "));
    engine.stop();
}
