//! An engine process: the product's shard loops, one for each shard, with one writer for all of
//! them.

use std::rc::Rc;
use std::time::Duration;

use engine::log::Clock as _;
use engine::shard::{Control, HaltCause, ShardLoop, ShardRole};
use engine::snapshotter::{ShardSnapshots, SnapshotFault, SnapshotSchedule};
use engine_core::{Halt, Replica};
use schemas::reading::{BrokenLog, RecordFault};
use schemas::{EngineId, PartId, PartKind, Program, Shard};
use service::{Liveness, Readiness};

use crate::cluster::Cluster;
use crate::cluster::clock::{MemoryClock, SKEW_MAX};
use crate::cluster::log::{MemoryLog, Tap};
use crate::cluster::snapshot_store::{MemorySnapshotStore, PendingSnapshot, SnapshotArchive, StoredSnapshots};
use crate::cluster::writer::{LateRecords, SimulatedWriter};
use crate::identity::Identity;
use crate::random::Random;
use crate::seen::Seen;

/// The number of outcomes from one state hash to the next. A simulated shard lives for some hundred
/// outcomes, so every run has some hashes.
pub const HASH_EVERY: u64 = 16;

/// The snapshots of each shard that one process keeps: in its own stores, or in shared ones.
pub type ProcessSnapshots = Vec<Rc<StoredSnapshots>>;

pub struct SimulatedProcess {
    slot: usize,
    identity: Identity,
    pub writer: SimulatedWriter,
    is_stopping: bool,
    /// The process is frozen until this time.
    pub frozen_until: u64,
    pub hosted: Vec<Hosted>,
}

/// One shard's loop in a process.
pub struct Hosted {
    pub shard: Shard,
    shard_loop: ShardLoop<MemoryLog, MemoryClock, MemorySnapshotStore>,
    /// The snapshotter's state for the shard.
    snapshots: ShardSnapshots<MemorySnapshotStore>,
    clock: MemoryClock,
    random: Random,
    pub control: Control,
    pub tap: Rc<Tap>,
    pending: Rc<PendingSnapshot>,
    pub cabinet: Rc<StoredSnapshots>,
    archive: SnapshotArchive,
    has_ended: bool,
    /// True for an older build that met a newer one's vocabulary.
    has_halted: bool,
}

impl SimulatedProcess {
    pub fn start(
        cluster: &Rc<Cluster>,
        (slot, engine, program): (usize, EngineId, Program),
        (store, archives): (&ProcessSnapshots, &[SnapshotArchive]),
        random: &mut Random,
    ) -> Self {
        let (writer, skew) = (SimulatedWriter::default(), random.below(2 * SKEW_MAX));
        let hosted = cluster.shards().map(|shard| {
            let identity = (engine, program, writer.clone(), skew);
            let mut hosted = Hosted::open(cluster, shard, identity, (store, archives), random);
            hosted.start().unwrap_or_else(|fatal| panic!("shard {shard} of process {slot}: {fatal}"));
            hosted
        });
        let hosted = hosted.collect();
        let identity = Identity::new(cluster, program, PartId(engine.0), PartKind::Engine);
        Self { slot, identity, writer, is_stopping: false, frozen_until: 0, hosted }
    }

    /// Requests an orderly end. Returns false if that was requested before.
    pub fn stop(&mut self, cluster: &Cluster) -> bool {
        if !self.is_stopping {
            self.identity.leave(cluster);
        }
        self.hosted.iter().for_each(|hosted| hosted.control.stop(false));
        !std::mem::replace(&mut self.is_stopping, true)
    }

    /// Requests to lead a shard, or not to. A process that is ending has left the group and is not
    /// asked.
    pub fn want_lead(&self, shard: usize, lead: bool) {
        if !self.is_stopping {
            self.hosted[shard].control.want_lead(lead);
        }
    }

