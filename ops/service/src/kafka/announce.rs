//! Announces a process on the log of every shard: it reads the log, and which vocabulary it can
//! read.
//!
//! It has its own producer: processes that write nothing else, such as projections, announce
//! themselves too, and a producer that must not leave gaps is not used for it. It is created for
//! each announcement, since these are minutes apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Clock};

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{Command, CommandId, CommandRecord, PartInfo, Shard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::producer_config;
use crate::announce::Announcements;
use crate::{LogArgs, Shutdown};

/// An announcement that is not acknowledged within this time is made again.
const WITHIN: Duration = Duration::from_secs(10);

/// How long the end of a process waits for its last announcement, for which a producer has to
/// connect first. Without it the process counts for some minutes more.
const FAREWELL: Duration = Duration::from_secs(3);

/// A leader that has decided nothing for long may be dead, or idle. An announcement shows which,
/// because it is always answered.
static ASKED: Mutex<Asked> = Mutex::new(Asked { wanted: BTreeSet::new(), since: BTreeMap::new() });
static WAKE: Notify = Notify::const_new();

struct Asked {
    /// Shards to which this process must be announced at once.
    wanted: BTreeSet<Shard>,
    /// The time of the last announcement that reached the log.
    since: BTreeMap<Shard, Clock>,
}

fn asked() -> MutexGuard<'static, Asked> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Announces this process to a shard now instead of in some minutes, so that the shard's leader
/// decides something.
pub fn ask(shard: Shard) {
    if asked().wanted.insert(shard) {
        WAKE.notify_one();
    }
}

/// Returns when this process made its last announcement to a shard that is certainly on the log.
pub fn asked_at(shard: Shard) -> Option<Clock> {
    asked().since.get(&shard).copied()
}

/// Announces `part` to all shards until the shutdown, and then its end. Never fails: a component
/// that cannot announce itself cannot write to the log at all.
pub async fn announce(log: LogArgs, part: PartInfo, shutdown: Shutdown) {
    let begin = Instant::now();
    let mut shards: Vec<_> = Shard::all(log.shards).map(|shard| (shard, Announcements::new(part))).collect();
    while !shutdown.is_triggered() {
        let (now, clock) = (begin.elapsed(), Clock::now());
        for shard in std::mem::take(&mut asked().wanted) {
            shards[shard.index()].1.hasten(now);
        }
        let due = shards.iter_mut().filter_map(|(shard, announcements)| Some((*shard, announcements.due(now)?)));
        let due: Vec<_> = due.collect();
        let told: BTreeSet<Shard> = due.iter().map(|(shard, _)| *shard).collect();
        let failed: BTreeSet<Shard> = tell(&log, due).await.into_iter().collect();
        for shard in &failed {
            shards[shard.index()].1.failed(begin.elapsed());
        }
        asked().since.extend(told.difference(&failed).map(|shard| (*shard, clock)));
        let next = shards.iter().map(|(_, announcements)| announcements.next()).min().unwrap_or(WITHIN);
        tokio::select! {
            () = shutdown.wait() => {}
            () = WAKE.notified() => {}
            () = sleep(next.saturating_sub(begin.elapsed())) => {}
        }
    }
    let last = shards.iter().map(|(shard, announcements)| (*shard, announcements.leave())).collect();
    if timeout(FAREWELL, tell(&log, last)).await.is_err() {
        tracing::info!(
            "the end was not announced on the log; this part counts until it has been silent for long enough"
        );
    }
}

/// Writes these commands. Returns the shards where that failed.
async fn tell(log: &LogArgs, commands: Vec<(Shard, Command)>) -> Vec<Shard> {
    if commands.is_empty() {
        return Vec::new();
    }
    let producer: FutureProducer = match producer_config(&log.kafka, WITHIN).create() {
        Ok(producer) => producer,
        Err(error) => {
            tracing::warn!(%error, "no producer to announce this part with");
            return commands.into_iter().map(|(shard, _)| shard).collect();
        }
    };
    let topic = log.topics().commands;
    let sent = commands.into_iter().map(|(shard, command)| {
        let id = CommandId(uuid::Uuid::now_v7().as_u128());
        let bytes = CommandRecord::new(id, command).encode();
        let record = FutureRecord::<(), _>::to(&topic).partition(shard.partition()).payload(&bytes);
        (shard, producer.send_result(record).map_err(|(error, _)| error))
    });
    let mut failed = Vec::new();
    for (shard, sent) in sent.collect::<Vec<_>>() {
        let delivered = match sent {
            Ok(delivery) => match delivery.await {
                Ok(delivered) => delivered.map(drop).map_err(|(error, _)| error),
                Err(_) => Err(KafkaError::Canceled),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = delivered {
            tracing::warn!(%shard, %error, "this part could not be announced on the log; it will be tried again");
            failed.push(shard);
        }
    }
    // Dropping it waits for its thread.
    tokio::task::spawn_blocking(move || drop(producer));
    failed
}
