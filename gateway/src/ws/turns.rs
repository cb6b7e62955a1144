//! Turns for making snapshots of orders: a few at a time for all clients, one for each account.
//!
//! Sockets of one account wait for each other before they join the queue of all accounts, so an
//! account has one place in that queue however many sockets it opens.

use std::sync::Arc;

use schemas::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lines::{LinePlace, Lines};

/// Snapshots of all connections that are made at the same time: few enough to leave Postgres and
/// the processors to others.
const AT_ONCE: usize = 2;

/// The turns of one gateway.
pub struct SnapshotTurns {
    all: Arc<Semaphore>,
    /// One line for each account that has a snapshot in progress or waits for one.
    accounts: Arc<Lines<AccountId>>,
}

/// One snapshot's turn. It ends when it is dropped.
pub struct SnapshotTurn {
    _own: LinePlace<AccountId>,
    _all: OwnedSemaphorePermit,
}

impl SnapshotTurns {
    /// Creates the turns.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(AT_ONCE)), accounts: Arc::default() })
    }

    /// Waits for a turn of the account. Whoever stops waiting leaves the queue.
    pub async fn take(&self, account: AccountId) -> SnapshotTurn {
        let own = self.accounts.take(account).await;
        let all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore is never closed");
        SnapshotTurn { _own: own, _all: all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn an_account_has_one_place_in_the_queue_however_many_sockets_it_has() {
        let turns = SnapshotTurns::new();
        let (first, second) = (turns.take(AccountId(1)).await, turns.take(AccountId(2)).await);
        let mut many: Vec<_> = (0..100).map(|_| Box::pin(turns.take(AccountId(1)))).collect();
        assert!(many.iter_mut().all(|turn| turn.as_mut().now_or_never().is_none()));
        let mut victim = pin!(turns.take(AccountId(3)));
        assert!(victim.as_mut().now_or_never().is_none());
        drop((first, second));
        // The first of the many has a turn, and the victim the other one.
        let _turn = victim.as_mut().now_or_never().expect("nobody else is before it");
        assert!(many[0].as_mut().now_or_never().is_some());
        drop(many);
        assert!(turns.accounts.keys().iter().all(|account| *account == AccountId(3)));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_an_account_without_a_turn() {
        let turns = SnapshotTurns::new();
        let turn = turns.take(AccountId(1)).await;
        assert!(turns.take(AccountId(1)).now_or_never().is_none());
        drop(turn);
        assert!(turns.accounts.keys().is_empty());
    }
}
