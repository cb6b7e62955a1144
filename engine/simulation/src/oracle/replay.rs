//! The log read once more from the beginning, all shards side by side in the order of the broker's appends: so every moment of it
//! is a cut that the world saw, and I-1 must hold at each.

use std::collections::BTreeMap;

use engine_core::{Invariant, Replica, Sums};
use schemas::{Credits, Shard};

use super::in_flight;
use crate::cluster::{Cluster, Topic};
use crate::simulation::Simulation;

/// Outcomes from one look at everything to the next.
const LOOK_EVERY: usize = 40;

/// Panics unless invariants hold at cuts of the logs, and every replica and snapshot is what the log says. `finals` are the state
/// hashes at the end.
pub fn check(simulation: &mut Simulation, finals: &[[u8; 32]]) {
    let cluster = simulation.cluster.clone();
    let mut replicas: Vec<_> = cluster.shards().map(|shard| Replica::new(shard, cluster.map)).collect();
    for (count, (shard, offset)) in in_order(&cluster).into_iter().enumerate() {
        let replica = &mut replicas[shard.index()];
        read(&cluster, replica, offset);
        let sequence = replica.position().sequence;
        if simulation.agreement.knows(shard, sequence) {
            simulation.agreement.compare(replica);
        }
        check_snapshot(simulation, replica, shard, sequence);
        if count.is_multiple_of(LOOK_EVERY) {
            assert_invariants(&replicas);
        }
    }
    assert_invariants(&replicas);
    for (replica, expected) in replicas.iter().zip(finals) {
        let shard = replica.state().shard();
        assert!(replica.state().hash() == *expected, "shard {shard}: the log's state is not the undisturbed one");
        simulation.agreement.compare(replica);
    }
    check_processes(simulation, &replicas);
}

/// Shard and offset of all events, as they were appended.
fn in_order(cluster: &Cluster) -> Vec<(Shard, u64)> {
    let mut all = BTreeMap::new();
    for shard in cluster.shards() {
        for (offset, stored) in (0..).zip(&*cluster.partition(Topic::Events, shard)) {
            all.insert(stored.order, (shard, offset));
        }
    }
    all.into_values().collect()
}

fn read(cluster: &Cluster, replica: &mut Replica, offset: u64) {
    let (_, bytes) = cluster.record(Topic::Events, replica.state().shard(), offset).expect("the offset is in the log");
    replica.read(offset, &bytes).unwrap_or_else(|halt| panic!("{halt}"));
}

fn assert_invariants(replicas: &[Replica]) {
    let taken_in = |from: Shard| move |to: Shard| replicas[to.index()].state().received_from(from);
    let sums = replicas.iter().map(|replica| replica.sums(taken_in(replica.state().shard())));
    let sums = sums.fold(Sums::default(), |a, b| a + b);
    assert!(sums.balance() == Credits::ZERO, "{}: {sums:?}", Invariant::CreditsAreConserved);
    replicas.iter().for_each(|replica| replica.state().assert_all());
    in_flight::check(replicas);
}

/// A snapshot that was taken here is the state that the log comes to.
fn check_snapshot(simulation: &Simulation, replica: &Replica, shard: Shard, sequence: u64) {
    if let Some(bytes) = simulation.archives[shard.index()].borrow().get(&sequence) {
        let restored = restore(simulation, shard, bytes);
        let same = restored.state().hash() == replica.state().hash();
        assert!(same, "the snapshot of shard {shard} at {sequence} is another state than the log's");
        assert_eq!(restored.position().chain, replica.position().chain, "chain of shard {shard}'s snapshot {sequence}");
    }
}

fn restore(simulation: &Simulation, shard: Shard, bytes: &[u8]) -> Replica {
    Replica::restore(shard, simulation.cluster.map, bytes)
        .unwrap_or_else(|error| panic!("a whole snapshot of shard {shard} cannot be restored: {error}"))
}

/// All processes agree with the log, and so does a recovery from every snapshot that they keep.
fn check_processes(simulation: &mut Simulation, replicas: &[Replica]) {
    let Simulation { processes, agreement, .. } = &mut *simulation;
    for hosted in processes.iter().flat_map(|process| &process.hosted) {
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
            let end = simulation.cluster.end(Topic::Events, hosted.shard);
            for offset in restored.position().offset..end {
                read(&simulation.cluster, &mut restored, offset);
            }
            let same = restored.state().hash() == replicas[hosted.shard.index()].state().hash();
            assert!(same, "recovery of shard {} from the snapshot at {sequence} differs from the log", hosted.shard);
        }
    }
}
