//! The position of a read model, and waiting until it has reached another.
//!
//! One task polls each read model, only while a request is waiting.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use schemas::ids::LogPosition;
use service::Shutdown;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::seldom::Seldom;
use crate::waiting::PositionWaiters;

/// Interval between two polls while a request waits. The read models move in batches every few
/// milliseconds.
const PAUSE: Duration = Duration::from_millis(5);

/// Interval between two polls while the read model cannot be reached.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// The known position of a read model.
pub struct ReadModelProgress {
    name: &'static str,
    reached: RwLock<Vec<LogPosition>>,
    waiting: PositionWaiters,
    demand: Notify,
    line: Seldom,
}

/// The read model has not reached the position in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the read model has not reached the position")]
pub struct NotReached;

impl ReadModelProgress {
    /// Creates an unknown position.
    pub fn new(name: &'static str) -> Arc<Self> {
        let (reached, waiting, demand) = (RwLock::default(), PositionWaiters::default(), Notify::new());
        Arc::new(Self { name, reached, waiting, demand, line: Seldom::new() })
    }

    /// Waits until the read model has reached these positions.
    pub async fn wait(&self, wanted: &[LogPosition], deadline: Instant) -> Result<(), NotReached> {
        let has = |at: LogPosition| covers(&self.reached.read().unwrap_or_else(PoisonError::into_inner), at);
        if self.has(wanted) {
            return Ok(());
        }
        let mut waited = pin!(self.waiting.reach(wanted, deadline, has));
        // Registered before the poller is woken, so that the poller sees a waiting request.
        match poll!(waited.as_mut()) {
            Poll::Ready(reached) => return if reached { Ok(()) } else { Err(NotReached) },
            Poll::Pending => self.demand.notify_one(),
        }
        if waited.await { Ok(()) } else { Err(NotReached) }
    }

    /// Returns true if the read model is known to have reached these positions.
    pub fn has(&self, wanted: &[LogPosition]) -> bool {
        has_all(&self.reached.read().unwrap_or_else(PoisonError::into_inner), wanted)
    }

    /// Notes positions that an answer of the read model had.
    pub fn note(&self, at: &[LogPosition]) {
        if self.has(at) {
            return;
        }
        let mut reached = self.reached.write().unwrap_or_else(PoisonError::into_inner);
        for at in at {
            match reached.iter_mut().find(|known| known.shard == at.shard) {
                Some(known) => known.sequence = known.sequence.max(at.sequence),
                None => reached.push(*at),
            }
        }
        drop(reached);
        at.iter().for_each(|at| self.waiting.advance(*at));
    }

    /// Polls `source` while requests wait. Ends with the process.
    pub async fn poll<E, F>(self: Arc<Self>, source: impl Fn() -> F, shutdown: Shutdown)
    where
        E: std::fmt::Display,
        F: Future<Output = Result<Vec<LogPosition>, E>>,
    {
        while !shutdown.is_triggered() {
            if !self.waiting.is_wanted() {
                tokio::select! {
                    () = self.demand.notified() => {}
                    () = shutdown.wait() => return,
                }
            }
            match source().await {
                Ok(reached) => {
                    *self.reached.write().unwrap_or_else(PoisonError::into_inner) = reached.clone();
                    reached.into_iter().for_each(|at| self.waiting.advance(at));
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    if let Some(kept_back) = self.line.pass() {
                        tracing::warn!(read_model = self.name, %error, kept_back, "cannot ask how far a read model is");
                    }
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }
}

/// Returns true if all of these positions are reached.
pub fn has_all(reached: &[LogPosition], wanted: &[LogPosition]) -> bool {
    wanted.iter().all(|at| covers(reached, *at))
}

/// Returns true if the shard has reached the position.
fn covers(reached: &[LogPosition], wanted: LogPosition) -> bool {
    reached.iter().find(|at| at.shard == wanted.shard).map_or(0, |at| at.sequence) >= wanted.sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Shard;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn at(sequence: u64) -> LogPosition {
        LogPosition { shard: Shard::new(1).unwrap(), sequence }
    }

    #[test]
    fn what_an_answer_shows_is_known_and_never_goes_back() {
        let progress = ReadModelProgress::new("test");
        assert!(progress.has(&[at(0)]) && !progress.has(&[at(1)]));
        progress.note(&[at(5)]);
        progress.note(&[at(3)]);
        assert!(progress.has(&[at(5)]) && !progress.has(&[at(6)]));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_is_told_and_nobody_waiting_means_nothing_is_asked() {
        let (progress, shutdown, asked) =
            (ReadModelProgress::new("test"), Shutdown::new(), Arc::new(AtomicU64::new(0)));
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
