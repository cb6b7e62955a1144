//! Writes snapshots, beside the shards' loops and from the log alone: no loop stands still for one, whether it leads or
//! follows.
//!
//!   the newest snapshot, lfg.events[s] ─▶ *scribe* ─▶ the next snapshot
//!
//! Each snapshot is made from the one before it, as a recovery would: so each is restored at least once while all is
//! well, and its state is held against the hashes on the log. One shard after the other, so that there is one more
//! state in memory, and no more.

mod pace;
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
use service::kafka::{KafkaFault, Reading};
use service::{Pulse, panic_text};
use snapshots::Snapshots;

use crate::kafka_log::{KafkaLog, LogConsumer, Writer};
use crate::log::{Log, Shelf};
use crate::metrics::{SNAPSHOT_BYTES, SNAPSHOT_SECONDS, SNAPSHOTS_FAILED};
use crate::shard::{Control, Role};
pub use pace::Pace;
pub use take::{Snapshot, TakeFault};

/// How long the last snapshots may take at an orderly end, all shards together.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// Time between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One shard's snapshots.
pub struct Desk<S> {
    /// The vocabulary that the program knows.
    reads: u16,
    shard: Shard,
    map: ShardMap,
    shelf: S,
    pace: Pace,
}

impl<S: Shelf> Desk<S> {
    /// The desk for a shard.
    pub fn new((shard, map): (Shard, ShardMap), shelf: S, pace: Pace) -> Self {
        Self { reads: VOCABULARY, shard, map, shelf, pace }
    }

    /// Reads as a build that knows this vocabulary. For tests.
    #[must_use]
    pub fn knowing(self, reads: u16) -> Self {
        Self { reads, ..self }
    }

    /// Writes a snapshot if one is due for a shard that is at `sequence` now: opens the log, reads, and begins to
    /// write. Its size, or `None` if none was due.
    pub fn tend<L: Log>(
        &mut self,
        (sequence, now): (u64, Duration),
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, TakeFault> {
        if self.shelf.is_busy() || !self.pace.is_due(sequence, now) {
            return Ok(None);
        }
        self.look_for_others(now);
        if !self.pace.is_due(sequence, now) {
            return Ok(None);
        }
        self.write(now, open, go_on)
    }

    /// The same at an orderly end, if anything came since the newest one: so the next start has little to fold.
    pub fn tend_last<L: Log>(
        &mut self,
        (sequence, now): (u64, Duration),
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, TakeFault> {
        self.shelf.finish();
        self.look_for_others(now);
        let written = if self.pace.is_behind(sequence) { self.write(now, open, go_on)? } else { None };
        self.shelf.finish();
        Ok(written)
    }

    /// Another process may have written to the same place.
    fn look_for_others(&mut self, now: Duration) {
        if let Ok(Some(&newest)) = self.shelf.list().as_deref().map(<[u64]>::first) {
            self.pace.is_there(newest, None, now);
        }
    }

    fn write<L: Log>(
        &mut self,
        now: Duration,
        open: impl FnOnce() -> Result<L, KafkaFault>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, TakeFault> {
        // Until it is known better.
        self.pace.failed(now);
        let taken = take::take(self.reads, (self.shard, self.map), (&mut open()?, &mut self.shelf), go_on)?;
        Ok(taken.map(|Snapshot { sequence, bytes }| {
            let size = bytes.len();
            self.pace.is_there(sequence, Some(size as u64), now);
            self.shelf.put(sequence, bytes);
            size
        }))
    }
}

/// The process's scribe: a thread.
pub struct Scribe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What the thread needs.
pub struct Tools {
    /// The log.
    pub log: LogArgs,
    /// Where snapshots are kept.
    pub snapshots: Snapshots,
    /// When they are due.
    pub pace: Pace,
    /// Each shard's loop, by number.
    pub controls: Vec<Control>,
    /// Goes with every reader of the log; nothing is written through it.
    pub writer: Arc<Writer>,
    /// The watchdog.
    pub pulse: Pulse,
}

impl Scribe {
    /// Starts the thread.
    pub fn start(tools: Tools) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("scribe".to_owned()).spawn(move || work(&tools, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it, once no loop runs any more: writes a last snapshot of each shard, as far as there is time. Blocks.
    pub fn end(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the scribe panicked");
        }
    }
}

fn work(tools: &Tools, stop: &AtomicBool) {
    let (start, map) = (Instant::now(), tools.log.shard_map());
    // A consumer for each snapshot: a process that writes none keeps none.
    let open = |shard| {
        let consumer = LogConsumer::open(&tools.log, Reading::Bulk)?;
        Ok(KafkaLog::new(&tools.log, shard, consumer, tools.writer.clone()))
    };
    let desk = |shard| Desk::new((shard, map), tools.snapshots.shelf(shard), tools.pace.clone());
    let mut desks: Vec<_> = Shard::all(tools.log.shards).map(desk).collect();
    // Asked once a record, or while one is waited for: what takes long goes on, what hangs does not.
    let go_on = || {
        tools.pulse.beat();
        !stop.load(Ordering::Acquire)
    };
    while go_on() {
        for (desk, control) in desks.iter_mut().zip(&tools.controls) {
            if !matches!(control.role(), Role::Recovering | Role::Halted | Role::Absent) {
                let shard = desk.shard;
                let at = (control.sequence(), start.elapsed());
                tell(shard, || desk.tend(at, || open(shard), go_on));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let (end, now) = (Instant::now(), start.elapsed());
    let go_on = || {
        tools.pulse.beat();
        end.elapsed() < LAST_WITHIN
    };
    // Also of a shard whose state the loop has given back after it led: the log is what a snapshot is made from.
    let may_read = |control: &Control| control.role() != Role::Halted;
    for (desk, control) in desks.iter_mut().zip(&tools.controls).filter(|(_, control)| may_read(control)) {
        let shard = desk.shard;
        tell(shard, || desk.tend_last((control.sequence(), now), || open(shard), go_on));
    }
    tools.pulse.stop();
}

/// Whatever goes wrong, a panic of the law too, costs a snapshot and no more.
fn tell(shard: Shard, tend: impl FnOnce() -> Result<Option<usize>, TakeFault>) {
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
        Ok(Err(TakeFault::Kafka(fault))) if fault.may_retry() => tracing::warn!(%shard, %fault, "no snapshot for now"),
        Ok(Err(fault)) => failed(&fault.to_string()),
        Err(payload) => failed(&format!("panicked: {}", panic_text(&*payload))),
    }
}
