//! The rights of keys, through all processes: every scope on every kind of route, bound keys, keys
//! created by keys, rotation.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::Platform;
use common::api::{Account, Api, limit};
use common::socket::{Heard, Socket};
use common::steps::text;

use reqwest::Method;
use serde_json::{Value, json};

/// The scopes that open each route. With other scopes the answer is `scope-missing`; with an
/// unknown key, `unauthenticated`.
fn routes() -> Vec<(Method, &'static str, &'static [&'static str])> {
    let (read, trade): (&[&str], &[&str]) = (&["READ"], &["TRADE"]);
    let (cancel, transfer): (&[&str], &[&str]) = (&["TRADE", "CANCEL"], &["TRANSFER"]);
    vec![
        (Method::GET, "/v1/wallet", read),
        (Method::GET, "/v1/positions", read),
        (Method::GET, "/v1/orders", read),
        (Method::GET, "/v1/fills", read),
        (Method::GET, "/v1/orders/queue", read),
        (Method::POST, "/v1/orders/preview", read),
        (Method::POST, "/v1/orders", trade),
        (Method::POST, "/v1/orders/batch", trade),
        (Method::PATCH, "/v1/orders/1", trade),
        (Method::PATCH, "/v1/orders?market=KEYS&client_id=00000000-0000-0000-0000-000000000001", trade),
        (Method::DELETE, "/v1/orders/1", cancel),
        (Method::DELETE, "/v1/orders?market=KEYS", cancel),
        (Method::PUT, "/v1/dead-man-switch", cancel),
        (Method::DELETE, "/v1/dead-man-switch", cancel),
        (Method::GET, "/v1/groups", read),
        (Method::GET, "/v1/groups/1", read),
        (Method::POST, "/v1/groups", trade),
        (Method::PUT, "/v1/groups/1", trade),
        (Method::POST, "/v1/groups/1/reset", trade),
        (Method::POST, "/v1/groups/1/trigger", cancel),
        (Method::DELETE, "/v1/groups/1", cancel),
        (Method::POST, "/v1/transfers", transfer),
        (Method::GET, "/v1/api-keys", read),
        (Method::POST, "/v1/api-keys", trade),
        (Method::DELETE, "/v1/api-keys/0000000000000001", trade),
        (Method::POST, "/v1/api-keys/0000000000000001/rotate", trade),
    ]
}

async fn new_key(api: &Api, account: &Account, body: Value) -> (String, String) {
    let added = api.post(Some(&account.key), "/v1/api-keys", &body).await.expect(201);
    (text(&added, "key_id").to_owned(), text(&added, "api_key").to_owned())
}

#[tokio::test]
async fn keys_are_limited_to_their_rights() {
    let whole = Platform::whole("keys").await;
    let api = &whole.api;
    let market = api.market("KEYS").await;
    let account = api.account("100").await;
    every_route_and_scope(api, &account).await;
    bound_keys(api, &account, &market).await;
    keys_that_ask(api, &account).await;
    rotation(api, &account).await;
}

async fn every_route_and_scope(api: &Api, account: &Account) {
    for scope in ["READ", "TRADE", "CANCEL", "TRANSFER"] {
        let (_, key) = new_key(api, account, json!({"scopes": [scope]})).await;
        for (method, path, opened_by) in routes() {
            let answer = api.send_json(method.clone(), Some(&key), path, &json!({})).await;
            let is_open = answer.body["code"] != "scope-missing" && answer.status != 401;
            assert_eq!(is_open, opened_by.contains(&scope), "{method} {path} with {scope}: {}", answer.body);
        }
    }
    for (method, path, _) in routes() {
        api.send_json(method, Some("lfg_nobody"), path, &json!({})).await.problem(401, "unauthenticated");
    }
}

async fn bound_keys(api: &Api, account: &Account, market: &str) {
    api.market("ELSEWHERE").await;
    let body = json!({"markets": [market], "notional": "2", "name": "quoter"});
    let (_, key) = new_key(api, account, body).await;
    let bound = Account { key: key.clone(), ..account.clone() };
    let placed = api.order(&bound, &limit("KEYS", "BUY YES 4 @ 0.50")).await.expect(201);
    api.order(&bound, &limit("KEYS", "BUY YES 5 @ 0.50")).await.problem(403, "key-bound");
    api.order(&bound, &limit("ELSEWHERE", "BUY YES 1 @ 0.50")).await.problem(403, "key-bound");
    let order = format!("/v1/orders/{}", text(&placed, "order_id"));
    api.amend(&bound, text(&placed, "order_id"), &json!({"quantity": 3})).await.problem(403, "key-bound");
    api.delete(Some(&key), &order).await.problem(403, "key-bound");
    api.post(Some(&key), "/v1/orders/batch", &json!({"requests": []})).await.problem(403, "key-bound");
    // A key that is bound only by `notional` can cancel any order.
    let (_, key) = new_key(api, account, json!({"notional": "2"})).await;
    api.amend(&Account { key: key.clone(), ..account.clone() }, text(&placed, "order_id"), &json!({"quantity": 3}))
        .await
        .problem(403, "key-bound");
    api.delete(Some(&key), &order).await.expect(200);
}

async fn keys_that_ask(api: &Api, account: &Account) {
    let (id, key) = new_key(api, account, json!({"notional": "2"})).await;
    let keys = "/v1/api-keys";
    for more in [json!({}), json!({"notional": "3"}), json!({"notional": "2", "scopes": ["TRANSFER"]})] {
        api.post(Some(&key), keys, &more).await.problem(409, "key-rights-exceeded");
    }
    let less = json!({"notional": "1", "scopes": ["CANCEL"]});
    let added = api.post(Some(&key), keys, &less).await.expect(201);
    assert_eq!(added["scopes"], json!(["CANCEL"]));
    // The account sees a key that another key created.
    let list = api.get(Some(&account.key), keys).await.expect(200);
    let of_added = json!({
        "key_id": added["key_id"], "name": null, "scopes": ["CANCEL"], "expires_at": null, "markets": null,
        "notional": "1.000000", "public_key": null,
    });
    assert!(list["items"].as_array().unwrap().contains(&of_added), "{list}");
    assert!(!list.to_string().contains("lfg_"), "{list}");
    // Every key can revoke itself; a key without TRADE cannot revoke another.
    let (reader, key_of_reader) = new_key(api, account, json!({"scopes": ["READ"]})).await;
    api.delete(Some(&key_of_reader), &format!("{keys}/{id}")).await.problem(403, "scope-missing");
    api.delete(Some(&key_of_reader), &format!("{keys}/{reader}")).await.expect(200);
    api.get(Some(&key_of_reader), "/v1/wallet").await.problem(401, "unauthenticated");
    let past = json!({"expires_at": "2020-01-01T00:00:00Z"});
    api.post(Some(&account.key), keys, &past).await.problem(422, "key-expiry-in-past");
    let (strong, _) = new_key(api, account, json!({})).await;
    api.delete(Some(&key), &format!("{keys}/{strong}")).await.problem(409, "key-rights-exceeded");
    api.delete(Some(&key), &format!("{keys}/{}", text(&added, "key_id"))).await.expect(200);
    api.delete(Some(&key), &format!("{keys}/{id}")).await.expect(200);
    api.get(Some(&key), "/v1/wallet").await.problem(401, "unauthenticated");
}

async fn rotation(api: &Api, account: &Account) {
    let (id, old) = new_key(api, account, json!({})).await;
    let path = format!("/v1/api-keys/{id}/rotate");
    let rotated = api.post(Some(&old), &path, &json!({"grace_s": 2})).await.expect(201);
    let key = text(&rotated, "api_key");
    // Both keys are valid until the old one expires, which closes its connections.
    let mut watching = Socket::anonymous(api).await;
    watching.ask(json!({"op": "auth", "api_key": old})).await;
    for valid in [&old, key] {
        api.get(Some(valid), "/v1/wallet").await.expect(200);
    }
    assert!(matches!(watching.hear().await, Heard::Closed(4001)));
    api.get(Some(&old), "/v1/wallet").await.problem(401, "unauthenticated");
    let path = format!("/v1/api-keys/{}/rotate", text(&rotated, "key_id"));
    let again = api.post(Some(key), &path, &json!({})).await.expect(201);
    api.get(Some(key), "/v1/wallet").await.problem(401, "unauthenticated");
    api.get(Some(text(&again, "api_key")), "/v1/wallet").await.expect(200);
}
