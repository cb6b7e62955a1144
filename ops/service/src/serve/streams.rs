//! HTTP/2's streams, each a task that ends alone: hyper has no way to reset a stream whose client
//! does not open its window, but resets the stream of a task that is dropped.

use std::sync::Arc;

use hyper::rt::Executor;
use tokio::sync::Notify;

tokio::task_local! {
    /// Ends the stream that the current task serves.
    static END: Arc<Notify>;
}

/// Runs each stream of a connection as a task of its own.
#[derive(Clone, Copy)]
pub struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        tokio::spawn(END.scope(end, async move {
            tokio::select! {
                _done = stream => {}
                () = ended.notified() => {}
            }
        }));
    }
}

/// What ends the stream that the current task serves; `None` over HTTP/1, whose only stream is the
/// connection.
pub fn current() -> Option<Arc<Notify>> {
    END.try_with(Arc::clone).ok()
}
