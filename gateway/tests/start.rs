//! A gateway that starts from its own store: without Postgres and Redis, after any crash, and with
//! nothing that the log does not have.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::api::{Account, Api, limit};
use common::door::{Door, place};
use common::process::Process;
use common::{Platform, Random, eventually};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

const FROM_STORE: &str = "the view begins with what the store has";

/// Engine, projections, and a store folder for the gateway under test.
struct Stage {
    platform: Platform,
    _engine: Process,
    _projections: Process,
    state: TempDir,
}

impl Stage {
    async fn set(name: &str) -> Self {
        let mut platform = Platform::create(name).await;
        let (engine, projections) = (platform.program("engine").await, platform.program("projections").await);
        let state = tempdir().unwrap();
        platform.set("LFG_GATEWAY_STATE", &state.path().display().to_string());
        Self { platform, _engine: engine, _projections: projections, state }
    }

    fn file(&self) -> PathBuf {
        self.state.path().join(format!("{}.redb", self.platform.log.topic_prefix))
    }

    /// From here on, processes that start cannot reach Postgres and Redis.
    async fn close_doors(&mut self) -> [Door; 2] {
        let (postgres, redis) = (self.platform.database_url.clone(), self.platform.redis_url());
        let doors = [Door::closed(&place(&postgres)).await, Door::closed(&place(&redis)).await];
        self.platform.set("DATABASE_URL", &postgres.replace(&place(&postgres), &doors[0].address));
        self.platform.set("REDIS_URL", &redis.replace(&place(&redis), &doors[1].address));
        doors
    }

    /// Creates two accounts with a trade between them in RAIN; 6 contracts at 0.60 still rest.
    async fn traded(api: &Api) -> [Account; 2] {
        api.two_admins().await;
        let [alice, bob] = [api.account("100").await, api.account("100").await];
        api.market("RAIN").await;
        api.order(&alice, &limit("RAIN", "BUY YES 10 @ 0.6000")).await.expect(201);
        api.order(&bob, &limit("RAIN", "BUY NO 4 @ 0.4000")).await.expect(201);
        [alice, bob]
    }
}

async fn readyz(gateway: &Process) -> (u16, Value) {
    let address = gateway.logged("admin port listens", "address");
    let answer = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_store_a_gateway_starts_and_takes_orders_without_postgres_and_redis() {
    let mut stage = Stage::set("start").await;
    let (mut gateway, api) = stage.platform.gateway().await;
    let [alice, bob] = Stage::traded(&api).await;
    assert!(gateway.stop());

    let doors = stage.close_doors().await;
    let (gateway, api) = stage.platform.gateway().await;
    assert!(gateway.log().contains(FROM_STORE), "{}", gateway.log());
    let book = api.get(None, "/v1/markets/RAIN/book").await.expect(200);
    assert_eq!((&book["bids"], &book["asks"]), (&json!([["0.6000", 6]]), &json!([])));
    let trades = api.get(None, "/v1/markets/RAIN/trades").await.expect(200);
    assert_eq!((&trades["items"][0]["quantity"], &trades["items"][1]), (&json!(4), &Value::Null));
    let markets = api.get(None, "/v1/markets?state=OPEN").await.expect(200);
    assert_eq!(markets["items"][0]["ticker"], "RAIN");
    // Orders and cancels.
    let placed = api.order(&bob, &limit("RAIN", "BUY NO 1 @ 0.4000")).await.expect(201);
    assert_eq!(placed["status"], "FILLED", "{placed}");
    let placed = api.order(&alice, &limit("RAIN", "BUY YES 2 @ 0.1000")).await.expect(201);
    let order = placed["order_id"].as_str().unwrap();
    api.delete(Some(&alice.key), &format!("/v1/orders/{order}")).await.expect(200);
    let book = api.get(None, "/v1/markets/RAIN/book").await.expect(200);
    assert_eq!(book["bids"], json!([["0.6000", 5]]));
    // Reads that need the read models are refused.
    for path in ["/v1/wallet", "/v1/positions", "/v1/orders"] {
        let refused = api.get(Some(&alice.key), path).await;
        refused.problem(503, "read-model-unavailable");
        assert!(refused.headers.contains_key("retry-after"));
    }
    api.get(None, "/v1/markets/RAIN").await.problem(503, "read-model-unavailable");
    eventually("the missing servers are named", async || {
        let (status, told) = readyz(&gateway).await;
        let is_named = ["postgres", "redis"].iter().all(|part| told["degraded"][part].is_string());
        (status == 200 && is_named).then_some(())
    })
    .await;

    for door in doors {
        door.open().await;
    }
    for path in ["/v1/wallet", "/v1/positions", "/v1/orders", "/v1/markets/RAIN", "/v1/markets"] {
        let is_there = async || (api.get(Some(&alice.key), path).await.status == 200).then_some(());
        eventually(path, is_there).await;
    }
    let wallet = api.get(Some(&alice.key), "/v1/wallet").await.expect(200);
    assert_eq!((&wallet["held"], &wallet["live_orders"]), (&json!("3.024000"), &json!(1)));
    let is_well =
        async || readyz(&gateway).await.1["degraded"].as_object().is_none_or(|all| all.is_empty()).then_some(());
    eventually("nothing is degraded", is_well).await;
    drop(gateway);
    stage.platform.remove().await;
}

/// Writes of all kinds, through a gateway that is not under test, until stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Writer {
    fn start(api: Api, accounts: Vec<Account>, tickers: Vec<String>, seed: u64) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stops, counts) = (Arc::clone(&stop), Arc::clone(&done));
        let task = tokio::spawn(async move {
            let (mut random, mut keys) = (Random(seed), Vec::new());
            while !stops.load(Ordering::Relaxed) {
                let mut pick = |below: usize| usize::try_from(random.below(below as u64)).unwrap();
                let (account, ticker) = (&accounts[pick(accounts.len())], &tickers[pick(tickers.len())]);
                match pick(10) {
                    0 => {
                        let body = json!({"scopes": ["READ"]});
                        let added = api.post(Some(&account.key), "/v1/api-keys", &body).await;
                        if added.status == 409 {
                            // The account has the maximum of keys.
                            continue;
                        }
                        let added = added.expect(201);
                        let text = |field: &str| added[field].as_str().unwrap().to_owned();
                        keys.push((account.key.clone(), text("key_id"), text("api_key")));
                    }
                    1 if !keys.is_empty() => {
                        let (by, id, _) = &keys[pick(keys.len())];
                        // The key may have been revoked already.
                        api.delete(Some(by), &format!("/v1/api-keys/{id}")).await;
                    }
                    2 => drop(api.delete(Some(&account.key), &format!("/v1/orders?market={ticker}")).await.expect(200)),
                    word => {
                        let contract = if word % 2 == 0 { "YES" } else { "NO" };
                        let words = format!("BUY {contract} {} @ 0.{}000", 1 + pick(5), 3 + pick(5));
                        api.order(account, &limit(ticker, &words)).await.expect(201);
                    }
                }
                counts.fetch_add(1, Ordering::Relaxed);
            }
            keys.into_iter().map(|(.., key)| key).collect()
        });
        Self { stop, done, task }
    }

    /// Stops, and returns every key that was created.
    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Returns the answers about all markets and keys, without positions.
