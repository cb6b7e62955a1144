//! A process's clock and ids (`engine::log::Clock`), based on the run's single time.

use std::rc::Rc;
use std::time::Duration;

use engine::log::Clock;
use schemas::{CommandId, Timestamp};

use super::{Cluster, START};

/// How far a machine's clock may differ from the true time, in milliseconds.
pub const SKEW_MAX: u64 = 200;

#[derive(Clone)]
pub struct MemoryClock {
    pub cluster: Rc<Cluster>,
    /// How far this machine's clock is ahead, plus [`SKEW_MAX`].
    pub skew: u64,
}

impl Clock for MemoryClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.cluster.now() + self.skew - SKEW_MAX)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.cluster.now() - START)
    }

    fn command_id(&mut self) -> CommandId {
        self.cluster.command_id()
    }

    fn sleep(&mut self, pause: Duration) {
        self.cluster.pass(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    }
}
