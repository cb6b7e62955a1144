//! A shard's log over Kafka: one consumer and one producer for the whole process.
//!
//! | events come from  | while                                                                                        |
//! |-------------------|----------------------------------------------------------------------------------------------|
//! | the partition     | the shard follows; or leads, and has written nothing for a while                              |
//! | the producer      | the shard leads and writes, and each record directly follows the previous one (`own.rs`)      |

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

/// A leader that has written nothing for this long reads its partition: another process may have
/// taken over.
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

/// The reader's position in the shard's commands partition.
#[derive(Default)]
struct Commands {
    /// Fetched records that are not read yet; `None` if the partition is not read.
    fetched: Option<Fetched>,
    /// True if commands are wanted. Otherwise the partition is paused.
    consumed: bool,
    /// The offset of the next record.
    next: u64,
}

/// The reader's position in the shard's events partition.
struct Events {
    /// Fetched records that are not read yet; `None` if the partition is not read.
    fetched: Option<Fetched>,
    /// The offset of the next record.
    next: u64,
    /// True if records come from the producer's delivery reports.
    own: bool,
    /// The number of records given to the current producer, and the time of the last one.
    written: u64,
    written_at: Instant,
}

impl KafkaLog {
    /// Creates a shard's log. It reads nothing until [`ShardLog::follow_from`]. No other reader may
    /// read the shard through the same consumer.
    pub fn new(args: &LogArgs, shard: Shard, consumer: Arc<LogConsumer>, writer: Arc<LogWriter>) -> Self {
        let (topics, generation) = (args.topics(), writer.current());
        let written = generation.own(shard).count();
        let events = Events { fetched: None, next: 0, own: false, written, written_at: Instant::now() };
        let (args, wakeup, commands) = (args.clone(), Arc::default(), Commands::default());
        Self { shard, args, topics, consumer, writer, generation, wakeup, commands, events }
    }

    /// Reads a partition from `offset`, whether or not it was read already.
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

    /// Starts or stops the delivery of commands.
    fn consume(&mut self, consumed: bool) -> Result<(), KafkaFault> {
        self.commands.consumed = consumed;
        self.consumer.pause((LogPartition::Commands, self.shard), !consumed)
    }

    /// Reads records again that arrived outside the queues.
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
        // Commands are assigned from the start, but paused: a consumer needs up to a second to find
        // a topic that is new to it. At an absolute offset, not at the end: with the end, commands
        // that arrived during a takeover were seen to be skipped, presumably because the lookup was
        // answered after the offset that was then requested.
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
    /// Returns the number of records of the events partition that were handed over and not yet
    /// reported.
    fn in_flight(&self) -> u64 {
        self.events.written - self.generation.own(self.shard).count()
    }

    /// Called before a leader writes. If it has read all that it wrote, it need not fetch its own
    /// records from now on.
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
            // It continues to fetch, which is equally correct.
            Err(fault) => tracing::warn!(shard = %self.shard, %fault, "the events partition is still read"),
        }
    }

    /// Returns the next own record that is reported, if it is the partition's next. Otherwise, and
    /// when a leader is idle, the partition is read.
    fn next_own(&mut self) -> Result<Option<Vec<u8>>, KafkaFault> {
        // Read before the queue: a record reported in between is found next time.
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

    /// Ends the subscription to reports. Other logs of the process for the same shard have none.
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
    /// The other logs of the process keep using the same consumer.
    fn drop(&mut self) {
        if let Err(fault) = self.rest() {
            tracing::warn!(shard = %self.shard, %fault, "a shard has ended, but its partition is still fetched");
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
