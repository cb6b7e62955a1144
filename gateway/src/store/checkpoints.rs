//! Writes checkpoints in a thread of its own; the tail never waits for it.
//!
//! Copies what changed under the view's lock (copies share large data), and encodes and writes
//! outside of it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use service::{Readiness, Shutdown};

use super::{Store, StoreError};
use crate::live::Live;

/// The longest interval between two checkpoints while anything changes.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// The number of changes that causes a checkpoint at once. It bounds how long the lock is held.
pub const CHANGED_MAX: usize = 16_384;

/// Interval between two checks of the number of changes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The name of the part that is degraded while checkpoints fail.
const PART: &str = "store";

/// The inputs of the thread.
pub struct Checkpoints {
    /// The view.
    pub live: Arc<Live>,
    /// The store.
    pub store: Arc<Store>,
    /// Reports failed checkpoints.
    pub readiness: Readiness,
    /// When to end.
    pub shutdown: Shutdown,
}

impl Checkpoints {
    /// Starts the thread. It takes a last checkpoint at the shutdown.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("checkpoints".to_owned()).spawn(move || self.run())
    }

    fn run(self) {
        let (mut last, mut written) = (Instant::now(), true);
        while !self.shutdown.is_triggered() {
            std::thread::sleep(LOOK_EVERY);
            // What cannot be written grows, and copying it takes the view's lock.
            let is_much = written && self.live.view().changed() >= CHANGED_MAX;
            if is_much || last.elapsed() >= CHECKPOINT_EVERY {
                written = self.take();
                last = Instant::now();
            }
        }
        self.take();
    }

    /// Returns false if the checkpoint failed.
    fn take(&self) -> bool {
        let start = Instant::now();
        let taken = checkpoint(&self.live, &self.store);
        match &taken {
            Ok(()) => histogram!("gateway_checkpoint_seconds").record(start.elapsed()),
            Err(error) => {
                counter!("gateway_checkpoints_failed_total").increment(1);
                // A repeated failure is reported by the degraded part alone.
                if !self.readiness.degraded().contains_key(PART) {
                    tracing::error!(%error, "a checkpoint failed; what it lacks is folded from the log after a restart");
                }
            }
        }
        gauge!("gateway_degraded", "part" => PART).set(if taken.is_err() { 1.0 } else { 0.0 });
        let written = taken.is_ok();
        self.readiness.degrade(PART, taken.err().map(|error| error.to_string()));
        written
    }
}

/// Writes what changed since the last checkpoint. Changes that could not be written stay for the
/// next one.
pub fn checkpoint(live: &Live, store: &Store) -> Result<(), StoreError> {
    let Some(batch) = live.change(crate::view::LiveView::take_changes)? else { return Ok(()) };
    let written = store.write(&batch);
    live.change(|view| match &written {
        Ok(()) => view.stored_changes(&batch),
        Err(_) => view.keep_changes(&batch),
    });
    written
}
