//! The same loop over a log in memory, with what a cluster and an operating system can do to it: writers that break or are
//! killed in the middle of what they write, whose records come late or never; two processes that both believe they lead;
//! snapshots that rot; queues that are full; clocks that differ. Seeded: a failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use common::audit::Audit;
use common::load::{World, entry_shard};
use common::{Random, SHARDS};
use engine::log::{AppendFault, Clock, Incoming, Log, Shelf, ShelfFault, Source};
use engine::shard::{Control, Pace, Role, ShardLoop};
use schemas::shard_map::ShardMap;
use schemas::{CommandId, CommandRecord, EngineId, Shard, Timestamp};
use service::kafka::KafkaFault;
use service::{Liveness, Readiness};

const PROCESSES: usize = 3;
const SEEDS: u64 = 20;
const STEPS: u64 = 15_000;
const START: u64 = 1_800_000_000_000;

/// Append time and bytes of each record.
type Partition = Vec<(u64, Vec<u8>)>;

/// The cluster: partitions that only grow.
#[derive(Default)]
struct Cluster {
    partitions: BTreeMap<(bool, Shard), Partition>,
    time: u64,
}

impl Cluster {
    fn append(&mut self, source: Source, shard: Shard, bytes: Vec<u8>) {
        let time = self.time;
        self.partitions.entry((source == Source::Events, shard)).or_default().push((time, bytes));
    }

    fn records(&self, source: Source, shard: Shard) -> &[(u64, Vec<u8>)] {
        self.partitions.get(&(source == Source::Events, shard)).map_or(&[], Vec::as_slice)
    }
}

type Shared<T> = Rc<RefCell<T>>;
type Queue = VecDeque<(Source, Shard, Vec<u8>)>;

/// A process's producer: what is handed over reaches the log later, in order, or not at all.
#[derive(Default)]
struct Producer {
    queue: RefCell<Queue>,
    failed: Cell<bool>,
}

/// A process's present producer, shared by its shards.
type Current = Shared<Rc<Producer>>;

struct MemoryLog {
    shard: Shard,
    cluster: Shared<Cluster>,
    current: Current,
    producer: Rc<Producer>,
    random: Random,
    events: usize,
    commands: Option<usize>,
}

impl MemoryLog {
    fn append(&mut self, source: Source, to: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        if self.producer.failed.get() {
            return Err(AppendFault::WriterLost);
        }
        if self.random.below(20) == 0 {
            return Err(AppendFault::Full);
        }
        self.producer.queue.borrow_mut().push_back((source, to, bytes.to_vec()));
        Ok(())
    }
}

impl Log for MemoryLog {
    fn follow_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        (self.events, self.commands) = (usize::try_from(offset).unwrap(), None);
        Ok(())
    }

    fn consume_from(&mut self, offset: u64) -> Result<(), KafkaFault> {
        // A reader has been seen to begin after the place that it was told.
        let skipped = if self.random.below(8) == 0 { 1 } else { 0 };
        self.commands = Some(usize::try_from(offset).unwrap() + skipped);
        Ok(())
    }

    fn stop_consuming(&mut self) -> Result<(), KafkaFault> {
        self.commands = None;
        Ok(())
    }

    fn head(&mut self) -> Result<u64, KafkaFault> {
        Ok(self.cluster.borrow().records(Source::Events, self.shard).len() as u64)
    }

    fn poll<R>(
        &mut self,
        hungry: bool,
        _: Duration,
        visit: impl FnOnce(Incoming<'_>) -> R,
    ) -> Result<Option<R>, KafkaFault> {
        let (cluster, coin) = (self.cluster.borrow(), self.random.below(2) == 0);
        let (source, place) = match &mut self.commands {
            Some(next) if hungry && coin => (Source::Commands, next),
            _ => (Source::Events, &mut self.events),
        };
        let Some((time, bytes)) = cluster.records(source, self.shard).get(*place) else { return Ok(None) };
        let offset = *place as u64;
        *place += 1;
        Ok(Some(visit(Incoming { source, offset, time: Timestamp(*time), bytes })))
    }

    fn append_event(&mut self, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(Source::Events, self.shard, bytes)
    }

    fn append_command(&mut self, to: Shard, bytes: &[u8]) -> Result<(), AppendFault> {
        self.append(Source::Commands, to, bytes)
    }

    fn writer_is_lost(&self) -> bool {
        self.producer.failed.get()
    }

    fn renew_writer(&mut self) -> Result<(), KafkaFault> {
        if self.current.borrow().failed.get() {
            *self.current.borrow_mut() = Rc::default();
        }
        self.producer = self.current.borrow().clone();
        Ok(())
    }
}

