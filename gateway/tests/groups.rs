//! Groups of orders through all processes: how a limit ends orders on every shard, the requests
//! about groups and the keys that may make them, and the reads that show groups.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;

use common::api::{Account, Answer, Api, limit};
use common::socket::Socket;
use common::steps::{get_at, order_becomes, results, text, with};
use common::{Platform, Whole, connect, eventually};
use reqwest::Method;
use schemas::MarketId;
use serde_json::{Value, json};

/// Two accounts, a market on the first account's home shard, and a market on another shard.
struct Stage {
    whole: Whole,
    alice: Account,
    bob: Account,
    near: String,
    far: String,
}

impl Stage {
    async fn set(name: &str) -> Self {
        let whole = Platform::whole(name).await;
        let (alice, bob) = (whole.api.account("1000").await, whole.api.account("1000").await);
        let map = whole.platform.map();
        let home = map.of_account(alice.id.parse().unwrap());
        let ticker = |is_near: bool| {
            let all = (0..).map(|number| format!("GROUP-{number}"));
            let shard = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
            all.into_iter().find(|ticker| (shard(ticker) == home) == is_near).unwrap()
        };
        let (near, far) = (ticker(true), ticker(false));
        for ticker in [&near, &far] {
            whole.api.market_with(ticker, json!({})).await;
        }
        Self { whole, alice, bob, near, far }
    }

    fn api(&self) -> &Api {
        &self.whole.api
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        self.api().send_json(method, Some(&self.alice.key), path, &body).await
    }

    async fn post(&self, path: &str) -> Value {
        self.ask(Method::POST, path, json!({})).await.expect(200)
    }

    async fn make(&self, group: u16, contracts: u32, window_s: u8) -> Value {
        let body = json!({"group": group, "contracts": contracts, "window_s": window_s});
        self.ask(Method::POST, "/v1/groups", body).await.expect(201)
    }

    /// Places an order of Alice in a group.
    async fn place(&self, ticker: &str, words: &str, group: u16) -> Answer {
        self.api().order(&self.alice, &grouped(ticker, words, group)).await
    }

    /// Places an order of Bob that takes.
    async fn take(&self, ticker: &str, words: &str) -> Value {
        self.api().order(&self.bob, &limit(ticker, words)).await.expect(201)
    }

    /// Waits until the group has this `filled` and `triggered`, and returns it.
    async fn group_becomes(&self, group: u16, filled: u64, triggered: bool) -> Value {
        eventually(&format!("group {group} has filled {filled}, triggered: {triggered}"), async || {
            let answer = self.ask(Method::GET, &format!("/v1/groups/{group}"), json!({})).await;
            let is_so = answer.body["filled"] == filled && answer.body["triggered"] == triggered;
            is_so.then_some(answer.body)
        })
        .await
    }

    /// Checks that an order was ended by its group.
    async fn ended(&self, order: &Value, filled: u64) {
        let row = order_becomes(self.api(), &self.alice, text(order, "order_id"), "CANCELLED").await;
        assert_eq!((&row["cancel_reason"], &row["filled"]), (&json!("GROUP"), &json!(filled)), "{row}");
        assert_eq!(row["group"], order["group"]);
    }
}

fn grouped(ticker: &str, words: &str, group: u16) -> Value {
    with(limit(ticker, words), json!({"group": group}))
}

