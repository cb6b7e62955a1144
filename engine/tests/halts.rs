//! A shard that halts halts alone: the process lives, names it, and leads the others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::engine::{Engine, command};
use common::load::{Client, World};
use common::logs::drained;
use common::{SHARDS, TestLog, later, wait_for};
use engine::metrics::{HALTED_AND_OWNED, ROLE, UNKNOWN};
use engine::shard::Role;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use schemas::{AdminId, Cause, Command, CommandId, Credits, EngineId, Event, Outcome, Record, Shard, Term, Timestamp};
use service::kafka::{EventsTail, Reading, admin_config};

const NEVER: Timestamp = Timestamp(4_000_000_000_000);
const LIMIT: Duration = Duration::from_secs(30);
const BROKEN: u16 = 2;

fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

fn has_halted(engine: &Engine, number: u16) -> bool {
    engine.metric(ROLE, number) == Some(f64::from(Role::Halted.code()))
}

/// Waits until a shard has halted, and the process is as it should be then.
fn halts_alone(engine: &mut Engine, number: u16, why: &str) {
    wait_for("the shard halts", LIMIT, || has_halted(engine, number).then_some(()));
    // Ready, too: the others lead.
    engine.wait_ready();
    let (ready, live) = (engine.get("/readyz").unwrap(), engine.get("/livez").unwrap());
    assert!(ready.contains(r#""missing":[]"#), "{ready}");
    assert!(ready.contains(&format!(r#""halted":{{"shard {number}":"#)) && ready.contains(why), "{ready}");
    assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    let line = engine.log().lines().find(|line| line.contains("the shard halts")).unwrap().to_owned();
    assert!(line.contains(why) && line.contains("hint: ") && line.contains("events offset"), "{line}");
}

/// Asks for a deposit on every other shard, and waits for each outcome.
fn others_decide(log: &TestLog, client: &Client, world: &World, broken: u16) {
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
    let tail = EventsTail::open(&log.args.kafka, &log.topics, Reading::Live, from).unwrap();
    wait_for("the other shards decide", LIMIT, || {
        while let Some(record) = tail.next_or_wait(Duration::from_millis(50)).unwrap() {
            if let Record::Outcome(outcome, _) = Record::decode(record.payload()).unwrap() {
                asked.retain(|id| *id != outcome.cause.id);
            }
        }
        asked.is_empty().then_some(())
    });
}

fn opened(log: &TestLog) -> (Client, World) {
    let (client, world) = (Client::open(log), World::new(log.args.shard_map(), NEVER));
    for command in world.opening() {
        client.ask(command);
    }
    client.flush();
    drained(log, LIMIT);
    (client, world)
}

#[test]
fn a_record_that_cannot_be_decoded_halts_one_shard_in_every_engine_and_again_after_a_restart() {
    let log = TestLog::create("undecodable");
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Engine::start_ready(&log, &folder.path().join(name), &[]);
    let mut one = start("one");
    let (client, world) = opened(&log);
    client.write_event(shard(BROKEN), b"\xff\xff what is this");
    client.flush();
    let why = "events log of shard 2 is broken at offset";
    halts_alone(&mut one, BROKEN, why);
    others_decide(&log, &client, &world, BROKEN);

    // A second engine halts there as well, and shares the others with the first.
    let mut two = start("two");
    halts_alone(&mut two, BROKEN, why);
    wait_for("every sound shard is led, by both", LIMIT, || {
        let (one, two) = (one.leads(), two.leads());
        let led = one.len() + two.len() == usize::from(SHARDS) - 1;
        (led && !one.is_empty() && !two.is_empty()).then_some(())
    });
    wait_for("one of them says that the group gave it the halted shard", LIMIT, || {
        let owned = |engine: &Engine| engine.metric(HALTED_AND_OWNED, BROKEN) == Some(1.0);
        (owned(&one) != owned(&two)).then_some(())
    });
    others_decide(&log, &client, &world, BROKEN);

    // No restart heals it, and none is prevented by it.
    one.kill();
    two.stop();
    let mut again = start("one");
    halts_alone(&mut again, BROKEN, why);
    others_decide(&log, &client, &world, BROKEN);
    assert!(again.log().contains("the group gives this process a shard that has halted here"), "{}", again.log());
    again.stop();
    assert!(!command(&log, "verify").output().unwrap().status.success());
}

#[test]
fn what_a_later_build_writes_is_passed_over_and_its_term_halts_one_shard() {
    let log = TestLog::create("later");
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let (client, world) = opened(&log);
    for shard in Shard::all(SHARDS) {
        client.write_event(shard, &later::record(0));
    }
    client.flush();
    let counted = |engine: &Engine| (0..SHARDS).all(|number| engine.metric(UNKNOWN, number) == Some(1.0));
    wait_for("every shard passes over it", LIMIT, || counted(&engine).then_some(()));
    others_decide(&log, &client, &world, SHARDS);
    client.write_event(shard(BROKEN), &later::term(Term::new(shard(BROKEN), SHARDS, EngineId(7), 1)));
    client.flush();
    let why = "install build 9.8.7 or a later one; hint: install that build in place of this process's";
    halts_alone(&mut engine, BROKEN, why);
    others_decide(&log, &client, &world, BROKEN);

    // Another process of the same build halts there as well.
    engine.stop();
    let mut again = Engine::start_ready(&log, folder.path(), &[]);
    halts_alone(&mut again, BROKEN, why);
    others_decide(&log, &client, &world, BROKEN);
    again.stop();
}

#[test]
fn a_broken_chain_halts_one_shard() {
    let log = TestLog::create("broken");
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let (client, world) = opened(&log);
    let position = *drained(&log, LIMIT).position(shard(BROKEN));
    // The present term, and not the next sequence.
    let gift = Event::Deposited {
        account: world.accounts[0],
        amount: Credits::whole(1_000_000),
        client_id: None,
        by: AdminId(1),
        seconded: None,
    };
    let cause = Cause { offset: position.next_command, id: CommandId(1) };
    let (term, sequence) = (position.term.unwrap(), position.sequence + 5);
    let outcome = Outcome { term, sequence, time: NEVER, cause, events: vec![gift] };
    client.write_event(shard(BROKEN), &outcome.encode(position.chain).0);
    client.flush();
    halts_alone(&mut engine, BROKEN, "events log of shard 2 is broken at offset");
    others_decide(&log, &client, &world, BROKEN);
    engine.stop();
    assert!(!command(&log, "verify").output().unwrap().status.success());
}

#[test]
fn a_log_that_was_cut_halts_one_shard() {
    let log = TestLog::create("cut");
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let (client, world) = opened(&log);
    engine.stop();
    // The beginning of the log is gone, and no snapshot makes up for it.
    cut_before_end(&log, shard(BROKEN));
    remove_snapshots(folder.path(), BROKEN);
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    halts_alone(&mut engine, BROKEN, "Kafka refused");
    others_decide(&log, &client, &world, BROKEN);
    engine.stop();
}

/// Deletes all records of a shard's events.
fn cut_before_end(log: &TestLog, shard: Shard) {
    let admin: AdminClient<DefaultClientContext> = admin_config(&log.args.kafka).create().unwrap();
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&log.topics.events, shard.partition(), Offset::End).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.delete_records(&cut, &AdminOptions::new())).unwrap();
}

fn remove_snapshots(folder: &Path, number: u16) {
    let snapshots = std::fs::read_dir(folder.join("snapshots")).unwrap();
    for prefix in snapshots {
        std::fs::remove_dir_all(prefix.unwrap().path().join(format!("shard-{number:03}"))).unwrap();
    }
}
