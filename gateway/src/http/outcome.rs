//! What became of a write whose answer is a problem: nothing was done, or nobody knows yet.
//!
//! | the problem                      | `outcome`  | because                                          |
//! |----------------------------------|------------|--------------------------------------------------|
//! | `outcome-unknown`                | `unknown`  | the command may be on the log                    |
//! | `internal`                       | `unknown`  | the gateway failed at any point of the request   |
//! | any other, of a write            | `rejected` | nothing was written, or the engine has refused   |
//! | any, of a read                   | absent     | a read changes nothing                           |
//!
//! Which kind of problem is unknown, `ProblemKind` says.

use serde_json::{Map, Value, json};

tokio::task_local! {
    /// Where to look for the result of the write that the current task serves; `None` for a read.
    static WRITE: Option<&'static str>;
}

/// Serves a request. `route` is its pattern if it is a write.
pub async fn told<T>(route: Option<&str>, serving: impl Future<Output = T>) -> T {
    WRITE.scope(route.map(place_of), serving).await
}

/// Adds the outcome to a problem, if the current task serves a write. An unknown one says where to
/// look.
pub fn add(outcome: &str, body: &mut Map<String, Value>) {
    let Some(look) = WRITE.try_with(|look| *look).ok().flatten() else { return };
    body.insert("outcome".to_owned(), json!(outcome));
    if outcome == "unknown" {
        body.entry("look").or_insert_with(|| json!(look));
    }
}

/// Where the results of a route's writes appear, if the handler cannot say it any better.
fn place_of(route: &str) -> &'static str {
    let places = [
        ("/v1/orders", "/v1/orders"),
        ("/v1/groups", "/v1/groups"),
        ("/v1/api-keys", "/v1/api-keys"),
        ("/v1/markets", "/v1/markets"),
        ("/v1/events", "/v1/events"),
        ("/v1/wallet/deposits", "/v1/wallet/deposits/proposals"),
        ("/v1/admin/admins", "/v1/admin/admins"),
        ("/v1/admin", "/v1/admin/parts"),
    ];
    let found = places.into_iter().find(|(prefix, _)| route.starts_with(prefix));
    found.map_or("/v1/wallet", |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(route: Option<&str>, outcome: &str, own: Option<&str>) -> (Option<Value>, Option<Value>) {
        let mut body: Map<String, Value> = own.map(|look| ("look".to_owned(), json!(look))).into_iter().collect();
        told(route, async { add(outcome, &mut body) }).await;
        (body.remove("outcome"), body.remove("look"))
    }

    #[tokio::test]
    async fn a_write_is_rejected_or_unknown_and_what_is_unknown_says_where_to_look() {
        let (orders, some) = (Some("/v1/orders/{id}"), |text: &str| Some(json!(text)));
        assert_eq!(of(orders, "rejected", None).await, (some("rejected"), None));
        assert_eq!(of(orders, "unknown", None).await, (some("unknown"), some("/v1/orders")));
        let own = of(orders, "unknown", Some("/v1/orders/7")).await;
        assert_eq!(own, (some("unknown"), some("/v1/orders/7")));
        let elsewhere = of(Some("/v1/transfers"), "unknown", None).await;
        assert_eq!(elsewhere, (some("unknown"), some("/v1/wallet")));
        assert_eq!(of(None, "unknown", None).await, (None, None));
    }
}
