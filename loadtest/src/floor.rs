//! `loadtest floor`: measures the latency of the broker alone, the lower bound for any order.
//!
//!   generator (open loop) ─▶ FLOOR.commands ─▶ echo ─▶ FLOOR.events ─▶ reader
//!
//! It uses the same broker, client settings and number of partitions as the real path, and nothing
//! else: no HTTP, no engine. Its own topics are deleted at the end.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use schemas::Shard;
use service::kafka::topics;
use service::kafka::{ConsumerProfile, KafkaFault, consumer_config, producer_config};
use service::{LogArgs, Shutdown};

use crate::latency::Latencies;
use crate::pace;

/// The size of a record: that of a short order.
const RECORD_BYTES: usize = 100;

/// Records sent and awaited before the clock starts: a new client is slow for its first half
/// second.
const WARM_UP: usize = 200;

const POLL: Duration = Duration::from_millis(50);
const DELIVERY: Duration = Duration::from_secs(10);

/// How long the remaining records may take after the last one was sent.
const PATIENCE: Duration = Duration::from_secs(15);

/// The results of the bare loop.
pub struct Floor {
    /// Latencies from the intended send time to the reader.
    pub latencies: Latencies,
    /// Time from the first intended send time to the last record read.
    pub took: Duration,
    /// Number of records that never arrived or could not be sent.
    pub lost: u64,
}

/// Why the floor cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// No record came through the loop.
    #[error("no record came through the bare loop within {} s", PATIENCE.as_secs())]
    Stuck,
}

impl From<KafkaError> for FloorError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error.into())
    }
}

/// Measures for `length` at `rate` records per second.
pub async fn measure(log: &LogArgs, rate: f64, length: Duration) -> Result<Floor, FloorError> {
    let prefix = format!("{}.floor-{}", log.topic_prefix, uuid::Uuid::new_v4().simple());
    let log = LogArgs { topic_prefix: prefix, ..log.clone() };
    topics::create(&log).await?;
    let result = tokio::task::block_in_place(|| run(&log, rate, length));
    topics::delete(&log).await?;
    result
}

type FloorProducer = ThreadedProducer<DefaultProducerContext>;

fn run(log: &LogArgs, rate: f64, length: Duration) -> Result<Floor, FloorError> {
    let names = log.topics();
    let stop = Shutdown::new();
    let base = Instant::now();
    let (arrived, arrivals) = mpsc::channel();
    let echo = echo(log, &names.commands, &names.events, stop.clone())?;
    let reader = reader(log, &names.events, base, arrived, stop.clone())?;
    let producer: FloorProducer = producer_config(&log.kafka, DELIVERY).create()?;
    let result = drive(&producer, &names.commands, log.shards, (rate, length), base, &arrivals);
    stop.trigger();
    for thread in [echo, reader] {
        thread.join().expect("the loop's threads do not panic")?;
    }
    result
}

fn drive(
    producer: &FloorProducer,
    topic: &str,
    shards: u16,
    (rate, length): (f64, Duration),
    base: Instant,
    arrivals: &mpsc::Receiver<Duration>,
) -> Result<Floor, FloorError> {
    let send = |index: usize, due: Instant| {
        let mut record = [0; RECORD_BYTES];
        record[..16].copy_from_slice(&(due - base).as_nanos().to_le_bytes());
        let partition = i32::try_from(index % usize::from(shards)).unwrap_or(0);
        producer.send(BaseRecord::<(), _>::to(topic).partition(partition).payload(&record)).is_ok()
    };
    let mut lost = 0;
    pace::pace(Instant::now(), pace::evenly(1_000.0, WARM_UP), send);
    for _ in 0..WARM_UP {
        arrivals.recv_timeout(PATIENCE).map_err(|_| FloorError::Stuck)?;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of records, positive and small"
    )]
    let count = (rate * length.as_secs_f64()).round() as usize;
    let start = Instant::now();
    pace::pace(start, pace::evenly(rate, count), |index, due| {
        lost += u64::from(!send(index, due));
        true
    });
    let mut latencies = Latencies::new();
    while latencies.count() + lost < count as u64 {
        match arrivals.recv_timeout(PATIENCE) {
            Ok(latency) => latencies.record(latency),
            Err(_) => lost = count as u64 - latencies.count(),
        }
    }
    Ok(Floor { latencies, took: start.elapsed(), lost })
}

fn consumer(log: &LogArgs, topic: &str) -> Result<BaseConsumer, KafkaError> {
    let consumer: BaseConsumer = consumer_config(&log.kafka, topic, ConsumerProfile::Live).create()?;
    let mut assignment = TopicPartitionList::new();
    for shard in Shard::all(log.shards) {
        assignment.add_partition_offset(topic, shard.partition(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

type Loop = JoinHandle<Result<(), KafkaError>>;

fn echo(log: &LogArgs, from: &str, to: &str, stop: Shutdown) -> Result<Loop, FloorError> {
    let consumer = consumer(log, from)?;
    let producer: FloorProducer = producer_config(&log.kafka, DELIVERY).create()?;
    let to = to.to_owned();
    Ok(std::thread::spawn(move || {
        while !stop.is_triggered() {
            let Some(message) = consumer.poll(POLL) else { continue };
            let message = message?;
            let record = BaseRecord::<(), _>::to(&to).partition(message.partition());
            producer.send(record.payload(message.payload().unwrap_or_default())).map_err(|(error, _)| error)?;
        }
        while producer.in_flight_count() > 0 {
            producer.poll(POLL);
        }
        Ok(())
    }))
}

fn reader(
    log: &LogArgs,
    topic: &str,
    base: Instant,
    arrived: mpsc::Sender<Duration>,
    stop: Shutdown,
) -> Result<Loop, FloorError> {
    let consumer = consumer(log, topic)?;
    Ok(std::thread::spawn(move || {
        while !stop.is_triggered() {
            let Some(message) = consumer.poll(POLL) else { continue };
            let due = message?.payload().and_then(|bytes| bytes.first_chunk()).map(|nanos| u128::from_le_bytes(*nanos));
            let due = Duration::from_nanos(due.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(0));
            // The receiver is gone only after the measurement has ended.
            let _ = arrived.send(base.elapsed().saturating_sub(due));
        }
        Ok(())
    }))
}
