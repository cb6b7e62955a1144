//! Replicas of the shards, order by order: previews, queue positions and the state of groups are
//! computed from them.
//!
//!   snapshots, lfg.events[s], then the tail ─▶ *follower s* ─▶ previews, queue positions, groups
//!
//! A follower is a thread with the core's replica of one shard. It reads the log itself until it
//! has caught up with the tail, and then takes what the tail reads, by the read rule like every
//! reader. It writes nothing, and no other part of the gateway depends on it: a follower that
//! cannot continue halts alone, frees its memory, and requests that need it are refused with the
//! shard's name.

mod feed;
mod follower;
pub mod preview;
mod unavailable;

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
pub use unavailable::Unavailable;

/// All followers of this process, one for each shard; or none.
pub struct Followers {
    shards: Vec<Arc<Follower>>,
}

impl Followers {
    /// Creates no followers.
    pub fn off() -> Self {
        Self { shards: Vec::new() }
    }

    /// Creates one follower for each shard, not started yet. A halted one is named in `readiness`.
    pub fn new(shards: u16, readiness: &Readiness) -> Self {
        Self { shards: Shard::all(shards).map(|shard| Arc::new(Follower::new(shard, readiness))).collect() }
    }

    /// Returns the feed of a shard; `None` if it is not followed.
    pub fn feed(&self, shard: Shard) -> Option<&FollowerFeed> {
        self.shards.get(shard.index()).map(|follower| follower.feed())
    }

    /// Starts the threads, from the newest of `snapshots` or from the beginning of the log.
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

    /// Reads a shard's state with its position. Must be short, and never held across an await.
    pub fn read<T>(&self, shard: Shard, look: impl FnOnce(&ShardState) -> T) -> Result<(T, LogPosition), Unavailable> {
        self.follower(shard)?.read(look)
    }

    /// Waits until the followers have reached these positions.
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
