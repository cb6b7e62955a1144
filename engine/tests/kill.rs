//! `kill -9` at any time, under load, repeatedly: nothing is lost, nothing happens twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::audit::Audit;
use common::engine::Engine;
use common::load::{Load, World};
use common::logs::{assert_each_command_is_answered_once, drained, tail};
use common::{Random, SHARDS, TestLog, wait_for};
use engine::log::{Clock, SnapshotStore, SystemClock};
use engine_core::Replica;
use schemas::{Rejection, Shard, Timestamp};
use service::kafka::{ConsumerProfile, EventsTail};
use snapshots::Snapshots;

const KILLS: u32 = 24;
const RATE: u32 = 500;

/// What the load must cause all the time.
const OFTEN: &[(&str, u64)] =
    &[("Traded", 100), ("Parked", 500), ("Asked", 500), ("PurseReceived", 500), ("Sent", 1_000)];

/// What the load must have caused besides, so that kills also happen during it.
const COVERED: &[&str] = &[
    "OrderAmended",
    "AmendRejected",
    "HoldRaised",
    "OrderReduced",
    "OrderCancelled",
    "CancelRejected",
    "MassCancelRequested",
    "DeadManSwitchSet",
    "DeadManSwitchFired",
    "BatchItem",
    "AccountFrozen",
    "AccountUnfrozen",
    "AccountLimited",
    "MarketLimited",
    "TransferSent",
    "TransferReceived",
    "TransferCompleted",
    "Withdrawn",
    "ClientIdRepeated",
    "Parked",
    "ParkedCancelled",
    "Resumed",
    "Asked",
    "AskAnswered",
    "PurseSent",
    "PurseReceived",
    "PurseFrozen",
    "PurseLimited",
    "Instructed",
    "Obeyed",
    "InstructionCompleted",
    "MarketChanged",
    "PaidOut",
    "MarketSettled",
];

#[test]
fn killed_under_load_nothing_is_lost_and_nothing_happens_twice() {
    let seed = 20_261_122;
    let log = TestLog::create("kill");
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LFG_SNAPSHOT_EVERY", "1000")];
    let start_of = |slot: usize| Engine::start(&log, &folder.path().join(format!("engine-{slot}")), &settings);
    let mut engines = [start_of(0), start_of(1)];
    let soon = Timestamp(SystemClock::default().wall().as_millis() + 15_000);
    let load = Load::start(&log, World::new(log.args.shard_map(), soon), seed, RATE);
    let mut random = Random(seed);
    let mut progress = Progress::watch(&log);
    let start = Instant::now();
    for _ in 0..KILLS {
        // Mostly while all shards make progress; sometimes during a takeover.
        if random.below(4) > 0 {
            progress.all_shards_go_on(50);
        }
        std::thread::sleep(Duration::from_millis(random.below(200)));
        let slot = usize::from(random.below(2) == 0);
        engines[slot].kill();
        engines[slot] = start_of(slot);
    }
    progress.all_shards_go_on(50);
    let (took, commands) = (start.elapsed(), load.count());
    let asked = load.end();
    let audit = drained(&log, Duration::from_secs(30));
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    for (kind, often) in OFTEN {
        assert!(audit.count(kind) > *often, "the load often causes {kind}: {:?}", audit.kinds);
    }
    for kind in COVERED {
        assert!(audit.count(kind) > 0, "the load causes {kind}: {:?}", audit.kinds);
    }
    assert!(audit.waiting.recalls > 100, "claims have credits recalled: {}", audit.waiting.recalls);
    let insufficient = audit.refusals.get(&Rejection::FundsInsufficient);
    assert!(insufficient > Some(&20), "and are refused where there are no credits: {:?}", audit.refusals);
    assert!(progress.cuts > u64::from(KILLS) / 2, "the logs were checked while they grew: {} times", progress.cuts);
    engines.iter_mut().for_each(Engine::stop);
    let restored = assert_snapshots_agree_with_the_log(&log, folder.path());
    println!(
        "{KILLS} kills in {took:?}: {commands} commands sent, {} outcomes, {} messages ({} sent twice), {} \
         recalls, {} terms, {} records of dead writers, {} cuts, snapshots at {restored:?}: {:?}, {:?}",
        audit.causes.iter().map(Vec::len).sum::<usize>(),
        audit.messages.count(),
        audit.messages.skipped,
        audit.waiting.recalls,
        audit.terms.iter().map(Vec::len).sum::<usize>(),
        audit.ignored,
        progress.cuts,
        audit.kinds,
        audit.refusals,
    );
}

/// Follows the progress of each shard's log, and checks that all invariants hold there.
struct Progress {
    tail: EventsTail,
    audit: Audit,
    /// How often the logs were at a cut when they were checked.
    cuts: u64,
}

impl Progress {
    fn watch(log: &TestLog) -> Self {
        Self { tail: tail(log, ConsumerProfile::Live), audit: Audit::new(), cuts: 0 }
    }

    /// Waits until every shard has `n` more outcomes than now.
    fn all_shards_go_on(&mut self, n: u64) {
        self.read(Duration::ZERO);
        let sequences =
            |audit: &Audit| Shard::all(SHARDS).map(|shard| audit.position(shard).sequence).collect::<Vec<_>>();
        let before = sequences(&self.audit);
        wait_for("all shards make progress", Duration::from_secs(15), || {
            self.read(Duration::from_millis(5));
            let there = sequences(&self.audit).iter().zip(&before).all(|(now, before)| *now >= before + n);
            there.then_some(())
        });
    }

    fn read(&mut self, timeout: Duration) {
        while let Some(record) = self.tail.next_or_wait(timeout).unwrap() {
            self.audit.read(record.shard(), record.offset(), record.payload());
        }
        self.cuts += u64::from(self.audit.assert_cut());
    }
}

/// A fresh replay of the whole log, and recovery from each snapshot, end in the same state.
fn assert_snapshots_agree_with_the_log(log: &TestLog, folder: &std::path::Path) -> Vec<u64> {
    let full = engine::commands::verify::Audit::of(&log.args).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut restored = Vec::new();
    for slot in ["engine-0", "engine-1"] {
        let location = folder.join(slot).join("snapshots");
        let snapshots = {
            let _within = runtime.enter();
            Snapshots::open(location.to_str().unwrap(), &log.args.topic_prefix).unwrap()
        };
        for replica in &full.replicas {
            replica.state().assert_all();
            let shard = replica.state().shard();
            let mut store = snapshots.store(shard);
            for sequence in store.list().unwrap() {
                let bytes = store.get(sequence).unwrap();
                let mut from_snapshot = Replica::restore(shard, log.args.shard_map(), &bytes).unwrap();
                assert_eq!(from_snapshot.position().sequence, sequence);
                follow(log, &mut from_snapshot, replica.position().offset);
                assert_eq!(from_snapshot.state().digest(), replica.state().digest(), "shard {shard} from {sequence}");
                assert_eq!(from_snapshot.position(), replica.position());
                restored.push(sequence);
            }
        }
    }
    assert!(restored.len() >= usize::from(SHARDS), "there are snapshots: {restored:?}");
    restored
}

fn follow(log: &TestLog, replica: &mut Replica, end: u64) {
    let from = [(replica.state().shard(), replica.next_offset())];
    let tail = EventsTail::open(&log.args.kafka, &log.topics, ConsumerProfile::Bulk, from).unwrap();
    while replica.next_offset() < end {
        if let Some(record) = tail.next_or_wait(Duration::from_secs(1)).unwrap() {
            replica.read(record.offset(), record.payload()).unwrap();
        }
    }
}
