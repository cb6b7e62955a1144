//! A shard's log over Kafka: one consumer a shard for both partitions, one producer for the whole process.
//!
//! | events come from  | while                                                                                        |
//! |-------------------|----------------------------------------------------------------------------------------------|
//! | the partition     | the shard follows; or leads, and has written nothing for a while                              |
//! | the producer      | the shard leads and writes, and each record is written right behind the one before (`own.rs`) |

mod own;
mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use schemas::topics::Topics;
use schemas::{Quarantine, Shard, Timestamp};
use service::config::LogArgs;
use service::kafka::requests::Requests;
use service::kafka::{KafkaFault, Reading, consumer_config, may_retry, quarantine};

use crate::log::{AppendFault, Extent, Incoming, Log, Source};
pub use writer::{Generation, Writer};

/// Commands kept while the loop wants none, before their partition is paused.
const KEPT_MAX: usize = 1_000;

const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A leader that has written nothing for so long reads its partition: another may have taken over.
const RESTS_AFTER: Duration = Duration::from_millis(500);

/// How soon the broker's report of a record is looked for. (It comes in another thread, and wakes nobody here.)
const REPORT_WITHIN: Duration = Duration::from_millis(1);

/// One shard's partitions, and the process's writer.
pub struct KafkaLog {
    shard: Shard,
    args: LogArgs,
    topics: Topics,
    consumer: BaseConsumer<Requests>,
    writer: Arc<Writer>,
    generation: Arc<Generation>,
    commands: Kept,
    events: Events,
}

/// Where the shard is in its events partition.
struct Events {
    /// The offset of the next record.
    next: u64,
    /// The records are those that the producer reports.
    own: bool,
    /// Records given to the present producer, and when the last of them was.
    written: u64,
    written_at: Instant,
}

/// What the loop did not want yet.
#[derive(Default)]
struct Kept {
    /// Commands are being consumed.
    consumed: bool,
    /// Their partition is paused.
    paused: bool,
    records: VecDeque<KeptCommand>,
}

struct KeptCommand {
    offset: u64,
    time: Timestamp,
    bytes: Vec<u8>,
}

impl KafkaLog {
    /// Opens the shard's consumer; it reads nothing until [`Log::follow_from`].
    pub fn open(args: &LogArgs, shard: Shard, writer: Arc<Writer>, reading: Reading) -> Result<Self, KafkaFault> {
        let topics = args.topics();
        // Never a member, since it subscribes to nothing; it asks what the members have committed.
        let mut config = consumer_config(&args.kafka, &topics.engines_group, reading);
        // The commands of a shard that is taken over wait for the request that is under way.
        config.set("fetch.wait.max.ms", "200");
        let requests = Requests::of("shard", &mut config);
        let consumer = config.create_with_context(requests)?;
        let generation = writer.current();
        let args = args.clone();
        let events = Events { next: 0, own: false, written: generation.own(shard).count(), written_at: Instant::now() };
        Ok(Self { shard, args, topics, consumer, writer, generation, commands: Kept::default(), events })
    }

    fn topic(&self, source: Source) -> &str {
        match source {
            Source::Events => &self.topics.events,
            Source::Commands => &self.topics.commands,
        }
    }

    fn one(&self, source: Source, offset: u64) -> Result<TopicPartitionList, KafkaFault> {
        let offset = i64::try_from(offset).map_or(Offset::Invalid, Offset::Offset);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic(source), self.shard.partition(), offset)?;
        Ok(list)
    }

    fn pause(&mut self, pause: bool) -> Result<(), KafkaFault> {
        let commands = self.one(Source::Commands, 0)?;
        if pause {
            self.consumer.pause(&commands)?
        } else {
            self.consumer.resume(&commands)?
        }
        self.commands.paused = pause;
        Ok(())
    }
}

