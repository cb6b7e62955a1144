//! One shard's loop: follows the log and, when requested, leads it.
//!
//! | role       | reads             | ends when                                                             |
//! |------------|-------------------|-----------------------------------------------------------------------|
//! | recovering | events            | the head, as it was at the start, is reached → following              |
//! | following  | events            | requested to lead: appends a `Term` → taking over                     |
//! | taking over| events            | the own `Term` is read back → leading                                 |
//! | leading    | events, commands  | requested not to → resigning; another's `Term` → recovering           |
//! | resigning  | events            | nothing is unconfirmed → following                                    |
//! | halted     | nothing           | never: the loop has ended, and the process continues with other shards |
//! | absent     | nothing           | requested to lead, where the process does not follow the shard → recovering |
//!
//! `turn.rs` handles each record that is read; `tend.rs` handles timers and requests.
//!
//! Architecture invariant: nothing leaves the shard before it is known to be on the log under the
//! own term (ADR 38), neither answers nor messages. (Snapshots are made from the log alone:
//! `snapshotter`.)

mod clocks;
mod control;
mod fatal;
mod leader;
mod recovery;
mod relay;
mod tend;
#[cfg(test)]
mod tests;
mod timers;
mod turn;
mod write_queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use engine_core::{HASH_EVERY, Replica};
use schemas::limits::OUTBOX_MAX;
use schemas::shard_map::ShardMap;
use schemas::text::Reason;
use schemas::{EngineId, LeaderHalted, Program, Shard};

use crate::log::{Clock, Extent, LogPartition, ShardLog, SnapshotStore};
use crate::metrics::ShardMetrics;
pub use clocks::AHEAD_MAX;
use clocks::Clocks;
pub use control::{Control, ShardRole};
pub use fatal::{HaltCause, HaltReport, LoopPosition};
use leader::Leader;

/// The state of one shard's thread.
pub struct ShardLoop<L, C, S> {
    shard: Shard,
    map: ShardMap,
    engine: EngineId,
    log: L,
    clock: C,
    store: S,
    control: Control,
    metrics: ShardMetrics,
    replica: Replica,
    stage: Stage,
    /// The number of outcomes from one state hash to the next.
    hash_every: u64,
    outbox_max: usize,
    /// Terms that this process appended for this shard.
    attempts: u64,
    /// How many times in a row a command arrived that was not the next.
    gaps: u32,
    /// No takeover before this time: another writer just took over, and the group's new assignment
    /// may not have arrived yet.
    hold_off: HoldOff,
    /// The comparison of the broker's clock with ours.
    clocks: Clocks,
    /// The vocabulary and build of this program.
    program: Program,
    /// The last record that was handled.
    at: LoopPosition,
}

/// The role, with the state that only that role has.
enum Stage {
    Recovering(Goal),
    Following,
    TakingOver { attempt: u64, since: Duration, commands: Extent },
    Leading(Leader),
    Resigning(Leader),
    Absent,
}

/// The condition for the end of a recovery.
#[derive(Clone, Copy)]
struct Goal {
    /// The end of the events, as it was at the start.
    head: u64,
    /// All commands below this one have an outcome, according to the last commit of a leader.
    committed: u64,
}

impl Goal {
    /// Before the condition is known.
    const NONE: Self = Self { head: u64::MAX, committed: 0 };
}

/// Delays the next takeover, so that two processes that both believe they should lead do not depose
/// each other in a tight loop.
struct HoldOff {
    until: Duration,
    wait: Duration,
}

impl HoldOff {
    const FIRST: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(16);
    /// After this long without being deposed, the next time counts as the first.
    const CALM: Duration = Duration::from_secs(60);

    fn deposed(&mut self, now: Duration) {
        let calm = now.saturating_sub(self.until) >= Self::CALM;
        let wait = if calm { Self::FIRST } else { self.wait };
        self.until = now + wait;
        self.wait = (wait * 2).min(Self::MAX);
    }
}

impl<L: ShardLog, C: Clock, S: SnapshotStore> ShardLoop<L, C, S> {
    /// Returns a loop that has not read anything yet.
    pub fn new(
        (shard, map): (Shard, ShardMap),
        engine: EngineId,
        (log, clock, store): (L, C, S),
        control: Control,
    ) -> Self {
        let replica = Replica::new(shard, map);
        let metrics = ShardMetrics::of(shard);
        let (stage, attempts) = (Stage::Recovering(Goal::NONE), 0);
        let hold_off = HoldOff { until: Duration::ZERO, wait: HoldOff::FIRST };
        Self {
            shard,
            map,
            engine,
            log,
            clock,
            store,
            control,
            metrics,
            replica,
            stage,
            hash_every: HASH_EVERY,
            outbox_max: OUTBOX_MAX,
            attempts,
            gaps: 0,
            hold_off,
            clocks: Clocks::new(AHEAD_MAX),
            program: Program::THIS,
            at: LoopPosition { source: LogPartition::Events, offset: 0 },
        }
    }

