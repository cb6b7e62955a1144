//! The shards as the law sees them, order by order: what previews, queue positions and the state of groups are computed from.
//!
//!   snapshots, lfg.events[s], then the tail ─▶ *follower s* ─▶ previews, queue positions, groups
//!
//! A follower is a thread with the pure core's replica of one shard. It reads the log itself until it is as far as the tail,
//! and then what the tail has read, by the log's rule of reading like every other reader. It writes nothing, and no other part of the gateway rests on it: a follower that
//! cannot go on halts alone, gives its memory back, and what was asked of it is refused by the shard's name.

mod feed;
mod follower;
pub mod preview;

use std::sync::Arc;
use std::thread::JoinHandle;

use engine_core::ShardState;
use schemas::Shard;
use schemas::ids::LogPosition;
use service::{LogArgs, Readiness, Shutdown};
use snapshots::Snapshots;
use tokio::time::Instant;

pub use feed::FollowerFeed;
use follower::{Follower, Source};

/// All followers of this process, one for each shard; or none.
pub struct Followers {
    shards: Vec<Arc<Follower>>,
}

/// Why a follower does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// This process follows no shard.
    #[error("this gateway follows no books")]
    Off,
    /// It is still reading what was on the log when it began.
    #[error("the follower of shard {0} is still reading the log")]
    CatchingUp(Shard),
    /// It has halted.
    #[error("the follower of shard {0} has halted")]
    Halted(Shard),
    /// It is not as far as was asked for.
    #[error("the follower of shard {0} has not reached the position")]
    NotReached(Shard),
}

impl Followers {
    /// No followers.
    pub fn off() -> Self {
        Self { shards: Vec::new() }
    }

    /// One for each shard, not started yet. Each is named in `readiness` if it halts.
    pub fn new(shards: u16, readiness: &Readiness) -> Self {
        Self { shards: Shard::all(shards).map(|shard| Arc::new(Follower::new(shard, readiness))).collect() }
    }

    /// What the tail hands on of a shard; `None` if it is not followed.
    pub fn feed(&self, shard: Shard) -> Option<&FollowerFeed> {
        self.shards.get(shard.index()).map(|follower| follower.feed())
    }

    /// Starts the threads. `snapshots`: where to begin, if not at the beginning of the log.
    pub fn start(
        &self,
        log: &LogArgs,
        snapshots: Option<&Snapshots>,
        shutdown: &Shutdown,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        let start = |follower: &Arc<Follower>| {
            let (log, shutdown) = (log.clone(), shutdown.clone());
            Arc::clone(follower).start(Source { log, snapshots: snapshots.cloned(), shutdown })
        };
        self.shards.iter().map(start).collect()
    }

    /// Looks at a shard's state, and says at which position that is. Short, and never across an await.
    pub fn read<T>(&self, shard: Shard, look: impl FnOnce(&ShardState) -> T) -> Result<(T, LogPosition), Unavailable> {
        self.follower(shard)?.read(look)
    }

    /// Waits until the followers are at least this far.
    pub async fn reach(&self, wanted: &[LogPosition], deadline: Instant) -> Result<(), Unavailable> {
        for at in wanted {
            self.follower(at.shard)?.reach(at.sequence, deadline).await?;
        }
        Ok(())
    }

    fn follower(&self, shard: Shard) -> Result<&Follower, Unavailable> {
        self.shards.get(shard.index()).map(|follower| &**follower).ok_or(Unavailable::Off)
    }
}
