//! A member of the engines' group that leads nothing: the shards that it is given stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use service::kafka::{GroupProtocol, member_config};

use super::TestLog;

/// As an engine that hangs and still answers the broker.
pub struct IdleMember {
    leave: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl IdleMember {
    pub fn join(log: &TestLog) -> Self {
        let config = member_config(&log.args.kafka, &log.topics.engines_group, GroupProtocol::Consumer);
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&log.topics.commands]).unwrap();
        let leave = Arc::new(AtomicBool::new(false));
        let left = leave.clone();
        let thread = std::thread::spawn(move || {
            while !left.load(Ordering::Relaxed) {
                // Takes part, and reads what is nobody's.
                consumer.poll(Duration::from_millis(20)).transpose().unwrap();
            }
        });
        Self { leave, thread }
    }

    /// Gives its shards back.
    pub fn leave(self) {
        self.leave.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}
