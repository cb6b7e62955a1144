//! The shared handle of a shard's loop: what it is told, and what it tells.
//!
//! Told: the *wanted* state (lead or not, end or not), which the loop makes true as soon as it can; so a command that comes
//! late or twice does no harm and nothing queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use service::{Part, Pulse};

/// What a shard's loop is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Folds the log up to its head.
    Recovering,
    /// A warm standby.
    Following,
    /// Has appended its term, and waits to read it.
    TakingOver,
    /// Decides commands.
    Leading,
    /// Decides no more, and waits for what it wrote.
    Resigning,
}

impl Role {
    const ALL: [Self; 5] = [Self::Recovering, Self::Following, Self::TakingOver, Self::Leading, Self::Resigning];

    /// The value of the metric.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Recovering => "recovering",
            Self::Following => "following",
            Self::TakingOver => "taking over",
            Self::Leading => "leading",
            Self::Resigning => "resigning",
        })
    }
}

/// A handle on one shard's loop. Clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lead: AtomicBool,
    stop: AtomicBool,
    hurry: AtomicBool,
    role: AtomicU8,
    next_command: AtomicU64,
    ready: Part,
    pulse: Pulse,
}

impl Control {
    /// A handle that wants a follower.
    pub fn new(ready: Part, pulse: Pulse) -> Self {
        let shared = Shared {
            lead: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            role: AtomicU8::new(Role::Recovering.code()),
            next_command: AtomicU64::new(0),
            ready,
            pulse,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Wants the shard led, or not.
    pub fn want_lead(&self, lead: bool) {
        self.shared.lead.store(lead, Ordering::Release);
        self.judge();
    }

    /// Wants the loop to end: in good order, or at once (`hurry`).
    pub fn stop(&self, hurry: bool) {
        self.shared.lead.store(false, Ordering::Release);
        self.shared.hurry.store(hurry, Ordering::Release);
        self.shared.stop.store(true, Ordering::Release);
    }

    /// What the loop is doing.
    pub fn role(&self) -> Role {
        Role::ALL[usize::from(self.shared.role.load(Ordering::Acquire))]
    }

    /// The next command that has no outcome, as far as the log was read.
    pub fn next_command(&self) -> u64 {
        self.shared.next_command.load(Ordering::Relaxed)
    }

    /// The loop ended and cannot go on: nothing here is alive any more.
    pub fn fail(&self, reason: &str) {
        self.shared.ready.set(false);
        self.shared.pulse.fail(reason);
    }

    /// The loop ended in good order.
    pub fn ended(&self) {
        self.shared.ready.set(false);
        self.shared.pulse.stop();
    }

    pub(super) fn wants_lead(&self) -> bool {
        self.shared.lead.load(Ordering::Acquire)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    pub(super) fn may_wait(&self) -> bool {
        !self.shared.hurry.load(Ordering::Acquire)
    }

    pub(super) fn set_role(&self, role: Role) {
        self.shared.role.store(role.code(), Ordering::Release);
        self.judge();
    }

    pub(super) fn read_up_to(&self, next_command: u64) {
        self.shared.next_command.store(next_command, Ordering::Relaxed);
    }

    pub(super) fn beat(&self) {
        self.shared.pulse.beat();
    }

    /// Ready: what is wanted is so.
    fn judge(&self) {
        let wanted = if self.wants_lead() { Role::Leading } else { Role::Following };
        self.shared.ready.set(self.role() == wanted);
    }
}
