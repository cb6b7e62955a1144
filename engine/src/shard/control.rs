//! The shared handle of a shard's loop: its wanted state, and its reported state.
//!
//! Others set the *wanted* state (lead or not, end or not), which the loop makes true as soon as it
//! can. So a late or repeated request does no harm, and nothing queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use schemas::reading::Checkpoint;
use service::{Pulse, ReadinessPart};

use crate::metrics::LEADS_UNCONFIRMED;

/// The role of a shard's loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardRole {
    /// Folds the log up to its head.
    Recovering,
    /// A warm standby.
    Following,
    /// Has appended its term, and waits to read it back.
    TakingOver,
    /// Decides commands.
    Leading,
    /// Decides no more commands, and waits for its own records.
    Resigning,
    /// Has ended, and an operator must look. Never leads again in this process.
    Halted,
    /// Has no state: other engines follow the shard, and this one starts when it is to lead.
    Absent,
}

impl ShardRole {
    const ALL: [Self; 7] = [
        Self::Recovering,
        Self::Following,
        Self::TakingOver,
        Self::Leading,
        Self::Resigning,
        Self::Halted,
        Self::Absent,
    ];

    /// Returns the value of the metric.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl std::fmt::Display for ShardRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Recovering => "recovering",
            Self::Following => "following",
            Self::TakingOver => "taking over",
            Self::Leading => "leading",
            Self::Resigning => "resigning",
            Self::Halted => "halted",
            Self::Absent => "absent",
        })
    }
}

/// Values of the request to lead. `NO`: the shard should not be led here.
const NO: u8 = 0;
const YES: u8 = 1;
/// Another process should lead the shard. Until it does, this one continues: the other may still be
/// recovering, or have halted.
const UNTIL_DEPOSED: u8 = 2;

/// A handle on one shard's loop. Clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<ControlState>,
}

#[derive(Debug)]
struct ControlState {
    follows: bool,
    lead: AtomicU8,
    stop: AtomicBool,
    hurry: AtomicBool,
    role: AtomicU8,
    next_command: AtomicU64,
    sequence: AtomicU64,
    doubted: AtomicBool,
    ready: ReadinessPart,
    pulse: Pulse,
}

impl Control {
    /// Returns a handle that does not request leadership. `follows`: the shard is followed here
    /// also while it is not to be led here.
    pub fn new(ready: ReadinessPart, pulse: Pulse, follows: bool) -> Self {
        let shared = ControlState {
            follows,
            lead: AtomicU8::new(NO),
            stop: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            role: AtomicU8::new(ShardRole::Recovering.code()),
            next_command: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            doubted: AtomicBool::new(false),
            ready,
            pulse,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Requests the loop to lead the shard, or not to.
    pub fn want_lead(&self, lead: bool) {
        self.shared.lead.store(if lead { YES } else { NO }, Ordering::Release);
        self.judge();
    }

    /// Requests the loop to lead until another process does, if it leads now; otherwise not to
    /// lead.
    pub fn want_successor(&self) {
        let wanted = if self.role() == ShardRole::Leading { UNTIL_DEPOSED } else { NO };
        self.shared.lead.store(wanted, Ordering::Release);
        self.judge();
    }

    /// Requests the loop to end: in an orderly way, or immediately (`hurry`).
    pub fn stop(&self, hurry: bool) {
        self.shared.lead.store(NO, Ordering::Release);
        self.shared.hurry.store(hurry, Ordering::Release);
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Returns the loop's role.
    pub fn role(&self) -> ShardRole {
        ShardRole::ALL[usize::from(self.shared.role.load(Ordering::Acquire))]
    }

    /// Returns the next command without an outcome, as far as the log was read.
    pub fn next_command(&self) -> u64 {
        self.shared.next_command.load(Ordering::Relaxed)
    }

    /// Returns the sequence of the last outcome that was read.
    pub fn sequence(&self) -> u64 {
        self.shared.sequence.load(Ordering::Relaxed)
    }

    /// Sets whether brokers are silent, so that a leader cannot know whether it still leads.
    pub fn doubt(&self, doubted: bool) {
        self.shared.doubted.store(doubted, Ordering::Relaxed);
    }

    /// Returns the value of the metric for this role.
    pub(super) fn told(&self, role: ShardRole) -> u8 {
        match role {
            ShardRole::Leading if self.shared.doubted.load(Ordering::Relaxed) => LEADS_UNCONFIRMED,
            role => role.code(),
        }
    }

    /// Returns true if the group assigns this shard to this process, and it cannot be led here.
    pub fn is_halted_and_wanted(&self) -> bool {
        self.role() == ShardRole::Halted && self.wants_lead()
    }

    /// Records that the loop has halted. The process continues, so this is not a failure of its
    /// liveness.
    pub(super) fn halt(&self, reason: &str) {
        self.shared.role.store(ShardRole::Halted.code(), Ordering::Release);
        self.shared.ready.halt(reason);
        self.shared.pulse.stop();
    }

    /// Records that the loop ended in an orderly way.
    pub(super) fn ended(&self) {
        self.shared.ready.set(false);
        self.shared.pulse.stop();
    }

    /// Returns true if the loop should have the shard's state.
    pub(super) fn wants_state(&self) -> bool {
        self.shared.follows || self.wants_lead()
    }

    pub(super) fn wants_lead(&self) -> bool {
        self.shared.lead.load(Ordering::Acquire) != NO
    }

    pub(super) fn wants_successor(&self) -> bool {
        self.shared.lead.load(Ordering::Acquire) == UNTIL_DEPOSED
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    pub(super) fn may_wait(&self) -> bool {
        !self.shared.hurry.load(Ordering::Acquire)
    }

    pub(super) fn set_role(&self, role: ShardRole) {
        self.shared.role.store(role.code(), Ordering::Release);
        if role != ShardRole::Leading {
            // However the leadership ended, it is the other's turn. A new request in the meantime
            // remains.
            let lead = &self.shared.lead;
            let _unless_changed = lead.compare_exchange(UNTIL_DEPOSED, NO, Ordering::AcqRel, Ordering::Acquire);
        }
        self.judge();
    }

    pub(super) fn read_up_to(&self, position: &Checkpoint) {
        self.shared.next_command.store(position.next_command, Ordering::Relaxed);
        self.shared.sequence.store(position.sequence, Ordering::Relaxed);
    }

    pub(super) fn beat(&self) {
        self.shared.pulse.beat();
    }

    /// Allows the next operation to take this long without a liveness report.
    pub(super) fn allow(&self, allowed: std::time::Duration) {
        self.shared.pulse.allow(allowed);
    }

    /// Sets readiness: ready if the wanted state is reached.
    fn judge(&self) {
        let standby = if self.shared.follows { ShardRole::Following } else { ShardRole::Absent };
        let wanted = if self.wants_lead() { ShardRole::Leading } else { standby };
        self.shared.ready.set(self.role() == wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::{Liveness, Readiness};

    #[test]
    fn only_a_leader_is_doubted_and_only_as_long_as_brokers_are_silent() {
        let pulse = Liveness::new().watch("shard 0", std::time::Duration::from_secs(1));
        let control = Control::new(Readiness::new().share("shard 0"), pulse, true);
        let told = || ShardRole::ALL.map(|role| control.told(role));
        assert_eq!(told(), [0, 1, 2, 3, 4, 5, 6]);
        control.doubt(true);
        assert_eq!(told(), [0, 1, 2, LEADS_UNCONFIRMED, 4, 5, 6]);
        control.doubt(false);
        assert_eq!(told(), [0, 1, 2, 3, 4, 5, 6]);
    }
}
