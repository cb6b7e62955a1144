//! The middleware of every request. Each step is bounded in time, and in number for each client
//! (`shares`), and so is how fast a client may ask (`rates`).
//!
//!   head ─▶ rates ─▶ body (receive) ─▶ the wanted position ─▶ signature ─▶ a place (admission) ─▶ handler ─▶ the place goes with the answer
//!
//! A client that sends slowly or waits has no place among the requests in progress.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{PoisonError, RwLock};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{Histogram, histogram};
use schemas::ids::LogPosition;
use schemas::{AccountId, Shard};
use service::serve::Pace;
use tokio::time::{Instant, timeout_at};

use crate::config::{POSITION_AHEAD_MAX, POSITION_WITHIN, REQUEST_WITHIN};
use crate::follow::Unavailable;
use crate::http::admission::{Admitted, apart, refuse, to_wait};
use crate::http::auth;
use crate::http::extract::QueryString;
use crate::http::outcome;
use crate::http::problem::{Problem, kinds};
use crate::http::receive::{receive, refuse_unread};
use crate::http::signed::{has_signature, verify};
use crate::http::unavailable::unavailable;
use crate::progress::{NotReached, ReadModelProgress};
use crate::rates::told::{self, Violated};
use crate::rates::{Demand, PAUSE};
use crate::shares::{Asker, Rank};
use crate::state::{GatewayState as Everything, Shared};

/// The middleware.
pub async fn pass(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    // Only known methods and the routes' own patterns, so that clients cannot invent labels.
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = known.into_iter().find(|known| request.method().as_str() == *known).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let (parts, body) = request.into_parts();
    let is_urgent = is_urgent(&parts.method, parts.extensions.get());
    let mut client = Client { asker: auth::asker(&parts, &state, is_urgent), demand: demand(&parts, is_urgent) };
    let pace = parts.extensions.get::<Pace>().cloned();
    // What is no route was meant as a write if its method is one.
    let is_write = !client.demand.is_read() || (route == "unknown" && !["GET", "other"].contains(&method));
    let answered = admitted(&state, &mut client, parts, body, next);
    let mut response = outcome::told(is_write.then_some(route), answered).await;
    if response.extensions().get::<Violated>().is_some() {
        slow_down(pace.as_ref(), client.asker);
    }
    told::tell(&state.rates, client.asker, client.demand, &mut response);
    // Unless it is for everybody, an answer belongs to one client.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    tracing::debug!(method, route, status, micros = start.elapsed().as_micros(), "request");
    SECONDS.of(method, route, status).record(start.elapsed());
    response
}

static SECONDS: Seconds = Seconds(RwLock::new(BTreeMap::new()));

/// Durations of requests: one histogram for each route, method and status, created with the first
/// answer.
struct Seconds(RwLock<BTreeMap<String, Vec<Answered>>>);

/// A method, a status, and the histogram of such answers of a route.
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

/// Returns true for requests that free an account's resources: keys may use the reserve for them.
fn is_urgent(method: &Method, route: Option<&MatchedPath>) -> bool {
    let cancels = ["/v1/orders", "/v1/orders/{id}", "/v1/groups/{group}"];
    let route = route.map_or("", MatchedPath::as_str);
    (*method == Method::DELETE && cancels.contains(&route)) || route == "/v1/groups/{group}/trigger"
}

/// Who sends a request, as far as is known, and what it takes.
struct Client {
    asker: Asker,
    demand: Demand,
}

async fn admitted(state: &Shared, client: &mut Client, mut parts: Parts, body: Body, next: Next) -> Response {
    let (mut asker, demand, rates) = (client.asker, client.demand, &state.rates);
    let is_urgent = demand.is_cancel;
    let is_signed = has_signature(&parts.headers);
    // A cancel does not wait for what its client did before. One that only claims to be signed is one
    // as long as its address is welcome.
    let may_be_cancel = is_urgent && is_signed && rates.is_welcome(asker, demand).is_ok();
    if asker.rank != Rank::Urgent && !may_be_cancel {
        slowed(&parts).await;
    }
    // Until the signature is verified, the account is unknown: the address must be welcome.
    let welcome = if is_signed { rates.is_welcome(asker, demand) } else { rates.admit(asker, demand) };
    if let Err(too_fast) = welcome {
        let refused = refuse_unread(Problem::rate_limited(too_fast), parts.version, body).await;
        return refuse(state, asker, refused);
    }
    let mut counted = rates.count(asker.owner, demand);
    let bytes = match receive(state, asker, &parts, body).await {
        Ok(bytes) => bytes,
        Err(refused) => {
            counted.answered(refused.status());
            return refuse(state, asker, refused);
        }
    };
    // The wait for the view is a part of it.
    let deadline = Instant::now() + REQUEST_WITHIN;
    // The handler reports a malformed query string, because it knows the route's parameters.
    let at_least = QueryString::parse(&parts.uri, state.map).at_least;
    if is_far(state, &at_least) {
        counted.refused();
        let detail = "the position is far beyond the end of the log";
        let problem = Problem::new(kinds::POSITION_NOT_REACHED).detail(detail);
        return refuse(state, asker, problem.into_response());
    }
    let served = async {
        view_reaches(state, asker, &at_least).await?;
        verify(state, &mut parts, &bytes)?;
        // Its account, if the signature or the wanted position has made it known.
        asker = auth::asker(&parts, state, is_urgent);
        (counted.owner, client.asker) = (asker.owner, asker);
        if is_signed {
            rates.admit(asker, demand).map_err(Problem::rate_limited)?;
        }
        let admitted = Admitted::take(state, asker)?;
        let request = Request::from_parts(parts, Body::from(bytes));
        let response = admitted.serve(finished(next.run(request), demand.is_read(), deadline)).await?;
        admitted.answer(response, demand.is_read())
    };
    match served.await {
        Ok(response) => {
            counted.answered(response.status());
            response
        }
        Err(problem) => {
            let refused = problem.into_response();
            counted.answered(refused.status());
            refuse(state, asker, refused)
        }
    }
}

