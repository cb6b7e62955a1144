//! The whole path: gateway, Kafka, engine, projections, Postgres, Redis, and back.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::Duration;

use common::api::{Account, Api, limit};
use common::socket::{Heard, Rebuilt, Socket};
use common::steps::{get_at, results, text, wallet_becomes, with};
use common::{PATIENCE, Platform, Random, eventually};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test]
async fn an_exchange_from_the_first_account_to_the_payout() {
    let whole = Platform::with_two_admins("story").await;
    let api = &whole.api;
    let (alice, bob) = (api.account("100").await, api.account("100").await);
    let market = api.market("SNOW").await;

    // Alice bids 10 YES at 0.60; the hold covers the worst fee: 10 × (0.60 + ceil(0.02 × 0.6 ×
    // 0.4)).
    let placed = api.order(&alice, &limit("SNOW", "BUY YES 10 @ 0.60")).await;
    assert_eq!(placed.position.as_deref(), placed.body["position"].as_str());
    let placed = placed.expect(201);
    assert_eq!((&placed["status"], &placed["remaining"]), (&json!("ACTIVE"), &json!(10)));
    assert_eq!((&placed["average_price"], &placed["fills"]), (&json!(null), &json!([])));
    wallet_becomes(api, &alice, "93.952000", "6.048000").await;
    let book = get_at(api, None, "/v1/markets/SNOW/book", &placed["position"]).await;
    assert_eq!((&book["bids"], &book["asks"]), (&json!([["0.6000", 10]]), &json!([])));

    // Bob buys 4 NO at up to 0.45, which is an ask at 0.55: it meets the bid at 0.60, so a NO costs
    // 0.40.
    let taken = api.order(&bob, &limit("SNOW", "BUY NO 4 @ 0.45")).await.expect(201);
    assert_eq!((&taken["status"], &taken["filled"]), (&json!("FILLED"), &json!(4)));
    assert_eq!(taken["average_price"], "0.400000");
    assert_eq!(taken["fees"], "0.019200");
    let fill = &taken["fills"][0];
    assert_eq!((&fill["price"], &fill["quantity"], &fill["role"]), (&json!("0.4000"), &json!(4), &json!("TAKER")));

    let at = &taken["position"];
    let trades = get_at(api, None, "/v1/markets/SNOW/trades", at).await;
    assert_eq!((&trades["items"][0]["price"], &trades["items"][0]["kind"]), (&json!("0.6000"), &json!("MINT")));
    let glance = get_at(api, None, &format!("/v1/markets/{market}"), at).await;
    let data = &glance["ticker_data"];
    assert_eq!((&data["best_bid"], &data["best_ask"]), (&json!("0.6000"), &json!(null)));
    assert_eq!((&data["volume"], &data["open_interest"]), (&json!("4"), &json!(4)));

    let detail = get_at(api, Some(&alice.key), &format!("/v1/orders/{}", text(&placed, "order_id")), at).await;
    assert_eq!((&detail["status"], &detail["filled"]), (&json!("PARTIALLY_FILLED"), &json!(4)));
    assert_eq!((&detail["ticker"], &detail["market_state"]), (&json!("SNOW"), &json!("OPEN")));
    assert_eq!((&detail["fills"][0]["role"], &detail["fees"]), (&json!("MAKER"), &json!("0.009600")));
    let fills = get_at(api, Some(&alice.key), "/v1/fills?ticker=SNOW", at).await;
    assert_eq!((&fills["items"][0]["side"], &fills["items"][0]["contract"]), (&json!("BUY"), &json!("YES")));
    let positions = get_at(api, Some(&bob.key), "/v1/positions", at).await;
    let held: Vec<_> = positions["items"].as_array().unwrap().iter().map(|p| (&p["ticker"], &p["no"])).collect();
    assert_eq!(held, [(&json!("SNOW"), &json!(4))]);

    let path = format!("/v1/orders/{}", text(&placed, "order_id"));
    let cancelled = api.delete(Some(&alice.key), &path).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["cancelled"]), (&json!("CANCELLED"), &json!(6)));
    api.delete(Some(&alice.key), &path).await.problem(409, "order-cancelled");
    wallet_becomes(api, &alice, "97.590400", "0.000000").await;
    wallet_becomes(api, &bob, "98.380800", "0.000000").await;

    // A refusal because no purse has enough and a refusal by the market have the same form.
    let poor = api.order(&bob, &limit("SNOW", "BUY YES 1000 @ 0.99")).await;
    poor.problem(409, "funds-insufficient");
    let short = api.order(&bob, &limit("SNOW", "SELL YES 1 @ 0.50")).await;
    short.problem(409, "position-insufficient");
    for refused in [&poor, &short] {
        assert!(refused.body["order_id"].is_string() && refused.body["command_id"].is_string());
        assert_eq!(refused.position.as_deref(), refused.body["position"].as_str());
    }

    let no = json!({"answer": "NO"});
    api.admin("/v1/markets/SNOW/resolve", &no).await.problem(409, "transition-invalid");
    api.admin("/v1/markets/SNOW/close", &json!({})).await.expect(200);
    api.order(&bob, &limit("SNOW", "BUY YES 1 @ 0.50")).await.problem(409, "market-not-open");
    let proposed = api.admin("/v1/markets/SNOW/resolve", &no).await.expect(200);
    assert_eq!((&proposed["state"], &proposed["yes_value"]), (&json!("RESOLVING"), &json!(null)));
    let resolved = api.second_admin("/v1/markets/SNOW/confirm", &no).await.expect(200);
    assert_eq!((&resolved["state"], &resolved["yes_value"]), (&json!("RESOLVED"), &json!("0.0000")));
    wallet_becomes(api, &alice, "97.590400", "0.000000").await;
    wallet_becomes(api, &bob, "102.380800", "0.000000").await;

    let withdrawal = json!({"account_id": bob.id, "amount": "102.3808"});
    api.admin("/v1/wallet/withdrawals", &withdrawal).await.expect(201);
    api.admin("/v1/wallet/withdrawals", &withdrawal).await.problem(409, "funds-insufficient");
    let nobody = json!({"account_id": "12345", "amount": "1"});
    api.admin("/v1/wallet/deposits", &nobody).await.problem(404, "account-unknown");
    whole.remove().await;
}

