//! Helpers of the gateway's integration tests: a platform for each test (topics, database, Redis
//! keys, processes) on real servers, and clients for HTTP and WebSocket.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(missing_docs, reason = "names say it")]

pub mod api;
pub mod door;
#[path = "../../../schemas/tests/later/mod.rs"]
pub mod later;
pub mod log;
pub mod own_kafka;
pub mod own_replica;
pub mod process;
pub mod raw;
pub mod scribe;
pub mod signer;
pub mod socket;
pub mod steps;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemas::shard_map::ShardMap;
use service::config::Copies;
use service::hex::to_hex;
use service::kafka::topics::{create, delete};
use service::{KafkaArgs, LogArgs};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, NoTls};

use api::Api;
use process::Process;

pub const SHARDS: u16 = 4;
pub const ADMIN_KEY: &str = "the admin's key of a test";
pub const SECOND_ADMIN_KEY: &str = "the other admin's key of a test";
pub const ORIGIN: &str = "https://allowed.example";

/// No limit of a rate, in effect.
const FAST: &str = "1000000";

/// The time-out of every wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ops/test"))
}

/// Addresses of servers, and names that only one test uses.
pub struct Platform {
    pub log: LogArgs,
    pub database_url: String,
    database: String,
    env: HashMap<String, String>,
    snapshots: PathBuf,
}

impl Platform {
    /// Creates the topics, and a database with the tables.
    pub async fn create(name: &str) -> Self {
        Self::create_on(&env("KAFKA_BROKERS"), name).await
    }

