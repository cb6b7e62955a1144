//! The accept loop: one task a connection, bounded heads, an orderly end.
//!
//! In place of `axum::serve`, which has no time limit for a request's head.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use service::Shutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::config::{DRAIN_WITHIN, HEAD_WITHIN};

/// Requests in progress on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

/// After a failure to accept, as when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown; then lets the requests in progress end, a bounded time.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_WITHIN).max_concurrent_streams(STREAMS_MAX);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => break,
        };
        match accepted {
            Ok((stream, _)) => connect(stream, &builder, &router, &graceful),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in progress at the end");
    }
}

fn connect(stream: TcpStream, builder: &Builder<TokioExecutor>, router: &Router, graceful: &GracefulShutdown) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    let service = TowerToHyperService::new(router.clone());
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // A client that hangs up or does not speak HTTP: its own matter.
            tracing::debug!(error = &*error, "a connection ended");
        }
    });
}
