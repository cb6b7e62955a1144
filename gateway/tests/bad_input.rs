//! Bad input gets a clear 4xx problem, never a 5xx, and never reaches the log.
//!
//! No engine runs here. A scribe writes an account and a market to the log; afterwards the commands
//! topic must be empty.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;
mod routes;

use common::api::{Answer, Api};
use common::scribe::{Scribe, key, listing};
use common::socket::{Heard, Socket};
use common::{ADMIN_KEY, ORIGIN, Platform, eventually};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use routes::described::{self, DescribedBodies};
use routes::{Route, inside, not_texts, routes};
use schemas::{AccountId, Event, MarketId, Scopes};
use serde_json::{Value, json};

const ACCOUNT: AccountId = AccountId(77);
const TICKER: &str = "RAIN-2099";
const NAME: &str = "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11";

struct Keys {
    full: String,
    read_only: String,
    revoked: String,
}

async fn prepare(platform: &Platform, scribe: &mut Scribe) -> Keys {
    let (full, full_key) = key(1, 0x11, Scopes::ALL);
    let (read_only, read_key) = key(2, 0x22, Scopes::READ);
    let (revoked, revoked_key) = key(3, 0x33, Scopes::READ_TRADE);
    let (account, revoked_id) = (ACCOUNT, revoked_key.id);
    let mut events = vec![Event::AccountOpened { account }];
    events.extend([full_key, read_key, revoked_key].map(|key| Event::ApiKeyAdded { account, key, by: None }));
    events.push(Event::ApiKeyRevoked { account, key: revoked_id, by: None });
    scribe.tell(platform.map().of_account(account), events).await;
    for ticker in [TICKER, &elsewhere(platform)] {
        let listing = listing(ticker, 100);
        scribe.open_market(platform.map().of_market(listing.market), listing).await;
    }
    Keys { full, read_only, revoked }
}

/// Returns the ticker of a market on another shard than the usual one.
fn elsewhere(platform: &Platform) -> String {
    let shard = |ticker: &str| platform.map().of_market(MarketId::of(&ticker.parse().unwrap()));
    let mut tickers = (0..).map(|number| format!("SNOW-{number}"));
    tickers.find(|ticker| shard(ticker) != shard(TICKER)).unwrap()
}

/// Checks that a refusal is a problem with a 4xx status and this code.
#[track_caller]
fn check(answer: &Answer, what: &str, code: &str) {
    assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.body);
    assert_eq!(answer.body["code"], code, "{what}: {}", answer.body);
    answer.problem(answer.status.as_u16(), code);
}

/// Checks that exactly this field has a fault, with this code.
#[track_caller]
fn check_field(answer: &Answer, what: &str, field: &str, code: &str) {
    check_at(answer, what, &format!("/{field}"), code);
}

#[track_caller]
fn check_at(answer: &Answer, what: &str, pointer: &str, code: &str) {
    check(answer, what, "invalid-request");
    let errors = answer.body["errors"].as_array().unwrap();
    let found = errors.iter().any(|e| e["pointer"] == pointer && e["code"] == code);
    assert!(found, "{what}: no `{code}` at {pointer} in {}", answer.body);
}

/// A body with all fields of the document, each null: the gateway knows all of them, and misses those
/// that are required.
async fn described_fields(api: &Api, keys: &Keys) {
    let described = DescribedBodies::read();
    described::check(&described, &routes());
    for Route { key, method, path, .. } in routes() {
        let schema = described.schema(&method.as_str().to_lowercase(), path.split('?').next().unwrap());
        let (fields, required) = described.fields(schema);
        let mut body: serde_json::Map<_, _> = fields.iter().map(|field| (field.clone(), Value::Null)).collect();
        // So that nothing is written.
        body.insert("extra".to_owned(), json!(1));
        let answer = api.send_json(method, Some(key.unwrap_or(&keys.full)), &path, &Value::Object(body)).await;
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        let unknown: Vec<&Value> = errors.iter().filter(|error| error["code"] == "unknown").collect();
        assert!(matches!(unknown[..], [one] if one["pointer"] == "/extra"), "{path}: {}", answer.body);
        for field in required {
            let pointer = format!("/{field}");
            assert!(errors.iter().any(|error| error["pointer"] == pointer), "{path} {field}: {}", answer.body);
        }
    }
}

