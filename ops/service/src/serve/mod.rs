//! The accept loop of every port that speaks HTTP: one task a connection, each bounded from its
//! first byte to the last byte of an answer.
//!
//!   socket ─▶ connections (how many) ─▶ stream (writing) ─▶ hyper ─▶ traffic (what goes on) ─▶ refusal (heads) ─▶ router
//!
//! | a connection                                        | ends                                             |
//! |-----------------------------------------------------|--------------------------------------------------|
//! | beyond the limit of its address, or its rate        | at once                                          |
//! | beyond the limit of all                             | takes the place of the one that is idle longest, |
//! |                                                     | or ends at once                                  |
//! | without a whole first request                       | after `first_within`                             |
//! | without a request in progress, whatever pings come  | after `idle_within`                              |
//! | whose answer is not read                            | after `write_within` without progress; over      |
//! |                                                     | HTTP/2, the answer's stream alone is reset       |
//! | that takes no bytes at all                          | after `write_within`                             |
//! | whose peer is gone                                  | by TCP keep-alive                                |
//!
//! In place of `axum::serve`, which has none of these limits. Absent: how long a request may take,
//! and how many may be in progress. Handlers know that.

mod answer;
mod connections;
mod limits;
mod pace;
mod peer;
pub mod refusal;
mod stream;
mod streams;
mod traffic;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::Shutdown;
use answer::AnswerBody;
pub use answer::PIECE;
use connections::{Connections, Slot};
pub use limits::{HEAD_MAX, HEAD_MAX_HTTP2, Limits};
pub use pace::Pace;
pub use peer::Peer;
use refusal::PortRefusal;
use stream::Stream;
use streams::Streams;
use traffic::{Due, Traffic};

/// After a failure to accept, as when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// TCP keep-alive: a peer that is silent for so long is asked, again and again, and then given up.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMES: u32 = 4;

/// How long an HTTP/2 peer may take to answer a ping, which it gets when nothing was heard of it.
const PING_WITHIN: Duration = Duration::from_secs(20);

/// Bytes of bodies that a peer may send over HTTP/2 before a handler takes them: on a stream, and
/// on a connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Serves until the shutdown; then lets the requests in progress end, a bounded time.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let port = Port::new(router, limits, shutdown);
    // Each connection has a sender; the receiver ends with the last of them.
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = port.shutdown.wait() => break,
        };
        match accepted {
            Ok((stream, address)) => port.admit(stream, Peer::of(address.ip()), &open),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop((listener, open));
    if tokio::time::timeout(port.limits.drain_within, ended.recv()).await.is_err() {
        tracing::warn!("requests were still in progress at the end");
    }
}

/// What all connections of a port share.
struct Port {
    builder: Builder<Streams>,
    router: Router,
    limits: Arc<Limits>,
    connections: Arc<Connections>,
    shutdown: Shutdown,
}

impl Port {
    fn new(router: Router, limits: Limits, shutdown: Shutdown) -> Self {
        let mut builder = Builder::new(Streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle_within)
            .max_buf_size(HEAD_MAX as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.idle_within)
            .keep_alive_timeout(PING_WITHIN)
            .max_header_list_size(HEAD_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(limits.streams);
        let limits = Arc::new(limits);
        Self { builder, router, connections: Connections::new(Arc::clone(&limits)), limits, shutdown }
    }

    fn admit(&self, stream: TcpStream, peer: Peer, open: &mpsc::Sender<Infallible>) {
        // Nothing is said: an answer would cost more than the connection.
        let Some(slot) = self.connections.admit(peer) else { return };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "options of a connection cannot be set");
        }
        tokio::spawn(self.converse(stream, slot, peer, open.clone()));
    }

    fn converse(
        &self,
        stream: TcpStream,
        slot: Slot,
        peer: Peer,
        open: mpsc::Sender<Infallible>,
    ) -> impl Future<Output = ()> + 'static {
        let (traffic, limits, shutdown) = (slot.traffic(), Arc::clone(&self.limits), self.shutdown.clone());
        let stream = TokioIo::new(Stream::new(stream, slot, limits.write_within));
        let (router, of_requests) = (self.router.clone(), Arc::clone(&traffic));
        let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Pace::of(Arc::clone(&of_requests)));
            answer(router.clone(), request, Arc::clone(&of_requests))
        });
        let connection = self.builder.serve_connection_with_upgrades(stream, service).into_owned();
        async move {
            let (stopped, mut asked) = (shutdown.wait(), false);
            tokio::pin!(connection, stopped);
            loop {
                let at = traffic.due(&limits).at();
                tokio::select! {
                    ended = connection.as_mut() => {
                        if let Err(error) = ended {
                            // A client that hangs up or does not speak HTTP: its own matter. It may
                            // have been told so.
                            traffic.linger();
                            tracing::debug!(error = &*error, "a connection ended");
                        }
                        break;
                    }
                    () = &mut stopped, if !asked => {
                        asked = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    () = traffic.must_leave() => break,
                    () = tokio::time::sleep_until(at) => match traffic.overdue(&limits) {
                        None => {}
                        // What was sent meanwhile is still answered, and streams that nobody reads
                        // are not waited for.
                        Some(Due::Idle(_)) if !asked => {
                            asked = true;
                            traffic.leaves(limits.write_within);
                            connection.as_mut().graceful_shutdown();
                        }
                        // The other streams go on.
                        Some(Due::Stalled(_)) if traffic.end_stalled_streams(&limits) => {
                            tracing::debug!(?peer, "streams are reset whose client does not read");
                        }
                        Some(why) => {
                            tracing::debug!(?why, ?peer, "a connection is ended");
                            break;
                        }
                    },
                }
            }
            drop(open);
        }
    }
}

/// Small answers go out at once, and a peer that is gone is found out.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive.with_retries(KEEP_ALIVE_TIMES))
}

async fn answer(
    router: Router,
    request: Request<hyper::body::Incoming>,
    traffic: Arc<Traffic>,
) -> Result<Response<AnswerBody>, Infallible> {
    let under_way = traffic.begin();
    let response = match PortRefusal::of(&request) {
        Some(refusal) => refusal.answer(request.version()),
        None => router.oneshot(request.map(Body::new)).await?,
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        traffic.upgrade();
        traffic.linger();
    }
    if response.headers().contains_key(header::CONNECTION) {
        traffic.linger();
    }
    Ok(response.map(|body| AnswerBody::new(body, under_way)))
}

/// True if the request says whom it is for, once: HTTP/1.1 demands a `Host` header, and two could
/// be read differently by whoever stands in between.
pub fn names_host(request: &Parts) -> bool {
    match request.headers.get_all(header::HOST).iter().count() {
        0 => request.version != Version::HTTP_11,
        hosts => hosts == 1,
    }
}

/// As [`names_host`], for ports that have no check of their own.
pub async fn demand_host(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if names_host(&parts) { next.run(Request::from_parts(parts, body)).await } else { refusal::HOST.into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_one_ipv4_address_or_64_bits_of_ipv6() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
