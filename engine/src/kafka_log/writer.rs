//! The process's single producer, and its replacement when it breaks.
//!
//! A partition of the events topic must contain a prefix of what its leader decided, never a gap.
//! So nothing times out, and a failure that would leave a gap is fatal to the producer
//! (`service::kafka::outcome_producer_config`). Every shard that had written through it then
//! recovers from the log under a new term, with a new producer: a new *generation*. Records of the
//! old generation that still arrive have an old term.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use schemas::Shard;
use schemas::topics::Topics;
use service::config::LogArgs;
use service::kafka::requests::Requests;
use service::kafka::{KafkaFault, Polled, Reconnecting, outcome_producer_config};

use super::own;
use crate::log::AppendFault;

const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates producers, one after the other.
pub struct LogWriter {
    config: ClientConfig,
    shards: u16,
    current: Mutex<Arc<ProducerGeneration>>,
}

/// One producer, from its creation to its failure.
pub struct ProducerGeneration {
    number: u64,
    producer: Polled<DeliveryReports>,
    failed: Arc<AtomicBool>,
    own: Arc<[own::OutcomeReports]>,
}

/// Receives delivery reports: of outcomes, for their shards; of all records, whether they failed.
struct DeliveryReports {
    failed: Arc<AtomicBool>,
    own: Arc<[own::OutcomeReports]>,
    requests: Requests,
}

impl ClientContext for DeliveryReports {
    fn stats(&self, statistics: Statistics) {
        self.requests.count(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.failed.store(true, Ordering::Release);
            tracing::error!(%error, reason, "the producer is broken");
        } else {
            tracing::warn!(%error, reason, "the producer waits for Kafka");
        }
    }
}

impl Reconnecting for DeliveryReports {
    fn requests(&self) -> &Requests {
        &self.requests
    }
}

impl ProducerContext for DeliveryReports {
    /// One more than the number of the outcome's shard; 0 if the record is not an outcome.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, outcome_of: usize) {
        if let Some(own) = outcome_of.checked_sub(1).and_then(|shard| self.own.get(shard)) {
            own.hear(result);
        }
        // Records that were dropped with a broken producer need no log line.
        if let Err((error, message)) = result
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            use rdkafka::Message as _;
            tracing::error!(%error, topic = message.topic(), partition = message.partition(), "a record was not written");
        }
    }
}

impl LogWriter {
    /// Creates the first producer.
    pub fn open(args: &LogArgs) -> Result<Arc<Self>, KafkaFault> {
        let config = outcome_producer_config(&args.kafka);
        let first = ProducerGeneration::make(&config, args.shards, 1)?;
        Ok(Arc::new(Self { config, shards: args.shards, current: Mutex::new(first) }))
    }

    /// Connects and finds the partitions' brokers, so that the first record does not wait for that.
    /// Blocks.
    pub fn warm(&self, topics: &Topics) -> Result<(), KafkaFault> {
        let generation = self.current();
        for topic in [&topics.commands, &topics.events] {
            generation.producer.client().fetch_metadata(Some(topic), METADATA_TIMEOUT)?;
        }
        Ok(())
    }

    /// Returns the current producer.
    pub fn current(&self) -> Arc<ProducerGeneration> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the current producer, after creating a new one if the current one is `known` and has
    /// failed.
    pub fn renew(&self, known: &Arc<ProducerGeneration>) -> Result<Arc<ProducerGeneration>, KafkaFault> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.has_failed() && current.number == known.number {
            current.producer.purge(PurgeConfig::default().queue().inflight());
            *current = ProducerGeneration::make(&self.config, self.shards, known.number + 1)?;
            tracing::info!(generation = current.number, "a new producer replaces the broken one");
        }
        Ok(current.clone())
    }

    /// Waits until everything handed over was acknowledged, at most for `limit`.
    pub fn drain(&self, limit: Duration) {
        let (generation, start) = (self.current(), Instant::now());
        // Not `flush`, which waits in slices of 100 ms.
        while generation.producer.in_flight_count() > 0 && start.elapsed() < limit && !generation.has_failed() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl ProducerGeneration {
    fn make(config: &ClientConfig, shards: u16, number: u64) -> Result<Arc<Self>, KafkaFault> {
        let failed = Arc::new(AtomicBool::new(false));
        let own: Arc<[own::OutcomeReports]> = (0..shards).map(|_| own::OutcomeReports::new()).collect();
        let mut config = config.clone();
        let requests = Requests::of("writer", &mut config);
        let producer = Polled::new(&config, DeliveryReports { failed: failed.clone(), own: own.clone(), requests })?;
        Ok(Arc::new(Self { number, producer, failed, own }))
    }

    /// Returns the broker's reports of a shard's outcomes.
    pub fn own(&self, shard: Shard) -> &own::OutcomeReports {
        &self.own[shard.index()]
    }

    /// Returns true once a record may be missing from the log.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Hands over an outcome of `shard`. It is written after all those handed over before, or not
    /// at all if one of them is not.
    pub fn append_event(&self, topic: &str, shard: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(topic, shard, bytes, shard.index() + 1)
    }

    /// Hands over a command to `shard`. It is written after all those handed over before for the
    /// same shard, or not at all if one of them is not.
    pub fn append_command(&self, topic: &str, shard: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(topic, shard, bytes, 0)
    }

    fn append(&self, topic: &str, shard: Shard, bytes: &[u8], outcome_of: usize) -> Result<(), AppendFault> {
        if self.has_failed() {
            return Err(AppendFault::WriterLost);
        }
        let record = BaseRecord::<(), [u8], usize>::with_opaque_to(topic, outcome_of);
        let record = record.partition(shard.partition()).payload(bytes);
        match self.producer.send(record) {
            Ok(()) => Ok(()),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                Err(AppendFault::Full)
            }
            Err((error, _)) => {
                self.failed.store(true, Ordering::Release);
                tracing::error!(%error, topic, %shard, bytes = bytes.len(), "the producer refuses a record");
                Err(AppendFault::WriterLost)
            }
        }
    }
}

#[cfg(test)]
mod tests;
