//! Previews and queue positions, through all processes: they equal what then happens, wherever a
//! follower started; and a follower that cannot continue halts alone.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Answer, Api, limit};
use common::log;
use common::process::Process;
use common::scribe::{Scribe, key, listing};
use common::steps::{get_at, in_seconds, name, near_and_far, text, wallet_becomes, with};
use common::{Platform, eventually};
use schemas::{AccountId, Event, MarketId, Scopes, Shard, StateHash};
use serde_json::{Value, json};

/// Previews an order, at or after an earlier answer's position.
async fn preview(api: &Api, account: &Account, body: &Value, position: &Value) -> Value {
    let path = format!("/v1/orders/preview?min_position={}", position.as_str().unwrap());
    followed(async || api.post(Some(&account.key), &path, body).await).await.expect(200)
}

/// Repeats the request until the followers have read what was on the log when the gateway started,
/// and returns the answer.
async fn followed(ask: impl AsyncFn() -> Answer) -> Answer {
    eventually("the books are followed", async || {
        let answer = ask().await;
        (answer.body["code"] != "follower-unavailable").then_some(answer)
    })
    .await
}

/// Sums quantities and fees by price, in order of the fills.
fn by_price(fills: &Value) -> Vec<(String, u64, String)> {
    let micros = |fee: &str| fee.replace('.', "").parse::<i64>().unwrap();
    let mut sums: Vec<(String, u64, i64)> = Vec::new();
    for fill in fills.as_array().unwrap() {
        let (price, quantity) = (text(fill, "price"), fill["quantity"].as_u64().unwrap());
        match sums.iter_mut().find(|(other, ..)| other == price) {
            Some(sum) => (sum.1, sum.2) = (sum.1 + quantity, sum.2 + micros(text(fill, "fee"))),
            None => sums.push((price.to_owned(), quantity, micros(text(fill, "fee")))),
        }
    }
    sums.into_iter().map(|(price, n, fee)| (price, n, format!("{}.{:06}", fee / 1_000_000, fee % 1_000_000))).collect()
}

/// Previews an order, places it, and compares. Returns the answer's position.
async fn as_said(api: &Api, account: &Account, body: &Value, position: &Value, funding: &str) -> Value {
    let said = preview(api, account, body, position).await;
    assert_eq!((&said["refusals"], text(&said, "funding")), (&json!([]), funding), "{said}");
    let done = api.order(account, body).await.expect(201);
    let order = &said["order"];
    for field in ["status", "cancel_reason", "quantity", "filled", "remaining", "average_price", "fees"] {
        assert_eq!(order[field], done[field], "{field}: {said} {done}");
    }
    if done["type"] == "LIMIT" && done["remaining"] != 0 {
        assert_eq!(order["price"], done["price"], "{said} {done}");
    }
    assert_eq!(by_price(&order["fills"]), by_price(&done["fills"]), "{said} {done}");
    assert_eq!(order["more_fills"], false);
    let trades = done["fills"].as_array().unwrap();
    assert_eq!(order["trades"], trades.len());
    let worst = trades.last().map_or(&Value::Null, |fill| &fill["price"]);
    assert_eq!(&order["worst_price"], worst, "{said} {done}");
    eventually("the wallet has the amount of the preview", async || {
        let wallet = get_at(api, Some(&account.key), "/v1/wallet", &done["position"]).await;
        (wallet["available"] == said["available_after"]).then_some(())
    })
    .await;
    done["position"].clone()
}

/// Returns positions at which an account has 100 credits.
async fn deposited(api: &Api, account: &Account) -> Value {
    wallet_becomes(api, account, "100.000000", "0.000000").await;
    let wallet = api.get(Some(&account.key), "/v1/wallet").await.expect(200);
    let at = wallet["positions"].as_object().unwrap().iter().map(|(shard, sequence)| format!("{shard}:{sequence}"));
    json!(at.collect::<Vec<_>>().join(","))
}

