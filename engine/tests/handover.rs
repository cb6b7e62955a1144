//! How fast shards move: after a kill, at an orderly stop, and away from an engine that is frozen
//! and resumes.
//!
//! One test, since it measures times: no other test of this crate runs at the same time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::audit::Audit;
use common::engine::Engine;
use common::load::{Load, World};
use common::logs::{assert_each_command_is_answered_once, drained, tail};
use common::{SHARDS, TestLog, wait_for};
use schemas::{Shard, Timestamp};
use service::kafka::ConsumerProfile;

/// The required time after a kill.
const KILLED_WITHIN: Duration = Duration::from_secs(3);
/// The broker batches changes of a group: one per second (`group.consumer.assignment.interval.ms`).
/// A change soon after another waits for that, so each measurement starts later.
const GROUP_IS_QUIET_AFTER: Duration = Duration::from_millis(1_100);
/// Half a second is required of an orderly stop on an otherwise idle machine; tests share theirs.
const STOPPED_WITHIN: Duration = Duration::from_millis(1_500);

#[test]
fn shards_move_fast_and_a_woken_leader_does_no_harm() {
    let log = TestLog::create("handover");
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Engine::start_ready(&log, &folder.path().join(name), &[]);
    let never = Timestamp(u64::from(u32::MAX) * 1_000);
    let mut first = start("first");
    let load = Load::start(&log, World::new(log.args.shard_map(), never), 7, 400);
    let watch = Watch::start(&log);

    let mut second = start("second");
    let moved = both_lead(&first, &second).1;
    watch.quiet(&moved);
    let killed = watch.gap_after(&moved, || second.kill());
    println!("kill -9: shards {moved:?} lead again after {killed:?}");

    let mut third = start("third");
    let moved = both_lead(&first, &third).1;
    watch.quiet(&moved);
    let stopped = watch.gap_after(&moved, || third.terminate());
    assert!(third.ended().success(), "{}", third.log());
    println!("orderly stop: shards {moved:?} lead again after {stopped:?}");

    let fourth = start("fourth");
    let moved = both_lead(&first, &fourth).1;
    watch.quiet(&moved);
    let awake = fourth.log().len();
    let frozen = watch.gap_after(&moved, || signal(&fourth, "-STOP"));
    signal(&fourth, "-CONT");
    println!("frozen: shards {moved:?} lead again after {frozen:?}");
    // It learns this from the log (deposed), or, with nothing of its own in flight, earlier from
    // the group (resigning).
    let told = |log: &str| log.contains("deposed") || log.contains("resigning");
    wait_for("the woken engine gives up its lead", Duration::from_secs(10), || {
        told(&fourth.log()[awake..]).then_some(())
    });
    both_lead(&first, &fourth);

    let asked = load.end();
    let audit = drained(&log, Duration::from_secs(30));
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    println!("{} records of a stale writer did not count; refused: {:?}", audit.ignored, audit.refusals);
    assert!(audit.count("Parked") > 100, "requests are parked while shards move: {:?}", audit.kinds);
    assert!(audit.waiting.recalls > 10, "and credits recalled: {}", audit.waiting.recalls);
    watch.end();
    first.stop();
    assert!(killed.values().all(|gap| *gap < KILLED_WITHIN), "after a kill: {killed:?}");
    assert!(stopped.values().all(|gap| *gap < STOPPED_WITHIN), "after an orderly stop: {stopped:?}");
}

fn signal(engine: &Engine, name: &str) {
    assert!(Command::new("kill").arg(name).arg(engine.child.id().to_string()).status().unwrap().success());
}

/// Waits until each shard is led and both engines lead some; returns the shards of each.
fn both_lead(a: &Engine, b: &Engine) -> (Vec<u16>, Vec<u16>) {
    wait_for("both engines lead", Duration::from_secs(20), || {
        let (a, b) = (a.leads(), b.leads());
        (!a.is_empty() && !b.is_empty() && a.len() + b.len() == usize::from(SHARDS)).then_some((a, b))
    })
}

/// Records when each shard's outcomes arrive.
struct Watch {
    end: Arc<AtomicBool>,
    seen: Arc<std::sync::Mutex<BTreeMap<u16, Seen>>>,
    thread: std::thread::JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Seen {
    terms: usize,
    /// The start of the current term.
    since: Instant,
    /// The time of the last outcome.
    last: Instant,
    /// The pause before the first outcome of the current term.
    gap: Option<Duration>,
}

impl Watch {
    fn start(log: &TestLog) -> Self {
        let (end, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let tail = tail(log, ConsumerProfile::Live);
        let (ended, notes) = (end.clone(), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let mut audit = Audit::new();
            while !ended.load(Ordering::Relaxed) {
                let Some(record) = tail.next_or_wait(Duration::from_millis(20)).unwrap() else { continue };
                let shard = record.shard();
                let is_outcome = audit.read(shard, record.offset(), record.payload()).is_some();
                note(&notes, shard, audit.terms[shard.index()].len(), is_outcome);
            }
        });
        Self { end, seen, thread }
    }

    /// Does `what` to the leader of these shards; returns how long each of them had no outcome
    /// until its next term had one.
    fn gap_after(&self, shards: &[u16], what: impl FnOnce()) -> BTreeMap<u16, Duration> {
        let before = self.seen.lock().unwrap().clone();
        what();
        wait_for("the shards have a new leader", Duration::from_secs(20), || {
            let now = self.seen.lock().unwrap();
            let moved = |shard: &u16| now[shard].terms > before[shard].terms && now[shard].gap.is_some();
            shards.iter().all(moved).then(|| shards.iter().map(|s| (*s, now[s].gap.unwrap())).collect())
        })
    }

    /// Waits until these shards have had the same leader for a while.
    fn quiet(&self, shards: &[u16]) {
        wait_for("shards stay where they are", Duration::from_secs(10), || {
            let seen = self.seen.lock().unwrap();
            shards.iter().all(|shard| seen[shard].since.elapsed() > GROUP_IS_QUIET_AFTER).then_some(())
        });
    }

    fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn note(notes: &std::sync::Mutex<BTreeMap<u16, Seen>>, shard: Shard, terms: usize, is_outcome: bool) {
    let (mut notes, now) = (notes.lock().unwrap(), Instant::now());
    let seen = notes.entry(shard.number()).or_insert(Seen { terms, since: now, last: now, gap: None });
    if seen.terms < terms {
        (seen.terms, seen.since, seen.gap) = (terms, now, None);
    }
    if is_outcome {
        seen.gap.get_or_insert(now - seen.last);
        seen.last = now;
    }
}
