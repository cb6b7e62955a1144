//! The accept loop of every port that speaks HTTP: one task a connection, each bounded from its
//! first byte to the last byte of an answer.
//!
//!   socket ─▶ connections (how many) ─▶ TLS ─▶ stream (writing) ─▶ hyper ─▶ traffic (what goes on) ─▶ refusal (heads) ─▶ router
//!
//! | a connection                                        | ends                                             |
//! |-----------------------------------------------------|--------------------------------------------------|
//! | beyond the limit of its address, or its rate        | at once                                          |
//! | beyond the limit of all                             | takes the place of the one that is idle longest, |
//! |                                                     | or ends at once                                  |
//! | without TLS where it is demanded, or without a      | after `first_within`                             |
//! | whole first request                                 |                                                  |
//! | that had `requests` requests                        | in order, when they are answered                 |
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
mod headers;
mod limits;
mod pace;
mod peer;
pub mod refusal;
mod request_id;
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
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use tracing::Instrument;

use crate::{Shutdown, Tls};
use answer::AnswerBody;
pub use answer::PIECE;
use connections::{Connections, Slot};
pub use limits::{HEAD_MAX, HEAD_MAX_HTTP2, Limits};
pub use pace::Pace;
pub use peer::Peer;
use refusal::PortRefusal;
pub use request_id::{REQUEST_ID_HEADER, REQUEST_ID_MAX, RequestId};
use stream::{ByteStream, Stream};
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

/// Streams of HTTP/2 that a peer has reset before they were served. Beyond that, the connection
/// ends: a peer cannot have requests begun and thrown away without end.
pub const RESET_STREAMS_MAX: usize = 20;

/// Streams that were reset because the peer broke the protocol. Beyond that, the same.
pub const FAULTY_STREAMS_MAX: usize = 64;

/// An address that connections come to.
pub struct Entrance {
    listener: TcpListener,
    tls: Option<Tls>,
}

impl Entrance {
    /// Without TLS: HTTP/1.1, and HTTP/2 for who begins with it.
    pub fn plain(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }

    /// With TLS, over which HTTP/2 or HTTP/1.1 is agreed upon.
    pub fn encrypted(listener: TcpListener, tls: Tls) -> Self {
        Self { listener, tls: Some(tls) }
    }
}

/// How a port ends, in two steps.
#[derive(Clone, Default)]
pub struct PortEnding {
    /// Each answer over HTTP/1 ends its connection, so that clients come to another process with
    /// their next request. All are served.
    pub notice: Shutdown,
    /// No connection is accepted; those without a request in progress end.
    pub shutdown: Shutdown,
}

/// Serves until the shutdown; then lets the requests in progress end, a bounded time.
pub async fn serve(entrances: Vec<Entrance>, router: Router, limits: Limits, ending: PortEnding) {
    let port = Arc::new(Port::new(router, limits, ending));
    // Each connection has a sender; the receiver ends with the last of them.
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    let accepting = entrances.into_iter().map(|entrance| Arc::clone(&port).accept(entrance, open.clone()));
    let accepting: JoinSet<()> = accepting.collect();
    drop(open);
    accepting.join_all().await;
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
    ending: PortEnding,
}

impl Port {
    fn new(router: Router, limits: Limits, ending: PortEnding) -> Self {
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
            .max_concurrent_streams(limits.streams)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(FAULTY_STREAMS_MAX);
        let limits = Arc::new(limits);
        Self { builder, router, connections: Connections::new(Arc::clone(&limits)), limits, ending }
    }

