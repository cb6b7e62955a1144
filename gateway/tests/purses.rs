//! An account's credits on several shards, through all processes: requested, held, summed and
//! recalled.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Api, limit};
use common::log::outcomes_of;
use common::steps::{get_at, name, near_and_far, order_becomes, results, text, wallet_becomes, with};
use common::{Platform, Whole};
use futures_util::future::join_all;
use reqwest::Method;
use schemas::{Event, MarketId, Outcome, Shard, answers};
use serde_json::{Value, json};

/// Creates a market without fees and two accounts: one whose home shard is the market's shard, one
/// whose home is another.
async fn arena(whole: &Whole, ticker: &str) -> [Account; 2] {
    let market = whole.api.market_with(ticker, json!({})).await;
    near_and_far(&whole.api, whole.platform.map(), &market, "100").await
}

/// Returns two tickers whose markets are on different shards.
fn two_shards(platform: &Platform, prefix: &str) -> [String; 2] {
    let shard = |ticker: &str| platform.map().of_market(MarketId::of(&ticker.parse().unwrap()));
    let (one, mut others) = (format!("{prefix}-0"), (1..).map(|number| format!("{prefix}-{number}")));
    let other = others.find(|other| shard(other) != shard(&one)).unwrap();
    [one, other]
}

async fn place(api: &Api, account: &Account, ticker: &str, words: &str, more: Value) -> Value {
    api.order(account, &with(limit(ticker, words), more)).await.expect(201)
}

/// An account's wallet as of an answer's position.
async fn wallet_at(api: &Api, account: &Account, position: &Value) -> Value {
    get_at(api, Some(&account.key), "/v1/wallet", position).await
}

#[tokio::test]
async fn an_order_is_answered_with_one_outcome_once_its_purse_is_there() {
    let whole = Platform::whole("one-trip").await;
    let api = &whole.api;
    let parks = |outcomes: &[(schemas::Shard, schemas::Outcome)]| {
        outcomes.iter().any(|(_, outcome)| outcome.events.iter().any(|event| matches!(event, Event::Parked(_))))
    };
    for (account, asks) in arena(&whole, "TRIP").await.iter().zip([false, true]) {
        let first = place(api, account, "TRIP", "BUY YES 1 @ 0.10", json!({})).await;
        assert_eq!(parks(&outcomes_of(&whole.platform, text(&first, "command_id"))), asks);
        let second = place(api, account, "TRIP", "BUY YES 2 @ 0.10", json!({})).await;
        let of_second = outcomes_of(&whole.platform, text(&second, "command_id"));
        assert_eq!(of_second.len(), 1, "{of_second:?}");
        // Credits that a sale, a cancel or an amendment frees are available to the next order at
        // once.
        let all = place(api, account, "TRIP", "BUY YES 90 @ 0.50", json!({})).await;
        let path = format!("/v1/orders/{}", text(&all, "order_id"));
        api.delete(Some(&account.key), &path).await.expect(200);
        let again = place(api, account, "TRIP", "BUY YES 90 @ 0.50", json!({})).await;
        assert_eq!(outcomes_of(&whole.platform, text(&again, "command_id")).len(), 1);
    }
    whole.remove().await;
}

#[tokio::test]
async fn outcomes_have_the_trace_and_the_idempotency_key_of_their_request() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let whole = Platform::whole("traced").await;
    let api = &whole.api;
    for (account, trips) in arena(&whole, "TRACED").await.iter().zip([1, 3]) {
        let request = api.request(Method::POST, "/v1/orders").bearer_auth(&account.key);
        let request = request.header("traceparent", TRACE).header("idempotency-key", "\"once\"");
        let placed = api.send(request.json(&limit("TRACED", "BUY YES 1 @ 0.10"))).await.expect(201);
        let outcomes = outcomes_of(&whole.platform, text(&placed, "command_id"));
        let came_with = |(_, outcome): &(Shard, Outcome)| {
            let origin = answers::parts(outcome).next()?.origin?.clone();
            Some((origin.trace?.to_string(), origin.idempotency_key.map(|key| key.as_str().to_owned())))
        };
        let found: Vec<_> = outcomes.iter().map(came_with).collect();
        let keys: Vec<_> = found.iter().flatten().filter_map(|(_, key)| key.as_deref()).collect();
        assert_eq!((found.len(), keys), (trips, vec!["once"]), "{outcomes:?}");
        assert!(found.iter().all(|found| found.as_ref().is_some_and(|(trace, _)| trace == TRACE)), "{found:?}");
        // The next request had neither header.
        let plain = place(api, account, "TRACED", "BUY YES 1 @ 0.10", json!({})).await;
        let of_plain = outcomes_of(&whole.platform, text(&plain, "command_id"));
        assert!(of_plain.iter().all(|found| came_with(found).is_none()), "{of_plain:?}");
    }
    whole.remove().await;
}

