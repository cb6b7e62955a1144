//! What each route costs, and of which bucket. The limiter reads this table, and so does
//! `GET /v1/account/costs`.
//!
//! One unit of `read` is one thing from memory or Redis. A command costs two of `write`; what ends
//! orders has a bucket of its own and costs half as much.

use std::num::NonZeroU32;

use axum::http::Method;

/// A limit of a client in time, by the name that clients see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Commands, except those of [`Policy::Cancel`].
    Write,
    /// Commands that end orders, and the dead-man switch.
    Cancel,
    /// Reads.
    Read,
    /// Reads and writes with keys, of all accounts of one address.
    Address,
    /// Requests that were refused or abandoned.
    Refused,
    /// The same of cancels.
    RefusedCancel,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Write, Self::Cancel, Self::Read, Self::Address, Self::Refused, Self::RefusedCancel];

    /// Returns the name in headers, problems and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Cancel => "cancel",
            Self::Read => "read",
            Self::Address => "address",
            Self::Refused => "refused",
            Self::RefusedCancel => "refused-cancel",
        }
    }
}

/// What a request costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestCost {
    /// So much of one policy, before the request costs anything itself.
    Of(Policy, NonZeroU32),
    /// The sum of its items, once they are read: [`PLACE`], [`AMEND`] and [`CANCEL`]. All or nothing
    /// is taken.
    Items,
}

impl RequestCost {
    /// Returns the names of the policies of which it takes.
    pub fn policies(self) -> &'static [&'static str] {
        match self {
            Self::Of(Policy::Cancel, _) => &["cancel"],
            Self::Of(Policy::Read, _) => &["read"],
            Self::Of(..) => &["write"],
            Self::Items => &["write", "cancel"],
        }
    }

    /// Returns how much it takes, if that does not depend on items.
    pub fn units(self) -> Option<u32> {
        match self {
            Self::Of(_, units) => Some(units.get()),
            Self::Items => None,
        }
    }
}

/// A route's row of [`ROUTES`].
pub type RouteCost = (&'static str, &'static str, RequestCost);

/// Of [`Policy::Write`], for an order.
pub const PLACE: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// Of [`Policy::Write`], for an amendment.
pub const AMEND: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// Of [`Policy::Cancel`], for a cancel.
pub const CANCEL: NonZeroU32 = NonZeroU32::MIN;

const fn write(cost: u32) -> RequestCost {
    RequestCost::Of(Policy::Write, NonZeroU32::new(cost).expect("a cost"))
}

const fn cancel(cost: u32) -> RequestCost {
    RequestCost::Of(Policy::Cancel, NonZeroU32::new(cost).expect("a cost"))
}

const fn read(cost: u32) -> RequestCost {
    RequestCost::Of(Policy::Read, NonZeroU32::new(cost).expect("a cost"))
}

/// What a request costs that is for no route.
pub const NO_ROUTE: RequestCost = read(1);

