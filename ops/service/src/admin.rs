//! The admin port, for probes and Prometheus.
//!
//! | request      | answer                                                                            |
//! |--------------|-----------------------------------------------------------------------------------|
//! | GET /livez   | 200 while every watched part shows signs of life, else 503 with the reasons       |
//! | GET /readyz  | 200 when all parts are ready or halted shares, else 503; names what is missing,   |
//! |              | halted and degraded parts with their reasons; a degraded process serves the rest, |
//! |              | and stays at 200                                                                  |
//! | GET /metrics | Prometheus's text format                                                          |
//!
//! All else is refused with a problem (`serve::refusal`). Its connections are bounded apart from
//! those of clients ([`CONNECTIONS`]), and each in time (`crate::serve`).
//!
//! There is no authentication: the port belongs on a network of operators.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

use crate::health::{Liveness, Readiness};
use crate::serve::{Entrance, Limits, PortEnding, demand_host, refusal, serve};
use crate::telemetry::Telemetry;

/// Maximum number of connections of the admin port. A probe always gets one: the connection that
/// has been idle longest is closed for it.
pub const CONNECTIONS: usize = 64;

/// What its connections may do.
pub const LIMITS: Limits = Limits {
    connections: CONNECTIONS,
    each_address: CONNECTIONS,
    shared_addresses: Vec::new(),
    first_within: Duration::from_secs(5),
    idle_within: Duration::from_secs(75),
    write_within: Duration::from_secs(10),
    drain_within: Duration::ZERO,
    streams: 8,
    requests: 100_000,
    // Probes come from wherever operators are.
    each_address_rate: None,
};

/// A running admin port. It serves until the runtime ends, so that probes see an orderly stop.
#[derive(Clone, Copy, Debug)]
pub struct AdminPort {
    address: SocketAddr,
}

#[derive(Clone)]
struct Asked {
    telemetry: Telemetry,
    liveness: Liveness,
    readiness: Readiness,
}

impl AdminPort {
    /// Listens on `listen` (port 0 takes a free one) and serves in the background of the current
    /// runtime.
    pub async fn start(
        listen: SocketAddr,
        telemetry: Telemetry,
        liveness: Liveness,
        readiness: Readiness,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        tokio::spawn(telemetry.clone().upkeep());
        let routes = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .method_not_allowed_fallback(async || refusal::METHOD_NOT_ALLOWED)
            .fallback(async || refusal::ROUTE_UNKNOWN)
            .layer(from_fn(demand_host))
            .with_state(Asked { telemetry, liveness, readiness });
        tokio::spawn(serve(vec![Entrance::plain(listener)], routes, LIMITS, PortEnding::default()));
        tracing::info!(%address, "admin port listens");
        Ok(Self { address })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn livez(State(asked): State<Asked>) -> Response {
    let complaints = asked.liveness.complaints();
    let status = if complaints.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "alive": complaints.is_empty(), "complaints": complaints }))).into_response()
}

async fn readyz(State(asked): State<Asked>) -> Response {
    let ready = asked.readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (missing, halted) = (asked.readiness.missing(), asked.readiness.halted());
    let degraded = asked.readiness.degraded();
    let told = json!({ "ready": ready, "missing": missing, "degraded": degraded, "halted": halted });
    (status, Json(told)).into_response()
}

async fn metrics(State(asked): State<Asked>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], asked.telemetry.render()).into_response()
}
