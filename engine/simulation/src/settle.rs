//! The end of a run: no more faults, and everything continues until nothing is left to do.

use engine::shard::ShardRole;
use engine_core::ShardState;
use schemas::Credits;
use schemas::limits::MARKET_KEPT_MS;

use crate::builds::NEWER;
use crate::cluster::PartitionTopic;
use crate::process::SimulatedProcess;
use crate::projection::Projection;
use crate::random::Random;
use crate::simulation::{REST, Simulation};

/// The number of rounds in which everything must become idle. The longest pause of the product is a
/// minute.
const ROUNDS: u64 = 3_000;

/// The milliseconds of a round: few at first, while there is work, then more.
const SHORT: u64 = 20;
const LONG: u64 = 250;

/// The number of rounds in which ending processes have ended.
const ENDING: u64 = 100;

/// Before this round no new requests are made; then each shard gets one more command. A reader that
/// skipped the last command reveals it only when another arrives.
const PROBE: u64 = 2_000;

impl Simulation {
    /// Ends faults and continues until all is done. Panics if that never happens.
    pub fn settle(&mut self) {
        self.cluster.note(format_args!("no more faults"));
        self.cluster.calm_down();
        for mut late in std::mem::take(&mut self.late) {
            late.arrive(&self.cluster, usize::MAX);
        }
        for process in &mut self.processes {
            process.frozen_until = 0;
        }
        self.down_until.fill(0);
        // Ending processes end first, so that the leadership goes to one that stays.
        for _ in 0..ENDING {
            if self.processes.iter().any(SimulatedProcess::is_stopping) {
                self.round();
                self.cluster.pass(SHORT);
            }
        }
        self.give_all();
        self.come_to_rest();
        if self.cluster.plan.leaps {
            // What expires in the first idle period frees credits, which are returned in the
            // second.
            for _ in 0..2 {
                self.cluster.pass(REST);
                self.come_to_rest();
            }
            self.assert_all_is_at_home();
            self.archive_markets();
        }
    }

    /// Does what a halt requires: replaces a component that met a vocabulary which it does not know
    /// with one that knows it. Returns true if there was one.
    pub(crate) fn install(&mut self) -> bool {
        let mut halted: Vec<usize> = Vec::new();
        let processes = self.processes.iter().enumerate();
        halted.extend(processes.filter(|(_, process)| process.has_halted()).map(|(slot, _)| slot));
        halted.extend(self.projections.iter().any(|one| one.has_halted).then_some(self.processes.len()));
        halted.extend(self.clients.gateway.has_halted().then_some(self.processes.len() + 1));
        for part in &halted {
            self.replace(*part, NEWER);
        }
        !halted.is_empty()
    }

    /// Passes so much time after the last payout that markets are archived, which also forgets
    /// client ids: so it comes last. Other markets are listed, and shards get other leaders.
    fn archive_markets(&mut self) {
        self.clients.answer_markets();
        self.come_to_rest();
        // Dispute windows end.
        self.cluster.pass(REST);
        self.come_to_rest();
        self.cluster.pass(MARKET_KEPT_MS);
        self.come_to_rest();
        for state in self.states() {
            let settled = state.markets().find(|(_, market)| market.settled.is_some());
            assert!(settled.is_none(), "shard {}: {settled:?} is not archived", state.shard());
        }
        self.clients.list_more();
        self.cluster.shards().for_each(|shard| self.assign(shard.index(), true));
        self.come_to_rest();
    }

    fn come_to_rest(&mut self) {
        let mut installed = false;
        for round in 0..ROUNDS {
            if round == PROBE {
                self.clients.probe();
            }
            self.round();
            installed |= self.install();
            if installed && !self.processes.iter().any(SimulatedProcess::is_stopping) {
                installed = false;
                self.give_all();
            }
            self.cluster.pass(if round < 100 { SHORT } else { LONG });
            let is_finished = self.clients.finish();
            if self.is_at_rest() && is_finished {
                return;
            }
        }
        panic!("does not come to rest: {}", self.what_is_left());
    }

    fn give_all(&mut self) {
        let shards: Vec<_> = self.cluster.shards().collect();
        shards.iter().for_each(|shard| self.give_to_one(shard.index()));
    }

