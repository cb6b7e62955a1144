//! Shared parts of the process tests: a separate log on a real Kafka, engines as child processes,
//! load, and an auditor that uses only the log's language (`schemas`), not the engine.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod answers;
pub mod audit;
pub mod engine;
pub mod halting;
pub mod idle;
#[path = "../../../schemas/tests/later/mod.rs"]
pub mod later;
pub mod load;
pub mod logs;
pub mod messages;
pub mod orders;
pub mod purses;
pub mod settings;
pub mod waiting;
pub mod world;

use std::time::{Duration, Instant};

use schemas::topics::Topics;
use service::config::Copies;
use service::config::{KafkaArgs, LogArgs};
use service::kafka::topics::{create, delete};

pub const SHARDS: u16 = 4;

/// A test's own log.
pub struct TestLog {
    pub args: LogArgs,
    pub topics: Topics,
    runtime: tokio::runtime::Runtime,
}

impl TestLog {
    /// Creates topics under a unique prefix.
    pub fn create(name: &str) -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS is not set: run ops/test");
        let topic_prefix = format!("test-engine-{name}-{}", uuid::Uuid::now_v7().simple());
        let args = LogArgs {
            kafka: KafkaArgs { brokers, properties: Vec::new() },
            topic_prefix,
            shards: SHARDS,
            copies: Copies::ONE,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(create(&args)).expect("topics");
        Self { topics: args.topics(), args, runtime }
    }
}

impl Drop for TestLog {
    /// The log of a failed test is kept for examination.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.runtime.block_on(delete(&self.args)).expect("deleting the test's topics");
        }
    }
}

/// Polls until there is a result, and fails with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SplitMix64: the tests' only randomness, from a seed that failures name.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}
