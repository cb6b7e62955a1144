//! A log, a database and Redis keys for one test, on the real servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fred::prelude::*;
use fred::types::Value;
use projections::migrate::migrate;
use projections::postgres::WritePoolArgs;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use schemas::Shard;
use schemas::read_models::RedisKeys;
use service::config::Copies;
use service::config::{KafkaArgs, LogArgs};
use service::kafka::topics::{create, delete};
use tokio_postgres::NoTls;

use super::log::Log;

/// Everything that one test uses on the servers.
pub struct Stack {
    pub log: LogArgs,
    pub database_url: String,
    pub redis_url: String,
    pub postgres: tokio_postgres::Client,
    pub redis: Client,
    admin_url: String,
    database: String,
    producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    /// Number of records produced, by shard.
    produced: Vec<usize>,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ops/test"))
}

fn producer(kafka: &KafkaArgs) -> ThreadedProducer<rdkafka::producer::DefaultProducerContext> {
    ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "2000000")
        .set("queue.buffering.max.kbytes", "2000000")
        .set("message.max.bytes", "9000000")
        .create()
        .expect("a producer")
}

impl Stack {
    pub async fn new(test: &str, shards: u16) -> Self {
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let kafka = KafkaArgs { brokers: variable("KAFKA_BROKERS"), properties: Vec::new() };
        let log =
            LogArgs { kafka, topic_prefix: format!("test-projections-{test}-{unique}"), shards, copies: Copies::ONE };
        create(&log).await.expect("topics");

        let (admin_url, database) = (variable("DATABASE_URL"), format!("test_projections_{unique}"));
        let admin = connect(&admin_url).await;
        admin.batch_execute(&format!("CREATE DATABASE {database}")).await.expect("a database of the test's own");
        let database_url = with_database(&admin_url, &database);
        migrate(&pool_args(&database_url)).await.expect("migrations");
        let postgres = connect(&database_url).await;

        let redis_url = variable("REDIS_URL");
        let redis = Builder::from_config(Config::from_url(&redis_url).expect("REDIS_URL")).build().unwrap();
        redis.init().await.expect("Redis");
        let producer = producer(&log.kafka);
        let produced = vec![0; usize::from(shards)];
        Self { log, database_url, redis_url, postgres, redis, admin_url, database, producer, produced }
    }

    /// Creates a second database for the same log, as for a rebuild from the beginning.
    pub async fn other_database(&self) -> (String, tokio_postgres::Client) {
        let database = format!("{}_other", self.database);
        self.run_admin(&format!("CREATE DATABASE {database}")).await;
        let url = with_database(&self.admin_url, &database);
        migrate(&pool_args(&url)).await.expect("migrations");
        let client = connect(&url).await;
        (url, client)
    }

    /// Deletes the topics and recreates them, empty.
    pub async fn make_topics_anew(&mut self) {
        delete(&self.log).await.expect("topics are deleted");
        until("the topics are there again", async || create(&self.log).await.is_ok()).await;
        self.producer = producer(&self.log.kafka);
        self.produced.fill(0);
    }

    /// Produces the records of `log` that the topic does not have; does not wait for the broker.
    pub fn produce(&mut self, log: &Log) {
        let topic = self.log.topics().events;
        for (partition, shard) in log.shards.iter().enumerate() {
            for record in &shard.records[self.produced[partition]..] {
                let mut message =
                    BaseRecord::<(), [u8]>::to(&topic).partition(i32::try_from(partition).unwrap()).payload(record);
                while let Err((error, again)) = self.producer.send(message) {
                    let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
                    assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
                    std::thread::sleep(Duration::from_millis(1));
                    message = again;
                }
            }
            self.produced[partition] = shard.records.len();
        }
    }

    /// Produces, and waits until the broker has all records.
    pub fn produce_and_flush(&mut self, log: &Log) {
        self.produce(log);
        self.producer.flush(Duration::from_secs(60)).expect("the broker takes the log");
    }

    /// Returns Postgres's position, by shard.
    pub async fn postgres_offsets(&self) -> Vec<usize> {
        offsets(&self.postgres, self.log.shards).await
    }

    /// Returns Redis's position, by shard; `None` while it is being rebuilt.
    pub async fn redis_offsets(&self) -> Vec<Option<usize>> {
        let mut offsets = Vec::new();
        for shard in Shard::all(self.log.shards) {
            let keys = RedisKeys::new(&self.log.topic_prefix, shard);
            let text: Option<String> = self.redis.get(keys.progress()).await.expect("Redis");
            offsets.push(text.and_then(|text| text.split(':').next()?.parse().ok()));
        }
        offsets
    }

    /// Waits until both stores have reached the end of `log`.
    pub async fn caught_up(&self, log: &Log) {
        self.postgres_caught_up(log).await;
        self.redis_caught_up(log).await;
    }

    pub async fn postgres_caught_up(&self, log: &Log) {
        let ends = ends(log);
        until("Postgres at the end of the log", async || self.postgres_offsets().await == ends).await;
    }

    pub async fn redis_caught_up(&self, log: &Log) {
        let ends: Vec<Option<usize>> = ends(log).into_iter().map(Some).collect();
        until("Redis at the end of the log", async || self.redis_offsets().await == ends).await;
    }

