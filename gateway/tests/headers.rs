//! What stands in the heads of answers: ids of requests, tags, what caches and web pages may do; and
//! how many requests a connection may have.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use axum::http::Request;
use common::raw::{PREFACE, ask, connect_from, ended, header};
use common::{ORIGIN, Platform};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

const HOST: &str = "Host: lfg.example\r\n";

fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\n{HOST}{headers}\r\n")
}

#[tokio::test]
async fn a_request_has_an_id_in_its_answer_and_in_the_log() {
    let mut platform = Platform::create("request-ids").await;
    platform.set("RUST_LOG", "info,gateway=debug");
    let (gateway, api) = platform.gateway().await;
    let mut stream = connect_from(2, &api.address).await;
    let mut id_of = async |line: &str, headers: &str| {
        let (head, body) = ask(&mut stream, request(line, headers)).await;
        let id = header(&head, "x-request-id").expect("an id").to_owned();
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"), "{head}");
        assert_eq!(header(&head, "content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
        if head.contains("application/problem+json") {
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["request_id"], id);
        }
        id
    };
    assert_eq!(id_of("GET /v1/markets", "X-Request-Id: own-1\r\n").await, "own-1");
    assert_eq!(id_of("GET /v1/none", "X-Request-Id: own-2\r\n").await, "own-2");
    for malformed in ["X-Request-Id: a b\r\n", "X-Request-Id: 1\r\nX-Request-Id: 2\r\n", "X-Request-Id:\r\n", ""] {
        let made = id_of("GET /v1/wallet", malformed).await;
        assert!(uuid::Uuid::try_parse(&made).is_ok(), "{malformed}: {made}");
    }
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_one: Vec<_> = lines.filter(|line| line["span"]["request_id"] == "own-1").collect();
    assert!(of_one.iter().any(|line| line["status"] == 200), "{of_one:?}");
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn what_is_for_everybody_has_a_tag_and_the_rest_is_not_kept() {
    let platform = Platform::create("tags").await;
    let (gateway, api) = platform.gateway().await;
    let mut stream = connect_from(2, &api.address).await;
    let (head, body) = ask(&mut stream, request("GET /v1/markets", "")).await;
    assert_eq!((header(&head, "cache-control"), body.is_empty()), (Some("public, no-cache"), false));
    assert_eq!(header(&head, "vary").map(|vary| vary.contains("accept-encoding")), Some(true), "{head}");
    let tag = header(&head, "etag").unwrap().replace("w/", "W/");
    let mut conditional = async |tag: &str| {
        let (head, _) = ask(&mut stream, request("GET /v1/markets", &format!("If-None-Match: {tag}\r\n"))).await;
        head
    };
    let head = conditional(&tag).await;
    assert!(head.starts_with("http/1.1 304 ") && header(&head, "lfg-position").is_some(), "{head}");
    // The connection is in step.
    assert!(conditional("W/\"other\"").await.starts_with("http/1.1 200 "));
    let mut stream = connect_from(2, &api.address).await;
    for path in ["/v1/wallet", "/v1/markets/NONE"] {
        let (head, _) = ask(&mut stream, request(&format!("GET {path}"), "")).await;
        assert_eq!((header(&head, "cache-control"), header(&head, "etag")), (Some("no-store"), None), "{head}");
    }
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn pages_of_the_configured_origins_may_ask_and_no_others() {
    let mut platform = Platform::create("cors").await;
    let (gateway, api) = platform.gateway().await;
    let preflight = async |address: &str, origin: &str| {
        let mut stream = connect_from(2, address).await;
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,content-type\r\n"
        );
        ask(&mut stream, request("OPTIONS /v1/orders", &headers)).await.0
    };
    let head = preflight(&api.address, ORIGIN).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(header(&head, "access-control-allow-origin"), Some(ORIGIN));
    assert!(header(&head, "access-control-allow-methods").is_some_and(|methods| methods.contains("post")), "{head}");
    let allowed = header(&head, "access-control-allow-headers").unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("lfg-signature"), "{head}");
    assert_eq!(header(&head, "access-control-allow-credentials"), None);
    let head = preflight(&api.address, "https://evil.example").await;
    assert_eq!(header(&head, "access-control-allow-origin"), None, "{head}");
    // Refusals, too, can be read by the page.
    let mut stream = connect_from(2, &api.address).await;
    let (head, _) = ask(&mut stream, request("GET /v1/wallet", &format!("Origin: {ORIGIN}\r\n"))).await;
    assert!(head.starts_with("http/1.1 401 "), "{head}");
    assert_eq!(header(&head, "access-control-allow-origin"), Some(ORIGIN));
    let seen = header(&head, "access-control-expose-headers").unwrap();
    assert!(seen.contains("lfg-position") && seen.contains("x-request-id"), "{head}");
    drop(gateway);
    platform.unset("LFG_ALLOWED_ORIGINS");
    let (gateway, api) = platform.gateway().await;
    let head = preflight(&api.address, ORIGIN).await;
    assert!(head.starts_with("http/1.1 405 ") && !head.contains("access-control"), "{head}");
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn a_connection_has_so_many_requests_and_ends_in_order() {
    let mut platform = Platform::create("requests-each").await;
    platform.set("LFG_CONNECTION_REQUESTS_MAX", "3");
    let (gateway, api) = platform.gateway().await;
    let mut stream = connect_from(2, &api.address).await;
    for last in [false, false, true] {
        let (head, _) = ask(&mut stream, request("GET /v1/markets", "")).await;
        assert_eq!(header(&head, "connection"), last.then_some("close"), "{head}");
    }
    ended(&mut stream).await;
    let (mut requests, connection) = h2::client::handshake(connect_from(2, &api.address).await).await.unwrap();
    let running = tokio::spawn(connection);
    for _ in 0..3 {
        requests = requests.ready().await.unwrap();
        let request = Request::get(format!("http://{}/v1/markets", api.address)).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    // GOAWAY without an error.
    assert!(running.await.unwrap().is_ok());
    drop(gateway);
    platform.remove().await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn requests_that_are_begun_and_thrown_away_end_their_connection() {
    let platform = Platform::create("rapid-reset").await;
    let (gateway, api) = platform.gateway().await;
    // GET / of `x`, whole, and its reset.
    let head = [0x82, 0x86, 0x84, 0x41, 1, b'x'];
    let thrown_away = |number: u32| {
        let stream = 2 * number + 1;
        [frame(1, 5, stream, &head), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let all: Vec<u8> = (0..1_000).flat_map(thrown_away).collect();
    let mut stream = connect_from(2, &api.address).await;
    let bytes = [PREFACE.to_vec(), frame(4, 0, 0, &[]), all].concat();
    // It may end before all of it is sent.
    let _sent = stream.write_all(&bytes).await;
    let said = ended(&mut stream).await;
    // GOAWAY with ENHANCE_YOUR_CALM.
    let mut rest = said.as_slice();
    let mut reason = None;
    while let [high, middle, low, kind, _flags, _, _, _, _, payload @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *high, *middle, *low])).unwrap();
        if *kind == 7 {
            reason = Some(payload[4..8].to_vec());
        }
        rest = payload.get(length..).unwrap_or_default();
    }
    assert_eq!(reason, Some(vec![0, 0, 0, 0xb]), "{said:?}");
    api.get(None, "/v1/markets").await.expect(200);
    drop(gateway);
    platform.remove().await;
}
