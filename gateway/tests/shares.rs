//! Clients that use all that they can get, while another client is served; and a connection after
//! the refusal of a request.
//!
//! No engine runs here, so commands stay in progress until the gateway stops waiting for their
//! outcome.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::api::Api;
use common::process::Process;
use common::raw::{answer, ask, connect_from, ended, narrow_from};
use common::scribe::{Scribe, key, listing};
use common::signer::{Signer, now};
use common::{ADMIN_KEY, PATIENCE, Platform, eventually};
use futures_util::future::join_all;
use schemas::{AccountId, ApiKey, ApiKeyId, Event, KeyProof, Scopes};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const GET: &str = "GET /v1/markets HTTP/1.1\r\nHost: lfg.example\r\n\r\n";

/// Signs by a key of the first account.
fn signer() -> Signer {
    Signer::new(7).of("0000000000000007")
}

struct Crowd {
    platform: Platform,
    api: Api,
    /// Keys of two accounts; the last key may only read.
    keys: [String; 3],
    address: String,
    shard: u16,
    _gateway: Process,
}

/// Starts a gateway with a market, two accounts and these settings.
async fn crowd(name: &str, settings: &[(&str, &str)]) -> Crowd {
    let mut platform = Platform::create(name).await.impatient();
    for (setting, value) in settings {
        platform.set(setting, value);
    }
    let mut scribe = Scribe::new(&platform);
    let mut keys = Vec::new();
    for (number, scopes) in [(1, Scopes::ALL), (2, Scopes::ALL), (3, Scopes::READ)] {
        let account = AccountId(70 + u64::from(number.min(2_u8)));
        let (text, added) = key(u64::from(number), number, scopes);
        let opened = (number < 3).then_some(Event::AccountOpened { account });
        let added = Event::ApiKeyAdded { account, key: added, by: None };
        scribe.tell(platform.map().of_account(account), opened.into_iter().chain([added]).collect()).await;
        keys.push(text);
    }
    let account = AccountId(71);
    let proof = KeyProof::Ed25519(STANDARD.decode(signer().public_key()).unwrap().try_into().unwrap());
    let key = ApiKey { id: ApiKeyId(7), proof, scopes: Scopes::ALL, expires: None, terms: None };
    let signs = vec![Event::ApiKeyAdded { account, key, by: None }];
    scribe.tell(platform.map().of_account(account), signs).await;
    let listing = listing("RAIN", 100);
    let shard = platform.map().of_market(listing.market);
    scribe.open_market(shard, listing).await;
    let (gateway, api) = platform.gateway().await;
    let keys = keys.try_into().unwrap();
    let (address, shard) = (api.address.clone(), shard.number());
    Crowd { platform, api, keys, address, shard, _gateway: gateway }
}

impl Crowd {
    /// Checks that reads without a key and with a key, and a cancel, are served.
    async fn is_served(&self) {
        self.api.get(None, "/v1/markets").await.expect(200);
        let key = Some(self.keys[0].as_str());
        self.api.get(key, "/v1/api-keys").await.expect(200);
        self.api.delete(key, "/v1/orders/none").await.problem(404, "order-unknown");
    }
}

fn post(path: &str, length: usize, more: &str) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: lfg.example\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n{more}\r\n")
}

#[tokio::test]
async fn late_bodies_do_not_delay_other_clients() {
    let crowd = crowd("slow-bodies", &[("LFG_REQUESTS_MAX", "40")]).await;
    let mut slow = Vec::new();
    for number in 0..60 {
        let mut stream = connect_from(2 + number % 2, &crowd.address).await;
        stream.write_all(format!("{}{{", post("/v1/accounts", 100, "")).as_bytes()).await.unwrap();
        slow.push(stream);
    }
    crowd.is_served().await;
    // The same over HTTP/2, with the maximum of streams on a connection.
    let mut streams = Vec::new();
    for _ in 0..4 {
        let (mut requests, connection) = h2::client::handshake(connect_from(4, &crowd.address).await).await.unwrap();
        let running = tokio::spawn(connection);
        for _ in 0..32 {
            requests = requests.ready().await.unwrap();
            let url = format!("http://{}/v1/accounts", crowd.address);
            let request = axum::http::Request::post(url).body(()).unwrap();
            streams.push((requests.send_request(request, false).unwrap(), running.abort_handle()));
        }
    }
    crowd.is_served().await;
    // Each gets its answer in time: the body is late, or there are too many requests.
    for stream in &mut slow {
        let (head, body) = answer(stream).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(["request-timeout", "overloaded"].contains(&body["code"].as_str().unwrap()), "{head} {body}");
        assert!(head.contains("connection: close"), "{head}");
        ended(stream).await;
    }
    crowd.platform.remove().await;
}

