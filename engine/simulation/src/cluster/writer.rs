//! A process's writer: a record handed over reaches the log later, in order within each partition,
//! or not at all.
//!
//! Like the idempotent producer that it simulates: the log gets a prefix of what was handed over
//! for a partition.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use engine::log::AppendFault;
use schemas::{Command, CommandRecord, Shard};

use super::{Cluster, PartitionTopic};
use crate::random::Random;
use crate::seen::Seen;

/// Records for one partition, in order.
type PartitionQueue = VecDeque<Rc<[u8]>>;

/// One writer, from its creation to its failure.
#[derive(Default)]
pub struct WriterGeneration {
    queues: RefCell<BTreeMap<(PartitionTopic, Shard), PartitionQueue>>,
    waiting: Cell<usize>,
    failed: Cell<bool>,
}

/// A process's current writer, shared by its shards.
#[derive(Clone, Default)]
pub struct SimulatedWriter(Rc<RefCell<Rc<WriterGeneration>>>);

/// Records for one partition that a dead writer had sent and that are still in the network.
pub struct LateRecords {
    topic: PartitionTopic,
    shard: Shard,
    records: PartitionQueue,
}

impl SimulatedWriter {
    pub fn current(&self) -> Rc<WriterGeneration> {
        self.0.borrow().clone()
    }

    /// Returns the current writer, after creating a new one if the current one has failed.
    pub fn renew(&self) -> Rc<WriterGeneration> {
        if self.0.borrow().has_failed() {
            *self.0.borrow_mut() = Rc::default();
        }
        self.current()
    }
}

impl WriterGeneration {
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.get() == 0
    }

    pub fn append(
        &self,
        cluster: &Cluster,
        topic: PartitionTopic,
        shard: Shard,
        bytes: &[u8],
    ) -> Result<(), AppendFault> {
        if self.failed.get() {
            return Err(AppendFault::WriterLost);
        }
        if !cluster.is_calm() && self.waiting.get() >= cluster.plan.queue {
            cluster.saw(Seen::QueueFull);
            return Err(AppendFault::Full);
        }
        self.waiting.set(self.waiting.get() + 1);
        self.queues.borrow_mut().entry((topic, shard)).or_default().push_back(bytes.into());
        Ok(())
    }

    /// Delivers up to `most` records of one partition to the log.
    pub fn deliver(&self, cluster: &Cluster, random: &mut Random, most: u64) {
        let mut queues = self.queues.borrow_mut();
        let full: Vec<_> = queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(key, _)| *key).collect();
        if full.is_empty() {
            return;
        }
        let (topic, shard) = *random.pick(&full);
        let queue = queues.get_mut(&(topic, shard)).expect("its key was just read");
        for _ in 0..most {
            let Some(bytes) = queue.pop_front() else { break };
            self.waiting.set(self.waiting.get() - 1);
            // For outcomes the writer keeps its guarantee. For commands that an engine writes, the
            // engine must not need it.
            if topic == PartitionTopic::Events || !cluster.strikes(loss(&bytes)) {
                cluster.append(topic, shard, bytes);
            }
        }
    }

    /// Breaks the writer. A prefix of the waiting records of each partition may still arrive; the
    /// rest never does.
    pub fn fail(&self, cluster: &Cluster, random: &mut Random) -> Vec<LateRecords> {
        self.failed.set(true);
        self.waiting.set(0);
        let mut late = Vec::new();
        for ((topic, shard), mut records) in std::mem::take(&mut *self.queues.borrow_mut()) {
            let sent = random.index(records.len() + 1);
            records.drain(sent..).for_each(|_| cluster.saw(Seen::RecordLost));
            late.push(LateRecords { topic, shard, records });
        }
        late.retain(|late| !late.records.is_empty());
        late
    }
}

/// Returns the name of the loss of a command: timers are rare, so they have a separate rate.
fn loss(bytes: &[u8]) -> Seen {
    let is_timer = |record: CommandRecord| record.command == Command::AdvanceTime;
    if CommandRecord::decode(bytes).is_ok_and(is_timer) { Seen::TimerLost } else { Seen::CopyLost }
}

impl LateRecords {
    /// Delivers up to `most` records.
    pub fn arrive(&mut self, cluster: &Cluster, most: usize) {
        for bytes in self.records.drain(..most.min(self.records.len())) {
            cluster.saw(Seen::RecordLate);
            cluster.append(self.topic, self.shard, bytes);
        }
    }

    pub fn is_over(&self) -> bool {
        self.records.is_empty()
    }
}
