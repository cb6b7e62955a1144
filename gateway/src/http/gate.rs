//! What every request goes through: a bound on how many at once, a time limit, the wanted position, metrics.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{PoisonError, RwLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{Histogram, histogram};
use schemas::ids::Coordinate;
use tokio::time::{Instant, timeout};

use crate::config::{POSITION_WITHIN, REQUEST_WITHIN};
use crate::http::extract::Query;
use crate::http::problem::{Problem, kinds};
use crate::progress::{NotReached, Progress};
use crate::state::{Shared, State as Everything};

/// The middleware.
pub async fn pass(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    // Only known methods and the routes' own patterns, so that clients cannot invent labels.
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = known.into_iter().find(|known| request.method().as_str() == *known).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = admitted(&state, request, next).await.unwrap_or_else(IntoResponse::into_response);
    let (route, status) = (route.as_ref().map_or("unknown", MatchedPath::as_str), response.status().as_u16());
    tracing::debug!(method, route, status, micros = start.elapsed().as_micros(), "request");
    SECONDS.of(method, route, status).record(start.elapsed());
    response
}

static SECONDS: Seconds = Seconds(RwLock::new(BTreeMap::new()));

/// How long requests take: one histogram for each route, method and status, made when it is first answered.
struct Seconds(RwLock<BTreeMap<String, Vec<Answered>>>);

/// A method, a status, and how long such answers of a route took.
type Answered = (&'static str, u16, Histogram);

impl Seconds {
    fn of(&self, method: &'static str, route: &str, status: u16) -> Histogram {
        let made = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_one = |(of, with, _): &&Answered| *of == method && *with == status;
        if let Some((.., histogram)) = made.get(route).and_then(|made| made.iter().find(is_one)) {
            return histogram.clone();
        }
        drop(made);
        let (path, code) = (route.to_owned(), status.to_string());
        let histogram = histogram!("gateway_request_seconds", "method" => method, "route" => path, "status" => code);
        let mut made = self.0.write().unwrap_or_else(PoisonError::into_inner);
        made.entry(route.to_owned()).or_default().push((method, status, histogram.clone()));
        histogram
    }
}

async fn admitted(state: &Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let _permit = state.requests.try_acquire().map_err(|_| Problem::new(kinds::OVERLOADED))?;
    // A malformed query string is told by the handler, which knows the route's parameters.
    let at_least = Query::parse(request.uri(), state.map).at_least;
    let answered = async {
        view_reaches(state, &at_least).await?;
        Ok(next.run(request).await)
    };
    let caught = AssertUnwindSafe(timeout(REQUEST_WITHIN, answered)).catch_unwind().await;
    match caught {
        Ok(Ok(answered)) => answered,
        Ok(Err(_)) => Err(Problem::new(kinds::REQUEST_TIMEOUT)),
        Err(_) => Err(Problem::new(kinds::INTERNAL)),
    }
}

/// Keys and markets are looked up in the view: it must be as new as the client asks as well.
async fn view_reaches(state: &Everything, at_least: &[Coordinate]) -> Result<(), Problem> {
    let out_of_reach = || state.halted.out_of_reach(at_least, |shard| state.live.view().sequence(shard));
    if let Some(shard) = out_of_reach() {
        return Err(Problem::shard_halted(shard));
    }
    let reached = at_least.is_empty() || state.live.wait(at_least, Instant::now() + POSITION_WITHIN).await;
    match out_of_reach() {
        _ if reached => Ok(()),
        Some(shard) => Err(Problem::shard_halted(shard)),
        None => Err(Problem::new(kinds::POSITION_NOT_REACHED)),
    }
}

/// Waits, a bounded time, until a read model is as new as the client asks.
pub async fn reaches(progress: &Progress, at_least: &[Coordinate]) -> Result<(), Problem> {
    if at_least.is_empty() {
        return Ok(());
    }
    let reached = progress.wait(at_least, Instant::now() + POSITION_WITHIN).await;
    reached.map_err(|NotReached| Problem::new(kinds::POSITION_NOT_REACHED))
}
