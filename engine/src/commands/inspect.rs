//! `engine inspect`: prints a shard's records, decoded.

use std::ops::Range;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use schemas::{CommandRecord, Record, Shard};
use service::config::LogArgs;
use service::kafka::{ConsumerProfile, KafkaFault, consumer_config, may_retry};

const WATERMARK_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `engine inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The shard.
    #[arg(value_name = "SHARD")]
    pub shard: u16,
    /// The partition of the shard.
    #[arg(long, value_enum, default_value_t = Partition::Events)]
    pub partition: Partition,
    /// The first offset.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// The maximum number of records to print.
    #[arg(long, default_value_t = 100)]
    pub max: u64,
}

/// A shard's partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Partition {
    /// The commands topic.
    Commands,
    /// The events topic.
    Events,
}

/// Prints one line for each record up to the current end: offset, time, content. Blocks.
pub fn inspect(args: &InspectArgs) -> Result<(), KafkaFault> {
    let from = i64::try_from(args.from).unwrap_or(i64::MAX);
    let (consumer, Range { end, .. }) = open(&args.log, args.partition, i32::from(args.shard), from)?;
    let (mut next, mut left) = (from, args.max);
    while next < end && left > 0 {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(record)) => {
                let text = describe(args.partition, record.payload().unwrap_or_default());
                println!("{} {} {text}", record.offset(), record.timestamp().to_millis().unwrap_or(0));
                (next, left) = (record.offset() + 1, left - 1);
            }
            Some(Err(error)) if may_retry(&error) => tracing::warn!(%error, "waiting for Kafka"),
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns a consumer of a partition, starting at an offset, and the partition's range of offsets.
fn open(log: &LogArgs, which: Partition, partition: i32, from: i64) -> Result<(BaseConsumer, Range<i64>), KafkaFault> {
    let topics = log.topics();
    let topic = if which == Partition::Events { topics.events } else { topics.commands };
    let group = format!("{}.inspect", log.topic_prefix);
    let consumer: BaseConsumer = consumer_config(&log.kafka, &group, ConsumerProfile::Bulk).create()?;
    let (first, end) = consumer.fetch_watermarks(&topic, partition, WATERMARK_TIMEOUT)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic, partition, Offset::Offset(from))?;
    consumer.assign(&assignment)?;
    Ok((consumer, first..end))
}

/// Returns the bytes of one record; `None` if there is none. Blocks.
pub fn one_record(log: &LogArgs, which: Partition, shard: Shard, offset: u64) -> Result<Option<Vec<u8>>, KafkaFault> {
    let Ok(offset) = i64::try_from(offset) else { return Ok(None) };
    let (consumer, there) = open(log, which, shard.partition(), offset)?;
    if !there.contains(&offset) {
        return Ok(None);
    }
    match consumer.poll(WATERMARK_TIMEOUT) {
        Some(Ok(record)) if record.offset() == offset => Ok(record.payload().map(<[u8]>::to_vec)),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => Ok(None),
    }
}

fn describe(partition: Partition, bytes: &[u8]) -> String {
    let described = match partition {
        Partition::Events => Record::decode(bytes).map(|record| match record {
            Record::Term(term) => format!("{term:?}"),
            Record::Outcome(outcome, _) => format!("{outcome:?}"),
            Record::Halted(halted) => format!("{halted:?}"),
            Record::Quarantine(quarantine) => format!("{quarantine:?}"),
            Record::Unknown { kind } => format!("unknown: kind {kind}, written by a later build"),
        }),
        Partition::Commands => CommandRecord::decode(bytes).map(|record| format!("{record:?}")),
    };
    described.unwrap_or_else(|error| format!("undecodable ({} bytes): {error}", bytes.len()))
}
