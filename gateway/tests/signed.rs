//! Signed requests, through all processes: acceptance, every reason of a refusal, replays by
//! others, rotation, WebSockets.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Answer, Api, limit};
use common::signer::{Signed, Signer, in_time, now};
use common::socket::{Heard, Socket};
use common::steps::{in_seconds, name, text, with};
use common::{Platform, eventually};

use reqwest::Method;
use serde_json::{Value, json};

const KEYS: &str = "/v1/api-keys";
const WALLET: &str = "/v1/wallet";
const ORDERS: &str = "/v1/orders";

#[tokio::test]
async fn signed_requests_are_done_once_and_changed_or_repeated_ones_are_refused() {
    let whole = Platform::whole("signed").await;
    let api = &whole.api;
    let market = api.market("SIGNED").await;
    let account = api.account("100").await;
    public_keys(api, &account).await;
    orders_and_transfers(api, &account).await;
    what_was_changed(api, &account).await;
    rights(api, &account, &market).await;
    ends(api, &account).await;
    rotation(api, &account).await;
    websockets(api, &account).await;
    an_account_without_a_secret(api).await;
    whole.remove().await;
}

fn order() -> Value {
    with(limit("SIGNED", "BUY YES 1 @ 0.10"), json!({"client_id": name()}))
}

/// Returns the only fault of a request.
#[track_caller]
fn fault(body: &Value) -> (&str, &str) {
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{body}");
    (text(&errors[0], "pointer"), text(&errors[0], "code"))
}

async fn public_keys(api: &Api, account: &Account) {
    let (good, spaced) = (Signer::new(1).public_key(), format!("{} ", Signer::new(1).public_key()));
    let (weak, no_point) = (format!("AQ{}=", "A".repeat(41)), format!("Ag{}=", "A".repeat(41)));
    for bad in ["", "AQ==", &weak, &no_point, &good[..43], &spaced] {
        for path in ["/v1/accounts", KEYS] {
            let answer = api.post(Some(&account.key), path, &json!({"public_key": bad})).await;
            answer.problem(400, "invalid-request");
            assert_eq!(fault(&answer.body), ("/public_key", "form"), "{bad}");
        }
    }
}

async fn orders_and_transfers(api: &Api, account: &Account) {
    let signer = Signer::new(1).add(api, account, json!({"scopes": ["READ", "TRADE", "TRANSFER"]})).await;
    let placed = signer.post(api, ORDERS, &order()).await.expect(201);
    let path = format!("{ORDERS}/{}?min_position={}", text(&placed, "order_id"), text(&placed, "position"));
    assert_eq!(signer.get(api, &path).await.expect(200)["status"], "ACTIVE");
    // A percent-encoded query is signed in the same form.
    signer.get(api, &path.replace(':', "%3A")).await.expect(200);
    let cancel = format!("{ORDERS}/{}", text(&placed, "order_id"));
    signer.send(api, Method::DELETE, &cancel, &Value::Null).await.expect(200);
    let to = api.account("0").await;
    let transfer = json!({"to": to.id, "amount": "1", "client_id": name()});
    signer.post(api, "/v1/transfers", &transfer).await.expect(201);
    let batch = json!({"requests": [{"place": order()}]});
    assert_eq!(signer.post(api, "/v1/orders/batch", &batch).await.expect(200)["results"][0]["status"], 201);
    // A request without a client id could be applied twice.
    let nameless = limit("SIGNED", "BUY YES 1 @ 0.10");
    for (path, body, pointer) in [
        (ORDERS, nameless.clone(), "/client_id"),
        ("/v1/transfers", json!({"to": to.id, "amount": "1"}), "/client_id"),
        ("/v1/orders/batch", json!({"requests": [{"place": nameless}]}), "/requests/0/place/client_id"),
    ] {
        let answer = signer.post(api, path, &body).await;
        answer.problem(400, "invalid-request");
        assert_eq!(fault(&answer.body), (pointer, "missing"));
    }
}

/// A changed part of the request, and the change.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Signed));

