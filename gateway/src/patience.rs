//! Waits at the start for a server that is not available yet, as all programs do. An error that
//! waiting cannot fix ends the process.

use std::fmt::Display;

use service::{Backoff, Shutdown};

/// Returns what the server answers once it is available; `None` if the process is asked to end
/// first.
pub async fn when_there<T, E: Display>(
    server: &str,
    shutdown: &Shutdown,
    may_wait: impl Fn(&E) -> bool,
    ask: impl AsyncFn() -> Result<T, E>,
) -> Result<Option<T>, E> {
    let mut backoff = Backoff::new();
    loop {
        match ask().await {
            Err(error) if may_wait(&error) => tracing::warn!(server, %error, "waiting"),
            given => return given.map(Some),
        }
        tokio::select! {
            () = shutdown.wait() => return Ok(None),
            () = backoff.wait() => {}
        }
    }
}