#[tokio::test]
async fn waits_for_a_position_do_not_delay_other_clients() {
    let crowd = crowd("far-positions", &[("LFG_REQUESTS_MAX", "40")]).await;
    let key = crowd.keys[1].clone();
    for far in ["18446744073709551615", "1000000"] {
        let path = format!("/v1/markets?min_position={}:{far}", crowd.shard);
        let start = std::time::Instant::now();
        crowd.api.get(None, &path).await.problem(503, "position-not-reached");
        assert!(
            start.elapsed() < std::time::Duration::from_secs(2),
            "the gateway waits for a position that cannot come"
        );
    }
    let near = format!("min_position={}:100", crowd.shard);
    let paths = ["/v1/markets", "/v1/wallet", "/v1/orders"];
    let waiting = (0..120).map(|number| {
        let path = format!("{}?{near}", paths[number % 3]);
        let (api, key) = (crowd.api.clone(), Some(key.clone()).filter(|_| number % 3 > 0));
        async move { api.get(key.as_deref(), &path).await }
    });
    let waiting = tokio::spawn(join_all(waiting.collect::<Vec<_>>()));
    while !waiting.is_finished() {
        crowd.is_served().await;
    }
    for answer in waiting.await.unwrap() {
        let code = answer.body["code"].as_str().unwrap();
        assert!(["position-not-reached", "overloaded"].contains(&code), "{}", answer.body);
    }
    crowd.platform.remove().await;
}

#[tokio::test]
async fn a_signed_request_finds_room_beside_a_crowd_without_keys_and_forged_ones_take_none_of_its_account() {
    let crowd = crowd("claims", &[("LFG_REQUESTS_MAX", "16")]).await;
    let signer = signer();
    let is_taken = async || signer.post(&crowd.api, "/v1/orders", &json!({})).await.status.as_u16();
    assert_eq!(is_taken().await, 400, "read, and then found not to be an order");
    // Bodies that do not come, by everybody without a key.
    let begun = async |last: u8, more: &str| {
        let mut stream = connect_from(last, &crowd.address).await;
        stream.write_all(format!("{}{{", post("/v1/accounts", 100, more)).as_bytes()).await.unwrap();
        stream
    };
    let mut slow = Vec::new();
    let is_refused = async |last: u8, more: &str| {
        let mut stream = connect_from(last, &crowd.address).await;
        let (head, _) = ask(&mut stream, format!("{}[]", post("/v1/accounts", 2, more))).await;
        head.starts_with("http/1.1 503").then_some(())
    };
    for number in 0..8 {
        slow.push(begun(2 + number % 2, "").await);
    }
    // A question may take the place of the body that comes last: each round begins another one.
    eventually("a half is taken", async || {
        slow.push(begun(4, "").await);
        is_refused(5, "").await
    })
    .await;
    assert_eq!(is_taken().await, 400, "it is not one of those without a key");
    // The same by somebody who knows the key's id.
    let forged = || {
        let (time, signature) = (now(), "A".repeat(86) + "==");
        format!("LFG-Key: 0000000000000007\r\nLFG-Timestamp: {time}\r\nLFG-Signature: {signature}\r\n")
    };
    eventually("the forger's share is taken", async || {
        for _ in 0..4 {
            slow.push(begun(6, &forged()).await);
        }
        is_refused(6, &forged()).await
    })
    .await;
    assert_eq!(is_taken().await, 400, "the account has its own share");
    drop(slow);
    crowd.platform.remove().await;
}

