//! Candles, tickers, books of many markets, filters and pages, through all processes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;

use common::Platform;
use common::api::{Account, Api, limit};
use common::steps::{get_at, near_and_far, text};
use serde_json::{Value, json};

/// Sells one YES of `maker` to `taker`, and returns the taker's order.
async fn trade(api: &Api, maker: &Account, taker: &Account, ticker: &str, price: &str) -> Value {
    api.order(maker, &limit(ticker, &format!("BUY YES 1 @ 0.{price}"))).await.expect(201);
    let against = 100 - price.parse::<u32>().unwrap();
    let taken = api.order(taker, &limit(ticker, &format!("BUY NO 1 @ 0.{against}"))).await.expect(201);
    assert_eq!(taken["status"], "FILLED");
    taken
}

#[tokio::test]
async fn a_market_has_candles_and_tickers_and_coarse_books() {
    let whole = Platform::whole("market-data").await;
    let api = &whole.api;
    let market = api.market_with("DATA", json!({})).await;
    let [one, two] = near_and_far(api, whole.platform.map(), &market, "100").await;
    for price in ["50", "62"] {
        trade(api, &one, &two, "DATA", price).await;
    }
    let last = trade(api, &one, &two, "DATA", "41").await;
    api.order(&one, &limit("DATA", "BUY YES 3 @ 0.4055")).await.expect(201);
    let rests = api.order(&one, &limit("DATA", "BUY YES 2 @ 0.4051")).await.expect(201);
    let at = &rests["position"];

    // The three trades may be on both sides of a minute, but not of a day more than once.
    let days = get_at(api, None, "/v1/markets/DATA/candles?interval=1d", at).await;
    let (mut trades, mut volume) = (0, 0);
    for candle in days["items"].as_array().unwrap() {
        trades += candle["trades"].as_u64().unwrap();
        volume += text(candle, "volume").parse::<u64>().unwrap();
    }
    assert_eq!((trades, volume, &days["items"][0]["close"]), (3, 3, &json!("0.4100")), "{days}");
    assert_eq!((&days["carried"], &days["next"]), (&json!(null), &json!(null)));
    let later = get_at(api, None, "/v1/markets/DATA/candles?interval=1m&since=2099-01-01T00:00:00Z", at).await;
    assert_eq!((&later["items"], &later["carried"]["close"]), (&json!([]), &json!("0.4100")), "{later}");
    api.get(None, "/v1/markets/DATA/candles?interval=2m").await.problem(400, "invalid-request");
    api.get(None, "/v1/markets/NONE/candles?interval=1m").await.problem(404, "market-unknown");

    let ticker = get_at(api, None, "/v1/markets/DATA/ticker", at).await;
    for (field, expected) in [
        ("best_bid", json!("0.4055")),
        ("best_bid_quantity", json!(3)),
        ("best_ask", json!(null)),
        ("last_price", json!("0.4100")),
        ("volume_24h", json!("3")),
        ("trades_24h", json!(3)),
        ("high_24h", json!("0.6200")),
        ("low_24h", json!("0.4100")),
        ("change_24h", json!("-0.090000")),
        ("open_interest", json!(3)),
    ] {
        assert_eq!(ticker[field], expected, "{field}: {ticker}");
    }
    let other = api.market_with("OTHER", json!({})).await;
    let known = api.get(None, &format!("/v1/tickers?markets=DATA,{other}")).await.expect(200);
    assert_eq!(known["items"][0]["ticker"], "DATA", "{known}");
    api.get(None, "/v1/tickers?markets=DATA,NONE").await.problem(404, "market-unknown");
    api.get(None, "/v1/tickers?markets=DATA,DATA").await.problem(400, "invalid-request");

    let books = get_at(api, None, "/v1/books?markets=OTHER,DATA&depth=1", at).await;
    assert_eq!(books["items"][1]["bids"], json!([["0.4055", 3]]), "{books}");
    assert_eq!((&books["items"][0]["market_id"], &books["items"][0]["bids"]), (&json!(other), &json!([])));
    let coarse = get_at(api, None, "/v1/markets/DATA/book?tick=0.01", at).await;
    assert_eq!(coarse["bids"], json!([["0.4000", 5]]), "{coarse}");
    api.get(None, "/v1/markets/DATA/book?tick=0.03").await.problem(400, "invalid-request");

    // A range begins with its first moment and ends before its last.
    let time = get_at(api, None, "/v1/markets/DATA/trades", at).await["items"][0]["time"].as_str().unwrap().to_owned();
    let since = get_at(api, None, &format!("/v1/markets/DATA/trades?since={time}"), at).await;
    assert_eq!(since["items"][0]["price"], "0.4100", "{since}");
    let until = get_at(api, None, &format!("/v1/markets/DATA/trades?until={time}"), at).await;
    assert!(until["items"].as_array().unwrap().iter().all(|trade| text(trade, "time") < time.as_str()), "{until}");
    let key = Some(one.key.as_str());
    let until = get_at(api, key, "/v1/fills?until=1999-01-01T00:00:00Z", &last["position"]).await;
    assert_eq!(until["items"], json!([]));
    let ended = get_at(api, key, "/v1/orders?status=FILLED,CANCELLED&since=1999-01-01T00:00:00Z", at).await;
    assert_eq!(ended["items"].as_array().unwrap().len(), 3, "{ended}");

    for (query, expected) in [
        ("search=dAt", 1),
        ("search=nothing", 0),
        ("state=OPEN,PAUSED", 2),
        ("state=PAUSED,CLOSED", 0),
        ("expires_until=1999-01-01T00:00:00Z", 0),
    ] {
        let found = api.get(None, &format!("/v1/markets?{query}")).await.expect(200);
        assert_eq!(found["items"].as_array().unwrap().len(), expected, "{query}: {found}");
    }
    whole.remove().await;
}

