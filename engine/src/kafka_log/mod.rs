//! A shard's log over Kafka: one consumer and one producer for the whole process.
//!
//! | events come from  | while                                                                                        |
//! |-------------------|----------------------------------------------------------------------------------------------|
//! | the partition     | the shard follows; or leads, and has written nothing for a while                              |
//! | the producer      | the shard leads and writes, and each record is written right behind the one before (`own.rs`) |

mod consumer;
mod own;
mod wakeup;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use schemas::topics::Topics;
use schemas::{Quarantine, Shard, Timestamp};
use service::config::LogArgs;
use service::kafka::{KafkaFault, may_retry, quarantine};

use crate::log::{AppendFault, Extent, LogPartition, LogRecord, ShardLog};
use consumer::Fetched;
pub use consumer::LogConsumer;
use wakeup::Wakeup;
pub use writer::{LogWriter, ProducerGeneration};

/// A leader that has written nothing for so long reads its partition: another may have taken over.
const RESTS_AFTER: Duration = Duration::from_millis(500);

/// One shard's partitions, and the process's consumer and writer.
pub struct KafkaLog {
    shard: Shard,
    args: LogArgs,
    topics: Topics,
    consumer: Arc<LogConsumer>,
    writer: Arc<LogWriter>,
    generation: Arc<ProducerGeneration>,
    /// Rings when there may be something to read.
    wakeup: Arc<Wakeup>,
    commands: Commands,
    events: Events,
}

/// Where the shard is in its commands partition.
#[derive(Default)]
struct Commands {
    /// What was fetched and is not read yet; `None` if the partition is not read.
    fetched: Option<Fetched>,
    /// They are wanted. Else the partition is paused.
    consumed: bool,
    /// The offset of the next record.
    next: u64,
}

/// Where the shard is in its events partition.
struct Events {
    /// What was fetched and is not read yet; `None` if the partition is not read.
    fetched: Option<Fetched>,
    /// The offset of the next record.
    next: u64,
    /// The records are those that the producer reports.
    own: bool,
    /// Records given to the present producer, and when the last of them was.
    written: u64,
    written_at: Instant,
}

impl KafkaLog {
    /// A shard's log; it reads nothing until [`ShardLog::follow_from`]. Nobody else reads the shard through the same consumer.
    pub fn new(args: &LogArgs, shard: Shard, consumer: Arc<LogConsumer>, writer: Arc<LogWriter>) -> Self {
        let (topics, generation) = (args.topics(), writer.current());
        let written = generation.own(shard).count();
        let events = Events { fetched: None, next: 0, own: false, written, written_at: Instant::now() };
        let (args, wakeup, commands) = (args.clone(), Arc::default(), Commands::default());
        Self { shard, args, topics, consumer, writer, generation, wakeup, commands, events }
    }

    /// Reads a partition from `offset` on, whether or not it was read already.
    fn enter(&mut self, source: LogPartition, offset: u64) -> Result<(), KafkaFault> {
        self.leave(source)?;
        let fetched = self.consumer.enter((source, self.shard), offset, &self.wakeup)?;
        match source {
            LogPartition::Events => (self.events.fetched, self.events.next) = (Some(fetched), offset),
            LogPartition::Commands => (self.commands.fetched, self.commands.next) = (Some(fetched), offset),
        }
        Ok(())
    }

    fn leave(&mut self, source: LogPartition) -> Result<(), KafkaFault> {
        let fetched = match source {
            LogPartition::Events => &mut self.events.fetched,
            LogPartition::Commands => &mut self.commands.fetched,
        };
        if fetched.is_some() {
            self.consumer.leave((source, self.shard))?;
            *fetched = None;
        }
        Ok(())
    }

    /// Commands are wanted, or not.
    fn consume(&mut self, consumed: bool) -> Result<(), KafkaFault> {
        self.commands.consumed = consumed;
        self.consumer.pause((LogPartition::Commands, self.shard), !consumed)
    }

    /// Reads again what came past the queues.
    fn read_again(&mut self) -> Result<(), KafkaFault> {
        if self.events.fetched.is_some() {
            self.enter(LogPartition::Events, self.events.next)?;
        }
        if self.commands.fetched.is_some() {
            self.enter(LogPartition::Commands, self.commands.next)?;
            self.consume(self.commands.consumed)?;
        }
        Ok(())
    }
}