async fn bodies(api: &Api, keys: &Keys) {
    for Route { key, method, path, good, required, bad } in routes() {
        let key = Some(key.unwrap_or(&keys.full));
        let send = async |body: &Value| api.send_json(method.clone(), key, &path, body).await;
        let changed = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        for field in required {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(*field);
            check_field(&send(&body).await, &format!("{path} without {field}"), field, "missing");
        }
        for (field, value, code) in bad {
            let what = format!("{path} {field} = {value:.40}");
            check_field(&send(&changed(field, value)).await, &what, field, code);
        }
        for field in good.as_object().unwrap().keys().filter(|field| good[*field].is_string()) {
            for value in not_texts() {
                let what = format!("{path} {field} = {value}");
                check_field(&send(&changed(field, value)).await, &what, field, "type");
            }
        }
        check_field(&send(&changed("extra", json!(1))).await, &path, "extra", "unknown");
        raw_bodies(api, &method, key, &path).await;
    }
    for (path, body, pointer, code) in inside() {
        let key = if path == "/v1/markets" { ADMIN_KEY } else { &keys.full };
        check_at(&api.post(Some(key), path, &body).await, &format!("{path} {body:.60}"), pointer, code);
    }
    raw_bodies(api, &Method::POST, Some(&keys.full), "/v1/orders/batch").await;
    let twice = r#"{"requests": [{"cancel": {"order_id": "1", "order_id": "2"}}]}"#;
    let request = api.request(Method::POST, "/v1/orders/batch").bearer_auth(&keys.full);
    let answer = api.send(request.header(CONTENT_TYPE, "application/json").body(twice)).await;
    check_at(&answer, "a field twice, inside", "/requests/0/cancel/order_id", "repeated");
}

/// Bodies that are no objects, not JSON, or too large.
async fn raw_bodies(api: &Api, method: &Method, key: Option<&str>, path: &str) {
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = api.request(method.clone(), path).bearer_auth(key.unwrap());
        api.send(request.header(CONTENT_TYPE, content_type).body(body))
    };
    let json_type = "application/json";
    for body in ["{", "{]", "nonsense", "{\"a\": 1,}", "{\"a\": 01}", "\u{feff}{}", "{} {}"] {
        check(&post(json_type, body.as_bytes().to_vec()).await, body, "malformed-json");
    }
    for body in [&b"{\"a\": \"\xff\xfe\"}"[..], "[".repeat(60_000).as_bytes()] {
        check(&post(json_type, body.to_vec()).await, "bytes", "malformed-json");
    }
    for body in ["[]", "null", "1", "\"text\"", "true"] {
        check(&post(json_type, body.as_bytes().to_vec()).await, body, "invalid-request");
    }
    check(&post(json_type, b"{\"x\": 1, \"x\": 2}".to_vec()).await, "a field twice", "invalid-request");
    check(&post("text/plain", b"{\"a\": 1}".to_vec()).await, "text/plain", "unsupported-media-type");
    for size in [64 * 1024 + 1, 2 * 1024 * 1024] {
        check(&post(json_type, vec![b' '; size]).await, "a huge body", "body-too-large");
    }
}

