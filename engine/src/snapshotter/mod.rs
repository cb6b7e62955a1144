//! Writes snapshots outside the shards' loops and from the log alone: no loop pauses for a
//! snapshot, whether it leads or follows.
//!
//! ```text
//! the newest snapshot, lfg.events[s] ─▶ *snapshotter* ─▶ the next snapshot
//! ```
//!
//! Each snapshot is made from the previous one, as a recovery would do. So each is restored at
//! least once in normal operation, and its state is compared with the hashes on the log. Shards are
//! handled one after the other, so that memory holds only one additional state.

mod schedule;
mod take;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use schemas::shard_map::ShardMap;
use schemas::{Shard, VOCABULARY};
use service::config::LogArgs;
use service::kafka::{ConsumerProfile, KafkaFault};
use service::{Pulse, panic_text};
use snapshots::Snapshots;

use crate::kafka_log::{KafkaLog, LogConsumer, LogWriter};
use crate::log::{ShardLog, SnapshotStore};
use crate::metrics::{SNAPSHOT_BYTES, SNAPSHOT_SECONDS, SNAPSHOTS_FAILED};
use crate::shard::{Control, ShardRole};
pub use schedule::SnapshotSchedule;
pub use take::{SnapshotFault, TakenSnapshot};

/// How long the final snapshots may take at an orderly end, all shards together.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// The time between two checks of what is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One shard's snapshots.
pub struct ShardSnapshots<S> {
    /// The vocabulary that the program knows.
    reads: u16,
    shard: Shard,
    map: ShardMap,
    store: S,
    schedule: SnapshotSchedule,
}

impl<S: SnapshotStore> ShardSnapshots<S> {
    /// Returns the snapshots of a shard.
    pub fn new((shard, map): (Shard, ShardMap), store: S, schedule: SnapshotSchedule) -> Self {
        Self { reads: VOCABULARY, shard, map, store, schedule }
    }

    /// Reads as a build that knows this vocabulary. For tests.
    #[must_use]
    pub fn knowing(self, reads: u16) -> Self {
        Self { reads, ..self }
    }

