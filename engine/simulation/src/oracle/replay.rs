//! Replays the log from the beginning, all shards together in the order of the broker's appends. So
//! every moment is a cut that really occurred, and I-1 must hold at each.

use std::collections::BTreeMap;

use engine_core::{Invariant, OwnRecord, Replica, Sums};
use schemas::{Credits, Event, Outcome, Shard};

use super::rooms::Rooms;
use super::{groups, instructions};
use crate::builds::NEXT;
use crate::cluster::{Cluster, PartitionTopic, snapshot_store};
use crate::simulation::Simulation;

/// The number of outcomes between two checks of all books.
const LOOK_EVERY: usize = 40;

/// Panics unless the invariants hold at cuts of the logs, and every replica and snapshot equals the
/// state of the log. `finals` are the state hashes at the end.
pub fn check(simulation: &mut Simulation, finals: &[[u8; 32]]) {
    let cluster = simulation.cluster.clone();
    let mut replicas: Vec<_> = cluster.shards().map(|shard| Replica::new(shard, cluster.map).knowing(NEXT)).collect();
    let (mut balance, mut rooms) = (Balance::new(&replicas), Rooms::new(cluster.map));
    for (count, (shard, offset)) in in_order(&cluster).into_iter().enumerate() {
        let replica = &mut replicas[shard.index()];
        let outcome = read(&cluster, replica, offset);
        let sequence = replica.position().sequence;
        if simulation.agreement.knows(shard, sequence) {
            simulation.agreement.compare(replica);
        }
        check_snapshot(simulation, replica, shard, sequence);
        if let Some(outcome) = outcome {
            balance.check(shard, &outcome, &replicas);
            rooms.check(&outcome, &replicas);
        }
        if count.is_multiple_of(LOOK_EVERY) {
            assert_all(&replicas);
        }
    }
    assert_all(&replicas);
    instructions::check_frozen(replicas.iter().map(Replica::state));
    groups::check_agreed(replicas.iter().map(Replica::state));
    simulation
        .projections
        .iter()
        .zip(&replicas)
        .for_each(|(tables, replica)| tables.assert_purses_are(replica.state()));
    for (replica, expected) in replicas.iter().zip(finals) {
        let shard = replica.state().shard();
        assert!(replica.state().digest() == *expected, "shard {shard}: the log's state is not the undisturbed one");
        simulation.agreement.compare(replica);
    }
    check_processes(simulation, &replicas);
}

/// Returns shard and offset of all events, in the order of the appends.
fn in_order(cluster: &Cluster) -> Vec<(Shard, u64)> {
    let mut all = BTreeMap::new();
    for shard in cluster.shards() {
        for (offset, stored) in (0..).zip(&*cluster.partition(PartitionTopic::Events, shard)) {
            all.insert(stored.order, (shard, offset));
        }
    }
    all.into_values().collect()
}

/// Reads a record and returns its outcome, if it counts.
fn read(cluster: &Cluster, replica: &mut Replica, offset: u64) -> Option<Outcome> {
    let (_, bytes) =
        cluster.record(PartitionTopic::Events, replica.state().shard(), offset).expect("the offset is in the log");
    match replica.read(offset, &bytes).unwrap_or_else(|halt| panic!("{halt}")) {
        OwnRecord::Followed(outcome) => Some(outcome),
        _ => None,
    }
}

/// I-1, after every outcome. Each shard's sum is recomputed when it may have changed.
struct Balance(Vec<Sums>);

impl Balance {
    fn new(replicas: &[Replica]) -> Self {
        Self(replicas.iter().map(|replica| sums(replica, replicas)).collect())
    }

    fn check(&mut self, shard: Shard, outcome: &Outcome, replicas: &[Replica]) {
        let senders = outcome.events.iter().filter_map(|event| match event {
            Event::Received { from, .. } => Some(*from),
            _ => None,
        });
        for changed in senders.chain([shard]) {
            self.0[changed.index()] = sums(&replicas[changed.index()], replicas);
        }
        let all = self.0.iter().fold(Sums::default(), |all, sums| all + *sums);
        assert!(all.balance() == Credits::ZERO, "{}: {all:?}", Invariant::CreditsAreConserved);
    }
}

fn sums(replica: &Replica, replicas: &[Replica]) -> Sums {
    let from = replica.state().shard();
    replica.sums(|to| replicas[to.index()].state().received_from(from))
}

/// Checks the invariants of each single shard.
fn assert_all(replicas: &[Replica]) {
    replicas.iter().for_each(|replica| replica.state().assert_all());
}

/// Checks that a snapshot taken here equals the state of the log.
fn check_snapshot(simulation: &Simulation, replica: &Replica, shard: Shard, sequence: u64) {
    if let Some(bytes) = simulation.archives[shard.index()].borrow().get(&sequence) {
        let restored = restore(simulation, shard, bytes);
        let same = restored.state().digest() == replica.state().digest();
        assert!(same, "the snapshot of shard {shard} at {sequence} is another state than the log's");
        // One was hashed event by event, the other as a whole.
        let (by_events, as_a_whole) = (replica.state().clone().hash(), restored.state().clone().hash());
        assert_eq!(by_events, as_a_whole, "state hash of shard {shard} at {sequence}");
        assert_eq!(restored.position().chain, replica.position().chain, "chain of shard {shard}'s snapshot {sequence}");
    }
}

fn restore(simulation: &Simulation, shard: Shard, bytes: &[u8]) -> Replica {
    snapshot_store::restore(&simulation.cluster, shard, bytes)
        .unwrap_or_else(|error| panic!("a whole snapshot of shard {shard} cannot be restored: {error}"))
}

/// Checks that all processes agree with the log, and so does a recovery from every snapshot that
/// they keep.
fn check_processes(simulation: &mut Simulation, replicas: &[Replica]) {
    let Simulation { processes, agreement, .. } = &mut *simulation;
    for hosted in processes.iter().flat_map(|process| &process.hosted).filter(|hosted| !hosted.is_absent()) {
        let expected = replicas[hosted.shard.index()].position();
        let found = hosted.replica().position();
        assert_eq!(
            (found.sequence, found.chain),
            (expected.sequence, expected.chain),
            "position of shard {}",
            hosted.shard
        );
        agreement.compare(hosted.replica());
    }
    let simulation = &*simulation;
    for hosted in simulation.processes.iter().flat_map(|process| &process.hosted) {
        for (sequence, bytes) in hosted.cabinet.whole() {
            let mut restored = restore(simulation, hosted.shard, &bytes);
            let end = simulation.cluster.end(PartitionTopic::Events, hosted.shard);
            for offset in restored.next_offset()..end {
                read(&simulation.cluster, &mut restored, offset);
            }
            let same = restored.state().digest() == replicas[hosted.shard.index()].state().digest();
            assert!(same, "recovery of shard {} from the snapshot at {sequence} differs from the log", hosted.shard);
        }
    }
}
