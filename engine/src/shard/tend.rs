//! Handles timers, and requests to the loop.

use std::time::Duration;

use engine_core::Replica;
use schemas::Term;

use super::write_queue::WriterLost;
use super::{HaltCause, ShardLoop, Stage};
use crate::log::{AppendFault, Clock, ShardLog, SnapshotStore};

/// A takeover that takes longer than this is logged.
const TAKE_OVER_IS_SLOW: Duration = Duration::from_secs(10);

impl<L: ShardLog, C: Clock, S: SnapshotStore> ShardLoop<L, C, S> {
    pub(super) fn tend(&mut self) -> Result<(), HaltCause> {
        let wanted = self.control.wants_lead();
        match &self.stage {
            Stage::Recovering(goal) => self.end_recovery(*goal)?,
            Stage::Following if wanted && self.may_take_over() => self.take_over()?,
            Stage::TakingOver { .. } => self.await_term(wanted),
            Stage::Leading(_) => return self.lead(wanted),
            Stage::Resigning(_) => return self.resign(),
            Stage::Absent if wanted => self.recover()?,
            Stage::Following if !self.control.wants_state() => self.forget()?,
            Stage::Following | Stage::Absent => {}
        }
        self.report();
        Ok(())
    }

    fn may_take_over(&self) -> bool {
        self.hold_off.until <= self.clock.elapsed() && !self.clocks.are_apart(self.clock.wall())
    }

    /// Appends a `Term`; when it is read back, this loop has read all that counts.
    fn take_over(&mut self) -> Result<(), HaltCause> {
        if self.clocks.end_alarm() {
            tracing::info!(shard = %self.shard, "the clocks are near each other again");
            self.metrics.clock_alarm.set(0.0);
        }
        let Some(commands) = self.commands()? else { return Ok(()) };
        self.log.renew_writer()?;
        let attempt = self.attempts + 1;
        // The vocabulary agreed on the log, not the latest that this build can write.
        let (vocabulary, build) = (self.replica.state().vocabulary(), self.program.build);
        let term = Term { vocabulary, build, ..Term::new(self.shard, self.map.shards(), self.engine, attempt) };
        match self.log.append_event(&term.encode()) {
            Ok(()) => {
                self.attempts = attempt;
                self.enter(Stage::TakingOver { attempt, since: self.clock.elapsed(), commands });
            }
            // Tried again in the next step.
            Err(AppendFault::Full | AppendFault::WriterLost) => {}
        }
        Ok(())
    }

    /// Frees the state's memory and stops reading.
    pub(super) fn forget(&mut self) -> Result<(), HaltCause> {
        self.log.rest()?;
        self.replica = Replica::new(self.shard, self.map);
        self.enter(Stage::Absent);
        Ok(())
    }

    fn await_term(&mut self, wanted: bool) {
        let Stage::TakingOver { since, .. } = &mut self.stage else { return };
        let waited = self.clock.elapsed().saturating_sub(*since);
        if !wanted || self.log.writer_is_lost() {
            self.enter(Stage::Following);
        } else if waited >= TAKE_OVER_IS_SLOW {
            tracing::warn!(shard = %self.shard, ?waited, "the own term has not been read back yet");
            *since = self.clock.elapsed();
        }
    }

    fn lead(&mut self, wanted: bool) -> Result<(), HaltCause> {
        let Stage::Leading(leader) = &mut self.stage else { return Ok(()) };
        leader.timers.tend(self.replica.next_due(), &mut self.clock, &mut leader.out);
        let resent = leader.relay.tend(&self.replica, &mut self.clock, &mut leader.out);
        self.metrics.relay_resends.increment(resent);
        if let Err(WriterLost) = leader.out.write(&mut self.log) {
            return self.lost_writer();
        }
        self.report();
        if wanted { Ok(()) } else { self.begin_to_resign() }
    }

    /// Stops deciding commands. Waiting commands are left to the next leader.
    pub(super) fn begin_to_resign(&mut self) -> Result<(), HaltCause> {
        self.log.stop_consuming()?;
        let stage = std::mem::replace(&mut self.stage, Stage::Following);
        if let Stage::Leading(mut leader) = stage {
            leader.relay.acknowledge_all(&mut self.clock, &mut leader.out);
            self.enter(Stage::Resigning(leader));
        }
        self.resign()
    }

    /// Waits until all own records were read back; then another process can continue from here
    /// without loss.
    fn resign(&mut self) -> Result<(), HaltCause> {
        let Stage::Resigning(leader) = &mut self.stage else { return Ok(()) };
        if let Err(WriterLost) = leader.out.write(&mut self.log) {
            return self.lost_writer();
        }
        let done = leader.out.is_empty() && self.replica.unconfirmed() == 0;
        self.report();
        if done {
            self.replica.resign();
            self.enter(Stage::Following);
        }
        Ok(())
    }

    /// Records that were handed over may be missing, so the state may contain what will never
    /// count.
    fn lost_writer(&mut self) -> Result<(), HaltCause> {
        tracing::error!(shard = %self.shard, unconfirmed = self.replica.unconfirmed(), "gives up leadership: the writer failed");
        self.recover()
    }

    #[allow(clippy::cast_precision_loss, reason = "metrics")]
    fn report(&self) {
        self.metrics.role.set(f64::from(self.control.told(self.stage.role())));
        self.metrics.unchecked_hashes.set(self.replica.unchecked_hashes() as f64);
        self.metrics.sequence.set(self.replica.position().sequence as f64);
        self.metrics.unconfirmed.set(self.replica.unconfirmed() as f64);
    }
}