#[tokio::test]
async fn those_without_a_key_cannot_take_all_places_and_no_account_can() {
    let crowd = crowd("places", &[("LFG_REQUESTS_MAX", "16")]).await;
    let open = |last: u8| {
        let address = crowd.address.clone();
        async move {
            let mut stream = connect_from(last, &address).await;
            ask(&mut stream, format!("{}{{}}", post("/v1/accounts", 2, ""))).await.0
        }
    };
    let anonymous = tokio::spawn(join_all((0..32).map(|number| open(2 + number % 4)).collect::<Vec<_>>()));
    let order =
        json!({"ticker": "RAIN", "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.5", "quantity": 1});
    let (api, key) = (crowd.api.clone(), crowd.keys[1].clone());
    let orders = (0..8).map(|_| {
        let (api, key, order) = (api.clone(), key.clone(), order.clone());
        async move { api.post(Some(&key), "/v1/orders", &order).await.status.as_u16() }
    });
    let orders = tokio::spawn(join_all(orders.collect::<Vec<_>>()));
    let key = Some(crowd.keys[0].as_str());
    while !(anonymous.is_finished() && orders.is_finished()) {
        crowd.api.get(key, "/v1/api-keys").await.expect(200);
        crowd.api.delete(key, "/v1/orders/none").await.problem(404, "order-unknown");
    }
    let (heads, statuses) = (anonymous.await.unwrap(), orders.await.unwrap());
    let refused = heads.iter().filter(|head| head.starts_with("http/1.1 503")).count();
    assert!(refused > 0 && refused < heads.len(), "{heads:?}");
    let taken = statuses.iter().filter(|status| **status == 202).count();
    assert!(taken > 0 && statuses.iter().all(|status| [202, 503].contains(status)), "{statuses:?}");
    crowd.platform.remove().await;
}

#[tokio::test]
async fn commands_without_a_key_leave_room_for_those_with_one() {
    let crowd = crowd("pending", &[("LFG_PENDING_MAX", "8")]).await;
    let opened = (0..32).map(|_| {
        let api = crowd.api.clone();
        async move { api.post(None, "/v1/accounts", &json!({})).await }
    });
    let opened = tokio::spawn(join_all(opened.collect::<Vec<_>>()));
    let order =
        json!({"ticker": "RAIN", "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.5", "quantity": 1});
    while !opened.is_finished() {
        crowd.api.post(Some(&crowd.keys[0]), "/v1/orders", &order).await.expect(202);
    }
    let statuses: Vec<u16> = opened.await.unwrap().iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.contains(&202) && statuses.contains(&503), "{statuses:?}");
    crowd.platform.remove().await;
}

