//! Waits until all is told: nothing under way, and every read model at the log's end. Then, and only then, they can be compared
//! row by row.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemas::Shard;

use super::Check;
use super::postgres::Postgres;
use super::redis::Redis;
use crate::log::{AuditedLog, LogError};

const POLL: Duration = Duration::from_millis(100);

/// How often a comparison is begun again because something was written meanwhile.
const ATTEMPTS: u32 = 10;

/// How far a reader is: sequence and chain of each shard.
pub type Heads = BTreeMap<Shard, (u64, Vec<u8>)>;

/// A read model cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReadModelError {
    /// Postgres says no, or nothing.
    #[error("Postgres: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Redis says no, or nothing.
    #[error("Redis: {0}")]
    Redis(#[from] fred::error::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is there is not of the documented form.
    #[error("not of the documented form: {0}")]
    Nonsense(String),
    /// The read models did not get there.
    #[error("after {waited:?} {who} is not at the end of the log: shard {shard} has {has}, the log {log}")]
    Behind {
        /// Which.
        who: &'static str,
        /// Where.
        shard: Shard,
        /// Its sequence; `nothing` if it has none.
        has: String,
        /// The log's.
        log: u64,
        /// How long.
        waited: Duration,
    },
    /// Somebody keeps writing.
    #[error("the log goes on all the while; compare when nobody trades")]
    Busy,
}

/// Everything that the log is compared with.
pub struct VerifiedStores {
    /// The tables.
    pub postgres: Postgres,
    /// The books, purses and so on.
    pub redis: Redis,
}

/// The log's heads, as a read model that has all of it would say them.
pub fn heads(log: &AuditedLog) -> Heads {
    log.positions().map(|(shard, position)| (shard, (position.sequence, position.chain.0.to_vec()))).collect()
}

/// When everything was told, from the moment somebody began to ask.
#[derive(Clone, Copy, Default, Debug)]
pub struct SettleTimes {
    /// The log was folded to its end for the first time.
    pub folded: Duration,
    /// Postgres had all of it.
    pub postgres: Duration,
    /// Redis had all of it.
    pub redis: Duration,
}

/// Reads on until the log stands still with nothing under way and both read models are where it is. What is still under way at the
/// deadline is left to the checks.
pub async fn settle(
    log: &mut AuditedLog,
    models: &VerifiedStores,
    patience: Duration,
) -> Result<SettleTimes, ReadModelError> {
    let started = Instant::now();
    let mut settled = SettleTimes::default();
    loop {
        tokio::task::block_in_place(|| log.catch_up())?;
        let (wanted, waited) = (heads(log), started.elapsed());
        if settled.folded.is_zero() {
            settled.folded = waited;
        }
        let postgres = behind("Postgres", &wanted, &models.postgres.heads().await?, waited);
        let redis = behind("Redis", &wanted, &models.redis.heads().await?, waited);
        for (behind, reached) in [(&postgres, &mut settled.postgres), (&redis, &mut settled.redis)] {
            match behind {
                Some(_) => *reached = Duration::ZERO,
                None if reached.is_zero() => *reached = started.elapsed(),
                None => {}
            }
        }
        match postgres.or(redis) {
            None if log.fold.waiting.count() == 0 || waited > patience => return Ok(settled),
            Some(error) if waited > patience => return Err(error),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

fn behind(who: &'static str, wanted: &Heads, has: &Heads, waited: Duration) -> Option<ReadModelError> {
    let (shard, (log, _)) = wanted.iter().find(|(shard, head)| head.0 > 0 && has.get(shard) != Some(head))?;
    let has = has.get(shard).map_or_else(|| "nothing".to_owned(), |(sequence, _)| sequence.to_string());
    Some(ReadModelError::Behind { who, shard: *shard, has, log: *log, waited })
}

/// Compares both read models with the log, in a moment when all three stand still.
pub async fn compare(
    log: &mut AuditedLog,
    models: &mut VerifiedStores,
    patience: Duration,
) -> Result<Vec<Check>, ReadModelError> {
    for _ in 0..ATTEMPTS {
        let heads: Heads = heads(log);
        let postgres = models.postgres.check(&log.fold, &heads).await?;
        let redis = models.redis.check(&log.fold, &heads).await?;
        if let (Some(postgres), Some(redis)) = (postgres, redis) {
            return Ok(postgres.into_iter().chain(redis).collect());
        }
        settle(log, models, patience).await?;
    }
    Err(ReadModelError::Busy)
}