/// Returns the changes of groups on the `orders` channel up to the deletion of this group, and the
/// reasons why orders ended.
async fn told_until_deleted(socket: &mut Socket, group: u16) -> (Vec<Value>, BTreeMap<String, String>) {
    let (mut groups, mut ends) = (Vec::new(), BTreeMap::new());
    loop {
        let mut message = socket.next().await;
        assert_eq!(message["type"], "delta", "{message}");
        let Value::Array(changes) = message["changes"].take() else { panic!("{message}") };
        for change in changes {
            let kind = text(&change, "kind").to_owned();
            if kind == "CANCELLED" {
                ends.insert(text(&change, "order_id").to_owned(), text(&change, "reason").to_owned());
            }
            if kind.starts_with("GROUP_") {
                let is_end = kind == "GROUP_DELETED" && change["group"] == group;
                groups.push(change);
                if is_end {
                    return (groups, ends);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_orders_end_on_every_shard_when_its_limit_is_filled() {
    let stage = Stage::set("groups").await;
    let (api, near, far) = (stage.api(), stage.near.as_str(), stage.far.as_str());
    let mut socket = Socket::open(api, &[("authorization", &format!("Bearer {}", stage.alice.key))]).await.unwrap();
    assert_eq!(socket.next().await["type"], "authenticated");
    let snapshot = socket.ask(json!({"op": "subscribe", "channel": "orders"})).await;
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");

    let made = stage.make(7, 10, 60).await;
    for (field, value) in [("group", 7), ("contracts", 10), ("window_s", 60), ("generation", 1)] {
        assert_eq!(made[field], value, "{made}");
    }
    let again = json!({"group": 7, "contracts": 1, "window_s": 1});
    stage.ask(Method::POST, "/v1/groups", again).await.problem(409, "group-exists");
    let fresh = stage.group_becomes(7, 0, false).await;
    assert_eq!((&fresh["left"], &fresh["generation"]), (&json!(10), &json!(1)));

    // Three orders in the group, one of them on another shard; and one order outside the group.
    let first = stage.place(near, "BUY YES 6 @ 0.50", 7).await.expect(201);
    let second = stage.place(near, "BUY YES 5 @ 0.40", 7).await.expect(201);
    let third = stage.place(far, "BUY YES 3 @ 0.45", 7).await.expect(201);
    let alone = api.order(&stage.alice, &limit(near, "BUY YES 2 @ 0.30")).await.expect(201);
    assert_eq!((&first["group"], &alone["group"]), (&json!(7), &json!(null)));
    let listed = get_at(api, Some(&stage.alice.key), "/v1/orders?status=live&group=7", &second["position"]).await;
    assert!(listed["items"].as_array().unwrap().iter().all(|order| order["group"] == 7), "{listed}");
    let path = format!("/v1/orders?status=live&group=7&min_position={}", text(&third, "position"));
    let listed = api.get(Some(&stage.alice.key), &path).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3, "{listed}");

    stage.take(near, "BUY NO 4 @ 0.50").await;
    assert_eq!(stage.group_becomes(7, 4, false).await["left"], 6);
    // Six contracts are left: two of the first order and four of the second. The rest of Bob's
    // order finds no counterpart.
    let taken = stage.take(near, "BUY NO 9 @ 0.60").await;
    assert_eq!((&taken["filled"], &taken["remaining"]), (&json!(6), &json!(3)), "{taken}");
    order_becomes(api, &stage.alice, text(&first, "order_id"), "FILLED").await;
    stage.ended(&second, 4).await;
    stage.ended(&third, 0).await;
    order_becomes(api, &stage.alice, text(&alone, "order_id"), "ACTIVE").await;
    assert_eq!(stage.group_becomes(7, 10, true).await["left"], 0);

    // The group accepts no order until it is reset.
    for ticker in [near, far] {
        let refused = stage.place(ticker, "BUY YES 1 @ 0.20", 7).await;
        refused.problem(409, "group-triggered");
        assert!(refused.body["order_id"].is_string());
    }
    let requests = [7, 8].map(|group| json!({"place": grouped(near, "BUY YES 1 @ 0.20", group)}));
    let batch = json!({"requests": requests});
    let batch = api.post(Some(&stage.alice.key), "/v1/orders/batch", &batch).await.expect(200);
    assert_eq!(results(&batch), ["409 group-triggered", "404 group-unknown"]);
    for (group, code) in [(7, "group-triggered"), (8, "group-unknown")] {
        let preview = grouped(near, "BUY YES 1 @ 0.20", group);
        let said = api.post(Some(&stage.alice.key), "/v1/orders/preview", &preview).await.expect(200);
        assert_eq!((&said["refusals"][0]["code"], &said["order"]), (&json!(code), &json!(null)), "{said}");
    }

    let reset = stage.post("/v1/groups/7/reset").await;
    assert_eq!((&reset["generation"], &reset["triggered"]), (&json!(2), &json!(false)));
    stage.group_becomes(7, 0, false).await;
    let position = text(&reset, "position");
    let preview = format!("/v1/orders/preview?min_position={position}");
    let said = api.post(Some(&stage.alice.key), &preview, &grouped(near, "BUY YES 1 @ 0.20", 7)).await.expect(200);
    assert_eq!(said["refusals"], json!([]));

    // A fill on another shard counts on the home shard, and ends the orders that rest there.
    let at_home = stage.place(near, "BUY YES 5 @ 0.20", 7).await.expect(201);
    stage.place(far, "BUY YES 10 @ 0.45", 7).await.expect(201);
    stage.take(far, "BUY NO 3 @ 0.55").await;
    stage.group_becomes(7, 3, false).await;
    stage.take(far, "BUY NO 7 @ 0.55").await;
    stage.group_becomes(7, 10, true).await;
    stage.ended(&at_home, 0).await;

    let deleted = stage.ask(Method::DELETE, "/v1/groups/7", json!({})).await.expect(200);
    assert_eq!(deleted["group"], 7);
    let (groups, ends) = told_until_deleted(&mut socket, 7).await;
    let set = |generation| json!({"kind": "GROUP_SET", "group": 7, "contracts": 10, "window_s": 60, "generation": generation, "anew": true});
    let triggered = |cause| json!({"kind": "GROUP_TRIGGERED", "group": 7, "cause": cause});
    let deleted = json!({"kind": "GROUP_DELETED", "group": 7});
    // Only the home shard's changes are published, though other shards record the same for their
    // copies.
    assert_eq!(groups, [set(1), triggered("FILLED"), set(2), triggered("ELSEWHERE"), deleted]);
    for order in [&second, &at_home] {
        assert_eq!(ends.get(text(order, "order_id")).map(String::as_str), Some("GROUP"), "{ends:?}");
    }
    stage.whole.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_changed_triggered_and_deleted_on_request() {
    let stage = Stage::set("groups-by-hand").await;
    let (api, near, far) = (stage.api(), stage.near.as_str(), stage.far.as_str());
    let postgres = connect(&stage.whole.platform.database_url).await;
    let row = async |group: i32| {
        let query = "SELECT contracts, window_s, generation, trigger_cause, triggered_at IS NOT NULL, set_at <= updated_at \
            FROM order_groups WHERE account_id = $1 AND group_id = $2";
        let account: i64 = stage.alice.id.parse().unwrap();
        let found = postgres.query_opt(query, &[&account, &group]).await.unwrap();
        found.map(|row| {
            assert!(row.get::<_, bool>(5));
            let cause: Option<String> = row.get(3);
            assert_eq!(cause.is_some(), row.get::<_, bool>(4));
            (row.get::<_, i32>(0), row.get::<_, i16>(1), row.get::<_, i64>(2), cause)
        })
    };
    let becomes = async |group: i32, wanted: Option<(i32, i16, i64, Option<&str>)>| {
        let wanted = wanted.map(|(contracts, window_s, generation, cause)| {
            (contracts, window_s, generation, cause.map(str::to_owned))
        });
        eventually(&format!("the row of group {group} is {wanted:?}"), async || {
            (row(group).await == wanted).then_some(())
        })
        .await;
    };

    stage.make(1, 100, 30).await;
    becomes(1, Some((100, 30, 1, None))).await;
    let [at_home, elsewhere] = [
        stage.place(near, "BUY YES 9 @ 0.40", 1).await.expect(201),
        stage.place(far, "BUY YES 9 @ 0.40", 1).await.expect(201),
    ];
    stage.take(near, "BUY NO 4 @ 0.60").await;
    let other = stage.ask(Method::PUT, "/v1/groups/1", json!({"contracts": 50, "window_s": 60})).await.expect(200);
    assert_eq!((&other["contracts"], &other["window_s"], &other["triggered"]), (&json!(50), &json!(60), &json!(false)));
    becomes(1, Some((50, 60, 1, None))).await;
    assert_eq!(stage.group_becomes(1, 4, false).await["left"], 46);
    // The past fills reach the new limit.
    let less = stage.ask(Method::PUT, "/v1/groups/1", json!({"contracts": 4, "window_s": 60})).await.expect(200);
    assert_eq!((&less["triggered"], &less["generation"]), (&json!(true), &json!(1)));
    stage.ended(&at_home, 4).await;
    stage.ended(&elsewhere, 0).await;
    becomes(1, Some((4, 60, 1, Some("FILLED")))).await;
    // A second trigger does not change the time of the first.
    assert_eq!(stage.post("/v1/groups/1/trigger").await["triggered"], true);
    stage.post("/v1/groups/1/reset").await;
    becomes(1, Some((4, 60, 2, None))).await;

    let [at_home, elsewhere] = [
        stage.place(near, "BUY YES 2 @ 0.30", 1).await.expect(201),
        stage.place(far, "BUY YES 2 @ 0.30", 1).await.expect(201),
    ];
    stage.post("/v1/groups/1/trigger").await;
    // The answer comes when all shards have applied it.
    for ticker in [near, far] {
        stage.place(ticker, "BUY YES 1 @ 0.20", 1).await.problem(409, "group-triggered");
    }
    stage.ended(&at_home, 0).await;
    stage.ended(&elsewhere, 0).await;
    becomes(1, Some((4, 60, 2, Some("REQUESTED")))).await;

    stage.post("/v1/groups/1/reset").await;
    let last = stage.place(far, "BUY YES 2 @ 0.30", 1).await.expect(201);
    stage.ask(Method::DELETE, "/v1/groups/1", json!({})).await.expect(200);
    stage.ended(&last, 0).await;
    becomes(1, None).await;
    for ticker in [near, far] {
        stage.place(ticker, "BUY YES 1 @ 0.20", 1).await.problem(404, "group-unknown");
    }
    // An order keeps its group.
    let id: i64 = text(&last, "order_id").parse().unwrap();
    let group = postgres.query_one("SELECT group_id FROM orders WHERE id = $1", &[&id]).await.unwrap();
    assert_eq!(group.get::<_, Option<i32>>(0), Some(1));
    for (method, path) in [
        (Method::GET, "/v1/groups/1"),
        (Method::DELETE, "/v1/groups/1"),
        (Method::POST, "/v1/groups/1/trigger"),
        (Method::POST, "/v1/groups/1/reset"),
        (Method::GET, "/v1/groups/0"),
        (Method::GET, "/v1/groups/65536"),
        (Method::POST, "/v1/groups/seven/trigger"),
    ] {
        let known = eventually("the deletion is seen", async || {
            let answer = stage.ask(method.clone(), path, json!({})).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        known.problem(404, "group-unknown");
    }
    let limits = json!({"contracts": 1, "window_s": 1});
    stage.ask(Method::PUT, "/v1/groups/1", limits).await.problem(404, "group-unknown");

    window_rolls(&stage).await;
    pages(&stage).await;
    api.get(Some(&stage.alice.key), "/v1/orders?group=7").await.problem(400, "invalid-request");
    api.get(Some(&stage.alice.key), "/v1/orders?group=0&status=live").await.problem(400, "invalid-request");
    stage.whole.remove().await;
}

/// Checks that fills older than the window and a fiftieth of it no longer count.
async fn window_rolls(stage: &Stage) {
    stage.make(2, 3, 1).await;
    stage.place(&stage.near, "BUY YES 9 @ 0.35", 2).await.expect(201);
    let mut taken = Value::Null;
    for _ in 0..3 {
        taken = stage.take(&stage.near, "BUY NO 2 @ 0.65").await;
        get_at(stage.api(), Some(&stage.alice.key), "/v1/groups/2", &taken["position"]).await;
        // Once it no longer counts by the gateway's clock, it does not count at the next command's
        // time.
        stage.group_becomes(2, 0, false).await;
    }
    let live = "/v1/orders?status=live&group=2";
    let live = get_at(stage.api(), Some(&stage.alice.key), live, &taken["position"]).await;
    assert_eq!(live["items"][0]["filled"], 6, "{live}");
    stage.ask(Method::DELETE, "/v1/groups/2", json!({})).await.expect(200);
}

async fn pages(stage: &Stage) {
    let mut last = Value::Null;
    for group in [65_535, 3, 4] {
        last = stage.make(group, 1, 1).await;
    }
    let path = format!("/v1/groups?limit=2&min_position={}", text(&last, "position"));
    let page = stage.ask(Method::GET, &path, json!({})).await.expect(200);
    let ids =
        |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["group"].clone()).collect::<Vec<_>>();
    assert_eq!((ids(&page), &page["next"]), (vec![json!(3), json!(4)], &json!("4")), "{page}");
    let page = stage.ask(Method::GET, "/v1/groups?limit=2&cursor=4", json!({})).await.expect(200);
    assert_eq!((ids(&page), &page["next"]), (vec![json!(65_535)], &json!(null)), "{page}");
    assert!(page["position"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_belong_to_their_account_and_keys_are_limited() {
    let stage = Stage::set("groups-keys").await;
    let (api, near) = (stage.api(), stage.near.as_str());
    stage.make(5, 10, 60).await;
    let order = stage.place(near, "BUY YES 2 @ 0.30", 5).await.expect(201);

    // Another account's group is unknown, and each account has its own numbers.
    let bob = |method, path, body| {
        let (api, key) = (api.clone(), stage.bob.key.clone());
        async move { api.send_json(method, Some(&key), path, &body).await }
    };
    stage.group_becomes(5, 0, false).await;
    bob(Method::GET, "/v1/groups/5", json!({})).await.problem(404, "group-unknown");
    for path in ["/v1/groups/5/trigger", "/v1/groups/5/reset"] {
        bob(Method::POST, path, json!({})).await.problem(404, "group-unknown");
    }
    bob(Method::DELETE, "/v1/groups/5", json!({})).await.problem(404, "group-unknown");
    let in_it = grouped(near, "BUY YES 1 @ 0.10", 5);
    bob(Method::POST, "/v1/orders", in_it.clone()).await.problem(404, "group-unknown");
    let own = json!({"group": 5, "contracts": 1, "window_s": 1});
    bob(Method::POST, "/v1/groups", own).await.expect(201);
    let ends = bob(Method::POST, "/v1/orders", in_it).await.expect(201);
    bob(Method::POST, "/v1/groups/5/trigger", json!({})).await.expect(200);
    order_becomes(api, &stage.bob, text(&ends, "order_id"), "CANCELLED").await;
    order_becomes(api, &stage.alice, text(&order, "order_id"), "ACTIVE").await;
    stage.group_becomes(5, 0, false).await;

    // Bound keys cannot create groups, which cover all markets; a key that is bound only by
    // `notional` can trigger and delete.
    let key = async |body: Value| {
        let added = api.post(Some(&stage.alice.key), "/v1/api-keys", &body).await.expect(201);
        text(&added, "api_key").to_owned()
    };
    let market = MarketId::of(&near.parse().unwrap()).to_string();
    let (in_market, small) = (key(json!({"markets": [market]})).await, key(json!({"notional": "5"})).await);
    let make = json!({"group": 6, "contracts": 1, "window_s": 1});
    for bound in [&in_market, &small] {
        api.post(Some(bound), "/v1/groups", &make).await.problem(403, "key-bound");
        api.post(Some(bound), "/v1/groups/5/reset", &json!({})).await.problem(403, "key-bound");
    }
    api.post(Some(&in_market), "/v1/groups/5/trigger", &json!({})).await.problem(403, "key-bound");
    let placed = Account { key: in_market, ..stage.alice.clone() };
    api.order(&placed, &grouped(near, "BUY YES 1 @ 0.10", 5)).await.expect(201);
    api.post(Some(&small), "/v1/groups/5/trigger", &json!({})).await.expect(200);
    stage.ended(&order, 0).await;

    // A frozen account can only trigger and delete groups.
    api.admin(&format!("/v1/accounts/{}/freeze", stage.alice.id), &json!({})).await.expect(200);
    stage.ask(Method::POST, "/v1/groups", make).await.problem(409, "account-frozen");
    stage.ask(Method::POST, "/v1/groups/5/reset", json!({})).await.problem(409, "account-frozen");
    stage.ask(Method::DELETE, "/v1/groups/5", json!({})).await.expect(200);
    stage.whole.remove().await;
}