/// The stream is reset, whatever came before.
async fn is_reset(body: &mut h2::RecvStream) {
    let error = async {
        loop {
            match body.data().await.expect("no end in order") {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, error).await.expect("the stream is ended");
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}");
}

/// All of an answer, whose window is opened as it comes.
async fn read(body: &mut h2::RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = body.data().await {
        let bytes = bytes.unwrap();
        all.extend_from_slice(&bytes);
        body.flow_control().release_capacity(bytes.len()).unwrap();
    }
    all
}

#[tokio::test]
async fn a_stream_that_nobody_reads_keeps_its_place_and_ends_alone() {
    let crowd = crowd("unread-streams", &[("LFG_REQUESTS_MAX", "40"), ("LFG_WRITE_WITHIN", "5")]).await;
    let mut builder = h2::client::Builder::new();
    // So much of each answer is taken, and all of it is given to the connection.
    builder.initial_window_size(16);
    let stream = connect_from(2, &crowd.address).await;
    let (mut requests, connection) = builder.handshake::<_, axum::body::Bytes>(stream).await.unwrap();
    let running = tokio::spawn(connection);
    let mut get = async || {
        requests = requests.clone().ready().await.unwrap();
        let request = axum::http::Request::get(format!("http://{}/v1/markets", crowd.address)).body(()).unwrap();
        requests.send_request(request, true).unwrap().0.await.unwrap()
    };
    // As many as one address may have.
    let mut unread = Vec::new();
    for _ in 0..10 {
        let answer = get().await;
        assert_eq!(answer.status(), 200);
        unread.push(answer);
    }
    let mut other = connect_from(2, &crowd.address).await;
    let (head, _) = ask(&mut other, GET).await;
    assert!(head.starts_with("http/1.1 503 "), "they have their places: {head}");
    crowd.is_served().await;
    for answer in &mut unread {
        is_reset(answer.body_mut()).await;
    }
    // The connection goes on, and the places are given back.
    let mut answer = get().await;
    assert_eq!(answer.status(), 200);
    let read: Value = serde_json::from_slice(&read(answer.body_mut()).await).unwrap();
    assert_eq!(read["items"][0]["ticker"], "RAIN", "{read}");
    let (head, _) = ask(&mut other, GET).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    running.abort();
    crowd.platform.remove().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_its_stream_or_connection() {
    let crowd = crowd("unread", &[("LFG_REQUESTS_MAX", "40"), ("LFG_WRITE_WITHIN", "2")]).await;
    let mut unread = Vec::new();
    for _ in 0..3 {
        // Of HTTP/2, the streams end.
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0);
        let stream = connect_from(2, &crowd.address).await;
        let (mut requests, connection) = builder.handshake::<_, axum::body::Bytes>(stream).await.unwrap();
        let running = tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..32 {
            requests = requests.ready().await.unwrap();
            let url = format!("http://{}/v1/markets", crowd.address);
            let request = axum::http::Request::get(url).body(()).unwrap();
            answers.push(requests.send_request(request, true).unwrap().0);
        }
        unread.push((running, answers, requests));
    }
    crowd.is_served().await;
    for (running, answers, _) in &mut unread {
        for answer in answers {
            let mut answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap();
            is_reset(answer.body_mut()).await;
        }
        running.abort();
    }
    let mut stream = narrow_from(3, &crowd.address).await;
    let fills = async { while stream.write_all(GET.repeat(100).as_bytes()).await.is_ok() {} };
    // Writing stalls when the gateway reads no more, and fails when the connection is closed.
    tokio::time::timeout(PATIENCE, fills).await.expect("the connection is ended");
    crowd.is_served().await;
    crowd.platform.remove().await;
}

/// Checks that the connection continues after a refusal: the next request is answered.
async fn goes_on(stream: &mut TcpStream, request: &str, body: &[u8], status: u16) {
    let (head, _) = ask(stream, [request.as_bytes(), body].concat()).await;
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
    assert!(!head.contains("connection: close"), "{head}");
    let (head, _) = ask(stream, GET).await;
    assert!(head.starts_with("http/1.1 200 "), "behind {status}: {head}");
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_in_step() {
    let crowd = crowd("framing", &[("LFG_REQUESTS_MAX", "8")]).await;
    let mut stream = connect_from(2, &crowd.address).await;
    let read_only = format!("Authorization: Bearer {}\r\n", crowd.keys[2]);
    for length in [1_000, 60_000] {
        let body = vec![b' '; length];
        for (path, more, status) in [
            ("/v1/orders", "", 401),
            ("/v1/orders", "Authorization: Bearer nobody\r\n", 401),
            ("/v1/orders", read_only.as_str(), 403),
            ("/v1/nothing", "", 404),
            ("/v1/wallet", "", 405),
            ("/v1/accounts", "Content-Encoding: gzip\r\n", 415),
            ("/v1/accounts", "Host: other.example\r\n", 400),
        ] {
            goes_on(&mut stream, &post(path, length, more), &body, status).await;
        }
    }
    let chunked =
        "POST /v1/orders HTTP/1.1\r\nHost: lfg.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    goes_on(&mut stream, chunked, b"", 401).await;
    goes_on(&mut stream, &post("/v1/accounts", 100_000, ""), &[b' '; 100_000], 413).await;
    // Two requests whose bodies arrive later use up this address's share.
    let mut later = Vec::new();
    for _ in 0..2 {
        let mut stream = connect_from(2, &crowd.address).await;
        stream.write_all(format!("{}[", post("/v1/accounts", 2, "")).as_bytes()).await.unwrap();
        later.push(stream);
    }
    eventually("all places of the address are in use", async || {
        let (head, _) = ask(&mut stream, format!("{}[]", post("/v1/accounts", 2, ""))).await;
        head.starts_with("http/1.1 503").then_some(())
    })
    .await;
    goes_on(&mut stream, &post("/v1/accounts", 60_000, ""), &[b' '; 60_000], 503).await;
    for stream in &mut later {
        let (head, _) = ask(stream, "]").await;
        assert!(head.starts_with("http/1.1 400"), "{head}");
    }
    // If the body is too long to read to its end, the answer closes the connection.
    let (head, _) =
        ask(&mut stream, [post("/v1/orders", 50_000_000, "").as_bytes(), &[b' '; 5_000_000]].concat()).await;
    assert!(head.starts_with("http/1.1 413 ") && head.contains("connection: close"), "{head}");
    crowd.platform.remove().await;
}

#[tokio::test]
async fn a_request_has_one_host_header_and_no_refusal_is_cached() {
    let crowd = crowd("heads", &[]).await;
    let get = |version: &str, hosts: &str| format!("GET /v1/markets HTTP/{version}\r\n{hosts}\r\n");
    let one = "Host: lfg.example\r\n";
    for (request, status) in [
        (get("1.1", ""), 400),
        (get("1.1", &one.repeat(2)), 400),
        (get("1.0", &one.repeat(2)), 400),
        (get("1.1", one), 200),
        (get("1.0", ""), 200),
    ] {
        let mut stream = connect_from(2, &crowd.address).await;
        let (head, body) = ask(&mut stream, &request).await;
        // What is the same for everybody may be kept, and is asked for each time.
        let kept = if status == 200 { "cache-control: public, no-cache" } else { "cache-control: no-store" };
        assert!(head.contains(&format!(" {status} ")) && head.contains(kept), "{request}: {head}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(status == 200 || body["code"] == "invalid-request", "{body}");
    }
    let unknown: serde_json::Map<String, Value> = (0..5_000).map(|n| (format!("f{n}"), json!(1))).collect();
    let refused = crowd.api.post(None, "/v1/accounts", &Value::Object(unknown)).await;
    refused.problem(400, "invalid-request");
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 100);
    assert_eq!(refused.body["detail"], "more than 100 fields are not valid; the first 100 are named");
    let query: Vec<String> = (0..2_000).map(|n| format!("f{n}=1")).collect();
    let refused = crowd.api.get(None, &format!("/v1/markets?{}", query.join("&"))).await;
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 100);
    crowd.platform.remove().await;
}

#[tokio::test]
async fn an_address_opens_a_few_accounts_and_a_closed_gateway_none() {
    let crowd = crowd("openings", &[("LFG_ACCOUNTS_PER_ADDRESS", "2")]).await;
    let open = async |last: u8, more: &str| {
        let mut stream = connect_from(last, &crowd.address).await;
        let (head, body) = ask(&mut stream, format!("{}{{}}", post("/v1/accounts", 2, more))).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        (head, body)
    };
    // Requests that are refused for their form are not counted.
    for _ in 0..3 {
        crowd.api.post(None, "/v1/accounts", &json!({"a": 1})).await.problem(400, "invalid-request");
    }
    for _ in 0..2 {
        assert!(open(1, "").await.0.starts_with("http/1.1 202"));
    }
    for _ in 0..2 {
        let (head, body) = open(1, "").await;
        assert_eq!((&body["status"], &body["code"]), (&json!(429), &json!("accounts-limit")));
        let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("a time to wait");
        assert!((30..=50).contains(&wait.parse::<u64>().unwrap()), "{head}");
    }
    // An account's key opens no more; an admin's key, and another address, do.
    let (_, body) = open(1, &format!("Authorization: Bearer {}\r\n", crowd.keys[0])).await;
    assert_eq!(body["code"], "accounts-limit");
    assert!(open(1, &format!("Authorization: Bearer {ADMIN_KEY}\r\n")).await.0.starts_with("http/1.1 202"));
    assert!(open(2, "").await.0.starts_with("http/1.1 202"));
    let Crowd { mut platform, _gateway: gateway, .. } = crowd;
    drop(gateway);
    platform.set("LFG_SHARED_ADDRESSES", "127.0.0.1");
    let (gateway, api) = platform.gateway().await;
    for _ in 0..4 {
        api.post(None, "/v1/accounts", &json!({})).await.expect(202);
    }
    drop(gateway);
    platform.set("LFG_OPEN_ACCOUNTS", "false");
    let (gateway, api) = platform.gateway().await;
    for key in [None, Some(ADMIN_KEY)] {
        api.post(key, "/v1/accounts", &json!({})).await.problem(403, "accounts-closed");
    }
    drop(gateway);
    platform.remove().await;
}
