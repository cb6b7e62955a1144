//! One shard's loop: follow the log; when told to, lead it.
//!
//! | role       | reads             | ends when                                                             |
//! |------------|-------------------|-----------------------------------------------------------------------|
//! | recovering | events            | the head, as it was at the start, is reached → following              |
//! | following  | events            | told to lead: appends a `Term` → taking over                          |
//! | taking over| events            | the own `Term` comes back → leading                                   |
//! | leading    | events, commands  | told not to → resigning; another's `Term` → recovering                |
//! | resigning  | events            | nothing is unconfirmed → following                                    |
//!
//! What happens when a record is read is in `turn.rs`; what happens with time in `tend.rs`.
//!
//! Architecture invariant: nothing leaves the shard before it came back through the log under the own term: answers,
//! messages and snapshots alike.

mod control;
mod leader;
mod pace;
mod recovery;
mod relay;
mod tend;
mod timers;
mod turn;

use std::time::Duration;

use engine_core::{Halt, Replica};
use schemas::shard_map::ShardMap;
use schemas::{EngineId, Shard};
use service::kafka::KafkaFault;

use crate::log::{Clock, Log, Shelf};
use crate::metrics::ShardMetrics;
pub use control::{Control, Role};
use leader::Leader;
pub use pace::Pace;

/// The shard cannot go on, and neither may the process: restarting must not hide it.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The log is broken, or this program does not agree with it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Kafka refuses what a shard cannot do without.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// Commands are gone, though each must have an outcome: the log lost records, or somebody wrote them in transactions.
    #[error("command {next} does not come: the log goes on with {found}")]
    CommandsMissing {
        /// The one that should come.
        next: u64,
        /// The one that came, each time it was asked for.
        found: u64,
    },
    /// A snapshot is ahead of the log: the log lost records, or was made anew beside old snapshots.
    #[error(
        "the snapshot at sequence {sequence} was taken at offset {snapshot}, and the log ends at {head}: the log lost \
         records, or the snapshots belong to another log (then remove them)"
    )]
    LogCut {
        /// The snapshot's sequence.
        sequence: u64,
        /// The offset that the snapshot had read up to.
        snapshot: u64,
        /// The end of the log.
        head: u64,
    },
}

/// Everything that one shard's thread has.
pub struct ShardLoop<L, C, S> {
    shard: Shard,
    map: ShardMap,
    engine: EngineId,
    log: L,
    clock: C,
    shelf: S,
    control: Control,
    metrics: ShardMetrics,
    replica: Replica,
    stage: Stage,
    pace: Pace,
    /// Terms that this process appended for this shard.
    attempts: u64,
    /// How often in a row a command came that was not the next.
    gaps: u32,
    /// No take-over before this: another writer just took over, and the group may not have told us yet.
    hold_off: HoldOff,
}

/// The role, with what only that role has.
enum Stage {
    Recovering { head: u64 },
    Following,
    TakingOver { attempt: u64, since: Duration },
    Leading(Leader),
    Resigning(Leader),
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

impl<L: Log, C: Clock, S: Shelf> ShardLoop<L, C, S> {
    /// A loop that has read nothing yet.
    pub fn new(
        (shard, map): (Shard, ShardMap),
        engine: EngineId,
        (log, clock, shelf): (L, C, S),
        control: Control,
        pace: Pace,
    ) -> Self {
        let replica = Replica::new(shard, map);
        let metrics = ShardMetrics::of(shard);
        let (stage, attempts) = (Stage::Recovering { head: 0 }, 0);
        let hold_off = HoldOff { until: Duration::ZERO, wait: HoldOff::FIRST };
        Self {
            shard,
            map,
            engine,
            log,
            clock,
            shelf,
            control,
            metrics,
            replica,
            stage,
            pace,
            attempts,
            gaps: 0,
            hold_off,
        }
    }

    /// Runs until [`Control`] asks for the end, then writes a last snapshot.
    pub fn run(&mut self) -> Result<(), Fatal> {
        self.start()?;
        while !self.may_end() {
            self.step()?;
        }
        self.last_snapshot();
        Ok(())
    }

    /// Finds where to begin: call before the first [`ShardLoop::step`].
    pub fn start(&mut self) -> Result<(), Fatal> {
        self.recover()
    }

    /// Reads one record, if there is one, and does what is due.
    pub fn step(&mut self) -> Result<(), Fatal> {
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
    fn role(&self) -> Role {
        match self {
            Self::Recovering { .. } => Role::Recovering,
            Self::Following => Role::Following,
            Self::TakingOver { .. } => Role::TakingOver,
            Self::Leading(_) => Role::Leading,
            Self::Resigning(_) => Role::Resigning,
        }
    }
}