/// Well-formed requests for a market that does not exist, or with a price that the market does not
/// allow.
async fn unknown_things(api: &Api, keys: &Keys, elsewhere: &str) {
    let full = Some(keys.full.as_str());
    let order = |change: Value| {
        let mut body = json!({"contract": "NO", "side": "SELL", "type": "LIMIT", "price": "0.55", "quantity": 1});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    for market in [json!({"ticker": "NOBODY"}), json!({"market_id": "1"}), json!({"market_id": "0"})] {
        check(&api.post(full, "/v1/orders", &order(market)).await, "unknown market", "market-unknown");
    }
    let off_tick = order(json!({"ticker": TICKER, "price": "0.5501"}));
    check(&api.post(full, "/v1/orders", &off_tick).await, "off tick", "price-off-tick");
    check_field(&api.post(full, "/v1/orders", &order(json!({}))).await, "no market", "market_id", "missing");
    let budget = json!({"ticker": TICKER, "contract": "YES", "side": "SELL", "type": "MARKET", "budget": "1"});
    check_field(&api.post(full, "/v1/orders", &budget).await, "budget on a sell", "budget", "conflict");
    for (market, code) in
        [(json!({"ticker": "NOBODY"}), "market-unknown"), (json!({"ticker": TICKER}), "price-off-tick")]
    {
        let mut place = order(market);
        place["price"] = json!("0.5501");
        let body = json!({"requests": [{"cancel": {"order_id": "1"}}, {"place": place}]});
        check(&api.post(full, "/v1/orders/batch", &body).await, "in a batch", code);
    }
    for (request, code) in [
        (json!({"cancel": {"client_id": NAME, "ticker": "NOBODY"}}), "market-unknown"),
        (json!({"amend": {"client_id": NAME, "market_id": "1", "quantity": 1}}), "market-unknown"),
        // The shard of this id does not exist.
        (json!({"cancel": {"order_id": "9223372036854775807"}}), "order-unknown"),
    ] {
        let body = json!({"requests": [{"cancel": {"order_id": "1"}}, request]});
        check(&api.post(full, "/v1/orders/batch", &body).await, "in a batch", code);
    }
    let named = |ticker: &str| json!({"cancel": {"client_id": NAME, "ticker": ticker}});
    let on_two_shards = json!({"all_or_nothing": true, "requests": [named(TICKER), named(elsewhere)]});
    check(&api.post(full, "/v1/orders/batch", &on_two_shards).await, "on two shards", "batch-conflict");
    for method in [Method::DELETE, Method::PATCH] {
        let path = format!("/v1/orders?client_id={NAME}&market=NOBODY");
        let body = if method == Method::PATCH { json!({"quantity": 1}) } else { json!({}) };
        check(&api.send_json(method, full, &path, &body).await, "unknown market", "market-unknown");
    }
    let to_self = json!({"to": ACCOUNT.to_string(), "amount": "1"});
    check(&api.post(full, "/v1/transfers", &to_self).await, "to itself", "transfer-to-self");
    check(&api.delete(full, "/v1/orders?market=NOBODY").await, "unknown market", "market-unknown");
    let limits = api.send_json(Method::PUT, Some(ADMIN_KEY), "/v1/markets/NOBODY/limits", &json!({})).await;
    check(&limits, "unknown market", "market-unknown");
    // The shard of the first id does not exist.
    for id in ["9223372036854775807", "abc", "-1", "1.5", "18446744073709551616", "%00", "%F0%9F%A6%80"] {
        check(&api.delete(full, &format!("/v1/orders/{id}")).await, id, "order-unknown");
        check(&api.get(full, &format!("/v1/orders/{id}")).await, id, "order-unknown");
        check(&api.delete(full, &format!("/v1/api-keys/{id}")).await, id, "api-key-unknown");
        let amendment = json!({"quantity": 1});
        let amended = api.send_json(Method::PATCH, full, &format!("/v1/orders/{id}"), &amendment).await;
        check(&amended, id, "order-unknown");
        check(&api.get(None, &format!("/v1/markets/{id}")).await, id, "market-unknown");
        for rest in ["book", "trades"] {
            check(&api.get(None, &format!("/v1/markets/{id}/{rest}")).await, id, "market-unknown");
        }
        for change in ["open", "pause", "resume", "close"] {
            check(&api.admin(&format!("/v1/markets/{id}/{change}"), &json!({})).await, id, "market-unknown");
        }
    }
    for act in ["resolve", "confirm"] {
        let answer = api.admin(&format!("/v1/markets/NOBODY/{act}"), &json!({"answer": "YES"})).await;
        check(&answer, "unknown market", "market-unknown");
    }
    for id in ["0", "abc", "9223372036854775808"] {
        for act in ["freeze", "unfreeze"] {
            check(&api.admin(&format!("/v1/accounts/{id}/{act}"), &json!({})).await, id, "account-unknown");
        }
        let limits =
            api.send_json(Method::PUT, Some(ADMIN_KEY), &format!("/v1/accounts/{id}/limits"), &json!({})).await;
        check(&limits, id, "account-unknown");
    }
    check(&api.get(full, "/v1/orders/%ff").await, "no UTF-8", "route-unknown");
}

async fn query_strings(api: &Api, keys: &Keys) {
    let queries = [
        ("/v1/orders", "limit=0"),
        ("/v1/orders", "limit=101"),
        ("/v1/orders", "limit=ten"),
        ("/v1/orders", "limit=1&limit=2"),
        ("/v1/orders", "cursor=zz"),
        ("/v1/orders", "status=alive"),
        ("/v1/orders", "market_id=x"),
        ("/v1/orders", "market_id=1&ticker=A"),
        ("/v1/orders", "command_id=1"),
        ("/v1/orders", "client_id=%00&ticker=A"),
        ("/v1/orders", "client_id=8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11"),
        ("/v1/orders", "colour=red"),
        ("/v1/orders", "min_position=9:1"),
        ("/v1/orders", "min_position=x"),
        ("/v1/orders/1", "depth=1"),
        ("/v1/fills", "order_id=x"),
        ("/v1/fills", "cursor=00"),
        ("/v1/wallet", "min_position=0:1,0:2"),
        ("/v1/wallet", "x=1"),
        ("/v1/positions", "limit=1"),
        ("/v1/markets", "state=open"),
        ("/v1/markets", "cursor=a%20b"),
        ("/v1/markets/RAIN-2099", "x=1"),
        ("/v1/markets/RAIN-2099/book", "depth=0"),
        ("/v1/markets/RAIN-2099/book", "depth=1001"),
        ("/v1/markets/RAIN-2099/book", "tick=0.03"),
        ("/v1/markets/RAIN-2099/trades", "limit=1000"),
        ("/v1/markets/RAIN-2099/trades", "cursor=00"),
        ("/v1/markets/RAIN-2099/candles", "limit=1"),
        ("/v1/markets/RAIN-2099/candles", "interval=1w"),
        ("/v1/markets/RAIN-2099/ticker", "x=1"),
        ("/v1/tickers", "markets=RAIN-2099&limit=1"),
        ("/v1/tickers", "markets=RAIN-2099,RAIN-2099"),
        ("/v1/books", "depth=1"),
        ("/v1/books", "markets=RAIN-2099&depth=101"),
        ("/v1/orders", "status=FILLED,alive"),
        ("/v1/orders", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"),
        ("/v1/fills", "since=now"),
        ("/v1/markets", "search="),
        ("/v1/markets", "state=OPEN,open"),
        ("/v1/ws", "x=1"),
    ];
    for (path, query) in queries {
        check(&api.get(Some(&keys.full), &format!("{path}?{query}")).await, query, "invalid-request");
    }
    for query in [
        format!("client_id=x&market={TICKER}"),
        "client=1".to_owned(),
        format!("client_id={NAME}"),
        format!("client_id={NAME}&client_id={NAME}&market={TICKER}"),
        format!("client_id={NAME}&market={TICKER}&order_id=1"),
        format!("market={TICKER}&market={TICKER}"),
    ] {
        check(&api.delete(Some(&keys.full), &format!("/v1/orders?{query}")).await, &query, "invalid-request");
    }
    let (without, misspelt) = (format!("?client_id={NAME}"), format!("?client_id=x&market={TICKER}"));
    let alone = format!("?market={TICKER}");
    for query in ["", &without, &misspelt, &alone, "?order_id=1"] {
        let path = format!("/v1/orders{query}");
        let amended = api.send_json(Method::PATCH, Some(&keys.full), &path, &json!({"quantity": 1})).await;
        check(&amended, query, "invalid-request");
    }
    let missing = api.delete(Some(&keys.full), &format!("/v1/orders{without}")).await;
    assert_eq!(
        (&missing.body["errors"][0]["parameter"], &missing.body["errors"][0]["code"]),
        (&json!("market"), &json!("missing"))
    );
    let unknown = api.get(Some(&keys.full), "/v1/orders?ticker=NOBODY").await;
    check(&unknown, "a filter by an unknown market", "market-unknown");
    let order =
        json!({"ticker": TICKER, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.5", "quantity": 1});
    check(&api.post(Some(&keys.full), "/v1/orders?dry_run=true", &order).await, "dry_run", "invalid-request");
}

/// Every route that needs a key: without a key, with wrong keys, and with keys that do not have the
/// right.
async fn keys_that_do_not_fit(api: &Api, keys: &Keys) {
    let wrong = format!("{}0", &keys.full[..keys.full.len() - 1]);
    let nobody = [wrong.as_str(), &keys.revoked, "x", "lfg_", &"k".repeat(5_000)];
    let trader = [
        (Method::POST, "/v1/orders"),
        (Method::DELETE, "/v1/orders/1"),
        (Method::PATCH, "/v1/orders/1"),
        (Method::PATCH, "/v1/orders"),
        (Method::DELETE, "/v1/orders"),
        (Method::POST, "/v1/orders/batch"),
        (Method::PUT, "/v1/dead-man-switch"),
        (Method::DELETE, "/v1/dead-man-switch"),
        (Method::POST, "/v1/transfers"),
        (Method::POST, "/v1/api-keys"),
        (Method::DELETE, "/v1/api-keys/0000000000000001"),
    ];
    let reader = ["/v1/orders", "/v1/orders/1", "/v1/fills", "/v1/wallet", "/v1/positions"].map(|p| (Method::GET, p));
    let admin = [
        "/v1/wallet/deposits",
        "/v1/wallet/withdrawals",
        "/v1/markets",
        "/v1/markets/RAIN-2099/open",
        "/v1/markets/RAIN-2099/pause",
        "/v1/markets/RAIN-2099/resume",
        "/v1/markets/RAIN-2099/close",
        "/v1/markets/RAIN-2099/resolve",
        "/v1/markets/RAIN-2099/confirm",
        "/v1/accounts/77/freeze",
        "/v1/accounts/77/unfreeze",
    ]
    .map(|path| (Method::POST, path))
    .into_iter()
    .chain(
        ["/v1/accounts/77/limits", "/v1/markets/RAIN-2099/limits", "/v1/admin/admins/7"]
            .map(|path| (Method::PUT, path)),
    )
    .chain([(Method::DELETE, "/v1/admin/admins/7"), (Method::GET, "/v1/admin/admins")]);
    let admin: Vec<_> = admin.collect();
    let send = |method: &Method, path: &str, key: &str| {
        api.send(api.request(method.clone(), path).header(AUTHORIZATION, format!("Bearer {key}")))
    };
    for (method, path) in trader.iter().chain(&reader).chain(&admin) {
        let anonymous = api.send(api.request(method.clone(), path)).await;
        anonymous.problem(401, "unauthenticated");
        assert!(anonymous.headers.contains_key("www-authenticate"));
        for key in nobody {
            send(method, path, key).await.problem(401, "unauthenticated");
        }
        let basic = api.request(method.clone(), path).basic_auth("a", Some("b"));
        api.send(basic).await.problem(401, "unauthenticated");
    }
    for (method, path) in trader.iter().chain(&reader) {
        send(method, path, ADMIN_KEY).await.problem(403, "account-only");
    }
    for (method, path) in &trader {
        send(method, path, &keys.read_only).await.problem(403, "scope-missing");
    }
    for (method, path) in &admin {
        send(method, path, &keys.full).await.problem(403, "admin-only");
    }
}

async fn outcomes(api: &Api, keys: &Keys) {
    for (method, path, outcome) in [
        (Method::POST, "/v1/orders", "rejected"),
        (Method::DELETE, "/v1/orders/1", "rejected"),
        (Method::PUT, "/v1/none", "rejected"),
    ] {
        let refused = api.send(api.request(method, path)).await;
        assert_eq!(refused.body["outcome"], outcome, "{path} {}", refused.body);
    }
    let batch = json!({"requests": [{"cancel": {"order_id": "1"}}, 7]});
    let refused = api.post(Some(&keys.full), "/v1/orders/batch", &batch).await;
    assert_eq!(refused.body["outcome"], "rejected", "{}", refused.body);
    for path in ["/v1/orders", "/v1/none"] {
        let refused = api.get(None, path).await;
        assert_eq!(refused.body.get("outcome"), None, "{path}");
    }
    // A preview writes nothing.
    let preview = api.post(None, "/v1/orders/preview", &json!({})).await;
    assert_eq!(preview.body.get("outcome"), None, "{}", preview.body);
}

async fn routes_and_methods(api: &Api) {
    for path in [
        "/",
        "/v1",
        "/v2/orders",
        "/v1/order",
        "/v1/orders/1/2",
        "/v1/markets/A/explode",
        "/v1/markets/A/void",
        "/metrics",
        "//",
        "/v1/orders/",
    ] {
        check(&api.get(None, path).await, path, "route-unknown");
    }
    for (path, status, advice) in [
        ("/", 404, "GET /v1/markets lists the markets"),
        ("/v1/orders/", 404, "no slash at the end: perhaps /v1/orders"),
        ("/markets", 404, "perhaps /v1/markets"),
        ("/v1/markets/rain-2099", 404, "tickers are in upper case: RAIN-2099"),
        ("/v1/markets/rain-2099/book", 404, "tickers are in upper case: RAIN-2099"),
        ("/v1/markets/rain-2099/trades", 404, "tickers are in upper case: RAIN-2099"),
        ("/v1/markets/rain-2099/candles?interval=1m", 404, "tickers are in upper case: RAIN-2099"),
        ("/v1/markets/rain-2099/ticker", 404, "tickers are in upper case: RAIN-2099"),
    ] {
        let body = api.get(None, path).await.expect(status);
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(advice)), "{path} {body}");
    }
    for (method, path, allowed) in [
        (Method::PUT, "/v1/orders", "GET,HEAD,POST,PATCH,DELETE"),
        (Method::POST, "/v1/orders/1", "GET,HEAD,PATCH,DELETE"),
        (Method::DELETE, "/v1/orders/batch", "POST"),
        (Method::GET, "/v1/dead-man-switch", "PUT,DELETE"),
        (Method::GET, "/v1/accounts", "POST"),
        (Method::DELETE, "/v1/wallet", "GET,HEAD"),
        (Method::POST, "/v1/markets/A/book", "GET,HEAD"),
        (Method::GET, "/v1/markets/A/open", "POST"),
        (Method::POST, "/v1/ws", "GET,HEAD"),
    ] {
        let answer = api.send(api.request(method.clone(), path)).await;
        answer.problem(405, "method-not-allowed");
        let mut found: Vec<&str> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        let mut wanted: Vec<&str> = allowed.split(',').collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{method} {path}");
    }
    check(&api.get(None, "/v1/ws").await, "no upgrade", "invalid-upgrade");
}

async fn websocket(api: &Api, keys: &Keys) {
    let bearer = |key: &str| format!("Bearer {key}");
    for (headers, status) in [
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("authorization", "Bearer x")], 401),
        (vec![("authorization", bearer(&keys.revoked).leak() as &str)], 401),
    ] {
        assert_eq!(Socket::open(api, &headers).await.err(), Some(status), "{headers:?}");
    }
    let full = bearer(&keys.full);
    let mut socket = Socket::open(api, &[("origin", ORIGIN), ("authorization", &full)]).await.expect("an open socket");
    assert_eq!(socket.next().await, json!({"type": "authenticated", "account_id": ACCOUNT.to_string()}));
    for (message, code) in [
        ("nonsense".to_owned(), "malformed-json"),
        ("[]".to_owned(), "invalid-request"),
        (json!({"op": "dance"}).to_string(), "invalid-request"),
        (json!({"op": "subscribe", "channel": "book"}).to_string(), "invalid-request"),
        (json!({"op": "subscribe", "channel": "book", "market": "NOBODY"}).to_string(), "market-unknown"),
        (json!({"op": "unsubscribe", "channel": "book", "market": "NOBODY"}).to_string(), "market-unknown"),
        (json!({"op": "auth", "api_key": "x"}).to_string(), "unauthenticated"),
    ] {
        socket.say_text(message.clone()).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{message} {answer}");
    }
    let mut stranger = Socket::anonymous(api).await;
    let answer = stranger.ask(json!({"op": "subscribe", "channel": "orders"})).await;
    assert_eq!(answer["code"], "unauthenticated");
    for _ in 0..32 {
        stranger.say_text("?".to_owned()).await;
    }
    assert_eq!(closed(&mut stranger).await, 1008);
    let mut loud = Socket::anonymous(api).await;
    loud.say_text("x".repeat(5_000)).await;
    assert!(matches!(loud.hear().await, Heard::Closed(_)));
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        if let Heard::Closed(code) = socket.hear().await {
            return code;
        }
    }
}

#[tokio::test]
async fn bad_input_gets_a_clear_problem_and_writes_nothing() {
    let platform = Platform::create("bad-input").await;
    let mut scribe = Scribe::new(&platform);
    let keys = prepare(&platform, &mut scribe).await;
    let (mut gateway, api) = platform.gateway().await;
    eventually("the gateway knows the markets", async || {
        let markets = api.get(None, "/v1/markets").await.expect(200);
        (markets["items"].as_array()?.len() == 2).then_some(())
    })
    .await;
    described_fields(&api, &keys).await;
    bodies(&api, &keys).await;
    unknown_things(&api, &keys, &elsewhere(&platform)).await;
    query_strings(&api, &keys).await;
    keys_that_do_not_fit(&api, &keys).await;
    routes_and_methods(&api).await;
    outcomes(&api, &keys).await;
    websocket(&api, &keys).await;
    assert_eq!(scribe.commands(), 0, "commands were written");
    let log = gateway.log();
    for secret in [&keys.full, &keys.read_only, &keys.revoked, ADMIN_KEY] {
        assert!(!log.contains(secret), "a key is in the gateway's log");
    }
    assert!(gateway.stop());
    platform.remove().await;
}
