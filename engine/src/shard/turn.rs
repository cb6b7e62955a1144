//! Handles each record that is read.

use std::time::Duration;

use engine_core::{Halt, LOOKAHEAD, OwnRecord};
use schemas::reading::BrokenLog;
use schemas::{Cause, CommandId, CommandRecord, Outcome, Quarantine, Term, Timestamp};

use super::clocks::TimeCheck;
use super::leader::UNCONFIRMED_MAX;
use super::relay::Relay;
use super::timers::Timers;
use super::write_queue::WriteQueue;
use super::{HaltCause, Leader, LoopPosition, ShardLoop, Stage};
use crate::log::{Clock, LogPartition, LogRecord, ShardLog, SnapshotStore};

/// How long the loop sleeps at most: the resolution of its timers, and its reaction time to
/// requests.
const IDLE: Duration = Duration::from_millis(20);

/// The maximum sleep while records wait for the writer's queue.
const CROWDED: Duration = Duration::from_millis(1);

/// The maximum sleep while there is nothing to read: how soon the loop starts on a shard.
const ABSENT: Duration = Duration::from_millis(100);

/// How often the next command is requested again before it counts as missing.
const GAPS_MAX: u32 = 5;

/// A record, after the replica has processed it.
enum RecordAction {
    Read(OwnRecord),
    /// A command that now waits for its turn, or had it before.
    Accepted,
    /// A command, but not the next one; it has this offset.
    Gap(u64),
    /// Not the command that has the last outcome, but another at its offset.
    OtherCommand(u64),
    /// The next command, with a time that is wrong by one of the two clocks. Not accepted.
    FarAhead(Timestamp),
}

/// Returns true if the command at the offset of the last outcome's cause is a different one.
fn is_other(command: &LogRecord<'_>, last: Option<Cause>) -> bool {
    let id_of_none = || CommandRecord::id_of(command.bytes).unwrap_or(CommandId(0));
    let id = || CommandRecord::decode(command.bytes).map_or_else(|_| id_of_none(), |record| record.id);
    last.is_some_and(|cause| cause.offset == command.offset && cause.id != id())
}

impl<L: ShardLog, C: Clock, S: SnapshotStore> ShardLoop<L, C, S> {
    pub(super) fn turn(&mut self) -> Result<(), HaltCause> {
        let (hungry, timeout) = match &self.stage {
            Stage::Leading(leader) if !leader.out.is_empty() => (false, CROWDED),
            Stage::Leading(_) => (self.replica.unconfirmed() < UNCONFIRMED_MAX, IDLE),
            Stage::Absent => (false, ABSENT),
            _ => (false, IDLE),
        };
        // Batch only commands that were fetched already; never delay one to wait for more.
        let timeout = if hungry && self.replica.waiting() > 0 { Duration::ZERO } else { timeout };
        let Self { replica, clock, clocks, metrics, at, .. } = self;
        let seen = self.log.poll(hungry, timeout, |record| match at.visit(&record) {
            LogPartition::Events => replica.read(record.offset, record.bytes).map(RecordAction::Read),
            LogPartition::Commands if record.offset > replica.next_command() => Ok(RecordAction::Gap(record.offset)),
            LogPartition::Commands if is_other(&record, replica.last_cause()) => {
                Ok(RecordAction::OtherCommand(record.offset))
            }
            LogPartition::Commands => {
                let is_next = record.offset == replica.next_command();
                let time = match clocks.judge(record.time, clock.wall()) {
                    TimeCheck::FarAhead if is_next => return Ok(RecordAction::FarAhead(record.time)),
                    TimeCheck::Clamped(time) if is_next => {
                        metrics.times_clamped.increment(1);
                        time
                    }
                    TimeCheck::Taken(time) | TimeCheck::Clamped(time) => time,
                    // Ignored: it has an outcome, or waits already.
                    TimeCheck::FarAhead => record.time,
                };
                replica.accept(record.offset, time, record.bytes);
                Ok(RecordAction::Accepted)
            }
        })?;
        let seen = match seen.transpose() {
            Err(Halt::Broken(broken)) => return self.passed_over(broken),
            seen => seen?,
        };
        match seen {
            None => self.handle(hungry),
            Some(RecordAction::Accepted) => {
                self.gaps = 0;
                self.handle(self.replica.waiting() > LOOKAHEAD);
            }
            Some(RecordAction::Gap(found)) => self.gap(found)?,
            Some(RecordAction::OtherCommand(offset)) => return Err(HaltCause::OtherCommands { offset }),
            Some(RecordAction::FarAhead(time)) => self.clocks_are_apart(time)?,
            Some(RecordAction::Read(read)) => {
                self.have_read(read)?;
                self.handle(hungry);
            }
        }
        Ok(())
    }

    /// Handles a record at which the shard would halt: continues after it if admins have
    /// quarantined it.
    fn passed_over(&mut self, broken: BrokenLog) -> Result<(), HaltCause> {
        let offset = broken.offset;
        match self.ask(|log| log.quarantine_of(offset))? {
            // `None` if the loop must end first. The records after it must not be read in that case
            // either.
            None | Some(None) => Err(Halt::Broken(broken).into()),
            Some(Some(Quarantine { reason, .. })) => {
                tracing::warn!(shard = %self.shard, offset, %broken, %reason, "record skipped: it is quarantined");
                self.replica.pass_over(offset);
                Ok(())
            }
        }
    }