#[tokio::test]
async fn an_account_cannot_see_or_change_another_accounts_orders() {
    let whole = Platform::whole("isolation").await;
    let api = &whole.api;
    api.market("WALL").await;
    let (alice, mallory) = (api.account("50").await, api.account("50").await);
    let mut spy = Socket::anonymous(api).await;
    assert_eq!(spy.ask(json!({"op": "auth", "api_key": mallory.key})).await["account_id"], mallory.id);
    let snapshot = spy.ask(json!({"op": "subscribe", "channel": "orders"})).await;
    assert_eq!(snapshot["orders"], json!([]));

    const NAME: &str = "11111111-ceea-467f-a8f8-6f6c3d3f7a11";
    let named = with(limit("WALL", "BUY YES 5 @ 0.50"), json!({"client_id": NAME}));
    let placed = api.order(&alice, &named).await.expect(201);
    let (id, position) = (text(&placed, "order_id"), &placed["position"]);
    get_at(api, Some(&alice.key), &format!("/v1/orders/{id}"), position).await;
    let path = format!("/v1/orders/{id}?min_position={}", position.as_str().unwrap());
    api.get(Some(&mallory.key), &path).await.problem(404, "order-unknown");
    api.delete(Some(&mallory.key), &format!("/v1/orders/{id}")).await.problem(404, "order-unknown");
    // She cannot amend or cancel it either: by its id, by its client id, or in a batch of either
    // kind.
    let smaller = json!({"quantity": 1});
    api.amend(&mallory, id, &smaller).await.problem(404, "order-unknown");
    for order in [json!({"order_id": id}), json!({"client_id": NAME, "ticker": "WALL"})] {
        for all_or_nothing in [false, true] {
            let requests = json!([{"cancel": order}, {"amend": with(order.clone(), smaller.clone())}]);
            let batch = json!({"all_or_nothing": all_or_nothing, "requests": requests});
            let batch = api.post(Some(&mallory.key), "/v1/orders/batch", &batch).await.expect(200);
            let second = if all_or_nothing { "409 batch-refused" } else { "404 order-unknown" };
            assert_eq!(results(&batch), ["404 order-unknown", second], "{batch}");
        }
    }
    let by_name = format!("/v1/orders?client_id={NAME}&market=WALL");
    api.delete(Some(&mallory.key), &by_name).await.problem(404, "order-unknown");
    api.send_json(Method::PATCH, Some(&mallory.key), &by_name, &smaller).await.problem(404, "order-unknown");
    api.delete(Some(&mallory.key), "/v1/orders").await.expect(200);
    let standing = api.get(Some(&alice.key), &format!("/v1/orders/{id}")).await.expect(200);
    assert_eq!((&standing["status"], &standing["quantity"]), (&json!("ACTIVE"), &json!(5)));

    let queries = [
        "/v1/orders".to_owned(),
        format!("/v1/orders?command_id={}", text(&placed, "command_id")),
        format!("/v1/fills?order_id={id}"),
        "/v1/positions".to_owned(),
    ];
    for query in queries {
        let found = get_at(api, Some(&mallory.key), &query, position).await;
        assert_eq!(found["items"], json!([]), "{query}");
    }
    let live = get_at(api, Some(&alice.key), "/v1/orders?status=live", position).await;
    assert_eq!(live["items"].as_array().unwrap().len(), 1);

    // The same client id under another account is another request.
    let mut own = limit("WALL", "BUY YES 1 @ 0.10");
    own["client_id"] = json!("8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11");
    let first = api.order(&alice, &own).await.expect(201);
    let second = api.order(&mallory, &own).await.expect(201);
    assert_ne!(first["order_id"], second["order_id"]);

    // The spy receives only changes of its own order.
    let delta = spy.next().await;
    assert_eq!(delta["changes"].as_array().unwrap().len(), 1);
    assert_eq!(delta["changes"][0]["order"]["order_id"], second["order_id"]);
    assert!(!spy.socket_has(&placed).await);
    whole.remove().await;
}

