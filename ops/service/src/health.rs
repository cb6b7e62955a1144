//! Is the process alive, and is it ready? Cheap handles for the parts that know; the admin port
//! asks.
//!
//! *Ready* is about now: a part may come and go. *Alive* is about trust: a part that misses its
//! pulse, or that says that it failed, makes the whole process one to be restarted.
//!
//! A *share* is one of several equal parts of the work (a shard), and may halt for good. A restart
//! meets the same again, and the other shares are still worth their traffic. So a halted share is
//! named, and neither holds readiness back nor ends life; only a process whose shares have all
//! halted is not ready.
//!
//! A share may also *wait* for something outside that is not there, and that only comes if somebody
//! makes it. It is named as degraded, and holds readiness back only if no share does any work.
//!
//! What is *degraded* is named, and changes nothing else: what the process needs for a part of its
//! work is gone, and it serves the rest.
//!
//! A *side* part is one that the process is of use without: it never holds readiness back, and is
//! named where it halts or is not ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::kafka::contact;

/// The parts of a process that must be ready before it takes traffic.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    parts: Arc<Mutex<BTreeMap<String, NamedPart>>>,
    degraded: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(Debug, Default)]
struct NamedPart {
    part: ReadinessPart,
    kind: PartImportance,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum PartImportance {
    #[default]
    Whole,
    Share,
    Side,
}

/// One part's word on whether it is ready. Starts as not ready.
#[derive(Clone, Debug, Default)]
pub struct ReadinessPart {
    ready: Arc<AtomicBool>,
    halted: Arc<Mutex<Option<String>>>,
    waits: Arc<Mutex<Option<String>>>,
}

impl ReadinessPart {
    /// Says whether this part is ready.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// True if this part is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.halted().is_none()
    }

    /// This part stops for good, and the process goes on without it. Only the first reason counts.
    pub fn halt(&self, reason: impl Into<String>) {
        lock(&self.halted).get_or_insert_with(|| reason.into());
    }

    /// This part cannot work until something outside is there (`Some`: what), or can again.
    pub fn wait_for(&self, what: Option<String>) {
        *lock(&self.waits) = what;
    }

    /// What it waits for, if it does. One that halted waits for nothing more.
    pub fn waits_for(&self) -> Option<String> {
        lock(&self.waits).clone().filter(|_| self.halted().is_none())
    }

    /// Why it halted, if it did.
    pub fn halted(&self) -> Option<String> {
        lock(&self.halted).clone()
    }
}

impl Readiness {
    /// No parts yet: not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// The part of this name, not ready until it says so. The same name gives the same part.
    /// Register all parts before the first becomes ready, or the process looks ready too early.
    pub fn part(&self, name: impl Into<String>) -> ReadinessPart {
        lock(&self.parts).entry(name.into()).or_default().part.clone()
    }

    /// As [`Readiness::part`], for one of several equal shares of the work.
    pub fn share(&self, name: impl Into<String>) -> ReadinessPart {
        self.of_kind(name.into(), PartImportance::Share)
    }

    /// As [`Readiness::part`], for a part that the process is of use without.
    pub fn side(&self, name: impl Into<String>) -> ReadinessPart {
        self.of_kind(name.into(), PartImportance::Side)
    }

    fn of_kind(&self, name: String, kind: PartImportance) -> ReadinessPart {
        let mut parts = lock(&self.parts);
        let named = parts.entry(name).or_default();
        named.kind = kind;
        named.part.clone()
    }

    /// The names of the parts that are not ready, and may become so.
    pub fn missing(&self) -> Vec<String> {
        let parts = lock(&self.parts);
        let excused = |part: &ReadinessPart| part.halted().is_some() || part.waits_for().is_some();
        let missing =
            |named: &NamedPart| named.kind != PartImportance::Side && !named.part.is_ready() && !excused(&named.part);
        parts.iter().filter(|(_, named)| missing(named)).map(|(name, _)| name.clone()).collect()
    }

    /// The names of the parts that halted, and why.
    pub fn halted(&self) -> BTreeMap<String, String> {
        let parts = lock(&self.parts);
        parts.iter().filter_map(|(name, named)| Some((name.clone(), named.part.halted()?))).collect()
    }

    /// Something that the process needs for a part of its work is not well (`Some`: why), or is
    /// again. The process can still serve, so it stays ready, and names it.
    pub fn degrade(&self, name: &str, why: Option<String>) {
        let mut degraded = lock(&self.degraded);
        match why {
            Some(why) => drop(degraded.insert(name.to_owned(), why)),
            None => drop(degraded.remove(name)),
        }
    }