/// Previews an order that is refused, sends it, and compares. Returns all codes of the preview.
async fn refused_as_said(api: &Api, account: &Account, body: &Value, position: &Value) -> Vec<String> {
    let said = preview(api, account, body, position).await;
    let done = api.order(account, body).await;
    let first = &said["refusals"][0];
    assert_eq!((&first["code"], &first["status"]), (&done.body["code"], &done.body["status"]), "{said} {}", done.body);
    assert_eq!(said["available_after"], Value::Null);
    said["refusals"].as_array().unwrap().iter().map(|refusal| text(refusal, "code").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_does_what_its_preview_shows() {
    let whole = Platform::whole("preview").await;
    let api = &whole.api;
    let fees = json!({"maker_fee": "0.01", "taker_fee": "0.02", "tick_size": "0.01"});
    let market = api.market_with("SAID", fees).await;
    let [near, far] = near_and_far(api, whole.platform.map(), &market, "100").await;
    let maker = api.account("1000").await;
    let mut at = json!("");
    for words in ["BUY NO 10 @ 0.40", "BUY NO 5 @ 0.40", "BUY NO 10 @ 0.35", "BUY YES 40 @ 0.30"] {
        at = api.order(&maker, &limit("SAID", words)).await.expect(201)["position"].clone();
    }
    // A purse that does not exist yet gets its credits from the home shard.
    for (account, funding) in [(&near, "ENOUGH"), (&far, "FROM_HOME")] {
        preview(api, account, &limit("SAID", "BUY YES 3 @ 0.60"), &deposited(api, account).await).await;
        at = as_said(api, account, &limit("SAID", "BUY YES 3 @ 0.60"), &at, funding).await;
    }
    for account in [&near, &far] {
        let told = preview(api, account, &limit("SAID", "BUY YES 6 @ 0.65"), &at).await;
        let order = &told["order"];
        // Six contracts at 0.60, with a limit of 0.65: their cost, and the profit of a YES.
        let cost = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
        let paid = cost(order["notional"].as_str().unwrap()) + cost(order["fees"].as_str().unwrap());
        assert_eq!(cost(text(order, "profit_if_no")), -paid, "{told}");
        assert_eq!(cost(text(order, "profit_if_yes")), 6_000_000 - paid, "{told}");
        at = as_said(api, account, &limit("SAID", "BUY YES 6 @ 0.65"), &at, "ENOUGH").await;
        // Orders that rest in part, are repriced, are IOC, are FOK, have a budget, and meet an
        // order of their own account.
        let orders = [
            limit("SAID", "SELL YES 2 @ 0.29"),
            with(limit("SAID", "BUY YES 2 @ 0.70"), json!({"post_only": "REPRICE"})),
            with(limit("SAID", "BUY YES 30 @ 0.65"), json!({"time_in_force": "FOK"})),
            json!({"ticker": "SAID", "side": "BUY", "contract": "YES", "type": "MARKET", "budget": "1.5"}),
            with(limit("SAID", "BUY NO 3 @ 0.50"), json!({"self_trade": "DECREMENT"})),
            with(limit("SAID", "SELL YES 1 @ 0.10"), json!({"self_trade": "CANCEL_OLDEST"})),
        ];
        for order in &orders {
            at = as_said(api, account, order, &at, "ENOUGH").await;
        }
        at = api.delete(Some(&account.key), "/v1/orders?market=SAID").await.expect(200)["position"].clone();
    }
    refusals(api, &near, &at).await;
    refusals(api, &far, &at).await;
    whole.remove().await;
}

async fn refusals(api: &Api, account: &Account, at: &Value) {
    let order = |words: &str, more: Value| with(limit("SAID", words), more);
    let past = json!({"deadline": "2001-01-01T00:00:00Z"});
    let codes = refused_as_said(api, account, &order("SELL YES 99 @ 0.30", past.clone()), at).await;
    assert_eq!(codes, ["position-insufficient", "deadline-passed"]);
    let codes = refused_as_said(api, account, &order("BUY YES 500 @ 0.30", json!({})), at).await;
    assert_eq!(codes, ["funds-insufficient"]);
    let codes = refused_as_said(api, account, &order("BUY YES 1 @ 0.301", json!({})), at).await;
    assert_eq!(codes, ["price-off-tick"]);
    let gtd = json!({"time_in_force": "GTD", "expires_at": "2001-01-01T00:00:00Z", "post_only": "REJECT"});
    let codes = refused_as_said(api, account, &order("SELL YES 99 @ 0.03", gtd.clone()), at).await;
    assert_eq!(codes, ["expiry-in-past", "position-insufficient", "post-only-would-take"]);
    // The gateway refuses this itself, before anything is written; a preview lists it in the
    // engine's order of checks.
    let said = preview(api, account, &order("SELL YES 99 @ 0.0301", gtd), at).await;
    assert_eq!(said["refusals"][1]["code"], "price-off-tick", "{said}");
    // A used client id names its order, or refuses a different order.
    let named = order("BUY YES 1 @ 0.05", json!({"client_id": name(), "deadline": in_seconds(60)}));
    let placed = api.order(account, &named).await.expect(201);
    let said = preview(api, account, &named, &placed["position"]).await;
    assert_eq!((&said["repeats"]["order_id"], &said["order"]), (&placed["order_id"], &Value::Null), "{said}");
    let other = with(named, json!({"quantity": 2}));
    assert_eq!(refused_as_said(api, account, &other, &placed["position"]).await, ["client-id-reused"]);
    let nowhere = json!({"ticker": "NOWHERE", "side": "BUY", "contract": "YES", "type": "MARKET", "budget": "1"});
    api.post(Some(&account.key), "/v1/orders/preview", &nowhere).await.problem(404, "market-unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credits_that_another_purse_has_are_found() {
    let whole = Platform::whole("preview-recall").await;
    let (api, map) = (&whole.api, whole.platform.map());
    let shard = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let tickers: Vec<String> = (0..40).map(|number| format!("AWAY-{number}")).collect();
    let one = &tickers[0];
    let other = tickers.iter().find(|ticker| shard(ticker) != shard(one)).unwrap();
    for ticker in [one, other] {
        api.market_with(ticker, json!({})).await;
    }
    let account = loop {
        let account = api.account("100").await;
        let home = map.of_account(account.id.parse().unwrap());
        if home != shard(one) && home != shard(other) {
            break account;
        }
    };
    let buy = |ticker: &str, words: &str| limit(ticker, words);
    let at = deposited(api, &account).await;
    // The home shard also lends half of the rest.
    let at = as_said(api, &account, &buy(one, "BUY YES 2 @ 0.50"), &at, "FROM_HOME").await;
    as_said(api, &account, &buy(other, "BUY YES 160 @ 0.50"), &at, "AFTER_RECALL").await;
    // The home shard sees the end of its claim only when the messages have arrived.
    let at = json!(log::quiet(&whole.platform).await);
    let codes = refused_as_said(api, &account, &buy(one, "BUY YES 60 @ 0.50"), &at).await;
    assert_eq!(codes, ["funds-insufficient"]);
    // The refused order had asked the home shard, too.
    let at = json!(log::quiet(&whole.platform).await);
    as_said(api, &account, &buy(one, "BUY YES 20 @ 0.50"), &at, "ENOUGH").await;
    whole.remove().await;
}

/// Returns the contracts and orders ahead of an order, as of a position.
async fn ahead(api: &Api, account: &Account, order: &Value, position: &Value) -> (u64, u64) {
    let path = format!("/v1/orders/{}/queue", text(order, "order_id"));
    let answer = get_at(api, Some(&account.key), &path, position).await;
    assert_eq!((&answer["order_id"], &answer["at_least"]), (&order["order_id"], &json!(false)));
    (answer["contracts_ahead"].as_u64().unwrap(), answer["orders_ahead"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_moves_up_its_queue() {
    let whole = Platform::whole("queue").await;
    let api = &whole.api;
    let market = api.market_with("LINE", json!({})).await;
    let [near, far] = near_and_far(api, whole.platform.map(), &market, "100").await;
    followed(async || api.get(Some(&near.key), "/v1/orders/queue").await).await.expect(200);
    let place = async |account: &Account, words: &str| api.order(account, &limit("LINE", words)).await.expect(201);
    let first = place(&near, "BUY YES 10 @ 0.50").await;
    let second = place(&far, "BUY YES 6 @ 0.50").await;
    let third = place(&near, "BUY YES 4 @ 0.50").await;
    let better = place(&far, "BUY YES 1 @ 0.51").await;
    let at = &better["position"];
    let all = [(&near, &first, (0, 0)), (&far, &second, (10, 1)), (&near, &third, (16, 2)), (&far, &better, (0, 0))];
    for (account, order, expected) in all {
        assert_eq!(ahead(api, account, order, at).await, expected);
    }
    // Another account's order is unknown, like an order that never existed.
    for (key, id) in [(&far.key, text(&first, "order_id")), (&near.key, "4000000"), (&near.key, "x")] {
        api.get(Some(key), &format!("/v1/orders/{id}/queue")).await.problem(404, "order-unknown");
    }
    // A trade at the head, a reduction of the first order, and a cancel: the orders behind move up.
    let taker = api.account("100").await;
    let traded = place(&taker, "BUY NO 4 @ 0.49").await;
    assert_eq!(traded["filled"], 1);
    let traded = place(&taker, "BUY NO 4 @ 0.50").await;
    let at = &traded["position"];
    assert_eq!((traded["filled"].clone(), ahead(api, &near, &third, at).await), (json!(4), (12, 2)));
    let less = api.amend(&near, text(&first, "order_id"), &json!({"quantity": 9})).await.expect(200);
    assert_eq!(ahead(api, &far, &second, &less["position"]).await, (5, 1));
    // A change of price and back moves the order to the end of the queue.
    let back = async |price: &str| {
        let change = json!({"price": price});
        api.amend(&near, text(&first, "order_id"), &change).await.expect(200)["position"].clone()
    };
    let away = back("0.4000").await;
    assert_eq!(ahead(api, &near, &first, &away).await, (0, 0));
    let at = back("0.5000").await;
    let expected = [(&far, &second, (0, 0)), (&near, &third, (6, 1)), (&near, &first, (10, 2))];
    for (account, order, expected) in expected {
        assert_eq!(ahead(api, account, order, &at).await, expected);
    }
    let path = format!("/v1/orders/{}", text(&second, "order_id"));
    let gone = api.delete(Some(&far.key), &path).await.expect(200);
    assert_eq!(ahead(api, &near, &first, &gone["position"]).await, (4, 1));
    api.get(Some(&far.key), &format!("{path}/queue")).await.problem(404, "order-unknown");
    pages(api, &near, &far, &gone["position"]).await;
    whole.remove().await;
}

/// Checks the list of all live orders of an account, on all shards, page by page.
async fn pages(api: &Api, near: &Account, far: &Account, position: &Value) {
    let tickers: Vec<String> = (0..6).map(|number| format!("PAGE-{number}")).collect();
    let mut at = position.clone();
    for ticker in &tickers {
        api.market_with(ticker, json!({})).await;
        for (account, words) in [(far, "BUY YES 3 @ 0.10"), (near, "BUY YES 2 @ 0.10"), (near, "BUY NO 1 @ 0.20")] {
            at = api.order(account, &limit(ticker, words)).await.expect(201)["position"].clone();
            get_at(api, Some(&near.key), "/v1/orders/queue", &at).await;
        }
    }
    let mut listed = get_at(api, Some(&near.key), "/v1/orders?status=live&limit=100", &at).await;
    let mut expected: Vec<String> = Vec::new();
    for order in listed["items"].take().as_array().unwrap() {
        expected.push(text(order, "order_id").to_owned());
    }
    expected.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert_eq!(expected.len(), 14);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get_at(api, Some(&near.key), &format!("/v1/orders/queue?limit=3{cursor}"), &at).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3 && !page["positions"].as_object().unwrap().is_empty());
        for item in items {
            let on_top = if item["contract"] == "YES" && item["price"] == "0.1000" { (3, 1) } else { (0, 0) };
            let told = (item["contracts_ahead"].as_u64().unwrap(), item["orders_ahead"].as_u64().unwrap());
            if text(item, "ticker").starts_with("PAGE") {
                assert_eq!(told, on_top, "{item}");
            }
            found.push(text(item, "order_id").to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, expected);
    let one = get_at(api, Some(&near.key), "/v1/orders/queue?ticker=PAGE-2", &at).await;
    assert_eq!((one["items"].as_array().unwrap().len(), one["positions"].as_object().unwrap().len()), (2, 1));
    api.get(Some(&near.key), "/v1/orders/queue?ticker=NOWHERE").await.problem(404, "market-unknown");
}

/// Returns the sequence from which each shard's follower started.
fn began(gateway: &Process) -> Vec<u64> {
    let entries = gateway.log();
    let entries = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let caught_up = entries.filter(|entry| entry["message"] == "a follower has caught up with the log");
    caught_up.map(|entry| entry["begins_at"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_matter_where_a_follower_began() {
    let mut whole = Platform::whole("preview-from").await;
    let market = whole.api.market_with("FROM", json!({})).await;
    let [near, far] = near_and_far(&whole.api, whole.platform.map(), &market, "100").await;
    for account in [&near, &far] {
        for words in ["BUY YES 10 @ 0.30", "BUY YES 7 @ 0.30", "BUY NO 5 @ 0.60"] {
            whole.api.order(account, &limit("FROM", words)).await.expect(201);
        }
    }
    // An engine that ends in order writes a snapshot of each shard.
    assert!(whole.engine.stop(), "{}", whole.engine.log());
    whole.platform.set("LFG_SNAPSHOTS", &whole.platform.snapshots());
    let (from_snapshot, one) = whole.platform.gateway().await;
    whole.platform.set("LFG_SNAPSHOTS", "/nowhere/at/all");
    let (from_the_log, other) = whole.platform.gateway().await;
    for account in [&near, &far] {
        let order = limit("FROM", "BUY YES 12 @ 0.45");
        let ask = async |api: &Api| {
            // All shards are followed once this is answered.
            let queues = followed(async || api.get(Some(&account.key), "/v1/orders/queue").await).await;
            let said = api.post(Some(&account.key), "/v1/orders/preview", &order).await;
            (said.expect(200), queues.expect(200))
        };
        let (told, same) = (ask(&one).await, ask(&other).await);
        assert_eq!(told, same);
        assert_eq!(told.0["order"]["cancel_reason"], "SELF_TRADE", "{}", told.0);
        assert_eq!(told.1["items"].as_array().unwrap().len(), 3, "{}", told.1);
    }
    assert!(began(&from_snapshot).iter().any(|sequence| *sequence > 0), "{}", from_snapshot.log());
    assert!(began(&from_the_log).iter().all(|sequence| *sequence == 0), "{}", from_the_log.log());
    drop((from_snapshot, from_the_log));
    whole.platform.set("LFG_SNAPSHOTS", &whole.platform.snapshots());
    whole.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_halts_alone_and_by_its_shards_name() {
    let platform = Platform::create("follower-halts").await;
    let map = platform.map();
    let mut scribe = Scribe::new(&platform);
    let shard_of = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let tickers: Vec<String> = (0..40).map(|number| format!("RAIN-{number}")).collect();
    let account = AccountId(77);
    let sound = map.of_account(account);
    let broken: Shard = tickers.iter().map(|ticker| shard_of(ticker)).find(|shard| *shard != sound).unwrap();
    let ticker = |shard: Shard| tickers.iter().find(|ticker| shard_of(ticker) == shard).unwrap();
    let stranger = (100..).map(AccountId).find(|other| map.of_account(*other) == broken).unwrap();
    let [(key, api_key), (strangers, strangers_key)] = [key(1, 0x11, Scopes::READ), key(2, 0x22, Scopes::READ)];
    scribe.open_account(sound, account, api_key).await;
    scribe.open_account(broken, stranger, strangers_key).await;
    for shard in [sound, broken] {
        scribe.open_market(shard, listing(ticker(shard), 1)).await;
    }
    let (gateway, api) = platform.gateway().await;
    let ask_as = async |key: &str, shard: Shard| {
        let body = json!({"ticker": ticker(shard), "side": "BUY", "contract": "YES", "type": "MARKET", "budget": "1"});
        followed(async || api.post(Some(key), "/v1/orders/preview", &body).await).await
    };
    let ask = async |shard: Shard| ask_as(&key, shard).await;
    // All shards are followed once this is answered.
    followed(async || api.get(Some(&key), "/v1/orders/queue").await).await.expect(200);
    ask(broken).await.expect(200);
    assert_eq!(ask_as(&strangers, sound).await.expect(200)["available"], "0.000000");
    // Every reader accepts this record, but the outcomes before it lead to another state.
    let at = scribe.tell(broken, vec![Event::StateHashed { hash: StateHash { way: 1, sum: 7 } }]).await;
    let path = format!("/v1/orders/queue?min_position={broken}:{at}");
    let refused = api.get(Some(&key), &path).await;
    refused.problem(503, "shard-halted");
    assert!(text(&refused.body, "detail").contains(&format!("shard {broken}")), "{}", refused.body);
    ask(broken).await.problem(503, "shard-halted");
    // The other shard is followed, and everything else of the broken one is served.
    let told = ask(sound).await.expect(200);
    assert_eq!(text(&told, "funding"), "REFUSED", "{told}");
    // Data that only the broken shard has is missing: an account's credits on its home shard.
    let told = ask_as(&strangers, sound).await.expect(200);
    assert_eq!((text(&told, "funding"), &told["available"]), ("UNKNOWN", &Value::Null), "{told}");
    assert_eq!((&told["refusals"], &told["order"]["status"]), (&json!([]), &json!("CANCELLED")), "{told}");
    let in_one = format!("/v1/orders/queue?ticker={}", ticker(sound));
    assert_eq!(api.get(Some(&key), &in_one).await.expect(200)["items"], json!([]));
    let path = format!("/v1/markets?min_position={broken}:{at}");
    assert_eq!(api.get(None, &path).await.expect(200)["items"].as_array().unwrap().len(), 2);
    let address = gateway.logged("admin port listens", "address");
    let ready = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
    let body: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
    let halted = body["halted"].as_object().unwrap();
    let reason = text(&body["halted"], &format!("follower of shard {broken}"));
    assert!(halted.len() == 1 && reason.contains("state hash differs") && reason.contains("hint: "), "{body}");
    drop(gateway);
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_followers_refuses_previews() {
    let mut platform = Platform::create("follows-nothing").await;
    platform.set("LFG_FOLLOW", "false");
    let mut scribe = Scribe::new(&platform);
    let account = AccountId(77);
    let (key, api_key) = key(1, 0x11, Scopes::READ);
    scribe.open_account(platform.map().of_account(account), account, api_key).await;
    let (gateway, api) = platform.gateway().await;
    let refused = api.get(Some(&key), "/v1/orders/queue").await;
    refused.problem(503, "follower-unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    drop(gateway);
    platform.remove().await;
}
