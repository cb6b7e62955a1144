//! Writes a release's log as an engine of this build does: a run over a few shards with a little of
//! everything.

use engine_core::Replica;
use schemas::{AccountId, Command, Event, OrderId, Shard};

use super::cluster::Cluster;
use super::files::Release;
use super::life::Life;
use super::targets;

/// Small enough that each log has several hashes.
const HASH_EVERY: u64 = 50;

pub struct Run {
    pub cluster: Cluster,
    /// Orders that were accepted so far.
    pub placed: Vec<(AccountId, OrderId)>,
}

impl Run {
    /// The whole run, and a snapshot of each shard from its middle, while messages are in flight.
    pub fn whole() -> (Self, Vec<Vec<u8>>) {
        let (_, map) = targets::shard();
        let mut run = Self { cluster: Cluster::with_hash_every(map.shards(), HASH_EVERY), placed: Vec::new() };
        let mut life = Life::new(map);
        life.begin(&mut run);
        let middle = run.snapshots();
        for shard in run.cluster.shards() {
            run.cluster.crash(shard, 0);
        }
        life.go_on(&mut run);
        (run, middle)
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.cluster.wait(milliseconds);
    }

    /// Sends a command to the shard that decides it.
    pub fn ask(&mut self, command: Command) {
        self.at(targets::home(self.cluster.map, &command), command);
    }

    pub fn at(&mut self, shard: Shard, command: Command) {
        self.cluster.submit(shard, command);
        self.handle(shard);
    }

    /// All other shards receive the messages of one.
    pub fn deliver(&mut self, from: Shard) {
        for to in self.cluster.shards().filter(|to| *to != from) {
            while self.cluster.relay(from, to, false) {}
            self.handle(to);
        }
    }

    /// Delivers and acknowledges messages, and runs what is due, until nothing is left.
    pub fn settle_messages(&mut self) {
        self.cluster.drain();
        for from in self.cluster.shards() {
            self.acknowledge(from);
        }
        self.cluster.check();
    }

    fn acknowledge(&mut self, from: Shard) {
        self.cluster.shards().filter(|to| *to != from).for_each(|to| self.cluster.acknowledge(from, to));
        self.handle(from);
    }

    fn handle(&mut self, shard: Shard) {
        let before = self.cluster.nodes[shard.index()].outcomes.len();
        while self.cluster.handle(shard) {}
        self.cluster.read_back(shard);
        self.cluster.check();
        let events = self.cluster.nodes[shard.index()].outcomes[before..].iter().flat_map(|outcome| &outcome.events);
        self.placed.extend(events.filter_map(|event| match event {
            Event::OrderPlaced(placed) => Some((placed.order.account, placed.id)),
            _ => None,
        }));
    }

    fn snapshots(&mut self) -> Vec<Vec<u8>> {
        self.cluster.shards().for_each(|shard| self.cluster.take_snapshot(shard));
        self.cluster.nodes.iter().map(|node| node.snapshot().unwrap().to_vec()).collect()
    }
}

/// Writes all files except the tables.
pub fn write(release: &Release) {
    let (mut run, middle) = Run::whole();
    let ends = run.snapshots();
    let mut lines = String::new();
    for shard in run.cluster.shards() {
        let log = run.cluster.nodes[shard.index()].log();
        release.write_log(shard, log);
        release.write(&format!("middle-{shard}.snapshot"), &middle[shard.index()]);
        release.write(&format!("end-{shard}.snapshot"), &ends[shard.index()]);
        let mut replica = super::read_on(release, Replica::new(shard, run.cluster.map), log);
        lines += &super::line(&mut replica);
        lines += "\n";
    }
    release.write("shards.txt", lines.as_bytes());
}