    /// What is not well, by name, and why; parts that wait for something outside, side parts that
    /// are not ready, and readers of the log whose broker is silent, are found by themselves.
    pub fn degraded(&self) -> BTreeMap<String, String> {
        let mut degraded = lock(&self.degraded).clone();
        let waits = |named: &NamedPart| {
            named.kind == PartImportance::Side && !named.part.is_ready() && named.part.halted().is_none()
        };
        let parts = lock(&self.parts);
        let sides =
            parts.iter().filter(|(_, named)| waits(named)).map(|(name, _)| (name.clone(), "not ready".to_owned()));
        degraded.extend(sides);
        degraded.extend(parts.iter().filter_map(|(name, named)| Some((name.clone(), named.part.waits_for()?))));
        degraded.extend(contact::silent());
        degraded
    }

    /// Side parts do not count.
    ///
    /// | parts                                              | ready |
    /// |----------------------------------------------------|-------|
    /// | none                                               | no    |
    /// | one that is missing, or halted and no share        | no    |
    /// | there are shares, and all of them halted or wait   | no    |
    /// | all are ready, or shares that halted or wait       | yes   |
    /// | beside ready ones                                  |       |
    pub fn is_ready(&self) -> bool {
        let parts = lock(&self.parts);
        let is_share = |named: &&NamedPart| named.kind == PartImportance::Share;
        let works = |named: &NamedPart| named.part.halted().is_none() && named.part.waits_for().is_none();
        let is_ready = |named: &NamedPart| named.part.is_ready() || (is_share(&named) && !works(named));
        let mut shares = parts.values().filter(is_share).peekable();
        let serves = shares.peek().is_none() || shares.any(works);
        let mut counting = parts.values().filter(|named| named.kind != PartImportance::Side).peekable();
        counting.peek().is_some() && serves && counting.all(is_ready)
    }
}

/// The watchdog: the parts of a process that must show signs of life.
#[derive(Clone, Debug)]
pub struct Liveness {
    start: Instant,
    pulses: Arc<Mutex<Vec<WatchedPart>>>,
}

#[derive(Debug)]
struct WatchedPart {
    name: String,
    limit: Duration,
    pulse: Pulse,
}

/// One part's signs of life.
#[derive(Clone, Debug)]
pub struct Pulse {
    start: Instant,
    /// Milliseconds since `start`.
    last: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<String>>>,
    stopped: Arc<AtomicBool>,
}

impl Pulse {
    /// A sign of life. Costs a clock reading and one store.
    pub fn beat(&self) {
        self.last.store(millis(self.start.elapsed()), Ordering::Relaxed);
    }

    /// What follows takes up to `allowed` without a sign of life. Ends with the next beat.
    pub fn allow(&self, allowed: Duration) {
        let until = millis(self.start.elapsed()).saturating_add(millis(allowed));
        self.last.store(until, Ordering::Relaxed);
    }

    /// This part will not recover by itself: the process must be restarted, or an operator must
    /// look.
    pub fn fail(&self, reason: impl Into<String>) {
        *lock(&self.failure) = Some(reason.into());
    }

    /// This part ended in good order; no more signs are expected.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self { start: Instant::now(), pulses: Arc::default() }
    }
}

impl Liveness {
    /// Nothing watched yet: alive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a beat at least every `limit` from now on.
    pub fn watch(&self, name: impl Into<String>, limit: Duration) -> Pulse {
        let (last, failure, stopped) = (Arc::default(), Arc::default(), Arc::default());
        let pulse = Pulse { start: self.start, last, failure, stopped };
        pulse.beat();
        lock(&self.pulses).push(WatchedPart { name: name.into(), limit, pulse: pulse.clone() });
        pulse
    }

    /// What is wrong, one line a part; empty if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let now = millis(self.start.elapsed());
        lock(&self.pulses).iter().filter_map(|watched| watched.complaint(now)).collect()
    }
}

impl WatchedPart {
    fn complaint(&self, now: u64) -> Option<String> {
        if let Some(reason) = lock(&self.pulse.failure).as_ref() {
            return Some(format!("{}: {reason}", self.name));
        }
        let silent = now.saturating_sub(self.pulse.last.load(Ordering::Relaxed));
        let late = silent > millis(self.limit) && !self.pulse.stopped.load(Ordering::Relaxed);
        late.then(|| format!("{}: no sign of life for {silent} ms", self.name))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What these locks guard is valid after every statement, so a panic of another holder does no
/// harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said, for the reason of a halt.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready());
        let (tail, pool) = (readiness.part("tail"), readiness.part("pool"));
        tail.set(true);
        assert_eq!(readiness.missing(), ["pool"]);
        pool.set(true);
        assert!(readiness.is_ready());
        readiness.part("tail").set(false);
        assert_eq!(readiness.missing(), ["tail"]);
    }

