//! Clients: they send requests, wait for the acknowledgement of the append and for the answer,
//! repeat requests when unsure, and remember the answers.
//!
//! ```text
//! client ─▶ (network: lost, late, in any order) ─▶ lfg.commands[s] ─▶ … ─▶ lfg.events[s] ─▶ gateway ─▶ client
//! ```

pub mod commands;
pub mod gateway;
mod waiting;

use std::collections::BTreeMap;
use std::rc::Rc;

use schemas::{AdminId, Command, CommandId, Shard};

use crate::answers;
use crate::builds::{NEXT, OLDER};
use crate::cluster::{Cluster, PartitionTopic};
use crate::random::Random;
use crate::seen::Seen;
use commands::{Population, RoutedCommand};
use gateway::SimulatedGateway;
use waiting::OpenRequests;

/// A request without an acknowledgement or answer for this many milliseconds is sent again.
const PATIENCE: u64 = 2_000;

/// One request of a client.
pub struct ClientRequest {
    pub asked: RoutedCommand,
    /// The command ids under which it was sent: a client that repeats it through a gateway gets
    /// another one.
    ids: Vec<CommandId>,
    /// The appends that the log acknowledged: offset and id.
    pub acknowledged: Vec<(u64, CommandId)>,
    pub is_answered: bool,
    sent_at: u64,
}

/// A record in transit to the log.
struct Flight {
    request: usize,
    id: CommandId,
}

pub struct Clients {
    cluster: Rc<Cluster>,
    random: Random,
    world: Population,
    pub requests: Vec<ClientRequest>,
    /// Requests without an answer.
    open: Vec<usize>,
    network: Vec<Flight>,
    by_id: BTreeMap<CommandId, usize>,
    waiting: OpenRequests,
    pub gateway: SimulatedGateway,
}

impl Clients {
    pub fn new(cluster: Rc<Cluster>, mut random: Random) -> Self {
        let world = Population::new(cluster.map, &mut random);
        let gateway = SimulatedGateway::new(cluster.clone());
        let (requests, open, network, by_id) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let waiting = OpenRequests::default();
        let mut clients = Self { cluster, random, world, requests, open, network, by_id, waiting, gateway };
        for asked in clients.world.opening(&mut clients.random) {
            clients.ask(asked);
            clients.arrive(0);
        }
        clients
    }

    /// Makes a request, repeats one, or delivers a record from the network.
    pub fn act(&mut self) {
        match self.random.below(10) {
            0..6 if !self.network.is_empty() => self.deliver(),
            0..8 if self.open.len() < self.cluster.plan.open_requests => {
                let sight = self.gateway.sight(self.cluster.now());
                let asked = self.world.any(sight, &mut self.random);
                self.ask(asked);
            }
            _ if !self.open.is_empty() => {
                let request = *self.random.pick(&self.open);
                self.ask_again(request);
            }
            _ => {}
        }
    }

    fn ask(&mut self, asked: RoutedCommand) {
        let request = self.requests.len();
        let (ids, acknowledged, sent_at) = (Vec::new(), Vec::new(), 0);
        self.requests.push(ClientRequest { asked, ids, acknowledged, is_answered: false, sent_at });
        self.open.push(request);
        let id = self.cluster.command_id();
        self.send(request, id);
    }

    /// Sends the same record again, or (through another gateway) the same request as a new command.
    fn ask_again(&mut self, request: usize) {
        let now = self.cluster.now();
        let impatient = now >= self.requests[request].sent_at + PATIENCE;
        if !impatient && !self.cluster.strikes(Seen::RequestRepeated) {
            return;
        }
        let again = self.random.pick(&self.requests[request].ids).to_owned();
        let id = if self.random.one_in(2) { self.cluster.command_id() } else { again };
        if impatient {
            self.cluster.saw(Seen::RequestRepeated);
        }
        self.send(request, id);
    }

