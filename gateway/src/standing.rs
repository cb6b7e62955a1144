//! Watches what the gateway depends on, and reports it to probes, metrics and sockets.
//!
//!   Redis, Postgres: how far? ─┐
//!   commands without outcome ──┼─▶ *standing* ─▶ `/readyz` (`degraded`), `status` on WebSocket
//!   brokers that are silent ───┘
//!
//! | part          | degraded while                                                                            |
//! |---------------|-------------------------------------------------------------------------------------------|
//! | `redis`       | it cannot be asked, or is too far behind to be served ([`crate::fresh`])                   |
//! | `postgres`    | the same                                                                                  |
//! | `commands`    | a shard has decided nothing for [`SILENT_AFTER`], though a command waits there as long     |
//! | `engine of shard …` | it was asked to decide something, and has not for [`SILENT_AFTER`] ([`crate::quiet`])      |
//! | `store`       | a checkpoint failed ([`crate::store::checkpoints`] tells it)                               |
//! | `kafka …`     | no broker answers a reader of the log (`service::kafka::contact`)                          |
//!
//! None of this makes the gateway unready: it serves what it can and refuses the rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::gauge;
use schemas::Shard;
use service::kafka::{ask, asked_at, contact};
use service::{Readiness, Shutdown};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::db::Database;
use crate::fresh::Fresh;
use crate::pending::{Open, PendingCommands};
use crate::quiet::{self, IdleShard, SILENT_AFTER};
use crate::read_models::ReadModels;

/// Interval between two checks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a read model may take to report its position.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The watched dependencies.
pub struct DependencyWatch {
    /// Receives the degraded parts.
    pub readiness: Readiness,
    /// Postgres, and the position that it must have reached.
    pub database: (Database, Fresh),
    /// Redis, and the position that it must have reached.
    pub read_models: (ReadModels, Fresh),
    /// Commands without an outcome.
    pub pending: Arc<PendingCommands>,
    /// Shards of the log.
    pub shards: u16,
}

/// The names of the degraded parts.
pub type Degraded = Vec<String>;

impl DependencyWatch {
    /// Checks until the end of the process, and publishes changes.
    pub fn watch(self, shutdown: Shutdown) -> watch::Receiver<Degraded> {
        let (sender, receiver) = watch::channel(Degraded::new());
        tokio::spawn(async move {
            let begin = (Instant::now(), u64::from(std::process::id()) ^ service::clock::now().as_millis());
            let mut looks = interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = looks.tick() => {}
                    () = shutdown.wait() => return,
                }
                self.look().await;
                self.ask(begin);
                let names: Degraded = self.readiness.degraded().into_keys().collect();
                sender.send_if_modified(|told| {
                    let changed = *told != names;
                    *told = names;
                    changed
                });
            }
        });
        receiver
    }

    async fn look(&self) {
        let (database, tables) = &self.database;
        let (read_models, models) = &self.read_models;
        let postgres = timeout(ANSWER_WITHIN, database.progress());
        let redis = timeout(ANSWER_WITHIN, read_models.progress(self.shards));
        let (postgres, redis) = tokio::join!(postgres, redis);
        let postgres = postgres.map(|asked| asked.map_err(|error| error.to_string()));
        let redis = redis.map(|asked| asked.map_err(|error| error.to_string()));
        for (name, asked, fresh) in [("postgres", postgres, tables), ("redis", redis, models)] {
            let why = match asked {
                Ok(Ok(at)) => fresh.behind(&at).map(|behind| behind.to_string()),
                Ok(Err(error)) => Some(error),
                Err(_) => Some(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
            };
            self.tell(name, why);
        }
        let now = Instant::now();
        let open = self.pending.open(now);
        observe(&open);
        self.tell("commands", stuck(&open));
    }

    /// Checks shards without commands for a missing leader. `begin`: when this process started, and
    /// its seed among all processes.
    fn ask(&self, (begin, process): (Instant, u64)) {
        let (now, halted) = (Instant::now(), self.readiness.halted());
        // Outcomes are unknown while the tail cannot reach Kafka.
        let hears = !contact::silent().contains_key("kafka tail");
        for shard in Shard::all(self.shards) {
            let decided = self.database.1.reads().last(shard).unwrap_or(begin);
            let age = now.saturating_duration_since(decided);
            gauge!("gateway_shard_decided_age_seconds", "shard" => shard.to_string()).set(age.as_secs_f64());
            // A shard that this process no longer reads is reported already.
            let is_read = !halted.contains_key(&format!("shard {shard}"));
            let quiet = match is_read && hears {
                true => quiet::judge(decided, asked_at(shard), quiet::asks_after(process, shard), now),
                false => IdleShard::No,
            };
            let why = match quiet {
                IdleShard::Dead(since) => {
                    Some(format!("shard {shard} was asked {} s ago and decides nothing", since.as_secs()))
                }
                IdleShard::Ask => {
                    ask(shard);
                    None
                }
                IdleShard::No => None,
            };
            self.tell(&format!("engine of shard {shard}"), why);
        }
    }

    fn tell(&self, name: &str, why: Option<String>) {
        gauge!("gateway_degraded", "part" => name.to_owned()).set(if why.is_some() { 1.0 } else { 0.0 });
        self.readiness.degrade(name, why);
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of commands")]
fn observe(open: &Open) {
    gauge!("gateway_commands_open").set(open.count as f64);
    gauge!("gateway_commands_oldest_seconds").set(open.oldest.as_secs_f64());
}

fn stuck(open: &Open) -> Option<String> {
    let shard = open.silent?;
    Some(format!("shard {shard} has decided nothing for {} s; {} commands wait", SILENT_AFTER.as_secs(), open.count))
}
