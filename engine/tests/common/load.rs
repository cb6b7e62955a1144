//! Load: records written to the log, as gateways and others would write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::shard_map::ShardMap;
use schemas::{Command, CommandId, CommandRecord, Shard};
use service::kafka::producer_config;

pub use super::world::World;
use super::world::home_of;
use super::{Random, TestLog};

/// Writes records to the log, as any client could.
pub struct Client {
    producer: BaseProducer,
    map: ShardMap,
    topics: schemas::topics::Topics,
}

impl Client {
    pub fn open(log: &TestLog) -> Self {
        let config = producer_config(&log.args.kafka, Duration::from_secs(30));
        Self { producer: config.create().unwrap(), map: log.args.shard_map(), topics: log.topics.clone() }
    }

    /// Sends a command and returns its id.
    pub fn ask(&self, command: Command) -> CommandId {
        let id = CommandId(uuid::Uuid::now_v7().as_u128());
        let shard = home_of(self.map, &command);
        self.write_command(shard, &CommandRecord::new(id, command).encode());
        id
    }

    pub fn write_command(&self, shard: Shard, bytes: &[u8]) {
        self.write(&self.topics.commands, shard, bytes);
    }

    pub fn write_event(&self, shard: Shard, bytes: &[u8]) {
        self.write(&self.topics.events, shard, bytes);
    }

    fn write(&self, topic: &str, shard: Shard, bytes: &[u8]) {
        let record = BaseRecord::<(), [u8]>::to(topic).partition(shard.partition()).payload(bytes);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything is in the log.
    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
        assert_eq!(self.producer.in_flight_count(), 0);
    }
}

/// Load that continues, whatever happens to engines, until it is ended.
pub struct Load {
    end: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<Vec<CommandId>>,
}

impl Load {
    /// Starts `rate` commands per second, after the world's opening.
    pub fn start(log: &TestLog, world: World, seed: u64, rate: u32) -> Self {
        let (client, end, count) = (Client::open(log), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, counter) = (end.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            let mut random = Random(seed);
            let mut ids: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
            let start = Instant::now();
            let mut n = 0;
            while !ended.load(Ordering::Relaxed) {
                ids.push(client.ask(world.any(&mut random)));
                n += 1;
                counter.store(u64::from(n), Ordering::Relaxed);
                std::thread::sleep(
                    (start + Duration::from_secs(1) * n / rate).saturating_duration_since(Instant::now()),
                );
            }
            client.flush();
            ids
        });
        Self { end, count, thread }
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends the load; returns the ids of all commands, which are in the log.
    pub fn end(self) -> Vec<CommandId> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
