//! One run: all its processes, and the scheduler, which makes one small step after the other as the
//! seed decides.

use std::rc::Rc;

use schemas::limits::{DEPOSIT_PROPOSAL_MS, PURSE_REST_MS, PURSE_STEP_MS};
use schemas::{EngineId, PartId, PartKind, Program, Shard};

use crate::builds::NEWER;
use crate::clients::Clients;
use crate::cluster::Cluster;
use crate::cluster::snapshot_store::SnapshotArchive;
use crate::cluster::writer::{LateRecords, SimulatedWriter};
use crate::identity::Identity;
use crate::oracle::agreement::Agreement;
use crate::plan::{OCCASIONS, SCHEDULED};
use crate::process::{Hosted, ProcessSnapshots, SimulatedProcess};
use crate::projection::Projection;
use crate::random::Random;
use crate::seen::Seen;

/// The maximum number of loop steps in a row.
const BURST: u64 = 40;

/// Milliseconds after which an unchanged purse returns its free credits.
pub(crate) const REST: u64 = PURSE_REST_MS + PURSE_STEP_MS;

/// The component id of the projections; each later build has the next number.
const PROJECTIONS: u128 = 1 << 100;

pub struct Simulation {
    pub cluster: Rc<Cluster>,
    pub(crate) random: Random,
    pub(crate) processes: Vec<SimulatedProcess>,
    /// The build of each process's successor.
    pub(crate) programs: Vec<Program>,
    /// Represents all processes of projections.
    pub(crate) projecting: Identity,
    stores: Vec<ProcessSnapshots>,
    pub archives: Vec<SnapshotArchive>,
    /// Before this time no process is requested to lead a shard.
    pub(crate) down_until: Vec<u64>,
    /// Records that dead or broken writers may still write.
    pub(crate) late: Vec<LateRecords>,
    pub clients: Clients,
    pub projections: Vec<Projection>,
    pub agreement: Agreement,
    engines: u128,
    leapt_far: bool,
}

impl Simulation {
    /// Returns a run with a log that has only the clients' first commands, and processes that just
    /// started.
    pub fn new(cluster: &Rc<Cluster>, mut random: Random) -> Self {
        let plan = &cluster.plan;
        let store = || cluster.shards().map(|_| Rc::default()).collect::<ProcessSnapshots>();
        let shared = store();
        let stores = (0..plan.processes).map(|_| if plan.one_store { shared.clone() } else { store() });
        let mut simulation = Self {
            clients: Clients::new(cluster.clone(), random.fork()),
            projections: cluster.shards().map(|shard| Projection::new(shard, cluster.clone())).collect(),
            programs: vec![plan.program; plan.processes],
            projecting: Identity::new(cluster, plan.program, PartId(PROJECTIONS), PartKind::Projections),
            stores: stores.collect(),
            archives: cluster.shards().map(|_| SnapshotArchive::default()).collect(),
            processes: Vec::new(),
            down_until: cluster.shards().map(|_| 0).collect(),
            late: Vec::new(),
            agreement: Agreement::default(),
            engines: 0,
            leapt_far: false,
            random,
            cluster: cluster.clone(),
        };
        for slot in 0..plan.processes {
            let process = simulation.start(slot);
            simulation.processes.push(process);
        }
        cluster.shards().for_each(|shard| simulation.assign(shard.index(), true));
        simulation
    }

    pub(crate) fn start(&mut self, slot: usize) -> SimulatedProcess {
        self.engines += 1;
        let identity = (slot, EngineId(self.engines), self.programs[slot]);
        SimulatedProcess::start(&self.cluster, identity, (&self.stores[slot], &self.archives), &mut self.random)
    }

    /// Returns a loop of one shard, as a process in this slot has it before it starts.
    pub(crate) fn open(&mut self, slot: usize, shard: Shard) -> (Hosted, SimulatedWriter) {
        self.engines += 1;
        let writer = SimulatedWriter::default();
        let identity = (EngineId(self.engines), NEWER, writer.clone(), 0);
        let hosted =
            Hosted::open(&self.cluster, shard, identity, (&self.stores[slot], &self.archives), &mut self.random);
        (hosted, writer)
    }

    /// Replaces a component with one of this build: a process in an orderly way, projections and
    /// gateways at once.
    pub(crate) fn replace(&mut self, part: usize, program: Program) {
        self.cluster.note(format_args!("part {part} is to be build {}", program.build));
        match part.checked_sub(self.processes.len()) {
            None => {
                self.programs[part] = program;
                self.processes[part].stop(&self.cluster);
            }
            Some(0) => {
                self.projecting.leave(&self.cluster);
                self.engines += 1;
                let id = PartId(PROJECTIONS + self.engines);
                self.projecting = Identity::new(&self.cluster, program, id, PartKind::Projections);
                self.projections.iter_mut().for_each(Projection::crash);
            }
            Some(_) => self.clients.gateway.replace(program),
        }
    }