/// Requests that differ from the signed one, or whose key does not exist.
async fn what_was_changed(api: &Api, account: &Account) {
    let signer = Signer::new(2).add(api, account, json!({})).await;
    let second = Signer::new(2).add(api, account, json!({})).await;
    let (_, with_secret) = account.key.split_once('_').unwrap();
    let with_secret = &with_secret[..16];
    let live = async || {
        let all = api.get(Some(&account.key), WALLET).await.expect(200);
        all["live_orders"].as_u64().unwrap()
    };
    let before = live().await;
    let change = |change: &dyn Fn(&mut Signed)| {
        let mut signed = signer.signed(Method::POST, ORDERS, &order());
        change(&mut signed);
        signed
    };
    let stranger = Signer::new(3);
    let changes: [Change<'_>; 12] = [
        ("another body", &|signed| signed.body = order().to_string()),
        ("a space more", &|signed| signed.body.push(' ')),
        ("no body", &|signed| signed.body.clear()),
        ("another path", &|signed| signed.target = "/v1/orders/batch".to_owned()),
        ("a query", &|signed| signed.target = format!("{ORDERS}?min_position=0:1")),
        ("another method", &|signed| signed.method = Method::PATCH),
        ("another time", &|signed| signed.timestamp = (signed.timestamp.parse::<u64>().unwrap() + 1).to_string()),
        ("another key of the same public key", &|signed| signed.key_id.clone_from(&second.key_id)),
        ("a key with a secret", &|signed| with_secret.clone_into(&mut signed.key_id)),
        ("nobody's key", &|signed| "0123456789abcdef".clone_into(&mut signed.key_id)),
        ("another signature", &|signed| {
            let other = if signed.signature.starts_with('A') { "B" } else { "A" };
            signed.signature.replace_range(..1, other);
        }),
        ("a stranger's signature", &|signed| {
            let Signed { timestamp, target, body, .. } = &*signed;
            signed.signature = stranger.of(&signer.key_id).signature(timestamp, "POST", target, body);
        }),
    ];
    let mut refusals = Vec::new();
    for (what, changed) in changes {
        let answer = in_time(async || change(changed).send(api).await).await;
        assert_eq!(answer.body["code"], "unauthenticated", "{what}: {}", answer.body);
        let mut body = answer.body;
        body.as_object_mut().unwrap().remove("request_id");
        refusals.push((answer.status, body));
    }
    // The answer does not show whether the key exists.
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    out_of_form(api, &signer, account).await;
    out_of_time(api, &signer).await;
    // A body that is too large is not hashed.
    let huge = json!({"x": "x".repeat(64 * 1024)});
    signer.post(api, ORDERS, &huge).await.problem(413, "body-too-large");
    // A body is parsed as JSON only after its signature was verified.
    let no_json = async || change(&|signed| "{".clone_into(&mut signed.body)).send(api).await;
    in_time(no_json).await.problem(401, "unauthenticated");
    assert_eq!(live().await, before);
}

async fn out_of_form(api: &Api, signer: &Signer, account: &Account) {
    let get = || signer.signed(Method::GET, WALLET, &Value::Null);
    let answer = in_time(async || api.send(get().request(api).bearer_auth(&account.key)).await).await;
    answer.problem(401, "unauthenticated");
    for left_out in 0..3 {
        let request = |path: &str| {
            let (signed, request) = (get(), api.request(Method::GET, path));
            let headers = signed.headers();
            let kept = headers.iter().enumerate().filter(|(place, _)| *place != left_out);
            kept.fold(request, |request, (_, (name, value))| request.header(*name, *value))
        };
        // Also on a route that needs no key.
        for path in [WALLET, "/v1/markets"] {
            api.send(request(path)).await.problem(401, "unauthenticated");
        }
    }
    let twice = async || {
        let signed = get();
        api.send(signed.request(api).header("lfg-key", &signed.key_id)).await
    };
    in_time(twice).await.problem(401, "unauthenticated");
}

async fn out_of_time(api: &Api, signer: &Signer) {
    // Once the gateway accepts the current time, it refuses other times.
    signer.get(api, WALLET).await.expect(200);
    for away in [-60_000, -5_500, 60_000] {
        let before = now();
        let signed = signer.signed_at(before.checked_add_signed(away).unwrap(), Method::GET, WALLET, &Value::Null);
        let answer = signed.send(api).await;
        answer.problem(401, "timestamp-out-of-window");
        let gateways = answer.body["gateway_time_ms"].as_u64().unwrap();
        assert!((before..=now()).contains(&gateways), "{gateways}");
    }
}