struct MemoryClock {
    cluster: Shared<Cluster>,
    ids: Rc<Cell<u128>>,
    /// How far this machine's clock is ahead of the broker's.
    ahead: u64,
}

impl Clock for MemoryClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.cluster.borrow().time + self.ahead)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.cluster.borrow().time - START)
    }

    fn command_id(&mut self) -> CommandId {
        self.ids.set(self.ids.get() + 1);
        CommandId(self.ids.get())
    }
}

/// Snapshots by sequence. They survive their process.
type Snapshots = Shared<BTreeMap<u64, Vec<u8>>>;

struct MemoryShelf(Snapshots);

impl Shelf for MemoryShelf {
    fn list(&mut self) -> Result<Vec<u64>, ShelfFault> {
        Ok(self.0.borrow().keys().rev().copied().collect())
    }

    fn get(&mut self, sequence: u64) -> Result<Vec<u8>, ShelfFault> {
        self.0.borrow().get(&sequence).cloned().ok_or_else(|| ShelfFault("gone".into()))
    }

    fn put(&mut self, sequence: u64, bytes: Vec<u8>) {
        let mut snapshots = self.0.borrow_mut();
        snapshots.insert(sequence, bytes);
        if snapshots.len() > 3 {
            snapshots.pop_first();
        }
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn finish(&mut self) {}
}

type Loop = ShardLoop<MemoryLog, MemoryClock, MemoryShelf>;

struct Process {
    producer: Current,
    shards: Vec<(Loop, Control)>,
}

struct Simulation {
    random: Random,
    map: ShardMap,
    world: World,
    cluster: Shared<Cluster>,
    ids: Rc<Cell<u128>>,
    shelves: Vec<Vec<Snapshots>>,
    processes: Vec<Process>,
    /// What dead or broken producers still may write.
    late: Vec<Queue>,
    engines: u128,
    faults: BTreeMap<&'static str, u32>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let map = ShardMap::new(SHARDS).unwrap();
        let cluster = Rc::new(RefCell::new(Cluster { time: START, ..Cluster::default() }));
        let shelves = (0..PROCESSES).map(|_| (0..SHARDS).map(|_| Shared::default()).collect()).collect();
        let mut simulation = Self {
            random: Random(seed),
            map,
            world: World::new(map, Timestamp(START + 3_000)),
            cluster,
            ids: Rc::new(Cell::new(1 << 64)),
            shelves,
            processes: Vec::new(),
            late: Vec::new(),
            engines: 0,
            faults: BTreeMap::new(),
        };
        simulation.processes = (0..PROCESSES).map(|slot| simulation.process(slot)).collect();
        simulation.world.opening().into_iter().for_each(|command| simulation.ask(command));
        simulation
    }

