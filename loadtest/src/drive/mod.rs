//! Sends a plan over HTTP in an open loop and keeps every response.
//!
//!   plan ─▶ pace ─▶ *drive*: connections ─▶ gateway
//!                      └─▶ answers, latencies ─▶ report, verify
//!
//! A thread hands out each request when it is due, and any free connection sends it. If no
//! connection is free, the request waits, and the wait counts: latency runs from the due time to
//! the complete response.

pub mod answer;
mod batch;
mod live;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use tokio::sync::mpsc;

pub use answer::{RequestKind, RequestOutcome as AnswerResult, RequestResult};
pub use batch::orders_of;
use live::{LiveOrders, lock};

pub use state::{DriveSetup, client_id};
use state::{DriveState, keep};

use crate::api::{ApiConnection, ApiError};
use crate::latency::Latencies;
use crate::plan::{self, Action, Intent};
use crate::say::{grouped, say};

/// The maximum number of due requests that wait for a free connection. Beyond it, the load test
/// itself is too slow.
const WAITING_MAX: usize = 1 << 16;

/// The results of a plan.
#[derive(Debug)]
pub struct Driven {
    /// All results, in no particular order.
    pub answers: Vec<RequestResult>,
    /// Latencies of orders, but those below.
    pub orders: Latencies,
    /// Latencies of cancels, but those below.
    pub cancels: Latencies,
    /// Latencies of requests that the gateway refused because it had too many.
    pub shed: Latencies,
    /// Time from the first due time to the last response.
    pub took: Duration,
    /// Cancels that were due while there was no order to cancel.
    pub idle_cancels: u64,
    /// Requests that were due and never sent, because too many were waiting.
    pub unsent: u64,
}

/// Sends all of `plan`, whose first request is the `first`-th of the run, and waits for the last
/// response.
pub async fn drive(
    stage: Arc<DriveSetup>,
    plan: Arc<[Intent]>,
    first: usize,
    progress: bool,
) -> Result<Driven, ApiError> {
    let connections = warm_connections(&stage).await?;
    let (queue, due) = mpsc::channel(WAITING_MAX);
    let shared = Arc::new(DriveState {
        live: Mutex::new(LiveOrders::new(stage.markets.len())),
        latencies: Mutex::new((Latencies::new(), Latencies::new(), Latencies::new())),
        due: tokio::sync::Mutex::new(due),
        answered: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        idle_cancels: AtomicU64::new(0),
        first,
        plan,
        stage,
    });
    let workers: Vec<_> = connections.into_iter().map(|c| tokio::spawn(worker(shared.clone(), c))).collect();
    let start = Instant::now() + Duration::from_millis(50);
    let pacer = std::thread::spawn({
        let (plan, batch) = (shared.plan.clone(), shared.stage.batch);
        move || hand_out(&plan, batch, start, &queue)
    });
    let ticker = progress.then(|| tokio::spawn(tell_progress(shared.clone(), start)));
    let mut answers = Vec::with_capacity(shared.plan.len());
    for worker in workers {
        answers.extend(worker.await.expect("a worker does not panic"));
    }
    ticker.inspect(tokio::task::JoinHandle::abort);
    let unsent = pacer.join().expect("the pacer does not panic");
    let (orders, cancels, shed) = lock(&shared.latencies).clone();
    let idle_cancels = shared.idle_cancels.load(Ordering::Relaxed);
    Ok(Driven { answers, orders, cancels, shed, took: start.elapsed(), idle_cancels, unsent })
}

async fn warm_connections(stage: &DriveSetup) -> Result<Vec<ApiConnection>, ApiError> {
    let mut connections = Vec::with_capacity(stage.connections);
    for _ in 0..stage.connections {
        let mut connection = ApiConnection::new(stage.endpoint.clone());
        connection.warm_up().await?;
        connections.push(connection);
    }
    Ok(connections)
}

