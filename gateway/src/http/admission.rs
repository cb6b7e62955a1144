//! A request's place among those in progress. It is taken after the body was read, returned while
//! the request waits for a position, and kept until the answer is written.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use futures_util::FutureExt;
use hyper::body::{Frame, SizeHint};

use crate::asker;
use crate::http::problem::{Problem, kinds};
use crate::shares::{Asker, Share};
use crate::state::Shared;

tokio::task_local! {
    /// The place of the request that the current task serves.
    static ADMITTED: Arc<Admitted>;
}

/// A request with a place.
pub struct Admitted {
    state: Shared,
    asker: Asker,
    place: Mutex<Option<Share>>,
}

impl Admitted {
    /// Takes a place, if one is available for this client.
    pub fn take(state: &Shared, asker: Asker) -> Result<Arc<Self>, Problem> {
        let place = Mutex::new(Some(place(state, asker)?));
        Ok(Arc::new(Self { state: Arc::clone(state), asker, place }))
    }

    /// Serves the request.
    pub async fn serve<T>(self: &Arc<Self>, serving: impl Future<Output = T>) -> T {
        asker::asked_by(self.asker, ADMITTED.scope(Arc::clone(self), serving)).await
    }

    /// Attaches the place to the answer. If too many bytes of this client's answers are unread, a
    /// read is refused; the result of a command is always sent.
    pub fn answer(&self, response: Response, is_read: bool) -> Result<Response, Problem> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let bytes = self.state.answers.take(self.asker, size);
        if bytes.is_none() && is_read && size > 0 {
            return Err(Problem::new(kinds::OVERLOADED).detail("too much is still to be read of earlier answers"));
        }
        Ok(response.map(|body| Body::new(Kept { body, _kept: (place, bytes) })))
    }
}

fn place(state: &Shared, asker: Asker) -> Result<Share, Problem> {
    state.requests.take(asker, 1).ok_or_else(|| Problem::new(kinds::OVERLOADED))
}

/// Takes a place among the requests that wait for a position.
pub fn to_wait(state: &Shared, asker: Asker) -> Result<Share, Problem> {
    let full = || Problem::new(kinds::OVERLOADED).detail("too many requests wait for a position");
    state.waits.take(asker, 1).ok_or_else(full)
}

/// Waits for a position, and returns the request's place meanwhile.
pub async fn apart<T>(waiting: impl Future<Output = T>) -> Result<T, Problem> {
    // Subscriptions wait as well; the limit of connections bounds them.
    let Ok(admitted) = ADMITTED.try_with(Arc::clone) else { return Ok(waiting.await) };
    let mut waiting = pin!(waiting);
    if let Some(done) = waiting.as_mut().now_or_never() {
        return Ok(done);
    }
    let waits = to_wait(&admitted.state, admitted.asker)?;
    let set = |place| *admitted.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    set(None);
    let waited = waiting.await;
    set(Some(place(&admitted.state, admitted.asker)?));
    drop(waits);
    Ok(waited)
}

/// A body with what is kept until it is written.
struct Kept {
    body: Body,
    _kept: (Option<Share>, Option<Share>),
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
