//! One shard's log has a record that no reader understands: engine, projections and gateway
//! continue with the other shards.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Answer, Api, limit};
use common::log;
use common::process::Process;
use common::scribe::{Scribe, key, listing};
use common::socket::{Heard, Socket};
use common::steps::{results, text};
use common::{Platform, SHARDS, Whole, eventually};
use schemas::event::OrderPlaced;
use schemas::{
    AccountId, ApiKey, ApiKeyId, EngineId, Entry, Event, FeeRate, Instructions, MarketId, NewOrder, OrderId, PostOnly,
    Price, Quantity, Scopes, Shard, Status, Term, Terms, TimeInForce,
};
use serde_json::{Value, json};
use service::kafka::topics::{create, delete};

/// A market's ticker and shard.
struct Place {
    ticker: String,
    shard: Shard,
}

/// Creates a market on the shard that breaks, and one on another shard.
async fn places(whole: &Whole) -> [Place; 2] {
    let map = whole.platform.map();
    let shard = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let all = || (0..).map(|number| format!("RAIN-{number}")).map(|ticker| Place { shard: shard(&ticker), ticker });
    let broken = all().next().unwrap();
    let sound = all().find(|place| place.shard != broken.shard).unwrap();
    for place in [&broken, &sound] {
        whole.api.market(&place.ticker).await;
    }
    [broken, sound]
}

/// Creates an account with credits whose home shard is this one.
async fn account_at(whole: &Whole, home: Shard) -> Account {
    loop {
        let account = whole.api.account("100").await;
        if whole.platform.map().of_account(account.id.parse().unwrap()) == home {
            return account;
        }
    }
}

/// Waits until a process is ready, except for the shard, which `/readyz` names once for each
/// reader: a gateway's tail and follower, both sinks of the projections.
async fn names(process: &Process, shard: Shard, shares: usize, why: &str) {
    let address = process.logged("admin port listens", "address");
    let body: Value = eventually("the shard halts", async || {
        let answer = reqwest::get(format!("http://{address}/readyz")).await.ok()?;
        let status = answer.status();
        let body: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        let halted = body["halted"].as_object()?.len() == shares;
        (halted && status == 200).then_some(body)
    })
    .await;
    for (share, reason) in body["halted"].as_object().unwrap() {
        assert!(share.ends_with(&format!("shard {shard}")), "{body}");
        assert!(reason.as_str().unwrap().contains(why), "{body}");
        assert!(reason.as_str().unwrap().contains("hint: "), "{body}");
    }
    assert_eq!((&body["ready"], &body["missing"]), (&json!(true), &json!([])));
    assert_eq!(reqwest::get(format!("http://{address}/livez")).await.unwrap().status(), 200);
}

