//! Client configurations. Each function describes the use; the comments give the reason where a
//! setting differs from its default.

use std::time::Duration;

use rdkafka::ClientConfig;
use schemas::limits::RECORD_BYTES_MAX;

use crate::config::KafkaArgs;

/// How long a record waits for others to share its request, in milliseconds. Requests are most of
/// an order's cost, so this halves the cost at some hundred orders a second (`docs/benchmarks.md`);
/// two records, a command and its outcome, are on the path of each answer.
const LINGER_MS: &str = "1";

/// Bytes around one record of the largest size in a request.
const REQUEST_OVERHEAD: usize = 1024 * 1024;

/// The use that a consumer is tuned for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsumerProfile {
    /// The head of the log: each record as soon as it is available.
    Live,
    /// The head of the log, with a few milliseconds of delay if the broker can then answer once
    /// instead of once per record. It answers as often when there is nothing: see
    /// [`super::EventsTail`].
    Gathered {
        /// How long the broker may wait for more records.
        wait: Duration,
    },
    /// The whole log, as fast as possible.
    Bulk,
}

/// How a consumer group assigns partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum GroupProtocol {
    /// KIP-848: the broker assigns; session and heartbeat times are the broker's.
    #[default]
    Consumer,
    /// The earlier protocol, cooperative, with a short session time of our own.
    Classic,
}

fn base(kafka: &KafkaArgs) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", concat!("lfg-", env!("CARGO_PKG_VERSION")))
        .set("message.max.bytes", (RECORD_BYTES_MAX + REQUEST_OVERHEAD).to_string())
        // A restarting broker is back within seconds; the default would notice it up to 10 s late.
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        // Brokers close idle connections routinely; that is not worth a log line.
        .set("log.connection.close", "false");
    for (name, value) in &kafka.properties {
        config.set(name, value);
    }
    config
}

/// Returns the configuration of the admin client.
pub fn admin_config(kafka: &KafkaArgs) -> ClientConfig {
    base(kafka)
}

/// Returns the configuration of a producer for single records that must be neither delayed nor
/// duplicated: idempotent, all replicas.
///
/// A record that cannot be delivered within `timeout` fails; it is then unknown whether it was
/// written.
pub fn producer_config(kafka: &KafkaArgs, timeout: Duration) -> ClientConfig {
    let mut config = base(kafka);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", LINGER_MS)
        .set("message.timeout.ms", timeout.as_millis().to_string())
        .set("retry.backoff.ms", "50")
        .set("queue.buffering.max.messages", "500000")
        .set("compression.type", "none");
    config
}

/// Returns the configuration of the engine's producer: like [`producer_config`], but a partition's
/// records are always a gapless prefix of those handed over. Nothing times out, and an error that
/// would leave a gap is fatal to the producer.
pub fn outcome_producer_config(kafka: &KafkaArgs) -> ClientConfig {
    let mut config = producer_config(kafka, Duration::ZERO);
    config.set("enable.gapless.guarantee", "true");
    config
}

/// Returns the configuration of a consumer for partitions that are assigned by hand, at offsets
/// that the caller keeps. `group` is only a name: nothing is committed under it. An offset that the
/// log does not have is an error, never a silent jump.
pub fn consumer_config(kafka: &KafkaArgs, group: &str, reading: ConsumerProfile) -> ClientConfig {
    let mut config = base(kafka);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        // The log uses no transactions: terms decide what counts. (The default would only cost.)
        .set("isolation.level", "read_uncommitted")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "50")
        // A record is delivered at once, and an idle log costs two requests a second. A newly
        // assigned partition waits for the request under way.
        .set("fetch.wait.max.ms", "500");
    match reading {
        ConsumerProfile::Live => config.set("queued.max.messages.kbytes", "32768"),
        // More than arrives in that time, so that the time is the limit.
        ConsumerProfile::Gathered { wait } => config
            .set("fetch.min.bytes", RECORD_BYTES_MAX.to_string())
            .set("fetch.wait.max.ms", wait.as_millis().to_string())
            .set("queued.max.messages.kbytes", "32768"),
        ConsumerProfile::Bulk => config
            .set("fetch.message.max.bytes", RECORD_BYTES_MAX.to_string())
            .set("queued.min.messages", "1000000")
            .set("queued.max.messages.kbytes", "131072"),
    };
    config
}

/// Returns the configuration of a member of a consumer group that shares the partitions of a topic.
pub fn member_config(kafka: &KafkaArgs, group: &str, protocol: GroupProtocol) -> ClientConfig {
    let mut config = consumer_config(kafka, group, ConsumerProfile::Live);
    config.set("auto.offset.reset", "earliest");
    match protocol {
        // Its times come from the broker; setting them here is an error.
        GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        GroupProtocol::Classic => config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "2000")
            .set("heartbeat.interval.ms", "300"),
    };
    config
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    use super::*;

    /// What correctness rests on: a record is written once, in order, without gaps, by all in-sync
    /// replicas; and no reader skips records or moves an offset by itself.
    const FIXED: [(&str, &str); 8] = [
        ("enable.idempotence", "false"),
        ("acks", "1"),
        ("enable.gapless.guarantee", "false"),
        ("message.timeout.ms", "1"),
        ("enable.auto.commit", "true"),
        ("enable.auto.offset.store", "true"),
        ("auto.offset.reset", "latest"),
        ("isolation.level", "read_committed"),
    ];

    #[test]
    fn an_operators_properties_do_not_weaken_what_correctness_rests_on() {
        let with = |properties: &[(&str, &str)]| KafkaArgs {
            brokers: "k:1".to_owned(),
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let (own, weakened) = (with(&[]), with(&FIXED));
        let configs = |kafka: &KafkaArgs| {
            [
                producer_config(kafka, Duration::from_secs(10)),
                outcome_producer_config(kafka),
                consumer_config(kafka, "g", ConsumerProfile::Live),
                consumer_config(kafka, "g", ConsumerProfile::Bulk),
                member_config(kafka, "g", GroupProtocol::Consumer),
                member_config(kafka, "g", GroupProtocol::Classic),
            ]
        };
        for (own, weakened) in configs(&own).into_iter().zip(configs(&weakened)) {
            for (name, _) in FIXED {
                let fixed = own.get(name);
                assert!(fixed.is_none() || fixed == weakened.get(name), "{name}");
            }
        }
        let outcomes = outcome_producer_config(&own);
        for name in ["enable.idempotence", "enable.gapless.guarantee"] {
            assert_eq!(outcomes.get(name), Some("true"), "{name}");
        }
        assert_eq!(outcomes.get("message.timeout.ms"), Some("0"));
        assert_eq!(consumer_config(&own, "g", ConsumerProfile::Live).get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn librdkafka_takes_every_configuration() {
        let kafka = KafkaArgs { brokers: "127.0.0.1:1".to_owned(), properties: Vec::new() };
        for profile in
            [ConsumerProfile::Live, ConsumerProfile::Bulk, ConsumerProfile::Gathered { wait: Duration::from_millis(5) }]
        {
            consumer_config(&kafka, "g", profile).create::<BaseConsumer>().unwrap();
        }
        for protocol in [GroupProtocol::Consumer, GroupProtocol::Classic] {
            member_config(&kafka, "g", protocol).create::<BaseConsumer>().unwrap();
        }
        for config in [producer_config(&kafka, Duration::from_secs(1)), outcome_producer_config(&kafka)] {
            config.create::<BaseProducer>().unwrap();
        }
    }
}
