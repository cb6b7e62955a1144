//! Market events: named groups of markets. Each has one home shard; its markets live on any shard.

use std::collections::{BTreeMap, HashMap};

use schemas::text::Label;
use schemas::{MarketEvent, MarketEventId, MarketId, Shard};

use super::names::is_id;

/// A market event with its current state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketEventView {
    /// The event as created.
    pub event: MarketEvent,
    /// The market that has its YES.
    pub yes: Option<MarketId>,
    /// Its home shard.
    pub shard: Shard,
}

/// All market events.
#[derive(Debug, Default)]
pub struct MarketEvents {
    events: HashMap<MarketEventId, MarketEventView>,
    names: BTreeMap<Label, MarketEventId>,
}

impl MarketEvents {
    /// Adds a market event.
    pub fn add(&mut self, known: MarketEventView) {
        self.names.insert(known.event.name.clone(), known.event.id);
        self.events.insert(known.event.id, known);
    }

    /// Sets the market that has the event's YES. Returns false if there is no such event.
    pub fn hold(&mut self, event: MarketEventId, yes: Option<MarketId>) -> bool {
        let known = self.events.get_mut(&event);
        known.map(|known| known.yes = yes).is_some()
    }

    /// Finds one by id.
    pub fn get(&self, id: MarketEventId) -> Option<&MarketEventView> {
        self.events.get(&id)
    }

    /// Finds one by id or name. Digits alone are an id: an old name without a letter is found by
    /// its id only.
    pub fn named(&self, name: &str) -> Option<&MarketEventView> {
        if is_id(name) {
            return self.events.get(&name.parse().ok()?);
        }
        self.events.get(self.names.get(&name.parse::<Label>().ok()?)?)
    }

    /// Returns events in order of name, starting after `after`.
    pub fn after(&self, after: Option<&Label>) -> impl Iterator<Item = &MarketEventView> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.names.range::<Label, _>((from, Unbounded)).filter_map(|(_, id)| self.events.get(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> MarketEventView {
        let name: Label = name.parse().unwrap();
        let (id, title) = (MarketEventId::of(&name), "Who?".parse().unwrap());
        let event = MarketEvent { id, name, title, exclusive: true };
        MarketEventView { event, yes: None, shard: Shard::new(0).unwrap() }
    }

    #[test]
    fn an_event_is_found_by_name_and_id_and_listed_by_name() {
        let mut events = MarketEvents::default();
        ["final", "cup", "2026"].into_iter().for_each(|name| events.add(known(name)));
        let id = known("final").event.id;
        assert_eq!(events.named("final").unwrap().event.id, id);
        assert_eq!(events.named(&id.to_string()).unwrap().event.id, id);
        assert_eq!(events.named("2026"), None, "digits are an id");
        assert_eq!(events.named(&format!("0{id}")), None);
        assert!(events.named("none").is_none() && events.named("Final").is_none());
        let names = |after: Option<&Label>| -> Vec<String> {
            events.after(after).map(|known| known.event.name.to_string()).collect()
        };
        assert_eq!(names(None), ["2026", "cup", "final"]);
        assert_eq!(names(Some(&"cup".parse().unwrap())), ["final"]);
        let holder = Some(MarketId(7));
        assert!(events.hold(id, holder) && !events.hold(MarketEventId(1), holder));
        assert_eq!(events.named("final").unwrap().yes, holder);
    }
}