impl ShardLog for KafkaLog {
    fn follow_from(&mut self, events: u64, commands: u64) -> Result<(), KafkaFault> {
        self.leave_own();
        self.enter(LogPartition::Events, events)?;
        // Commands are assigned from the first on, but paused: a consumer needs up to a second to find a topic that is
        // new to it. At an absolute offset, not at the end: with the end, commands that came during a take-over were
        // seen to be skipped, presumably because its lookup was answered after the offset that was asked for then.
        self.enter(LogPartition::Commands, commands)?;
        self.consume(false)
    }

    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        self.enter(LogPartition::Commands, offset)?;
        self.consume(true)
    }

    fn stop_consuming(&mut self) -> Result<(), KafkaFault> {
        self.consume(false)
    }

    fn rest(&mut self) -> Result<(), KafkaFault> {
        self.leave_own();
        self.commands.consumed = false;
        self.leave(LogPartition::Events)?;
        self.leave(LogPartition::Commands)
    }

    fn extent(&mut self, source: LogPartition) -> Result<Extent, KafkaFault> {
        self.consumer.extent((source, self.shard))
    }

    fn committed(&mut self) -> Result<u64, KafkaFault> {
        self.consumer.committed(self.shard)
    }

    fn quarantine_of(&mut self, offset: u64) -> Result<Option<Quarantine>, KafkaFault> {
        quarantine::of_record(&self.args, self.shard, offset)
    }

    fn poll<R>(
        &mut self,
        hungry: bool,
        timeout: Duration,
        visit: impl FnOnce(LogRecord<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault> {
        if self.consumer.has_strayed(self.shard) {
            self.read_again()?;
        }
        let mut may_wait = !timeout.is_zero();
        loop {
            if self.events.own
                && let Some(bytes) = self.next_own()?
            {
                let (source, offset, time) = (LogPartition::Events, self.events.next, Timestamp(0));
                self.events.next += 1;
                return Ok(Some(visit(LogRecord { source, offset, time, bytes: &bytes })));
            }
            let commands = self.commands.fetched.as_ref().filter(|_| hungry && self.commands.consumed);
            let queues = self.events.fetched.as_ref().into_iter().chain(commands);
            match queues.map(|queue| queue.poll(Duration::ZERO)).find_map(|polled| polled) {
                Some(Ok(message)) => {
                    let incoming = incoming(&message, &self.topics);
                    let (source, next) = (incoming.source, incoming.offset + 1);
                    let seen = visit(incoming);
                    drop(message);
                    match source {
                        LogPartition::Events => self.events.next = next,
                        LogPartition::Commands => self.commands.next = next,
                    }
                    return Ok(Some(seen));
                }
                Some(Err(error)) if may_retry(&error) => {
                    // The client has logged it already.
                    tracing::debug!(shard = %self.shard, %error, "reading waits for Kafka");
                }
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
            if !std::mem::take(&mut may_wait) {
                return Ok(None);
            }
            self.wakeup.wait(timeout);
        }
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
        match self.leave(LogPartition::Events) {
            Ok(()) => {
                self.generation.own(self.shard).want(Some(Arc::clone(&self.wakeup)));
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
            self.generation.own(self.shard).want(None);
        }
    }

    fn read_partition(&mut self) -> Result<(), KafkaFault> {
        self.leave_own();
        self.enter(LogPartition::Events, self.events.next)
    }
}

impl Drop for KafkaLog {
    /// The others of the process go on with the same consumer.
    fn drop(&mut self) {
        if let Err(fault) = self.rest() {
            tracing::warn!(shard = %self.shard, %fault, "a shard that ends is still fetched");
        }
    }
}

fn incoming<'a>(message: &'a BorrowedMessage<'_>, topics: &Topics) -> LogRecord<'a> {
    LogRecord {
        source: if message.topic() == topics.events { LogPartition::Events } else { LogPartition::Commands },
        offset: u64::try_from(message.offset()).expect("a record's offset is not negative"),
        time: Timestamp(message.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0)),
        bytes: message.payload().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