async fn rights(api: &Api, account: &Account, market: &str) {
    let reader = Signer::new(4).add(api, account, json!({"scopes": ["READ"]})).await;
    reader.get(api, WALLET).await.expect(200);
    reader.post(api, ORDERS, &order()).await.problem(403, "scope-missing");
    reader.post(api, "/v1/markets", &json!({})).await.problem(403, "admin-only");
    let fields = json!({"markets": [market], "notional": "2"});
    let bound = Signer::new(5).add(api, account, fields).await;
    bound.post(api, ORDERS, &order()).await.expect(201);
    let larger = with(limit("SIGNED", "BUY YES 5 @ 0.50"), json!({"client_id": name()}));
    bound.post(api, ORDERS, &larger).await.problem(403, "key-bound");
    bound.post(api, "/v1/orders/batch", &json!({"requests": []})).await.problem(403, "key-bound");
    // The core limits the keys that it creates to its own rights.
    bound.post(api, KEYS, &json!({"scopes": ["READ"]})).await.problem(409, "key-rights-exceeded");
}

async fn ends(api: &Api, account: &Account) {
    let fields = json!({"expires_at": in_seconds(3)});
    let short = Signer::new(6).add(api, account, fields).await;
    eventually("the key expires", async || {
        let answer = short.get(api, WALLET).await;
        (answer.body["code"] == "unauthenticated").then_some(())
    })
    .await;
    let revoked = Signer::new(7).add(api, account, json!({})).await;
    revoked.get(api, WALLET).await.expect(200);
    let path = format!("{KEYS}/{}", revoked.key_id);
    revoked.send(api, Method::DELETE, &path, &Value::Null).await.expect(200);
    revoked.get(api, WALLET).await.problem(401, "unauthenticated");
}

async fn rotation(api: &Api, account: &Account) {
    let [first, second, third] = [8, 9, 10].map(Signer::new);
    let first = first.add(api, account, json!({})).await;
    let path = format!("{KEYS}/{}/rotate", first.key_id);
    for (body, code) in [(json!({}), "missing"), (json!({"public_key": first.public_key()}), "conflict")] {
        let answer = first.post(api, &path, &body).await;
        answer.problem(400, "invalid-request");
        assert_eq!(fault(&answer.body), ("/public_key", code));
    }
    let rotated = first.post(api, &path, &json!({"public_key": second.public_key()})).await.expect(201);
    assert_eq!((&rotated["public_key"], rotated.get("api_key")), (&json!(second.public_key()), None));
    let second = second.of(text(&rotated, "key_id"));
    first.get(api, WALLET).await.problem(401, "unauthenticated");
    second.get(api, WALLET).await.expect(200);
    // From a secret to a public key.
    let added = api.post(Some(&account.key), KEYS, &json!({})).await.expect(201);
    let (secret, path) = (text(&added, "api_key"), format!("{KEYS}/{}/rotate", text(&added, "key_id")));
    let rotated = api.post(Some(secret), &path, &json!({"public_key": third.public_key()})).await.expect(201);
    api.get(Some(secret), WALLET).await.problem(401, "unauthenticated");
    third.of(text(&rotated, "key_id")).get(api, WALLET).await.expect(200);
    let path = format!("{KEYS}/0123456789abcdef/rotate");
    second.post(api, &path, &json!({"public_key": third.public_key()})).await.problem(404, "api-key-unknown");
}

async fn websockets(api: &Api, account: &Account) {
    let signer = Signer::new(11).add(api, account, json!({})).await;
    // A signed upgrade could be replayed at another gateway by anyone who saw it.
    let upgrade = signer.signed(Method::GET, "/v1/ws", &Value::Null);
    assert_eq!(Socket::open(api, &upgrade.headers()).await.err(), Some(401));

    let mut said = said_and_repeated(api, account, &signer).await;
    let mut stranger = Socket::anonymous(api).await;
    let unasked = stranger.ask(signer.auth_message("")).await;
    assert!(text(&unasked, "detail").contains("challenge"), "{unasked}");
    // The signature of a request is not valid for a message.
    let answer = eventually("an answer in time", async || {
        challenge(&mut stranger).await;
        let Signed { timestamp, signature, .. } = signer.signed(Method::GET, "/v1/ws", &Value::Null);
        let message = json!({"op": "auth", "key_id": signer.key_id, "timestamp": timestamp, "signature": signature});
        Some(stranger.ask(message).await).filter(|answer| answer["code"] != "timestamp-out-of-window")
    });
    assert_eq!(answer.await["code"], "unauthenticated");
    let late = with(signer.auth_message(&challenge(&mut stranger).await), json!({"timestamp": "1"}));
    assert_eq!(stranger.ask(late).await["code"], "timestamp-out-of-window");
    said.say(&json!({"op": "subscribe", "channel": "orders"})).await;
    assert_eq!(said.next().await["type"], "snapshot");

    let path = format!("{KEYS}/{}", signer.key_id);
    signer.send(api, Method::DELETE, &path, &Value::Null).await.expect(200);
    assert!(matches!(said.hear().await, Heard::Closed(4001)));
}

