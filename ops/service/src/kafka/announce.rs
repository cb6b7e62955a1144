//! A process says on the log of every shard that it reads it, and which vocabulary it can read.
//!
//! With a producer of its own: whoever writes nothing else, as projections, announces itself all
//! the same, and a producer that must not leave gaps has nothing to do with it. It is made for each
//! announcement, since these are minutes apart.

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

/// How long the end of a process waits for its last words. Without them it counts for some minutes
/// more. Its producer has to connect first.
const FAREWELL: Duration = Duration::from_secs(3);

/// Who has decided nothing for long may be dead, or have nothing to decide. An announcement tells
/// which, as it is always answered.
static ASKED: Mutex<Asked> = Mutex::new(Asked { wanted: BTreeSet::new(), since: BTreeMap::new() });
static WAKE: Notify = Notify::const_new();

struct Asked {
    /// Shards to which this process is to be announced without delay.
    wanted: BTreeSet<Shard>,
    /// When the last announcement was made that reached the log.
    since: BTreeMap<Shard, Clock>,
}

fn asked() -> MutexGuard<'static, Asked> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Announces this process to a shard now, not in some minutes, so that whoever leads it decides
/// something.
pub fn ask(shard: Shard) {
    if asked().wanted.insert(shard) {
        WAKE.notify_one();
    }
}

/// When this process made its last announcement to a shard that is on the log for certain.
pub fn asked_at(shard: Shard) -> Option<Clock> {
    asked().since.get(&shard).copied()
}

/// Announces `part` to all shards until the shutdown, and then that it ends. Never fails: a part
/// that cannot announce itself can do nothing else on the log either.
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
        tracing::info!("the log was not told of the end; this part counts until it was silent for long enough");
    }
}

/// Writes these commands; the shards where that failed.
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
            tracing::warn!(%shard, %error, "the log was not told of this part; it will be again");
            failed.push(shard);
        }
    }
    // Its end waits for its thread.
    tokio::task::spawn_blocking(move || drop(producer));
    failed
}
