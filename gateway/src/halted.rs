//! Shards that this process reads no further: their log cannot be read or folded.
//!
//!   tail ─▶ *halted* ─▶ gate, submit, WebSocket
//!
//! A shard halts alone and for good: a restart reads the same record again. What is known of it stays as it was;
//! whatever goes to it, or needs more of it than was read, is refused before anything is written. If its log goes on
//! all the same (this build is too old, or is wrong), the keys of accounts that live there open nothing any more.
//!
//! Where only the leader has halted, everything is read on, and commands alone are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::gauge;
use schemas::ids::LogPosition;
use schemas::{LeaderHalted, Shard};
use service::{Readiness, ReadinessPart};

/// See the module. One for each shard.
pub struct HaltedShards {
    shards: Vec<Entry>,
}

struct Entry {
    ready: ReadinessPart,
    halted: AtomicBool,
    left_behind: AtomicBool,
    leaderless: AtomicBool,
    unreadable: AtomicBool,
}

impl HaltedShards {
    /// None, and each has a share in `readiness`.
    pub fn new(shards: u16, readiness: &Readiness) -> Arc<Self> {
        let entry = |shard: Shard| {
            gauge!("gateway_shard_halted", "shard" => shard.to_string()).set(0.0);
            gauge!("gateway_shard_leaderless", "shard" => shard.to_string()).set(0.0);
            let ready = readiness.share(format!("shard {shard}"));
            Entry {
                ready,
                halted: AtomicBool::new(false),
                left_behind: AtomicBool::new(false),
                leaderless: AtomicBool::new(false),
                unreadable: AtomicBool::new(false),
            }
        };
        Arc::new(Self { shards: Shard::all(shards).map(entry).collect() })
    }

    /// All that have not halted are read up to where the log ended at the start.
    pub fn all_caught_up(&self) {
        self.shards.iter().for_each(|entry| entry.ready.set(true));
    }

    /// This one is read no further.
    pub fn halt(&self, shard: Shard, reason: &str) {
        let entry = &self.shards[shard.index()];
        entry.ready.halt(reason);
        entry.halted.store(true, Ordering::Release);
        gauge!("gateway_shard_halted", "shard" => shard.to_string()).set(1.0);
    }

    /// True if it is read no further.
    pub fn contains(&self, shard: Shard) -> bool {
        self.shards.get(shard.index()).is_some_and(|entry| entry.halted.load(Ordering::Acquire))
    }

    /// Its leader has said on the log that it has halted, or another has begun since (`None`).
    pub fn set_leaderless(&self, shard: Shard, halted: Option<&LeaderHalted>) {
        let leaderless = &self.shards[shard.index()].leaderless;
        if leaderless.swap(halted.is_some(), Ordering::AcqRel) != halted.is_some() {
            let value = if halted.is_some() { 1.0 } else { 0.0 };
            gauge!("gateway_shard_leaderless", "shard" => shard.to_string()).set(value);
        }
    }

    /// True if commands to it would not be decided, as far as is known: it is read no further here, or its leader has
    /// halted.
    pub fn takes_no_commands(&self, shard: Shard) -> bool {
        let is_leaderless = |entry: &Entry| entry.leaderless.load(Ordering::Acquire);
        self.contains(shard) || self.shards.get(shard.index()).is_some_and(is_leaderless)
    }

    /// Its log goes on, and this process does not see how: a key of an account that lives there may be revoked.
    pub fn leave_behind(&self, shard: Shard) {
        self.shards[shard.index()].left_behind.store(true, Ordering::Release);
    }

    /// Nothing more of its log can be read, so whether it goes on will not be known.
    pub fn give_up(&self, shard: Shard) {
        self.shards[shard.index()].unreadable.store(true, Ordering::Release);
    }

    /// True if no more will be known of it.
    pub fn is_looked_through(&self, shard: Shard) -> bool {
        let unreadable = |entry: &Entry| entry.unreadable.load(Ordering::Acquire);
        self.is_left_behind(shard) || self.shards.get(shard.index()).is_some_and(unreadable)
    }

    /// True if its log goes on without this process.
    pub fn is_left_behind(&self, shard: Shard) -> bool {
        self.shards.get(shard.index()).is_some_and(|entry| entry.left_behind.load(Ordering::Acquire))
    }

    /// True if one is read no further.
    pub fn any(&self) -> bool {
        self.shards.iter().any(|entry| entry.halted.load(Ordering::Acquire))
    }

    /// The first halted shard of which more is wanted than `reached` says.
    pub fn out_of_reach(&self, wanted: &[LogPosition], reached: impl Fn(Shard) -> u64) -> Option<Shard> {
        let beyond = |at: &&LogPosition| self.contains(at.shard) && reached(at.shard) < at.sequence;
        wanted.iter().find(beyond).map(|at| at.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_of_a_halted_shard_stays_in_reach() {
        let readiness = Readiness::new();
        let halted = HaltedShards::new(2, &readiness);
        halted.all_caught_up();
        let [one, other] = [0, 1].map(|number| Shard::new(number).unwrap());
        let wanted = |text: &str| text.split(',').map(|at| at.parse().unwrap()).collect::<Vec<LogPosition>>();
        let reach = |text: &str| halted.out_of_reach(&wanted(text), |_| 7);
        assert_eq!(reach("0:9,1:9"), None);
        halted.halt(other, "broken at offset 8");
        assert!(!halted.contains(one) && halted.contains(other));
        assert_eq!((reach("0:9,1:7"), reach("0:9,1:8")), (None, Some(other)));
        assert!(readiness.is_ready());
        assert_eq!(readiness.halted()["shard 1"], "broken at offset 8");
    }
}