    #[test]
    fn a_share_that_halts_is_named_and_the_others_keep_the_process_ready() {
        let readiness = Readiness::new();
        let (tail, one, other) = (readiness.part("tail"), readiness.share("shard 0"), readiness.share("shard 1"));
        tail.set(true);
        one.set(true);
        other.halt("offset 7 is broken");
        other.set(true);
        other.halt("a later reason");
        assert!(readiness.is_ready() && readiness.missing().is_empty());
        assert_eq!(readiness.halted(), [("shard 1".to_owned(), "offset 7 is broken".to_owned())].into());
        one.set(false);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.missing(), ["shard 0"]);
        one.halt("as well");
        assert!(!readiness.is_ready() && readiness.missing().is_empty());
    }

    #[test]
    fn a_share_that_waits_for_something_outside_is_degraded_and_keeps_nobody_from_work() {
        let readiness = Readiness::new();
        let (one, other) = (readiness.share("a of shard 0"), readiness.share("b of shard 0"));
        one.wait_for(Some("no such database".to_owned()));
        assert!(!readiness.is_ready());
        assert_eq!(readiness.missing(), ["b of shard 0"]);
        other.set(true);
        assert!(readiness.is_ready() && readiness.halted().is_empty());
        assert_eq!(readiness.degraded()["a of shard 0"], "no such database");
        other.wait_for(Some("nothing either".to_owned()));
        assert!(!readiness.is_ready(), "nobody works");
        other.wait_for(None);
        one.wait_for(None);
        assert_eq!(readiness.missing(), ["a of shard 0"], "it has to catch up now");
        one.wait_for(Some("no such database".to_owned()));
        one.halt("broken");
        assert!(!readiness.degraded().contains_key("a of shard 0") && readiness.is_ready());
    }

    #[test]
    fn a_side_part_holds_nothing_back_and_is_named_where_it_halts() {
        let readiness = Readiness::new();
        let side = readiness.side("follower of shard 0");
        side.set(true);
        assert!(!readiness.is_ready());
        readiness.part("tail").set(true);
        side.set(false);
        assert!(readiness.is_ready() && readiness.missing().is_empty());
        assert_eq!(readiness.degraded()["follower of shard 0"], "not ready");
        side.halt("offset 7 is broken");
        assert!(readiness.is_ready() && !readiness.degraded().contains_key("follower of shard 0"));
        assert_eq!(readiness.halted()["follower of shard 0"], "offset 7 is broken");
    }

    #[test]
    fn what_is_degraded_is_named_and_holds_nothing_back() {
        let readiness = Readiness::new();
        readiness.part("tail").set(true);
        readiness.degrade("redis", Some("behind".to_owned()));
        assert!(readiness.is_ready());
        assert_eq!(readiness.degraded()["redis"], "behind");
        readiness.degrade("redis", None);
        assert!(!readiness.degraded().contains_key("redis"));
    }

    #[test]
    fn a_part_that_halts_and_is_no_share_holds_readiness_back() {
        let readiness = Readiness::new();
        readiness.part("tail").halt("gone");
        readiness.share("shard 0").set(true);
        assert!(!readiness.is_ready());
    }

    #[test]
    fn what_is_allowed_to_take_long_is_no_silence_until_the_next_beat() {
        let liveness = Liveness::new();
        let pulse = liveness.watch("a", Duration::ZERO);
        pulse.allow(Duration::from_secs(3600));
        std::thread::sleep(Duration::from_millis(5));
        assert!(liveness.complaints().is_empty());
        pulse.beat();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(liveness.complaints().len(), 1);
    }

    #[test]
    fn silence_and_failure_are_complaints_and_an_orderly_stop_is_not() {
        let liveness = Liveness::new();
        let pulse = liveness.watch("a", Duration::ZERO);
        let failing = liveness.watch("b", Duration::from_secs(3600));
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(liveness.complaints().len(), 1);
        pulse.stop();
        assert!(liveness.complaints().is_empty());
        failing.fail("the log is broken");
        assert_eq!(liveness.complaints(), ["b: the log is broken"]);
    }
}