    /// Requests that another process should lead a shard.
    pub fn want_successor(&self, shard: usize) {
        if !self.is_stopping {
            self.hosted[shard].control.want_successor();
        }
    }

    /// Returns true if it has halted on a shard, as an older build, and was not asked to end.
    pub fn has_halted(&self) -> bool {
        !self.is_stopping && self.hosted.iter().any(|hosted| hosted.has_halted)
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Returns true once it was asked to end and did.
    pub fn has_ended(&self) -> bool {
        self.is_stopping && self.hosted.iter().all(|hosted| hosted.has_ended)
    }

    /// Makes one step of one shard's loop, as `ShardLoop::run` does, and of the snapshotter.
    pub fn step(&mut self, cluster: &Rc<Cluster>, shard: usize) {
        let slot = self.slot;
        let hosted = &mut self.hosted[shard];
        if hosted.has_ended {
            return;
        }
        if !self.is_stopping {
            self.identity.announce(cluster, hosted.shard);
        }
        if hosted.has_halted {
            hosted.has_ended = self.is_stopping;
            return;
        }
        if hosted.shard_loop.may_end() {
            hosted.write_last_snapshot(cluster, &self.writer);
            hosted.has_ended = true;
            return;
        }
        let (before, unconfirmed) = (hosted.control.role(), hosted.replica().unconfirmed());
        hosted.tap.recovered.set(false);
        hosted.tap.writer_lost.set(false);
        match hosted.shard_loop.step() {
            Ok(()) => {}
            Err(HaltCause::Halt(Halt::Broken(broken))) if before != ShardRole::Leading => {
                self.identity.halts(cluster, &broken);
                hosted.has_halted = true;
                return;
            }
            Err(fatal) => panic!("shard {shard} of process {slot}, {before}: {fatal}"),
        }
        hosted.write_snapshot(cluster, &self.writer);
        let after = hosted.control.role();
        if after == ShardRole::Leading {
            cluster.commit(hosted.shard, hosted.control.next_command());
        }
        if before != after || hosted.tap.recovered.get() {
            let sequence = hosted.replica().position().sequence;
            cluster.note(format_args!("  process {slot}, shard {shard} at {sequence}: {before} → {after}"));
            hosted.changed(cluster, before, after, unconfirmed);
        }
    }

    /// Kills the process. Records that its writer had sent may still arrive.
    pub fn kill(&mut self, cluster: &Cluster, random: &mut Random) -> Vec<LateRecords> {
        for hosted in &self.hosted {
            hosted.pending.abandon(cluster, &hosted.cabinet, random);
        }
        self.writer.current().fail(cluster, random)
    }
}

impl Hosted {
    pub fn open(
        cluster: &Rc<Cluster>,
        shard: Shard,
        (engine, program, writer, skew): (EngineId, Program, SimulatedWriter, u64),
        (store, archives): (&ProcessSnapshots, &[SnapshotArchive]),
        random: &mut Random,
    ) -> Self {
        let (tap, pending) = (Rc::<Tap>::default(), Rc::<PendingSnapshot>::default());
        let (cabinet, archive) = (store[shard.index()].clone(), archives[shard.index()].clone());
        let log = MemoryLog::new(shard, cluster.clone(), writer, tap.clone(), random.fork());
        let clock = MemoryClock { cluster: cluster.clone(), skew };
        let store = MemorySnapshotStore {
            shard,
            cluster: cluster.clone(),
            cabinet: cabinet.clone(),
            archive: archive.clone(),
            pending: pending.clone(),
        };
        let pulse = Liveness::new().watch("shard", Duration::MAX);
        let follows = !cluster.plan.absent || random.one_in(2);
        let control = Control::new(Readiness::new().part("shard"), pulse, follows);
        let schedule = SnapshotSchedule::new(cluster.plan.snapshot_every, Duration::from_secs(5));
        let snapshots = ShardSnapshots::new((shard, cluster.map), store.clone(), schedule).knowing(program.reads);
        let outside = (log, clock.clone(), store);
        let shard_loop = ShardLoop::new((shard, cluster.map), engine, outside, control.clone());
        let shard_loop = shard_loop.with_hash_every(HASH_EVERY).with_program(program);
        let shard_loop = shard_loop.with_outbox_max(cluster.plan.outbox);
        let random = random.fork();
        Self {
            shard,
            shard_loop,
            snapshots,
            clock,
            random,
            control,
            tap,
            pending,
            cabinet,
            archive,
            has_ended: false,
            has_halted: false,
        }
    }

