//! A request's place among those in progress. It is taken after the body was read, returned while
//! the request waits for a position, and kept until the answer is written.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
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
        let size = size(&response);
        let bytes = self.state.answers.take(self.asker, size);
        if bytes.is_none() && is_read && size > 0 {
            return Err(Problem::new(kinds::OVERLOADED).detail("too much is still to be read of earlier answers"));
        }
        Ok(keep(response, (place, bytes)))
    }
}

/// Counts a refusal among the answers of this client. If too many bytes of them are unread, it is a
/// short one, unless it says that the result of a command is unknown: that is always sent.
pub fn refuse(state: &Shared, asker: Asker, refusal: Response) -> Response {
    let size = size(&refusal);
    match state.answers.take(asker, size) {
        Some(bytes) => keep(refusal, (None, Some(bytes))),
        None if [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT].contains(&refusal.status()) => refusal,
        None => {
            let mut short = Problem::new(kinds::OVERLOADED).into_response();
            // Whether the connection is in step does not depend on the text.
            let ends = refusal.headers().get(header::CONNECTION).cloned();
            ends.map(|ends| short.headers_mut().insert(header::CONNECTION, ends));
            short
        }
    }
}

fn size(response: &Response) -> usize {
    response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

fn keep(response: Response, kept: Places) -> Response {
    response.map(|body| Body::new(Kept { body, kept: Arc::new(kept) }))
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

/// An answer's place among the requests and its bytes among those of answers.
type Places = (Option<Share>, Option<Share>);

/// A body with what is kept until it is written: its bytes keep it, too, wherever they wait.
struct Kept {
    body: Body,
    kept: Arc<Places>,
}

/// Bytes of an answer that are not yet written.
struct Unwritten {
    bytes: Bytes,
    _kept: Arc<Places>,
}

impl AsRef<[u8]> for Unwritten {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let keep = |bytes| Bytes::from_owner(Unwritten { bytes, _kept: Arc::clone(&self.kept) });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(keep))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::{Owner, Rank, Shares};
    use std::future::poll_fn;

    #[tokio::test]
    async fn an_answer_keeps_its_place_until_its_last_byte_is_written() {
        let shares = Shares::new(8, 1);
        let asker = Asker { owner: Owner::Many, rank: Rank::Urgent, via: None };
        let take = || shares.take(asker, 8);
        let mut response = keep(Response::new(Body::from("an answer")), (take(), None));
        let frame = poll_fn(|cx| Pin::new(response.body_mut()).poll_frame(cx)).await.unwrap().unwrap();
        let mut bytes = frame.into_data().unwrap();
        drop(response);
        let last = bytes.split_off(8);
        assert_eq!((&*bytes, &*last), (&b"an answe"[..], &b"r"[..]));
        drop(bytes);
        assert!(take().is_none());
        drop(last);
        assert!(take().is_some());
    }
}