#[tokio::test]
async fn a_wallet_shows_an_order_at_the_orders_own_position() {
    let whole = Platform::whole("own-position").await;
    let api = &whole.api;
    for account in &arena(&whole, "SEEN").await {
        let fresh = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
        assert_eq!((&fresh["live_orders"], &fresh["frozen"]), (&json!(0), &json!(false)));
        assert_eq!(
            (&fresh["limits"], &fresh["dead_man_due"]),
            (&json!({"live_orders": null, "held": null}), &json!(null))
        );
        for (words, held, live_orders) in [("BUY YES 10 @ 0.30", "3.000000", 1), ("BUY YES 10 @ 0.40", "7.000000", 2)] {
            let placed = place(api, account, "SEEN", words, json!({})).await;
            let wallet = wallet_at(api, account, &placed["position"]).await;
            assert_eq!((&wallet["held"], &wallet["live_orders"]), (&json!(held), &json!(live_orders)), "{wallet}");
            assert_eq!(wallet["total"], "100.000000", "{wallet}");
            assert_eq!(wallet["positions"].as_object().unwrap().len(), usize::from(common::SHARDS));
        }
        let done = api.delete(Some(&account.key), "/v1/orders").await.expect(200);
        // The answer to a mass cancel in all markets comes after the last cancel.
        wallet_becomes(api, account, "100.000000", "0.000000").await;
        assert_eq!(wallet_at(api, account, &done["position"]).await["total"], "100.000000");
    }
    whole.remove().await;
}

#[tokio::test]
async fn one_client_id_names_an_order_in_each_market() {
    let whole = Platform::whole("names").await;
    let api = &whole.api;
    let [here, there] = two_shards(&whole.platform, "NAME");
    for ticker in [&here, &there] {
        api.market_with(ticker, json!({})).await;
    }
    let (account, client_id) = (api.account("100").await, name());
    let key = Some(account.key.as_str());
    let named = |ticker: &str| with(limit(ticker, "BUY YES 5 @ 0.10"), json!({"client_id": client_id}));
    let first = api.order(&account, &named(&here)).await.expect(201);
    let second = api.order(&account, &named(&there)).await.expect(201);
    assert_ne!(first["order_id"], second["order_id"]);
    assert_eq!((&first["repeated"], &second["repeated"]), (&json!(false), &json!(false)));
    let again = api.order(&account, &named(&there)).await.expect(201);
    assert_eq!((&again["order_id"], &again["repeated"]), (&second["order_id"], &json!(true)));
    let found = format!("/v1/orders?client_id={client_id}&ticker={there}");
    let found = get_at(api, key, &found, &second["position"]).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["order_id"], second["order_id"]);

    let smaller = json!({"quantity": 3});
    let path = |ticker: &str| format!("/v1/orders?client_id={client_id}&market={ticker}");
    let amended = api.send_json(reqwest::Method::PATCH, key, &path(&there), &smaller).await.expect(200);
    assert_eq!((&amended["order_id"], &amended["remaining"]), (&second["order_id"], &json!(3)));
    let cancelled = api.delete(key, &path(&here)).await.expect(200);
    assert_eq!((&cancelled["order_id"], &cancelled["cancelled"]), (&first["order_id"], &json!(5)));
    api.delete(key, &path(&here)).await.problem(409, "order-cancelled");
    let cancelled = api.delete(key, &path(text(&second, "market_id"))).await.expect(200);
    assert_eq!(cancelled["order_id"], second["order_id"]);
    wallet_becomes(api, &account, "100.000000", "0.000000").await;
    whole.remove().await;
}

