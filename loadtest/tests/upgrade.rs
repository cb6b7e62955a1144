//! Upgrades an exchange from the current build to the next, component by component in any order,
//! while clients trade. Nothing is lost, no shard halts, and the current build's vocabulary is
//! written until an admin raises it.
//!
//! `ops/upgrade` builds the next version (`ops/next/next.patch`) and runs this test.
//! LFG_NEXT_BIN_DIR names its programs, LFG_BIN_DIR the current ones. LFG_UPGRADE_SEED chooses the
//! order of the components.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{ADMIN_KEY, Client, SHARDS, Stack, text};
use schemas::{Build, OrderId, Shard, VOCABULARY};
use serde_json::{Value, json};

const NEXT: u16 = VOCABULARY + 1;

/// Time limit of every expected event. A component that dies with its connections costs some
/// seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name and program of each component.
const PARTS: [(&str, &str); 4] =
    [("engine a", "engine"), ("engine b", "engine"), ("projections", "projections"), ("gateway", "gateway")];

fn folder(variable: &str) -> PathBuf {
    let folder = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run ops/upgrade"));
    PathBuf::from(folder)
}

/// The acknowledged requests of the clients.
#[derive(Default)]
struct Told {
    /// Order ids by client id.
    orders: BTreeMap<String, String>,
    /// Codes of refused cancels, with their counts.
    refused: BTreeMap<String, u64>,
}

/// Clients that trade until they are stopped.
struct Load {
    accounts: Vec<String>,
    markets: Vec<(String, u16)>,
    told: Mutex<Told>,
    ends: AtomicBool,
}

impl Load {
    fn seed(stack: &Stack) -> Self {
        let file = stack.folder.path().join("demo.json");
        let output = stack.loadtest(&["seed", "--out", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output));
        let demo: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let texts = |list: &str, field: &str| -> Vec<String> {
            let all = demo[list].as_array().unwrap().iter();
            all.map(|one| one[field].as_str().unwrap().to_owned()).collect()
        };
        let map = schemas::shard_map::ShardMap::new(SHARDS).unwrap();
        let shard = |id: &String| map.of_market(id.parse().unwrap()).number();
        let shards = texts("markets", "market_id").iter().map(shard).collect::<Vec<_>>();
        let markets = texts("markets", "ticker").into_iter().zip(shards).collect();
        let (told, ends) = (Mutex::default(), AtomicBool::new(false));
        Self { accounts: texts("accounts", "api_key"), markets, told, ends }
    }

    /// One client: places orders that match each other, and sometimes cancels an order that never
    /// existed.
    fn trade(&self, gateway: Client, first: usize) {
        let mut nth = first;
        while !self.ends.load(Ordering::Relaxed) {
            nth += 1;
            let key = &self.accounts[nth % self.accounts.len()];
            let (ticker, shard) = &self.markets[nth % self.markets.len()];
            if nth.is_multiple_of(10) {
                let order = OrderId::compose(Shard::new(*shard).unwrap(), 1 << 40);
                let (_, body) = self.ask(gateway, "DELETE", &format!("/v1/orders/{order}"), key, &Value::Null);
                let code = body["code"].as_str().unwrap_or_default().to_owned();
                *self.told.lock().unwrap().refused.entry(code).or_default() += 1;
                continue;
            }
            let name = uuid::Uuid::now_v7().to_string();
            let contract = if (nth / self.markets.len()).is_multiple_of(2) { "YES" } else { "NO" };
            let order = json!({
                "ticker": ticker, "contract": contract, "side": "BUY", "type": "LIMIT", "price": "0.55", "quantity": 2,
                "client_id": name,
            });
            let (status, body) = self.ask(gateway, "POST", "/v1/orders", key, &order);
            assert_eq!(status, 201, "{body}");
            let id = body["order_id"].as_str().unwrap().to_owned();
            self.told.lock().unwrap().orders.insert(name, id);
        }
    }

    /// Repeats a request until it is answered. An order has a client id, so a repeat has no second
    /// effect.
    fn ask(&self, gateway: Client, method: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let start = Instant::now();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut last = None;
        loop {
            assert!(start.elapsed() < PATIENCE, "no answer to {method} {path} {body}: {last:?}");
            match gateway.http(method, path, key, &body) {
                Ok((202 | 429 | 500..=599, said)) => last = Some(said),
                Ok((status, said)) => return (status, serde_json::from_str(&said).unwrap_or(Value::Null)),
                Err(error) => last = Some(error.to_string()),
            }
            std::thread::yield_now();
        }
    }

    fn acknowledged(&self) -> usize {
        self.told.lock().unwrap().orders.len()
    }

