//! The two topics of the log: created once, checked at every start.
//!
//! The number of partitions is the number of shards and never changes: account and market ids hash
//! to it. A change would send later commands to shards without their accounts and markets, so a
//! difference is an error.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use schemas::limits::RECORD_BYTES_MAX;
use schemas::topics::Topics;

use super::clients::admin_config;
use super::fault::KafkaFault;
use crate::config::LogArgs;
use crate::{ReadinessPart, Shutdown};

const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a new topic may take to become visible.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Time between two verifications of the topics while a process runs.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The properties that the log relies on. A topic that differs would lose or reject records, or
/// stamp other times.
fn required() -> Vec<(&'static str, String)> {
    vec![
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("max.message.bytes", RECORD_BYTES_MAX.to_string()),
        ("retention.ms", "-1".to_owned()),
        ("retention.bytes", "-1".to_owned()),
        ("cleanup.policy", "delete".to_owned()),
        // A broker that missed acknowledged records never becomes the leader.
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

/// The result for a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicOutcome {
    /// It was created.
    Created,
    /// It existed, with the required configuration.
    Verified,
}

/// Creates missing topics and verifies existing ones. Safe to repeat.
pub async fn create(log: &LogArgs) -> Result<Vec<(String, TopicOutcome)>, KafkaFault> {
    let admin = admin(log)?;
    let mut made = Vec::new();
    for topic in names(&log.topics()) {
        let what = create_one(&admin, &topic, log).await?;
        made.push((topic, what));
    }
    wait_until_seen(log).await?;
    Ok(made)
}

/// Verifies that both topics exist, with `log.shards` partitions, the copies of `log.copies`, and
/// the required configuration.
pub async fn verify(log: &LogArgs) -> Result<(), KafkaFault> {
    let admin = admin(log)?;
    for topic in names(&log.topics()) {
        verify_one(&admin, &topic, log).await?;
    }
    Ok(())
}

/// Verifies both topics every minute until the shutdown. `ready` is true unless they lack the
/// required configuration: then acknowledged records may be lost, and an operator must act.
pub async fn watch(log: LogArgs, ready: ReadinessPart, shutdown: Shutdown) {
    watch_every(LOOK_EVERY, log, ready, shutdown).await;
}

/// Like [`watch`], with another interval.
pub async fn watch_every(interval: Duration, log: LogArgs, ready: ReadinessPart, shutdown: Shutdown) {
    let (topics, right) = (names(&log.topics()).join(", "), metrics::gauge!("lfg_topics_right"));
    loop {
        match verify(&log).await {
            Ok(()) => {
                right.set(1.0);
                ready.set(true);
            }
            Err(fault) if fault.may_retry() => tracing::warn!(%fault, "the topics cannot be verified at present"),
            Err(fault) => {
                tracing::error!(%fault, topics, "a topic lacks the required configuration: acknowledged records may be lost");
                right.set(0.0);
                ready.set(false);
            }
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Deletes both topics with all their records. For tests and for `ops/reset`.
pub async fn delete(log: &LogArgs) -> Result<(), KafkaFault> {
    let topics = names(&log.topics());
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    for result in admin(log)?.delete_topics(&topics, &options()).await? {
        match result {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    Ok(())
}

fn names(topics: &Topics) -> [String; 2] {
    [topics.commands.clone(), topics.events.clone()]
}

fn admin(log: &LogArgs) -> Result<AdminClient<DefaultClientContext>, KafkaFault> {
    Ok(admin_config(&log.kafka).create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

async fn create_one(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    log: &LogArgs,
) -> Result<TopicOutcome, KafkaFault> {
    let (required, in_sync) = (required(), log.copies.min_in_sync.to_string());
    let replication = TopicReplication::Fixed(i32::from(log.copies.replication));
    let mut new = NewTopic::new(topic, i32::from(log.shards), replication);
    for (property, value) in &required {
        new = new.set(property, value);
    }
    new = new.set("min.insync.replicas", &in_sync);
    match admin.create_topics([&new], &options()).await?.pop() {
        Some(Err((_, Code::TopicAlreadyExists))) => {
            verify_one(admin, topic, log).await?;
            Ok(TopicOutcome::Verified)
        }
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code).into()),
        Some(Ok(_)) | None => Ok(TopicOutcome::Created),
    }
}

/// A creation is answered before every broker's metadata shows it.
async fn wait_until_seen(log: &LogArgs) -> Result<(), KafkaFault> {
    let deadline = tokio::time::Instant::now() + SEEN_WITHIN;
    loop {
        match verify(log).await {
            Err(fault) if tokio::time::Instant::now() < deadline && is_not_seen_yet(&fault) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return result,
        }
    }
}

fn is_not_seen_yet(fault: &KafkaFault) -> bool {
    fault.may_retry() || matches!(fault, KafkaFault::TopicMissing { .. })
}

async fn verify_one(admin: &AdminClient<DefaultClientContext>, topic: &str, log: &LogArgs) -> Result<(), KafkaFault> {
    let LogArgs { shards, copies, .. } = *log;
    let (found, replicas) = partitions(admin, topic)?;
    let differs = |property: &str, found: String, wanted: String| {
        let (topic, property) = (topic.to_owned(), property.to_owned());
        Err(KafkaFault::TopicDiffers { topic, property, found, wanted })
    };
    if found != usize::from(shards) {
        return differs("partitions", found.to_string(), format!("{shards} (the number of shards)"));
    }
    if replicas < usize::from(copies.replication) {
        return differs(
            "copies of a partition",
            replicas.to_string(),
            format!("{} (--replication)", copies.replication),
        );
    }
    let described = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options()).await?;
    let config = described.into_iter().next().ok_or(KafkaError::Canceled)?.map_err(KafkaError::AdminOp)?;
    for (property, wanted) in required() {
        let found = config.get(property).and_then(|entry| entry.value.clone()).unwrap_or_default();
        if found != wanted {
            return differs(property, found, wanted);
        }
    }
    let in_sync = config.get("min.insync.replicas").and_then(|entry| entry.value.clone()).unwrap_or_default();
    if !in_sync.parse::<u16>().is_ok_and(|found| found >= copies.min_in_sync) {
        return differs("min.insync.replicas", in_sync, format!("{} or more (--min-in-sync)", copies.min_in_sync));
    }
    Ok(())
}

/// Returns the number of partitions of a topic, and the fewest copies of any of them. Queries the
/// cluster; blocks for one round trip, which does not matter at a process's start.
fn partitions(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<(usize, usize), KafkaFault> {
    let metadata = admin.inner().fetch_metadata(Some(topic), TIMEOUT)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let fewest = found.and_then(|found| found.partitions().iter().map(|partition| partition.replicas().len()).min());
    match found.map(|found| (found.error(), found.partitions().len())) {
        Some((None, partitions)) if partitions > 0 => Ok((partitions, fewest.unwrap_or_default())),
        _ => Err(KafkaFault::TopicMissing { topic: topic.to_owned() }),
    }
}