#[tokio::test]
async fn a_repeated_request_leads_to_the_first_outcome() {
    let whole = Platform::whole("repeat").await;
    let api = &whole.api;
    api.market("ECHO").await;
    // Accounts with different home shards, so that the market's shard has their only purse or
    // another one.
    let accounts = join_all((0..8).map(|_| api.account("0"))).await;
    for account in &accounts {
        let id = uuid::Uuid::new_v4().to_string();
        let deposit = json!({"account_id": account.id, "amount": "10", "client_id": id});
        let first = api.admin("/v1/wallet/deposits", &deposit).await.expect(201);
        let again = api.admin("/v1/wallet/deposits", &deposit).await.expect(201);
        assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
        assert_eq!(first["amount"], again["amount"]);
        let other = json!({"account_id": account.id, "amount": "11", "client_id": id});
        api.admin("/v1/wallet/deposits", &other).await.problem(422, "client-id-reused");

        let mut order = limit("ECHO", "BUY YES 1 @ 0.10");
        order["client_id"] = json!(uuid::Uuid::new_v4().to_string());
        let first = api.order(account, &order).await.expect(201);
        // The same request twice at the same time.
        let repeats = join_all([api.order(account, &order), api.order(account, &order)]).await;
        for again in repeats.into_iter().map(|again| again.expect(201)) {
            assert_eq!((&again["order_id"], &again["repeated"]), (&first["order_id"], &json!(true)));
            assert_eq!((&again["status"], &again["command_id"]), (&first["status"], &first["command_id"]));
        }
        order["quantity"] = json!(2);
        let reused = api.order(account, &order).await;
        reused.problem(422, "client-id-reused");
        // The client id names the first order, whatever was refused under it since.
        let (at, id) = (reused.body["position"].as_str().unwrap(), order["client_id"].as_str().unwrap());
        let look = format!("/v1/orders?ticker=ECHO&client_id={id}&min_position={at}");
        let found = api.get(Some(&account.key), &look).await.expect(200);
        let ids: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|order| &order["order_id"]).collect();
        assert_eq!(ids, [&first["order_id"]]);

        let mut refused = limit("ECHO", "BUY YES 1000 @ 0.90");
        refused["client_id"] = json!(uuid::Uuid::new_v4().to_string());
        let first = api.order(account, &refused).await;
        first.problem(409, "funds-insufficient");
        let again = api.order(account, &refused).await;
        again.problem(409, "funds-insufficient");
        assert_eq!((&again.body["order_id"], &again.body["repeated"]), (&first.body["order_id"], &json!(true)));
        let mut short = limit("ECHO", "SELL NO 1 @ 0.90");
        short["client_id"] = json!(uuid::Uuid::new_v4().to_string());
        api.order(account, &short).await.problem(409, "position-insufficient");
        api.order(account, &short).await.problem(409, "position-insufficient");

        let orders = get_at(api, Some(&account.key), "/v1/orders", &json!(again.position)).await;
        assert_eq!(orders["items"].as_array().unwrap().iter().filter(|o| o["status"] == "ACTIVE").count(), 1);
    }
    whole.remove().await;
}

