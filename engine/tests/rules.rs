//! What must not count does not count, and damaged snapshots are skipped.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::engine::{Engine, command};
use common::load::{Client, World};
use common::logs::{assert_each_command_is_answered_once, drained, first, tail};
use common::{Random, SHARDS, TestLog, later, wait_for};
use engine::log::{Clock, SystemClock};
use engine::shard::ShardRole;
use schemas::codec::VERSION;
use schemas::{AdminId, Cause, Command, CommandId, Credits, EngineId, Event, Outcome, Shard, Term, Timestamp};

const NEVER: Timestamp = Timestamp(4_000_000_000_000);
const LIMIT: Duration = Duration::from_secs(30);

fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

fn ask_some(client: &Client, world: &World, random: &mut Random, asked: &mut Vec<CommandId>) {
    asked.extend((0..300).map(|_| client.ask(world.any(random))));
    client.flush();
}

/// An outcome that would give away credits, if it counted.
fn forged(term: u64, position: &schemas::reading::Checkpoint, sequence: u64, world: &World) -> Vec<u8> {
    let gift = Event::Deposited {
        account: world.accounts[0],
        amount: Credits::whole(1_000_000),
        client_id: None,
        by: AdminId(1),
        seconded: None,
    };
    let cause = Cause { offset: position.next_command, id: CommandId(1) };
    let outcome = Outcome { term, sequence, time: NEVER, cause, events: vec![gift] };
    outcome.encode(position.chain).0
}

#[test]
fn a_stale_writer_does_not_count_and_a_forged_term_only_interrupts() {
    let log = TestLog::create("stale");
    let folder = tempfile::tempdir().unwrap();
    let (client, world, mut random) = (Client::open(&log), World::new(log.args.shard_map(), NEVER), Random(1));
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let mut asked: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
    ask_some(&client, &world, &mut random, &mut asked);
    let before = drained(&log, LIMIT);
    let first_term = before.position(shard(0)).term.unwrap();

    // Another writer claims the shard; the engine notices, recovers, and takes it back.
    let stranger = Term::new(shard(0), SHARDS, EngineId(7), 1);
    client.write_event(shard(0), &stranger.encode());
    client.flush();
    wait_for("the engine takes the shard back", LIMIT, || {
        (engine.metric(engine::metrics::TERMS_TAKEN, 0) == Some(2.0)).then_some(())
    });
    assert_eq!(engine.metric(engine::metrics::DEPOSED, 0), Some(1.0));
    ask_some(&client, &world, &mut random, &mut asked);
    let between = drained(&log, LIMIT);
    assert_eq!(between.terms[0].len(), 3);

    // Writers of both earlier terms continue, with all the right numbers.
    let position = between.position(shard(0));
    let strangers_term = between_terms(first_term, position.term.unwrap(), &log);
    for term in [first_term, strangers_term] {
        client.write_event(shard(0), &forged(term, position, position.sequence + 1, &world));
    }
    client.flush();
    ask_some(&client, &world, &mut random, &mut asked);
    let audit = drained(&log, LIMIT);
    assert_eq!(audit.ignored, 2);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    engine.stop();
}

/// Returns the offset of the only term between two others.
fn between_terms(first: u64, last: u64, log: &TestLog) -> u64 {
    let tail = service::kafka::EventsTail::open(
        &log.args.kafka,
        &log.topics,
        service::kafka::ConsumerProfile::Live,
        [(shard(0), first + 1)],
    )
    .unwrap();
    wait_for("the other writer's term", LIMIT, || {
        let record = tail.next_or_wait(Duration::from_millis(100)).unwrap()?;
        assert!(record.offset() < last);
        let is_term = matches!(schemas::Record::decode(record.payload()), Ok(schemas::Record::Term(_)));
        is_term.then_some(record.offset())
    })
}

#[test]
fn an_engine_that_follows_nothing_begins_with_a_snapshot_when_it_is_to_lead() {
    let log = TestLog::create("absent");
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LFG_SNAPSHOT_EVERY", "100"), ("LFG_STANDBY", "0/1x0")];
    let (client, world, mut random) = (Client::open(&log), World::new(log.args.shard_map(), NEVER), Random(9));
    let mut first = Engine::start_ready(&log, folder.path(), &settings);
    let mut asked: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
    for _ in 0..3 {
        ask_some(&client, &world, &mut random, &mut asked);
        drained(&log, LIMIT);
    }
    let mut second = Engine::start_ready(&log, folder.path(), &settings);
    let moved = wait_for("both engines lead", LIMIT, || {
        let (kept, moved) = (first.leads(), second.leads());
        (!moved.is_empty() && kept.len() + moved.len() == usize::from(SHARDS)).then_some(moved)
    });
    let absent = Some(f64::from(ShardRole::Absent.code()));
    wait_for("the first gives up what it does not lead", LIMIT, || {
        moved.iter().all(|&shard| first.metric(engine::metrics::ROLE, shard) == absent).then_some(())
    });
    ask_some(&client, &world, &mut random, &mut asked);
    drained(&log, LIMIT);
    first.kill();
    wait_for("the second leads all", LIMIT, || (second.leads().len() == usize::from(SHARDS)).then_some(()));
    assert!(second.log().contains("recovering"), "{}", second.log());
    ask_some(&client, &world, &mut random, &mut asked);
    let audit = drained(&log, LIMIT);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    second.stop();
}