#[tokio::test]
async fn a_batch_may_span_shards_unless_it_is_all_or_nothing() {
    let whole = Platform::whole("split").await;
    let api = &whole.api;
    let [here, there] = two_shards(&whole.platform, "SPLIT");
    for ticker in [&here, &there] {
        api.market_with(ticker, json!({})).await;
    }
    let account = api.account("100").await;
    let place = |ticker: &str, words: &str| json!({"place": limit(ticker, words)});
    let requests = json!([
        place(&here, "BUY YES 1 @ 0.10"),
        place(&there, "BUY YES 2 @ 0.10"),
        place(&here, "SELL YES 1 @ 0.50"),
        place(&there, "BUY YES 3 @ 0.10"),
    ]);
    let send = async |all_or_nothing: bool| {
        let body = json!({"all_or_nothing": all_or_nothing, "requests": requests});
        api.post(Some(&account.key), "/v1/orders/batch", &body).await
    };
    send(true).await.problem(409, "batch-conflict");
    let none = api.get(Some(&account.key), "/v1/orders").await.expect(200);
    assert_eq!(none["items"], json!([]));

    let done = send(false).await.expect(200);
    assert_eq!(results(&done), ["201", "201", "409 position-insufficient", "201"], "{done}");
    let quantities: Vec<_> = [0, 1, 3].map(|index: usize| &done["results"][index]["body"]["quantity"]).into();
    assert_eq!(quantities, [&json!(1), &json!(2), &json!(3)]);
    let positions = done["positions"].as_object().unwrap();
    assert_eq!(positions.len(), 2);
    let at: Vec<String> = positions.iter().map(|(shard, sequence)| format!("{shard}:{sequence}")).collect();
    let path = format!("/v1/orders?command_id={}", text(&done, "command_id"));
    let listed = get_at(api, Some(&account.key), &path, &json!(at.join(","))).await;
    // The refused one is listed, too.
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
    let wallet = wallet_at(api, &account, &json!(at.join(","))).await;
    assert_eq!((&wallet["held"], &wallet["total"]), (&json!("0.600000"), &json!("100.000000")));
    whole.remove().await;
}

#[tokio::test]
async fn a_repeat_of_an_order_that_may_be_parked_leads_to_the_same_order() {
    let whole = Platform::whole("repeat-parked").await;
    let api = &whole.api;
    let [here, there] = two_shards(&whole.platform, "PARK");
    for ticker in [&here, &there] {
        api.market_with(ticker, json!({})).await;
    }
    // Each account's first order on a shard requests credits for its purse; repeats arrive while it
    // may be parked.
    for account in join_all((0..6).map(|_| api.account("10"))).await {
        for ticker in [&here, &there] {
            let order = with(limit(ticker, "BUY YES 4 @ 0.50"), json!({"client_id": name()}));
            let all = join_all((0..3).map(|_| api.order(&account, &order))).await;
            let all: Vec<Value> = all.into_iter().map(|answer| answer.expect(201)).collect();
            assert!(all.iter().all(|answer| answer["order_id"] == all[0]["order_id"]), "{all:?}");
            assert_eq!(all.iter().filter(|answer| answer["repeated"] == false).count(), 1, "{all:?}");
        }
        let live = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
        assert_eq!(live["total"], "10.000000");
        wallet_becomes(api, &account, "6.000000", "4.000000").await;
    }
    whole.remove().await;
}

#[tokio::test]
async fn a_withdrawal_takes_credits_of_all_purses_and_no_more() {
    let whole = Platform::whole("called-back").await;
    let api = &whole.api;
    let [here, there] = two_shards(&whole.platform, "BACK");
    for ticker in [&here, &there] {
        api.market_with(ticker, json!({})).await;
    }
    let (account, other) = (api.account("100").await, api.account("0").await);
    let key = Some(account.key.as_str());
    let mut ids = Vec::new();
    for ticker in [&here, &there] {
        let placed = place(api, &account, ticker, "BUY YES 20 @ 0.50", json!({})).await;
        ids.push(text(&placed, "order_id").to_owned());
    }
    let withdraw = async |amount: &str| {
        let body = json!({"account_id": account.id, "amount": amount});
        api.admin("/v1/wallet/withdrawals", &body).await
    };
    withdraw("80.000001").await.problem(409, "funds-insufficient");
    withdraw("50").await.expect(201);
    let transfer = json!({"to": other.id, "amount": "30"});
    api.post(key, "/v1/transfers", &transfer).await.expect(201);
    wallet_becomes(api, &account, "0.000000", "20.000000").await;
    wallet_becomes(api, &other, "30.000000", "0.000000").await;
    api.post(key, "/v1/transfers", &json!({"to": other.id, "amount": "0.000001"}))
        .await
        .problem(409, "funds-insufficient");
    api.delete(key, "/v1/orders").await.expect(200);
    for id in ids {
        order_becomes(api, &account, &id, "CANCELLED").await;
    }
    withdraw("20").await.expect(201);
    wallet_becomes(api, &account, "0.000000", "0.000000").await;
    whole.remove().await;
}
