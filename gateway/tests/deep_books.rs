//! A book of as many levels as there can be costs whoever asks for a part of it that part, and one
//! client's wish for all of it costs the others nothing.
//!
//! No engine, no projection and so nothing in Redis: the books are the gateway's own.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

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

/// Contracts at a price, bid below a half and asked above.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_book_is_read_from_memory_and_one_client_has_a_share_of_it() {
    let platform = Platform::create("deep-books").await;
    let mut scribe = Scribe::new(&platform);
    let listing = listing("DEEP", 1);
    let shard = platform.map().of_market(listing.market);
    scribe.open_market(shard, listing).await;
    let ticks: Vec<u16> = (1..10_000).collect();
    let levels = ticks.chunks(500).map(|part| part.iter().map(|ticks| level(u64::from(*ticks), *ticks)).collect());
    scribe.tell_all(shard, levels.collect::<Vec<_>>()).await;
    let (gateway, api) = platform.gateway().await;

    let best = eventually("the book is read", async || {
        let book = api.get(None, "/v1/markets/DEEP/book?depth=1").await.expect(200);
        (book["asks"] == json!([["0.5000", 1_000_000]])).then_some(book)
    })
    .await;
    eventually("all of it", async || {
        let book = api.get(None, "/v1/markets/DEEP/book").await.expect(200);
        let count = book["bids"].as_array().unwrap().len() + book["asks"].as_array().unwrap().len();
        (count == 9_999).then_some(())
    })
    .await;
    let best_now = api.get(None, "/v1/markets/DEEP/book?depth=1").await.expect(200);
    assert_eq!((&best_now["bids"], &best_now["asks"]), (&json!([["0.4999", 1_000_000]]), &best["asks"]));

    // More of it than a connection may have at once comes no sooner than its share comes back; a
    // delta is not kept waiting.
    let mut greedy = Socket::narrow(&api).await;
    let mut other = Socket::anonymous(&api).await;
    let snapshot = other.subscribe("book", "DEEP").await.to_string();
    let wanted = 12 * 1024 * 1024 / snapshot.len();
    let start = Instant::now();
    let subscribe = json!({"op": "subscribe", "channel": "book", "market": "DEEP"}).to_string();
    for _ in 0..wanted {
        greedy.send(Message::text(subscribe.clone())).await.unwrap();
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
async fn who_reads_a_book_again_and_again_while_it_changes_is_never_told_what_a_snapshot_had() {
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
