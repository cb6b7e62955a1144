//! The producer of commands, and its replacement after a fatal error.
//!
//! librdkafka reports an error as fatal when it can no longer deliver each record once and in
//! order, for example when the broker no longer knows the producer id. Such a producer accepts no
//! more records. Records it had accepted fail; whether they were written is unknown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::counter;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use schemas::Shard;
use service::kafka::requests::Requests;
use service::kafka::{KafkaFault, Polled, Reconnecting, producer_config};
use service::{KafkaArgs, ReadinessPart, Shutdown};
use tokio::sync::Notify;

use crate::config::PRODUCE_WITHIN;

/// Interval between checks for a fatal error.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const METADATA_WITHIN: Duration = Duration::from_secs(10);

/// Writes commands to the log with the current librdkafka producer.
pub struct Producer {
    config: ClientConfig,
    topic: String,
    current: ArcSwap<Client>,
    ready: ReadinessPart,
}

type Client = Polled<Reports>;

/// The delivery state of one record. A success wakes no task: the caller waits for the outcome, not
/// for the acknowledgement.
#[derive(Debug)]
pub struct Delivery {
    acknowledged: AtomicBool,
    failed: OnceLock<KafkaError>,
    wake: Arc<Notify>,
}

impl Delivery {
    /// Creates a delivery without a report yet. A failure notifies `wake`.
    pub fn new(wake: &Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { acknowledged: AtomicBool::new(false), failed: OnceLock::new(), wake: Arc::clone(wake) })
    }

    /// Returns true once Kafka has acknowledged the record.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Returns why the record was not acknowledged, once Kafka has reported it.
    pub fn failure(&self) -> Option<&KafkaError> {
        self.failed.get()
    }

    /// Stores Kafka's report. Called once.
    pub fn report(&self, result: Result<(), KafkaError>) {
        match result {
            Ok(()) => self.acknowledged.store(true, Ordering::Release),
            Err(error) => {
                let _ = self.failed.set(error);
                self.wake.notify_one();
            }
        }
    }
}

/// Forwards Kafka's delivery reports.
struct Reports(Requests);

impl ClientContext for Reports {
    fn stats(&self, statistics: Statistics) {
        self.0.count(&statistics);
    }
}

impl Reconnecting for Reports {
    fn requests(&self) -> &Requests {
        &self.0
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        delivery.report(result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone()));
    }
}

impl Producer {
    /// Creates a producer for this topic. `ready` is true while commands can be written.
    pub fn new(kafka: &KafkaArgs, topic: String, ready: ReadinessPart) -> Result<Self, KafkaFault> {
        let config = producer_config(kafka, PRODUCE_WITHIN);
        let current = ArcSwap::from_pointee(client(&config)?);
        Ok(Self { config, topic, current, ready })
    }

    /// Hands a record to librdkafka. An error means that it was not written. `delivery` receives
    /// the report.
    pub fn send(&self, shard: Shard, bytes: &[u8], delivery: Arc<Delivery>) -> Result<(), KafkaError> {
        let record = BaseRecord::<(), _, _>::with_opaque_to(&self.topic, delivery);
        let record = record.partition(shard.partition()).payload(bytes);
        self.current().send(record).map_err(|(error, _)| error)
    }

    /// Fetches the cluster's metadata and the topic's leaders, so that the first record is as quick
    /// as later ones. Blocks.
    pub fn warm_up(&self) -> Result<(), KafkaFault> {
        self.current().client().fetch_metadata(Some(&self.topic), METADATA_WITHIN)?;
        self.ready.set(true);
        Ok(())
    }