    fn send(&mut self, request: usize, id: CommandId) {
        let ClientRequest { asked, ids, sent_at, .. } = &mut self.requests[request];
        ids.push(id);
        *sent_at = self.cluster.now();
        self.waiting.sent(id, &asked.command);
        self.by_id.insert(id, request);
        self.network.push(Flight { request, id });
    }

    /// Delivers or loses some record of the network, in any order.
    fn deliver(&mut self) {
        let which = if self.random.one_in(3) { self.random.index(self.network.len()) } else { 0 };
        if self.cluster.strikes(Seen::RequestLost) {
            self.network.remove(which);
        } else if self.cluster.strikes(Seen::RequestRefused) {
            // Its sender knows that nothing was written, and may try again at once.
            let Flight { request, .. } = self.network.remove(which);
            self.requests[request].sent_at = 0;
        } else {
            self.arrive(which);
        }
    }

    fn arrive(&mut self, which: usize) {
        let Flight { request, id } = self.network.remove(which);
        let ClientRequest { asked, acknowledged, .. } = &mut self.requests[request];
        let bytes = commands::record(id, asked.command.clone());
        let offset = self.cluster.append(PartitionTopic::Commands, asked.shard, bytes.into());
        if !self.cluster.strikes(Seen::RequestUnsure) {
            acknowledged.push((offset, id));
        }
    }

    /// The gateway reads further, and answers. The answer to any of a request's commands answers
    /// the request.
    pub fn hear(&mut self, shard: Shard, most: u64) {
        let Self { gateway, by_id, requests, open, waiting, .. } = self;
        gateway.read(shard, most, |part| {
            // Several shards may have parts of a command: messages carry its id.
            let asked = by_id.get(&part.command).map(|request| &requests[*request].asked);
            let answers = |asked: &&RoutedCommand| asked.shard == shard || answers::is_told_elsewhere(&asked.command);
            let Some(asked) = asked.filter(answers) else { return };
            for id in waiting.hear(&asked.command, part) {
                let request = by_id[&id];
                if !std::mem::replace(&mut requests[request].is_answered, true) {
                    open.retain(|&other| other != request);
                }
            }
        });
    }

    /// An admin raises the vocabulary on every shard; sometimes to the current one, or one that no
    /// build knows.
    pub fn raise(&mut self) {
        let to = *self.random.pick(&[NEXT, NEXT, NEXT, NEXT, OLDER.reads, NEXT + 1]);
        for shard in self.cluster.shards() {
            let command = Command::RaiseVocabulary { to, by: AdminId(1) };
            self.ask(RoutedCommand { shard, command, names: Vec::new() });
        }
    }

    /// Sends one more request to every shard.
    pub fn probe(&mut self) {
        for asked in self.world.probes() {
            self.ask(asked);
        }
    }

    /// Answers most markets.
    pub fn answer_markets(&mut self) {
        for asked in self.world.final_answers(&mut self.random) {
            self.ask(asked);
        }
    }

    /// Lists other markets, and lets every account trade once more in all of them.
    pub fn list_more(&mut self) {
        for asked in self.world.listings_again() {
            self.ask(asked);
        }
        let accounts = self.world.everybody();
        for account in accounts.iter().cycle().take(6 * accounts.len()) {
            let sight = self.gateway.sight(self.cluster.now());
            let asked = self.world.place(*account, sight, &mut self.random);
            self.ask(asked);
        }
        for account in accounts {
            let asked = self.world.mass_cancel(account, &mut self.random);
            self.ask(asked);
        }
    }

    /// Makes no new requests: sends open ones until they are answered. Returns true once all are.
    pub fn finish(&mut self) -> bool {
        while !self.network.is_empty() {
            self.arrive(0);
        }
        for request in self.open.clone() {
            self.ask_again(request);
        }
        for shard in self.cluster.shards() {
            self.hear(shard, u64::MAX);
        }
        self.open.is_empty() && self.network.is_empty() && self.cluster.shards().all(|s| self.gateway.is_at_end(s))
    }
}
