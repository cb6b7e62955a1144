//! Faults that occur by themselves. (Faults that affect another operation are implemented there.)

use std::rc::Rc;

use schemas::codec::VERSION;
use schemas::limits::PARKED_MAX_MS;
use schemas::{Command, CommandRecord, EngineId, Program, Shard, Term, frame};

use crate::builds::{NEWER, OLDER};
use crate::clients::commands;
use crate::cluster::PartitionTopic;
use crate::seen::Seen;
use crate::simulation::Simulation;

impl Simulation {
    /// Injects a fault, if there is anything that it can affect.
    pub(crate) fn strike(&mut self, fault: Seen) {
        let (slot, shard) = (self.any_process(), self.any_shard());
        let index = shard.index();
        self.cluster.note(format_args!("{} (process {slot}, shard {shard})", fault.name()));
        let (now, long, few) = (self.cluster.now(), self.random.below(4_000), self.random.below(20));
        let cabinet = self.processes[slot].hosted[index].cabinet.clone();
        let tap = self.processes[slot].hosted[index].tap.clone();
        let happened = match fault {
            Seen::ProcessKilled => self.kill(slot),
            Seen::AllKilled => (0..self.processes.len()).all(|slot| self.kill(slot)),
            Seen::ProcessStopped => self.processes[slot].stop(&self.cluster),
            Seen::PartUpgraded => self.replace_any(NEWER),
            Seen::PartDowngraded => self.replace_any(OLDER),
            Seen::RaiseAsked => {
                self.clients.raise();
                true
            }
            Seen::ProcessFrozen => set(&mut self.processes[slot].frozen_until, now + long),
            Seen::LeadShared => self.share_lead(shard),
            Seen::LeadWithdrawn => self.withdraw_lead(index),
            Seen::ShardDown => self.take_down(shard),
            Seen::StrangerTerm => self.claim(shard),
            Seen::WriterBroken => self.break_writer(slot),
            Seen::CopyRepeated => self.repeat_copy(shard),
            Seen::LaterBuild => self.write_later(shard),
            Seen::Garbage => self.throw_garbage(shard),
            Seen::EventsStalled => tap.stalled_until.replace(now + long) < now,
            Seen::ReadAgain => tap.go_back.replace(few) == 0 && few > 0,
            Seen::BrokerClockBack => {
                self.cluster.set_broker_behind(if self.random.one_in(3) { 0 } else { long });
                true
            }
            Seen::SnapshotFlipped => cabinet.flip(&mut self.random),
            Seen::SnapshotTruncated => cabinet.truncate(&mut self.random),
            Seen::SnapshotsGone => cabinet.clear(),
            Seen::SnapshotOld => cabinet.replace(&self.archives[index], &mut self.random),
            Seen::ProjectionCrashed => {
                self.projections[index].crash();
                true
            }
            Seen::GatewayCrashed => {
                self.clients.gateway.crash();
                true
            }
            other => unreachable!("{} does not come of itself", other.name()),
        };
        if happened {
            self.cluster.saw(fault);
        }
    }

    /// Starts another process in place of one that ended.
    pub(crate) fn replace_if_ended(&mut self, slot: usize) {
        if self.processes[slot].has_ended() {
            self.cluster.note(format_args!("process {slot} has ended"));
            // Its writer had written everything: it drained before it left.
            let writer = self.processes[slot].writer.current();
            while !writer.is_idle() && !writer.has_failed() {
                writer.deliver(&self.cluster, &mut self.random, u64::MAX);
            }
            self.processes[slot] = self.start(slot);
        }
    }

    /// Replaces a process, the projections or the gateways.
    fn replace_any(&mut self, program: Program) -> bool {
        let part = self.random.index(self.processes.len() + 2);
        self.replace(part, program);
        true
    }

    fn kill(&mut self, slot: usize) -> bool {
        let late = self.processes[slot].kill(&self.cluster, &mut self.random);
        self.late.extend(late);
        self.processes[slot] = self.start(slot);
        true
    }

    fn break_writer(&mut self, slot: usize) -> bool {
        let generation = self.processes[slot].writer.current();
        if generation.has_failed() {
            return false;
        }
        let late = generation.fail(&self.cluster, &mut self.random);
        self.late.extend(late);
        true
    }

    fn share_lead(&mut self, shard: Shard) -> bool {
        self.assign(shard.index(), false);
        self.assign(shard.index(), false);
        self.processes.len() > 1
    }

    fn withdraw_lead(&mut self, shard: usize) -> bool {
        self.processes.iter().for_each(|process| process.want_lead(shard, false));
        true
    }

    /// Leaves a shard without a leader for longer than any request may be parked.
    fn take_down(&mut self, shard: Shard) -> bool {
        let now = self.cluster.now();
        if now < self.down_until[shard.index()] {
            return false;
        }
        let until = now + PARKED_MAX_MS + self.random.below(PARKED_MAX_MS);
        self.down_until[shard.index()] = until;
        self.cluster.note_down(shard, now, until);
        self.withdraw_lead(shard.index())
    }

    /// Appends a term of an unknown engine, as an engine on a lost machine might.
    fn claim(&mut self, shard: Shard) -> bool {
        let Some(first) = self.cluster.first_term(shard) else { return false };
        let term = Term { engine: EngineId(u128::MAX), attempt: self.random.next(), ..first };
        self.cluster.append(PartitionTopic::Events, shard, term.encode().into());
        true
    }

    /// Writes a command of an engine again: a copy that was delayed for long.
    fn repeat_copy(&mut self, shard: Shard) -> bool {
        let copies: Vec<Rc<[u8]>> = {
            let commands = self.cluster.partition(PartitionTopic::Commands, shard);
            let last = &commands[commands.len().saturating_sub(200)..];
            last.iter().map(|stored| stored.bytes.clone()).filter(|bytes| is_by_an_engine(bytes)).collect()
        };
        if copies.is_empty() {
            return false;
        }
        let copy = self.random.pick(&copies).clone();
        self.cluster.append(PartitionTopic::Commands, shard, copy);
        true
    }

    /// Writes a record of a kind that no build knows and every reader may skip.
    fn write_later(&mut self, shard: Shard) -> bool {
        let mut record = vec![VERSION];
        let kind = 1_000 + u32::try_from(self.random.below(1_000)).expect("a small number");
        frame::put(&mut record, 0, |bytes| bytes.extend_from_slice(&kind.to_le_bytes()));
        let more = self.random.below(40);
        record.extend((0..more).map(|byte| u8::try_from(byte).expect("a small number")));
        self.cluster.append(PartitionTopic::Events, shard, record.into());
        true
    }

    fn throw_garbage(&mut self, shard: Shard) -> bool {
        let garbage = commands::garbage(&mut self.random);
        self.cluster.append(PartitionTopic::Commands, shard, garbage.into());
        true
    }
}

fn set(place: &mut u64, value: u64) -> bool {
    *place = value;
    true
}

fn is_by_an_engine(bytes: &[u8]) -> bool {
    CommandRecord::decode(bytes).is_ok_and(|record| {
        matches!(
            record.command,
            Command::Receive { .. } | Command::Acknowledge { .. } | Command::AdvanceTime | Command::Announce(_)
        )
    })
}