    /// Writes a snapshot if one is due for a shard that is at `sequence` now: opens the log, reads,
    /// and starts to write. Returns its size, or `None` if none was due.
    pub fn tend<L: ShardLog>(
        &mut self,
        (sequence, now): (u64, Duration),
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, SnapshotFault> {
        if self.store.is_busy() || !self.schedule.is_due(sequence, now) {
            return Ok(None);
        }
        self.look_for_others(now);
        if !self.schedule.is_due(sequence, now) {
            return Ok(None);
        }
        self.write(now, open, go_on)
    }

    /// Writes a final snapshot at an orderly end, if there was any outcome since the newest one, so
    /// that the next start has little to fold.
    pub fn tend_last<L: ShardLog>(
        &mut self,
        (sequence, now): (u64, Duration),
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, SnapshotFault> {
        self.store.finish();
        self.look_for_others(now);
        let written = if self.schedule.is_behind(sequence) { self.write(now, open, go_on)? } else { None };
        self.store.finish();
        Ok(written)
    }

    /// Checks the store: another process may have written snapshots to it.
    fn look_for_others(&mut self, now: Duration) {
        if let Ok(Some(&newest)) = self.store.list().as_deref().map(<[u64]>::first) {
            self.schedule.is_there(newest, None, now);
        }
    }

    fn write<L: ShardLog>(
        &mut self,
        now: Duration,
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, SnapshotFault> {
        // Assumed until the result is known.
        self.schedule.failed(now);
        let taken = take::take(self.reads, (self.shard, self.map), (&mut open()?, &mut self.store), go_on)?;
        Ok(taken.map(|TakenSnapshot { sequence, bytes }| {
            let size = bytes.len();
            self.schedule.is_there(sequence, Some(size as u64), now);
            self.store.put(sequence, bytes);
            size
        }))
    }
}

/// The process's snapshotter: a thread.
pub struct Snapshotter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The settings of the thread.
pub struct SnapshotterConfig {
    /// The log.
    pub log: LogArgs,
    /// Where snapshots are kept.
    pub snapshots: Snapshots,
    /// When they are due.
    pub schedule: SnapshotSchedule,
    /// Each shard's loop, by number.
    pub controls: Vec<Control>,
    /// Every reader of the log needs one; nothing is written through it.
    pub writer: Arc<LogWriter>,
    /// The watchdog.
    pub pulse: Pulse,
}

impl Snapshotter {
    /// Starts the thread.
    pub fn start(tools: SnapshotterConfig) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread =
            std::thread::Builder::new().name("snapshotter".to_owned()).spawn(move || work(&tools, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread, once no loop runs any more: writes a final snapshot of each shard, as far
    /// as time allows. Blocks.
    pub fn end(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the snapshotter panicked");
        }
    }
}

fn work(tools: &SnapshotterConfig, stop: &AtomicBool) {
    let (start, map) = (Instant::now(), tools.log.shard_map());
    // One consumer per snapshot: a process that writes no snapshots keeps no consumer.
    let open = |shard| {
        let consumer = LogConsumer::open(&tools.log, ConsumerProfile::Bulk)?;
        Ok(KafkaLog::new(&tools.log, shard, consumer, tools.writer.clone()))
    };
    let snapshots = |shard| ShardSnapshots::new((shard, map), tools.snapshots.store(shard), tools.schedule.clone());
    let mut snapshots_of_shards: Vec<_> = Shard::all(tools.log.shards).map(snapshots).collect();
    // Called once for each record, or while waiting for one: slow work reports progress, hanging
    // work does not.
    let go_on = || {
        tools.pulse.beat();
        !stop.load(Ordering::Acquire)
    };
    while go_on() {
        for (snapshots, control) in snapshots_of_shards.iter_mut().zip(&tools.controls) {
            if !matches!(control.role(), ShardRole::Recovering | ShardRole::Halted | ShardRole::Absent) {
                let shard = snapshots.shard;
                let at = (control.sequence(), start.elapsed());
                tell(shard, || snapshots.tend(at, || open(shard), go_on));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let (end, now) = (Instant::now(), start.elapsed());
    let go_on = || {
        tools.pulse.beat();
        end.elapsed() < LAST_WITHIN
    };
    // Also for a shard whose loop has freed its state after leading: snapshots are made from the
    // log.
    let may_read = |control: &Control| control.role() != ShardRole::Halted;
    for (snapshots, control) in
        snapshots_of_shards.iter_mut().zip(&tools.controls).filter(|(_, control)| may_read(control))
    {
        let shard = snapshots.shard;
        tell(shard, || snapshots.tend_last((control.sequence(), now), || open(shard), go_on));
    }
    tools.pulse.stop();
}

/// Logs the result. A failure, also a panic of the core, costs only a snapshot.
fn tell(shard: Shard, tend: impl FnOnce() -> Result<Option<usize>, SnapshotFault>) {
    let start = Instant::now();
    let label = shard.to_string();
    let failed = |why: &str| {
        tracing::error!(%shard, why, "no snapshot can be made");
        counter!(SNAPSHOTS_FAILED, "shard" => label.clone()).increment(1);
    };
    match catch_unwind(AssertUnwindSafe(tend)) {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(size))) => {
            histogram!(SNAPSHOT_SECONDS, "shard" => label.clone()).record(start.elapsed());
            #[allow(clippy::cast_precision_loss, reason = "a metric")]
            gauge!(SNAPSHOT_BYTES, "shard" => label.clone()).set(size as f64);
        }
        Ok(Err(SnapshotFault::Kafka(fault))) if fault.may_retry() => {
            tracing::warn!(%shard, %fault, "no snapshot for now")
        }
        Ok(Err(fault)) => failed(&fault.to_string()),
        Err(payload) => failed(&format!("panicked: {}", panic_text(&*payload))),
    }
}
