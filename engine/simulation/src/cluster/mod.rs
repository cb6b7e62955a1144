//! The environment of a run: the log, the time, the randomness, and the notes about all of it.
//! Shared by everything in the run.
//!
//! Architecture invariant: nothing in a run reads a clock, a random source or an address;
//! everything comes from the seed through this module.

pub mod clock;
pub mod log;
pub mod snapshot_store;
mod start;
mod trace;
pub mod writer;

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use schemas::shard_map::ShardMap;
use schemas::{CommandId, Record, Shard, Term};

use crate::plan::{OCCASIONS, Plan};
use crate::random::Random;
use crate::seen::{Seen, Tally};
pub use start::START;
use trace::Trace;

/// One of a shard's two partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PartitionTopic {
    Commands,
    Events,
}

impl PartitionTopic {
    pub const ALL: [Self; 2] = [Self::Commands, Self::Events];
}

/// A record in the log.
pub struct StoredRecord {
    /// The broker's append time.
    pub time: u64,
    /// The record's number among all records of all partitions: every prefix in this order is a cut
    /// that really occurred.
    pub order: u64,
    pub bytes: Rc<[u8]>,
}

/// A period without a leader of a shard.
#[derive(Clone, Copy)]
struct Down {
    shard: Shard,
    from: u64,
    until: u64,
}

/// The environment of one run.
pub struct Cluster {
    pub plan: Plan,
    pub map: ShardMap,
    /// True once faults have ended.
    calm: Cell<bool>,
    now: Cell<u64>,
    /// How far the broker's clock is behind, in milliseconds.
    behind: Cell<u64>,
    ids: Cell<u128>,
    written: Cell<u64>,
    random: RefCell<Random>,
    partitions: RefCell<BTreeMap<(PartitionTopic, Shard), Vec<StoredRecord>>>,
    /// The first command without an outcome of each shard, as last committed by a leader.
    committed: RefCell<BTreeMap<Shard, u64>>,
    downs: RefCell<Vec<Down>>,
    tally: RefCell<Tally>,
    trace: RefCell<Trace>,
}

impl Cluster {
    pub fn new(plan: Plan, random: Random, aloud: bool) -> Rc<Self> {
        let map = ShardMap::new(plan.shards).expect("a plan has a legal number of shards");
        let keys = Shard::all(plan.shards).flat_map(|shard| PartitionTopic::ALL.map(|topic| (topic, shard)));
        let partitions = keys.map(|key| (key, Vec::new())).collect();
        Rc::new(Self {
            plan,
            map,
            calm: Cell::new(false),
            now: Cell::new(START),
            behind: Cell::new(0),
            ids: Cell::new(1 << 64),
            written: Cell::new(0),
            random: RefCell::new(random),
            partitions: RefCell::new(partitions),
            committed: RefCell::default(),
            downs: RefCell::default(),
            tally: RefCell::default(),
            trace: RefCell::new(Trace::new(aloud)),
        })
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    pub fn pass(&self, milliseconds: u64) {
        self.now.set(self.now.get() + milliseconds);
    }

    pub fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        Shard::all(self.map.shards())
    }

    pub fn command_id(&self) -> CommandId {
        self.ids.set(self.ids.get() + 1);
        CommandId(self.ids.get())
    }

    /// Writes a record and returns its offset.
    pub fn append(&self, topic: PartitionTopic, shard: Shard, bytes: Rc<[u8]>) -> u64 {
        let order = self.written.get();
        self.written.set(order + 1);
        let time = self.now.get() - self.behind.get();
        let mut partitions = self.partitions.borrow_mut();
        let partition = partitions.get_mut(&(topic, shard)).expect("all partitions exist from the start");
        partition.push(StoredRecord { time, order, bytes });
        partition.len() as u64 - 1
    }