fn is_halted(answer: &Answer) {
    answer.problem(503, "shard-halted");
    assert_eq!(answer.headers["retry-after"], "60");
    assert!(answer.body["detail"].as_str().unwrap().starts_with("shard "), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_shard_is_refused_by_name_and_all_others_are_served() {
    let mut whole = Platform::whole("halted").await;
    let [broken, sound] = places(&whole).await;
    let (there, here) = (account_at(&whole, broken.shard).await, account_at(&whole, sound.shard).await);
    let before = whole.api.order(&here, &limit(&broken.ticker, "BUY YES 1 @ 0.40")).await.expect(201);
    whole.api.order(&there, &limit(&sound.ticker, "BUY YES 1 @ 0.40")).await.expect(201);
    // Records that the leader writes after the broken record, before reading it, would show that
    // the log continues.
    log::quiet(&whole.platform).await;

    let scribe = Scribe::new(&whole.platform);
    scribe.append(broken.shard, b"\xff\xff nobody can read this").await;
    for (process, shares) in [(&whole.engine, 1), (&whole.gateway, 2), (&whole.projections, 2)] {
        names(process, broken.shard, shares, "is broken at offset").await;
    }
    serves_the_rest(&whole.api, &broken, &sound, &there, &here, &before).await;

    // No process needs the broken shard to start.
    for process in [&mut whole.gateway, &mut whole.projections, &mut whole.engine] {
        assert!(process.stop(), "{}", process.log());
    }
    whole.engine = whole.platform.program("engine").await;
    whole.projections = whole.platform.program("projections").await;
    let (gateway, api) = whole.platform.gateway().await;
    whole.gateway = gateway;
    for (process, shares) in [(&whole.engine, 1), (&whole.gateway, 2), (&whole.projections, 2)] {
        names(process, broken.shard, shares, "is broken at offset").await;
    }
    serves_the_rest(&api, &broken, &sound, &there, &here, &before).await;
    whole.remove().await;
}

async fn serves_the_rest(api: &Api, broken: &Place, sound: &Place, there: &Account, here: &Account, before: &Value) {
    // Orders.
    let placed = api.order(here, &limit(&sound.ticker, "BUY YES 2 @ 0.40")).await.expect(201);
    is_halted(&api.order(here, &limit(&broken.ticker, "BUY YES 2 @ 0.40")).await);
    is_halted(&api.order(there, &limit(&broken.ticker, "BUY YES 2 @ 0.40")).await);
    is_halted(&api.delete(Some(&here.key), &format!("/v1/orders/{}", text(before, "order_id"))).await);
    is_halted(&api.amend(here, text(before, "order_id"), &json!({"quantity": 2})).await);
    // Decided from the account's purse there.
    api.order(there, &limit(&sound.ticker, "BUY YES 1 @ 0.10")).await.expect(201);
    let cancel = format!("/v1/orders/{}", text(&placed, "order_id"));
    api.delete(Some(&here.key), &cancel).await.expect(200);
    let place = |ticker: &str| json!({"place": limit(ticker, "BUY YES 1 @ 0.20")});
    let requests = json!([place(&broken.ticker), place(&sound.ticker)]);
    let batch = api.post(Some(&here.key), "/v1/orders/batch", &json!({"requests": requests})).await.expect(200);
    assert_eq!(results(&batch), ["503 shard-halted", "201"], "{batch}");
    let requests = json!([place(&broken.ticker), place(&broken.ticker)]);
    is_halted(&api.post(Some(&here.key), "/v1/orders/batch", &json!({"requests": requests})).await);

    // Accounts, and requests to their home shards.
    let deposit = |account: &Account| json!({"account_id": account.id, "amount": "1"});
    api.admin("/v1/wallet/deposits", &deposit(here)).await.expect(201);
    is_halted(&api.admin("/v1/wallet/deposits", &deposit(there)).await);
    for (from, to) in [(here, there), (there, here)] {
        is_halted(&api.post(Some(&from.key), "/v1/transfers", &json!({"to": to.id, "amount": "1"})).await);
    }
    for _ in 0..8 {
        api.account("0").await;
    }

    // Reads of positions that were read, and of later ones.
    let at = text(before, "position");
    let path = |position: &str| format!("/v1/markets/{}/book?min_position={position}", broken.ticker);
    let book = api.get(None, &path(at)).await.expect(200);
    assert_eq!(book["bids"], json!([["0.4000", 1]]), "{book}");
    is_halted(&api.get(None, &path(&format!("{}:1000000", broken.shard))).await);
    let path = format!("/v1/markets/{}/book?min_position={}", sound.ticker, text(&placed, "position"));
    api.get(None, &path).await.expect(200);

    let mut socket = Socket::anonymous(api).await;
    let refused = socket.ask(json!({"op": "subscribe", "channel": "book", "market": broken.ticker})).await;
    assert_eq!(refused["code"], "shard-halted", "{refused}");
    assert_eq!(socket.subscribe("book", &sound.ticker).await["type"], "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_halts_its_shard_alone() {
    let platform = Platform::create("cut").await;
    let mut scribe = Scribe::new(&platform);
    let map = platform.map();
    let shard_of = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let tickers: Vec<String> = (0..20).map(|number| format!("RAIN-{number}")).collect();
    let cut = shard_of(&tickers[0]);
    for ticker in &tickers {
        scribe.open_market(shard_of(ticker), listing(ticker, 1)).await;
    }
    // The deleted records are in no read model, because no projections run here.
    log::lose_beginning(&platform, cut, 2).await;

    let (gateway, api) = platform.gateway().await;
    names(&gateway, cut, 2, "has no offset 0").await;
    let markets = api.get(None, "/v1/markets").await.expect(200);
    let shown: Vec<&str> = markets["items"].as_array().unwrap().iter().map(|market| text(market, "ticker")).collect();
    let mut sound: Vec<&str> = tickers.iter().map(String::as_str).filter(|ticker| shard_of(ticker) != cut).collect();
    sound.sort_unstable();
    assert_eq!(shown, sound);
    is_halted(&api.get(None, &format!("/v1/markets?min_position={cut}:1")).await);
    drop(gateway);
    platform.remove().await;
}

/// As if a broker had lost the end of one shard's log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_end_is_gone_halts_its_shard_alone() {
    let platform = Platform::create("end-cut").await;
    let (map, account) = (platform.map(), AccountId(77));
    let shard_of = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let cut = map.of_account(account);
    let sound = (0..).map(|n| format!("RAIN-{n}")).find(|ticker| shard_of(ticker) != cut).unwrap();
    let mut scribe = Scribe::new(&platform);
    let (key, api_key) = key(1, 0x11, Scopes::READ);
    scribe.open_account(cut, account, api_key).await;
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    // Once this is answered, Postgres has reached that position.
    api.get(Some(&key), &format!("/v1/fills?min_position={cut}:1")).await.expect(200);
    for mut process in [gateway, projections] {
        assert!(process.stop(), "{}", process.log());
    }

    delete(&platform.log).await.unwrap();
    eventually("the topics are there again", async || create(&platform.log).await.ok()).await;
    let mut scribe = Scribe::new(&platform);
    scribe.append(cut, &Term::new(cut, SHARDS, EngineId(1), 1).encode()).await;
    scribe.open_market(shard_of(&sound), listing(&sound, 1)).await;

    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    for (process, shares) in [(&gateway, 1), (&projections, 2)] {
        names(process, cut, shares, "has no offset 2").await;
    }
    let path = format!("/v1/markets/{sound}/book?min_position={}:1", shard_of(&sound));
    api.get(None, &path).await.expect(200);
    drop((gateway, projections));
    platform.remove().await;
}

/// As if the processes were configured with the brokers of another stack, whose log of the same
/// name is longer than the checkpoint in Postgres.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_others_halts_its_shard_alone() {
    let platform = Platform::create("other").await;
    let (map, account) = (platform.map(), AccountId(77));
    let shard_of = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let home = map.of_account(account);
    let sound = (0..).map(|n| format!("RAIN-{n}")).find(|ticker| shard_of(ticker) != home).unwrap();
    let mut scribe = Scribe::new(&platform);
    let (key, api_key) = key(1, 0x11, Scopes::READ);
    scribe.open_account(home, account, api_key.clone()).await;
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    // Once this is answered, Postgres has reached that position.
    api.get(Some(&key), &format!("/v1/fills?min_position={home}:1")).await.expect(200);
    for mut process in [gateway, projections] {
        assert!(process.stop(), "{}", process.log());
    }

    delete(&platform.log).await.unwrap();
    eventually("the topics are there again", async || create(&platform.log).await.ok()).await;
    let mut scribe = Scribe::new(&platform);
    for number in 1..4 {
        scribe.open_account(home, AccountId(number), ApiKey { id: ApiKeyId(number), ..api_key.clone() }).await;
    }
    scribe.open_market(shard_of(&sound), listing(&sound, 1)).await;

    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    for (process, shares) in [(&gateway, 1), (&projections, 2)] {
        names(process, home, shares, "is another log at offset 1").await;
    }
    let path = format!("/v1/markets/{sound}/book?min_position={}:1", shard_of(&sound));
    api.get(None, &path).await.expect(200);
    is_halted(&api.get(Some(&key), &format!("/v1/fills?min_position={home}:2")).await);
    drop((gateway, projections));
    platform.remove().await;
}

/// An outcome that no engine writes: the fill of an order exceeds its quantity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_at_which_the_fold_panics_halts_its_shard_alone() {
    let platform = Platform::create("panic").await;
    let map = platform.map();
    let shard_of = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let (broken, sound) = ("RAIN-0", (1..).map(|n| format!("RAIN-{n}")));
    let sound = sound.into_iter().find(|ticker| shard_of(ticker) != shard_of(broken)).unwrap();
    let mut scribe = Scribe::new(&platform);
    for ticker in [broken, &sound] {
        scribe.open_market(shard_of(ticker), listing(ticker, 1)).await;
    }
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    let home = shard_of(broken);
    scribe.tell(home, vec![overfilled(home, listing(broken, 1).market)]).await;
    for (process, shares) in [(&gateway, 2), (&projections, 2)] {
        names(process, home, shares, "panicked").await;
    }
    scribe.tell(shard_of(&sound), vec![Event::AccountOpened { account: AccountId(1) }]).await;
    let path = format!("/v1/markets/{sound}/book?min_position={}:2", shard_of(&sound));
    api.get(None, &path).await.expect(200);
    api.get(None, &format!("/v1/markets/{broken}/book")).await.expect(200);
    is_halted(&api.get(None, &format!("/v1/markets/{broken}/book?min_position={home}:2")).await);
    drop((gateway, projections));
    platform.remove().await;
}

