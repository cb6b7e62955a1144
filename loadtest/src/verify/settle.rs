//! Waits until no work is open and every read model has reached the log's end. Only then can they
//! be compared row by row.

use std::time::{Duration, Instant};

use super::Check;
use super::heads::Heads;
use super::postgres::Postgres;
use super::read_model_error::ReadModelError;
use super::redis::Redis;
use crate::log::AuditedLog;

const POLL: Duration = Duration::from_millis(100);

/// How often a comparison restarts because something was written meanwhile.
const ATTEMPTS: u32 = 10;

/// The stores that are compared with the log.
pub struct VerifiedStores {
    /// The tables.
    pub postgres: Postgres,
    /// The read models.
    pub redis: Redis,
}

/// Returns the log's progress, in the form of a read model's.
pub fn heads(log: &AuditedLog) -> Heads {
    log.positions().map(|(shard, position)| (shard, (position.sequence, position.chain.0.to_vec()))).collect()
}

/// How long each store took to reach the log's end, from the start of the wait.
#[derive(Clone, Copy, Default, Debug)]
pub struct SettleTimes {
    /// Until the log was folded to its end for the first time.
    pub folded: Duration,
    /// Until Postgres reached it.
    pub postgres: Duration,
    /// Until Redis reached it.
    pub redis: Duration,
}

/// Reads the log until it stops growing with no work open and both read models have reached its
/// end. Work still open at the deadline is left to the checks.
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

/// Compares both read models with the log, at a moment when all three are unchanged.
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
