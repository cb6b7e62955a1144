//! An answer's body on its way out: in pieces, so that hyper takes the next only when there is room
//! for it. Each belongs to the request until it is written or thrown away, wherever it waits.
//!
//! hyper gives up a stream of HTTP/2 as soon as its end is queued, behind which the last piece may
//! wait for the client's window. So the end comes only when that piece was written: until then the
//! stream can be reset.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::traffic::RequestInProgress;

/// Bytes of an answer that hyper takes at once.
pub const PIECE: usize = 16 * 1024;

/// See the module. What belongs to the request ends with it and its pieces.
pub struct AnswerBody {
    body: Body,
    rest: Bytes,
    under_way: Arc<RequestInProgress>,
    /// Over HTTP/2: ends when the last piece was written.
    last: Option<oneshot::Receiver<Infallible>>,
}

/// Bytes that hyper has.
struct Piece {
    bytes: Bytes,
    under_way: Arc<RequestInProgress>,
    _written: Option<oneshot::Sender<Infallible>>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.under_way.goes_on();
    }
}

impl AnswerBody {
    pub fn new(body: Body, under_way: RequestInProgress) -> Self {
        under_way.goes_on();
        Self { body, rest: Bytes::new(), under_way: Arc::new(under_way), last: None }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        let mut written = None;
        if self.rest.is_empty() && self.under_way.is_stream() {
            let (sender, receiver) = oneshot::channel();
            (written, self.last) = (Some(sender), Some(receiver));
        }
        let under_way = Arc::clone(&self.under_way);
        Frame::data(Bytes::from_owner(Piece { bytes, under_way, _written: written }))
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(last) = &mut self.last {
            // Nothing is ever sent: the sender ends with its piece.
            let _ended = ready!(Pin::new(last).poll(cx));
            self.last = None;
        }
        Poll::Ready(())
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
            ready!(self.poll_written(cx));
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match frame?.into_data() {
            Ok(data) => {
                self.rest = data;
                Ok(self.piece())
            }
            Err(other) => Ok(other),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Streams;
    use super::super::traffic::Traffic;
    use super::*;
    use hyper::rt::Executor;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn next(answer: &mut AnswerBody) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *answer).poll_frame(cx)).await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_body_is_given_in_pieces_and_its_length_is_known() {
        let traffic = Traffic::new(0, Arc::default());
        let mut answer = AnswerBody::new(Body::from(vec![7; 2 * PIECE + 5]), traffic.begin());
        let mut pieces = Vec::new();
        assert_eq!(answer.size_hint().exact(), Some(2 * PIECE as u64 + 5));
        while let Some(piece) = next(&mut answer).await {
            pieces.push(piece);
            let left: usize = 2 * PIECE + 5 - pieces.iter().map(Bytes::len).sum::<usize>();
            assert_eq!((answer.size_hint().exact(), answer.is_end_stream()), (Some(left as u64), left == 0));
        }
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE, PIECE, 5]);
        drop(answer);
        // What is not written belongs to the request.
        assert_eq!(traffic.idle_since(), None);
        drop(pieces);
        assert!(traffic.idle_since().is_some());
    }

    #[tokio::test]
    async fn the_end_of_a_stream_comes_behind_its_last_piece() {
        let (sender, ended) = oneshot::channel();
        Streams.execute(async move {
            let traffic = Traffic::new(0, Arc::default());
            let mut answer = AnswerBody::new(Body::from(vec![7; PIECE + 5]), traffic.begin());
            let first = next(&mut answer).await.unwrap();
            let last = next(&mut answer).await.unwrap();
            drop(first);
            assert!(!answer.is_end_stream() && timeout(Duration::ZERO, next(&mut answer)).await.is_err());
            drop(last);
            assert_eq!(next(&mut answer).await, None);
            sender.send(()).unwrap();
        });
        ended.await.unwrap();
    }
}
