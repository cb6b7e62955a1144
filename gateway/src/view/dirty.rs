//! What changed in the view since the store had it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::reading::Checkpoint;
use schemas::{AccountId, Admin, ApiKey, ApiKeyId, MarketEventId, MarketId};

use super::Moving;
use super::market_events::MarketEventView;
use crate::shapes::market::MarketShape;

/// Ids of what changed.
#[derive(Debug, Default)]
pub struct Dirty {
    /// A shard's position has moved.
    pub positions: bool,
    /// Keys.
    pub keys: BTreeSet<(ApiKeyId, AccountId)>,
    /// Any admin.
    pub admins: bool,
    /// What markets are.
    pub markets: BTreeSet<MarketId>,
    /// Books and trades.
    pub moving: BTreeSet<MarketId>,
    /// Market events.
    pub events: BTreeSet<MarketEventId>,
    /// Markets that have left.
    pub archived: BTreeSet<MarketId>,
}

impl Dirty {
    /// How much there is.
    pub fn len(&self) -> usize {
        self.keys.len() + self.markets.len() + self.moving.len() + self.events.len() + self.archived.len()
    }

    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.positions && !self.admins && self.len() == 0
    }

    /// What a batch had is to be written after all.
    pub fn add(&mut self, batch: &CheckpointBatch) {
        self.positions = true;
        self.admins |= batch.admins.is_some();
        self.keys.extend(batch.keys.keys());
        self.markets.extend(batch.markets.keys());
        self.moving.extend(batch.moving.keys());
        self.events.extend(batch.events.iter().map(|known| known.event.id));
        self.archived.extend(&batch.archived);
    }
}

/// Copies of what changed, as of these positions. `None` is gone.
#[derive(Debug, Default)]
pub struct CheckpointBatch {
    /// One for each shard.
    pub positions: Vec<Checkpoint>,
    /// Keys.
    pub keys: BTreeMap<(ApiKeyId, AccountId), Option<Arc<ApiKey>>>,
    /// All admins, if any changed.
    pub admins: Option<Vec<Admin>>,
    /// What markets are.
    pub markets: BTreeMap<MarketId, Option<MarketShape>>,
    /// Books and trades.
    pub moving: BTreeMap<MarketId, Option<Moving>>,
    /// Market events.
    pub events: Vec<MarketEventView>,
    /// Markets that have left.
    pub archived: Vec<MarketId>,
}
