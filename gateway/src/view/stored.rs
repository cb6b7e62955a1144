//! The exchange between the view and its store: what to load, what changed since the last
//! checkpoint, and what memory may drop.

use std::collections::BTreeSet;

use schemas::effects;
use schemas::{ApiKeyId, Event, MarketId, Outcome};

use super::dirty::{CheckpointBatch, Dirty};
use super::{LiveView, Moving};
use crate::store::StoreError;

/// The most markets whose books and trades are in memory when a store has all; more only between
/// two checkpoints.
pub const LOADED_MAX: usize = 65_536;

impl LiveView {
    /// Returns what must be loaded from the store before this outcome can be folded.
    pub fn missing(&self, outcome: &Outcome) -> (BTreeSet<MarketId>, BTreeSet<ApiKeyId>) {
        let (mut markets, mut keys) = (BTreeSet::new(), BTreeSet::new());
        if self.store.is_none() {
            return (markets, keys);
        }
        for event in &outcome.events {
            markets.extend(effects::book_changes(event).map(|change| change.market));
            match event {
                Event::Traded(trade) => drop(markets.insert(trade.market)),
                Event::ApiKeyEnds { key, .. } => drop(keys.insert(*key)),
                _ => {}
            }
        }
        markets.retain(|id| self.markets.get(id).is_some_and(|live| live.moving.is_none()));
        keys.retain(|id| self.keys.known(*id).is_none());
        (markets, keys)
    }

    /// Returns how often data was dropped from memory.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds a market's data from the store, as of a generation. Ignored if data was dropped since.
    pub fn load(&mut self, id: MarketId, moving: Moving, generation: u64) {
        let live = self.markets.get_mut(&id).filter(|live| live.moving.is_none() && generation == self.generation);
        if let Some(live) = live {
            live.moving = Some(Box::new(moving));
            *live.is_used.get_mut() = true;
            self.loaded.push_back(id);
        }
    }

    /// Returns the number of changes since the last checkpoint.
    pub fn changed(&self) -> usize {
        self.dirty.as_ref().map_or(0, Dirty::len)
    }

    /// Takes copies of all changes, which count as stored from here on, until
    /// [`LiveView::stored_changes`] or [`LiveView::keep_changes`]. Fails once an outcome was folded
    /// only in part: no position is right then.
    pub fn take_changes(&mut self) -> Result<Option<CheckpointBatch>, StoreError> {
        if self.folding {
            return Err(StoreError::HalfFolded);
        }
        let Some(dirty) = self.dirty.as_mut().filter(|dirty| !dirty.is_empty()).map(std::mem::take) else {
            return Ok(None);
        };
        let live = |id: &MarketId| self.markets.get(id);
        let moving = |id: &MarketId| live(id).and_then(|live| live.moving.as_deref().cloned());
        Ok(Some(CheckpointBatch {
            positions: self.positions.clone(),
            keys: dirty.keys.into_iter().map(|(id, of)| ((id, of), self.keys.change(id, of))).collect(),
            admins: dirty.admins.then(|| self.admins.iter().cloned().collect()),
            markets: dirty.markets.iter().map(|id| (*id, live(id).map(|live| live.market.clone()))).collect(),
            moving: dirty.moving.iter().map(|id| (*id, moving(id))).collect(),
            events: dirty.events.iter().filter_map(|id| self.market_events.get(*id).cloned()).collect(),
            archived: dirty.archived.into_iter().collect(),
        }))
    }

    /// Takes copies of all changes without the positions: while the store lacks these, a start does
    /// not use what it has.
    pub fn take_part(&mut self) -> Result<Option<CheckpointBatch>, StoreError> {
        let part = self.take_changes()?.map(|batch| CheckpointBatch { positions: Vec::new(), ..batch });
        self.note(|dirty| dirty.positions = true);
        Ok(part)
    }

    /// Confirms that the store has these changes, and drops what is not in use.
    pub fn stored_changes(&mut self, batch: &CheckpointBatch) {
        let Some(dirty) = &self.dirty else { return };
        for &(id, account) in batch.keys.keys() {
            self.keys.stored(id, account, dirty.keys.contains(&(id, account)));
        }
        for id in &batch.archived {
            self.archived.remove(id);
        }
        for _ in 0..self.loaded.len() {
            if self.loaded.len() <= LOADED_MAX {
                break;
            }
            let Some(id) = self.loaded.pop_front() else { break };
            let Some(live) = self.markets.get_mut(&id) else { continue };
            if std::mem::take(live.is_used.get_mut()) || dirty.moving.contains(&id) {
                self.loaded.push_back(id);
            } else {
                live.moving = None;
            }
        }
        self.generation += 1;
    }

    /// Returns changes that could not be written: they are part of the next batch.
    pub fn keep_changes(&mut self, batch: &CheckpointBatch) {
        self.note(|dirty| dirty.add(batch));
    }
}

#[cfg(test)]
mod tests {
    use schemas::reading::Checkpoint;
    use schemas::{Entry, Outcome};

    use super::*;
    use crate::shapes::market::MarketShape;
    use crate::store::Store;
    use crate::view::tests::{SHARD, listing, outcome, placed};

    /// Takes and confirms all changes, as a checkpoint does.
    fn store_all(view: &mut LiveView) {
        let batch = view.take_changes().unwrap().unwrap_or_default();
        view.stored_changes(&batch);
    }

    #[test]
    fn books_that_are_not_used_leave_the_memory_and_are_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), "loaded", 1).unwrap();
        let mut view = LiveView::stored(&[Checkpoint::default()], store);
        let ticker = |number: usize| format!("MARKET-{number}");
        for number in 0..LOADED_MAX + 100 {
            view.list(MarketShape::listed(listing(&ticker(number)), SHARD));
        }
        // Every book has one second chance.
        store_all(&mut view);
        let has_book = |view: &LiveView, number| view.market_named(&ticker(number)).unwrap().moving.is_some();
        assert!((0..LOADED_MAX + 100).all(|number| has_book(&view, number)));
        view.market_named(&ticker(0)).unwrap().moving().unwrap();
        store_all(&mut view);
        let held = (0..LOADED_MAX + 100).filter(|number| has_book(&view, *number)).count();
        assert_eq!((held, has_book(&view, 0), has_book(&view, 1)), (LOADED_MAX, true, false));
        let order = |number: usize| -> Outcome {
            let mut placed = placed(1, Entry::BuyYes, 5_000, 10, 0);
            placed.order.market = listing(&ticker(number)).market;
            outcome(1, vec![Event::OrderPlaced(placed)])
        };
        let missing = |view: &LiveView, number| view.missing(&order(number)).0.into_iter().collect::<Vec<_>>();
        assert_eq!((missing(&view, 0), missing(&view, 1)), (vec![], vec![listing(&ticker(1)).market]));
        // Data that was read before something was dropped is not used.
        view.load(listing(&ticker(1)).market, Moving::default(), view.generation() - 1);
        assert!(!has_book(&view, 1));
        view.load(listing(&ticker(1)).market, Moving::default(), view.generation());
        assert!(has_book(&view, 1) && view.apply(SHARD, &order(1)).is_ok());
    }
}