fn demand(parts: &Parts, is_urgent: bool) -> Demand {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    Demand::of(&parts.method, route, is_urgent)
}

/// Waits if a request of the same connection was beyond a rate shortly before.
async fn slowed(parts: &Parts) {
    if let Some(pace) = parts.extensions.get::<Pace>() {
        pace.wait().await;
    }
}

/// Slows the connection of a request that is beyond a rate, unless other clients use it, too: one of
/// an address of many.
fn slow_down(pace: Option<&Pace>, asker: Asker) {
    if let Some(pace) = pace.filter(|_| asker.via.is_some()) {
        pace.hold(Instant::now() + PAUSE);
    }
}

/// Runs the handler until the deadline. A panic becomes a 500.
async fn finished(
    handler: impl Future<Output = Response>,
    is_read: bool,
    deadline: Instant,
) -> Result<Response, Problem> {
    match AssertUnwindSafe(timeout_at(deadline, handler)).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        // The result of the command is unknown here.
        Ok(Err(_)) if is_read => Err(Problem::new(kinds::READ_MODEL_UNAVAILABLE)),
        Ok(Err(_)) => Err(Problem::new(kinds::OUTCOME_UNKNOWN)),
        Err(_) => Err(Problem::new(kinds::INTERNAL)),
    }
}

/// Returns whether no gateway can have reported such a position. This one will not read that far in
/// time.
fn is_far(state: &Shared, at_least: &[LogPosition]) -> bool {
    let ahead = |at: &LogPosition| at.sequence.saturating_sub(state.live.view().sequence(at.shard));
    let is_read = |at: &LogPosition| !state.halted.contains(at.shard);
    at_least.iter().any(|at| is_read(at) && ahead(at) > POSITION_AHEAD_MAX)
}

/// Waits until the view has reached the positions: keys and markets are looked up there.
async fn view_reaches(state: &Shared, asker: Asker, at_least: &[LogPosition]) -> Result<(), Problem> {
    let out_of_reach = || state.halted.out_of_reach(at_least, |shard| state.live.view().sequence(shard));
    if let Some(shard) = out_of_reach() {
        return Err(Problem::shard_halted(shard));
    }
    if state.live.view().has_reached(at_least) {
        return Ok(());
    }
    let _waits = to_wait(state, asker)?;
    let reached = state.live.wait(at_least, Instant::now() + POSITION_WITHIN).await;
    match out_of_reach() {
        _ if reached => Ok(()),
        Some(shard) => Err(Problem::shard_halted(shard)),
        None => Err(Problem::new(kinds::POSITION_NOT_REACHED)),
    }
}

/// Like [`reaches`], and waits for everything that this gateway knows of the account on the shard
/// that is read, or on all (`None`), so that an account sees its own writes without asking.
pub async fn reaches_own(
    state: &Everything,
    progress: &ReadModelProgress,
    account: AccountId,
    of: Option<Shard>,
    at_least: &[LogPosition],
) -> Result<(), Problem> {
    // As of the request's arrival; later requests may wait for what comes later.
    let mut own = state.live.view().touched(account);
    own.retain(|at| of.is_none_or(|shard| at.shard == shard));
    reaches(progress, at_least).await?;
    if own.is_empty() {
        return Ok(());
    }
    let reached = apart(progress.wait(&own, Instant::now() + POSITION_WITHIN)).await?;
    reached.map_err(|NotReached| {
        Problem::new(kinds::READ_MODEL_UNAVAILABLE).detail("it is behind what the account has been told")
    })
}

/// The same for followers: a read of an account on these shards includes everything that this
/// gateway knows of it there.
pub async fn own_is_followed(
    state: &Everything,
    account: AccountId,
    is_read: impl Fn(Shard) -> bool,
) -> Result<(), Unavailable> {
    let mut own = state.live.view().touched(account);
    own.retain(|at| is_read(at.shard));
    state.followers.reach(&own, Instant::now() + POSITION_WITHIN).await
}

/// Waits, for a bounded time, until a read model has reached the positions.
pub async fn reaches(progress: &ReadModelProgress, at_least: &[LogPosition]) -> Result<(), Problem> {
    if at_least.is_empty() {
        return Ok(());
    }
    let reached = apart(progress.wait(at_least, Instant::now() + POSITION_WITHIN)).await?;
    reached.map_err(|NotReached| Problem::new(kinds::POSITION_NOT_REACHED))
}

/// Like [`reaches`], for the followers of the books.
pub async fn followers_reach(state: &Everything, at_least: &[LogPosition]) -> Result<(), Problem> {
    let reach = state.followers.reach(at_least, Instant::now() + POSITION_WITHIN);
    apart(reach).await?.map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn what_was_waited_for_before_the_handler_counts() {
        let deadline = Instant::now() + REQUEST_WITHIN;
        tokio::time::advance(POSITION_WITHIN).await;
        let kind = async |is_read| finished(pending(), is_read, deadline).await.unwrap_err().kind();
        assert_eq!((kind(true).await, kind(false).await), (kinds::READ_MODEL_UNAVAILABLE, kinds::OUTCOME_UNKNOWN));
        assert!(Instant::now().duration_since(deadline) < Duration::from_millis(10));
    }
}