    fn process(&mut self, slot: usize) -> Process {
        self.engines += 1;
        let (engine, producer, ahead) = (EngineId(self.engines), Current::default(), self.random.below(100));
        let shards = Shard::all(SHARDS).map(|shard| {
            let log = MemoryLog {
                shard,
                cluster: self.cluster.clone(),
                current: producer.clone(),
                producer: producer.borrow().clone(),
                random: Random(self.random.next()),
                events: 0,
                commands: None,
            };
            let clock = MemoryClock { cluster: self.cluster.clone(), ids: self.ids.clone(), ahead };
            let shelf = MemoryShelf(self.shelves[slot][shard.index()].clone());
            let pulse = Liveness::new().watch("shard", Duration::MAX);
            let control = Control::new(Readiness::new().part("shard"), pulse);
            let pace = Pace::new(50, Duration::from_secs(1));
            let mut shard_loop = Loop::new((shard, self.map), engine, (log, clock, shelf), control.clone(), pace);
            shard_loop.start().unwrap();
            (shard_loop, control)
        });
        let shards = shards.collect();
        Process { producer, shards }
    }

    fn ask(&mut self, command: schemas::Command) {
        self.ids.set(self.ids.get() + 1);
        let (shard, id) = (entry_shard(self.map, &command), CommandId(self.ids.get()));
        self.cluster.borrow_mut().append(Source::Commands, shard, CommandRecord { id, command }.encode());
    }

    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.random.below(below as u64)).unwrap()
    }

    /// Anything that can happen.
    fn step(&mut self) {
        match self.random.below(1_000) {
            0..700 => self.step_shard(),
            700..850 => self.write(),
            850..900 => self.write_late(),
            900..950 => {
                let command = self.world.any(&mut self.random);
                self.ask(command);
            }
            950..980 => self.cluster.borrow_mut().time += self.random.below(30),
            980..990 => self.assign(),
            990..995 => self.fault("process killed", Self::kill),
            995..998 => self.fault("writer broken", Self::break_writer),
            _ => self.fault("snapshot rotten", Self::rot),
        }
    }

    fn fault(&mut self, name: &'static str, happen: impl FnOnce(&mut Self)) {
        *self.faults.entry(name).or_default() += 1;
        happen(self);
    }

    fn step_shard(&mut self) {
        let (process, shard) = (self.pick(PROCESSES), self.pick(usize::from(SHARDS)));
        for _ in 0..5 {
            self.processes[process].shards[shard].0.step().unwrap();
        }
    }

    /// Some of what a producer was given reaches the log.
    fn write(&mut self) {
        let (process, mut left) = (self.pick(PROCESSES), self.random.below(20));
        let producer = self.processes[process].producer.borrow().clone();
        while left > 0 && self.write_one(&mut producer.queue.borrow_mut()) {
            left -= 1;
        }
    }

    fn write_one(&self, queue: &mut Queue) -> bool {
        let Some((source, shard, bytes)) = queue.pop_front() else { return false };
        self.cluster.borrow_mut().append(source, shard, bytes);
        true
    }

    /// Some of what a dead or broken producer had sent arrives after all; the rest never does.
    fn write_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let which = self.pick(self.late.len());
        let mut queue = self.late.swap_remove(which);
        for _ in 0..self.random.below(10) {
            self.write_one(&mut queue);
        }
    }

    /// The group decides; now and then it gives a shard to two, or to nobody.
    fn assign(&mut self) {
        let (process, shard) = (self.pick(PROCESSES), self.pick(usize::from(SHARDS)));
        let leave_others = self.random.below(4) == 0;
        for (slot, process_of) in self.processes.iter().enumerate() {
            if slot == process || !leave_others {
                process_of.shards[shard].1.want_lead(slot == process);
            }
        }
    }

    fn kill(&mut self) {
        let slot = self.pick(PROCESSES);
        let queue = self.processes[slot].producer.borrow().queue.take();
        self.late.push(queue);
        self.processes[slot] = self.process(slot);
    }

    fn break_writer(&mut self) {
        let slot = self.pick(PROCESSES);
        let producer = self.processes[slot].producer.borrow().clone();
        producer.failed.set(true);
        self.late.push(producer.queue.take());
    }

    fn rot(&mut self) {
        let (process, shard) = (self.pick(PROCESSES), self.pick(usize::from(SHARDS)));
        if let Some(mut newest) = self.shelves[process][shard].borrow_mut().last_entry() {
            let middle = newest.get().len() / 2;
            newest.get_mut()[middle] ^= 1;
        }
    }

    /// No more faults: everything asked gets its outcome, every message arrives and is forgotten.
    fn settle(&mut self) -> Audit {
        self.late.clear();
        for process in 0..PROCESSES {
            for (shard, (_, control)) in self.processes[process].shards.iter().enumerate() {
                control.want_lead(shard % PROCESSES == process);
            }
        }
        for _ in 0..5_000 {
            for process in 0..PROCESSES {
                for shard in 0..usize::from(SHARDS) {
                    (0..20).for_each(|_| self.processes[process].shards[shard].0.step().unwrap());
                }
                let producer = self.processes[process].producer.borrow().clone();
                while self.write_one(&mut producer.queue.borrow_mut()) {}
            }
            self.cluster.borrow_mut().time += 10;
            if let Some(audit) = self.settled() {
                return audit;
            }
        }
        panic!("not settled: {:?}", self.roles());
    }

    fn settled(&self) -> Option<Audit> {
        let led = |shard: usize| self.processes.iter().any(|process| process.shards[shard].1.role() == Role::Leading);
        if !(0..usize::from(SHARDS)).all(led) {
            return None;
        }
        let (mut audit, cluster) = (Audit::new(), self.cluster.borrow());
        for shard in Shard::all(SHARDS) {
            for (offset, (_, bytes)) in (0..).zip(cluster.records(Source::Events, shard)) {
                audit.read(shard, offset, bytes);
            }
        }
        let done =
            |shard: Shard| audit.position(shard).next_command == cluster.records(Source::Commands, shard).len() as u64;
        (Shard::all(SHARDS).all(done) && audit.is_settled()).then_some(audit)
    }

    fn roles(&self) -> Vec<Vec<Role>> {
        self.processes
            .iter()
            .map(|process| process.shards.iter().map(|(_, control)| control.role()).collect())
            .collect()
    }

    fn check(&self, audit: &Audit) {
        audit.assert_invariants();
        for shard in Shard::all(SHARDS) {
            let cluster = self.cluster.borrow();
            let commands = cluster.records(Source::Commands, shard).iter();
            let ids = commands.map(|(_, bytes)| CommandRecord::decode(bytes).unwrap().id);
            let expected: Vec<_> = (0..).zip(ids).collect();
            assert!(audit.causes[shard.index()] == expected, "each command of shard {shard} has one outcome, in order");
        }
    }
}

