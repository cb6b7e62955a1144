//! Steps and checks that many tests use.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::api::{Account, Api};
use super::eventually;

pub fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}"))
}

/// Returns the query string for an earlier answer's position.
pub async fn get_at(api: &Api, key: Option<&str>, path: &str, position: &Value) -> Value {
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{mark}min_position={}", position.as_str().unwrap());
    api.get(key, &path).await.expect(200)
}

/// Returns `available` and `held`.
pub async fn wallet(api: &Api, account: &Account) -> (String, String) {
    let wallet = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    (wallet["available"].as_str().unwrap().to_owned(), wallet["held"].as_str().unwrap().to_owned())
}

/// Waits until a wallet has these amounts: read models are behind the log, and credits move between
/// purses.
pub async fn wallet_becomes(api: &Api, account: &Account, available: &str, held: &str) {
    let wanted = (available.to_owned(), held.to_owned());
    let mut last = None;
    let start = Instant::now();
    while last.as_ref() != Some(&wanted) {
        assert!(start.elapsed() < super::PATIENCE, "wallet is {last:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        last = Some(wallet(api, account).await);
    }
}

/// Waits until an order of an account has this status, and returns it.
pub async fn order_becomes(api: &Api, account: &Account, id: &str, status: &str) -> Value {
    eventually(&format!("order {id} is {status}"), async || {
        let order = api.get(Some(&account.key), &format!("/v1/orders/{id}")).await;
        (order.body["status"] == status).then_some(order.body)
    })
    .await
}

/// Returns a market's bids and asks at an answer's position.
pub async fn book_at(api: &Api, ticker: &str, position: &Value) -> (Value, Value) {
    let mut book = get_at(api, None, &format!("/v1/markets/{ticker}/book"), position).await;
    (book["bids"].take(), book["asks"].take())
}

/// Adds fields to a body.
pub fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Returns a new client id.
pub fn name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Returns the time `seconds` from now, as RFC 3339.
pub fn in_seconds(seconds: i64) -> String {
    let time = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    time.format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// Returns the statuses of a batch's results, with the codes of problems.
pub fn results(batch: &Value) -> Vec<String> {
    let shown = |result: &Value| match result["body"]["code"].as_str() {
        Some(code) => format!("{} {code}", result["status"]),
        None => result["status"].to_string(),
    };
    batch["results"].as_array().unwrap().iter().map(shown).collect()
}

/// Creates two accounts, the first with the market's shard as its home shard and the other with
/// another home, so that both paths are tested.
pub async fn near_and_far(api: &Api, map: schemas::shard_map::ShardMap, market: &str, credits: &str) -> [Account; 2] {
    let home = map.of_market(market.parse().unwrap());
    let (mut near, mut far) = (None, None);
    while near.is_none() || far.is_none() {
        let account = api.account(credits).await;
        let at_home = map.of_account(account.id.parse().unwrap()) == home;
        *(if at_home { &mut near } else { &mut far }) = Some(account);
    }
    [near.unwrap(), far.unwrap()]
}