/// Method, path and cost of every route.
pub const ROUTES: &[RouteCost] = &[
    ("POST", "/v1/orders", RequestCost::Of(Policy::Write, PLACE)),
    ("PATCH", "/v1/orders", RequestCost::Of(Policy::Write, AMEND)),
    ("PATCH", "/v1/orders/{id}", RequestCost::Of(Policy::Write, AMEND)),
    ("DELETE", "/v1/orders/{id}", RequestCost::Of(Policy::Cancel, CANCEL)),
    // All orders of the account in the end.
    ("DELETE", "/v1/orders", cancel(5)),
    ("POST", "/v1/orders/batch", RequestCost::Items),
    // Matching, in a follower.
    ("POST", "/v1/orders/preview", read(5)),
    ("PUT", "/v1/dead-man-switch", cancel(1)),
    ("DELETE", "/v1/dead-man-switch", cancel(1)),
    ("POST", "/v1/groups", write(2)),
    ("PUT", "/v1/groups/{group}", write(2)),
    ("POST", "/v1/groups/{group}/reset", write(2)),
    ("DELETE", "/v1/groups/{group}", cancel(1)),
    ("POST", "/v1/groups/{group}/trigger", cancel(1)),
    ("POST", "/v1/transfers", write(2)),
    ("POST", "/v1/wallet/withdrawals", write(2)),
    ("POST", "/v1/api-keys", write(2)),
    ("DELETE", "/v1/api-keys/{id}", write(2)),
    ("POST", "/v1/api-keys/{id}/rotate", write(2)),
    ("POST", "/v1/accounts", write(2)),
    // Lists from Postgres.
    ("GET", "/v1/orders", read(10)),
    ("GET", "/v1/fills", read(10)),
    ("GET", "/v1/wallet/deposits/proposals", read(10)),
    // Many markets at once.
    ("GET", "/v1/tickers", read(10)),
    ("GET", "/v1/books", read(10)),
    // Lists from memory, from all followers, or of one market from Postgres.
    ("GET", "/v1/markets/{market}/trades", read(5)),
    ("GET", "/v1/markets/{market}/candles", read(5)),
    ("GET", "/v1/markets", read(5)),
    ("GET", "/v1/events", read(5)),
    ("GET", "/v1/groups", read(5)),
    ("GET", "/v1/orders/queue", read(5)),
    // A row from Postgres, an answer of a follower, a short list.
    ("GET", "/v1/orders/{id}", read(2)),
    ("GET", "/v1/orders/{id}/queue", read(2)),
    ("GET", "/v1/positions", read(2)),
    ("GET", "/v1/markets/{market}/ticker", read(2)),
    ("GET", "/v1/api-keys", read(2)),
    // One thing from memory or Redis.
    ("GET", "/v1/account/costs", read(1)),
    ("GET", "/v1/events/{event}", read(1)),
    ("GET", "/v1/groups/{group}", read(1)),
    ("GET", "/v1/markets/{market}", read(1)),
    ("GET", "/v1/markets/{market}/book", read(1)),
    ("GET", "/v1/wallet", read(1)),
    ("GET", "/v1/ws", read(1)),
    ("GET", "/v1/admin/admins", read(1)),
    ("GET", "/v1/admin/parts", read(1)),
    // Documents. The first one is large.
    ("GET", "/v1/openapi.json", read(5)),
    ("GET", "/docs/{file}", read(5)),
    ("GET", "/llms.txt", read(1)),
    ("GET", "/docs", read(1)),
    ("GET", "/docs/", read(1)),
    // Admins.
    ("PUT", "/v1/admin/admins/{id}", write(2)),
    ("DELETE", "/v1/admin/admins/{id}", write(2)),
    ("POST", "/v1/admin/vocabulary", write(2)),
    ("POST", "/v1/accounts/{id}/freeze", write(2)),
    ("POST", "/v1/accounts/{id}/unfreeze", write(2)),
    ("PUT", "/v1/accounts/{id}/limits", write(2)),
    ("POST", "/v1/wallet/deposits", write(2)),
    ("DELETE", "/v1/wallet/deposits/proposals/{id}", write(2)),
    ("POST", "/v1/wallet/deposits/proposals/{id}/confirm", write(2)),
    ("POST", "/v1/markets", write(2)),
    ("PATCH", "/v1/markets/{market}", write(2)),
    ("POST", "/v1/markets/{market}/additions", write(2)),
    ("POST", "/v1/events", write(2)),
    ("POST", "/v1/markets/{market}/open", write(2)),
    ("POST", "/v1/markets/{market}/pause", write(2)),
    ("POST", "/v1/markets/{market}/resume", write(2)),
    ("POST", "/v1/markets/{market}/close", write(2)),
    ("POST", "/v1/markets/{market}/resolve", write(2)),
    ("POST", "/v1/markets/{market}/confirm", write(2)),
    ("PUT", "/v1/markets/{market}/limits", write(2)),
];

/// Returns what a request of this route costs.
pub fn cost_of(method: &Method, route: &str) -> RequestCost {
    let method = if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() };
    let listed = ROUTES.iter().find(|(of, path, _)| *path == route && *of == method);
    listed.map_or(NO_ROUTE, |(.., cost)| *cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Method and path of each route of the router.
    fn of_the_router() -> BTreeSet<(String, String)> {
        let (_, described) = crate::http::routes().split_for_parts();
        let document = serde_json::to_value(described).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = |path: &String, item: &serde_json::Value| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(|(path, item)| methods(path, item)).collect()
    }

    #[test]
    fn every_route_of_the_router_is_in_the_table_and_no_other() {
        let listed: Vec<_> = ROUTES.iter().map(|(method, path, _)| (method.to_string(), path.to_string())).collect();
        let listed_once: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(listed_once.len(), listed.len(), "a route is there twice");
        assert_eq!(listed_once, of_the_router());
    }

    #[test]
    fn costs_are_by_method_and_route_and_a_cancel_is_cheaper() {
        let cost = |method, route| cost_of(&method, route);
        assert_eq!((cost(Method::HEAD, "/v1/orders"), cost(Method::GET, "/v1/orders")), (read(10), read(10)));
        assert_eq!((cost(Method::POST, "/v1/orders"), cost(Method::DELETE, "/v1/orders")), (write(2), cancel(5)));
        assert_eq!((cost(Method::GET, ""), cost(Method::PUT, "/v1/orders")), (NO_ROUTE, NO_ROUTE));
        assert_eq!(cost(Method::POST, "/v1/orders/batch"), RequestCost::Items);
        assert!(CANCEL < PLACE && CANCEL < AMEND);
    }

    #[test]
    fn what_costs_most_is_told() {
        let told = include_str!("../../../docs/limits.md");
        for (method, route, cost) in ROUTES {
            let RequestCost::Of(policy, units) = cost else { continue };
            let row = format!("| {method} {route} | `{}` {units} |", policy.name());
            let usual = [write(2), cancel(1), read(1)];
            assert!(usual.contains(cost) || told.contains(&row), "{row} is not told");
        }
    }
}
