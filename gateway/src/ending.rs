//! The orderly end of the gateway. No request fails: each is answered, or goes to another gateway.
//!
//! | step                       | begins                    | what happens                              |
//! |----------------------------|---------------------------|-------------------------------------------|
//! | 1. notice                  | with SIGTERM              | not ready; every request is served, and   |
//! |                            |                           | over HTTP/1 its answer ends the connection |
//! | 2. drain ([`PortEnding`])  | `--notice-within` later   | no connection is accepted, HTTP/2 gets    |
//! |                            |                           | GOAWAY, WebSockets are closed in batches  |
//! | 3. stop                    | when all are answered, or | the tail, the producer and the followers  |
//! |                            | `DRAIN_WITHIN` later      | end, the last checkpoint is written       |
//!
//! Before the gateway listens, SIGTERM is the beginning of step 3. If the tail fails, step 2 begins
//! at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use service::serve::PortEnding;
use service::{ReadinessPart, Shutdown};
use tokio::task::JoinHandle;

/// WebSockets that are closed at once, and how long after them the next: their clients come to
/// other gateways together otherwise.
pub const CLOSED_AT_ONCE: usize = 200;
const CLOSED_EVERY: Duration = Duration::from_millis(20);

/// The last WebSocket is closed by then.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// The requests to end, one for each step.
#[derive(Clone, Default)]
pub struct GatewayEnding {
    /// Steps 1 and 2.
    pub port: PortEnding,
    /// Step 3.
    pub stop: Shutdown,
}

impl GatewayEnding {
    /// Before the gateway listens, nobody has to be waited for. Ends with the task.
    pub fn stops_at_once(&self, asked: &Shutdown) -> JoinHandle<()> {
        let (asked, stop) = (asked.clone(), self.stop.clone());
        tokio::spawn(async move {
            asked.wait().await;
            stop.trigger();
        })
    }

    /// Takes steps 1 and 2.
    pub async fn leave(self, asked: Shutdown, ready: ReadinessPart, notice_within: Duration) {
        tokio::select! {
            () = asked.wait() => {
                ready.set(false);
                self.port.notice.trigger();
                tracing::info!(?notice_within, "not ready; requests are still served");
                tokio::select! {
                    () = tokio::time::sleep(notice_within) => {}
                    () = self.stop.wait() => {}
                }
            }
            () = self.stop.wait() => {}
        }
        ready.set(false);
        self.port.shutdown.trigger();
    }
}

/// Numbers the WebSockets that are to be closed.
#[derive(Default)]
pub struct ClosingTurns(AtomicUsize);

impl ClosingTurns {
    /// Waits until it is the next one's turn.
    pub async fn wait(&self) {
        let before = self.0.fetch_add(1, Ordering::Relaxed) / CLOSED_AT_ONCE;
        let wait = CLOSED_EVERY.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        tokio::time::sleep(wait.min(CLOSED_WITHIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::Readiness;
    use tokio::time::Instant;

    const NOTICE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn the_steps_come_one_after_the_other() {
        let (asked, ending, readiness) = (Shutdown::new(), GatewayEnding::default(), Readiness::new());
        let ready = readiness.part("view");
        ready.set(true);
        let leaving = tokio::spawn(ending.clone().leave(asked.clone(), ready, NOTICE));
        let start = Instant::now();
        asked.trigger();
        ending.port.notice.wait().await;
        assert!(!readiness.is_ready() && !ending.port.shutdown.is_triggered());
        ending.port.shutdown.wait().await;
        assert_eq!(start.elapsed(), NOTICE);
        leaving.await.unwrap();
        assert!(!ending.stop.is_triggered(), "requests in progress need the tail");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_go_on_gives_no_notice_and_who_serves_nobody_stops_at_once() {
        let (asked, ending, readiness) = (Shutdown::new(), GatewayEnding::default(), Readiness::new());
        let early = ending.stops_at_once(&asked);
        asked.trigger();
        early.await.unwrap();
        let start = Instant::now();
        ending.clone().leave(asked, readiness.part("view"), NOTICE).await;
        assert!(ending.port.shutdown.is_triggered() && start.elapsed() < NOTICE);
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_are_closed_in_batches_and_soon_enough() {
        let (turns, start) = (ClosingTurns::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..3 * CLOSED_AT_ONCE {
            let before = Instant::now();
            turns.wait().await;
            waits.push(before.elapsed());
        }
        for (batch, waits) in waits.chunks(CLOSED_AT_ONCE).enumerate() {
            assert!(waits.iter().all(|wait| *wait == CLOSED_EVERY * u32::try_from(batch).unwrap()), "{batch}");
        }
        turns.0.store(usize::MAX / 2, Ordering::Relaxed);
        let before = Instant::now();
        turns.wait().await;
        assert!(before.elapsed() <= CLOSED_WITHIN && start.elapsed() > CLOSED_WITHIN);
    }
}
