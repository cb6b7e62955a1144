//! A read of a part of a book with the maximum of levels costs only that part, and one client that
//! reads all of it does not delay others.
//!
//! No engine and no projections run, so Redis is empty: the books are in the gateway's memory.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::{Duration, Instant};

use common::scribe::{Scribe, listing};
use common::socket::Socket;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_book_is_read_from_memory_and_one_client_has_its_share() {
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
    eventually("the whole book is read", async || {
        let book = api.get(None, "/v1/markets/DEEP/book").await.expect(200);
        let count = book["bids"].as_array().unwrap().len() + book["asks"].as_array().unwrap().len();
        (count == 9_999).then_some(())
    })
    .await;
    let best_now = api.get(None, "/v1/markets/DEEP/book?depth=1").await.expect(200);
    assert_eq!((&best_now["bids"], &best_now["asks"]), (&json!([["0.4999", 1_000_000]]), &best["asks"]));

    // Snapshots beyond a connection's share arrive only as the share grows again; deltas are not
    // delayed.
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
