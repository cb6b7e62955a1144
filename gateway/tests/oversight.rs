//! Transfers between accounts, and admins' freezes, limits, pauses and answers, through all
//! processes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::limit;
use common::steps::{name, near_and_far, order_becomes, text, wallet_becomes, with};
use common::{ADMIN_KEY, Platform, eventually};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_transfer_moves_credits_once() {
    let whole = Platform::whole("transfers").await;
    let (api, map) = (&whole.api, whole.platform.map());
    let giver = api.account("100").await;
    let home = map.of_account(giver.id.parse().unwrap());
    let (mut same, mut other) = (None, None);
    while same.is_none() || other.is_none() {
        let account = api.account("0").await;
        let at_home = map.of_account(account.id.parse().unwrap()) == home;
        *(if at_home { &mut same } else { &mut other }) = Some(account);
    }
    let key = Some(giver.key.as_str());
    for receiver in [same.unwrap(), other.unwrap()] {
        let body = json!({"to": receiver.id, "amount": "10", "client_id": name()});
        let sent = api.post(key, "/v1/transfers", &body).await.expect(201);
        assert_eq!((&sent["from"], &sent["to"]), (&json!(giver.id), &json!(receiver.id)));
        assert_eq!((&sent["amount"], &sent["repeated"]), (&json!("10.000000"), &json!(false)));
        wallet_becomes(api, &receiver, "10.000000", "0.000000").await;
        let again = api.post(key, "/v1/transfers", &body).await.expect(201);
        assert_eq!(again["repeated"], true);
        let more = with(body, json!({"amount": "11"}));
        api.post(key, "/v1/transfers", &more).await.problem(422, "client-id-reused");
        let too_much = json!({"to": receiver.id, "amount": "1000"});
        api.post(key, "/v1/transfers", &too_much).await.problem(409, "funds-insufficient");
        // A transfer always sends the client's own credits.
        let back = json!({"to": giver.id, "amount": "10.000001"});
        api.post(Some(&receiver.key), "/v1/transfers", &back).await.problem(409, "funds-insufficient");
    }
    // Transfers to unknown accounts on every shard: the credits stay or come back.
    for nobody in 1..=8 {
        let lost = json!({"to": nobody.to_string(), "amount": "5"});
        api.post(key, "/v1/transfers", &lost).await.problem(404, "account-unknown");
    }
    wallet_becomes(api, &giver, "80.000000", "0.000000").await;
    whole.remove().await;
}

#[tokio::test]
async fn a_frozen_or_limited_account_is_refused_more() {
    let whole = Platform::with_two_admins("freeze").await;
    let api = &whole.api;
    let market = api.market_with("COLD", json!({"limits": {"position": 20}})).await;
    for account in near_and_far(api, whole.platform.map(), &market, "100").await {
        let order = |words: &str| limit("COLD", words);
        let live = api.order(&account, &order("BUY YES 5 @ 0.10")).await.expect(201);
        let path = format!("/v1/accounts/{}", account.id);
        let frozen = api.second_admin(&format!("{path}/freeze"), &json!({})).await.expect(200);
        assert_eq!((&frozen["frozen"], &frozen["by"]), (&json!(true), &json!("2")));
        api.order(&account, &order("BUY YES 5 @ 0.10")).await.problem(409, "account-frozen");
        let transfer = json!({"to": "5", "amount": "1"});
        api.post(Some(&account.key), "/v1/transfers", &transfer).await.problem(409, "account-frozen");
        let id = text(&live, "order_id");
        api.delete(Some(&account.key), &format!("/v1/orders/{id}")).await.expect(200);
        let free = api.admin(&format!("{path}/unfreeze"), &json!({})).await.expect(200);
        assert_eq!((&free["frozen"], &free["by"]), (&json!(false), &json!("1")));
        api.order(&account, &order("BUY YES 21 @ 0.10")).await.problem(409, "position-limit");

        let put = |path: String, body| async move { api.send_json(Method::PUT, Some(ADMIN_KEY), &path, &body).await };
        let limits = put(format!("{path}/limits"), json!({"live_orders": 1, "held": "1"})).await.expect(200);
        assert_eq!(limits["limits"], json!({"live_orders": 1, "held": "1.000000"}));
        api.order(&account, &order("BUY YES 20 @ 0.10")).await.problem(409, "notional-limit");
        api.order(&account, &order("BUY YES 5 @ 0.10")).await.expect(201);
        api.order(&account, &order("BUY YES 1 @ 0.10")).await.problem(409, "live-order-limit");
        put(format!("{path}/limits"), json!({})).await.expect(200);
        let limits = put("/v1/markets/COLD/limits".to_owned(), json!({"live_orders": 1})).await.expect(200);
        assert_eq!(limits["limits"], json!({"live_orders": 1, "notional": null, "position": null}));
        api.order(&account, &order("BUY YES 1 @ 0.10")).await.problem(409, "live-order-limit");
        put("/v1/markets/COLD/limits".to_owned(), json!({"position": 20})).await.expect(200);
        let shown = api.get(None, "/v1/markets/COLD").await.expect(200);
        assert_eq!(shown["limits"], json!({"live_orders": null, "notional": null, "position": 20}));
    }
    for act in ["freeze", "unfreeze"] {
        api.admin(&format!("/v1/accounts/12345/{act}"), &json!({})).await.problem(404, "account-unknown");
    }
    whole.remove().await;
}

