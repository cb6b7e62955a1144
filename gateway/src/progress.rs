//! How far a read model is, and waiting until it is far enough.
//!
//! One poller a read model, however many wait; nobody waits, nothing is asked.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use schemas::Shard;
use schemas::ids::Coordinate;
use service::Shutdown;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Between two questions while somebody waits. The read models move in batches every few milliseconds.
const PAUSE: Duration = Duration::from_millis(5);

/// Between two questions while the read model cannot be asked.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How far a read model is known to be.
pub struct Progress {
    name: &'static str,
    reached: watch::Sender<Vec<Coordinate>>,
    waiting: AtomicUsize,
    demand: Notify,
}

/// The read model is not that far yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the read model has not reached the position")]
pub struct NotReached;

impl Progress {
    /// Nothing known yet.
    pub fn new(name: &'static str) -> Arc<Self> {
        let (reached, waiting, demand) = (watch::Sender::new(Vec::new()), AtomicUsize::new(0), Notify::new());
        Arc::new(Self { name, reached, waiting, demand })
    }

    /// Waits until the read model is at least this far.
    pub async fn wait(&self, wanted: &[Coordinate], deadline: Instant) -> Result<(), NotReached> {
        let mut reached = self.reached.subscribe();
        if covers(&reached.borrow_and_update(), wanted) {
            return Ok(());
        }
        let _waiting = Waiting::new(self);
        let far_enough = reached.wait_for(|reached| covers(reached, wanted));
        match tokio::time::timeout_at(deadline, far_enough).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotReached),
        }
    }

    /// Asks `source` for as long as somebody waits. Ends with the process.
    pub async fn poll<E, F>(self: Arc<Self>, source: impl Fn() -> F, shutdown: Shutdown)
    where
        E: std::fmt::Display,
        F: Future<Output = Result<Vec<Coordinate>, E>>,
    {
        while !shutdown.is_triggered() {
            if self.waiting.load(Ordering::Acquire) == 0 {
                tokio::select! {
                    () = self.demand.notified() => {}
                    () = shutdown.wait() => return,
                }
            }
            match source().await {
                Ok(reached) => {
                    self.reached.send_replace(reached);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(read_model = self.name, %error, "cannot ask how far a read model is");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }
}

/// True if every wanted shard is at least that far.
fn covers(reached: &[Coordinate], wanted: &[Coordinate]) -> bool {
    let at = |shard: Shard| reached.iter().find(|at| at.shard == shard).map_or(0, |at| at.sequence);
    wanted.iter().all(|want| at(want.shard) >= want.sequence)
}

struct Waiting<'a>(&'a Progress);

impl<'a> Waiting<'a> {
    fn new(progress: &'a Progress) -> Self {
        progress.waiting.fetch_add(1, Ordering::AcqRel);
        // Keeps one permit if the poller is not waiting at this moment, so the demand is not missed.
        progress.demand.notify_one();
        Self(progress)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::AtomicU64;

    fn at(sequence: u64) -> Coordinate {
        Coordinate { shard: Shard::new(1).unwrap(), sequence }
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_is_told_and_nobody_waiting_means_nothing_is_asked() {
        let (progress, shutdown, asked) = (Progress::new("test"), Shutdown::new(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&asked);
        let source = move || {
            let sequence = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, Infallible>(vec![at(sequence)]) }
        };
        tokio::spawn(Arc::clone(&progress).poll(source, shutdown.clone()));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        let deadline = Instant::now() + Duration::from_secs(2);
        assert_eq!(progress.wait(&[at(5)], deadline).await, Ok(()));
        assert_eq!(progress.wait(&[at(4)], Instant::now()).await, Ok(()));
        assert_eq!(progress.wait(&[at(u64::MAX)], deadline).await, Err(NotReached));
        assert!(Instant::now() >= deadline);
        shutdown.trigger();
    }
}
