//! Gathers records while they come, and asks next to nothing while none comes.
//!
//! A consumer that gathers has the broker answer once in `wait`, also when there is nothing: a
//! hundred requests a second from a process that has nothing to do. How long the broker waits is
//! fixed when a consumer is made. So there are two: one gathers, and after a quiet second its
//! partitions go to the other one, which the broker answers when a record is there. That record
//! takes them back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::reconnect::reconnect;
use super::requests::Requests;

/// So long without a record, and the partitions change over.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// A client that reads nothing still tells once a second what it has asked, and keeps that until it
/// is polled.
const SERVE_EVERY: Duration = Duration::from_secs(1);

/// The two consumers. Partitions are read by one of them.
pub struct Quiet {
    topic: String,
    gathering: BaseConsumer<Requests>,
    waiting: BaseConsumer<Requests>,
    state: Mutex<State>,
}

struct State {
    /// Which of the two reads.
    reads: QuietReads,
    /// The next offset of each partition that is read.
    next: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
    /// When the last record came.
    last: Instant,
    /// When the one that does not read was polled.
    served: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuietReads {
    Gathering,
    Waiting,
    /// A record came to the one that waits: the partitions go back before the next.
    Woken,
}

impl Quiet {
    /// Nothing is read yet.
    pub fn new(topic: String, gathering: BaseConsumer<Requests>, waiting: BaseConsumer<Requests>) -> Self {
        let (now, reads) = (Instant::now(), QuietReads::Gathering);
        let state = State { reads, next: BTreeMap::new(), paused: BTreeSet::new(), last: now, served: now };
        Self { topic, gathering, waiting, state: Mutex::new(state) }
    }

    /// For questions to the broker.
    pub fn client(&self) -> &BaseConsumer<Requests> {
        &self.gathering
    }

    /// The next record or fault; `None` after `timeout`.
    pub fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        let mut state = self.state();
        if let Err(error) = self.change_over(&mut state) {
            return Some(Err(error));
        }
        let (reader, other) = self.reader(state.reads);
        drop(state);
        let polled = reader.poll(timeout);
        reconnect(reader.client());
        let (mut state, now) = (self.state(), Instant::now());
        if let Some(Ok(message)) = &polled {
            state.last = now;
            state.next.insert(message.partition(), message.offset() + 1);
            if state.reads == QuietReads::Waiting {
                state.reads = QuietReads::Woken;
            }
        }
        if now.duration_since(state.served) >= SERVE_EVERY {
            state.served = now;
            // It has no partitions; what troubles its connections, the client logs.
            drop(other.poll(Duration::ZERO));
            reconnect(other.client());
        }
        polled
    }

    fn reader(&self, reads: QuietReads) -> (&BaseConsumer<Requests>, &BaseConsumer<Requests>) {
        match reads {
            QuietReads::Gathering => (&self.gathering, &self.waiting),
            QuietReads::Waiting | QuietReads::Woken => (&self.waiting, &self.gathering),
        }
    }

    fn change_over(&self, state: &mut State) -> Result<(), KafkaError> {
        let next = match state.reads {
            QuietReads::Woken => QuietReads::Gathering,
            // A partition that is paused has records that nobody takes.
            QuietReads::Gathering if state.last.elapsed() >= QUIET_AFTER && state.paused.is_empty() => {
                QuietReads::Waiting
            }
            QuietReads::Gathering | QuietReads::Waiting => return Ok(()),
        };
        let (to, from) = self.reader(next);
        let mut all = TopicPartitionList::new();
        for (&partition, &offset) in &state.next {
            all.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        let paused = self.list(state.paused.iter().copied());
        // A partition keeps that it is paused, also when it is assigned again.
        from.resume(&paused)?;
        from.unassign()?;
        to.assign(&all)?;
        to.pause(&paused)?;
        state.reads = next;
        Ok(())
    }

    /// Reads a partition, too, from `offset` on.
    pub fn enter(&self, partition: i32, offset: i64) -> Result<(), KafkaError> {
        let mut state = self.state();
        let mut entered = TopicPartitionList::new();
        entered.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        self.reader(state.reads).0.incremental_assign(&entered)?;
        state.next.insert(partition, offset);
        state.last = Instant::now();
        Ok(())
    }

    /// Reads no more of a partition.
    pub fn leave(&self, partition: i32) -> Result<(), KafkaError> {
        let mut state = self.state();
        state.next.remove(&partition);
        self.reader(state.reads).0.incremental_unassign(&self.list([partition]))
    }

    /// Fetches no more of a partition until [`Quiet::resume`].
    pub fn pause(&self, partition: i32) -> Result<(), KafkaError> {
        let mut state = self.state();
        state.paused.insert(partition);
        self.reader(state.reads).0.pause(&self.list([partition]))
    }

    /// Goes on with a partition.
    pub fn resume(&self, partition: i32) -> Result<(), KafkaError> {
        let mut state = self.state();
        state.paused.remove(&partition);
        self.reader(state.reads).0.resume(&self.list([partition]))
    }

    fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }

    // Whoever panicked with it had no partition half changed over: that is one call of the client
    // after the other.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