    pub fn partition(&self, topic: PartitionTopic, shard: Shard) -> Ref<'_, [StoredRecord]> {
        Ref::map(self.partitions.borrow(), |all| all[&(topic, shard)].as_slice())
    }

    /// Returns a record's time and bytes, if it exists.
    pub fn record(&self, topic: PartitionTopic, shard: Shard, offset: u64) -> Option<(u64, Rc<[u8]>)> {
        let partition = self.partition(topic, shard);
        let stored = partition.get(usize::try_from(offset).ok()?)?;
        Some((stored.time, stored.bytes.clone()))
    }

    /// Returns the first term of a shard, if it was ever led.
    pub fn first_term(&self, shard: Shard) -> Option<Term> {
        self.partition(PartitionTopic::Events, shard).iter().find_map(|stored| match Record::decode(&stored.bytes) {
            Ok(Record::Term(term)) => Some(term),
            _ => None,
        })
    }

    /// Returns all terms of a shard, by their numbers.
    pub fn terms(&self, shard: Shard) -> BTreeMap<u64, Term> {
        let partition = self.partition(PartitionTopic::Events, shard);
        let terms = (0..).zip(&*partition).filter_map(|(offset, stored)| match Record::decode(&stored.bytes) {
            Ok(Record::Term(term)) => Some((offset, term)),
            _ => None,
        });
        terms.collect()
    }

    /// Returns the offset after the last record.
    pub fn end(&self, topic: PartitionTopic, shard: Shard) -> u64 {
        self.partition(topic, shard).len() as u64
    }

    /// Returns what the group has committed for a shard.
    pub fn committed(&self, shard: Shard) -> u64 {
        self.committed.borrow().get(&shard).copied().unwrap_or(0)
    }

    /// Commits a leader's progress. It may be out of date: the last commit counts, as with Kafka.
    pub fn commit(&self, shard: Shard, next_command: u64) {
        self.committed.borrow_mut().insert(shard, next_command);
    }

    /// Removes the records of a partition from `end` on.
    pub fn cut(&self, topic: PartitionTopic, shard: Shard, end: u64) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = partitions.get_mut(&(topic, shard)).expect("all partitions exist from the start");
        partition.truncate(usize::try_from(end).expect("an offset of records in memory"));
    }

    /// Decides whether a fault of the plan occurs now, and notes it if so.
    pub fn strikes(&self, fault: Seen) -> bool {
        let rate = self.plan.rate(fault);
        let strikes = !self.calm.get() && rate > 0 && self.random.borrow_mut().below(OCCASIONS) < rate;
        if strikes {
            self.saw(fault);
        }
        strikes
    }

    /// Sets the broker's clock back by this many milliseconds against the true time, or right
    /// again.
    pub fn set_broker_behind(&self, milliseconds: u64) {
        self.behind.set(milliseconds);
    }

    /// Records a period without a leader of a shard.
    pub fn note_down(&self, shard: Shard, from: u64, until: u64) {
        self.downs.borrow_mut().push(Down { shard, from, until });
    }

    /// Returns true if another shard than this one had no leader at that time.
    pub fn was_another_down(&self, shard: Shard, time: u64) -> bool {
        let downs = self.downs.borrow();
        downs.iter().any(|down| down.shard != shard && (down.from..down.until).contains(&time))
    }

    /// Ends all faults.
    pub fn calm_down(&self) {
        self.calm.set(true);
        self.behind.set(0);
        let now = self.now();
        self.downs.borrow_mut().iter_mut().for_each(|down| down.until = down.until.min(now));
    }

    pub fn is_calm(&self) -> bool {
        self.calm.get()
    }

    pub fn saw(&self, seen: Seen) {
        self.tally.borrow_mut().note(seen);
    }

    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Notes what happens next.
    pub fn note(&self, what: std::fmt::Arguments<'_>) {
        self.trace.borrow_mut().note(self.now.get(), what);
    }

    /// Returns the last notes, oldest first.
    pub fn last_notes(&self) -> Vec<String> {
        self.trace.borrow().last()
    }

    /// Returns the BLAKE3 hash of all notes and all partitions.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = self.trace.borrow().hasher();
        for ((topic, shard), records) in &*self.partitions.borrow() {
            hasher.update(&[*topic as u8]).update(&shard.number().to_le_bytes());
            for StoredRecord { time, order, bytes } in records {
                hasher.update(&time.to_le_bytes()).update(&order.to_le_bytes());
                hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
            }
        }
        *hasher.finalize().as_bytes()
    }
}