impl Log for KafkaLog {
    fn follow_from(&mut self, events: u64, commands: u64) -> Result<(), KafkaFault> {
        self.commands = Kept::default();
        self.leave_own();
        self.events.next = events;
        let mut both = self.one(Source::Events, events)?;
        // Commands are assigned from the first on, but paused: a consumer needs up to a second to find a topic that is
        // new to it. At an absolute offset, not at the end: with the end, commands that came during a take-over were
        // seen to be skipped, presumably because its lookup was answered after the offset that was asked for then.
        let commands = i64::try_from(commands).map_or(Offset::Invalid, Offset::Offset);
        both.add_partition_offset(&self.topics.commands, self.shard.partition(), commands)?;
        self.consumer.assign(&both)?;
        self.pause(true)
    }

    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        let commands = self.one(Source::Commands, offset)?;
        self.consumer.incremental_unassign(&commands)?;
        self.consumer.incremental_assign(&commands)?;
        self.commands = Kept { consumed: true, ..Kept::default() };
        self.pause(false)
    }

    fn stop_consuming(&mut self) -> Result<(), KafkaFault> {
        self.commands = Kept::default();
        self.pause(true)
    }

    fn rest(&mut self) -> Result<(), KafkaFault> {
        self.commands = Kept::default();
        self.leave_own();
        Ok(self.consumer.unassign()?)
    }

    fn extent(&mut self, source: Source) -> Result<Extent, KafkaFault> {
        let (low, high) = self.consumer.fetch_watermarks(self.topic(source), self.shard.partition(), ASK_TIMEOUT)?;
        let natural = |offset| u64::try_from(offset).unwrap_or(0);
        Ok(Extent { first: natural(low), end: natural(high) })
    }

    fn committed(&mut self) -> Result<u64, KafkaFault> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topics.commands, self.shard.partition());
        let answered = self.consumer.committed_offsets(asked, ASK_TIMEOUT)?;
        for element in answered.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                return Ok(u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(0)
    }

    fn quarantine_of(&mut self, offset: u64) -> Result<Option<Quarantine>, KafkaFault> {
        quarantine::of_record(&self.args, self.shard, offset)
    }

    fn poll<R>(
        &mut self,
        hungry: bool,
        timeout: Duration,
        visit: impl FnOnce(Incoming<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault> {
        if self.events.own
            && let Some(bytes) = self.next_own()?
        {
            let (source, offset, time) = (Source::Events, self.events.next, Timestamp(0));
            self.events.next += 1;
            return Ok(Some(visit(Incoming { source, offset, time, bytes: &bytes })));
        }
        if hungry {
            if let Some(KeptCommand { offset, time, bytes }) = self.commands.records.pop_front() {
                return Ok(Some(visit(Incoming { source: Source::Commands, offset, time, bytes: &bytes })));
            }
            if self.commands.paused {
                self.pause(false)?;
            }
        }
        let timeout = if self.events.own && self.in_flight() > 0 { timeout.min(REPORT_WITHIN) } else { timeout };
        let message = match self.consumer.poll(timeout) {
            None => return Ok(None),
            Some(Ok(message)) => message,
            Some(Err(error)) if may_retry(&error) => {
                // The client has logged it already.
                tracing::debug!(shard = %self.shard, %error, "reading waits for Kafka");
                return Ok(None);
            }
            Some(Err(error)) => return Err(error.into()),
        };
        let incoming = incoming(&message, &self.topics);
        if incoming.source == Source::Events {
            // Fetched before the partition was left, it may still come.
            if self.events.own {
                return Ok(None);
            }
            self.events.next = incoming.offset + 1;
            return Ok(Some(visit(incoming)));
        }
        if hungry && self.commands.consumed {
            return Ok(Some(visit(incoming)));
        }
        let Incoming { offset, time, bytes, .. } = incoming;
        let kept = KeptCommand { offset, time, bytes: bytes.to_vec() };
        drop(message);
        self.keep(kept)?;
        Ok(None)
    }

    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault> {
        self.expect_own();
        self.generation.append_event(&self.topics.events, self.shard, bytes)?;
        self.events.written += 1;
        self.events.written_at = Instant::now();
        Ok(())
    }

    fn append_command(&mut self, to: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.generation.append_command(&self.topics.commands, to, bytes)
    }

    fn writer_is_lost(&self) -> bool {
        self.generation.has_failed()
    }

    fn renew_writer(&mut self) -> Result<(), KafkaFault> {
        let before = self.generation.clone();
        self.generation = self.writer.renew(&before)?;
        if !Arc::ptr_eq(&before, &self.generation) {
            self.events.written = self.generation.own(self.shard).count();
        }
        Ok(())
    }
}

impl KafkaLog {
    /// Records of the events partition that were handed over and not reported.
    fn in_flight(&self) -> u64 {
        self.events.written - self.generation.own(self.shard).count()
    }

    /// A leader is about to write. If it has read all that it wrote, it need not fetch what it writes from now on.
    fn expect_own(&mut self) {
        let own = self.generation.own(self.shard);
        if self.events.own || !self.commands.consumed || self.in_flight() > 0 || own.end() > self.events.next {
            return;
        }
        let left = self.one(Source::Events, 0).and_then(|events| Ok(self.consumer.incremental_unassign(&events)?));
        match left {
            Ok(()) => {
                own.want(true);
                self.events.own = true;
            }
            // It goes on fetching, which is as right.
            Err(fault) => tracing::warn!(shard = %self.shard, %fault, "the events partition is still read"),
        }
    }

    /// The next own record that is reported, if it is the partition's next. Else, and when a leader rests, the partition is read.
    fn next_own(&mut self) -> Result<Option<Vec<u8>>, KafkaFault> {
        // Asked for before the queue: what is reported in between is found next time.
        let all_reported = self.in_flight() == 0;
        let own = self.generation.own(self.shard);
        match own.next() {
            Some(own) if u64::try_from(own.offset) == Ok(self.events.next) => return Ok(Some(own.bytes)),
            Some(_) => self.read_partition()?,
            None if all_reported => {
                let rests = !self.commands.consumed || self.events.written_at.elapsed() >= RESTS_AFTER;
                if rests || own.end() > self.events.next {
                    self.read_partition()?;
                }
            }
            None => {}
        }
        Ok(None)
    }

    /// Hears no more reports. Others of the process read the same shard, and hear none.
    fn leave_own(&mut self) {
        if std::mem::take(&mut self.events.own) {
            self.generation.own(self.shard).want(false);
        }
    }

    fn read_partition(&mut self) -> Result<(), KafkaFault> {
        self.leave_own();
        let events = self.one(Source::Events, self.events.next)?;
        Ok(self.consumer.incremental_assign(&events)?)
    }

    /// Keeps a command that is not wanted yet. (One that slips through a pause between two leads is nobody's.)
    fn keep(&mut self, command: KeptCommand) -> Result<(), KafkaFault> {
        if !self.commands.consumed {
            return Ok(());
        }
        self.commands.records.push_back(command);
        // The consumer drops what it fetched ahead and fetches it again later, so what is kept here stays bounded.
        if self.commands.records.len() >= KEPT_MAX && !self.commands.paused {
            self.pause(true)?;
        }
        Ok(())
    }
}

fn incoming<'a>(message: &'a BorrowedMessage<'_>, topics: &Topics) -> Incoming<'a> {
    Incoming {
        source: if message.topic() == topics.events { Source::Events } else { Source::Commands },
        offset: u64::try_from(message.offset()).expect("a record's offset is not negative"),
        time: Timestamp(message.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0)),
        bytes: message.payload().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