    /// Makes one small step: a fault, or some work.
    pub fn step(&mut self) {
        let mut luck = self.random.below(OCCASIONS);
        for &(fault, _) in SCHEDULED {
            let rate = self.cluster.plan.rate(fault);
            if luck < rate {
                return self.strike(fault);
            }
            luck -= rate;
        }
        self.work();
    }

    fn work(&mut self) {
        match self.random.below(100) {
            0..52 => self.run_a_loop(),
            52..66 => self.write(),
            66..69 => self.write_late(),
            69..73 => self.complete_a_snapshot(),
            73..83 => (0..=self.random.below(6)).for_each(|_| self.clients.act()),
            83..88 => {
                let (shard, most) = (self.any_shard(), self.random.below(60));
                self.clients.hear(shard, most);
            }
            88..93 => self.project(),
            93..98 => self.pass_time(),
            98 => {
                // An operator sometimes checks for halted components.
                if self.random.one_in(4) {
                    self.install();
                }
                let (shard, alone) = (self.any_shard().index(), self.random.below(4) > 0);
                self.assign(shard, alone);
            }
            _ => self.compare(),
        }
    }

    pub(crate) fn any_shard(&mut self) -> Shard {
        let shards: Vec<_> = self.cluster.shards().collect();
        *self.random.pick(&shards)
    }

    pub(crate) fn any_process(&mut self) -> usize {
        self.random.index(self.processes.len())
    }

    fn is_frozen(&self, slot: usize) -> bool {
        self.processes[slot].frozen_until > self.cluster.now()
    }

    fn run_a_loop(&mut self) {
        let (slot, shard, steps) = (self.any_process(), self.any_shard().index(), 1 + self.random.below(BURST));
        if !self.is_frozen(slot) {
            (0..steps).for_each(|_| self.processes[slot].step(&self.cluster, shard));
            self.replace_if_ended(slot);
        }
    }

    /// Delivers some of the writers' records to the log.
    fn write(&mut self) {
        let (slot, most) = (self.any_process(), 1 + self.random.below(20));
        if !self.is_frozen(slot) {
            self.processes[slot].writer.current().deliver(&self.cluster, &mut self.random, most);
        }
    }

    fn write_late(&mut self) {
        if !self.late.is_empty() {
            let (which, most) = (self.random.index(self.late.len()), self.random.index(10));
            self.late[which].arrive(&self.cluster, most);
            self.late.retain(|late| !late.is_over());
        }
    }

    fn complete_a_snapshot(&mut self) {
        let (slot, shard) = (self.any_process(), self.any_shard().index());
        self.processes[slot].hosted[shard].complete_snapshot(&self.cluster);
    }

    fn project(&mut self) {
        let shard = self.any_shard();
        self.projecting.announce(&self.cluster, shard);
        let (shard, most) = (shard.index(), self.random.below(30));
        self.projections[shard].read(&self.projecting, most, &mut self.random);
        if self.random.one_in(2) {
            self.cluster.saw(Seen::BatchCommitted);
            self.projections[shard].commit();
        }
    }

    fn pass_time(&mut self) {
        if self.cluster.plan.leaps && self.random.one_in(100) {
            self.cluster.saw(Seen::TimeLeapt);
            // Once so far that proposed deposits expire, but never so far that client ids are
            // forgotten.
            let far = !self.leapt_far && self.random.one_in(3);
            self.leapt_far |= far;
            return self.cluster.pass(if far { DEPOSIT_PROPOSAL_MS } else { REST });
        }
        let long = self.random.one_in(60);
        let milliseconds = self.random.below(if long { 20_000 } else { self.cluster.plan.tick });
        self.cluster.pass(milliseconds);
    }

    /// Assigns a shard to a process, as the consumer group would; unless `alone`, earlier
    /// assignments remain.
    pub(crate) fn assign(&mut self, shard: usize, alone: bool) {
        let slot = self.any_process();
        self.assign_to(slot, shard, alone);
    }

    pub(crate) fn assign_to(&mut self, slot: usize, shard: usize, alone: bool) {
        if self.cluster.now() < self.down_until[shard] {
            return;
        }
        self.cluster
            .note(format_args!("shard {shard} is given to process {slot}, {}", if alone { "alone" } else { "too" }));
        // The previous leader gives up at once, as when it leaves the group, or continues until it
        // is deposed.
        let goes_on = self.random.one_in(2);
        for (other, process) in self.processes.iter().enumerate() {
            if other == slot {
                process.want_lead(shard, true);
            } else if alone && goes_on {
                process.want_successor(shard);
            } else if alone {
                process.want_lead(shard, false);
            }
        }
    }

    /// Compares a replica with others at the same position.
    fn compare(&mut self) {
        let (slot, shard) = (self.any_process(), self.any_shard().index());
        self.agreement.compare(self.processes[slot].hosted[shard].replica());
    }
}
