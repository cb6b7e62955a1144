//! The view and the WebSocket subscriptions, shared between the one writer (the tail) and everybody who reads.
//!
//! Two locks, always taken in the order view, hub. The tail folds an outcome, takes the hub before it lets the view go,
//! and then publishes. A subscriber holds both for its snapshot and its registration. So a snapshot has every outcome up
//! to its sequence and every later one follows as a delta; nothing falls between, and readers do not wait for the fan-out.
//!
//! A poisoned lock is used on: if a fold panicked, its shard has halted, and what is here of the others is whole.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use schemas::ids::Coordinate;
use schemas::shard_map::ShardMap;
use schemas::{Outcome, Shard, Term};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::view::{FoldError, LiveView};
use crate::ws::hub::Hub;

/// See the module.
pub struct Live {
    view: RwLock<LiveView>,
    hub: Mutex<Hub>,
    advanced: Notify,
}

impl Live {
    /// Starts from what was read at boot.
    pub fn new(view: LiveView, map: ShardMap) -> Self {
        Self { view: RwLock::new(view), hub: Mutex::new(Hub::new(map)), advanced: Notify::new() }
    }

    /// Folds an outcome and tells whoever watches. Never waits for a client.
    pub fn apply(&self, shard: Shard, outcome: &Outcome) -> Result<(), FoldError> {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let changes = view.apply(shard, outcome)?;
        let mut hub = self.hub();
        drop(view);
        hub.publish(shard, outcome, &changes);
        drop(hub);
        self.advanced.notify_waiters();
        Ok(())
    }

    /// A leader began a term.
    pub fn term(&self, shard: Shard, term: &Term) {
        self.view.write().unwrap_or_else(PoisonError::into_inner).term(shard, term);
    }

    /// Reads the view. Short, and never across an await.
    pub fn view(&self) -> RwLockReadGuard<'_, LiveView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The subscriptions alone. Never take the view while holding it.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the view and changes the subscriptions while nothing new comes in.
    pub fn subscribe<T>(&self, act: impl FnOnce(&LiveView, &mut Hub) -> T) -> T {
        let view = self.view();
        act(&view, &mut self.hub())
    }

    /// Waits until the view is at least this far. False if it is not by the deadline.
    pub async fn wait(&self, wanted: &[Coordinate], deadline: Instant) -> bool {
        loop {
            let advanced = self.advanced.notified();
            tokio::pin!(advanced);
            // Registered before the look, so that an advance between the two is not missed.
            advanced.as_mut().enable();
            if self.view().has_reached(wanted) {
                return true;
            }
            if tokio::time::timeout_at(deadline, advanced).await.is_err() {
                return self.view().has_reached(wanted);
            }
        }
    }
}
