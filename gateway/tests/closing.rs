//! How WebSockets end: a close is answered, a fault has its close code, and a connection without a
//! purpose is closed.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::process::Process;
use common::raw::{ask, connect_from};
use common::scribe::{Scribe, key, listing};
use common::socket::{Heard, Socket};
use common::{PATIENCE, Platform, eventually};
use schemas::{AccountId, ApiKeyId, Event, Scopes};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ACCOUNT: AccountId = AccountId(77);
const UPGRADE: &str = "GET /v1/ws HTTP/1.1\r\nHost: lfg.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// Makes a client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        short @ ..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

async fn upgraded(address: &str) -> TcpStream {
    let mut stream = connect_from(2, address).await;
    let (head, _) = ask(&mut stream, UPGRADE).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    stream
}

/// Reads to the end of the connection and returns the code of the close frame, which must be the
/// last frame.
async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("an end").expect("no reset");
    let mut rest = all.as_slice();
    while let [first, length, payload @ ..] = rest {
        let (payload, after) = payload.split_at(usize::from(*length));
        if *first == CLOSE {
            assert!(after.is_empty(), "bytes after the close frame");
            return u16::from_be_bytes(payload[..2].try_into().unwrap());
        }
        rest = after;
    }
    panic!("no close frame in {all:?}");
}

async fn started(name: &str) -> (Platform, Process, common::api::Api, Scribe) {
    let mut platform = Platform::create(name).await;
    platform.set("LFG_IDLE_WITHIN", "1");
    let mut scribe = Scribe::new(&platform);
    let listing = listing("RAIN", 100);
    scribe.open_market(platform.map().of_market(listing.market), listing).await;
    let (gateway, api) = platform.gateway().await;
    (platform, gateway, api, scribe)
}

#[tokio::test]
async fn a_close_is_answered_and_a_fault_has_its_close_code() {
    let (platform, gateway, api, _scribe) = started("closing").await;
    let goodbye = frame(CLOSE, &1000_u16.to_be_bytes());
    for (bytes, code) in [
        (goodbye, 1000),
        (frame(TEXT, &[0xff, 0xfe]), 1007),
        (frame(TEXT, &[b'x'; 5_000]), 1009),
        // Much more than the gateway ever reads.
        (frame(TEXT, &[b'x'; 60_000]), 1009),
        (frame(0x83, b""), 1002),
        (frame(0xf1, b""), 1002),
        // A frame without a mask.
        (vec![TEXT, 1, b'x'], 1002),
    ] {
        let mut stream = upgraded(&api.address).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(&mut stream).await, code, "{:?}", &bytes[..2]);
    }
    drop(gateway);
    platform.remove().await;
}

/// The code that a socket ends with.
async fn code_of(socket: &mut Socket) -> u16 {
    loop {
        if let Heard::Closed(code) = socket.hear().await {
            return code;
        }
    }
}

