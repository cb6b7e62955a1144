//! Shards whose log this process no longer reads, because it cannot be read or folded.
//!
//!   tail ─▶ *halted* ─▶ gate, submit, WebSocket
//!
//! A shard halts alone and until a restart, which would read the same record again. The data of
//! that shard stays as it was. Requests that write to it, or that need a later position, are
//! refused before anything is written. If its log continues all the same (this build is too old or
//! wrong), keys of accounts whose home it is are refused.
//!
//! If only the leader has halted, the shard is still read, and only commands are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::gauge;
use schemas::ids::LogPosition;
use schemas::{LeaderHalted, Shard};
use service::{Readiness, ReadinessPart};

/// The halt state of every shard.
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
    /// Creates the state with no halted shard. Each shard adds a part to `readiness`.
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

    /// Marks all shards that have not halted as read up to the log's end at the start.
    pub fn all_caught_up(&self) {
        self.shards.iter().for_each(|entry| entry.ready.set(true));
    }

    /// Marks a shard as halted.
    pub fn halt(&self, shard: Shard, reason: &str) {
        let entry = &self.shards[shard.index()];
        entry.ready.halt(reason);
        entry.halted.store(true, Ordering::Release);
        gauge!("gateway_shard_halted", "shard" => shard.to_string()).set(1.0);
    }

    /// Returns true if the shard has halted.
    pub fn contains(&self, shard: Shard) -> bool {
        self.shards.get(shard.index()).is_some_and(|entry| entry.halted.load(Ordering::Acquire))
    }

    /// Notes that the shard's leader announced its halt, or (`None`) that a new term began.
    pub fn set_leaderless(&self, shard: Shard, halted: Option<&LeaderHalted>) {
        let leaderless = &self.shards[shard.index()].leaderless;
        if leaderless.swap(halted.is_some(), Ordering::AcqRel) != halted.is_some() {
            let value = if halted.is_some() { 1.0 } else { 0.0 };
            gauge!("gateway_shard_leaderless", "shard" => shard.to_string()).set(value);
        }
    }

    /// Returns true if a command to the shard would not be decided: the shard has halted here, or
    /// its leader has halted.
    pub fn takes_no_commands(&self, shard: Shard) -> bool {
        let is_leaderless = |entry: &Entry| entry.leaderless.load(Ordering::Acquire);
        self.contains(shard) || self.shards.get(shard.index()).is_some_and(is_leaderless)
    }

    /// Notes that a halted shard's log continues: a key of an account whose home it is may be
    /// revoked.
    pub fn leave_behind(&self, shard: Shard) {
        self.shards[shard.index()].left_behind.store(true, Ordering::Release);
    }

    /// Notes that nothing more of the shard's log can be read, so whether it continues will stay
    /// unknown.
    pub fn give_up(&self, shard: Shard) {
        self.shards[shard.index()].unreadable.store(true, Ordering::Release);
    }

    /// Returns true if nothing more will be learned about the shard.
    pub fn is_looked_through(&self, shard: Shard) -> bool {
        let unreadable = |entry: &Entry| entry.unreadable.load(Ordering::Acquire);
        self.is_left_behind(shard) || self.shards.get(shard.index()).is_some_and(unreadable)
    }

    /// Returns true if the shard's log continues without this process.
    pub fn is_left_behind(&self, shard: Shard) -> bool {
        self.shards.get(shard.index()).is_some_and(|entry| entry.left_behind.load(Ordering::Acquire))
    }

    /// Returns true if any shard has halted.
    pub fn any(&self) -> bool {
        self.shards.iter().any(|entry| entry.halted.load(Ordering::Acquire))
    }

    /// Returns the first halted shard whose wanted position is beyond `reached`.
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