    /// Waits until so many more orders are acknowledged: trading continues, whatever was replaced.
    fn goes_on(&self, more: usize) {
        let (start, goal) = (Instant::now(), self.acknowledged() + more);
        while self.acknowledged() < goal {
            assert!(start.elapsed() < PATIENCE, "trading does not continue");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn refused(&self, code: &str) -> u64 {
        self.told.lock().unwrap().refused.get(code).copied().unwrap_or(0)
    }
}

/// Stops trading also when a check fails, so that the test ends.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Requests the next vocabulary. Returns whether all shards have it, and the answer of each.
fn raise(gateway: Client) -> (bool, Value) {
    let body = json!({"to": NEXT}).to_string();
    let (status, said) = gateway.http("POST", "/v1/admin/vocabulary", ADMIN_KEY, &body).unwrap();
    assert_eq!(status, 200, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    (said["complete"].as_bool().unwrap(), said)
}

/// Returns a permutation of the components by a seed.
fn order(seed: u64) -> Vec<(&'static str, &'static str)> {
    let mut state = seed;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % n
    };
    let mut left = PARTS.to_vec();
    (0..PARTS.len()).map(|_| left.remove(below(left.len()))).collect()
}

/// Checks that each acknowledged order has exactly one row, under the id that its client received.
fn check_orders(stack: &Stack, told: &Told) {
    let rows = stack.query("SELECT client_id::text, id::text FROM orders");
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    rows.iter().for_each(|(name, id)| found.entry(name.as_str()).or_default().push(id));
    for (name, id) in &told.orders {
        assert_eq!(found.get(name.as_str()), Some(&vec![id.as_str()]), "order {name}");
    }
    assert_eq!(found.len(), told.orders.len(), "orders that no client received");
}

#[test]
fn an_exchange_is_upgraded_part_by_part_while_it_trades() {
    let (today, next) = (folder("LFG_BIN_DIR"), folder("LFG_NEXT_BIN_DIR"));
    let seed = std::env::var("LFG_UPGRADE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs()
    });
    let parts = order(seed);
    println!("LFG_UPGRADE_SEED={seed}: {parts:?}");
    let mut stack = Stack::empty("upgrade");
    for (name, program) in PARTS {
        stack.begin(name, program, &today, &[]);
        stack.await_ready(name);
    }
    let load = Load::seed(&stack);
    let gateway = stack.client();
    std::thread::scope(|scope| {
        let _ending = Ending(&load.ends);
        for client in 0..3 {
            let load = &load;
            scope.spawn(move || load.trade(gateway, client * 1_000));
        }
        upgrade(&mut stack, &load, &parts, (&today, &next), seed);
    });
    let told = load.told.into_inner().unwrap();
    let verified = stack.run_in(&next, "loadtest", &["verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
    check_orders(&stack, &told);
    assert_sound(&stack, &next);
    let written = (0..SHARDS).map(|shard| inspect(&stack, &next, shard)).collect::<String>();
    for new in ["CancelSought", "nth: Added(Some(1))"] {
        assert!(written.contains(new), "the next build never wrote {new}");
    }
    println!("{} orders acknowledged, each has one outcome; refused cancels: {:?}", told.orders.len(), told.refused);
}

fn upgrade(
    stack: &mut Stack,
    load: &Load,
    parts: &[(&'static str, &'static str)],
    (today, next): (&Path, &Path),
    seed: u64,
) {
    let gateway = stack.client();
    load.goes_on(100);
    for (name, program) in parts {
        replace(stack, name, program, next);
        load.goes_on(60);
        if (*name, *program) != parts[parts.len() - 1] {
            let (complete, said) = raise(gateway);
            let raised = said["shards"].as_array().unwrap().iter().any(|shard| shard["raised"] == true);
            assert!(!complete && !raised, "raised while a component of the current build runs: {said}");
        }
    }
    // Before the raise any component can be downgraded.
    let (name, program) = parts[usize::try_from(seed % 4).unwrap()];
    replace(stack, name, program, today);
    load.goes_on(60);
    replace(stack, name, program, next);
    load.goes_on(60);
    // Up to here the current build reads everything that was written.
    assert_sound(stack, today);
    assert!(load.refused("order-unknown") > 0 && load.refused("order-never-was") == 0);

    let start = Instant::now();
    loop {
        let (complete, said) = raise(gateway);
        if complete {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "not raised: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
    load.goes_on(100);
    assert!(load.refused("order-never-was") > 0, "the next build writes the current vocabulary");
    come_too_late(stack, load, (today, next));
    for (name, _) in PARTS {
        let readiness = stack.part(name).readiness();
        assert!(!readiness.contains("install build"), "{name}: {readiness}");
    }
}

/// Stops a component in good order, and starts it from this folder.
fn replace(stack: &mut Stack, name: &str, program: &str, folder: &Path) {
    stack.stop(name);
    stack.begin(name, program, folder, &[]);
    stack.await_ready(name);
}

/// Components of the current build that start after the raise halt every shard and name the build
/// to install.
fn come_too_late(stack: &mut Stack, load: &Load, (today, next): (&Path, &Path)) {
    let install = format!("install build {} or a later one", version(stack, next));
    for program in ["engine", "projections", "gateway"] {
        let name = format!("late {program}");
        // The younger of two projections would end the older.
        if program == "projections" {
            stack.stop("projections");
        }
        stack.begin(&name, program, today, &[("LFG_LISTEN", "127.0.0.1:0".to_owned())]);
        let start = Instant::now();
        while stack.part(&name).readiness().matches(&install).count() < usize::from(SHARDS) {
            let (readiness, log) = (stack.part(&name).readiness(), stack.part(&name).log());
            assert!(start.elapsed() < PATIENCE, "{name} does not halt with {install:?}: {readiness}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        stack.stop(&name);
        if program == "projections" {
            stack.begin("projections", "projections", next, &[]);
            stack.await_ready("projections");
        }
        load.goes_on(30);
    }
}

/// Returns the build of a folder's programs.
fn version(stack: &Stack, folder: &Path) -> String {
    let said = stack.run_in(folder, "engine", &["--version"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().last().unwrap().to_owned();
    assert_ne!(version, Build::THIS.to_string(), "the next build has the current version");
    version
}

/// Checks that a build reads the whole log, and that credits are conserved.
fn assert_sound(stack: &Stack, folder: &Path) {
    let verified = stack.run_in(folder, "engine", &["verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
}

fn inspect(stack: &Stack, folder: &Path, shard: u16) -> String {
    let shown = stack.run_in(folder, "engine", &["inspect", &shard.to_string(), "--max", "1000000"]);
    assert!(shown.status.success(), "{}", text(&shown));
    String::from_utf8_lossy(&shown.stdout).into_owned()
}