#[tokio::test]
async fn bad_messages_count_in_a_row() {
    let (platform, gateway, api, _scribe) = started("in-a-row").await;
    let mut socket = Socket::anonymous(&api).await;
    let book = |op: &str| json!({"op": op, "channel": "book", "market": "RAIN"});
    for op in ["subscribe", "unsubscribe", "subscribe"] {
        for _ in 0..31 {
            socket.say_text("?".to_owned()).await;
            assert_eq!(socket.next().await["type"], "error");
        }
        assert_ne!(socket.ask(book(op)).await["type"], "error");
    }
    for _ in 0..32 {
        socket.say_text("?".to_owned()).await;
    }
    assert_eq!(code_of(&mut socket).await, 1008);

    // What changes nothing ends no row, whatever is sent between two bad messages.
    let mut socket = Socket::anonymous(&api).await;
    assert_eq!(socket.ask(book("subscribe")).await["type"], "snapshot");
    let mut other = book("unsubscribe");
    other["channel"] = json!("trades");
    let (between, auth) =
        ([json!({"op": "ping"}), book("subscribe"), other], json!({"op": "auth", "api_key": "nobody's"}));
    assert_eq!(socket.ask(json!({"op": "challenge"})).await["type"], "challenge");
    for bad in 0..31 {
        assert_eq!(socket.ask(auth.clone()).await["type"], "error");
        assert_ne!(socket.ask(between[bad % 3].clone()).await["type"], "error");
    }
    socket.say(&auth).await;
    assert_eq!(code_of(&mut socket).await, 1008);

    let mut socket = Socket::anonymous(&api).await;
    for _ in 0..32 {
        assert_eq!(socket.ask(json!({"op": "challenge"})).await["type"], "challenge");
    }
    socket.say(&json!({"op": "challenge"})).await;
    assert_eq!(code_of(&mut socket).await, 1008);
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn a_connection_that_only_pings_is_closed_and_a_subscribed_one_is_not() {
    let (platform, gateway, api, _scribe) = started("idle-sockets").await;
    let mut watching = Socket::anonymous(&api).await;
    assert_eq!(watching.subscribe("book", "RAIN").await["type"], "snapshot");
    let mut idle = upgraded(&api.address).await;
    let pings = async {
        while idle.write_all(&frame(PING, b"")).await.is_ok() {
            tokio::task::yield_now().await;
            let mut waiting = [0; 4_096];
            let read = idle.try_read(&mut waiting).unwrap_or(0);
            if waiting[..read].ends_with(b"no key, no subscription and no request") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, pings).await.expect("the connection is ended");
    let mut silent = upgraded(&api.address).await;
    assert_eq!(close_code(&mut silent).await, 4006);
    assert_eq!(watching.ask(json!({"op": "ping"})).await["type"], "pong");
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn the_last_key_decides_what_a_connection_sees_and_when_it_ends() {
    let (platform, gateway, api, mut scribe) = started("two-keys").await;
    let home = platform.map().of_account(ACCOUNT);
    let (reads, reading) = key(1, 0x11, Scopes::READ_TRADE);
    let (trades, trading) = key(2, 0x22, Scopes::TRADE);
    let mut events = vec![Event::AccountOpened { account: ACCOUNT }];
    events.extend([reading, trading].map(|key| Event::ApiKeyAdded { account: ACCOUNT, key, by: None }));
    scribe.tell(home, events).await;
    eventually("the gateway knows the keys", async || {
        (api.get(Some(&trades), "/v1/wallet").await.status == 403).then_some(())
    })
    .await;
    let mut socket = Socket::anonymous(&api).await;
    let auth = |key: &str| json!({"op": "auth", "api_key": key});
    assert_eq!(socket.ask(auth(&reads)).await["type"], "authenticated");
    // The subscription comes before the other key, whether or not the snapshot can be read.
    socket.say(&json!({"op": "subscribe", "channel": "orders"})).await;
    socket.say(&auth(&trades)).await;
    while socket.next().await["type"] != "authenticated" {}
    let market = listing("RAIN", 100).market;
    let shard = platform.map().of_market(market);
    let bid = common::scribe::bid(ACCOUNT, market, shard);
    scribe.tell(shard, vec![bid]).await;
    scribe.tell(home, vec![Event::ApiKeyRevoked { account: ACCOUNT, key: ApiKeyId(1), by: None }]).await;
    eventually("the first key is revoked", async || {
        (api.get(Some(&reads), "/v1/wallet").await.status == 401).then_some(())
    })
    .await;
    // The connection belongs to the other key and has no message about the order.
    assert_eq!(socket.ask(json!({"op": "ping"})).await["type"], "pong");
    let refused = socket.ask(json!({"op": "subscribe", "channel": "orders"})).await;
    assert_eq!(refused["code"], "scope-missing");
    scribe.tell(home, vec![Event::ApiKeyRevoked { account: ACCOUNT, key: ApiKeyId(2), by: None }]).await;
    assert!(matches!(socket.hear().await, Heard::Closed(4001)));
    drop(gateway);
    platform.remove().await;
}