fn hand_out(plan: &[Intent], batch: usize, start: Instant, queue: &mpsc::Sender<(usize, Instant)>) -> u64 {
    let mut unsent = 0;
    let due = plan.chunks(batch).map(|batch| batch.last().map_or(Duration::ZERO, |last| last.due));
    crate::pace::pace(start, due, |nth, due| match queue.try_send((nth * batch, due)) {
        Ok(()) => true,
        Err(mpsc::error::TrySendError::Full(_)) => {
            unsent += batch as u64;
            true
        }
        Err(mpsc::error::TrySendError::Closed(_)) => false,
    });
    unsent
}

async fn worker(shared: Arc<DriveState>, mut connection: ApiConnection) -> Vec<RequestResult> {
    let mut answers = Vec::new();
    loop {
        let next = shared.due.lock().await.recv().await;
        let Some((index, due)) = next else { return answers };
        if shared.stage.batch > 1 {
            answers.extend(batch::send(&shared, &mut connection, index, || due.elapsed()).await);
            continue;
        }
        let Some(request) = prepare(&shared, index) else {
            shared.idle_cancels.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let key = &shared.stage.keys[request.account];
        let reply = connection.send(request.method, &request.path, Some(key), request.body).await;
        let latency = due.elapsed();
        let answer = RequestResult::new(request.asked, request.account, request.market, &reply);
        keep(&shared, &answer, latency);
        answers.push(answer);
    }
}

struct Prepared {
    asked: RequestKind,
    account: usize,
    market: usize,
    method: Method,
    path: String,
    body: Option<Bytes>,
}

/// Converts an intent into a request, now that the orders to cancel and the contracts to sell are
/// known.
fn prepare(shared: &DriveState, index: usize) -> Option<Prepared> {
    let intent = &shared.plan[index];
    let market = &shared.stage.markets[intent.market];
    let client_id = client_id(shared.stage.run, shared.first + index);
    let order = |account, contract, body: String| {
        let asked = RequestKind::Order { client_id, contract };
        let (method, path) = (Method::POST, "/v1/orders".to_owned());
        Some(Prepared { asked, account, market: intent.market, method, path, body: Some(body.into()) })
    };
    match intent.action {
        Action::Buy(buy) => order(intent.account, Some(buy.contract), plan::buy_body(market, &buy, client_id)),
        Action::Sell { crossing, reference, quantity, way, otherwise } => {
            match lock(&shared.live).take_lot(intent.market, quantity) {
                None => order(intent.account, Some(otherwise.contract), plan::buy_body(market, &otherwise, client_id)),
                Some(lot) => {
                    let price = plan::sell_price(reference, lot.contract, crossing, intent.market);
                    let body = plan::sell_body(market, lot.contract, price, lot.quantity, way, client_id);
                    order(lot.account, None, body)
                }
            }
        }
        Action::Cancel(pick) => {
            let resting = lock(&shared.live).pick(pick)?;
            let asked = RequestKind::Cancel { order: resting.order };
            let path = format!("/v1/orders/{}", resting.order);
            let (account, market) = (resting.account, resting.market);
            Some(Prepared { asked, account, market, method: Method::DELETE, path, body: None })
        }
    }
}

async fn tell_progress(shared: Arc<DriveState>, start: Instant) {
    let mut tick = tokio::time::interval_at((start + Duration::from_secs(10)).into(), Duration::from_secs(10));
    loop {
        tick.tick().await;
        let answered = shared.answered.load(Ordering::Relaxed);
        let failed = shared.failed.load(Ordering::Relaxed);
        let orders = lock(&shared.latencies).0.clone();
        say!(
            "            {:>3} s   {:>9} answered   {failed} failed   orders so far p50 {:.1} ms, p99 {:.1} ms",
            start.elapsed().as_secs(),
            grouped(answered),
            orders.quantile_ms(0.5),
            orders.quantile_ms(0.99)
        );
    }
}
