//! A whole exchange for one test: its own topics, database and Redis keys, and the real engine,
//! projections and gateway as child processes with their own ports.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike as _, KeysInterface as _};
use service::LogArgs;
use service::config::KafkaArgs;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

pub const SHARDS: u16 = 4;
pub const ADMIN_KEY: &str = "the-key-of-a-test";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The exchange. Its processes end with it; its data too, unless the test failed.
pub struct Stack {
    pub prefix: String,
    pub database_url: String,
    pub redis_url: String,
    pub folder: tempfile::TempDir,
    gateway: SocketAddr,
    brokers: String,
    servers_database_url: String,
    database: String,
    parts: Vec<Part>,
    pub runtime: Runtime,
}

/// A process of the exchange.
pub struct Part {
    name: String,
    child: Child,
    pub admin: SocketAddr,
    log: PathBuf,
}

impl Part {
    /// Its output on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the body of its readiness.
    pub fn readiness(&self) -> String {
        get(self.admin, "/readyz").unwrap_or_default()
    }
}

/// The address for clients.
#[derive(Clone, Copy)]
pub struct Client(SocketAddr);

impl Client {
    /// Sends one HTTP request. Returns status and body.
    pub fn http(self, method: &str, path: &str, key: &str, body: &str) -> std::io::Result<(u16, String)> {
        request(self.0, method, path, &format!("Authorization: Bearer {key}\r\n"), body)
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ops/test"))
}

impl Stack {
    /// Starts everything and waits until it is ready.
    pub fn start(name: &str) -> Self {
        let mut stack = Self::empty(name);
        for part in ["engine", "projections", "gateway"] {
            stack.start_part(part);
        }
        stack
    }

    /// Creates topics and tables, and starts no process.
    pub fn empty(name: &str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let servers_database_url = variable("DATABASE_URL");
        let database = format!("test_loadtest_{name}_{id}");
        let stack = Self {
            prefix: format!("test-loadtest-{name}-{id}"),
            database_url: with_database(&servers_database_url, &database),
            redis_url: variable("REDIS_URL"),
            folder: tempfile::tempdir().unwrap(),
            gateway: free_address(),
            brokers: variable("KAFKA_BROKERS"),
            servers_database_url,
            database,
            parts: Vec::new(),
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        };
        stack.sql_on_server(&format!("CREATE DATABASE {}", stack.database));
        std::fs::write(stack.admin_key_file(), ADMIN_KEY).unwrap();
        stack.run_once("engine", "topics");
        stack.run_once("projections", "migrate");
        stack
    }

    pub fn admin_key_file(&self) -> PathBuf {
        self.folder.path().join("admin.key")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// Returns the process of a component.
    pub fn pid(&self, part: &str) -> u32 {
        self.part(part).child.id()
    }

    /// Runs `loadtest ARGUMENTS` to its end.
    pub fn loadtest(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_loadtest")));
        command.args(arguments).output().unwrap()
    }

    /// Returns a command with the settings common to all programs.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KAFKA_BROKERS", &self.brokers)
            .env("DATABASE_URL", &self.database_url)
            .env("REDIS_URL", &self.redis_url)
            .env("LFG_TOPIC_PREFIX", &self.prefix)
            .env("LFG_SHARDS", SHARDS.to_string())
            .env("LFG_REPLICATION", "1")
            .env("LFG_MIN_IN_SYNC", "1")
            .env("LFG_SNAPSHOTS", self.folder.path().join("snapshots"))
            .env("LFG_URL", self.url())
            .env("LFG_ADMIN_KEY_FILE", self.admin_key_file())
            .env("LFG_LISTEN", self.gateway.to_string())
            .env("LFG_NOTICE_WITHIN", "0")
            .env("LFG_ACCOUNTS_PER_ADDRESS", "1000000")
            .env("LFG_FIRST_ADMIN", format!("1={}", hex(&Sha256::digest(ADMIN_KEY))))
            // All clients of a test have one address.
            .env("LFG_SHARED_ADDRESSES", "127.0.0.1")
            // Fewer than an attacker opens.
            .env("LFG_WEBSOCKETS_MAX", "2000")
            .env("LFG_LOG", "text")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null());
        command
    }

    fn program(&self, name: &str) -> Command {
        self.command(&PathBuf::from(variable("LFG_BIN_DIR")).join(name))
    }

    fn run_once(&self, program: &str, what: &str) {
        let output = self.program(program).arg(what).output().unwrap();
        assert!(output.status.success(), "{program} {what}: {}", text(&output));
    }

    fn start_part(&mut self, part: &'static str) {
        self.begin(part, part, &PathBuf::from(variable("LFG_BIN_DIR")), &[]);
        self.await_ready(part);
    }

