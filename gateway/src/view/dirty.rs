//! What changed in the view since the last checkpoint. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::reading::Checkpoint;
use schemas::{AccountId, Admin, ApiKey, ApiKeyId, MarketEventId, MarketId};

use super::market_events::MarketEventView;
use super::moving::Moving;
use crate::shapes::market::MarketShape;

/// The ids of everything that changed.
#[derive(Debug, Default)]
pub struct Dirty {
    /// True if a shard's position moved.
    pub positions: bool,
    /// Keys.
    pub keys: BTreeSet<(ApiKeyId, AccountId)>,
    /// True if any admin changed.
    pub admins: bool,
    /// Market descriptions and states.
    pub markets: BTreeSet<MarketId>,
    /// Books and trades.
    pub moving: BTreeSet<MarketId>,
    /// Market events.
    pub events: BTreeSet<MarketEventId>,
    /// Archived markets.
    pub archived: BTreeSet<MarketId>,
}

impl Dirty {
    /// Returns the number of changes.
    pub fn len(&self) -> usize {
        self.keys.len() + self.markets.len() + self.moving.len() + self.events.len() + self.archived.len()
    }

    /// Returns true if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.positions && !self.admins && self.len() == 0
    }

    /// Adds the changes of a batch that could not be written.
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

/// Copies of everything that changed, as of these positions. `None` stands for a removed item.
#[derive(Debug, Default)]
pub struct CheckpointBatch {
    /// One for each shard.
    pub positions: Vec<Checkpoint>,
    /// Keys.
    pub keys: BTreeMap<(ApiKeyId, AccountId), Option<Arc<ApiKey>>>,
    /// All admins, if any changed.
    pub admins: Option<Vec<Admin>>,
    /// Market descriptions and states.
    pub markets: BTreeMap<MarketId, Option<MarketShape>>,
    /// Books and trades.
    pub moving: BTreeMap<MarketId, Option<Moving>>,
    /// Market events.
    pub events: Vec<MarketEventView>,
    /// Archived markets.
    pub archived: Vec<MarketId>,
}
