//! How fast one owner may ask. `shares` divides what exists at the same time; this divides time.
//!
//!   gate: key ─▶ *rates* ─▶ body ─▶ signature ─▶ place ─▶ handler ─▶ answer ─▶ *rates* (was it refused?)
//!
//! | bucket           | filled by                | a token is taken by                        |
//! |------------------|--------------------------|--------------------------------------------|
//! | refused, cancels | `--refusals-per-second`  | a cancel that is refused or abandoned      |
//! | refused, others  | the same, a second one   | any other request of that kind             |
//! | reads            | `--reads-per-second`     | a read, before it costs anything: its cost |
//!
//! A request is served while its bucket of refusals has a token. So a client whose orders are
//! refused can still cancel. Absent: a limit of writes that succeed.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use service::buckets::{BucketRate, Buckets};

use crate::shares::Owner;

/// How long a connection's next request waits after one that was beyond a rate. Clients that heed
/// `Retry-After`, which is a second at least, do not notice.
pub const PAUSE: Duration = Duration::from_secs(1);

/// What a read takes that is not in [`READ_COSTS`].
const READ_COST: NonZeroU32 = NonZeroU32::MIN;

/// Reads that cost more than others: lists, what comes from Postgres, and what a follower computes.
/// Public: clients can count with it.
pub const READ_COSTS: [(&str, &str, u32); 17] = [
    ("GET", "/v1/orders", 10),
    ("GET", "/v1/fills", 10),
    ("GET", "/v1/wallet/deposits/proposals", 10),
    ("GET", "/v1/markets", 5),
    ("GET", "/v1/events", 5),
    ("GET", "/v1/groups", 5),
    ("GET", "/v1/orders/queue", 5),
    ("POST", "/v1/orders/preview", 5),
    ("GET", "/v1/orders/{id}", 2),
    ("GET", "/v1/orders/{id}/queue", 2),
    ("GET", "/v1/positions", 2),
    ("GET", "/v1/markets/{market}/trades", 5),
    ("GET", "/v1/markets/{market}/candles", 5),
    ("GET", "/v1/markets/{market}/ticker", 2),
    ("GET", "/v1/tickers", 10),
    ("GET", "/v1/books", 10),
    ("GET", "/v1/api-keys", 2),
];

/// What a request takes from the buckets of its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// Frees what its account holds.
    pub is_cancel: bool,
    /// Of a read.
    read: Option<NonZeroU32>,
}

impl Demand {
    /// Computes what a request of this route takes.
    pub fn of(method: &Method, route: &str, is_cancel: bool) -> Self {
        let method = if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() };
        let listed = READ_COSTS.iter().find(|(of, pattern, _)| *of == method && *pattern == route);
        let read = match listed {
            Some((.., cost)) => NonZeroU32::new(*cost),
            None => (method == Method::GET.as_str()).then_some(READ_COST),
        };
        Self { is_cancel, read }
    }

    /// Returns whether it is a read.
    pub fn is_read(self) -> bool {
        self.read.is_some()
    }
}

/// The buckets of all owners.
pub struct Rates {
    /// For each owner one of cancels, and one of everything else.
    refusals: Buckets<(Owner, bool)>,
    reads: Buckets<Owner>,
}

impl Rates {
    /// Creates full buckets.
    pub fn new(refusals: BucketRate, reads: BucketRate) -> Self {
        Self { refusals: Buckets::new(refusals), reads: Buckets::new(reads) }
    }

    /// Returns whether a request of this owner is served: so far it was refused rarely enough. An
    /// error says when it will be.
    pub fn is_welcome(&self, owner: Owner, demand: Demand) -> Result<(), Duration> {
        if !has_bucket(owner) { Ok(()) } else { self.refusals.look((owner, demand.is_cancel)) }
    }

    /// The same; and takes what a read costs.
    pub fn admit(&self, owner: Owner, demand: Demand) -> Result<(), Duration> {
        self.is_welcome(owner, demand)?;
        match demand.read {
            Some(cost) if has_bucket(owner) => self.reads.take(owner, cost),
            _ => Ok(()),
        }
    }

    /// Counts a request until it is answered.
    pub fn count(&self, owner: Owner, demand: Demand) -> CountedRequest<'_> {
        CountedRequest { rates: self, owner, is_cancel: demand.is_cancel, is_open: true }
    }
}

/// Addresses of many clients have no bucket, and so a claim to a key behind one has none: whoever
/// knows the key's id would empty it for the key's holder.
fn has_bucket(owner: Owner) -> bool {
    !matches!(owner, Owner::Many | Owner::Claimed(_))
}