/// Reads all pages, and calls `between` after each.
async fn pages(
    api: &Api,
    key: Option<&str>,
    path: &str,
    id: &str,
    mut between: impl AsyncFnMut(usize),
) -> BTreeMap<String, usize> {
    let (mut seen, mut next, mut page) = (BTreeMap::new(), String::new(), 0);
    loop {
        let body = api.get(key, &format!("{path}?limit=3{next}")).await.expect(200);
        for item in body["items"].as_array().unwrap() {
            *seen.entry(text(item, id).to_owned()).or_default() += 1;
        }
        let Some(cursor) = body["next"].as_str() else { return seen };
        next = format!("&cursor={cursor}");
        page += 1;
        assert!(page < 100, "{path} has no end");
        between(page).await;
    }
}

#[tokio::test]
async fn pages_have_each_row_that_was_there_once_while_others_are_inserted() {
    let whole = Platform::whole("pages").await;
    let api = &whole.api;
    let market = api.market_with("M-50", json!({})).await;
    let [one, two] = near_and_far(api, whole.platform.map(), &market, "1000").await;
    let mut last = Value::Null;
    for _ in 0..10 {
        last = trade(api, &one, &two, "M-50", "50").await;
        api.order(&one, &limit("M-50", "BUY YES 1 @ 0.10")).await.expect(201);
    }
    for number in 51..59 {
        api.market_with(&format!("M-{number}"), json!({})).await;
    }
    for (path, key, id, item) in [
        ("/v1/orders", Some(one.key.as_str()), "order_id", "order_id"),
        ("/v1/fills", Some(one.key.as_str()), "trade_id", "trade_id"),
        ("/v1/markets/M-50/trades", None, "trade_id", "trade_id"),
        ("/v1/markets", None, "ticker", "ticker"),
    ] {
        let all = get_at(api, key, &format!("{path}?limit=100"), &last["position"]).await;
        let before: Vec<String> =
            all["items"].as_array().unwrap().iter().map(|row| text(row, item).to_owned()).collect();
        assert!(before.len() >= 9, "{path}: {}", before.len());
        let seen = pages(api, key, path, id, async |page| {
            trade(api, &one, &two, "M-50", "50").await;
            // One before and one after the page.
            for name in [format!("A-{}-{page}", path.len()), format!("Z-{}-{page}", path.len())] {
                if path == "/v1/markets" && page < 4 {
                    api.market_with(&name, json!({})).await;
                }
            }
        });
        let seen = seen.await;
        for row in &before {
            assert_eq!(seen.get(row), Some(&1), "{path}: {row}");
        }
        assert!(seen.values().all(|times| *times == 1), "{path}: {seen:?}");
    }
    whole.remove().await;
}