#[test]
fn a_damaged_snapshot_is_skipped() {
    let log = TestLog::create("damaged");
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LFG_SNAPSHOT_EVERY", "100")];
    let (client, world, mut random) = (Client::open(&log), World::new(log.args.shard_map(), NEVER), Random(2));
    let mut engine = Engine::start_ready(&log, folder.path(), &settings);
    let mut asked: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
    for _ in 0..3 {
        ask_some(&client, &world, &mut random, &mut asked);
        drained(&log, LIMIT);
    }
    engine.stop();

    let snapshots = files_below(&folder.path().join("snapshots"));
    let of = |number: u16| {
        snapshots.iter().filter(move |path| path.to_str().unwrap().contains(&format!("shard-{number:03}")))
    };
    assert!(of(1).count() >= 2, "{snapshots:?}");
    // Shard 1: the newest has a changed byte. Shard 2: all are truncated, so only the log can be
    // used.
    let newest = of(1).max().unwrap();
    let mut bytes = std::fs::read(newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(newest, bytes).unwrap();
    for path in of(2) {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }

    let mut engine = Engine::start_ready(&log, folder.path(), &settings);
    let skipped = engine.log().matches("a snapshot is skipped").count();
    assert_eq!(skipped, 1 + of(2).count(), "{}", engine.log());
    ask_some(&client, &world, &mut random, &mut asked);
    let audit = drained(&log, LIMIT);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    engine.stop();
    let verified = command(&log, "verify").output().unwrap();
    assert!(verified.status.success());
    let lines = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(lines.lines().count(), usize::from(SHARDS) + 1, "{lines}");
    assert!(lines.lines().take(4).all(|line| line.contains("purses") && line.contains("parked 0")), "{lines}");
    let inspected = command(&log, "inspect").args(["1", "--from", "1", "--max", "3"]).output().unwrap();
    let lines = String::from_utf8(inspected.stdout).unwrap();
    assert!(lines.lines().count() == 3 && lines.contains("Outcome"), "{lines}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_below(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

#[test]
fn a_market_expires_by_itself_and_invalid_commands_are_refused() {
    let log = TestLog::create("timers");
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(&log);
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let expiry = Timestamp(SystemClock::default().wall().as_millis() + 1_500);
    let world = World::new(log.args.shard_map(), expiry);
    let opening = world.opening();
    // The market that expires is the last one listed.
    let Some(Command::ChangeMarket { market, .. }) = opening.last().cloned() else { panic!("a market opens last") };
    for command in opening {
        client.ask(command);
    }
    // The last one has an id, under which it is answered.
    let strange = later::command(CommandId(77), later::NEXT);
    for bytes in [&b""[..], &[VERSION], &[VERSION - 1; 100], b"\xff nonsense", &[VERSION; 16], &strange] {
        client.write_command(shard(3), bytes);
    }
    client.flush();
    let closed = first(
        &log,
        "the market closes",
        Duration::from_secs(10),
        |event| matches!(event, Event::MarketChanged { market: changed, state: schemas::MarketState::Closed, .. } if *changed == market),
    );
    let late = closed.time.as_millis() - expiry.as_millis();
    println!("closed {late} ms after its expiry");
    assert!(late < 1_000, "{late} ms late");
    let refused = events(&log).into_iter().filter_map(|(at, offset, bytes)| {
        let schemas::Record::Outcome(outcome, _) = schemas::Record::decode(&bytes).unwrap() else { return None };
        let refused = matches!(outcome.events[..], [Event::Rejected { code: schemas::Rejection::Undecodable }]);
        (refused && at == shard(3)).then_some((offset, outcome.cause.id))
    });
    let mut ids: Vec<_> = refused.map(|(_, id)| id).collect();
    assert_eq!(ids.pop(), Some(CommandId(77)));
    assert_eq!(ids, [CommandId(0); 5]);
    engine.stop();
}

fn events(log: &TestLog) -> Vec<(Shard, u64, Vec<u8>)> {
    let tail = tail(log, service::kafka::ConsumerProfile::Bulk);
    let ends = tail.high_watermarks().unwrap();
    let total: u64 = ends.iter().map(|(_, end)| end).sum();
    let mut found = Vec::new();
    while (found.len() as u64) < total {
        if let Some(record) = tail.next_or_wait(Duration::from_secs(1)).unwrap() {
            found.push((record.shard(), record.offset(), record.payload().to_vec()));
        }
    }
    found
}
