//! To the head of the log: from the newest snapshot that is whole, or from the beginning. And snapshots for the next time.

use std::time::Duration;

use engine_core::Replica;

use super::pace::Taken;
use super::{Fatal, Place, ShardLoop, Stage};
use crate::log::{Clock, Log, Shelf, Source};

/// Snapshots of any size that a machine can hold are read, restored or written within this time; what takes longer
/// hangs.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Pause between questions to a cluster that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(200);

impl<L: Log, C: Clock, S: Shelf> ShardLoop<L, C, S> {
    /// Drops the state and begins again: at a snapshot, then event by event.
    pub(super) fn recover(&mut self) -> Result<(), Fatal> {
        self.enter(Stage::Recovering { head: u64::MAX });
        self.control.allow(SNAPSHOT_WITHIN);
        let replica =
            self.newest_snapshot().unwrap_or_else(|| Replica::new(self.shard, self.map).knowing(self.program.reads));
        self.replica = replica.with_hash_every(self.pace.hash_every());
        self.control.beat();
        let position = *self.replica.position();
        self.at = Place { source: Source::Events, offset: position.offset };
        self.pace.restart(position.sequence, self.clock.elapsed());
        self.log.follow_from(position.offset)?;
        let Some(head) = self.head()? else { return Ok(()) };
        if position.offset > head {
            return Err(Fatal::LogCut { sequence: position.sequence, snapshot: position.offset, head });
        }
        tracing::info!(shard = %self.shard, sequence = position.sequence, offset = position.offset, head, "recovering");
        self.stage = Stage::Recovering { head };
        Ok(())
    }

    fn newest_snapshot(&mut self) -> Option<Replica> {
        let shard = self.shard;
        let list =
            self.shelf.list().inspect_err(|error| tracing::warn!(%shard, %error, "recovering from the log alone"));
        for sequence in list.unwrap_or_default() {
            match self.shelf.get(sequence) {
                Ok(bytes) => match Replica::restore_knowing(self.program.reads, (shard, self.map), &bytes) {
                    Ok(replica) => return Some(replica),
                    Err(error) => tracing::warn!(%shard, sequence, %error, "a snapshot is skipped"),
                },
                Err(error) => tracing::warn!(%shard, sequence, %error, "a snapshot is skipped"),
            }
        }
        None
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

    /// Takes a snapshot's bytes if one is due, and puts it on the shelf once its place in the log is certain.
    pub(super) fn keep_snapshots(&mut self) {
        let (sequence, now) = (self.replica.sequence(), self.clock.elapsed());
        if !self.shelf.is_busy() && self.pace.is_due(sequence, now) {
            self.take_snapshot(sequence, now);
        }
        if let Some(Taken { sequence, state }) = self.pace.certain(self.replica.position().sequence) {
            let snapshot = self.replica.snapshot_of(&state);
            self.put(sequence, snapshot);
        }
    }

    fn take_snapshot(&mut self, sequence: u64, now: Duration) {
        let start = self.clock.elapsed();
        self.control.allow(SNAPSHOT_WITHIN);
        let state = self.replica.state_bytes();
        self.metrics.snapshot_pause.record(self.clock.elapsed().saturating_sub(start));
        self.pace.take(Taken { sequence, state }, now);
    }

    fn put(&mut self, sequence: u64, snapshot: Vec<u8>) {
        #[allow(clippy::cast_precision_loss, reason = "a metric")]
        self.metrics.snapshot_bytes.set(snapshot.len() as f64);
        self.shelf.put(sequence, snapshot);
    }

    /// Call after the last [`ShardLoop::step`]: writes a snapshot, so that the next start has little to fold.
    pub fn last_snapshot(&mut self) {
        self.control.allow(SNAPSHOT_WITHIN);
        self.shelf.finish();
        let sequence = self.replica.position().sequence;
        if sequence > self.pace.last()
            && let Some(snapshot) = self.replica.snapshot()
        {
            self.put(sequence, snapshot);
            self.shelf.finish();
        }
    }
}
