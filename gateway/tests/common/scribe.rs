//! Writes outcomes by hand, for tests in which no engine runs.

use std::collections::HashMap;

use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use schemas::record::Chain;
use schemas::{Cause, CommandId, EngineId, Event, Outcome, Shard, Term, Timestamp};
use service::kafka::producer_config;

use super::{PATIENCE, Platform};

pub struct Scribe {
    producer: FutureProducer,
    events: String,
    commands: String,
    shards: HashMap<Shard, (u64, u64, Chain)>,
}

impl Scribe {
    pub fn new(platform: &Platform) -> Self {
        let producer = producer_config(&platform.log.kafka, PATIENCE).create().unwrap();
        let topics = platform.log.topics();
        Self { producer, events: topics.events, commands: topics.commands, shards: HashMap::new() }
    }

    async fn append(&self, shard: Shard, bytes: &[u8]) -> u64 {
        let record = FutureRecord::<(), _>::to(&self.events).partition(shard.partition()).payload(bytes);
        let delivery = self.producer.send(record, Timeout::Never).await.expect("an append");
        u64::try_from(delivery.offset).unwrap()
    }

    /// The next outcome of a shard; begins a term if there is none. Gives its sequence.
    pub async fn tell(&mut self, shard: Shard, events: Vec<Event>) -> u64 {
        if !self.shards.contains_key(&shard) {
            let term = Term { shard, shards: super::SHARDS, engine: EngineId(1), attempt: 1 };
            let offset = self.append(shard, &term.encode()).await;
            self.shards.insert(shard, (offset, 0, Chain::default()));
        }
        let (bytes, sequence) = self.next(shard, events);
        self.append(shard, &bytes).await;
        sequence
    }

    /// Many outcomes of a shard, in order, without waiting for each.
    pub async fn tell_all(&mut self, shard: Shard, outcomes: impl IntoIterator<Item = Vec<Event>>) {
        let mut deliveries = Vec::new();
        for events in outcomes {
            let (bytes, _) = self.next(shard, events);
            let record = FutureRecord::<(), _>::to(&self.events).partition(shard.partition()).payload(&bytes);
            deliveries.push(self.producer.send_result(record).map_err(|(error, _)| error).expect("an append"));
        }
        for delivery in deliveries {
            delivery.await.unwrap().expect("an append");
        }
    }

    fn next(&mut self, shard: Shard, events: Vec<Event>) -> (Vec<u8>, u64) {
        let (term, sequence, chain) = self.shards[&shard];
        let sequence = sequence + 1;
        let cause = Cause { offset: sequence, id: CommandId(u128::from(sequence)) };
        let outcome = Outcome { term, sequence, time: Timestamp(1_764_000_000_000 + sequence), cause, events };
        let (bytes, chain) = outcome.encode(chain);
        self.shards.insert(shard, (term, sequence, chain));
        (bytes, sequence)
    }

    /// How many commands were ever written.
    pub fn commands(&self) -> i64 {
        let count = |shard: Shard| {
            let client = self.producer.client();
            client.fetch_watermarks(&self.commands, shard.partition(), PATIENCE).expect("watermarks").1
        };
        Shard::all(super::SHARDS).map(count).sum()
    }
}
