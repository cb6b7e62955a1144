//! An answer's body on its way out: in pieces, so that hyper takes the next only when there is room
//! for it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::traffic::RequestInProgress;

/// Bytes that one HTTP/2 stream may have waiting for its window.
pub const PIECE: usize = 16 * 1024;

/// See the module. What belongs to the request ends with it.
pub struct AnswerBody {
    body: Body,
    rest: Bytes,
    under_way: RequestInProgress,
}

impl AnswerBody {
    pub fn new(body: Body, under_way: RequestInProgress) -> Self {
        under_way.goes_on();
        Self { body, rest: Bytes::new(), under_way }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        Frame::data(self.rest.split_to(length))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.under_way.goes_on();
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame?.into_data() {
            Ok(data) => {
                self.rest = data;
                Ok(self.piece())
            }
            Err(other) => Ok(other),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
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
    use super::super::traffic::Traffic;
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_body_is_given_in_pieces_and_its_length_is_known() {
        let traffic = Traffic::new(0, Arc::default());
        let mut answer = AnswerBody::new(Body::from(vec![7; 2 * PIECE + 5]), traffic.begin());
        let mut lengths = Vec::new();
        assert_eq!(answer.size_hint().exact(), Some(2 * PIECE as u64 + 5));
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await {
            lengths.push(frame.unwrap().into_data().unwrap().len());
            let left: usize = 2 * PIECE + 5 - lengths.iter().sum::<usize>();
            assert_eq!((answer.size_hint().exact(), answer.is_end_stream()), (Some(left as u64), left == 0));
        }
        assert_eq!(lengths, [PIECE, PIECE, 5]);
        assert_eq!(traffic.idle_since(), None);
        drop(answer);
        assert!(traffic.idle_since().is_some());
    }
}