#[tokio::test]
async fn a_command_without_an_outcome_is_accepted_and_done_later() {
    let platform = Platform::create("later").await.impatient();
    let projections = platform.program("projections").await;
    let mut engine = platform.program("engine").await;
    let (mut gateway, api) = platform.gateway().await;
    api.market("SLOW").await;
    let account = api.account("10").await;
    assert!(engine.stop());

    let start = Instant::now();
    let late = api.order(&account, &limit("SLOW", "BUY YES 1 @ 0.50")).await;
    assert!(start.elapsed() >= Duration::from_secs(2), "it waits for the outcome");
    let late = late.expect(202);
    let requests = json!([{"cancel": {"order_id": "1"}}, {"place": limit("SLOW", "BUY YES 2 @ 0.40")}]);
    let late_batch = api.post(Some(&account.key), "/v1/orders/batch", &json!({"requests": requests})).await.expect(202);
    let opened = api.post(None, "/v1/accounts", &json!({})).await.expect(202);
    assert!(opened["api_key"].is_string());
    let unreached = api.get(Some(&account.key), "/v1/orders?min_position=0:999999999").await;
    unreached.problem(503, "position-not-reached");
    assert!(unreached.headers.contains_key("retry-after"));

    let engine = platform.program("engine").await;
    let order = eventually("the order appears where the answer said", async || {
        let found = api.get(Some(&account.key), text(&late, "look")).await.expect(200);
        found["items"].as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&order["status"], &order["command_id"]), (&json!("ACTIVE"), &late["command_id"]));
    let of_batch = eventually("the batch's order appears, too", async || {
        let found = api.get(Some(&account.key), text(&late_batch, "look")).await.expect(200);
        found["items"].as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&of_batch["quantity"], &of_batch["command_id"]), (&json!(2), &late_batch["command_id"]));
    eventually("the key that was given in advance becomes valid", async || {
        let answer = api.get(opened["api_key"].as_str(), "/v1/wallet").await;
        answer.status.is_success().then_some(())
    })
    .await;
    assert!(gateway.stop());
    drop((engine, projections));
    platform.remove().await;
}

