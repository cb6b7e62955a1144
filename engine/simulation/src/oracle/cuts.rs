//! Checks, after everything else, that a damaged log is not led: while no engine runs, the log of a
//! shard loses its end, and may grow again. Whichever snapshots an engine has, it halts that shard,
//! leads nothing, and writes nothing.

use engine::shard::HaltCause;
use engine_core::{Halt, Replica};
use schemas::reading::{BrokenLog, RecordFault};
use schemas::{Command, CommandRecord, Shard, Term};

use crate::builds::NEXT;
use crate::cluster::{Cluster, PartitionTopic};
use crate::seen::Seen;
use crate::simulation::Simulation;

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// Outcomes are missing.
    Events,
    /// Outcomes are missing, and the log is longer than it ever was.
    EventsRegrown,
    /// Commands that have outcomes are missing.
    Commands,
    /// Commands that have outcomes are missing, and there are more than there ever were.
    CommandsRegrown,
}

const DAMAGES: [Damage; 4] = [Damage::Events, Damage::EventsRegrown, Damage::Commands, Damage::CommandsRegrown];

/// Panics if a loop leads a shard whose log is damaged. The log cannot be used afterwards.
pub fn check(simulation: &mut Simulation) {
    let (damage, shard) = (*simulation.random.pick(&DAMAGES), simulation.any_shard());
    let cluster = simulation.cluster.clone();
    if cluster.committed(shard) == 0 {
        return;
    }
    cluster.note(format_args!("{damage:?} of shard {shard}"));
    match damage {
        Damage::Events => cut_events(simulation, shard),
        Damage::EventsRegrown => {
            let end = cluster.end(PartitionTopic::Events, shard);
            let term = cluster.first_term(shard).expect("it was led");
            cut_events(simulation, shard);
            while cluster.end(PartitionTopic::Events, shard) <= end {
                let term = Term { attempt: simulation.random.next(), ..term };
                cluster.append(PartitionTopic::Events, shard, term.encode().into());
            }
        }
        Damage::Commands => {
            let left = simulation.random.below(cluster.committed(shard));
            cluster.cut(PartitionTopic::Commands, shard, left);
        }
        Damage::CommandsRegrown => {
            let end = cluster.end(PartitionTopic::Commands, shard);
            cluster.cut(PartitionTopic::Commands, shard, 0);
            while cluster.end(PartitionTopic::Commands, shard) <= end {
                let id = cluster.command_id();
                let record = CommandRecord::new(id, Command::AdvanceTime);
                cluster.append(PartitionTopic::Commands, shard, record.encode().into());
            }
        }
    }
    for slot in 0..simulation.processes.len() {
        let before = cluster.end(PartitionTopic::Events, shard);
        let fatal = halts(simulation, slot, shard);
        cluster.note(format_args!("process {slot} halts: {fatal}"));
        let (seen, terms) = match (damage, &fatal) {
            (Damage::Events, HaltCause::LogCut { .. }) => (Seen::LogCutFound, 0),
            (Damage::Events | Damage::EventsRegrown, HaltCause::OutcomesGone { .. }) => (Seen::OutcomesGoneFound, 0),
            (
                Damage::EventsRegrown,
                HaltCause::Halt(Halt::Broken(BrokenLog { fault: RecordFault::OtherLog(_), .. })),
            ) => (Seen::OtherLogFound, 0),
            (Damage::Commands, HaltCause::CommandsCut { .. }) => (Seen::CommandsCutFound, 0),
            // It reads no commands before it leads.
            (Damage::CommandsRegrown, HaltCause::OtherCommands { .. }) => (Seen::OtherCommandsFound, 1),
            _ => panic!("{damage:?} of shard {shard}: process {slot} halts for another reason: {fatal}"),
        };
        cluster.saw(seen);
        let written = cluster.end(PartitionTopic::Events, shard) - before;
        assert!(written == terms, "{damage:?} of shard {shard}: process {slot} wrote {written} records");
    }
}

/// Cuts at any offset before the last outcome that a leader has committed.
fn cut_events(simulation: &mut Simulation, shard: Shard) {
    let (cluster, mut replica) = (&simulation.cluster, Replica::new(shard, simulation.cluster.map).knowing(NEXT));
    let committed = cluster.committed(shard);
    let lost = (0..cluster.end(PartitionTopic::Events, shard)).find(|&offset| {
        read(cluster, &mut replica, offset);
        replica.next_command() >= committed
    });
    let last = lost.expect("what a leader has committed has an outcome");
    let end = simulation.random.below(last + 1);
    cluster.cut(PartitionTopic::Events, shard, end);
}

fn read(cluster: &Cluster, replica: &mut Replica, offset: u64) {
    let (_, bytes) =
        cluster.record(PartitionTopic::Events, replica.state().shard(), offset).expect("it is before the end");
    replica.read(offset, &bytes).unwrap_or_else(|halt| panic!("the log of the run is sound: {halt}"));
}

/// Returns why a loop that is requested to lead halts.
fn halts(simulation: &mut Simulation, slot: usize, shard: Shard) -> HaltCause {
    let (mut hosted, writer) = simulation.open(slot, shard);
    let cluster = &simulation.cluster;
    hosted.control.want_lead(true);
    // Each step reads a record; some more for what follows.
    let steps = cluster.end(PartitionTopic::Events, shard) + 100;
    let stepped = hosted.start().err().or_else(|| {
        (0..steps).find_map(|_| {
            let stepped = hosted.step().err();
            writer.current().deliver(cluster, &mut simulation.random, u64::MAX);
            stepped
        })
    });
    stepped.unwrap_or_else(|| panic!("shard {shard}: {} as if its log were whole", hosted.control.role()))
}