fn overfilled(shard: Shard, market: MarketId) -> Event {
    let (price, one, two) = (Price::new(5_000).unwrap(), Quantity::new(1).unwrap(), Quantity::new(2).unwrap());
    let terms = Terms::Limit { price, quantity: one, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off };
    let order = NewOrder {
        account: AccountId(1),
        market,
        entry: Entry::BuyYes,
        terms,
        fee_rate: FeeRate::ZERO,
        client_id: None,
        instructions: Instructions::default(),
    };
    let (id, status) = (OrderId::compose(shard, 1), Status::PartiallyFilled);
    Event::OrderPlaced(OrderPlaced { id, order, price, quantity: one, filled: two, status, cancel_reason: None })
}

/// The gateway can no longer see revocations on that shard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_refused_once_the_gateway_cannot_follow_its_home_shard() {
    let platform = Platform::create("behind").await;
    let map = platform.map();
    let account = AccountId(9);
    let home = map.of_account(account);
    let tickers = || (0..).map(|n| format!("RAIN-{n}"));
    let at_home = |ticker: &String| map.of_market(MarketId::of(&ticker.parse().unwrap())) == home;
    let broken = tickers().find(at_home).unwrap();
    let stranger = (10..).map(AccountId).find(|other| map.of_account(*other) != home).unwrap();
    let mut scribe = Scribe::new(&platform);
    let [(text, api_key), (strangers, strangers_key)] = [key(1, 0x11, Scopes::READ), key(2, 0x22, Scopes::READ)];
    scribe.open_market(home, listing(&broken, 1)).await;
    scribe.open_account(home, account, api_key.clone()).await;
    scribe.open_account(map.of_account(stranger), stranger, strangers_key).await;
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    let mut sockets = Vec::new();
    for key in [&text, &strangers] {
        let mut socket = Socket::anonymous(&api).await;
        assert_eq!(socket.ask(json!({"op": "auth", "api_key": key})).await["type"], "authenticated");
        sockets.push(socket);
    }

    scribe.tell(home, vec![overfilled(home, listing(&broken, 1).market)]).await;
    names(&gateway, home, 2, "panicked").await;
    // A request to revoke the key is refused as well.
    let fills = "/v1/fills";
    api.get(Some(&text), fills).await.expect(200);
    scribe.tell(home, vec![Event::ApiKeyRevoked { account, key: api_key.id, by: None }]).await;
    eventually("the key is refused", async || {
        let answer = api.get(Some(&text), fills).await;
        (answer.status == 503).then(|| is_halted(&answer))
    })
    .await;
    assert!(matches!(sockets[0].hear().await, Heard::Closed(4004)));
    is_halted(&api.get(Some(&text), "/v1/wallet").await);
    api.get(Some(&strangers), fills).await.expect(200);
    assert_eq!(sockets[1].ask(json!({"op": "ping"})).await["type"], "pong");
    drop((gateway, projections));
    platform.remove().await;
}
