//! One shard's loop: follow the log; when told to, lead it.
//!
//! | role       | reads             | ends when                                                             |
//! |------------|-------------------|-----------------------------------------------------------------------|
//! | recovering | events            | the head, as it was at the start, is reached → following              |
//! | following  | events            | told to lead: appends a `Term` → taking over                          |
//! | taking over| events            | the own `Term` comes back → leading                                   |
//! | leading    | events, commands  | told not to → resigning; another's `Term` → recovering                |
//! | resigning  | events            | nothing is unconfirmed → following                                    |
//! | halted     | nothing           | never: the loop has ended, and the process goes on with other shards  |
//! | absent     | nothing           | told to lead, where the process does not follow the shard → recovering |
//!
//! What happens when a record is read is in `turn.rs`; what happens with time in `tend.rs`.
//!
//! Architecture invariant: nothing leaves the shard before it is known to be on the log under the own term (ADR 38): answers,
//! and messages alike. (Snapshots are made from the log alone: `snapshotter`.)

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

/// Everything that one shard's thread has.
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
    /// Outcomes from one state hash to the next.
    hash_every: u64,
    outbox_max: usize,
    /// Terms that this process appended for this shard.
    attempts: u64,
    /// How often in a row a command came that was not the next.
    gaps: u32,
    /// No take-over before this: another writer just took over, and the group may not have told us yet.
    hold_off: HoldOff,
    /// How the broker's clock compares to ours.
    clocks: Clocks,
    /// What this program reads, and is called.
    program: Program,
    /// The last record that was looked at.
    at: LoopPosition,
}

/// The role, with what only that role has.
enum Stage {
    Recovering(Goal),
    Following,
    TakingOver { attempt: u64, since: Duration, commands: Extent },
    Leading(Leader),
    Resigning(Leader),
    Absent,
}

/// Where recovery is done.
#[derive(Clone, Copy)]
struct Goal {
    /// The end of the events, as it was at the start.
    head: u64,
    /// Commands below this one have an outcome, as a leader has said before that.
    committed: u64,
}

impl Goal {
    /// Before it is known.
    const NONE: Self = Self { head: u64::MAX, committed: 0 };
}

/// Two processes that both believe they should lead must not depose each other in a tight loop.
struct HoldOff {
    until: Duration,
    wait: Duration,
}

impl HoldOff {
    const FIRST: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(16);
    /// So long without being deposed, and the next time counts as the first.
    const CALM: Duration = Duration::from_secs(60);

    fn deposed(&mut self, now: Duration) {
        let calm = now.saturating_sub(self.until) >= Self::CALM;
        let wait = if calm { Self::FIRST } else { self.wait };
        self.until = now + wait;
        self.wait = (wait * 2).min(Self::MAX);
    }
}

impl<L: ShardLog, C: Clock, S: SnapshotStore> ShardLoop<L, C, S> {
    /// A loop that has read nothing yet.
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

    /// Stops leading only where a command's time is further ahead of the own clock than this.
    #[must_use]
    pub fn with_clock_ahead_max(self, ahead_max: Duration) -> Self {
        Self { clocks: Clocks::new(ahead_max), ..self }
    }

    /// Reads, decides and signs as another build than this one. For tests.
    #[must_use]
    pub fn with_program(self, program: Program) -> Self {
        let replica = self.replica.knowing(program.reads);
        Self { program, replica, ..self }
    }

    /// Publishes a state hash with every so many outcomes instead of [`HASH_EVERY`].
    #[must_use]
    pub fn with_hash_every(self, outcomes: u64) -> Self {
        Self { hash_every: outcomes.max(1), ..self }
    }

    /// Takes another shard for full from so many messages on instead of [`OUTBOX_MAX`].
    #[must_use]
    pub fn with_outbox_max(self, messages: usize) -> Self {
        Self { outbox_max: messages, ..self }
    }

    /// Runs until [`Control`] asks for the end. Whatever goes wrong, a panic too, is this
    /// shard's alone: the loop then counts as halted, and says so on the log if it led. Call nothing else of it after
    /// that.
    pub fn run(&mut self) -> Result<(), HaltReport> {
        // After a panic nothing of the loop is used but the place where it stood, its term and its writer.
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

    /// Says on the log that nobody decides until another term begins, so that gateways take no commands meanwhile. Best
    /// effort: a leader that is killed says nothing either.
    fn tell_halt(&mut self, halted: &HaltReport) {
        let leads = matches!(self.stage, Stage::Leading(_) | Stage::Resigning(_));
        let Some(term) = self.replica.position().term.filter(|_| leads) else { return };
        let reason = Reason::of(&halted.to_string());
        let record = LeaderHalted { shard: self.shard, term, engine: self.engine, reason };
        if let Err(fault) = self.log.append_event(&record.encode()) {
            tracing::warn!(shard = %self.shard, %fault, "the halt is not on the log");
        }
    }

    fn run_to_end(&mut self) -> Result<(), HaltCause> {
        self.start()?;
        while !self.may_end() {
            self.step()?;
        }
        Ok(())
    }

    /// Finds where to begin: call before the first [`ShardLoop::step`].
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

    /// The shard as this loop has it: what was read and, when leading, what was decided since.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// True once the loop was asked to end and has nothing left to wait for: call no more [`ShardLoop::step`] then.
    pub fn may_end(&self) -> bool {
        let leads = matches!(self.stage, Stage::Leading(_) | Stage::Resigning(_));
        self.control.is_stopping() && !(leads && self.control.may_wait())
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        let role = self.stage.role();
        self.control.set_role(role);
        self.metrics.role.set(f64::from(role.code()));
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