    /// The same, on a Kafka of its own.
    pub async fn create_on(brokers: &str, name: &str) -> Self {
        let topic_prefix = format!("test-gateway-{name}-{}", uuid::Uuid::now_v7().simple());
        let kafka = KafkaArgs { brokers: brokers.to_owned(), properties: Vec::new() };
        let log = LogArgs { kafka, topic_prefix: topic_prefix.clone(), shards: SHARDS, copies: Copies::ONE };
        create(&log).await.expect("topics");
        let database = topic_prefix.replace('-', "_");
        let server = connect(&env("DATABASE_URL")).await;
        server.batch_execute(&format!("CREATE DATABASE {database}")).await.expect("CREATE DATABASE");
        let (base, _) = env("DATABASE_URL").rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let database_url = format!("{base}/{database}");
        migrate(&database_url).await;
        let snapshots = std::env::temp_dir().join(&topic_prefix);
        let pairs = [
            ("KAFKA_BROKERS", log.kafka.brokers.clone()),
            ("DATABASE_URL", database_url.clone()),
            ("REDIS_URL", env("REDIS_URL")),
            ("LFG_TOPIC_PREFIX", topic_prefix),
            ("LFG_SHARDS", SHARDS.to_string()),
            ("LFG_REPLICATION", "1".to_owned()),
            ("LFG_MIN_IN_SYNC", "1".to_owned()),
            ("LFG_SNAPSHOTS", snapshots.display().to_string()),
            ("LFG_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("LFG_LISTEN", "127.0.0.1:0".to_owned()),
            // As long as can be: a busy machine is no reason for a 202.
            ("LFG_OUTCOME_WITHIN", "10".to_owned()),
            ("LFG_FIRST_ADMIN", format!("1={}", to_hex(&Sha256::digest(ADMIN_KEY)))),
            ("LFG_ALLOWED_ORIGINS", ORIGIN.to_owned()),
            // No load balancer has to see that a gateway is to stop.
            ("LFG_NOTICE_WITHIN", "0".to_owned()),
            ("LFG_ACCOUNTS_PER_ADDRESS", "1000000".to_owned()),
            // All clients of a test have one address, and come as fast as they can.
            ("LFG_CONNECTIONS_PER_SECOND", FAST.to_owned()),
            ("LFG_CONNECTIONS_BURST", FAST.to_owned()),
            ("LFG_REFUSALS_PER_SECOND", FAST.to_owned()),
            ("LFG_REFUSALS_BURST", FAST.to_owned()),
            ("LFG_READS_PER_SECOND", FAST.to_owned()),
            ("LFG_READS_BURST", FAST.to_owned()),
            ("LFG_WRITES_PER_SECOND", FAST.to_owned()),
            ("LFG_WRITES_BURST", FAST.to_owned()),
            ("LFG_CANCELS_PER_SECOND", FAST.to_owned()),
            ("LFG_CANCELS_BURST", FAST.to_owned()),
            ("LFG_ADDRESS_PER_SECOND", FAST.to_owned()),
            ("LFG_ADDRESS_BURST", FAST.to_owned()),
            ("LFG_LOG", "json".to_owned()),
            ("RUST_LOG", "info".to_owned()),
        ];
        let env = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { log, database_url, database, env, snapshots }
    }

    pub fn map(&self) -> ShardMap {
        self.log.shard_map()
    }

    /// With a gateway that waits as short for outcomes as by default: for tests where none come.
    pub fn impatient(mut self) -> Self {
        self.unset("LFG_OUTCOME_WITHIN");
        self
    }

    /// Sets a variable for all processes that start from here on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a variable for processes that start from here on.
    pub fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// Returns the folder of the engine's snapshots.
    pub fn snapshots(&self) -> String {
        self.snapshots.display().to_string()
    }

    pub fn redis_url(&self) -> String {
        env("REDIS_URL")
    }

    /// Runs a command of a program to its end.
    pub async fn run(&self, program: &str, arguments: &[&str]) {
        self.asked(program, arguments, &[]).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts a program without waiting for it.
    pub fn start(&self, name: &str) -> Process {
        Process::start(&PathBuf::from(env("LFG_BIN_DIR")).join(name).display().to_string(), &self.env)
    }

    /// Runs a program to its end and returns its output, or its error.
    pub async fn asked(&self, program: &str, arguments: &[&str], more: &[(&str, &str)]) -> Result<String, String> {
        let path = PathBuf::from(env("LFG_BIN_DIR")).join(program);
        let mut command = tokio::process::Command::new(path);
        let done = command.args(arguments).envs(&self.env).envs(more.iter().copied()).output().await.expect(program);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
    }

    /// The settings of all programs.
    pub fn env(&self) -> &HashMap<String, String> {
        &self.env
    }

    /// Starts a gateway and waits until it listens.
    pub async fn gateway(&self) -> (Process, Api) {
        let mut gateway = self.start_gateway();
        let address = gateway.value_of("the gateway listens", "address");
        let api = Api::new(&address);
        (gateway, api)
    }

    /// Starts a gateway without waiting for it.
    pub fn start_gateway(&self) -> Process {
        Process::start(env!("CARGO_BIN_EXE_gateway"), &self.env)
    }

    /// Starts a gateway that fails, and returns its error.
    pub async fn fails_at_its_start(&self) -> String {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gateway"));
        let ended = command.arg("run").envs(&self.env).kill_on_drop(true).output();
        let done = tokio::time::timeout(PATIENCE, ended).await.expect("the gateway ends").expect("the gateway");
        assert!(!done.status.success());
        String::from_utf8_lossy(&done.stderr).into_owned()
    }

    /// Starts the engine or the projections and waits until all of its parts are ready.
    pub async fn program(&self, name: &str) -> Process {
        let path = PathBuf::from(env("LFG_BIN_DIR")).join(name);
        assert!(path.exists(), "{} is not built: run ops/test", path.display());
        let mut process = Process::start(&path.display().to_string(), &self.env);
        let address = process.value_of("admin port listens", "address");
        eventually(&format!("{name} is ready"), async || {
            let ready = reqwest::get(format!("http://{address}/readyz")).await;
            ready.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        process
    }

    /// The same, with two admins on the log that have every role.
    pub async fn with_two_admins(name: &str) -> Whole {
        let whole = Self::whole(name).await;
        whole.api.two_admins().await;
        whole
    }

    /// Starts engine, projections and gateway.
    pub async fn whole(name: &str) -> Whole {
        Self::create(name).await.with_all().await
    }

    /// Creates a platform and starts all its processes.
    pub async fn with_all(self) -> Whole {
        let (engine, projections) = (self.program("engine").await, self.program("projections").await);
        let (gateway, api) = self.gateway().await;
        Whole { platform: self, engine, projections, gateway, api }
    }

    /// Removes the test's topics, database and files. A failed test keeps them for inspection.
    pub async fn remove(self) {
        delete(&self.log).await.expect("deleting the test's topics");
        let server = connect(&env("DATABASE_URL")).await;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        // Autovacuum may use the database, and tests may not stop it.
        eventually("the database is dropped", async || server.batch_execute(&drop).await.ok()).await;
        if self.snapshots.exists() {
            std::fs::remove_dir_all(&self.snapshots).expect("deleting the test's snapshots");
        }
    }
}

/// A platform with all its processes.
pub struct Whole {
    pub platform: Platform,
    pub engine: Process,
    pub projections: Process,
    pub gateway: Process,
    pub api: Api,
}

impl Whole {
    /// The admin ports of all programs, by the program's name.
    pub fn admin_ports(&self) -> [(&'static str, String); 3] {
        [("engine", &self.engine), ("projections", &self.projections), ("gateway", &self.gateway)]
            .map(|(name, process)| (name, process.logged("admin port listens", "address")))
    }

    pub async fn remove(self) {
        drop((self.gateway, self.projections, self.engine));
        self.platform.remove().await;
    }
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
}

/// Creates the tables by `projections migrate`; some tests run no projections.
async fn migrate(url: &str) {
    let path = PathBuf::from(env("LFG_BIN_DIR")).join("projections");
    assert!(path.exists(), "{} is not built: run ops/test", path.display());
    let mut command = tokio::process::Command::new(path);
    let done = command.arg("migrate").env("DATABASE_URL", url).env("LFG_LOG", "json").output().await.expect("migrate");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Repeats a question until it has an answer, at most for [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// SplitMix64: the tests' only randomness, from a seed that failures name.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}
