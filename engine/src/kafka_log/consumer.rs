//! The process's single consumer, with a queue for each partition.
//!
//! ```text
//! lfg.events[*], lfg.commands[*] ─▶ *consumer* ─▶ a queue for each partition ─▶ the shards' threads
//! ```
//!
//! Every consumer object costs a request for each wakeup, whatever it reads, so all shards share
//! one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use schemas::Shard;
use schemas::topics::Topics;
use service::config::LogArgs;
use service::kafka::requests::Requests;
use service::kafka::{ConsumerProfile, KafkaFault, consumer_config, reconnect};

use super::wakeup::Wakeup;
use crate::log::{Extent, LogPartition};

/// The queue of records fetched from a partition.
pub type Fetched = PartitionQueue<Requests>;

const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the client is polled: it reports its statistics once a second.
const SERVE_EVERY: Duration = Duration::from_secs(1);

/// Reads any partition of the log; each partition for one reader.
pub struct LogConsumer {
    client: Arc<BaseConsumer<Requests>>,
    topics: Topics,
    strayed: Arc<[AtomicBool]>,
}

impl LogConsumer {
    /// Opens the consumer; it does not read yet.
    pub fn open(args: &LogArgs, reading: ConsumerProfile) -> Result<Arc<Self>, KafkaFault> {
        let topics = args.topics();
        // It never becomes a member, since it subscribes to nothing; it reads what the members have
        // committed.
        let mut config = consumer_config(&args.kafka, &topics.engines_group, reading);
        // After a takeover, a shard's commands wait for the fetch request in progress.
        config.set("fetch.wait.max.ms", "200");
        let requests = Requests::of("shards", &mut config);
        let client: Arc<BaseConsumer<Requests>> = Arc::new(config.create_with_context(requests)?);
        let strayed: Arc<[AtomicBool]> = (0..args.shards).map(|_| AtomicBool::new(false)).collect();
        let (served, marks) = (Arc::downgrade(&client), Arc::clone(&strayed));
        let started = std::thread::Builder::new().name("consumer".to_owned()).spawn(move || serve(&served, &marks));
        started.map_err(|error| KafkaError::ClientCreation(format!("no thread for it: {error}")))?;
        Ok(Arc::new(Self { client, topics, strayed }))
    }

    fn topic(&self, source: LogPartition) -> &str {
        match source {
            LogPartition::Events => &self.topics.events,
            LogPartition::Commands => &self.topics.commands,
        }
    }

    fn one(&self, (source, shard): (LogPartition, Shard), offset: Offset) -> Result<TopicPartitionList, KafkaFault> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic(source), shard.partition(), offset)?;
        Ok(list)
    }

    /// Starts to read a partition from `offset`. The partition must not be read already. `wakeup`
    /// rings when records have been fetched.
    pub fn enter(
        &self,
        (source, shard): (LogPartition, Shard),
        offset: u64,
        wakeup: &Arc<Wakeup>,
    ) -> Result<Fetched, KafkaFault> {
        let topic = self.topic(source);
        let missing = || KafkaFault::TopicMissing { topic: topic.to_owned() };
        // Before each assignment: a partition that was unknown for a while has a new queue.
        let mut fetched = self.client.split_partition_queue(topic, shard.partition()).ok_or_else(missing)?;
        let wakeup = Arc::clone(wakeup);
        fetched.set_nonempty_callback(move || wakeup.ring());
        let offset = i64::try_from(offset).map_or(Offset::Invalid, Offset::Offset);
        self.client.incremental_assign(&self.one((source, shard), offset)?)?;
        Ok(fetched)
    }

    /// Stops reading a partition. The caller must drop what was fetched before it enters again:
    /// dropping the old queue later would silence the new one.
    pub fn leave(&self, (source, shard): (LogPartition, Shard)) -> Result<(), KafkaFault> {
        Ok(self.client.incremental_unassign(&self.one((source, shard), Offset::Invalid)?)?)
    }

    /// Stops fetching from a partition and drops what was fetched; or resumes.
    pub fn pause(&self, (source, shard): (LogPartition, Shard), pause: bool) -> Result<(), KafkaFault> {
        let one = self.one((source, shard), Offset::Invalid)?;
        Ok(if pause { self.client.pause(&one) } else { self.client.resume(&one) }?)
    }

    /// Returns the range of offsets of a partition.
    pub fn extent(&self, (source, shard): (LogPartition, Shard)) -> Result<Extent, KafkaFault> {
        let (low, high) = self.client.fetch_watermarks(self.topic(source), shard.partition(), ASK_TIMEOUT)?;
        let natural = |offset| u64::try_from(offset).unwrap_or(0);
        Ok(Extent { first: natural(low), end: natural(high) })
    }

    /// Returns the offset that the engines' group has committed for a shard's commands; 0 if none.
    pub fn committed(&self, shard: Shard) -> Result<u64, KafkaFault> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topics.commands, shard.partition());
        let answered = self.client.committed_offsets(asked, ASK_TIMEOUT)?;
        for element in answered.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                return Ok(u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(0)
    }

    /// Returns true, once, if records of a shard were fetched outside its queues: the reader must
    /// read them again.
    pub fn has_strayed(&self, shard: Shard) -> bool {
        self.strayed[shard.index()].swap(false, Ordering::AcqRel)
    }

    /// Simulates records that arrived outside the shard's queues.
    #[cfg(test)]
    pub fn let_stray(&self, shard: Shard) {
        self.strayed[shard.index()].store(true, Ordering::Release);
    }
}

/// Polls the client until no reader has it any more.
fn serve(client: &Weak<BaseConsumer<Requests>>, strayed: &[AtomicBool]) {
    while let Some(client) = client.upgrade() {
        match client.poll(SERVE_EVERY) {
            None => {}
            // Records arrive in the partitions' queues. If the client replaces a partition's queue,
            // they arrive here.
            Some(Ok(message)) => {
                let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
                tracing::error!(
                    topic,
                    partition,
                    offset,
                    "a record arrived outside its partition's queue; it is read again"
                );
                let mark = usize::try_from(partition).ok().and_then(|shard| strayed.get(shard));
                mark.inspect(|mark| mark.store(true, Ordering::Release));
            }
            // The client has logged it already and recovers by itself.
            Some(Err(error)) => tracing::debug!(%error, "the consumer waits for Kafka"),
        }
        reconnect(client.client());
    }
}
