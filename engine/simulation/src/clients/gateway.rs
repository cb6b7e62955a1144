//! Reports the answers to clients: reads the events of all shards by the read rule, like the
//! product's gateway.

use std::collections::BTreeMap;
use std::rc::Rc;

use schemas::answers::{CommandEvents, parts};
use schemas::market::Resolution;
use schemas::reading::{Checkpoint, LogReader, ReadRecord};
use schemas::record::Chain;
use schemas::{
    AccountId, CommandId, Credits, Event, MarketId, MarketState, OrderId, PartId, PartKind, Program, Shard, Status,
    effects,
};

use super::commands::{ClientView, Contracts};
use crate::cluster::{Cluster, PartitionTopic};
use crate::identity::Identity;

/// The number of live orders that the gateway remembers.
const LIVE_MAX: usize = 100;

/// The component id of the gateways; each later build has the next number.
const GATEWAY: u128 = 2 << 100;

/// An answer: the outcome that a client was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAnswer {
    pub sequence: u64,
    pub id: CommandId,
    /// The chain after the outcome: it identifies the whole history up to then.
    pub chain: Chain,
}

pub struct SimulatedGateway {
    cluster: Rc<Cluster>,
    identity: Identity,
    /// How many times it was replaced.
    replaced: u128,
    readers: Vec<LogReader>,
    /// Shards that it has stopped reading: an older build that met a newer one's vocabulary.
    halted: Vec<bool>,
    /// The answers by shard and offset of the command. They remain when the gateway crashes.
    pub told: BTreeMap<(Shard, u64), ClientAnswer>,
    /// Orders that were live when it last read about them.
    pub live: Vec<(AccountId, OrderId)>,
    /// The last state that it read of each market.
    pub markets: BTreeMap<MarketId, (MarketState, Option<Resolution>)>,
    /// The available credits of each purse, by shard, up to where it has read.
    available: Vec<BTreeMap<AccountId, Credits>>,
    /// The positions of accounts, by shard, up to there.
    positions: Vec<Contracts>,
}

impl SimulatedGateway {
    pub fn new(cluster: Rc<Cluster>) -> Self {
        let (told, live, markets) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let identity = Identity::new(&cluster, cluster.plan.program, PartId(GATEWAY), PartKind::Gateway);
        let mut gateway = Self {
            cluster,
            identity,
            replaced: 0,
            readers: Vec::new(),
            halted: Vec::new(),
            told,
            live,
            markets,
            available: Vec::new(),
            positions: Vec::new(),
        };
        gateway.crash();
        gateway
    }

    /// Restarts from the beginning of the logs.
    pub fn crash(&mut self) {
        let map = self.cluster.map;
        let reader =
            |shard| LogReader::new(shard, map.shards(), Checkpoint::default()).knowing(self.identity.program.reads);
        self.readers = self.cluster.shards().map(reader).collect();
        self.halted = vec![false; self.readers.len()];
        self.available = vec![BTreeMap::new(); self.readers.len()];
        self.positions = vec![BTreeMap::new(); self.readers.len()];
    }

    /// Replaces the gateway by one of this build.
    pub fn replace(&mut self, program: Program) {
        self.identity.leave(&self.cluster);
        self.replaced += 1;
        let id = PartId(GATEWAY + self.replaced);
        self.identity = Identity::new(&self.cluster, program, id, PartKind::Gateway);
        self.crash();
    }

    /// Reads some events of a shard; `answer` receives each part of each outcome. Panics if an
    /// answer is withdrawn.
    pub fn read(&mut self, shard: Shard, most: u64, mut answer: impl FnMut(&CommandEvents<'_>)) {
        self.identity.announce(&self.cluster, shard);
        if self.halted[shard.index()] {
            return;
        }
        let reader = &mut self.readers[shard.index()];
        for _ in 0..most {
            let offset = reader.position().offset;
            let Some((_, bytes)) = self.cluster.record(PartitionTopic::Events, shard, offset) else { break };
            let outcome = match reader.read(offset, &bytes) {
                Ok(ReadRecord::Outcome(outcome)) => outcome,
                Ok(
                    ReadRecord::Term(_)
                    | ReadRecord::Halted(_)
                    | ReadRecord::Quarantine(_)
                    | ReadRecord::Ignored
                    | ReadRecord::Unknown,
                ) => continue,
                Err(broken) => {
                    self.identity.halts(&self.cluster, &broken);
                    self.halted[shard.index()] = true;
                    break;
                }
            };
            let told =
                ClientAnswer { sequence: outcome.sequence, id: outcome.cause.id, chain: reader.position().chain };
            let before = *self.told.entry((shard, outcome.cause.offset)).or_insert(told);
            assert!(before == told, "the answer to command {} of shard {shard} changed", outcome.cause.offset);
            for event in &outcome.events {
                note(&mut self.live, &mut self.markets, event);
                if let Some(change) = effects::purse_change(event) {
                    *self.available[shard.index()].entry(change.account).or_default() += change.available;
                }
                for change in effects::position_changes(event) {
                    let key = (change.account, change.market);
                    let (yes, no) = self.positions[shard.index()].entry(key).or_default();
                    (*yes, *no) = (*yes + change.yes, *no + change.no);
                }
            }
            parts(&outcome).for_each(|part| answer(&part));
        }
        self.live.drain(..self.live.len().saturating_sub(LIVE_MAX));
    }

    pub fn has_halted(&self) -> bool {
        self.halted.contains(&true)
    }

    /// Returns what clients know through this gateway.
    pub fn sight(&self, now: u64) -> ClientView<'_> {
        let Self { live, markets, available, positions, .. } = self;
        ClientView { now, live, markets, available, positions }
    }

    pub fn is_at_end(&self, shard: Shard) -> bool {
        self.readers[shard.index()].position().offset == self.cluster.end(PartitionTopic::Events, shard)
    }
}

fn note(
    live: &mut Vec<(AccountId, OrderId)>,
    markets: &mut BTreeMap<MarketId, (MarketState, Option<Resolution>)>,
    event: &Event,
) {
    let mut stands = |order: OrderId, status: Status, account: AccountId| {
        live.retain(|(_, known)| *known != order);
        if status.is_live() {
            live.push((account, order));
        }
    };
    match event {
        Event::OrderPlaced(placed) => stands(placed.id, placed.status, placed.order.account),
        Event::OrderAmended(amended) => stands(amended.order, amended.status, amended.account),
        Event::OrderCancelled { order, account, reason, .. } => stands(*order, reason.status(), *account),
        Event::Traded(trade) if trade.maker_remaining.is_zero() => {
            stands(trade.maker.order, Status::Filled, trade.maker.account);
        }
        Event::MarketChanged { market, state, resolution, .. } => {
            markets.insert(*market, (*state, *resolution));
        }
        _ => {}
    }
}
