//! Whether leaders can know that they lead: tells the shards' loops when their brokers are silent.
//!
//! Nothing follows from it but what probes and metrics say. What a leader decides meanwhile counts
//! only if its term does.

use std::time::Duration;

use schemas::Shard;
use schemas::topics::Topics;
use service::Shutdown;
use service::kafka::contact;
use tokio::time::interval;

use crate::shard::Control;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until the end of the process. A leader always reads its commands, so they say when its
/// broker last answered.
pub async fn watch(topics: Topics, controls: Vec<Control>, shutdown: Shutdown) {
    let mut looks = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = looks.tick() => {}
        }
        let shards = Shard::all(u16::try_from(controls.len()).unwrap_or(u16::MAX));
        for (shard, control) in shards.zip(&controls) {
            control.doubt(contact::is_silent(&topics.commands, shard.partition()));
        }
    }
}
