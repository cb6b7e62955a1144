//! What Redis and Postgres have done, by their own counts. Both count for all clients together, this program's included.

use std::ops::Sub;

use crate::verify::settle::{ReadModelError, VerifiedStores};

/// What both stores have done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreWork {
    /// Commands that Redis carried out.
    pub redis_calls: u64,
    /// Transactions that Postgres committed in the database.
    pub commits: u64,
    /// Rows of the tables that were inserted, updated or deleted.
    pub rows: u64,
    /// Those that were updated.
    pub updated: u64,
    /// Those updated in place, without a new entry in any index (HOT).
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
    /// Of a hundred updates, how many were in place; `None` if there were none.
    pub fn hot_share(&self) -> Option<f64> {
        (self.updated > 0).then(|| 100.0 * self.updated_hot as f64 / self.updated as f64)
    }
}

/// What they have done so far. Postgres tells up to a second late.
pub async fn stored(models: &VerifiedStores) -> Result<StoreWork, ReadModelError> {
    let redis_calls = models.redis.commands_processed().await?;
    let [commits, rows, updated, updated_hot] = models.postgres.activity().await?;
    Ok(StoreWork { redis_calls, commits, rows, updated, updated_hot })
}
