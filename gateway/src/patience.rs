//! A server that is not there yet at the start is waited for, as all programs do. What no waiting mends ends the
//! process.

use std::fmt::Display;
use std::time::Duration;

use service::Shutdown;

/// Pause between questions.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a server gives once it is there; `None` if the process is asked to end first.
pub async fn when_there<T, E: Display>(
    server: &str,
    shutdown: &Shutdown,
    may_wait: impl Fn(&E) -> bool,
    ask: impl AsyncFn() -> Result<T, E>,
) -> Result<Option<T>, E> {
    loop {
        match ask().await {
            Err(error) if may_wait(&error) => tracing::warn!(server, %error, "waiting"),
            given => return given.map(Some),
        }
        tokio::select! {
            () = shutdown.wait() => return Ok(None),
            () = tokio::time::sleep(ASK_AGAIN) => {}
        }
    }
}
