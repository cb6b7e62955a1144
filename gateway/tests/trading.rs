//! Orders with instructions, amendments, cancels and batches, through all processes. Each for an
//! account whose home shard is the market's shard, and for one whose home is another.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Api, limit};
use common::socket::Socket;
use common::steps::{
    book_at, get_at, in_seconds, name, near_and_far, order_becomes, results, text, wallet_becomes, with,
};
use common::{Platform, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Creates a market without fees and two accounts: one whose home shard is the market's shard, one
/// whose home is another.
async fn arena(whole: &common::Whole, ticker: &str) -> [Account; 2] {
    let market = whole.api.market_with(ticker, json!({})).await;
    near_and_far(&whole.api, whole.platform.map(), &market, "100").await
}

async fn place(api: &Api, account: &Account, ticker: &str, words: &str, more: Value) -> Value {
    api.order(account, &with(limit(ticker, words), more)).await.expect(201)
}

#[tokio::test]
async fn orders_rest_and_end_by_their_instructions() {
    let whole = Platform::whole("instructions").await;
    let api = &whole.api;
    let [near, far] = arena(&whole, "WAIT").await;
    for account in [&near, &far] {
        let order = async |words: &str, more: Value| place(api, account, "WAIT", words, more).await;
        let refused = async |words: &str, more: Value, status: u16, code: &str| {
            api.order(account, &with(limit("WAIT", words), more)).await.problem(status, code);
        };

        // GTD: the order expires by itself, and the stream shows it.
        let bearer = format!("Bearer {}", account.key);
        let mut socket = Socket::open(api, &[("authorization", &bearer)]).await.expect("an open socket");
        assert_eq!(socket.next().await["type"], "authenticated");
        socket.ask(json!({"op": "subscribe", "channel": "orders"})).await;
        let expires_at = in_seconds(2);
        let brief = order("BUY YES 5 @ 0.40", json!({"time_in_force": "GTD", "expires_at": expires_at})).await;
        assert_eq!((&brief["status"], &brief["time_in_force"]), (&json!("ACTIVE"), &json!("GTD")));
        assert!(expires_at.starts_with(text(&brief, "expires_at").trim_end_matches('Z')), "{brief}");
        assert_eq!(socket.next().await["changes"][0]["kind"], "PLACED");
        let ended = socket.next().await["changes"][0].clone();
        assert_eq!(
            ended,
            json!({"kind": "CANCELLED", "order_id": brief["order_id"], "status": "EXPIRED", "filled": 0, "cancelled": 5, "reason": "EXPIRED"})
        );
        let shown = order_becomes(api, account, text(&brief, "order_id"), "EXPIRED").await;
        assert_eq!((&shown["cancel_reason"], &shown["expires_at"]), (&json!("EXPIRED"), &brief["expires_at"]));
        wallet_becomes(api, account, "100.000000", "0.000000").await;
        let past = json!({"time_in_force": "GTD", "expires_at": "2001-01-01T00:00:00Z"});
        refused("BUY YES 5 @ 0.40", past, 422, "expiry-in-past").await;
        refused("BUY YES 5 @ 0.40", json!({"deadline": "2001-01-01T00:00:00Z"}), 409, "deadline-passed").await;

        // FOK; the other side belongs to a third account.
        let other = api.account("100").await;
        let ask = place(api, &other, "WAIT", "BUY NO 4 @ 0.40", json!({})).await;
        let killed = order("BUY YES 5 @ 0.60", json!({"time_in_force": "FOK"})).await;
        assert_eq!((&killed["status"], &killed["filled"]), (&json!("CANCELLED"), &json!(0)));
        assert_eq!(killed["cancel_reason"], "TIME_IN_FORCE");
        // Post-only: refused, or repriced to one tick from the ask at 0.60.
        refused("BUY YES 1 @ 0.60", json!({"post_only": "REJECT"}), 409, "post-only-would-take").await;
        let moved = order("BUY YES 1 @ 0.70", json!({"post_only": "REPRICE", "deadline": in_seconds(60)})).await;
        assert_eq!((&moved["status"], &moved["price"]), (&json!("ACTIVE"), &json!("0.5999")));
        assert_eq!(book_at(api, "WAIT", &moved["position"]).await, (json!([["0.5999", 1]]), json!([["0.6000", 4]])));
        let shown = order_becomes(api, account, text(&moved, "order_id"), "ACTIVE").await;
        assert_eq!((&shown["price"], &shown["post_only"]), (&json!("0.5999"), &json!("REPRICE")));

        // Self-trade: the arriving order is cancelled, unless its policy differs.
        let own = order("BUY NO 2 @ 0.5", json!({})).await;
        assert_eq!((&own["status"], &own["cancel_reason"]), (&json!("CANCELLED"), &json!("SELF_TRADE")));
        let own = order("BUY NO 2 @ 0.5", json!({"self_trade": "DECREMENT"})).await;
        assert_eq!((&own["status"], &own["quantity"], &own["filled"]), (&json!("ACTIVE"), &json!(1), &json!(0)));
        order_becomes(api, account, text(&moved, "order_id"), "CANCELLED").await;
        api.delete(Some(&account.key), "/v1/orders").await.expect(200);

        let filled = order("BUY YES 4 @ 0.60", json!({"time_in_force": "FOK"})).await;
        assert_eq!((&filled["status"], &filled["filled"]), (&json!("FILLED"), &json!(4)));
        order_becomes(api, &other, text(&ask, "order_id"), "FILLED").await;
        wallet_becomes(api, account, "97.600000", "0.000000").await;
    }
    whole.remove().await;
}

#[tokio::test]
async fn a_reduce_only_order_shrinks_with_its_position() {
    let whole = Platform::whole("reduce").await;
    let api = &whole.api;
    let [near, far] = arena(&whole, "LESS").await;
    for account in [&near, &far] {
        let order = async |words: &str, more: Value| place(api, account, "LESS", words, more).await;
        let reducing = || json!({"reduce_only": true});
        api.order(account, &with(limit("LESS", "SELL YES 1 @ 0.90"), reducing()))
            .await
            .problem(409, "nothing-to-reduce");
        let other = api.account("100").await;
        place(api, &other, "LESS", "BUY NO 10 @ 0.50", json!({})).await;
        assert_eq!(order("BUY YES 10 @ 0.50", json!({})).await["status"], "FILLED");

        let bearer = format!("Bearer {}", account.key);
        let mut socket = Socket::open(api, &[("authorization", &bearer)]).await.expect("an open socket");
        assert_eq!(socket.next().await["type"], "authenticated");
        socket.ask(json!({"op": "subscribe", "channel": "orders"})).await;

        // The quantity is reduced to the position, and so is the hold.
        let closing = order("BUY NO 1000 @ 0.40", reducing()).await;
        let id = text(&closing, "order_id");
        assert_eq!((&closing["status"], &closing["quantity"]), (&json!("ACTIVE"), &json!(10)));
        assert_eq!((&closing["cancel_reason"], &closing["reduce_only"]), (&json!("REDUCE_ONLY"), &json!(true)));
        assert_eq!(socket.next().await["changes"][0]["kind"], "PLACED");
        wallet_becomes(api, account, "91.000000", "4.000000").await;
        api.order(account, &with(limit("LESS", "SELL YES 1 @ 0.90"), reducing()))
            .await
            .problem(409, "nothing-to-reduce");

        assert_eq!(socket.next().await["changes"][0]["rejection"], "nothing-to-reduce");

        // Another order reserves contracts, and the reduce-only order shrinks in the same outcome.
        order("SELL YES 4 @ 0.90", json!({})).await;
        let shrunk = json!({"kind": "REDUCED", "order_id": id, "quantity": 6, "filled": 0, "remaining": 6, "reduced": 4,
            "reason": "REDUCE_ONLY"});
        let changes = socket.next().await["changes"].clone();
        assert_eq!((&changes[0]["kind"], &changes[1]), (&json!("PLACED"), &shrunk));
        wallet_becomes(api, account, "92.600000", "2.400000").await;
        // The order was active before, with a larger quantity.
        eventually("the order shrinks", async || {
            let shown = order_becomes(api, account, id, "ACTIVE").await;
            let shrunk = (&shown["quantity"], &shown["remaining"], &shown["reduce_only"]);
            (shrunk == (&json!(6), &json!(6), &json!(true))).then_some(())
        })
        .await;
        order("SELL YES 6 @ 0.90", json!({})).await;
        let ended = order_becomes(api, account, id, "CANCELLED").await;
        assert_eq!(ended["cancel_reason"], "REDUCE_ONLY");
        wallet_becomes(api, account, "95.000000", "0.000000").await;
        api.delete(Some(&account.key), "/v1/orders").await.expect(200);
    }
    whole.remove().await;
}

#[tokio::test]
async fn an_amended_order_keeps_or_loses_its_priority() {
    let whole = Platform::whole("amend").await;
    let api = &whole.api;
    for (account, other) in {
        let [near, far] = arena(&whole, "MOVE").await;
        [(near.clone(), far.clone()), (far, near)]
    } {
        let (first, second) = (name(), name());
        let mine = place(api, &account, "MOVE", "BUY YES 10 @ 0.40", json!({"client_id": first})).await;
        let id = text(&mine, "order_id");
        let behind = place(api, &other, "MOVE", "BUY YES 10 @ 0.40", json!({"client_id": second})).await;

        // Smaller: it keeps its queue priority, so it is filled first.
        let smaller = api.amend(&account, id, &json!({"quantity": 6})).await.expect(200);
        assert_eq!(
            (&smaller["in_place"], &smaller["remaining"], &smaller["price"]),
            (&json!(true), &json!(6), &json!("0.4000"))
        );
        assert_eq!(book_at(api, "MOVE", &smaller["position"]).await.0, json!([["0.4000", 16]]));
        let taker = api.account("100").await;
        let filled = place(api, &taker, "MOVE", "BUY NO 2 @ 0.60", json!({})).await;
        assert_eq!(filled["filled"], 2);
        order_becomes(api, &account, id, "PARTIALLY_FILLED").await;

        // Larger, at a better price: it needs credits beyond its hold, and loses its priority.
        let larger = api.amend(&account, id, &json!({"price": "0.45", "quantity": 12})).await.expect(200);
        assert_eq!(
            (&larger["in_place"], &larger["filled"], &larger["remaining"]),
            (&json!(false), &json!(2), &json!(10))
        );
        assert_eq!(larger["status"], "PARTIALLY_FILLED");
        let shown = get_at(api, Some(&account.key), &format!("/v1/orders/{id}"), &larger["position"]).await;
        assert_eq!((&shown["price"], &shown["quantity"]), (&json!("0.4500"), &json!(12)));
        eventually("the hold is the amended order's", async || {
            let wallet = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
            (wallet["held"] == "4.500000").then_some(())
        })
        .await;

        // By its client id, to a price that crosses: it trades at the ask's price.
        let ask = place(api, &taker, "MOVE", "BUY NO 3 @ 0.50", json!({})).await;
        let path = format!("/v1/orders?client_id={first}&market=MOVE");
        let crossed =
            api.send_json(Method::PATCH, Some(&account.key), &path, &json!({"price": "0.55"})).await.expect(200);
        assert_eq!((&crossed["filled"], &crossed["fills"][0]["price"]), (&json!(5), &json!("0.5000")));
        assert_eq!((&crossed["fills"][0]["quantity"], &crossed["fills"][0]["role"]), (&json!(3), &json!("TAKER")));
        order_becomes(api, &taker, text(&ask, "order_id"), "FILLED").await;

        // A refused amendment leaves the order unchanged.
        for (change, status, code) in [
            (json!({"quantity": 12}), 422, "amendment-empty"),
            (json!({"quantity": 5}), 409, "quantity-filled"),
            (json!({"quantity": 1_000_000}), 409, "funds-insufficient"),
        ] {
            let refused = api.amend(&account, id, &change).await;
            refused.problem(status, code);
            assert_eq!(refused.body["order_id"], id);
        }
        api.amend(&other, id, &json!({"quantity": 6})).await.problem(404, "order-unknown");
        let cancelled = api.delete(Some(&account.key), &format!("/v1/orders/{id}")).await.expect(200);
        assert_eq!(cancelled["cancelled"], 7);
        api.amend(&account, id, &json!({"quantity": 6})).await.problem(409, "order-cancelled");
        api.delete(Some(&other.key), &format!("/v1/orders/{}", text(&behind, "order_id"))).await.expect(200);
    }
    whole.remove().await;
}

#[tokio::test]
async fn orders_are_cancelled_by_client_id_by_mass_cancel_and_by_dead_man_switch() {
    let whole = Platform::whole("cancels").await;
    let api = &whole.api;
    api.market_with("ELSE", json!({})).await;
    for account in arena(&whole, "HERE").await {
        let key = Some(account.key.as_str());
        let client_id = name();
        let named = place(api, &account, "HERE", "BUY YES 3 @ 0.10", json!({"client_id": client_id})).await;
        let cancelled = api.delete(key, &format!("/v1/orders?client_id={client_id}&market=HERE")).await.expect(200);
        assert_eq!((&cancelled["order_id"], &cancelled["cancelled"]), (&named["order_id"], &json!(3)));
        api.delete(key, &format!("/v1/orders?client_id={client_id}&market=HERE")).await.problem(409, "order-cancelled");
        api.delete(key, &format!("/v1/orders?client_id={}&market=HERE", name())).await.problem(404, "order-unknown");

        let mut orders = Vec::new();
        for ticker in ["HERE", "HERE", "ELSE"] {
            orders.push(place(api, &account, ticker, "BUY YES 1 @ 0.10", json!({})).await);
        }
        let ids: Vec<&str> = orders.iter().map(|order| text(order, "order_id")).collect();
        let all_here = api.delete(key, "/v1/orders?market=HERE").await.expect(200);
        assert_eq!(all_here["market_id"], orders[0]["market_id"]);
        for id in &ids[..2] {
            assert_eq!(order_becomes(api, &account, id, "CANCELLED").await["cancel_reason"], "MASS_CANCEL");
        }
        order_becomes(api, &account, ids[2], "ACTIVE").await;
        assert_eq!(api.delete(key, "/v1/orders").await.expect(200)["market_id"], json!(null));
        order_becomes(api, &account, ids[2], "CANCELLED").await;

        let set =
            api.send_json(Method::PUT, key, "/v1/dead-man-switch", &json!({"timeout_s": 3_600})).await.expect(200);
        assert!(set["due"].is_string(), "{set}");
        assert_eq!(api.delete(key, "/v1/dead-man-switch").await.expect(200)["due"], json!(null));
        let left = place(api, &account, "ELSE", "BUY YES 1 @ 0.10", json!({})).await;
        api.send_json(Method::PUT, key, "/v1/dead-man-switch", &json!({"timeout_s": 1})).await.expect(200);
        let ended = order_becomes(api, &account, text(&left, "order_id"), "CANCELLED").await;
        assert_eq!(ended["cancel_reason"], "DEAD_MAN_SWITCH");
        wallet_becomes(api, &account, "100.000000", "0.000000").await;
    }
    whole.remove().await;
}

async fn batch(api: &Api, account: &Account, all_or_nothing: bool, requests: &Value) -> Value {
    let body = json!({"all_or_nothing": all_or_nothing, "requests": requests});
    let answer = api.post(Some(&account.key), "/v1/orders/batch", &body).await;
    let positions = answer.position.clone().unwrap();
    let body = answer.expect(200);
    assert_eq!(body["complete"], true);
    assert_eq!(positions.split(", ").count(), body["positions"].as_object().unwrap().len());
    body
}

#[tokio::test]
async fn each_request_of_a_batch_has_its_own_answer() {
    let whole = Platform::whole("batch").await;
    let api = &whole.api;
    let tickers = ["BATCH-A", "BATCH-B", "BATCH-C", "BATCH-D"];
    for ticker in tickers {
        api.market_with(ticker, json!({})).await;
    }
    for account in arena(&whole, "BATCH-E").await {
        let old = place(api, &account, "BATCH-A", "BUY YES 5 @ 0.10", json!({})).await;
        let kept = place(api, &account, "BATCH-B", "BUY YES 5 @ 0.10", json!({})).await;
        let (first, unknown) = (name(), name());
        let mut requests: Vec<Value> =
            tickers.iter().map(|ticker| json!({"place": limit(ticker, "BUY YES 1 @ 0.20")})).collect();
        requests[0]["place"]["client_id"] = json!(first);
        requests.extend([
            json!({"place": limit("BATCH-C", "SELL YES 1 @ 0.50")}),
            json!({"cancel": {"order_id": old["order_id"]}}),
            json!({"cancel": {"client_id": unknown, "ticker": "BATCH-D"}}),
            // One amendment needs more credits, the other frees some.
            json!({"amend": {"order_id": kept["order_id"], "price": "0.15", "quantity": 7}}),
            json!({"amend": {"client_id": first, "ticker": "BATCH-A", "quantity": 3}}),
            json!({"amend": {"order_id": old["order_id"], "quantity": 3}}),
        ]);
        let done = batch(api, &account, false, &json!(requests)).await;
        let mut expected = vec!["201"; 4];
        expected.extend(["409 position-insufficient", "200", "404 order-unknown", "200", "200", "409 order-cancelled"]);
        assert_eq!(results(&done), expected, "{done}");
        let body = |index: usize| &done["results"][index]["body"];
        for (index, ticker) in tickers.iter().enumerate() {
            assert_eq!((&body(index)["ticker"], &body(index)["status"]), (&json!(ticker), &json!("ACTIVE")));
            assert_eq!(body(index)["command_id"], done["command_id"]);
        }
        assert_eq!((&body(5)["order_id"], &body(5)["cancelled"]), (&old["order_id"], &json!(5)));
        assert_eq!((&body(7)["price"], &body(7)["quantity"]), (&json!("0.1500"), &json!(7)));
        assert_eq!((&body(8)["order_id"], &body(8)["quantity"]), (&body(0)["order_id"], &json!(3)));

        // The same batch again: orders with a client id get their first answers.
        let again = batch(api, &account, false, &json!([requests[0]])).await;
        let repeated = &again["results"][0]["body"];
        assert_eq!((&repeated["order_id"], &repeated["repeated"]), (&body(0)["order_id"], &json!(true)));
        api.delete(Some(&account.key), "/v1/orders").await.expect(200);
        wallet_becomes(api, &account, "100.000000", "0.000000").await;
    }
    whole.remove().await;
}

#[tokio::test]
async fn an_all_or_nothing_batch_is_done_completely_or_not_at_all() {
    let whole = Platform::whole("all-or-nothing").await;
    let api = &whole.api;
    for account in arena(&whole, "UNIT").await {
        let old = place(api, &account, "UNIT", "BUY YES 5 @ 0.10", json!({})).await;
        let kept = place(api, &account, "UNIT", "BUY YES 5 @ 0.11", json!({})).await;
        // A client id names the first order that had it, refused or not, so each batch has its own
        // ids.
        let quotes = |last: &str| {
            json!([
                {"cancel": {"order_id": old["order_id"]}},
                {"place": with(limit("UNIT", "BUY YES 2 @ 0.20"), json!({"client_id": name()}))},
                {"amend": {"order_id": kept["order_id"], "quantity": 4}},
                {"place": limit("UNIT", last)},
            ])
        };
        // An order that its market refuses, and an order that no purse can pay for.
        for (last, code) in
            [("SELL YES 1 @ 0.90", "position-insufficient"), ("BUY YES 900 @ 0.90", "funds-insufficient")]
        {
            let refused = batch(api, &account, true, &quotes(last)).await;
            let last = format!("409 {code}");
            assert_eq!(results(&refused), ["409 batch-refused", "409 batch-refused", "409 batch-refused", &last]);
        }
        order_becomes(api, &account, text(&old, "order_id"), "ACTIVE").await;
        wallet_becomes(api, &account, "98.950000", "1.050000").await;

        let requests = quotes("BUY NO 3 @ 0.30");
        let done = batch(api, &account, true, &requests).await;
        assert_eq!(results(&done), ["200", "201", "200", "201"], "{done}");
        assert_eq!(done["results"][1]["body"]["client_id"], requests[1]["place"]["client_id"]);
        assert_eq!(done["results"][2]["body"]["in_place"], true);
        wallet_becomes(api, &account, "98.260000", "1.740000").await;
        // A repeat of the batch gets the order's first answer, and does nothing twice.
        let again = batch(api, &account, true, &json!([requests[1]])).await;
        assert_eq!(again["results"][0]["body"]["order_id"], done["results"][1]["body"]["order_id"]);
        api.delete(Some(&account.key), "/v1/orders").await.expect(200);
        wallet_becomes(api, &account, "100.000000", "0.000000").await;
    }
    whole.remove().await;
}
