//! Reads given partitions of the events topic from given offsets, in a thread of the caller.
//!
//!   lfg.events[s…] ─▶ *EventsTail* ─▶ schemas::reading::Reader ─▶ the caller's fold
//!
//! A tail that gathers records sends almost no requests while none arrives (`quiet`).

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use schemas::reading::LogReader;
use schemas::topics::Topics;
use schemas::{Shard, Timestamp};

use super::clients::{ConsumerProfile, consumer_config};
use super::fault::{KafkaFault, may_retry};
use super::quiet::Quiet;
use super::reconnect::reconnect;
use super::requests::Requests;
use crate::config::KafkaArgs;

const WATERMARK_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads partitions of the events topic from given offsets on. Records of one partition arrive in
/// order.
pub struct EventsTail {
    reads: TailReads,
    topic: String,
    shards: Vec<Shard>,
}

/// How records are fetched.
enum TailReads {
    AtOnce(BaseConsumer<Requests>),
    Gathered(Quiet),
}

/// A record of the events topic, in the consumer's memory.
pub struct TailRecord<'a>(BorrowedMessage<'a>);

/// A log lacks the record that a reader needs next. Never retry: an operator must act.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("events log of shard {shard} has no offset {offset}: it has {first} to {end}; it was cut, or created again")]
pub struct Cut {
    /// The shard.
    pub shard: Shard,
    /// The next offset wanted.
    pub offset: u64,
    /// The first offset that exists.
    pub first: u64,
    /// The offset after the last.
    pub end: u64,
}

impl TailRecord<'_> {
    /// Returns the shard.
    pub fn shard(&self) -> Shard {
        let partition = u16::try_from(self.0.partition()).ok().and_then(Shard::new);
        partition.expect("only partitions that are shards are assigned")
    }

    /// Returns its offset.
    pub fn offset(&self) -> u64 {
        u64::try_from(self.0.offset()).expect("a record's offset is not negative")
    }

    /// Returns when the broker appended it.
    pub fn time(&self) -> Timestamp {
        Timestamp(self.0.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0))
    }

    /// Returns its bytes (empty if it has none: no record of the log's language is empty).
    pub fn payload(&self) -> &[u8] {
        self.0.payload().unwrap_or_default()
    }
}

impl EventsTail {
    /// Opens the tail. `from`: each shard to read, and the offset of the first record. Returns at
    /// once; the first record takes up to half a second, so open it before the process reports that
    /// it is ready.
    pub fn open(
        kafka: &KafkaArgs,
        topics: &Topics,
        reading: ConsumerProfile,
        from: impl IntoIterator<Item = (Shard, u64)>,
    ) -> Result<Self, KafkaFault> {
        let topic = topics.events.clone();
        let consumer = |reading| -> Result<BaseConsumer<Requests>, KafkaFault> {
            let mut config = consumer_config(kafka, &format!("{topic}.tail"), reading);
            let requests = Requests::of("tail", &mut config);
            Ok(config.create_with_context(requests)?)
        };
        let reads = match reading {
            ConsumerProfile::Live | ConsumerProfile::Bulk => TailReads::AtOnce(consumer(reading)?),
            ConsumerProfile::Gathered { .. } => {
                TailReads::Gathered(Quiet::new(topic.clone(), consumer(reading)?, consumer(ConsumerProfile::Live)?))
            }
        };
        let mut tail = Self { reads, topic, shards: Vec::new() };
        for (shard, offset) in from {
            tail.enter(shard, offset)?;
            tail.shards.push(shard);
        }
        Ok(tail)
    }

