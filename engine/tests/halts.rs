//! A halted shard does not affect others: the process continues, reports it, and leads the others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::engine::{Engine, command};
use common::halting::{BROKEN, LIMIT, NEVER, cut_beginning, halts_alone, opened, others_decide, shard, snapshots};
use common::logs::drained;
use common::{SHARDS, TestLog, later, wait_for};
use engine::metrics::{HALTED_AND_OWNED, UNKNOWN};
use rdkafka::Offset;
use schemas::{AdminId, Cause, CommandId, Credits, EngineId, Event, Outcome, Shard, Term};

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

    // A second engine halts there as well, and leads some of the others.
    let mut two = start("two");
    halts_alone(&mut two, BROKEN, why);
    wait_for("both engines together lead every other shard", LIMIT, || {
        let (one, two) = (one.leads(), two.leads());
        let led = one.len() + two.len() == usize::from(SHARDS) - 1;
        (led && !one.is_empty() && !two.is_empty()).then_some(())
    });
    wait_for("one of them reports that the group gave it the halted shard", LIMIT, || {
        let owned = |engine: &Engine| engine.metric(HALTED_AND_OWNED, BROKEN) == Some(1.0);
        (owned(&one) != owned(&two)).then_some(())
    });
    others_decide(&log, &client, &world, BROKEN);

    // No restart repairs it, and none is prevented by it.
    one.kill();
    two.stop();
    let mut again = start("one");
    halts_alone(&mut again, BROKEN, why);
    others_decide(&log, &client, &world, BROKEN);
    assert!(again.log().contains("the group assigns to this process a shard that has halted here"), "{}", again.log());
    again.stop();
    assert!(!command(&log, "verify").output().unwrap().status.success());
}

#[test]
fn additions_of_a_later_build_are_skipped_and_its_term_halts_one_shard() {
    let log = TestLog::create("later");
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let (client, world) = opened(&log);
    for shard in Shard::all(SHARDS) {
        client.write_event(shard, &later::record(0));
    }
    client.flush();
    let counted = |engine: &Engine| (0..SHARDS).all(|number| engine.metric(UNKNOWN, number) == Some(1.0));
    wait_for("every shard skips it", LIMIT, || counted(&engine).then_some(()));
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
    // The current term, but not the next sequence.
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
    // The beginning of the log is missing, and no snapshot replaces it.
    cut_beginning(&log, &log.topics.events, shard(BROKEN), Offset::End);
    std::fs::remove_dir_all(snapshots(&log, folder.path(), BROKEN)).unwrap();
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    halts_alone(&mut engine, BROKEN, "continuing from sequence 0 needs events from offset 0 on");
    others_decide(&log, &client, &world, BROKEN);
    engine.stop();
}
