//! What every request goes through, each step bounded in time, and in number for each client (`shares`).
//!
//!   head, body (receive) ─▶ the wanted position ─▶ signature ─▶ a place (admission) ─▶ handler ─▶ the place goes with the answer
//!
//! A client that sends slowly, or waits, holds no place of those in progress.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{PoisonError, RwLock};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{Histogram, histogram};
use schemas::ids::LogPosition;
use schemas::{AccountId, Shard};
use tokio::time::{Instant, timeout};

use crate::config::{POSITION_AHEAD_MAX, POSITION_WITHIN, REQUEST_WITHIN};
use crate::follow::Unavailable;
use crate::http::admission::{Admitted, apart, to_wait};
use crate::http::auth;
use crate::http::extract::QueryString;
use crate::http::preview::unavailable;
use crate::http::problem::{Problem, kinds};
use crate::http::receive::receive;
use crate::http::signed::verify;
use crate::progress::{NotReached, ReadModelProgress};
use crate::shares::Asker;
use crate::state::{GatewayState as Everything, Shared};

/// The middleware.
pub async fn pass(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    // Only known methods and the routes' own patterns, so that clients cannot invent labels.
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = known.into_iter().find(|known| request.method().as_str() == *known).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = admitted(&state, request, next).await;
    // All that is answered is of this moment, and much of it one client's alone.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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

/// What frees resources of the account's, or saves it: for these a key finds a place where others find none.
fn is_urgent(method: &Method, route: Option<&MatchedPath>) -> bool {
    let cancels = ["/v1/orders", "/v1/orders/{id}", "/v1/groups/{group}"];
    let route = route.map_or("", MatchedPath::as_str);
    (*method == Method::DELETE && cancels.contains(&route)) || route == "/v1/groups/{group}/trigger"
}

async fn admitted(state: &Shared, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_urgent = is_urgent(&parts.method, parts.extensions.get());
    let asker = auth::asker(&parts, state, is_urgent);
    let bytes = match receive(state, asker, &parts, body).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let served = async {
        // A malformed query string is told by the handler, which knows the route's parameters.
        let at_least = QueryString::parse(&parts.uri, state.map).at_least;
        view_reaches(state, asker, &at_least).await?;
        verify(state, &mut parts, &bytes)?;
        let admitted = Admitted::take(state, auth::asker(&parts, state, is_urgent))?;
        let is_read = matches!(parts.method, Method::GET | Method::HEAD) || parts.uri.path() == "/v1/orders/preview";
        let request = Request::from_parts(parts, Body::from(bytes));
        let response = admitted.serve(finished(next.run(request), is_read)).await?;
        admitted.answer(response, is_read)
    };
    served.await.unwrap_or_else(IntoResponse::into_response)
}

/// An answer within the time, whatever becomes of its handler.
async fn finished(handler: impl Future<Output = Response>, is_read: bool) -> Result<Response, Problem> {
    match AssertUnwindSafe(timeout(REQUEST_WITHIN, handler)).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        // What a command has done by now is not known here.
        Ok(Err(_)) if is_read => Err(Problem::new(kinds::READ_MODEL_UNAVAILABLE)),
        Ok(Err(_)) => Err(Problem::new(kinds::OUTCOME_UNKNOWN)),
        Err(_) => Err(Problem::new(kinds::INTERNAL)),
    }
}

/// Keys and markets are looked up in the view: it must be as new as the client asks as well.
async fn view_reaches(state: &Shared, asker: Asker, at_least: &[LogPosition]) -> Result<(), Problem> {
    let out_of_reach = || state.halted.out_of_reach(at_least, |shard| state.live.view().sequence(shard));
    if let Some(shard) = out_of_reach() {
        return Err(Problem::shard_halted(shard));
    }
    if state.live.view().has_reached(at_least) {
        return Ok(());
    }
    // No gateway can have told of it, nor will this one read as much in time.
    let is_far =
        |at: &LogPosition| at.sequence.saturating_sub(state.live.view().sequence(at.shard)) > POSITION_AHEAD_MAX;
    if at_least.iter().any(is_far) {
        return Err(Problem::new(kinds::POSITION_NOT_REACHED).detail("the position is far beyond the end of the log"));
    }
    let _waits = to_wait(state, asker)?;
    let reached = state.live.wait(at_least, Instant::now() + POSITION_WITHIN).await;
    match out_of_reach() {
        _ if reached => Ok(()),
        Some(shard) => Err(Problem::shard_halted(shard)),
        None => Err(Problem::new(kinds::POSITION_NOT_REACHED)),
    }
}

/// As [`reaches`], and until it has all that this gateway knows of the account: an account sees its own writes without asking.
pub async fn reaches_own(
    state: &Everything,
    progress: &ReadModelProgress,
    account: AccountId,
    at_least: &[LogPosition],
) -> Result<(), Problem> {
    // What is known when the request comes; what comes later may be waited for by later requests.
    let own = state.live.view().touched(account);
    reaches(progress, at_least).await?;
    if own.is_empty() {
        return Ok(());
    }
    let reached = apart(progress.wait(&own, Instant::now() + POSITION_WITHIN)).await?;
    reached.map_err(|NotReached| {
        Problem::new(kinds::READ_MODEL_UNAVAILABLE).detail("it is behind what the account has been told")
    })
}

/// The same of followers: what is read of an account on these shards is to have all that this gateway knows of it there.
pub async fn own_is_followed(
    state: &Everything,
    account: AccountId,
    is_read: impl Fn(Shard) -> bool,
) -> Result<(), Unavailable> {
    let mut own = state.live.view().touched(account);
    own.retain(|at| is_read(at.shard));
    state.followers.reach(&own, Instant::now() + POSITION_WITHIN).await
}

/// Waits, a bounded time, until a read model is as new as the client asks.
pub async fn reaches(progress: &ReadModelProgress, at_least: &[LogPosition]) -> Result<(), Problem> {
    if at_least.is_empty() {
        return Ok(());
    }
    let reached = apart(progress.wait(at_least, Instant::now() + POSITION_WITHIN)).await?;
    reached.map_err(|NotReached| Problem::new(kinds::POSITION_NOT_REACHED))
}

/// As [`reaches`], of the followers of the books.
pub async fn followers_reach(state: &Everything, at_least: &[LogPosition]) -> Result<(), Problem> {
    let reach = state.followers.reach(at_least, Instant::now() + POSITION_WITHIN);
    apart(reach).await?.map_err(unavailable)
}