    /// Returns the next record; `None` after `timeout`. A fault that may be retried needs no
    /// action: call again, nothing is lost.
    pub fn next(&self, timeout: Duration) -> Result<Option<TailRecord<'_>>, KafkaFault> {
        match self.poll(timeout) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(TailRecord(message))),
            Some(Err(error)) if is_lost_log(&error) => Err(KafkaFault::Refused(error)),
            Some(Err(error)) => Err(error.into()),
        }
    }

    fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        match &self.reads {
            TailReads::AtOnce(consumer) => {
                let polled = consumer.poll(timeout);
                reconnect(consumer.client());
                polled
            }
            TailReads::Gathered(quiet) => quiet.poll(timeout),
        }
    }

    /// Like [`EventsTail::next`], but returns `None` for passing faults of the cluster. (The client
    /// logs them.)
    pub fn next_or_wait(&self, timeout: Duration) -> Result<Option<TailRecord<'_>>, KafkaFault> {
        match self.next(timeout) {
            Err(fault) if fault.may_retry() => {
                tracing::debug!(topic = self.topic, %fault, "the tail waits for Kafka");
                Ok(None)
            }
            result => result,
        }
    }

    /// Starts to read a shard from `offset` on; from its end, if no log has so many records. The
    /// shard must not be read already.
    pub fn enter(&self, shard: Shard, offset: u64) -> Result<(), KafkaFault> {
        let number = i64::try_from(offset);
        match &self.reads {
            TailReads::AtOnce(consumer) => {
                let mut entered = TopicPartitionList::new();
                let offset = number.map_or(Offset::End, Offset::Offset);
                entered.add_partition_offset(&self.topic, shard.partition(), offset)?;
                Ok(consumer.incremental_assign(&entered)?)
            }
            // librdkafka computes with the offset, so it must be one that a log can have.
            TailReads::Gathered(quiet) => Ok(quiet.enter(shard.partition(), number.unwrap_or(i64::MAX))?),
        }
    }

    /// Stops reading a shard. Records that were fetched already may still arrive.
    pub fn leave(&self, shard: Shard) -> Result<(), KafkaFault> {
        match &self.reads {
            TailReads::AtOnce(consumer) => Ok(consumer.incremental_unassign(&self.partition(shard))?),
            TailReads::Gathered(quiet) => Ok(quiet.leave(shard.partition())?),
        }
    }

    /// Stops fetching a shard until [`EventsTail::resume`]. Records that were fetched already may
    /// still arrive.
    pub fn pause(&self, shard: Shard) -> Result<(), KafkaFault> {
        match &self.reads {
            TailReads::AtOnce(consumer) => Ok(consumer.pause(&self.partition(shard))?),
            TailReads::Gathered(quiet) => Ok(quiet.pause(shard.partition())?),
        }
    }

    /// Resumes a shard after its last record that arrived.
    pub fn resume(&self, shard: Shard) -> Result<(), KafkaFault> {
        match &self.reads {
            TailReads::AtOnce(consumer) => Ok(consumer.resume(&self.partition(shard))?),
            TailReads::Gathered(quiet) => Ok(quiet.resume(shard.partition())?),
        }
    }

    /// Returns a client for queries to the broker.
    fn client(&self) -> &BaseConsumer<Requests> {
        match &self.reads {
            TailReads::AtOnce(consumer) => consumer,
            TailReads::Gathered(quiet) => quiet.client(),
        }
    }

    fn partition(&self, shard: Shard) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, shard.partition());
        list
    }

    /// Returns the logs of `readers` that lack a record that their reader needs next or has read,
    /// because they were cut there or created again, with the offsets that they have.
    pub fn cut<'a>(&self, readers: impl IntoIterator<Item = &'a LogReader>) -> Result<Vec<Cut>, KafkaFault> {
        let mut found = Vec::new();
        for reader in readers {
            let (shard, next, read) = (reader.shard(), reader.next_offset(), reader.position().offset);
            let (low, high) = self.client().fetch_watermarks(&self.topic, shard.partition(), WATERMARK_TIMEOUT)?;
            let (first, end) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
            if next < first || read > end {
                let offset = if next < first { next } else { read };
                found.push(Cut { shard, offset, first, end });
            }
        }
        Ok(found)
    }

    /// Returns [`EventsTail::end`] for each shard that the tail was opened with.
    pub fn high_watermarks(&self) -> Result<Vec<(Shard, u64)>, KafkaFault> {
        self.shards.iter().map(|&shard| Ok((shard, self.end(shard)?))).collect()
    }

    /// Returns [`EventsTail::end`] for each of these shards, with one request to each broker.
    pub fn ends(&self, shards: impl IntoIterator<Item = Shard>) -> Result<Vec<(Shard, u64)>, KafkaFault> {
        let mut asked = TopicPartitionList::new();
        for shard in shards {
            // In place of a time: the end.
            asked.add_partition_offset(&self.topic, shard.partition(), Offset::End)?;
        }
        let answered = self.client().offsets_for_times(asked, WATERMARK_TIMEOUT)?;
        let mut ends = Vec::new();
        for element in answered.elements() {
            element.error()?;
            let shard = u16::try_from(element.partition()).ok().and_then(Shard::new);
            if let (Some(shard), Offset::Offset(end)) = (shard, element.offset()) {
                ends.push((shard, u64::try_from(end).unwrap_or(0)));
            }
        }
        Ok(ends)
    }

    /// Returns the offset after a shard's last record: a reader at this offset has caught up.
    pub fn end(&self, shard: Shard) -> Result<u64, KafkaFault> {
        let (_, high) = self.client().fetch_watermarks(&self.topic, shard.partition(), WATERMARK_TIMEOUT)?;
        Ok(u64::try_from(high).unwrap_or(0))
    }
}

/// True if the log lacks the offset of the reader: it was cut or created again.
fn is_lost_log(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    !may_retry(error) && matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}