    async fn accept(self: Arc<Self>, Entrance { listener, tls }: Entrance, open: mpsc::Sender<Infallible>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.ending.shutdown.wait() => break,
            };
            match accepted {
                Ok((stream, address)) => self.admit(stream, tls.as_ref(), Peer::of(address.ip()), &open),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, tls: Option<&Tls>, peer: Peer, open: &mpsc::Sender<Infallible>) {
        // Nothing is said: an answer would cost more than the connection.
        let Some(slot) = self.connections.admit(peer) else { return };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "options of a connection cannot be set");
        }
        let (port, acceptor, open) = (Arc::clone(self), tls.map(Tls::acceptor), open.clone());
        tokio::spawn(async move {
            match acceptor {
                None => port.converse(Box::new(stream), false, slot, peer).await,
                Some(acceptor) => {
                    if let Some(stream) = port.handshake(acceptor, stream, &slot.traffic()).await {
                        port.converse(Box::new(stream), true, slot, peer).await;
                    }
                }
            }
            drop(open);
        });
    }

    /// Agrees upon TLS. The time for the first request runs meanwhile.
    async fn handshake(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        traffic: &Traffic,
    ) -> Option<TlsStream<TcpStream>> {
        let until = traffic.due(&self.limits).at();
        tokio::select! {
            accepted = acceptor.accept(stream) => {
                accepted.inspect_err(|error| tracing::debug!(%error, "no TLS was agreed upon")).ok()
            }
            () = traffic.must_leave() => None,
            () = tokio::time::sleep_until(until) => None,
        }
    }

    async fn converse(&self, socket: Box<dyn ByteStream>, is_tls: bool, slot: Slot, peer: Peer) {
        let (traffic, limits) = (slot.traffic(), &self.limits);
        let stream = TokioIo::new(Stream::new(socket, slot, limits.write_within));
        let of_requests = RequestPath {
            router: self.router.clone(),
            traffic: Arc::clone(&traffic),
            peer,
            is_tls,
            requests: limits.requests,
            notice: self.ending.notice.clone(),
        };
        let service = hyper::service::service_fn(move |request| of_requests.clone().answer(request));
        let connection = self.builder.serve_connection_with_upgrades(stream, service).into_owned();
        let (stopped, mut asked) = (self.ending.shutdown.wait(), false);
        tokio::pin!(connection, stopped);
        loop {
            let at = traffic.due(limits).at();
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
                () = traffic.must_finish(), if !asked => {
                    asked = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = traffic.must_leave() => break,
                () = tokio::time::sleep_until(at) => match traffic.overdue(limits) {
                    None => {}
                    // What was sent meanwhile is still answered, and streams that nobody reads
                    // are not waited for.
                    Some(Due::Idle(_)) if !asked => {
                        asked = true;
                        traffic.leaves(limits.write_within);
                        connection.as_mut().graceful_shutdown();
                    }
                    // The other streams go on.
                    Some(Due::Stalled(_)) if traffic.end_stalled_streams(limits) => {
                        tracing::debug!(?peer, "streams are reset whose client does not read");
                    }
                    Some(why) => {
                        tracing::debug!(?why, ?peer, "a connection is ended");
                        break;
                    }
                },
            }
        }
    }
}

/// Small answers go out at once, and a peer that is gone is found out.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive.with_retries(KEEP_ALIVE_TIMES))
}

/// What the requests of a connection share.
#[derive(Clone)]
struct RequestPath {
    router: Router,
    traffic: Arc<Traffic>,
    peer: Peer,
    is_tls: bool,
    /// After so many, the connection ends.
    requests: u64,
    notice: Shutdown,
}

impl RequestPath {
    async fn answer(self, mut request: Request<hyper::body::Incoming>) -> Result<Response<AnswerBody>, Infallible> {
        let Self { router, traffic, peer, is_tls, requests, notice } = self;
        let under_way = traffic.begin();
        let (id, version) = (RequestId::of(request.headers()), request.version());
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        extensions.insert(Pace::of(Arc::clone(&traffic)));
        extensions.insert(id.clone());
        let serving = async {
            match PortRefusal::of(&request) {
                Some(refusal) => Ok(refusal.answer(version)),
                None => router.oneshot(request.map(Body::new)).await,
            }
        };
        let span = tracing::info_span!("request", request_id = id.as_str());
        let mut response = id.clone().scope(serving).instrument(span).await?;
        headers::complete(response.headers_mut(), &id, is_tls);
        let is_switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let is_last = under_way.number() + 1 >= requests;
        if is_last {
            traffic.finish();
        }
        if version < Version::HTTP_2 && !is_switched && (is_last || notice.is_triggered()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if is_switched {
            traffic.upgrade();
        }
        if is_switched || response.headers().contains_key(header::CONNECTION) {
            traffic.linger();
        }
        Ok(response.map(|body| AnswerBody::new(body, under_way)))
    }
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
