//! Read replicas: which of them answers a read.
//!
//!   read ─▶ a healthy replica at the position that the read needs ─▶ its rows, checked once more
//!                │ none, or it does not answer                            │ behind
//!                ╰──────────────────────▶ the primary ◀───────────────────╯
//!
//! A read takes the replicas in turn. The position of an answer is read in the same snapshot as its
//! rows ([`super::positions`]), so what a replica says is checked, whatever was known of it before.
//!
//! | a replica that                                        | is                                    |
//! |-------------------------------------------------------|---------------------------------------|
//! | cannot be reached, is no replica any more, or lags    | skipped, logged once, and named by    |
//! |                                                       | `/readyz` until a check finds it well |
//! | has failed a read, or kept it waiting in vain         | skipped until the next check          |

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, counter, gauge};
use schemas::Shard;
use schemas::ids::LogPosition;
use service::{Readiness, Shutdown};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::config::ReplicaArgs;
use crate::fresh::FreshRead;
use crate::progress::{ReadModelProgress, has_all};

use super::error::DbError;
use super::history::PrimaryHistory;
use super::positions::{PROGRESS, coordinates};
use super::server::ReadServer;

/// How long a read waits for a replica to reach its position. A paused replica holds a read no
/// longer.
pub const REACH_WITHIN: Duration = Duration::from_millis(100);

/// How long a replica may take for a read. One that is stopped holds a read no longer.
pub const REPLICA_WITHIN: Duration = Duration::from_millis(500);

/// Interval between two checks of a replica.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a check may take.
const CHECK_WITHIN: Duration = Duration::from_secs(1);

/// The replicas of a primary.
pub struct ReadReplicas {
    all: Vec<Arc<ReadReplica>>,
    next: AtomicUsize,
    lag_max: Duration,
    history: PrimaryHistory,
    readiness: Readiness,
}

/// One replica.
struct ReadReplica {
    server: ReadServer,
    /// Its name among the degraded parts. Clients read it, so it does not say where the server is.
    part: String,
    /// How far it is, asked while reads wait for it.
    progress: Arc<ReadModelProgress>,
    /// Whether the last check found it well; `None` before the first.
    healthy: Mutex<Option<bool>>,
    /// Skipped until the next check.
    rests: AtomicBool,
    reads: Counter,
}

impl ReadReplica {
    fn is_healthy(&self) -> bool {
        *self.healthy.lock().unwrap_or_else(PoisonError::into_inner) == Some(true)
    }
}

impl ReadReplicas {
    /// Starts with replicas that no read uses before they are checked.
    pub fn new(servers: Vec<ReadServer>, args: &ReplicaArgs, readiness: &Readiness) -> Self {
        let replica = |(server, number): (ReadServer, usize)| {
            let part = format!("postgres replica {number}");
            let reads = counter!("gateway_reads_total", "server" => server.name.clone());
            let (progress, healthy) = (ReadModelProgress::new("a replica of postgres"), Mutex::new(None));
            Arc::new(ReadReplica { server, part, progress, healthy, rests: AtomicBool::new(false), reads })
        };
        Self {
            all: servers.into_iter().zip(1..).map(replica).collect(),
            next: AtomicUsize::new(0),
            lag_max: args.lag_max,
            history: PrimaryHistory::default(),
            readiness: readiness.clone(),
        }
    }

    /// Notes how far the primary is.
    pub fn primary_is_at(&self, at: &[LogPosition]) {
        if !self.all.is_empty() {
            self.history.note(at, Instant::now());
        }
    }

    /// Checks and maintains the replicas while the process runs.
    pub fn look_after(self: &Arc<Self>, shutdown: &Shutdown) {
        for replica in &self.all {
            let (replicas, own, until) = (Arc::clone(self), Arc::clone(replica), shutdown.clone());
            tokio::spawn(async move { replicas.check_again_and_again(&own, until).await });
            // The checks above report what is wrong.
            let (own, until) = (Arc::clone(replica), shutdown.clone());
            tokio::spawn(async move { own.server.look_after(until, |_| ()).await });
            let (own, until) = (Arc::clone(replica), shutdown.clone());
            tokio::spawn(async move { own.server.log_plans(until).await });
            let own = Arc::clone(replica);
            let source = move || {
                let own = Arc::clone(&own);
                async move { Ok::<_, DbError>(own.ask().await?.1) }
            };
            tokio::spawn(Arc::clone(&replica.progress).poll(source, shutdown.clone()));
        }
    }

