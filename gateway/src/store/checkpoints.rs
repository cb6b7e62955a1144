//! Takes checkpoints: a thread of its own, which the tail never waits for.
//!
//! Under the view's lock what changed is taken as copies, which share what is large; encoding and writing go on outside.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use service::{Readiness, Shutdown};

use super::{Store, StoreError};
use crate::live::Live;

/// Between two checkpoints at most, as long as anything changes.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Changed things from which on a checkpoint is taken at once: what one holds the lock for.
pub const CHANGED_MAX: usize = 16_384;

/// Between two looks at how much has changed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The name of the part that is degraded while checkpoints fail.
const PART: &str = "store";

/// See the module.
pub struct Checkpoints {
    /// The view.
    pub live: Arc<Live>,
    /// Where they go.
    pub store: Arc<Store>,
    /// Told if they fail.
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
        let mut last = Instant::now();
        while !self.shutdown.is_triggered() {
            std::thread::sleep(LOOK_EVERY);
            if last.elapsed() >= CHECKPOINT_EVERY || self.live.view().changed() >= CHANGED_MAX {
                self.take();
                last = Instant::now();
            }
        }
        self.take();
    }

    fn take(&self) {
        let start = Instant::now();
        let taken = checkpoint(&self.live, &self.store);
        match &taken {
            Ok(()) => histogram!("gateway_checkpoint_seconds").record(start.elapsed()),
            Err(error) => {
                counter!("gateway_checkpoints_failed_total").increment(1);
                // What goes on failing is told by the part.
                if !self.readiness.degraded().contains_key(PART) {
                    tracing::error!(%error, "a checkpoint failed; what it lacks is folded from the log after a restart");
                }
            }
        }
        gauge!("gateway_degraded", "part" => PART).set(if taken.is_err() { 1.0 } else { 0.0 });
        self.readiness.degrade(PART, taken.err().map(|error| error.to_string()));
    }
}

/// Writes what changed since the last one. What could not be written is of the next.
pub fn checkpoint(live: &Live, store: &Store) -> Result<(), StoreError> {
    let Some(batch) = live.change(crate::view::LiveView::take_changes)? else { return Ok(()) };
    let written = store.write(&batch);
    live.change(|view| match &written {
        Ok(()) => view.stored_changes(&batch),
        Err(_) => view.keep_changes(&batch),
    });
    written
}
