//! To the head of the log: from the newest snapshot that is whole, or from the beginning.

use std::time::Duration;

use engine_core::Replica;

use super::{Fatal, Place, ShardLoop, Stage};
use crate::log::{Clock, Log, Shelf, Source};
use crate::restore::newest_snapshot;

/// Snapshots of any size that a machine can hold are read and restored within this time; what takes longer
/// hangs.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Pause between questions to a cluster that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(200);

impl<L: Log, C: Clock, S: Shelf> ShardLoop<L, C, S> {
    /// Drops the state and begins again: at a snapshot, then event by event.
    pub(super) fn recover(&mut self) -> Result<(), Fatal> {
        self.enter(Stage::Recovering { head: u64::MAX });
        self.control.allow(SNAPSHOT_WITHIN);
        let replica = newest_snapshot(self.shard, self.map, &mut self.shelf)
            .unwrap_or_else(|| Replica::new(self.shard, self.map));
        self.replica = replica.with_hash_every(self.hash_every).with_outbox_max(self.outbox_max);
        self.control.beat();
        let position = *self.replica.position();
        self.at = Place { source: Source::Events, offset: position.offset };
        self.log.follow_from(position.offset)?;
        let Some(head) = self.head()? else { return Ok(()) };
        if position.offset > head {
            return Err(Fatal::LogCut { sequence: position.sequence, snapshot: position.offset, head });
        }
        tracing::info!(shard = %self.shard, sequence = position.sequence, offset = position.offset, head, "recovering");
        self.stage = Stage::Recovering { head };
        Ok(())
    }

    /// The end of the log; waits for Kafka. `None` if the loop must end first.
    fn head(&mut self) -> Result<Option<u64>, Fatal> {
        while !self.control.is_stopping() {
            self.control.beat();
            match self.log.head() {
                Ok(head) => return Ok(Some(head)),
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