    pub fn start(&mut self) -> Result<(), HaltCause> {
        self.shard_loop.start()
    }

    pub fn step(&mut self) -> Result<(), HaltCause> {
        self.shard_loop.step()
    }

    pub fn replica(&self) -> &Replica {
        self.shard_loop.replica()
    }

    /// Returns true if it has no state, since it neither leads nor follows.
    pub fn is_absent(&self) -> bool {
        self.control.role() == ShardRole::Absent
    }

    fn write_last_snapshot(&mut self, cluster: &Rc<Cluster>, writer: &SimulatedWriter) {
        if self.is_absent() {
            return;
        }
        let Self { shard, snapshots, clock, random, control, .. } = self;
        let open = || Ok(MemoryLog::of_snapshotter(*shard, cluster.clone(), writer.clone(), random.fork()));
        Self::check(*shard, snapshots.tend_last((control.sequence(), clock.elapsed()), open, || true));
    }

    /// Writes a snapshot as the snapshotter's thread does.
    fn write_snapshot(&mut self, cluster: &Rc<Cluster>, writer: &SimulatedWriter) {
        if matches!(self.control.role(), ShardRole::Recovering | ShardRole::Absent) {
            return;
        }
        let Self { shard, snapshots, clock, random, control, .. } = self;
        let open = || Ok(MemoryLog::of_snapshotter(*shard, cluster.clone(), writer.clone(), random.fork()));
        Self::check(*shard, snapshots.tend((control.sequence(), clock.elapsed()), open, || true));
    }

    fn check(shard: Shard, written: Result<Option<usize>, SnapshotFault>) {
        match written {
            Ok(_) | Err(SnapshotFault::Kafka(_) | SnapshotFault::Silent { .. }) => {}
            // It reads further than the loop, which will meet the same record soon.
            Err(SnapshotFault::Halt(Halt::Broken(BrokenLog { fault: RecordFault::Newer { .. }, .. }))) => {}
            Err(fault @ SnapshotFault::Halt(_)) => panic!("the snapshotter of shard {shard}: {fault}"),
        }
    }

    /// Completes the snapshot that is being written.
    pub fn complete_snapshot(&self, cluster: &Cluster) {
        self.pending.complete(cluster, &self.cabinet, &self.archive);
    }

    fn changed(&self, cluster: &Cluster, before: ShardRole, after: ShardRole, unconfirmed: usize) {
        let led = matches!(before, ShardRole::Leading | ShardRole::Resigning);
        if led && self.tap.recovered.get() {
            if self.tap.writer_lost.get() {
                cluster.saw(Seen::LeadLost);
            } else {
                cluster.saw(Seen::Deposed);
                (0..unconfirmed.min(1)).for_each(|_| cluster.saw(Seen::DeposedUnconfirmed));
            }
        } else if led && after == ShardRole::Following {
            cluster.saw(Seen::Resigned);
        }
        match (before, after) {
            (_, ShardRole::Leading) => cluster.saw(Seen::TookOver),
            (ShardRole::TakingOver, ShardRole::Following | ShardRole::Recovering) => {
                cluster.saw(Seen::TakeOverAbandoned)
            }
            (_, ShardRole::Absent) => cluster.saw(Seen::StateForgotten),
            (ShardRole::Absent, _) => cluster.saw(Seen::BegunWith),
            _ => {}
        }
    }
}
