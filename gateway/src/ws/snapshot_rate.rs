//! How fast one client gets snapshots of books, on all of its connections together. `budget` bounds
//! one connection: many connections have as many budgets.

use std::num::NonZeroU32;
use std::time::Duration;

use service::buckets::{BucketRate, Buckets};
use tokio::time::{Instant, sleep_until};

use crate::http::problem::{Problem, kinds};
use crate::shares::Owner;

/// Bytes of snapshots of one client each second.
pub const SNAPSHOT_BYTES_EACH_SECOND: u32 = 4 * 1024 * 1024;

/// Bytes at once.
pub const SNAPSHOT_BYTES_BURST: u32 = 4 * SNAPSHOT_BYTES_EACH_SECOND;

/// The longest wait for a snapshot.
pub const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of a level in JSON, at most: `["0.5500",1000000000],`.
const LEVEL_BYTES: u32 = 24;

/// Bytes of a message without levels, roughly.
const ENVELOPE_BYTES: u32 = 256;

/// The buckets of all clients.
pub struct SnapshotRate(Buckets<Owner>);

impl SnapshotRate {
    /// Creates full buckets.
    pub fn new() -> Self {
        let rate = |bytes| NonZeroU32::new(bytes).expect("not zero");
        Self(Buckets::new(BucketRate {
            per_second: rate(SNAPSHOT_BYTES_EACH_SECOND),
            burst: rate(SNAPSHOT_BYTES_BURST),
        }))
    }

    /// Waits until this client may have a snapshot with so many levels. An error if that would take
    /// too long. An address of many clients has no bucket.
    pub async fn wait(&self, owner: Owner, levels: usize) -> Result<(), Problem> {
        if !owner.has_bucket() {
            return Ok(());
        }
        let levels = u32::try_from(levels).unwrap_or(u32::MAX);
        let bytes = NonZeroU32::MIN.saturating_add(levels.saturating_mul(LEVEL_BYTES).saturating_add(ENVELOPE_BYTES));
        let until = Instant::now() + SNAPSHOT_WITHIN;
        // Others of the same client may take the tokens first.
        while let Err(wait) = self.0.take(owner, bytes) {
            let at = Instant::now() + wait;
            if at > until {
                let detail = "too many snapshots of this client in too short a time";
                return Err(Problem::new(kinds::RATE_LIMITED).retry_after(wait).detail(detail));
            }
            sleep_until(at).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use schemas::AccountId;

    const ALICE: Owner = Owner::Account(AccountId(1));

    #[tokio::test(start_paused = true)]
    async fn one_client_waits_for_its_own_snapshots_and_others_do_not() {
        let rate = SnapshotRate::new();
        let levels = usize::try_from(SNAPSHOT_BYTES_EACH_SECOND / LEVEL_BYTES).unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            assert!(rate.wait(ALICE, levels).await.is_ok());
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "the burst");
        let all = join_all((0..16).map(|_| rate.wait(ALICE, levels))).await;
        let got = all.iter().filter(|got| got.is_ok()).count();
        assert!((4..=6).contains(&got), "{got} within {SNAPSHOT_WITHIN:?}");
        assert!(start.elapsed() <= SNAPSHOT_WITHIN);
        let start = Instant::now();
        for owner in [Owner::Account(AccountId(2)), Owner::Many] {
            assert!(rate.wait(owner, levels).await.is_ok());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
