//! Counts our clients' requests to the broker: at moderate rates, requests and wake-ups are most of
//! an order's cost.
//!
//! | metric                     | labels                                     | meaning                   |
//! |----------------------------|--------------------------------------------|---------------------------|
//! | `lfg_kafka_requests_total` | `client`, `kind` (`Produce`, `Fetch`, …)   | requests sent to brokers  |
//! | `lfg_kafka_records_total`  | `client`, `direction` (`sent`, `received`) | records sent or received  |
//!
//! `client` names the client's purpose. The figures are librdkafka's, reported once a second when
//! the client is polled.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::{counter, describe_counter};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerContext;
use rdkafka::statistics::Statistics;

use super::bootstrap::Bootstrap;
use super::contact::Contact;

/// Requests to brokers.
pub const REQUESTS: &str = "lfg_kafka_requests_total";

/// Records sent or received.
pub const RECORDS: &str = "lfg_kafka_records_total";

/// Milliseconds between two reports of librdkafka.
const EVERY_MS: &str = "1000";

/// The requests of one client so far. As a client's context it only counts; a context of another
/// kind passes its [`stats`](ClientContext::stats) on to it.
pub struct Requests {
    client: &'static str,
    counted: Mutex<Counted>,
    contact: Contact,
    bootstrap: Bootstrap,
}

/// The counts so far: librdkafka reports totals.
#[derive(Default)]
struct Counted {
    requests: HashMap<String, u64>,
    sent: u64,
    received: u64,
}

impl Requests {
    /// Creates the counter of a client for the purpose `client`, and makes its configuration report
    /// statistics.
    pub fn of(client: &'static str, config: &mut ClientConfig) -> Self {
        describe_counter!(REQUESTS, "requests to Kafka by client and kind");
        describe_counter!(RECORDS, "records sent to Kafka or received from it, by client");
        config.set("statistics.interval.ms", EVERY_MS);
        Self { client, counted: Mutex::default(), contact: Contact::of(client), bootstrap: Bootstrap::of(config) }
    }

    /// Counts what is new, and notes when the brokers last answered and whether there are any.
    pub fn count(&self, statistics: &Statistics) {
        self.contact.note(statistics);
        self.bootstrap.note(statistics);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut requests: HashMap<&str, u64> = HashMap::new();
        for (kind, count) in statistics.brokers.values().flat_map(|broker| &broker.req) {
            *requests.entry(kind).or_default() += u64::try_from(*count).unwrap_or(0);
        }
        for (kind, count) in requests.into_iter().filter(|(_, count)| *count > 0) {
            let before = counted.requests.get(kind).copied().unwrap_or(0);
            // The counts of removed brokers disappear from the statistics.
            counter!(REQUESTS, "client" => self.client, "kind" => kind.to_owned())
                .increment(count.saturating_sub(before));
            counted.requests.insert(kind.to_owned(), count);
        }
        let [sent, received] = [statistics.txmsgs, statistics.rxmsgs].map(|count| u64::try_from(count).unwrap_or(0));
        let records = |direction| counter!(RECORDS, "client" => self.client, "direction" => direction);
        records("sent").increment(sent.saturating_sub(counted.sent));
        records("received").increment(received.saturating_sub(counted.received));
        (counted.sent, counted.received) = (sent, received);
    }
}

impl Requests {
    pub(super) fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }
}

impl ClientContext for Requests {
    fn stats(&self, statistics: Statistics) {
        self.count(&statistics);
    }
}

impl ConsumerContext for Requests {}