    /// Starts a process called `name` with the program in this folder, and does not wait for it.
    pub fn begin(&mut self, name: &str, program: &str, folder: &Path, settings: &[(&str, String)]) {
        let (admin, started) = (free_address(), uuid::Uuid::now_v7());
        let log = self.folder.path().join(format!("{name}-{started}.log"));
        let child = self
            .command(&folder.join(program))
            .arg("run")
            .env("LFG_ADMIN_LISTEN", admin.to_string())
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        self.parts.push(Part { name: name.to_owned(), child, admin, log });
    }

    pub fn part(&self, name: &str) -> &Part {
        self.parts.iter().find(|part| part.name == name).unwrap()
    }

    /// Waits until a process is ready.
    pub fn await_ready(&mut self, name: &str) {
        let started = Instant::now();
        let part = self.parts.iter_mut().find(|part| part.name == name).unwrap();
        while !is_ready(part.admin) {
            let ended = part.child.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > READY_WITHIN {
                let _ = part.child.kill();
                panic!("{name} is not ready ({ended:?}):\n{}", part.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops a process in good order, and waits for its end.
    pub fn stop(&mut self, name: &str) {
        let at = self.parts.iter().position(|part| part.name == name).unwrap();
        let mut part = self.parts.remove(at);
        let pid = part.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = part.child.wait().unwrap();
        assert!(ended.success(), "{name} ended with {ended}:\n{}", part.log());
    }

    /// Runs a program in this folder to its end.
    pub fn run_in(&self, folder: &Path, program: &str, arguments: &[&str]) -> Output {
        self.command(&folder.join(program)).args(arguments).output().unwrap()
    }

    /// Returns a client of the gateway, whichever process that is.
    pub fn client(&self) -> Client {
        Client(self.gateway)
    }

    /// Returns rows of two text columns.
    pub fn query(&self, sql: &str) -> Vec<(String, String)> {
        self.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.database_url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        })
    }

    /// Runs SQL in the exchange's own database.
    pub fn sql(&self, sql: &str) {
        self.execute(&self.database_url, sql);
    }

    fn sql_on_server(&self, sql: &str) {
        self.try_execute(&self.servers_database_url, sql).unwrap();
    }

    fn execute(&self, url: &str, sql: &str) {
        self.try_execute(url, sql).unwrap();
    }

    fn try_execute(&self, url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(sql).await
        })
    }

    /// Runs a function with a client of Redis.
    pub fn redis<T>(&self, work: impl AsyncFnOnce(&fred::clients::Client) -> T) -> T {
        self.runtime.block_on(async {
            let config = fred::types::config::Config::from_url(&self.redis_url).unwrap();
            let client = fred::clients::Client::new(config, None, None, None);
            client.init().await.unwrap();
            work(&client).await
        })
    }

    /// Returns the keys of this exchange that contain `part`.
    pub async fn keys(&self, client: &fred::clients::Client, part: &str) -> Vec<String> {
        let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
        loop {
            let pattern = format!("{}:*{part}*", self.prefix);
            let (next, page): (String, Vec<String>) =
                client.scan_page(cursor, pattern, Some(1_000), None).await.unwrap();
            keys.extend(page);
            if next == "0" {
                return keys;
            }
            cursor = next;
        }
    }

    fn remove_data(&self) {
        let kafka = KafkaArgs { brokers: self.brokers.clone(), properties: Vec::new() };
        let log =
            LogArgs { kafka, topic_prefix: self.prefix.clone(), shards: SHARDS, copies: service::config::Copies::ONE };
        self.runtime.block_on(service::kafka::topics::delete(&log)).unwrap();
        // Autovacuum may be using the database and cannot be stopped here.
        let (start, drop) = (Instant::now(), format!("DROP DATABASE {} WITH (FORCE)", self.database));
        while let Err(error) = self.try_execute(&self.servers_database_url, &drop) {
            assert!(start.elapsed() < Duration::from_secs(60), "the database is not dropped: {error}");
        }
        self.redis(async |client| {
            for keys in self.keys(client, "").await.chunks(500) {
                let _: () = client.del(keys.to_vec()).await.unwrap();
            }
        });
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for part in &mut self.parts {
            // It has ended already, or ends now.
            let _ = part.child.kill();
            let _ = part.child.wait();
        }
        if !std::thread::panicking() {
            return self.remove_data();
        }
        for part in &self.parts {
            let (log, part) = (part.log(), &part.name);
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- {part}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Returns standard output and error of an ended program.
pub fn text(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}\n{error}", output.status)
}

fn with_database(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, String::new()), |(a, o)| (a, format!("?{o}")));
    let (server, _) = address.rsplit_once('/').expect("DATABASE_URL ends with a database");
    format!("{server}/{database}{options}")
}

fn is_ready(admin: SocketAddr) -> bool {
    request(admin, "GET", "/readyz", "", "").is_ok_and(|(status, _)| status == 200)
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    request(address, "GET", path, "", "").map(|(_, body)| body)
}

/// Sends one request on its own connection. Returns status and body.
fn request(address: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("no answer"))?;
    Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
