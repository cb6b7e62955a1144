//! A producer with its own thread that handles Kafka's reports.
//!
//! Like rdkafka's `ThreadedProducer`, but idle while nothing happens. That one waits in slices of
//! 100 ms and spins through the last millisecond of each, which costs a hundredth of a core for
//! each producer of an idle process.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext, PurgeConfig};

use super::reconnect::{Reconnecting, reconnect};

/// The longest wait of the thread before it checks whether its producer still exists. A report from
/// Kafka wakes it at once.
const SLICE: Duration = Duration::from_secs(2);

/// A producer. Records that are unwritten when it is dropped fail.
pub struct Polled<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    unwanted: Arc<AtomicBool>,
}

impl<C: ProducerContext + Reconnecting + 'static> Polled<C> {
    /// Creates the producer and its thread. `context` receives deliveries and errors in that
    /// thread.
    pub fn new(config: &ClientConfig, context: C) -> Result<Self, KafkaError> {
        let producer: Arc<BaseProducer<C>> = Arc::new(config.create_with_context(context)?);
        let unwanted = Arc::new(AtomicBool::new(false));
        let (polled, ended) = (Arc::clone(&producer), Arc::clone(&unwanted));
        let poll = move || {
            while !ended.load(Ordering::Acquire) {
                polled.poll(SLICE);
                reconnect(polled.client());
            }
        };
        let started = std::thread::Builder::new().name("producer".to_owned()).spawn(poll);
        started.map_err(|error| KafkaError::ClientCreation(format!("no thread for it: {error}")))?;
        Ok(Self { producer, unwanted })
    }
}

impl<C: ProducerContext + 'static> Deref for Polled<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Polled<C> {
    /// Does not wait: the thread has the last handle, and ends soon.
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Release);
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}