#[test]
fn whatever_happens_each_command_counts_once() {
    let (mut faults, mut totals) = (BTreeMap::new(), [0_u64; 5]);
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut simulation = Simulation::new(seed);
            (0..STEPS).for_each(|_| simulation.step());
            let audit = simulation.settle();
            simulation.check(&audit);
            (simulation.faults, audit)
        });
        let (found, audit) = outcome.unwrap_or_else(|_| panic!("seed {seed}: see above"));
        found.into_iter().for_each(|(name, count)| *faults.entry(name).or_insert(0) += count);
        let outcomes = audit.causes.iter().map(|causes| causes.len() as u64).sum();
        let terms = audit.terms.iter().map(|terms| terms.len() as u64).sum();
        let seen = [outcomes, terms, audit.ignored, audit.trades, audit.messages()];
        totals.iter_mut().zip(seen).for_each(|(total, seen)| *total += seen);
    }
    let [outcomes, terms, ignored, trades, messages] = totals;
    println!(
        "{SEEDS} seeds: {outcomes} outcomes, {terms} terms, {ignored} records of stale writers, {trades} trades, \
         {messages} messages; {faults:?}"
    );
    assert!(terms > 1_000 && ignored > 1_000 && trades > 1_000 && messages > 1_000, "the simulation is not idle");
}
