//! The orderly end of a process: one request, seen by tasks and threads alike.

use tokio::sync::watch;

/// A request for an orderly end. Clones share the request.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { asked: watch::Sender::new(false) }
    }
}

impl Shutdown {
    /// Creates a request that only [`Shutdown::trigger`] makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a request that SIGTERM, SIGINT or [`Shutdown::trigger`] makes. Call within a
    /// runtime, once. A second signal ends the process at once with status 130, for an operator who
    /// will not wait.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let shutdown = Self::new();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                if asked.is_triggered() {
                    tracing::warn!(signal = name, "second request; ending at once");
                    std::process::exit(130);
                }
                tracing::info!(signal = name, "asked to stop");
                asked.trigger();
            }
        });
        Ok(shutdown)
    }

    /// Requests the end.
    pub fn trigger(&self) {
        self.asked.send_replace(true);
    }

    /// True once the end was requested. For threads.
    pub fn is_triggered(&self) -> bool {
        *self.asked.borrow()
    }

    /// Returns once the end was requested. For tasks.
    pub async fn wait(&self) {
        let mut asked = self.asked.subscribe();
        // `self` keeps the sender, so waiting cannot fail before the value changes.
        let _ = asked.wait_for(|&asked| asked).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_whether_the_request_came_before_or_after() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        assert!(!shutdown.is_triggered());
        shutdown.trigger();
        waiting.await.unwrap();
        shutdown.wait().await;
        assert!(shutdown.is_triggered());
    }
}
