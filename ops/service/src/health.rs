//! Health of a process: is it alive, and is it ready? Parts report through cheap handles; the admin
//! port reads them.
//!
//! *Ready* is a current state: a part may become ready and not ready again. *Alive* is permanent:
//! if a part misses its liveness signal, or reports that it failed, the whole process must be
//! restarted.
//!
//! A *share* is one of several equal parts of the work (a shard), and may halt permanently. A
//! restart would meet the same fault again, and the other shares can still serve. So a halted share
//! is reported, and affects neither readiness nor liveness; only a process whose shares have all
//! halted is not ready.
//!
//! A share may also *wait* for something outside that an operator must provide. It is reported as
//! degraded, and prevents readiness only if no share works.
//!
//! A *degraded* process lacks something that a part of its work needs, and serves the rest. This is
//! reported and has no other effect.
//!
//! A *side* part is one that the process can do without: it never prevents readiness, and is
//! reported while it is halted or not ready.

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

/// One part's readiness. Starts as not ready.
#[derive(Clone, Debug, Default)]
pub struct ReadinessPart {
    ready: Arc<AtomicBool>,
    halted: Arc<Mutex<Option<String>>>,
    waits: Arc<Mutex<Option<String>>>,
}

impl ReadinessPart {
    /// Sets whether this part is ready.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// True if this part is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.halted().is_none()
    }

    /// Records that this part has stopped permanently, and the process continues without it. Only
    /// the first reason counts.
    pub fn halt(&self, reason: impl Into<String>) {
        lock(&self.halted).get_or_insert_with(|| reason.into());
    }

    /// Records that this part cannot work until something outside is available (`Some`: what), or
    /// that it can again (`None`).
    pub fn wait_for(&self, what: Option<String>) {
        *lock(&self.waits) = what;
    }

    /// Returns what it waits for, if it waits. A halted part waits for nothing.
    pub fn waits_for(&self) -> Option<String> {
        lock(&self.waits).clone().filter(|_| self.halted().is_none())
    }

    /// Returns why it halted, if it did.
    pub fn halted(&self) -> Option<String> {
        lock(&self.halted).clone()
    }
}

impl Readiness {
    /// Returns a registry without parts: not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the part of this name, which starts as not ready. The same name gives the same part.
    /// Register all parts before the first becomes ready; otherwise the process looks ready too
    /// early.
    pub fn part(&self, name: impl Into<String>) -> ReadinessPart {
        lock(&self.parts).entry(name.into()).or_default().part.clone()
    }

    /// Like [`Readiness::part`], for one of several equal shares of the work.
    pub fn share(&self, name: impl Into<String>) -> ReadinessPart {
        self.of_kind(name.into(), PartImportance::Share)
    }

    /// Like [`Readiness::part`], for a part that the process can do without.
    pub fn side(&self, name: impl Into<String>) -> ReadinessPart {
        self.of_kind(name.into(), PartImportance::Side)
    }

    fn of_kind(&self, name: String, kind: PartImportance) -> ReadinessPart {
        let mut parts = lock(&self.parts);
        let named = parts.entry(name).or_default();
        named.kind = kind;
        named.part.clone()
    }

    /// Returns the names of the parts that are not ready and may become so.
    pub fn missing(&self) -> Vec<String> {
        let parts = lock(&self.parts);
        let excused = |part: &ReadinessPart| part.halted().is_some() || part.waits_for().is_some();
        let missing =
            |named: &NamedPart| named.kind != PartImportance::Side && !named.part.is_ready() && !excused(&named.part);
        parts.iter().filter(|(_, named)| missing(named)).map(|(name, _)| name.clone()).collect()
    }

    /// Returns the names of the halted parts, with the reasons.
    pub fn halted(&self) -> BTreeMap<String, String> {
        let parts = lock(&self.parts);
        parts.iter().filter_map(|(name, named)| Some((name.clone(), named.part.halted()?))).collect()
    }

    /// Records that something that a part of the work needs is faulty (`Some`: why), or is well
    /// again (`None`). The process still serves, so it stays ready and reports it.
    pub fn degrade(&self, name: &str, why: Option<String>) {
        let mut degraded = lock(&self.degraded);
        match why {
            Some(why) => drop(degraded.insert(name.to_owned(), why)),
            None => drop(degraded.remove(name)),
        }
    }

    /// Returns the names and reasons of everything that is degraded. Includes parts that wait for
    /// something outside, side parts that are not ready, and readers of the log whose broker is
    /// silent.
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
    /// | one that is not ready, or halted and not a share   | no    |
    /// | all shares halted or wait                          | no    |
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

/// One part's liveness signal.
#[derive(Clone, Debug)]
pub struct Pulse {
    start: Instant,
    /// Milliseconds since `start`.
    last: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<String>>>,
    stopped: Arc<AtomicBool>,
}

impl Pulse {
    /// Records a sign of life. Costs a clock reading and one store.
    pub fn beat(&self) {
        self.last.store(millis(self.start.elapsed()), Ordering::Relaxed);
    }

    /// Allows up to `allowed` without a sign of life, until the next beat.
    pub fn allow(&self, allowed: Duration) {
        let until = millis(self.start.elapsed()).saturating_add(millis(allowed));
        self.last.store(until, Ordering::Relaxed);
    }

    /// Records that this part will not recover by itself: the process must be restarted, or an
    /// operator must act.
    pub fn fail(&self, reason: impl Into<String>) {
        *lock(&self.failure) = Some(reason.into());
    }

    /// Records that this part ended in good order; no more signs are expected.
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
    /// Returns a watchdog without parts: alive.
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

    /// Returns the faults, one line per part; empty if there are none.
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

/// The guarded values are valid after every statement, so a panic of another holder does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the message of a panic, for the reason of a halt.
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
    fn a_share_that_waits_is_degraded_and_does_not_affect_others() {
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
        assert_eq!(readiness.missing(), ["a of shard 0"], "it has to catch up first");
        one.wait_for(Some("no such database".to_owned()));
        one.halt("broken");
        assert!(!readiness.degraded().contains_key("a of shard 0") && readiness.is_ready());
    }

    #[test]
    fn a_side_part_never_prevents_readiness_and_is_reported_when_it_halts() {
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
    fn a_degraded_part_is_reported_and_does_not_prevent_readiness() {
        let readiness = Readiness::new();
        readiness.part("tail").set(true);
        readiness.degrade("redis", Some("behind".to_owned()));
        assert!(readiness.is_ready());
        assert_eq!(readiness.degraded()["redis"], "behind");
        readiness.degrade("redis", None);
        assert!(!readiness.degraded().contains_key("redis"));
    }

    #[test]
    fn a_halted_part_that_is_not_a_share_prevents_readiness() {
        let readiness = Readiness::new();
        readiness.part("tail").halt("gone");
        readiness.share("shard 0").set(true);
        assert!(!readiness.is_ready());
    }

    #[test]
    fn an_allowed_pause_is_no_silence_until_the_next_beat() {
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
