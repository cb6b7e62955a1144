//! What no route sees, since it is not HTTP or its head is too large, is refused with a problem: on
//! the gateway's port and on the admin ports of all programs.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use axum::http::{Request, Response};
use common::Platform;
use common::raw::{answer, ask, connect_from, ended, header};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

const HOST: &str = "Host: lfg.example\r\n";

/// The problem of an answer with this status.
fn problem(told: &str, status: u16, code: &str, head: &str, body: &[u8]) {
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{told}: {head}");
    assert!(head.contains("content-type: application/problem+json"), "{told}: {head}");
    assert!(head.contains("cache-control: no-store"), "{told}: {head}");
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["request_id"].as_str(), header(head, "x-request-id"), "{told}: {head}");
    assert_eq!((&body["code"], &body["status"]), (&Value::from(code), &Value::from(status)), "{told}");
    assert_eq!(body["type"], format!("urn:lfg:problem:{code}"));
}

async fn refuses_over_http1(port: &str, address: &str, path: &str) {
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{HOST}{headers}\r\n");
    let many: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (request, status, code) in [
        ("no HTTP at all\r\n\r\n".to_owned(), 400, "malformed-http"),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 400, "malformed-http"),
        (get(path, &format!("X{}\r\n", "x".repeat(100))), 400, "malformed-http"),
        (get(path, "Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "malformed-http"),
        (get(&format!("/{}", "x".repeat(20_000)), ""), 414, "uri-too-long"),
        (get(path, &format!("X: {}\r\n", "x".repeat(1_000_000))), 431, "head-too-large"),
        (get(path, &many), 431, "head-too-large"),
    ] {
        let told = format!("{port}: {request:.50}");
        let mut stream = connect_from(2, address).await;
        // It may be refused before all of it is sent.
        let _sent = stream.write_all(request.as_bytes()).await;
        let (head, body) = answer(&mut stream).await;
        problem(&told, status, code, &head, &body);
        assert!(head.contains("connection: close"), "{told}: {head}");
        ended(&mut stream).await;
        // The same as a later request of its connection.
        let mut stream = connect_from(2, address).await;
        let (head, _) = ask(&mut stream, get(path, "")).await;
        assert!(head.starts_with("http/1.1 200 "), "{port}: {head}");
        let _sent = stream.write_all(request.as_bytes()).await;
        let (head, body) = answer(&mut stream).await;
        problem(&told, status, code, &head, &body);
        ended(&mut stream).await;
    }
    for (request, status, code) in [
        (format!("GET {path} HTTP/1.1\r\n\r\n"), 400, "invalid-request"),
        (get("/none", ""), 404, "route-unknown"),
        (format!("DELETE {path} HTTP/1.1\r\n{HOST}\r\n"), 405, "method-not-allowed"),
    ] {
        let mut stream = connect_from(2, address).await;
        let (head, body) = ask(&mut stream, &request).await;
        problem(&format!("{port}: {request}"), status, code, &head, &body);
    }
}

async fn refuses_over_http2(port: &str, address: &str, path: &str) {
    let (mut requests, connection) = h2::client::handshake(connect_from(2, address).await).await.unwrap();
    let running = tokio::spawn(connection);
    let mut get = async |path: &str, header: usize| -> (Response<()>, Vec<u8>) {
        requests = requests.clone().ready().await.unwrap();
        let request = Request::get(format!("http://{address}{path}")).header("x", "y".repeat(header));
        let answered = requests.send_request(request.body(()).unwrap(), true).unwrap().0.await.unwrap();
        let (parts, mut body) = answered.into_parts();
        let mut all = Vec::new();
        while let Some(bytes) = body.data().await {
            all.extend_from_slice(&bytes.unwrap());
        }
        (Response::from_parts(parts, ()), all)
    };
    for (path, header, status, code) in [
        (format!("/{}", "x".repeat(17_000)), 1, 414, "uri-too-long"),
        (path.to_owned(), 17_000, 431, "head-too-large"),
        (path.to_owned(), 60_000, 431, "head-too-large"),
    ] {
        let (head, body) = get(&path, header).await;
        assert_eq!(head.status(), status, "{port}");
        assert_eq!(head.headers()["content-type"], "application/problem+json", "{port}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], code, "{port}");
        assert_eq!(body["request_id"].as_str(), head.headers()["x-request-id"].to_str().ok(), "{port}");
    }
    // The connection goes on.
    assert_eq!(get(path, 1).await.0.status(), 200, "{port}");
    running.abort();
}

#[tokio::test]
async fn every_port_tells_what_is_wrong_with_a_head() {
    let whole = Platform::whole("refusals").await;
    let mut ports = vec![("the gateway's port", whole.api.address.clone(), "/v1/markets")];
    ports.extend(whole.admin_ports().map(|(program, address)| (program, address, "/readyz")));
    for (port, address, path) in ports {
        refuses_over_http1(port, &address, path).await;
        refuses_over_http2(port, &address, path).await;
    }
    whole.remove().await;
}