#[tokio::test]
async fn a_paused_market_cancels_orders_with_cancel_on_pause() {
    let whole = Platform::whole("pause").await;
    let api = &whole.api;
    let market = api.market_with("HALT", json!({})).await;
    for account in near_and_far(api, whole.platform.map(), &market, "100").await {
        let order = |words: &str, more| with(limit("HALT", words), more);
        let shy = api.order(&account, &order("BUY YES 5 @ 0.10", json!({"cancel_on_pause": true}))).await.expect(201);
        let firm = api.order(&account, &order("BUY YES 5 @ 0.11", json!({}))).await.expect(201);
        let other = api.order(&account, &order("BUY YES 5 @ 0.12", json!({}))).await.expect(201);
        let [shy, firm, other] = [&shy, &firm, &other].map(|order| text(order, "order_id"));

        let paused = api.admin("/v1/markets/HALT/pause", &json!({"cancel_only": true})).await.expect(200);
        assert_eq!(paused["state"], "CANCEL_ONLY");
        assert_eq!(order_becomes(api, &account, shy, "CANCELLED").await["cancel_reason"], "MARKET_PAUSED");
        api.order(&account, &order("BUY YES 5 @ 0.10", json!({}))).await.problem(409, "market-not-open");
        api.amend(&account, firm, &json!({"quantity": 9})).await.problem(409, "market-not-open");
        assert_eq!(api.amend(&account, firm, &json!({"quantity": 4})).await.expect(200)["in_place"], true);
        api.delete(Some(&account.key), &format!("/v1/orders/{firm}")).await.expect(200);

        assert_eq!(api.admin("/v1/markets/HALT/pause", &json!({})).await.expect(200)["state"], "PAUSED");
        api.delete(Some(&account.key), &format!("/v1/orders/{other}")).await.problem(409, "market-not-open");
        // A mass cancel is always possible.
        api.delete(Some(&account.key), "/v1/orders?market=HALT").await.expect(200);
        order_becomes(api, &account, other, "CANCELLED").await;
        assert_eq!(api.admin("/v1/markets/HALT/resume", &json!({})).await.expect(200)["state"], "OPEN");
        wallet_becomes(api, &account, "100.000000", "0.000000").await;
    }
    whole.remove().await;
}

#[tokio::test]
async fn an_answer_needs_two_admins_and_the_end_of_its_dispute_window() {
    let whole = Platform::with_two_admins("answer").await;
    let api = &whole.api;
    let window = 2_000;
    let market = api.market_with("JURY", json!({"dispute_window_ms": window})).await;
    let [alice, bob] = near_and_far(api, whole.platform.map(), &market, "100").await;
    api.order(&alice, &limit("JURY", "BUY YES 10 @ 0.60")).await.expect(201);
    let taken = api.order(&bob, &limit("JURY", "BUY NO 10 @ 0.40")).await.expect(201);
    assert_eq!(taken["filled"], 10);
    wallet_becomes(api, &alice, "94.000000", "0.000000").await;
    api.admin("/v1/markets/JURY/close", &json!({})).await.expect(200);

    let (yes, quarter) = (json!({"answer": "YES"}), json!({"answer": "0.25"}));
    let (resolve, confirm) = ("/v1/markets/JURY/resolve", "/v1/markets/JURY/confirm");
    api.second_admin(confirm, &yes).await.problem(409, "transition-invalid");
    let proposed = api.admin(resolve, &yes).await.expect(200);
    let unconfirmed = json!({"answer": "YES", "proposed_by": "1", "confirmed_by": null, "payout_at": null});
    assert_eq!((&proposed["state"], &proposed["resolution"]), (&json!("RESOLVING"), &unconfirmed));
    api.admin(confirm, &yes).await.problem(409, "second-admin-required");
    api.second_admin(confirm, &quarter).await.problem(409, "answer-mismatch");
    let confirmed = api.second_admin(confirm, &yes).await.expect(200);
    assert_eq!((&confirmed["state"], &confirmed["yes_value"]), (&json!("RESOLVING"), &json!(null)));
    assert_eq!(confirmed["resolution"]["confirmed_by"], "2");
    assert!(confirmed["resolution"]["payout_at"].is_string());
    api.second_admin(confirm, &yes).await.problem(409, "transition-invalid");

    // A dispute within the window: another answer, which needs its own confirmation and window.
    let disputed = api.second_admin(resolve, &quarter).await.expect(200);
    assert_eq!(disputed["resolution"]["confirmed_by"], json!(null));
    let decided = api.admin(confirm, &json!({"answer": "0.2500"})).await.expect(200);
    assert_eq!(decided["resolution"]["answer"], "0.2500");
    let shown = eventually("the window ends", async || {
        let market = api.get(None, "/v1/markets/JURY").await.expect(200);
        (market["state"] == "RESOLVED").then_some(market)
    })
    .await;
    assert_eq!((&shown["yes_value"], &shown["resolution"]), (&json!("0.2500"), &decided["resolution"]));
    wallet_becomes(api, &alice, "96.500000", "0.000000").await;
    wallet_becomes(api, &bob, "103.500000", "0.000000").await;
    api.admin(resolve, &yes).await.problem(409, "transition-invalid");

    // A gateway that starts now reads the same from Postgres.
    let (second, fresh) = whole.platform.gateway().await;
    let position = format!("/v1/markets/JURY?min_position={}", text(&decided, "position"));
    assert_eq!(fresh.get(None, &position).await.expect(200)["resolution"], decided["resolution"]);
    drop(second);

    // Void: every contract pays half a credit.
    api.market_with("MOOT", json!({})).await;
    api.admin("/v1/markets/MOOT/close", &json!({})).await.expect(200);
    api.admin("/v1/markets/MOOT/resolve", &json!({"answer": "VOID"})).await.expect(200);
    let voided = api.second_admin("/v1/markets/MOOT/confirm", &json!({"answer": "VOID"})).await.expect(200);
    assert_eq!((&voided["state"], &voided["yes_value"]), (&json!("VOIDED"), &json!("0.5000")));
    whole.remove().await;
}