    /// Handles the next command, if it is time to and one waits.
    fn handle(&mut self, now: bool) {
        let waiting = self.replica.waiting() as u64;
        if now && waiting > 0 {
            self.at = LoopPosition { source: LogPartition::Commands, offset: self.replica.next_command() - waiting };
        }
        if let (true, Stage::Leading(leader)) = (now, &mut self.stage)
            && let Some(outcome) = self.replica.handle_next()
        {
            leader.out.event(outcome);
            self.metrics.commands_handled.increment(1);
        }
    }

    /// The reader skipped commands. Each was acknowledged to its sender, so none may be skipped:
    /// the loop requests the next one again.
    fn gap(&mut self, found: u64) -> Result<(), HaltCause> {
        let next = self.replica.next_command();
        self.gaps += 1;
        if self.gaps > GAPS_MAX {
            return Err(HaltCause::CommandsMissing { next, found });
        }
        tracing::error!(shard = %self.shard, next, found, "the reader skipped commands; reading them again");
        Ok(self.log.consume_from(next)?)
    }

    /// One of the two clocks is wrong, and this process cannot determine which: nothing may expire,
    /// close or be paid out by it.
    fn clocks_are_apart(&mut self, time: Timestamp) -> Result<(), HaltCause> {
        let (own, offset) = (self.clock.wall(), self.at.offset);
        let ahead = Duration::from_millis(time.as_millis().saturating_sub(own.as_millis()));
        tracing::error!(
            shard = %self.shard, command = offset, %time, %own, ?ahead,
            "gives up leadership: the broker's clock is too far ahead of this machine's; hint: correct the wrong clock; this shard \
             continues when this machine's clock is near the command's time; if the broker's clock was wrong and is right again, \
             restart with a larger LFG_CLOCK_AHEAD_MAX_SECONDS, and the command gets this machine's time"
        );
        self.metrics.clock_alarm.set(1.0);
        // The commands before it are valid, and no other leader will decide them soon.
        while self.replica.waiting() > 0 {
            self.handle(true);
        }
        self.clocks.raise_alarm(time);
        self.begin_to_resign()
    }

    fn have_read(&mut self, read: OwnRecord) -> Result<(), HaltCause> {
        self.control.read_up_to(self.replica.position());
        match read {
            OwnRecord::Ignored => Ok(()),
            OwnRecord::Quarantine(Quarantine { what, by, seconded, reason, .. }) => {
                tracing::warn!(shard = %self.shard, %what, %by, %seconded, %reason, "quarantined");
                Ok(())
            }
            OwnRecord::Unknown => {
                self.metrics.unknown.increment(1);
                Ok(())
            }
            OwnRecord::Term(term) => self.term(&term),
            OwnRecord::Followed(outcome) => {
                self.metrics.outcomes_read.increment(1);
                self.metrics.unknown.increment(outcome.unknown());
                Ok(())
            }
            OwnRecord::Confirmed(outcome) => {
                self.confirmed(outcome);
                Ok(())
            }
            OwnRecord::Deposed(term) => self.deposed(&term),
        }
    }

    /// Handles a new writer's term. If it is this loop's, it leads from here on: it has read every
    /// outcome that counts.
    fn term(&mut self, term: &Term) -> Result<(), HaltCause> {
        let Stage::TakingOver { attempt, since, commands } = self.stage else { return Ok(()) };
        if (term.engine, term.attempt) != (self.engine, attempt) {
            return Ok(());
        }
        if term.vocabulary != self.replica.state().vocabulary() {
            // The vocabulary was raised before this term began. Readers that know less stop at the
            // raise; those that start after it find the vocabulary in this term.
            tracing::info!(shard = %self.shard, "takes over again: the vocabulary was raised in the meantime");
            self.enter(Stage::Following);
            return Ok(());
        }
        self.replica.lead();
        self.gaps = 0;
        // Starts at the last command with an outcome, which shows that the commands belong to the
        // events.
        let next = self.replica.next_command();
        self.log.consume_from(if commands.first < next { next - 1 } else { next })?;
        let now = self.clock.elapsed();
        let mut out = WriteQueue::default();
        let relay = Relay::begin(&self.replica, (self.shard, self.map.shards()), now, &mut out);
        let timers = Timers::begin(self.shard);
        tracing::info!(
            shard = %self.shard, term = self.replica.position().term, took = ?(now - since), "took over"
        );
        self.metrics.terms_taken.increment(1);
        self.enter(Stage::Leading(Leader { out, relay, timers }));
        Ok(())
    }

    fn confirmed(&mut self, outcome: Outcome) {
        self.metrics.outcomes_read.increment(1);
        let waited = self.clock.wall().as_millis().saturating_sub(outcome.time.as_millis());
        self.metrics.outcome_seconds.record(Duration::from_millis(waited));
        let now = self.clock.elapsed();
        if let Stage::Leading(leader) | Stage::Resigning(leader) = &mut self.stage {
            leader.timers.confirmed(&outcome, self.replica.next_due(), now);
            leader.relay.confirmed(outcome, now, &mut leader.out);
        }
    }

    /// Another writer took over while this one led: what it decided since may never count.
    fn deposed(&mut self, by: &Term) -> Result<(), HaltCause> {
        tracing::warn!(shard = %self.shard, by = %by.engine, unconfirmed = self.replica.unconfirmed(), "deposed");
        self.metrics.deposed.increment(1);
        // A requested takeover is no dispute.
        if !self.control.wants_successor() {
            self.hold_off.deposed(self.clock.elapsed());
        }
        self.recover()
    }
}