    /// Sets how far a command's time may be ahead of the own clock before the loop stops leading.
    #[must_use]
    pub fn with_clock_ahead_max(self, ahead_max: Duration) -> Self {
        Self { clocks: Clocks::new(ahead_max), ..self }
    }

    /// Reads, decides and signs as a build other than this one. For tests.
    #[must_use]
    pub fn with_program(self, program: Program) -> Self {
        let replica = self.replica.knowing(program.reads);
        Self { program, replica, ..self }
    }

    /// Publishes a state hash after this many outcomes instead of [`HASH_EVERY`].
    #[must_use]
    pub fn with_hash_every(self, outcomes: u64) -> Self {
        Self { hash_every: outcomes.max(1), ..self }
    }

    /// Considers another shard full from this many messages on instead of [`OUTBOX_MAX`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { outbox_max: messages, ..self }
    }

    /// Runs until [`Control`] requests the end. A failure, also a panic, affects only this shard:
    /// the loop then counts as halted, and records that on the log if it led. Call nothing else on
    /// it after that.
    pub fn run(&mut self) -> Result<(), HaltReport> {
        // After a panic only the loop's position, term and writer are used.
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_to_end()));
        let ended = ended.unwrap_or_else(|payload| Err(HaltCause::panicked(&*payload)));
        match ended {
            Ok(()) => self.control.ended(),
            Err(fatal) => {
                let halted = HaltReport { at: self.at, fatal };
                self.tell_halt(&halted);
                self.control.halt(&halted.to_string());
                self.metrics.role.set(f64::from(ShardRole::Halted.code()));
                return Err(halted);
            }
        }
        Ok(())
    }

    /// Records on the log that no commands are decided until another term begins, so that gateways
    /// accept no commands in the meantime. Best effort: a leader that is killed does not write it.
    fn tell_halt(&mut self, halted: &HaltReport) {
        let leads = matches!(self.stage, Stage::Leading(_) | Stage::Resigning(_));
        let Some(term) = self.replica.position().term.filter(|_| leads) else { return };
        let reason = Reason::of(&halted.to_string());
        let record = LeaderHalted { shard: self.shard, term, engine: self.engine, reason };
        if let Err(fault) = self.log.append_event(&record.encode()) {
            tracing::warn!(shard = %self.shard, %fault, "the halt could not be recorded on the log");
        }
    }

    fn run_to_end(&mut self) -> Result<(), HaltCause> {
        self.start()?;
        while !self.may_end() {
            self.step()?;
        }
        Ok(())
    }

    /// Determines where to start: call before the first [`ShardLoop::step`].
    pub fn start(&mut self) -> Result<(), HaltCause> {
        if self.control.wants_state() {
            return self.recover();
        }
        self.enter(Stage::Absent);
        Ok(())
    }

    /// Reads one record, if there is one, and does what is due.
    pub fn step(&mut self) -> Result<(), HaltCause> {
        self.control.beat();
        self.turn()?;
        self.tend()
    }

    /// Returns the shard's replica: what was read and, when leading, what was decided since.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns true once the loop was requested to end and waits for nothing more: do not call
    /// [`ShardLoop::step`] again then.
    pub fn may_end(&self) -> bool {
        let leads = matches!(self.stage, Stage::Leading(_) | Stage::Resigning(_));
        self.control.is_stopping() && !(leads && self.control.may_wait())
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        let role = self.stage.role();
        self.control.set_role(role);
        self.metrics.role.set(f64::from(self.control.told(role)));
        tracing::info!(shard = %self.shard, %role, sequence = self.replica.position().sequence, "role");
    }
}

impl Stage {
    fn role(&self) -> ShardRole {
        match self {
            Self::Recovering(_) => ShardRole::Recovering,
            Self::Following => ShardRole::Following,
            Self::TakingOver { .. } => ShardRole::TakingOver,
            Self::Leading(_) => ShardRole::Leading,
            Self::Resigning(_) => ShardRole::Resigning,
            Self::Absent => ShardRole::Absent,
        }
    }
}
