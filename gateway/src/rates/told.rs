//! What clients are told about their rates: the headers `RateLimit-Policy` and `RateLimit` of every
//! answer (draft-ietf-httpapi-ratelimit-headers-11), and the body of `GET /v1/account/costs`.
//!
//! A policy is told as the quota `q` in a window of `w` seconds: what a full bucket holds, and the
//! time in which an empty one is full again. `r` is what is left, `t` the seconds until all is there.

use std::fmt::Write;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use serde::Serialize;
use service::buckets::BucketRate;
use utoipa::ToSchema;

use crate::rates::costs::{AMEND, CANCEL, PLACE, Policy, ROUTES, RequestCost};
use crate::rates::{Demand, Rates};
use crate::shares::Asker;

const POLICY_HEADER: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEVEL_HEADER: HeaderName = HeaderName::from_static("ratelimit");

/// The policy that refused a request: an extension of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violated(pub Policy);

/// Writes the headers of an answer: of the policies that apply, and of the one that refused.
pub fn tell(rates: &Rates, asker: Asker, demand: Demand, response: &mut Response) {
    let violated = response.extensions().get().map(|Violated(policy)| *policy);
    let applies = demand.policies().iter().copied();
    let other = violated.filter(|policy| !demand.policies().contains(policy));
    let (mut policies, mut levels) = (String::new(), String::new());
    for policy in applies.chain(other) {
        let Some(level) = rates.level(asker, policy) else { continue };
        let comma = if policies.is_empty() { "" } else { ", " };
        let (name, rate) = (policy.name(), rates.settings.of_client(asker.owner, policy));
        let (quota, window, left, wait) = (rate.burst, window(rate), level.left, seconds(level.full_in));
        // Writing into a text cannot fail.
        let _ = write!(policies, "{comma}\"{name}\";q={quota};w={window}");
        let _ = write!(levels, "{comma}\"{name}\";r={left};t={wait}");
    }
    if policies.is_empty() {
        return;
    }
    for (name, text) in [(POLICY_HEADER, policies), (LEVEL_HEADER, levels)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Seconds in which an empty bucket is full again.
fn window(rate: BucketRate) -> u32 {
    rate.burst.get().div_ceil(rate.per_second.get())
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// What each route costs, and what is left to the client.
#[derive(Serialize, ToSchema)]
pub struct CostsAnswer {
    /// All policies.
    policies: Vec<PolicyLevel>,
    /// All routes.
    routes: Vec<RouteCostShape>,
    /// Of `POST /v1/orders/batch`.
    batch_items: BatchItemCosts,
}

/// A policy and what is left of it to the client; null if the client has no such limit.
#[derive(Serialize, ToSchema)]
struct PolicyLevel {
    /// The name, as in `RateLimit-Policy`.
    #[schema(example = "write")]
    name: &'static str,
    /// What a full bucket holds.
    quota: u32,
    /// The seconds in which an empty one is full again.
    window_seconds: u32,
    /// What comes back in a second.
    per_second: u32,
    /// What is left.
    remaining: Option<u32>,
    /// The seconds until all of it is there again.
    full_in_seconds: Option<u64>,
}

/// What a request of a route costs. A batch costs the sum of its items.
#[derive(Serialize, ToSchema)]
struct RouteCostShape {
    /// The method.
    #[schema(example = "POST")]
    method: &'static str,
    /// The path, with the names of its parts in braces.
    #[schema(example = "/v1/orders")]
    path: &'static str,
    /// The policies of which it takes.
    #[schema(value_type = Vec<String>)]
    policies: &'static [&'static str],
    /// What it takes; null for a batch.
    cost: Option<u32>,
}

/// What each item of a batch costs: of `write`, a cancel of `cancel`.
#[derive(Serialize, ToSchema)]
struct BatchItemCosts {
    /// An order, of `write`.
    place: u32,
    /// An amendment, of `write`.
    amend: u32,
    /// A cancel, of `cancel`.
    cancel: u32,
}

impl CostsAnswer {
    /// Returns the limiter's table, and the levels of a client.
    pub fn of(rates: &Rates, asker: Asker) -> Self {
        let policy = |policy: Policy| {
            let (rate, level) = (rates.settings.of_client(asker.owner, policy), rates.level(asker, policy));
            PolicyLevel {
                name: policy.name(),
                quota: rate.burst.get(),
                window_seconds: window(rate),
                per_second: rate.per_second.get(),
                remaining: level.map(|level| level.left),
                full_in_seconds: level.map(|level| seconds(level.full_in)),
            }
        };
        let route = |(method, path, cost): &(&'static str, &'static str, RequestCost)| RouteCostShape {
            method,
            path,
            policies: cost.policies(),
            cost: cost.units(),
        };
        let batch_items = BatchItemCosts { place: PLACE.get(), amend: AMEND.get(), cancel: CANCEL.get() };
        Self { policies: Policy::ALL.map(policy).into(), routes: ROUTES.iter().map(route).collect(), batch_items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::ItemCounts;
    use crate::rates::tests::settings;
    use crate::shares::Owner;
    use axum::http::Method;
    use axum::response::IntoResponse;
    use schemas::AccountId;

    fn told(rates: &Rates, asker: Asker, demand: Demand, violated: Option<Policy>) -> Option<(String, String)> {
        let mut response = ().into_response();
        violated.map(|policy| response.extensions_mut().insert(Violated(policy)));
        tell(rates, asker, demand, &mut response);
        let text = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        text(POLICY_HEADER).zip(text(LEVEL_HEADER))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_the_policies_that_apply_and_the_one_that_refused() {
        let rates = Rates::new(settings());
        let alice = Asker::account(AccountId(1), None);
        let demand = |method, route| Demand::of(&method, route, false);
        let order = demand(Method::POST, "/v1/orders");
        let some = |policies: &str, levels: &str| Some((policies.to_owned(), levels.to_owned()));
        assert_eq!(told(&rates, alice, order, None), some("\"write\";q=200;w=2", "\"write\";r=200;t=0"));
        rates.admit_items(alice, ItemCounts { places: 10, amends: 0, cancels: 3 }).unwrap();
        let batch = told(&rates, alice, demand(Method::POST, "/v1/orders/batch"), None);
        let policies = "\"write\";q=200;w=2, \"cancel\";q=20;w=2";
        assert_eq!(batch, some(policies, "\"write\";r=180;t=1, \"cancel\";r=17;t=1"));
        let refused = told(&rates, alice, demand(Method::GET, "/v1/wallet"), Some(Policy::Refused));
        let policies = "\"read\";q=20;w=2, \"refused\";q=4;w=2";
        assert_eq!(refused, some(policies, "\"read\";r=20;t=0, \"refused\";r=4;t=0"));
        let many = Asker { owner: Owner::Many, ..alice };
        assert_eq!(told(&rates, many, order, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn costs_are_the_limiters_table_and_what_is_left() {
        let rates = Rates::new(settings());
        let alice = Asker::account(AccountId(1), None);
        rates.admit(alice, Demand::of(&Method::POST, "/v1/orders", false)).unwrap();
        let answer = serde_json::to_value(CostsAnswer::of(&rates, alice)).unwrap();
        assert_eq!(answer["routes"].as_array().unwrap().len(), ROUTES.len());
        assert_eq!(
            answer["routes"][0],
            serde_json::json!({"method": "POST", "path": "/v1/orders", "policies": ["write"], "cost": 2})
        );
        assert_eq!(answer["batch_items"], serde_json::json!({"place": 2, "amend": 2, "cancel": 1}));
        let write = serde_json::json!({"name": "write", "quota": 200, "window_seconds": 2, "per_second": 100,
            "remaining": 198, "full_in_seconds": 1});
        assert_eq!(answer["policies"][0], write);
        assert_eq!(answer["policies"][3]["remaining"], serde_json::Value::Null, "no address is known");
    }
}
