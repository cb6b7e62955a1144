//! A read of a part of a book with the maximum of levels costs only that part, and one client that
//! reads all of it does not delay others.
//!
//! No engine and no projections run, so Redis is empty: the books are in the gateway's memory.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::api::Api;
use common::process::Process;
use common::raw::narrow_from;
use common::scribe::{Scribe, listing};
use common::socket::{Rebuilt, Socket};
use common::{Platform, eventually};
use futures_util::{SinkExt, StreamExt};
use schemas::event::OrderPlaced;
use schemas::{
    AccountId, Entry, Event, FeeRate, Instructions, NewOrder, OrderId, PostOnly, Price, Quantity, Status, Terms,
    TimeInForce,
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Places contracts at a price: a bid below one half, an ask above.
fn level(id: u64, ticks: u16) -> Event {
    let entry = if ticks < 5_000 { Entry::BuyYes } else { Entry::SellYes };
    let (price, quantity) = (Price::new(ticks).unwrap(), Quantity::new(1_000_000).unwrap());
    let (time_in_force, post_only) = (TimeInForce::Gtc, PostOnly::Off);
    let terms = Terms::Limit { price, quantity, time_in_force, post_only };
    let (account, market) = (AccountId(1), listing("DEEP", 1).market);
    let (fee_rate, client_id, instructions) = (FeeRate::ZERO, None, Instructions::default());
    let order = NewOrder { account, market, entry, terms, fee_rate, client_id, instructions };
    let (filled, status, cancel_reason) = (Quantity::ZERO, Status::Active, None);
    Event::OrderPlaced(OrderPlaced { id: OrderId(id), order, price, quantity, filled, status, cancel_reason })
}

/// A gateway with a book of 9,999 levels.
async fn deep_book(platform: &Platform) -> (Process, Api) {
    let mut scribe = Scribe::new(platform);
    let listing = listing("DEEP", 1);
    let shard = platform.map().of_market(listing.market);
    scribe.open_market(shard, listing).await;
    let ticks: Vec<u16> = (1..10_000).collect();
    let levels = ticks.chunks(500).map(|part| part.iter().map(|ticks| level(u64::from(*ticks), *ticks)).collect());
    scribe.tell_all(shard, levels.collect::<Vec<_>>()).await;
    let (gateway, api) = platform.gateway().await;
    eventually("the whole book is read", async || {
        let book = api.get(None, "/v1/markets/DEEP/book").await.expect(200);
        let count = book["bids"].as_array().unwrap().len() + book["asks"].as_array().unwrap().len();
        (count == 9_999).then_some(())
    })
    .await;
    (gateway, api)
}

fn subscribe() -> Message {
    Message::text(json!({"op": "subscribe", "channel": "book", "market": "DEEP"}).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_book_is_read_from_memory_and_one_client_has_a_share_of_it() {
    let platform = Platform::create("deep-books").await;
    let (gateway, api) = deep_book(&platform).await;
    let best = api.get(None, "/v1/markets/DEEP/book?depth=1").await.expect(200);
    let level = |price: &str| json!([[price, 1_000_000]]);
    assert_eq!((&best["bids"], &best["asks"]), (&level("0.4999"), &level("0.5000")));

    // Snapshots beyond a connection's share arrive only as the share grows again; deltas are not
    // delayed.
    let mut greedy = Socket::narrow(&api).await;
    let mut other = Socket::anonymous(&api).await;
    let snapshot = other.subscribe("book", "DEEP").await.to_string();
    let wanted = 12 * 1024 * 1024 / snapshot.len();
    let start = Instant::now();
    for _ in 0..wanted {
        greedy.send(subscribe()).await.unwrap();
    }
    let reading = tokio::spawn(async move {
        let mut heard = 0;
        while heard < wanted {
            let message = greedy.next().await.expect("a message").expect("a message");
            heard += usize::from(message.into_text().is_ok_and(|text| text.starts_with(r#"{"type":"snapshot""#)));
        }
        start.elapsed()
    });
    while !reading.is_finished() {
        let asked = Instant::now();
        assert_eq!(other.ask(json!({"op": "ping"})).await["type"], "pong");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        tokio::task::yield_now().await;
    }
    let took = reading.await.unwrap();
    assert!(took > Duration::from_secs(3), "{wanted} snapshots of {} bytes within {took:?}", snapshot.len());
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_that_nobody_reads_are_bounded_and_leave_others_theirs() {
    let mut platform = Platform::create("unread-snapshots").await;
    // An eighth for each client: two of these books and not three.
    platform.set("LFG_WEBSOCKET_BYTES_MAX", &(4 * 1024 * 1024).to_string());
    let (gateway, api) = deep_book(&platform).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        let (url, stream) = (format!("ws://{}/v1/ws", api.address), narrow_from(2, &api.address).await);
        let mut socket = tokio_tungstenite::client_async(url, stream).await.expect("an open socket").0;
        // More than both machines buffer.
        for _ in 0..40 {
            socket.send(subscribe()).await.unwrap();
        }
        unread.push(socket);
    }
    let mut same = Socket::open_from(2, &api, None).await.expect("an open socket");
    let refused = eventually("its share is taken", async || {
        let told = same.subscribe("book", "DEEP").await;
        (told["type"] == "error").then_some(told)
    })
    .await;
    assert_eq!((&refused["code"], &refused["op"]), (&json!("overloaded"), &json!("subscribe")));
    let mut other = Socket::open_from(3, &api, None).await.expect("an open socket");
    for _ in 0..3 {
        assert_eq!(other.subscribe("book", "DEEP").await["type"], "snapshot");
    }
    // Who does not read is let go, and the share comes back.
    eventually("its share is back", async || {
        (same.subscribe("book", "DEEP").await["type"] == "snapshot").then_some(())
    })
    .await;
    for mut socket in unread {
        let code = loop {
            let message = socket.next().await.expect("a close frame").expect("a close frame");
            if let Message::Close(frame) = message {
                break u16::from(frame.expect("a reason").code);
            }
        };
        assert_eq!(code, 4003);
    }
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_follows_that_a_snapshot_of_a_changing_book_contains() {
    const CHANGES: u64 = 400;
    let platform = Platform::create("changing-books").await;
    let mut scribe = Scribe::new(&platform);
    let listing = listing("DEEP", 1);
    let shard = platform.map().of_market(listing.market);
    scribe.open_market(shard, listing).await;
    let deep = (1..2_000).map(|ticks| level(u64::from(ticks), ticks)).collect::<Vec<_>>();
    scribe.tell_all(shard, deep.chunks(500).map(<[Event]>::to_vec)).await;
    let (gateway, api) = platform.gateway().await;
    eventually("all of the book", async || {
        let book = api.get(None, "/v1/markets/DEEP/book").await.expect(200);
        (book["bids"].as_array().unwrap().len() == 1_999).then_some(())
    })
    .await;
    let mut readers = Vec::new();
    for _ in 0..12 {
        let mut socket = Socket::anonymous(&api).await;
        let first = socket.subscribe("book", "DEEP").await;
        readers.push(tokio::spawn(async move {
            let (mut book, mut heard) = (Rebuilt::of(&first), 0);
            let last = book.sequence + CHANGES;
            while book.sequence < last {
                let message = socket.next().await;
                match message["type"].as_str() {
                    Some("snapshot") => book = Rebuilt::of(&message),
                    _ => book.apply(&message),
                }
                heard += 1;
                if heard % 16 == 0 {
                    socket.say(&json!({"op": "subscribe", "channel": "book", "market": "DEEP"})).await;
                }
            }
            book
        }));
    }
    for id in 0..CHANGES {
        let ticks = u16::try_from(1 + id * 7 % 1_999).unwrap();
        scribe.tell(shard, vec![level(10_000 + id, ticks)]).await;
    }
    let mut books = Vec::new();
    for reader in readers {
        books.push(reader.await.expect("every message follows what the reader has"));
    }
    let shown = api.get(None, "/v1/markets/DEEP/book").await.expect(200);
    for book in books {
        assert_eq!(book.shown(), (shown["bids"].clone(), shown["asks"].clone()));
    }
    drop(gateway);
    platform.remove().await;
}
