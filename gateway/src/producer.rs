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
use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use schemas::Shard;
use service::kafka::requests::Requests;
use service::kafka::{KafkaFault, Polled, Reconnecting, producer_config};
use service::{KafkaArgs, ReadinessPart, Shutdown};
use tokio::sync::Notify;

use crate::config::PRODUCE_WITHIN;
use crate::pending::OpenCommand;

/// Interval between checks for a fatal error.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const METADATA_WITHIN: Duration = Duration::from_secs(10);

/// The most KiB of commands that wait for a broker: a hundred thousand orders. A command that its
/// handler has given up waits on.
pub const QUEUED_KIB_MAX: usize = 128 * 1024;

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
pub struct Delivery {
    acknowledged: AtomicBool,
    failed: OnceLock<Undelivered>,
    wake: Arc<Notify>,
    command: OpenCommand,
}

/// A record that Kafka did not acknowledge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undelivered {
    /// Why the last attempt failed.
    pub error: KafkaError,
    /// False if it certainly was not written: it was never sent, or every attempt was refused.
    pub may_be_written: bool,
}

impl Delivery {
    /// Creates a delivery without a report yet. A failure notifies `wake`.
    pub fn new(wake: &Arc<Notify>, command: OpenCommand) -> Arc<Self> {
        let (acknowledged, failed, wake) = (AtomicBool::new(false), OnceLock::new(), Arc::clone(wake));
        Arc::new(Self { acknowledged, failed, wake, command })
    }

    /// Returns true once Kafka has acknowledged the record.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Returns why the record was not acknowledged, once Kafka has reported it.
    pub fn failure(&self) -> Option<&Undelivered> {
        self.failed.get()
    }

    /// Stores Kafka's report. Called once. The handler may have left meanwhile.
    pub fn report(&self, result: Result<(), Undelivered>) {
        match result {
            Ok(()) => self.acknowledged.store(true, Ordering::Release),
            Err(undelivered) => {
                if !undelivered.may_be_written {
                    self.command.was_not_written();
                }
                let _ = self.failed.set(undelivered);
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
        let undelivered = |(error, message): &(KafkaError, BorrowedMessage<'_>)| Undelivered {
            error: error.clone(),
            may_be_written: may_be_written(message),
        };
        delivery.report(result.as_ref().map(|_| ()).map_err(undelivered));
    }
}

/// librdkafka knows of each record whether any attempt to send it may have been written. Its error
/// is that of the last attempt alone.
#[allow(unsafe_code, reason = "the binding has no safe function for it")]
fn may_be_written(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message of a delivery report is valid as long as it is borrowed.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status != rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

impl Producer {
    /// Creates a producer for this topic. `ready` is true while commands can be written.
    pub fn new(kafka: &KafkaArgs, topic: String, ready: ReadinessPart) -> Result<Self, KafkaFault> {
        let mut config = producer_config(kafka, PRODUCE_WITHIN);
        config.set("queue.buffering.max.kbytes", QUEUED_KIB_MAX.to_string());
        let current = ArcSwap::from_pointee(client(&config)?);
        Ok(Self { config, topic, current, ready })
    }

    /// Hands a record to librdkafka. An error means that it was not written. `delivery` receives
    /// the report.
    pub fn send(&self, shard: Shard, bytes: &[u8], delivery: Arc<Delivery>) -> Result<(), KafkaError> {
        let record = BaseRecord::<(), _, _>::with_opaque_to(&self.topic, delivery);
        let record = record.partition(shard.partition()).payload(bytes);
        self.current().send(record).map_err(|(error, record)| {
            record.delivery_opaque.command.was_not_written();
            error
        })
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
    use crate::pending::PendingCommands;
    use rdkafka::bindings::rd_kafka_test_fatal_error;
    use rdkafka::error::RDKafkaErrorCode;
    use rdkafka::types::RDKafkaRespErr;
    use schemas::CommandId;
    use service::config::Copies;
    use service::kafka::topics::{create, delete};
    use service::{LogArgs, Readiness};
    use std::time::Instant;
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

    fn open(shard: Shard) -> OpenCommand {
        Arc::new(PendingCommands::default()).goes(CommandId(1), shard)
    }

    /// A producer without a broker, which gives commands up after `within`.
    fn without_broker(within: Duration) -> Producer {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let brokers = held.local_addr().unwrap().to_string();
        drop(held);
        let kafka = KafkaArgs { brokers, properties: Vec::new() };
        let mut producer = Producer::new(&kafka, "commands".to_owned(), Readiness::new().part("producer")).unwrap();
        producer.config.set("message.timeout.ms", within.as_millis().to_string());
        producer.current = ArcSwap::from_pointee(client(&producer.config).unwrap());
        producer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_command_that_was_never_sent_is_known_not_to_be_written() {
        let (producer, shard) = (without_broker(Duration::from_millis(300)), Shard::new(0).unwrap());
        let (pending, wake) = (Arc::new(PendingCommands::default()), Arc::new(Notify::new()));
        let delivery = Delivery::new(&wake, pending.goes(CommandId(1), shard));
        producer.send(shard, b"a record", Arc::clone(&delivery)).unwrap();
        assert_eq!(pending.open(Instant::now()).count, 1);
        timeout(PATIENCE, wake.notified()).await.expect("a report");
        let undelivered = delivery.failure().expect("no broker took it");
        assert!(!undelivered.may_be_written, "{undelivered:?}");
        assert_eq!(pending.open(Instant::now()).count, 0);
    }

    #[test]
    fn commands_that_wait_for_a_broker_are_bounded_by_their_bytes() {
        let (producer, shard) = (without_broker(PATIENCE), Shard::new(0).unwrap());
        let (pending, wake) = (Arc::new(PendingCommands::default()), Arc::new(Notify::new()));
        let (record, mut taken) = (vec![0; 1 << 20], 0);
        let refused = loop {
            let delivery = Delivery::new(&wake, pending.goes(CommandId(taken), shard));
            match producer.send(shard, &record, delivery) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 1_000, "the queue has no bound");
        };
        assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
        assert_eq!(taken, QUEUED_KIB_MAX as u128 / 1024);
        assert_eq!(pending.open(Instant::now()).count as u128, taken, "what was refused is not open");
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
            let delivery = Delivery::new(&wake, open(shard));
            producer.send(shard, b"a record", Arc::clone(&delivery))?;
            let told = async {
                while !delivery.is_acknowledged() {
                    if let Some(error) = delivery.failure() {
                        return Err(error.error.clone());
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
