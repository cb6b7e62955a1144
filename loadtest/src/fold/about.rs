//! Properties of markets, and the YES market of each exclusive market event.

use std::collections::HashMap;

use schemas::event::Event;
use schemas::{Listing, MarketEventId, MarketId, Shard};

use super::{Fold, OutcomeContext};

/// A market's properties, as in its row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The listing as created, edited and added to.
    pub listing: Listing,
    /// Clarifications of the rules, oldest first.
    pub clarifications: Vec<String>,
}

/// A market event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketEventRow {
    /// Its name.
    pub name: String,
    /// The title, for people.
    pub title: String,
    /// True if at most one of its markets may resolve YES.
    pub exclusive: bool,
    /// The market that holds its YES.
    pub yes: Option<MarketId>,
    /// The home shard.
    pub shard: Shard,
}

impl Fold {
    pub(super) fn describe(&mut self, event: &Event, place: OutcomeContext) {
        match event {
            Event::MarketEdited { market, edit, .. } => {
                let Some(known) = self.market(*market, place) else { return };
                known.about.listing.edit(edit);
                let untraded = known.trades.is_empty();
                self.faults.check(untraded, || format!("market {market} was replaced after it had traded"));
            }
            Event::MarketAddedTo { market, addition, .. } => {
                let Some(known) = self.market(*market, place) else { return };
                let added = known.about.listing.add(addition);
                known.about.clarifications.extend(addition.clarification.as_ref().map(ToString::to_string));
                self.faults.check(added.is_some(), || format!("market {market} has {addition:?} already"));
            }
            Event::MarketEventCreated { event, .. } => {
                let row = MarketEventRow {
                    name: event.name.to_string(),
                    title: event.title.to_string(),
                    exclusive: event.exclusive,
                    yes: None,
                    shard: place.shard,
                };
                let again = self.market_events.insert(event.id, row).is_some();
                self.faults.check(!again, || format!("market event {} was created twice", event.name));
            }
            Event::YesHeld { event, market } => match self.market_events.get_mut(event) {
                Some(known) => known.yes = *market,
                None => self.faults.add(|| format!("market event {event} was never created")),
            },
            _ => {}
        }
    }

    /// Returns the markets paid out YES, by their exclusive event.
    pub fn yes_of_events(&self) -> HashMap<MarketEventId, Vec<MarketId>> {
        let mut yes: HashMap<MarketEventId, Vec<MarketId>> = HashMap::new();
        for (id, market) in &self.markets {
            let answered = market.resolution.filter(|resolution| market.state.is_final() && resolution.answer.is_yes());
            let exclusive = |event: &MarketEventId| self.market_events.get(event).is_some_and(|event| event.exclusive);
            if let Some(event) = market.about.listing.about.event.filter(exclusive).filter(|_| answered.is_some()) {
                yes.entry(event).or_default().push(*id);
            }
        }
        yes
    }
}