#[tokio::test]
async fn a_book_rebuilt_from_the_socket_is_the_book() {
    let whole = Platform::whole("socket").await;
    let api = &whole.api;
    let (tickers, seed) = (["BOOK-A", "BOOK-B", "BOOK-C"], 20_261_123);
    for ticker in tickers {
        api.market(ticker).await;
    }
    let accounts = join_all((0..6).map(|_| api.account("1000"))).await;
    let watched = &accounts[0];
    // One client subscribes at the start; another one in the middle of the load.
    let mut early = Watch::start(api, tickers, watched).await;
    load(api, &accounts, tickers, Random(seed), 120).await;
    let mut late = Watch::start(api, tickers, watched).await;
    load(api, &accounts, tickers, Random(seed + 1), 120).await;

    let settled = api.order(watched, &limit("BOOK-A", "BUY YES 1 @ 0.0001")).await.expect(201);
    let (a, b) = tokio::join!(early.finish(api, watched, &settled), late.finish(api, watched, &settled));
    assert_eq!(a, b, "seed {seed}");
    whole.remove().await;
}

/// Random limit orders around the middle, and cancels, from several accounts at once.
async fn load(api: &Api, accounts: &[Account], tickers: [&str; 3], mut random: Random, rounds: usize) {
    let mut orders: Vec<(usize, String)> = Vec::new();
    for _ in 0..rounds / accounts.len() {
        let mut requests = Vec::new();
        for (index, account) in accounts.iter().enumerate() {
            if !orders.is_empty() && random.below(4) == 0 {
                let at = usize::try_from(random.below(orders.len() as u64)).unwrap();
                let (owner, id) = orders.swap_remove(at);
                // The order may be filled meanwhile, so both answers are correct.
                api.delete(Some(&accounts[owner].key), &format!("/v1/orders/{id}")).await;
            }
            let ticker = tickers[usize::try_from(random.below(3)).unwrap()];
            let contract = ["YES", "NO"][usize::try_from(random.below(2)).unwrap()];
            let words = format!("BUY {contract} {} @ 0.{}", 1 + random.below(9), 4_500 + random.below(1_000));
            let body = limit(ticker, &words);
            requests.push(async move { (index, api.order(account, &body).await.expect(201)) });
        }
        for (index, placed) in join_all(requests).await {
            if placed["remaining"] != 0 {
                orders.push((index, text(&placed, "order_id").to_owned()));
            }
        }
    }
}

/// Books and trades of some markets and one account's orders, rebuilt from messages.
struct Watch {
    socket: Socket,
    tickers: [&'static str; 3],
    books: std::collections::BTreeMap<String, Rebuilt>,
    trades: std::collections::BTreeMap<String, Vec<Value>>,
    orders: std::collections::BTreeMap<String, (String, u64)>,
    positions: std::collections::BTreeMap<u64, u64>,
}

impl Watch {
    async fn start(api: &Api, tickers: [&'static str; 3], account: &Account) -> Self {
        let bearer = format!("Bearer {}", account.key);
        let mut socket = Socket::open(api, &[("authorization", &bearer)]).await.expect("an open socket");
        assert_eq!(socket.next().await["type"], "authenticated");
        let (books, trades) = Default::default();
        let (orders, positions) = Default::default();
        let mut watch = Self { socket, tickers, books, trades, orders, positions };
        for ticker in tickers {
            for channel in ["book", "trades"] {
                watch.socket.say(&json!({"op": "subscribe", "channel": channel, "market": ticker})).await;
            }
        }
        watch.socket.say(&json!({"op": "subscribe", "channel": "orders"})).await;
        watch
    }

    /// Applies messages until it has the order, and books, trades and live orders equal the API's
    /// answers.
    async fn finish(&mut self, api: &Api, account: &Account, last: &Value) -> String {
        while !self.orders.contains_key(text(last, "order_id")) {
            let message = self.socket.next().await;
            self.take(&message);
        }
        let mut shown = String::new();
        for ticker in self.tickers {
            let path = format!("/v1/markets/{ticker}/book");
            let id = text(&get_at(api, None, &path, &last["position"]).await, "market_id").to_owned();
            self.agree(api, None, &path, last, |own, book| {
                (format!("{:?}", own.books[&id].shown()), format!("{:?}", (book["bids"].clone(), book["asks"].clone())))
            })
            .await;
            self.agree(api, None, &format!("/v1/markets/{ticker}/trades?limit=20"), last, |own, trades| {
                let newest: Vec<&Value> = own.trades[&id].iter().rev().take(20).collect();
                let listed: Vec<&Value> = trades["items"].as_array().unwrap().iter().collect();
                (format!("{newest:?}"), format!("{listed:?}"))
            })
            .await;
            shown += &format!("{ticker}: {:?}\n", self.books[&id].shown());
        }
        self.agree(api, Some(&account.key), "/v1/orders?status=live&limit=100", last, |own, live| {
            let mut live: Vec<_> = live["items"].as_array().unwrap().iter().map(|o| text(o, "order_id")).collect();
            live.sort_unstable();
            let own: Vec<_> = own.orders.keys().map(String::as_str).collect();
            (format!("{own:?}"), format!("{live:?}"))
        })
        .await;
        shown + &format!("{:?}", self.orders)
    }

    /// Compares the state rebuilt from messages with an answer of the API until both are equal. The
    /// load has ended, but the last events of other shards may still be on their way to the socket
    /// or to the read models.
    async fn agree(
        &mut self,
        api: &Api,
        key: Option<&str>,
        path: &str,
        last: &Value,
        shown: impl Fn(&Self, &Value) -> (String, String),
    ) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = get_at(api, key, path, &last["position"]).await;
            let (own, theirs) = shown(self, &answer);
            if own == theirs {
                return;
            }
            assert!(Instant::now() < deadline, "{path}: rebuilt from messages:\n{own}\nanswer of the API:\n{theirs}");
            if let Ok(message) = tokio::time::timeout(Duration::from_millis(100), self.socket.next()).await {
                self.take(&message);
            }
        }
    }