async fn answers(api: &Api, accounts: &[Account], tickers: &[String], keys: &[String]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut note = async |key: Option<&str>, path: String| {
        let mut answer = api.get(key, &path).await;
        if let Some(fields) = answer.body.as_object_mut() {
            for field in ["position", "positions", "request_id"] {
                fields.remove(field);
            }
            // The cursor of a page of trades has its position in it.
            if path.contains("/trades") {
                fields["next"] = json!(fields["next"].is_string());
            }
        }
        all.push((format!("{path} {key:?} {}", answer.status), answer.body));
    };
    note(None, "/v1/markets?state=OPEN".to_owned()).await;
    for ticker in tickers {
        note(None, format!("/v1/markets/{ticker}/book")).await;
        note(None, format!("/v1/markets/{ticker}/trades?limit=100")).await;
    }
    for key in accounts.iter().map(|account| &account.key).chain(keys) {
        note(Some(key), "/v1/api-keys".to_owned()).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_a_gateway_starts_with_what_postgres_would_have_given() {
    let mut stage = Stage::set("start-killed").await;
    let state = stage.state.path().display().to_string();
    stage.platform.unset("LFG_GATEWAY_STATE");
    let (_other, others) = stage.platform.gateway().await;
    stage.platform.set("LFG_GATEWAY_STATE", &state);
    others.two_admins().await;
    let (mut accounts, mut tickers) = (Vec::new(), Vec::new());
    for number in 0..4 {
        accounts.push(others.account("10000").await);
        tickers.push(format!("M-{number}"));
        others.market(&tickers[number]).await;
    }
    let lend = |accounts: &[Account]| {
        accounts.iter().map(|Account { id, key }| Account { id: id.clone(), key: key.clone() }).collect::<Vec<_>>()
    };
    let seed = rand::random();
    let writer = Writer::start(Api::new(&others.address), lend(&accounts), tickers.clone(), seed);
    let file = stage.file();
    for round in 0..6 {
        let (mut gateway, _) = stage.platform.gateway().await;
        assert_eq!(gateway.log().contains(FROM_STORE), round > 0, "seed {seed}, round {round}: {}", gateway.log());
        let modified = || std::fs::metadata(&file).unwrap().modified().unwrap();
        let (begun, written) = (modified(), writer.done.load(Ordering::Relaxed));
        eventually("a checkpoint starts, or another write happens", async || {
            let has_begun = modified() != begun;
            let more = writer.done.load(Ordering::Relaxed) - written > 20 * round;
            (if round % 2 == 0 { has_begun } else { more }).then_some(())
        })
        .await;
        gateway.kill();
    }
    let keys = writer.stop().await;
    let (from_store, api) = stage.platform.gateway().await;
    assert!(from_store.log().contains(FROM_STORE));
    let found = answers(&api, &accounts, &tickers, &keys).await;
    stage.platform.unset("LFG_GATEWAY_STATE");
    let (_from_postgres, api) = stage.platform.gateway().await;
    for (found, wanted) in found.iter().zip(answers(&api, &accounts, &tickers, &keys).await) {
        assert_eq!(*found, wanted, "seed {seed}");
    }
    let statuses: String = found.iter().map(|(name, _)| name.as_str()).collect();
    assert!(keys.len() > 3 && statuses.contains("401"), "keys were made, and some revoked");
    drop((_other, from_store, _from_postgres));
    stage.platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_revoked_right_before_a_crash_opens_nothing_after_it() {
    let stage = Stage::set("start-revoked").await;
    let (mut gateway, api) = stage.platform.gateway().await;
    let account = api.account("0").await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let added = api.post(Some(&account.key), "/v1/api-keys", &json!({"scopes": ["READ"]})).await.expect(201);
        let text = |field: &str| added[field].as_str().unwrap().to_owned();
        keys.push((text("key_id"), text("api_key")));
    }
    // The store has the key and its revocation.
    assert!(gateway.stop());
    let (mut gateway, api) = stage.platform.gateway().await;
    let opens = async |api: &Api, key: &str| api.get(Some(key), "/v1/api-keys").await.status.as_u16();
    assert_eq!((opens(&api, &keys[0].1).await, opens(&api, &keys[1].1).await), (200, 200));
    api.delete(Some(&account.key), &format!("/v1/api-keys/{}", keys[0].0)).await.expect(200);
    gateway.kill();
    assert_eq!(
        {
            let (_gateway, api) = stage.platform.gateway().await;
            (opens(&api, &keys[0].1).await, opens(&api, &keys[1].1).await)
        },
        (401, 200)
    );
    stage.platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_do_not_share_a_store() {
    let stage = Stage::set("start-shared").await;
    let (_gateway, api) = stage.platform.gateway().await;
    let said = stage.platform.fails_at_its_start().await;
    assert!(said.contains("in use by another process") && said.contains("hint: "), "{said}");
    api.account("0").await;
    drop(_gateway);
    stage.platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_set_aside_and_made_anew_once_postgres_is_there() {
    let mut stage = Stage::set("start-damaged").await;
    let (mut gateway, api) = stage.platform.gateway().await;
    let account = api.account("0").await;
    assert!(gateway.stop());
    std::fs::write(stage.file(), vec![0xA5; 100_000]).unwrap();
    let [postgres, redis] = stage.close_doors().await;
    redis.open().await;
    let mut gateway = stage.platform.start_gateway();
    gateway.value_of("the store is set aside, and made anew from Postgres", "aside");
    gateway.value_of("waiting", "server");
    assert_eq!(readyz(&gateway).await.0, 503);
    postgres.open().await;
    let api = Api::new(&gateway.value_of("the gateway listens", "address"));
    api.get(Some(&account.key), "/v1/api-keys").await.expect(200);
    assert!(!gateway.log().contains(FROM_STORE));
    assert!(gateway.stop());
    let (gateway, api) = stage.platform.gateway().await;
    assert!(gateway.log().contains(FROM_STORE));
    api.get(Some(&account.key), "/v1/api-keys").await.expect(200);
    drop(gateway);
    stage.platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_log_halts_its_shards_and_says_so() {
    let stage = Stage::set("start-other").await;
    let (mut gateway, api) = stage.platform.gateway().await;
    Stage::traded(&api).await;
    assert!(gateway.stop());
    let other = Stage::set("start-another").await;
    std::fs::copy(stage.file(), other.file()).unwrap();
    let mut gateway = other.platform.start_gateway();
    let hint = gateway.value_of("a shard is read no further; the others go on", "hint");
    assert!(hint.contains("--state"), "{hint}");
    let market = gateway.log();
    assert!(market.contains(FROM_STORE), "{market}");
    drop(gateway);
    // With an emptied folder, as the hint says, it starts with this log.
    std::fs::remove_file(other.file()).unwrap();
    let (gateway, api) = other.platform.gateway().await;
    api.get(None, "/v1/markets/RAIN/book").await.problem(404, "market-unknown");
    api.account("0").await;
    drop(gateway);
    other.platform.remove().await;
    stage.platform.remove().await;
}
