//! The counters of Redis and Postgres. Both include all clients, this program too.

use std::ops::Sub;

use crate::verify::read_model_error::ReadModelError;
use crate::verify::settle::VerifiedStores;

/// The work of both stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreWork {
    /// Number of commands that Redis executed.
    pub redis_calls: u64,
    /// Number of transactions that Postgres committed in the database.
    pub commits: u64,
    /// Number of table rows inserted, updated or deleted.
    pub rows: u64,
    /// Number of rows updated.
    pub updated: u64,
    /// Number of rows updated in place, without a new index entry (HOT).
    pub updated_hot: u64,
}

impl Sub for StoreWork {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            redis_calls: self.redis_calls.saturating_sub(before.redis_calls),
            commits: self.commits.saturating_sub(before.commits),
            rows: self.rows.saturating_sub(before.rows),
            updated: self.updated.saturating_sub(before.updated),
            updated_hot: self.updated_hot.saturating_sub(before.updated_hot),
        }
    }
}

impl StoreWork {
    /// Returns the percentage of updates that were in place; `None` if there were no updates.
    pub fn hot_share(&self) -> Option<f64> {
        (self.updated > 0).then(|| 100.0 * self.updated_hot as f64 / self.updated as f64)
    }
}

/// Returns the counters so far. Postgres publishes its own up to a second late.
pub async fn stored(models: &VerifiedStores) -> Result<StoreWork, ReadModelError> {
    let redis_calls = models.redis.commands_processed().await?;
    let [commits, rows, updated, updated_hot] = models.postgres.activity().await?;
    Ok(StoreWork { redis_calls, commits, rows, updated, updated_hot })
}
