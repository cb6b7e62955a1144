//! The broker refuses a leader's records: its producer breaks, and it leads again with another.
//! Nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::engine::Engine;
use common::load::{Load, World};
use common::logs::{assert_each_command_is_answered_once, drained};
use common::settings::change_events;
use common::{SHARDS, TestLog, wait_for};
use schemas::Timestamp;

/// How many times the topic refuses.
const REFUSALS: usize = 4;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_leader_whose_records_are_refused_leads_again_and_nothing_is_lost() {
    let log = TestLog::create("writer");
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut engine = Engine::start_ready(&log, &folder.path().join("engine"), &[]);
    let never = Timestamp(u64::from(u32::MAX) * 1_000);
    let load = Load::start(&log, World::new(log.args.shard_map(), never), 20_261_127, 300);
    let broken = |engine: &Engine| engine.log().matches("gives up leadership: the writer failed").count();
    for _ in 0..REFUSALS {
        let (before, asked) = (broken(&engine), load.count());
        wait_for("the load continues", LIMIT, || (load.count() > asked + 100).then_some(()));
        // Enough for a term, but not for a batch of outcomes.
        runtime.block_on(change_events(&log, Some(("max.message.bytes", "200"))));
        wait_for("a leader loses its producer", LIMIT, || (broken(&engine) > before).then_some(()));
        runtime.block_on(change_events(&log, None));
        wait_for("all shards are led again", LIMIT, || (engine.leads().len() == usize::from(SHARDS)).then_some(()));
    }
    let asked = load.end();
    let audit = drained(&log, LIMIT);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    engine.stop();
    let producers = engine.log().matches("a new producer replaces the broken one").count();
    let terms: usize = audit.terms.iter().map(Vec::len).sum();
    println!(
        "{} commands, {producers} producers replaced, {terms} terms, {} records did not count",
        asked.len(),
        audit.ignored
    );
    assert!(producers >= REFUSALS);
}
