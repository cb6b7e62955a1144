//! Recovery: reads to the head of the log, from the newest valid snapshot or from the beginning.
//!
//! Nothing is written to a log that lacks something it is known to have had:
//!
//! | what is known of the log                     | checked                            | if the log lacks it       |
//! |----------------------------------------------|------------------------------------|---------------------------|
//! | the last outcome that the snapshot has read  | when it is read again ([`Reader`]) | [`Fault::OtherLog`]       |
//! | how far the snapshot has read                | before anything is read            | [`HaltCause::LogCut`]         |
//! | commands that had an outcome (the group's)   | when the head is reached           | [`HaltCause::OutcomesGone`]   |
//! | the next command, or its offset as the end   | before each takeover               | [`HaltCause::CommandsCut`]    |
//! | the id of the last command with an outcome   | when a leader begins to read       | [`HaltCause::OtherCommands`]  |
//!
//! [`Reader`]: schemas::reading::Reader
//! [`Fault::OtherLog`]: schemas::reading::RecordFault::OtherLog

use std::time::Duration;

use engine_core::Replica;
use service::kafka::KafkaFault;
use snapshots::{SNAPSHOT_WITHIN, newest_snapshot};

use super::{Goal, HaltCause, LoopPosition, ShardLoop, Stage};
use crate::log::{Clock, Extent, LogPartition, ShardLog, SnapshotStore};

/// The pause between requests to a cluster that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(200);

impl<L: ShardLog, C: Clock, S: SnapshotStore> ShardLoop<L, C, S> {
    /// Drops the state and starts again: from a snapshot, then event by event. Does nothing more if
    /// the state is no longer wanted.
    pub(super) fn recover(&mut self) -> Result<(), HaltCause> {
        self.enter(Stage::Recovering(Goal::NONE));
        if !self.control.wants_state() {
            return self.forget();
        }
        self.control.allow(SNAPSHOT_WITHIN);
        let (reads, shard) = (self.program.reads, (self.shard, self.map));
        let newest = newest_snapshot(reads, shard, &mut self.store);
        let replica = newest.unwrap_or_else(|| Replica::new(self.shard, self.map).knowing(reads));
        self.replica = replica.with_hash_every(self.hash_every).with_outbox_max(self.outbox_max);
        self.control.beat();
        let position = *self.replica.position();
        self.at = LoopPosition { source: LogPartition::Events, offset: position.start() };
        // In this order: what a leader has committed was on the log before its end is requested.
        let Some(committed) = self.ask(L::committed)? else { return Ok(()) };
        let Some(events) = self.ask(|log| log.extent(LogPartition::Events))? else { return Ok(()) };
        let Some(commands) = self.ask(|log| log.extent(LogPartition::Commands))? else { return Ok(()) };
        if position.start() < events.first || position.offset > events.end {
            return Err(HaltCause::LogCut {
                sequence: position.sequence,
                from: position.start(),
                to: position.offset,
                events,
            });
        }
        self.log.follow_from(position.start(), commands.first)?;
        let head = events.end;
        tracing::info!(shard = %self.shard, sequence = position.sequence, offset = position.offset, head, "recovering");
        self.stage = Stage::Recovering(Goal { head, committed });
        Ok(())
    }

    /// Starts to follow, if the goal is reached.
    pub(super) fn end_recovery(&mut self, Goal { head, committed }: Goal) -> Result<(), HaltCause> {
        if self.replica.next_offset() < head {
            return Ok(());
        }
        let next = self.replica.next_command();
        if committed > next {
            return Err(HaltCause::OutcomesGone { next, committed, head });
        }
        self.enter(Stage::Following);
        Ok(())
    }

    /// Returns the range of the commands partition, which includes the next command or ends at it.
    /// `None` if Kafka cannot answer now.
    pub(super) fn commands(&mut self) -> Result<Option<Extent>, HaltCause> {
        let next = self.replica.next_command();
        match self.log.extent(LogPartition::Commands) {
            Ok(commands) if commands.first <= next && next <= commands.end => Ok(Some(commands)),
            Ok(commands) => Err(HaltCause::CommandsCut { next, commands }),
            Err(fault) if fault.may_retry() => {
                tracing::warn!(shard = %self.shard, %fault, "a takeover waits for Kafka");
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Asks the log, and waits for Kafka. `None` if the loop must end first.
    pub(super) fn ask<T>(
        &mut self,
        question: impl Fn(&mut L) -> Result<T, KafkaFault>,
    ) -> Result<Option<T>, HaltCause> {
        while !self.control.is_stopping() {
            self.control.beat();
            match question(&mut self.log) {
                Ok(answer) => return Ok(Some(answer)),
                Err(fault) if fault.may_retry() => {
                    tracing::warn!(shard = %self.shard, %fault, "recovery waits for Kafka");
                    self.clock.sleep(ASK_AGAIN);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(None)
    }
}