/// Returns the challenge that the connection's next message must sign.
async fn challenge(socket: &mut Socket) -> String {
    let answer = socket.ask(json!({"op": "challenge"})).await;
    text(&answer, "challenge").to_owned()
}

/// Opens a socket and authenticates it by a signed message. The same message is refused on another
/// connection, and the second time.
async fn said_and_repeated(api: &Api, account: &Account, signer: &Signer) -> Socket {
    eventually("a message in time", async || {
        let (mut said, mut stranger) = (Socket::anonymous(api).await, Socket::anonymous(api).await);
        let (own, others) = (challenge(&mut said).await, challenge(&mut stranger).await);
        assert_ne!(own, others);
        let message = signer.auth_message(&own);
        let first = said.ask(message.clone()).await;
        if first["code"] == "timestamp-out-of-window" {
            return None;
        }
        assert_eq!(first, json!({"type": "authenticated", "account_id": account.id}));
        for socket in [&mut stranger, &mut said] {
            assert_eq!(socket.ask(message.clone()).await["code"], "unauthenticated");
        }
        Some(said)
    })
    .await
}

async fn an_account_without_a_secret(api: &Api) {
    let signer = Signer::new(12);
    let opened = api.post(None, "/v1/accounts", &json!({"public_key": signer.public_key()})).await.expect(201);
    assert_eq!(opened.get("api_key"), None);
    let signer = signer.of(text(&opened, "key_id"));
    let path = format!("{WALLET}?min_position={}", text(&opened, "position"));
    assert_eq!(signer.get(api, &path).await.expect(200)["account_id"], opened["account_id"]);
}

#[tokio::test]
async fn a_signed_request_that_is_sent_many_times_is_done_once() {
    let mut whole = Platform::whole("replayed").await;
    let api = whole.api.clone();
    api.market("SIGNED").await;
    let account = api.account("100").await;
    let signer = Signer::new(1).add(&api, &account, json!({})).await;
    let (_other_gateway, other) = whole.platform.gateway().await;
    // Both gateways accept requests that are signed now.
    let placed = signer.post(&api, ORDERS, &order()).await.expect(201);
    let at = |path: &str| format!("{path}?min_position={}", text(&placed, "position"));
    signer.get(&other, &at(WALLET)).await.expect(200);

    let mut sent = None;
    let repeated = async || {
        let signed = signer.signed(Method::POST, ORDERS, &order());
        let first = signed.send(&api).await;
        let second = signed.send(&api).await;
        sent = Some((signed, first));
        second
    };
    in_time(repeated).await.problem(401, "signature-used");
    let (signed, first) = sent.unwrap();
    let first = first.expect(201);
    // Another gateway may accept it, but the core applies it once.
    let elsewhere = signed.send(&other).await;
    if elsewhere.body["code"] != "timestamp-out-of-window" {
        let elsewhere = elsewhere.expect(201);
        assert_eq!((&elsewhere["order_id"], &elsewhere["repeated"]), (&first["order_id"], &json!(true)));
    }
    in_time(async || one_of_many(&api, signer.signed(Method::POST, ORDERS, &order())).await).await.expect(201);

    // A gateway that has just started does not know which requests were accepted before, so it
    // refuses requests signed before its start.
    let mut sent = None;
    let last = async || {
        let signed = sent.insert(signer.signed(Method::POST, ORDERS, &order()));
        signed.send(&api).await
    };
    in_time(last).await.expect(201);
    whole.gateway.kill();
    let (restarted, api) = whole.platform.gateway().await;
    sent.unwrap().send(&api).await.problem(401, "timestamp-out-of-window");
    signer.post(&api, ORDERS, &order()).await.expect(201);
    whole.gateway = restarted;
    whole.remove().await;
}

/// Sends the same request many times at once, and returns the answer of the one that was accepted;
/// all others are refused.
async fn one_of_many(api: &Api, signed: Signed) -> Answer {
    let send = |_| {
        let (signed, api) = (signed.clone(), api.clone());
        tokio::spawn(async move { signed.send(&api).await })
    };
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for sent in (0..8).map(send).collect::<Vec<_>>() {
        let answer = sent.await.unwrap();
        if answer.status == 201 { done.push(answer) } else { refused.push(answer) }
    }
    assert!(refused.iter().all(|answer| answer.status == 401), "{refused:?}");
    assert!(done.len() <= 1, "{done:?}");
    done.pop().unwrap_or_else(|| refused.remove(0))
}
