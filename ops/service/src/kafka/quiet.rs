//! Gathers records while they arrive, and sends almost no requests while none arrives.
//!
//! A consumer that gathers makes the broker answer once per `wait`, even when there is nothing: a
//! hundred requests a second from an idle process. The broker's wait is fixed when a consumer is
//! created. So there are two consumers: one gathers, and after a quiet second its partitions move
//! to the other one, which the broker answers as soon as there is a record. That record moves them
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::reconnect::reconnect;
use super::requests::Requests;

/// Time without a record after which the partitions move to the other consumer.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// A client that reads nothing still reports its requests once a second, and keeps the reports
/// until it is polled.
const SERVE_EVERY: Duration = Duration::from_secs(1);

/// The two consumers. One of them reads the partitions.
pub struct Quiet {
    topic: String,
    gathering: BaseConsumer<Requests>,
    waiting: BaseConsumer<Requests>,
    state: Mutex<State>,
}

struct State {
    /// The consumer that reads.
    reads: QuietReads,
    /// The next offset of each partition that is read.
    next: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
    /// When the last record arrived.
    last: Instant,
    /// When the consumer that does not read was polled last.
    served: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuietReads {
    Gathering,
    Waiting,
    /// A record arrived at the waiting consumer: the partitions move back before the next record.
    Woken,
}

impl Quiet {
    /// Creates both consumers; nothing is read yet.
    pub fn new(topic: String, gathering: BaseConsumer<Requests>, waiting: BaseConsumer<Requests>) -> Self {
        let (now, reads) = (Instant::now(), QuietReads::Gathering);
        let state = State { reads, next: BTreeMap::new(), paused: BTreeSet::new(), last: now, served: now };
        Self { topic, gathering, waiting, state: Mutex::new(state) }
    }

    /// Returns a client for queries to the broker.
    pub fn client(&self) -> &BaseConsumer<Requests> {
        &self.gathering
    }

    /// Returns the next record or fault; `None` after `timeout`.
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
            // It has no partitions; the client logs faults of its connections.
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
            // A paused partition has records that are not taken.
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
        // A partition stays paused when it is assigned again.
        from.resume(&paused)?;
        from.unassign()?;
        to.assign(&all)?;
        to.pause(&paused)?;
        state.reads = next;
        Ok(())
    }

    /// Starts to read a partition from `offset` on.
    pub fn enter(&self, partition: i32, offset: i64) -> Result<(), KafkaError> {
        let mut state = self.state();
        let mut entered = TopicPartitionList::new();
        entered.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        self.reader(state.reads).0.incremental_assign(&entered)?;
        state.next.insert(partition, offset);
        state.last = Instant::now();
        Ok(())
    }

    /// Stops reading a partition.
    pub fn leave(&self, partition: i32) -> Result<(), KafkaError> {
        let mut state = self.state();
        state.next.remove(&partition);
        self.reader(state.reads).0.incremental_unassign(&self.list([partition]))
    }

    /// Stops fetching a partition until [`Quiet::resume`].
    pub fn pause(&self, partition: i32) -> Result<(), KafkaError> {
        let mut state = self.state();
        state.paused.insert(partition);
        self.reader(state.reads).0.pause(&self.list([partition]))
    }

    /// Resumes a partition.
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

    // A panic of another holder leaves no partition half moved: a move is a sequence of separate
    // client calls.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