    async fn check_again_and_again(&self, replica: &ReadReplica, shutdown: Shutdown) {
        loop {
            let asked = tokio::time::timeout(CHECK_WITHIN, replica.ask()).await;
            let found = match asked.unwrap_or(Err(DbError::TooLong)) {
                Ok((false, _)) => Err("is no replica any more: it is not in recovery".to_owned()),
                Ok((true, at)) => self.judge(replica, &at),
                Err(error) => Err(error.to_string()),
            };
            self.note(replica, found);
            tokio::select! {
                () = tokio::time::sleep(CHECK_EVERY) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    fn judge(&self, replica: &ReadReplica, at: &[LogPosition]) -> Result<(), String> {
        replica.progress.note(at);
        let lag = self.history.lag(at, Instant::now());
        gauge!("gateway_replica_lag_seconds", "server" => replica.server.name.clone()).set(lag.as_secs_f64());
        let (is, most) = (lag.as_secs(), self.lag_max.as_secs());
        if lag > self.lag_max { Err(format!("is {is} s behind, and may be {most} s")) } else { Ok(()) }
    }

    fn note(&self, replica: &ReadReplica, found: Result<(), String>) {
        let server = &replica.server.name;
        let is_well = found.is_ok();
        let was = replica.healthy.lock().unwrap_or_else(PoisonError::into_inner).replace(is_well);
        replica.rests.store(false, Ordering::Relaxed);
        match &found {
            Ok(()) if was != Some(true) => tracing::info!(server, "reads use the replica"),
            Err(why) if was != Some(false) => tracing::warn!(server, why, "reads skip the replica"),
            _ => {}
        }
        gauge!("gateway_replica_healthy", "server" => server.clone()).set(if is_well { 1.0 } else { 0.0 });
        gauge!("gateway_degraded", "part" => replica.part.clone()).set(if is_well { 0.0 } else { 1.0 });
        self.readiness.degrade(&replica.part, found.err().map(|why| format!("{server}: {why}")));
    }

    /// Asks a replica. `None`: the primary must be asked.
    pub async fn read(
        &self,
        of: Option<Shard>,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        asked: &FreshRead<'_>,
    ) -> Option<(Vec<Row>, Vec<LogPosition>)> {
        let wanted = asked.wanted_of(of);
        let replica = self.choose(&wanted)?;
        let deadline = tokio::time::Instant::now() + REACH_WITHIN;
        if replica.progress.wait(&wanted, deadline).await.is_err() {
            replica.rests.store(true, Ordering::Relaxed);
            return None;
        }
        // A client that has to wait for its own reads waits for the primary.
        let turn = replica.server.turn_now()?;
        let found = replica.server.query(turn, sql, parameters, REPLICA_WITHIN).await;
        let found = found.and_then(|found| {
            let at = found.first().map(coordinates).transpose()?.unwrap_or_default();
            // What was known of the replica may be wrong: it may be another server by now.
            if !has_all(&at, &wanted) {
                return Err(DbError::ReplicaBehind);
            }
            asked.answered_of(of, &at)?;
            Ok((found, at))
        });
        match found {
            Ok(found) => {
                replica.progress.note(&found.1);
                replica.reads.increment(1);
                Some(found)
            }
            // The next check finds out what is wrong. The primary answers, or says what is.
            Err(error) => {
                tracing::debug!(server = replica.server.name, %error, "a replica did not answer a read");
                replica.rests.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// Returns the next replica, sooner one that is known to have reached a position.
    fn choose(&self, wanted: &[LogPosition]) -> Option<&Arc<ReadReplica>> {
        let begin = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..self.all.len()).map(|nth| &self.all[begin.wrapping_add(nth) % self.all.len()]);
        let usable = in_turn.filter(|replica| replica.is_healthy() && !replica.rests.load(Ordering::Relaxed));
        let usable: Vec<_> = usable.collect();
        usable.iter().find(|replica| replica.progress.has(wanted)).or(usable.first()).copied()
    }
}

impl ReadReplica {
    /// Asks whether it is in recovery, and how far it is.
    async fn ask(&self) -> Result<(bool, Vec<LogPosition>), DbError> {
        let sql = format!("SELECT pg_is_in_recovery() AS replica, p.positions FROM ({PROGRESS}) p");
        let turn = self.server.turn().await?;
        let found = self.server.query(turn, &sql, &[], CHECK_WITHIN).await?;
        let row = found.first().ok_or(DbError::Impossible("progress"))?;
        Ok((row.get("replica"), coordinates(row)?))
    }
}