    /// Returns Redis's content under the test's prefix in readable form, without the writers' ids.
    pub async fn dump_redis(&self) -> BTreeMap<String, String> {
        let mut dump = BTreeMap::new();
        for shard in Shard::all(self.log.shards) {
            let writer = RedisKeys::new(&self.log.topic_prefix, shard).writer();
            for key in self.keys_of(shard).await.into_iter().filter(|key| *key != writer) {
                let value = self.dump_key(&key).await;
                dump.insert(key, value);
            }
        }
        dump
    }

    /// Returns all keys of a shard.
    pub async fn keys_of(&self, shard: Shard) -> Vec<String> {
        let pattern = RedisKeys::new(&self.log.topic_prefix, shard).all();
        let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
        loop {
            let (next, found): (String, Vec<String>) =
                self.redis.scan_page(cursor, pattern.clone(), Some(1_000), None).await.expect("scan");
            keys.extend(found);
            cursor = next;
            if cursor == "0" {
                return keys;
            }
        }
    }

    async fn dump_key(&self, key: &str) -> String {
        let kind: String = self.redis.r#type(key).await.expect("type");
        match kind.as_str() {
            "hash" => {
                let hash: BTreeMap<String, String> = self.redis.hgetall(key).await.expect("hash");
                format!("{hash:?}")
            }
            "list" => {
                let list: Vec<String> = self.redis.lrange(key, 0, -1).await.expect("list");
                format!("{list:?}")
            }
            "zset" => {
                let set: Value = self.redis.zrange(key, 0, -1, None, false, None, true).await.expect("zset");
                format!("{set:?}")
            }
            "string" => self.redis.get::<Option<String>, _>(key).await.expect("string").unwrap_or_default(),
            // Deleted since it was listed.
            "none" => String::new(),
            other => panic!("{key} is a {other}"),
        }
    }

    async fn run_admin(&self, statement: &str) {
        connect(&self.admin_url).await.batch_execute(statement).await.expect("admin");
    }

    /// Removes everything that the test created. A failed test does not get here: its data stays
    /// for inspection.
    pub async fn remove(self) {
        for shard in Shard::all(self.log.shards) {
            for keys in self.keys_of(shard).await.chunks(1_000) {
                let _: i64 = self.redis.unlink(keys.to_vec()).await.expect("unlink");
            }
        }
        self.drop_other_database().await;
        self.drop_database(&self.database).await;
        delete(&self.log).await.expect("topics are deleted");
    }

    /// Drops the second database, even while clients are connected to it.
    pub async fn drop_other_database(&self) {
        self.drop_database(&format!("{}_other", self.database)).await;
    }

    async fn drop_database(&self, database: &str) {
        // Autovacuum may be running in it, and this role must not stop it.
        let (admin, drop) =
            (connect(&self.admin_url).await, format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
        until("the database is dropped", async || admin.batch_execute(&drop).await.is_ok()).await;
    }
}

/// Returns the end of the log, by shard.
pub fn ends(log: &Log) -> Vec<usize> {
    log.shards.iter().map(|shard| shard.records.len()).collect()
}

/// Returns the positions in a database, by shard; 0 where there is none yet.
pub async fn offsets(postgres: &tokio_postgres::Client, shards: u16) -> Vec<usize> {
    let rows = postgres.query("SELECT shard, events_offset FROM progress", &[]).await.expect("progress");
    let mut offsets = vec![0; usize::from(shards)];
    for row in rows {
        let (shard, offset): (i16, i64) = (row.get(0), row.get(1));
        offsets[usize::try_from(shard).unwrap()] = usize::try_from(offset).unwrap();
    }
    offsets
}

/// Returns all rows of all tables as text, without the columns that depend on this machine's clock.
pub async fn dump_postgres(postgres: &tokio_postgres::Client) -> BTreeMap<String, Vec<String>> {
    let tables = [
        "accounts",
        "api_keys",
        "order_groups",
        "purses",
        "wallets",
        "markets",
        "contracts",
        "positions",
        "orders",
        "trades",
        "candles",
        "ledger_entries",
        "admin_acts",
        "deposit_proposals",
        "market_clarifications",
        "market_events",
        "(SELECT shard, events_offset, term, sequence, chain, anchor, next_command FROM progress)",
    ];
    let mut dump = BTreeMap::new();
    for table in tables {
        let rows = postgres.query(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"), &[]).await.expect(table);
        dump.insert(table.to_owned(), rows.iter().map(|row| row.get(0)).collect());
    }
    dump
}

/// Connects to Postgres.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
}

fn with_database(url: &str, database: &str) -> String {
    let (server, rest) = url.rsplit_once('/').expect("DATABASE_URL names a database");
    match rest.split_once('?') {
        Some((_, query)) => format!("{server}/{database}?{query}"),
        None => format!("{server}/{database}"),
    }
}

/// Returns the program's defaults.
pub fn pool_args(url: &str) -> WritePoolArgs {
    WritePoolArgs {
        database_url: url.to_owned(),
        postgres_connections_max: None,
        postgres_connections_min: 1,
        postgres_lifetime_s: 1800,
        postgres_idle_s: 300,
        postgres_health_check_s: 30,
    }
}

/// Polls until the condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}: not within two minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
