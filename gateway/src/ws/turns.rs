//! Turns for making snapshots of orders: a few at a time for all clients, one for each account.
//!
//! Sockets of one account wait for each other before they join the queue of all accounts, so an
//! account has one place in that queue however many sockets it opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::AccountId;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Snapshots of all connections that are made at the same time: few enough to leave Postgres and
/// the processors to others.
const AT_ONCE: usize = 2;

type Line = Arc<tokio::sync::Mutex<()>>;

/// The turns of one gateway.
pub struct SnapshotTurns {
    all: Arc<Semaphore>,
    /// One for each account that has a snapshot in progress or waits for one.
    accounts: Mutex<HashMap<AccountId, Line>>,
}

/// One snapshot's turn. It ends when it is dropped.
pub struct SnapshotTurn {
    turns: Arc<SnapshotTurns>,
    account: AccountId,
    held: Option<(OwnedMutexGuard<()>, OwnedSemaphorePermit)>,
}

impl SnapshotTurns {
    /// Creates the turns.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(AT_ONCE)), accounts: Mutex::default() })
    }

    /// Waits for a turn of the account. Whoever stops waiting leaves the queue.
    pub async fn take(self: &Arc<Self>, account: AccountId) -> SnapshotTurn {
        // Before the first wait, so that leaving the queue forgets the account.
        let mut turn = SnapshotTurn { turns: Arc::clone(self), account, held: None };
        let line = Arc::clone(self.accounts().entry(account).or_default());
        let own = line.lock_owned().await;
        let all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore is never closed");
        turn.held = Some((own, all));
        turn
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Line>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SnapshotTurn {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut accounts = self.turns.accounts();
        if accounts.get(&self.account).is_some_and(|line| Arc::strong_count(line) == 1) {
            accounts.remove(&self.account);
        }
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
        assert!(turns.accounts().keys().all(|account| *account == AccountId(3)));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_an_account_without_a_turn() {
        let turns = SnapshotTurns::new();
        let turn = turns.take(AccountId(1)).await;
        assert!(turns.take(AccountId(1)).now_or_never().is_none());
        drop(turn);
        assert!(turns.accounts().is_empty());
    }
}