    /// Replaces failed producers until the shutdown.
    pub async fn look_after(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let Some((code, reason)) = self.current().client().fatal_error() else { continue };
            tracing::error!(%code, reason, "the producer is broken; the next one takes its place");
            self.ready.set(false);
            if let Err(fault) = self.replace().await {
                tracing::error!(%fault, "there is no next producer yet");
            }
        }
    }

    async fn replace(self: &Arc<Self>) -> Result<(), KafkaFault> {
        let next = Arc::new(client(&self.config)?);
        let (warmed, topic) = (Arc::clone(&next), self.topic.clone());
        let warm = tokio::task::spawn_blocking(move || {
            warmed.client().fetch_metadata(Some(&topic), METADATA_WITHIN).map(|_| ())
        });
        warm.await.unwrap_or(Err(KafkaError::Canceled))?;
        self.current.store(next);
        self.ready.set(true);
        counter!("gateway_producers_replaced_total").increment(1);
        Ok(())
    }

    /// Waits, for a bounded time, until queued records are written.
    pub fn drain(&self, within: Duration) {
        let (producer, deadline) = (self.current(), std::time::Instant::now() + within);
        // Not `flush`, which waits in slices of 100 ms.
        while producer.in_flight_count() > 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let lost = producer.in_flight_count();
        if lost > 0 {
            tracing::warn!(lost, "commands were not acknowledged before the end");
        }
    }

    fn current(&self) -> Arc<Client> {
        self.current.load_full()
    }
}

fn client(config: &ClientConfig) -> Result<Client, KafkaError> {
    let mut config = config.clone();
    let requests = Requests::of("commands", &mut config);
    Polled::new(&config, Reports(requests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::bindings::rd_kafka_test_fatal_error;
    use rdkafka::error::RDKafkaErrorCode;
    use rdkafka::types::RDKafkaRespErr;
    use service::config::Copies;
    use service::kafka::topics::{create, delete};
    use service::{LogArgs, Readiness};
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Simulates a broker that no longer knows the producer id. librdkafka offers this for tests.
    #[allow(unsafe_code, reason = "the only way to break a producer at will")]
    fn break_it(producer: &Producer) {
        let current = producer.current();
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client lives as long as `current`, and the text ends with a zero.
        unsafe { rd_kafka_test_fatal_error(current.client().native_ptr(), error, c"a test".as_ptr()) };
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broken_producer_is_replaced_and_commands_are_taken_again() {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS is not set: run ops/test");
        let kafka = KafkaArgs { brokers, properties: Vec::new() };
        let topic_prefix = format!("test-producer-{}", uuid::Uuid::now_v7().simple());
        let log = LogArgs { kafka, topic_prefix, shards: 1, copies: Copies::ONE };
        create(&log).await.unwrap();
        let readiness = Readiness::new();
        let ready = readiness.part("producer");
        let producer = Arc::new(Producer::new(&log.kafka, log.topics().commands, ready.clone()).unwrap());
        let warm = Arc::clone(&producer);
        tokio::task::spawn_blocking(move || warm.warm_up()).await.unwrap().unwrap();
        let (shard, shutdown) = (Shard::new(0).unwrap(), Shutdown::new());
        let delivered = async |producer: &Producer| {
            let wake = Arc::new(Notify::new());
            let delivery = Delivery::new(&wake);
            producer.send(shard, b"a record", Arc::clone(&delivery))?;
            let told = async {
                while !delivery.is_acknowledged() {
                    if let Some(error) = delivery.failure() {
                        return Err(error.clone());
                    }
                    // A success wakes no task.
                    let _ = timeout(Duration::from_millis(1), wake.notified()).await;
                }
                Ok(())
            };
            timeout(PATIENCE, told).await.expect("in time")
        };
        assert_eq!(delivered(&producer).await, Ok(()));
        break_it(&producer);
        let refused = delivered(&producer).await.unwrap_err();
        assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal));

        let looking = tokio::spawn(Arc::clone(&producer).look_after(shutdown.clone()));
        let again = timeout(PATIENCE, async {
            loop {
                match delivered(&producer).await {
                    Ok(()) => return,
                    Err(error) => assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal)),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        again.await.expect("a new producer");
        assert!(readiness.is_ready());
        shutdown.trigger();
        looking.await.unwrap();
        delete(&log).await.unwrap();
    }
}
