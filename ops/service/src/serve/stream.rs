//! A connection's socket. It has its place among the connections for as long as it is open, whoever
//! holds it, and a peer that takes nothing of what is written ends it. An answer that hyper gives by
//! itself gets a body (`refusal`). Over TLS, all of this is about what is encrypted and decrypted.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::connections::Slot;
use super::refusal;

/// How long a peer that is still sending may take to see what was said to it last, and how much it
/// may send.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 8 * 1024 * 1024;

/// A socket, with or without TLS.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// See the module.
pub struct Stream {
    /// Both until the end.
    open: Option<(Box<dyn ByteStream>, Slot)>,
    write_within: Duration,
    /// Runs while the socket takes nothing.
    deadline: Pin<Box<Sleep>>,
    waits: bool,
    /// The peer sends no more, or does not read.
    finished: bool,
    /// What is left of an answer that is written in place of hyper's.
    instead: Option<Bytes>,
}

impl Stream {
    pub fn new(socket: Box<dyn ByteStream>, slot: Slot, write_within: Duration) -> Self {
        let deadline = Box::pin(sleep(write_within));
        Self { open: Some((socket, slot)), write_within, deadline, waits: false, finished: false, instead: None }
    }

    fn socket(&mut self) -> Pin<&mut dyn ByteStream> {
        let (socket, _) = self.open.as_mut().expect("open until its end");
        Pin::new(socket.as_mut())
    }

    fn is_upgraded(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, slot)| slot.traffic().is_upgraded())
    }

    /// Writes the answer in place of hyper's, if these bytes are one. hyper's count as written when
    /// the last byte of the other was.
    fn write_instead(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<Result<usize>>> {
        let mut rest = match self.instead.take() {
            Some(rest) => rest,
            None if self.is_between_requests() => refusal::replace(bytes)?,
            None => return None,
        };
        while !rest.is_empty() {
            match self.socket().poll_write(cx, &rest) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => drop(rest.split_to(count)),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => {
                    self.instead = Some(rest);
                    return Some(Poll::Pending);
                }
            }
        }
        Some(Poll::Ready(Ok(bytes.len())))
    }

    /// No answer of a handler is being written.
    fn is_between_requests(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, slot)| slot.traffic().idle_since().is_some())
    }

    /// What writing came to, and whether it has been waited for too long. Other protocols have
    /// deadlines of their own.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() || self.is_upgraded() {
            self.waits = false;
            return written;
        }
        if !self.waits {
            self.waits = true;
            self.deadline.as_mut().reset(Instant::now() + self.write_within);
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.finished = true;
                Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = self.socket().poll_read(cx, buffer);
        let is_end = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before && buffer.remaining() > 0;
        self.finished |= is_end || matches!(read, Poll::Ready(Err(_)));
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = match self.write_instead(cx, bytes) {
            Some(written) => written,
            None => self.socket().poll_write(cx, bytes),
        };
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        // hyper's own answer is written alone.
        let alone = match slices {
            [bytes] => self.write_instead(cx, bytes),
            _ => None,
        };
        let written = match alone {
            Some(written) => written,
            None => self.socket().poll_write_vectored(cx, slices),
        };
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.open.as_ref().is_some_and(|(socket, _)| socket.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        // What TLS has encrypted waits until here.
        let flushed = self.socket().poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}

/// To close a socket with bytes that were not read takes away what was written before. So what was
/// said at the end of a conversation (`Traffic::lingers`) is given time to arrive.
impl Drop for Stream {
    fn drop(&mut self) {
        let Some((mut socket, slot)) = self.open.take() else { return };
        if self.finished || !slot.traffic().lingers() {
            return;
        }
        // At the end of the process there is none, and nobody waits.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let rest = async {
                socket.shutdown().await?;
                tokio::io::copy(&mut (&mut socket).take(LINGER_BYTES), &mut tokio::io::sink()).await
            };
            // Whatever comes of it, it ends here.
            let _ended = timeout(LINGER, rest).await;
            drop(slot);
        });
    }
}
