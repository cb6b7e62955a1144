//! A member of the engines' group that takes over its shards, and then does nothing: those shards
//! make no progress.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use schemas::{EngineId, Shard, Term};
use service::kafka::{GroupProtocol, member_config};

use super::load::Client;
use super::{SHARDS, TestLog};

/// Acts like an engine that hangs and still answers the broker.
pub struct IdleMember {
    leave: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl IdleMember {
    pub fn join(log: &TestLog) -> Self {
        let config = member_config(&log.args.kafka, &log.topics.engines_group, GroupProtocol::Consumer);
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&log.topics.commands]).unwrap();
        let (client, mut taken) = (Client::open(log), BTreeSet::new());
        let leave = Arc::new(AtomicBool::new(false));
        let left = leave.clone();
        let thread = std::thread::spawn(move || {
            while !left.load(Ordering::Relaxed) {
                // Stays a member; what it reads is dropped.
                consumer.poll(Duration::from_millis(20)).transpose().unwrap();
                for shard in given(&consumer).into_iter().filter(|shard| taken.insert(*shard)) {
                    // The previous leader continues until it reads this.
                    let term = Term::new(shard, SHARDS, EngineId(7), 1);
                    client.write_event(shard, &term.encode());
                    client.flush();
                }
            }
        });
        Self { leave, thread }
    }

    /// Returns its shards to the group.
    pub fn leave(self) {
        self.leave.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn given(consumer: &BaseConsumer) -> Vec<Shard> {
    let assignment = consumer.assignment().unwrap();
    let partitions = assignment.elements().into_iter().map(|element| element.partition());
    partitions.map(|partition| Shard::new(u16::try_from(partition).unwrap()).unwrap()).collect()
}
