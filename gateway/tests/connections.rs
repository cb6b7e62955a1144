//! Connections that send nothing, too little, or nothing any more, while another client is served.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::Api;
use common::raw::{PREFACE, ask, connect_from, ended};
use common::{PATIENCE, Platform, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const GET: &str = "GET /v1/markets HTTP/1.1\r\nHost: lfg.example\r\n\r\n";

/// Starts a gateway with short time-outs, so that the test is short.
async fn quick(name: &str) -> Platform {
    let mut platform = Platform::create(name).await;
    for (setting, seconds) in [("LFG_FIRST_WITHIN", "1"), ("LFG_IDLE_WITHIN", "2"), ("LFG_WRITE_WITHIN", "2")] {
        platform.set(setting, seconds);
    }
    platform
}

async fn sent(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = connect_from(2, address).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// True if the other end has closed by now.
async fn is_closed(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let looked = stream.try_read(&mut byte);
    matches!(looked, Ok(0)) || looked.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
}

async fn how_many_are_closed(streams: &[TcpStream]) -> usize {
    let mut closed = 0;
    for stream in streams {
        closed += usize::from(is_closed(stream).await);
    }
    closed
}

#[tokio::test]
async fn a_connection_without_a_request_ends() {
    let platform = quick("silent").await;
    let (gateway, api) = platform.gateway().await;
    let settings = [&[0, 0, 0, 4, 0, 0, 0, 0, 0][..]].concat();
    let mut begun = Vec::new();
    for bytes in [
        &b""[..],
        b"G",
        b"GET /v1/markets HTT",
        b"GET /v1/markets HTTP/1.1\r\nHost: lfg.example\r\nX: ",
        &PREFACE[..12],
        PREFACE,
        &[PREFACE, &settings].concat(),
    ] {
        begun.push(sent(&api.address, bytes).await);
    }
    let mut idle = connect_from(2, &api.address).await;
    let (head, _) = ask(&mut idle, GET).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    begun.push(idle);
    for stream in &mut begun {
        ended(stream).await;
    }
    api.get(None, "/v1/markets").await.expect(200);
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn an_http2_connection_that_only_answers_pings_ends() {
    let platform = quick("pings").await;
    let (gateway, api) = platform.gateway().await;
    let stream = connect_from(2, &api.address).await;
    let (mut requests, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let conversation = tokio::spawn(connection);
    let request = axum::http::Request::get(format!("http://{}/v1/markets", api.address)).body(()).unwrap();
    let (answered, _) = requests.send_request(request, true).unwrap();
    let mut answered = answered.await.unwrap();
    assert_eq!(answered.status(), 200);
    while answered.body_mut().data().await.is_some() {}
    let pinging = async { while pings.ping(h2::Ping::opaque()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, pinging).await.expect("the connection is ended");
    drop(requests);
    // An orderly end: the client is told that no more streams are accepted.
    assert!(conversation.await.unwrap().is_ok());
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn one_address_has_its_share_and_idle_connections_are_replaced() {
    let mut platform = Platform::create("share").await;
    platform.set("LFG_CONNECTIONS_MAX", "40");
    platform.set("LFG_CONNECTIONS_PER_ADDRESS", "10");
    // The time-outs do not close connections in this test.
    platform.set("LFG_FIRST_WITHIN", "600");
    let (gateway, api) = platform.gateway().await;
    let mut of_one = Vec::new();
    for _ in 0..30 {
        of_one.push(connect_from(2, &api.address).await);
    }
    eventually("connections beyond the address's share are closed", async || {
        (how_many_are_closed(&of_one).await == 20).then_some(())
    })
    .await;
    api.get(None, "/v1/markets").await.expect(200);
    let mut of_many = Vec::new();
    for last in 10..50 {
        of_many.push(connect_from(last, &api.address).await);
    }
    for _ in 0..20 {
        // Each time from an address without a connection.
        Api::new(&api.address).get(None, "/v1/markets").await.expect(200);
    }
    assert!(how_many_are_closed(&of_many).await > 0);
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn the_limit_of_descriptors_limits_connections_and_is_logged() {
    let mut platform = Platform::create("descriptors").await;
    let (gateway, _) = platform.gateway().await;
    let told: serde_json::Value = logged(&gateway.log(), "limits of this process");
    let (descriptors, connections) = (told["descriptors"].as_u64().unwrap(), told["connections"].as_u64().unwrap());
    assert!(connections < descriptors && told["websockets"].as_u64().unwrap() < connections, "{told}");
    drop(gateway);
    platform.set("LFG_POOL_MAX", "10000000");
    let failed = platform.fails_at_its_start().await;
    assert!(failed.contains("open descriptors are too few") && failed.contains("hint: "), "{failed}");
    platform.remove().await;
}

fn logged(log: &str, message: &str) -> serde_json::Value {
    let mut entries = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    entries.find(|entry| entry["message"] == message).expect(message)
}