/// A request in progress. If it is dropped without an answer, its client is gone.
pub struct CountedRequest<'a> {
    rates: &'a Rates,
    /// Whose it is. It is known for sure once the signature is verified.
    pub owner: Owner,
    is_cancel: bool,
    is_open: bool,
}

impl CountedRequest<'_> {
    /// Takes a token if the client's own fault is the reason of the answer. What is beyond a rate
    /// costs nothing more: whoever reads too fast may still write.
    pub fn answered(mut self, status: StatusCode) {
        self.is_open = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    }

    /// Takes a token, whatever the answer is.
    pub fn refused(self) {
        drop(self);
    }
}

impl Drop for CountedRequest<'_> {
    fn drop(&mut self) {
        if self.is_open && has_bucket(self.owner) {
            // An empty bucket is as empty as it can be.
            let _taken = self.rates.refusals.take((self.owner, self.is_cancel), NonZeroU32::MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{AccountId, ApiKeyId};

    const ALICE: Owner = Owner::Account(AccountId(1));
    const BOB: Owner = Owner::Account(AccountId(2));

    fn rates() -> Rates {
        let rate = |per_second, burst| BucketRate {
            per_second: NonZeroU32::new(per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        Rates::new(rate(2, 4), rate(10, 20))
    }

    fn order() -> Demand {
        Demand::of(&Method::POST, "/v1/orders", false)
    }

    fn cancel() -> Demand {
        Demand::of(&Method::DELETE, "/v1/orders/{id}", true)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_too_often_may_still_cancel_and_others_notice_nothing() {
        let rates = rates();
        for status in [400, 401, 404, 422] {
            assert_eq!(rates.admit(ALICE, order()), Ok(()));
            rates.count(ALICE, order()).answered(StatusCode::from_u16(status).unwrap());
        }
        assert_eq!(rates.admit(ALICE, order()), Err(Duration::from_millis(500)));
        assert_eq!((rates.admit(ALICE, cancel()), rates.admit(BOB, order())), (Ok(()), Ok(())));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(rates.admit(ALICE, order()), Ok(()));
        for _ in 0..4 {
            rates.count(ALICE, cancel()).answered(StatusCode::NOT_FOUND);
        }
        assert!(rates.admit(ALICE, cancel()).is_err(), "cancels of nothing have a rate, too");
        assert_eq!(rates.admit(ALICE, order()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_served_or_fails_for_others_reasons_takes_no_token_and_hanging_up_does() {
        let rates = rates();
        for status in [101, 200, 201, 202, 429, 500, 503, 504] {
            for _ in 0..8 {
                rates.count(ALICE, order()).answered(StatusCode::from_u16(status).unwrap());
            }
        }
        assert_eq!(rates.admit(ALICE, order()), Ok(()));
        for _ in 0..2 {
            drop(rates.count(ALICE, order()));
            rates.count(ALICE, order()).refused();
        }
        assert!(rates.admit(ALICE, order()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn reads_take_what_they_cost_and_writes_nothing() {
        let rates = rates();
        let orders = Demand::of(&Method::GET, "/v1/orders", false);
        assert_eq!((rates.admit(ALICE, orders), rates.admit(ALICE, orders)), (Ok(()), Ok(())));
        assert_eq!(rates.admit(ALICE, orders), Err(Duration::from_secs(1)));
        assert_eq!((rates.admit(ALICE, order()), rates.admit(BOB, orders)), (Ok(()), Ok(())));
        for _ in 0..100 {
            for owner in [Owner::Many, Owner::Claimed(ApiKeyId(7))] {
                assert_eq!(rates.admit(owner, orders), Ok(()), "an address of many has no bucket");
                drop(rates.count(owner, orders));
            }
        }
    }

    #[test]
    fn costs_are_of_routes_and_are_told() {
        let cost = |method: Method, route| Demand::of(&method, route, false).read.map(NonZeroU32::get);
        assert_eq!((cost(Method::GET, "/v1/wallet"), cost(Method::GET, "")), (Some(1), Some(1)));
        assert_eq!((cost(Method::HEAD, "/v1/orders"), cost(Method::POST, "/v1/orders/preview")), (Some(10), Some(5)));
        assert_eq!((cost(Method::POST, "/v1/orders"), cost(Method::DELETE, "/v1/orders")), (None, None));
        let (routes, told) = (include_str!("../openapi.json"), include_str!("../../docs/limits.md"));
        for (method, route, cost) in READ_COSTS {
            assert!(routes.contains(&format!("\"{route}\"")), "{route} is no route");
            assert!(told.contains(&format!("| {method} {route} | {cost} |")), "{method} {route} is not told");
        }
    }
}