    fn take(&mut self, message: &Value) {
        let market = || text(message, "market_id").to_owned();
        match (text(message, "type"), text(message, "channel")) {
            ("snapshot", "book") => drop(self.books.insert(market(), Rebuilt::of(message))),
            ("delta", "book") => self.books.get_mut(&market()).unwrap().apply(message),
            ("snapshot", "trades") => {
                let oldest_first = message["trades"].as_array().unwrap().iter().rev().cloned().collect();
                self.trades.insert(market(), oldest_first);
            }
            ("delta", "trades") => {
                let trades = message["trades"].as_array().unwrap().clone();
                self.trades.get_mut(&market()).unwrap().extend(trades);
            }
            ("snapshot", "orders") => {
                for order in message["orders"].as_array().unwrap() {
                    self.order(order);
                }
                for (shard, sequence) in message["positions"].as_object().unwrap() {
                    self.positions.insert(shard.parse().unwrap(), sequence.as_u64().unwrap());
                }
            }
            ("delta", "orders") => {
                let [shard, sequence, previous] =
                    ["shard", "sequence", "previous"].map(|field| message[field].as_u64().unwrap());
                let before = self.positions.insert(shard, sequence).expect("after a snapshot");
                assert!(previous <= before && before < sequence, "{before} {message}");
                message["changes"].as_array().unwrap().iter().for_each(|change| self.change(change));
            }
            _ => panic!("{message}"),
        }
    }

    fn order(&mut self, order: &Value) {
        self.status(text(order, "order_id"), text(order, "status"), order["remaining"].as_u64().unwrap());
    }

    fn change(&mut self, change: &Value) {
        match text(change, "kind") {
            "PLACED" => self.order(&change["order"]),
            "FILL" => {
                let remaining = change["remaining"].as_u64().unwrap();
                self.status(text(change, "order_id"), text(change, "status"), remaining);
            }
            "CANCELLED" => self.status(text(change, "order_id"), text(change, "status"), 0),
            "AMENDED" => {
                let remaining = change["remaining"].as_u64().unwrap();
                self.status(text(change, "order_id"), text(change, "status"), remaining);
            }
            "REDUCED" => {
                let (_, remaining) = self.orders.get_mut(text(change, "order_id")).unwrap();
                *remaining = change["remaining"].as_u64().unwrap();
            }
            "REJECTED" => {}
            other => panic!("{other}"),
        }
    }

