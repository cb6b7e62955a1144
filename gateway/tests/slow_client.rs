//! A client that is too slow is disconnected with a close code, and does not delay others.
//!
//! No engine runs here: a scribe writes more outcomes than all buffers hold.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::scribe::Scribe;
use common::socket::{Rebuilt, Socket};
use common::{Platform, eventually};
use futures_util::{SinkExt, StreamExt};
use schemas::event::OrderPlaced;
use schemas::{
    AccountId, AdminId, Entry, Event, FeeRate, Instructions, Listing, NewOrder, OrderId, PostOnly, Price, Quantity,
    Status, Terms, TimeInForce,
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

const OUTCOMES: u64 = 6_000;
/// The outcomes that are written at once; fewer than a client's queue holds, so that a client that
/// reads is never disconnected.
const CHUNK: u64 = 500;
const LEVELS: u16 = 60;

fn listing() -> Listing {
    common::scribe::listing("FLOOD", 1)
}

/// Places one more contract at each of many levels.
fn bids(number: u64) -> Vec<Event> {
    let bid = |level: u16| {
        let quantity = Quantity::new(1).unwrap();
        let price = Price::new(1_000 + level).unwrap();
        let (time_in_force, post_only) = (TimeInForce::Gtc, PostOnly::Off);
        let terms = Terms::Limit { price, quantity, time_in_force, post_only };
        let (account, market, entry) = (AccountId(1), listing().market, Entry::BuyYes);
        let (fee_rate, client_id, instructions) = (FeeRate::ZERO, None, Instructions::default());
        let order = NewOrder { account, market, entry, terms, fee_rate, client_id, instructions };
        let id = OrderId(number * u64::from(LEVELS) + u64::from(level));
        let (filled, status, cancel_reason) = (Quantity::ZERO, Status::Active, None);
        Event::OrderPlaced(OrderPlaced { id, order, price, quantity, filled, status, cancel_reason })
    };
    (0..LEVELS).map(bid).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_is_disconnected_and_the_others_miss_nothing() {
    let platform = Platform::create("slow-client").await;
    let mut scribe = Scribe::new(&platform);
    let shard = platform.map().of_market(listing().market);
    scribe.tell(shard, vec![Event::MarketCreated { listing: listing(), by: AdminId(1) }]).await;
    let (gateway, api) = platform.gateway().await;
    let metrics = format!("http://{}/metrics", gateway.logged("admin port listens", "address"));

    let mut slow = Socket::narrow(&api).await;
    let subscribe = json!({"op": "subscribe", "channel": "book", "market": "FLOOD"});
    slow.send(Message::text(subscribe.to_string())).await.unwrap();
    // The subscription is complete; from here on the client does not read.
    slow.next().await.unwrap().unwrap();
    let mut quick = Socket::anonymous(&api).await;
    let mut book = Rebuilt::of(&quick.subscribe("book", "FLOOD").await);

    for first in (1..=OUTCOMES).step_by(usize::try_from(CHUNK).unwrap()) {
        scribe.tell_all(shard, (first..first + CHUNK).map(bids)).await;
        while book.sequence < first + CHUNK {
            book.apply(&quick.next().await);
        }
    }
    let levels = book.shown().0;
    assert_eq!(levels.as_array().unwrap().len(), usize::from(LEVELS));
    assert_eq!(levels[0][1], OUTCOMES);

    eventually("the slow client is disconnected", async || {
        let text = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
        let evicted = text.lines().any(|line| line.contains("gateway_ws_evicted_total") && line.contains("too-slow"));
        evicted.then_some(())
    })
    .await;
    // When it reads again, the close code comes after the messages that were already sent.
    let code = loop {
        let message = slow.next().await.expect("a close frame").expect("a close frame");
        if let Message::Close(frame) = message {
            break u16::from(frame.expect("a reason").code);
        }
    };
    assert_eq!(code, 4003);
    drop(gateway);
    platform.remove().await;
}