    /// Assigns a shard to its leader, or to any process: only a leader that stays can reveal what a
    /// leader forgot.
    fn give_to_one(&mut self, shard: usize) {
        let leads = |process: &SimulatedProcess| process.hosted[shard].control.role() == ShardRole::Leading;
        match self.processes.iter().position(leads) {
            Some(slot) if self.random.below(4) > 0 => self.assign_to(slot, shard, true),
            _ => self.assign(shard, true),
        }
    }

    fn round(&mut self) {
        (0..self.processes.len()).for_each(|slot| self.replace_if_ended(slot));
        for process in &mut self.processes {
            for shard in 0..process.hosted.len() {
                (0..20).for_each(|_| process.step(&self.cluster, shard));
                process.hosted[shard].complete_snapshot(&self.cluster);
            }
            // Delivers everything that waits at once; then a full queue has space again.
            while !process.writer.current().is_idle() && !process.writer.current().has_failed() {
                process.writer.current().deliver(&self.cluster, &mut self.random, u64::MAX);
            }
        }
        let mut luck = Random::new(0);
        self.cluster.shards().for_each(|shard| self.projecting.announce(&self.cluster, shard));
        for projection in &mut self.projections {
            projection.read(&self.projecting, u64::MAX, &mut luck);
            projection.commit();
        }
    }

    /// Returns true if every command has its outcome, every message was received and acknowledged,
    /// and every reader is at the end. Panics if a request is still parked then, since nothing is
    /// left for it to wait for.
    fn is_at_rest(&self) -> bool {
        let is_done = self.cluster.shards().all(|shard| self.left(shard.index()).is_none());
        if is_done {
            self.states().for_each(assert_nothing_waits);
        }
        is_done && self.projections.iter().all(Projection::is_at_end)
    }

    /// Returns the states of all leaders.
    fn states(&self) -> impl Iterator<Item = &ShardState> {
        let hosted = self.processes.iter().flat_map(|process| &process.hosted);
        hosted.filter(|hosted| hosted.control.role() == ShardRole::Leading).map(|hosted| hosted.replica().state())
    }

    /// Checks that idle purses have returned their free credits to the home shard.
    fn assert_all_is_at_home(&self) {
        for state in self.states() {
            let away = state.purses().filter(|(account, _)| self.cluster.map.of_account(*account) != state.shard());
            for (account, purse) in away {
                let (shard, available) = (state.shard(), purse.available);
                assert!(
                    available == Credits::ZERO,
                    "{available} of {account} rest on shard {shard} and do not go home"
                );
            }
        }
    }

    fn left(&self, shard: usize) -> Option<String> {
        let hosted = || self.processes.iter().map(|process| &process.hosted[shard]);
        let (events, commands) = {
            let shard = hosted().next()?.shard;
            (self.cluster.end(PartitionTopic::Events, shard), self.cluster.end(PartitionTopic::Commands, shard))
        };
        let Some(leader) = hosted().find(|hosted| hosted.control.role() == ShardRole::Leading) else {
            return Some("nobody leads".to_owned());
        };
        let replica = leader.replica();
        if replica.position().next_command < commands {
            return Some(format!("commands from {} to {commands} have no outcome", replica.position().next_command));
        }
        if let Some((to, number, ..)) = replica.kept_messages().next() {
            return Some(format!("message {number} to shard {to} is not acknowledged"));
        }
        if replica.next_due().is_some_and(|due| due.as_millis() <= self.cluster.now()) {
            return Some("something is due".to_owned());
        }
        let behind = hosted().filter(|hosted| !hosted.is_absent() && hosted.replica().next_offset() < events).count();
        (behind > 0).then(|| format!("{behind} readers are behind"))
    }

    fn what_is_left(&self) -> String {
        let shards = self.cluster.shards().map(|shard| shard.index());
        let left = shards.filter_map(|shard| self.left(shard).map(|what| format!("shard {shard}: {what}; ")));
        let open = self.clients.requests.iter().filter(|request| !request.is_answered).count();
        format!("{}{open} requests have no answer", left.collect::<String>())
    }
}

fn assert_nothing_waits(state: &ShardState) {
    let waits = state.parked().next();
    assert!(waits.is_none(), "shard {}: nothing is under way, and this is parked: {waits:?}", state.shard());
}