    fn status(&mut self, id: &str, status: &str, remaining: u64) {
        if matches!(status, "ACTIVE" | "PARTIALLY_FILLED") {
            self.orders.insert(id.to_owned(), (status.to_owned(), remaining));
        } else {
            self.orders.remove(id);
        }
    }
}

#[tokio::test]
async fn gateways_stand_side_by_side_and_come_back() {
    let whole = Platform::whole("side-by-side").await;
    let api = &whole.api;
    api.market("TWIN").await;
    let account = api.account("100").await;
    let mut position = json!(null);
    for words in ["BUY YES 3 @ 0.41", "BUY NO 2 @ 0.30", "BUY YES 3 @ 0.71", "BUY NO 4 @ 0.30"] {
        let order = with(limit("TWIN", words), json!({"self_trade": "ALLOW"}));
        position = api.order(&account, &order).await.expect(201)["position"].clone();
    }
    // A gateway that starts now reads Postgres and the rest of the log, and shows the same.
    let (mut second_process, second) = whole.platform.gateway().await;
    for channel in ["book", "trades"] {
        let mut snapshots = Vec::new();
        for api in [api, &second] {
            let reached = format!("/v1/markets?min_position={}", position.as_str().unwrap());
            api.get(None, &reached).await.expect(200);
            let mut snapshot = Socket::anonymous(api).await.subscribe(channel, "TWIN").await;
            snapshot.as_object_mut().unwrap().remove("sequence");
            snapshots.push(snapshot);
        }
        assert_eq!(snapshots[0], snapshots[1]);
    }

    // A gateway shows the effect of a request to the other one, at the answer's position.
    let placed = second.order(&account, &limit("TWIN", "BUY YES 1 @ 0.05")).await.expect(201);
    let path = format!("/v1/orders/{}", text(&placed, "order_id"));
    let order = get_at(api, Some(&account.key), &path, &placed["position"]).await;
    assert_eq!(order["status"], "ACTIVE");

    // A key that is revoked through one gateway is invalid at the other, and its connections are
    // closed.
    let read_only = api.post(Some(&account.key), "/v1/api-keys", &json!({"scopes": ["READ"]})).await.expect(201);
    let key = text(&read_only, "api_key");
    get_at(&second, Some(key), "/v1/wallet", &read_only["position"]).await;
    second
        .order(&Account { key: key.to_owned(), ..account.clone() }, &limit("TWIN", "BUY YES 1 @ 0.05"))
        .await
        .problem(403, "scope-missing");
    let mut watching = Socket::anonymous(&second).await;
    watching.ask(json!({"op": "auth", "api_key": key})).await;
    let path = format!("/v1/api-keys/{}", text(&read_only, "key_id"));
    let revoked = api.delete(Some(&account.key), &path).await.expect(200);
    assert!(matches!(watching.hear().await, Heard::Closed(4001)));
    let wallet = format!("/v1/wallet?min_position={}", text(&revoked, "position"));
    second.get(Some(key), &wallet).await.problem(401, "unauthenticated");
    api.delete(Some(&account.key), &path).await.problem(404, "api-key-unknown");

    // Pages: every order once, newest first.
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get_at(api, Some(&account.key), &format!("/v1/orders?limit=2{cursor}"), &placed["position"]).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|o| text(o, "order_id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (5, 5));
    let mut fills = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(Some(&account.key), &format!("/v1/fills?limit=1{cursor}")).await.expect(200);
        fills.extend(page["items"].as_array().unwrap().iter().map(|f| format!("{} {}", f["trade_id"], f["role"])));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all = api.get(Some(&account.key), "/v1/fills").await.expect(200);
    let all: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|f| format!("{} {}", f["trade_id"], f["role"])).collect();
    assert_eq!(fills, all);
    assert!(!fills.is_empty());

    // A client gets a close code when the gateway stops, and the gateway ends without an error.
    let mut watching = Socket::anonymous(&second).await;
    watching.ask(json!({"op": "ping"})).await;
    assert!(second_process.stop());
    assert!(matches!(watching.hear().await, Heard::Closed(1001)));
    whole.remove().await;
}
