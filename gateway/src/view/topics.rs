//! Indexes of markets by state, category, tag and market event. A page of one index does not read
//! the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use schemas::text::{Label, Ticker};
use schemas::{MarketEventId, MarketState};

use crate::shapes::market::MarketShape;

/// A criterion that markets are listed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MarketTopic {
    /// Its state.
    State(MarketState),
    /// Its category.
    Category(Label),
    /// One of its tags.
    Tag(Label),
    /// Its market event.
    Event(MarketEventId),
}

impl MarketTopic {
    /// Returns true if the market meets the criterion.
    pub fn has(&self, market: &MarketShape) -> bool {
        let about = &market.listing.about;
        match self {
            Self::State(state) => market.state == *state,
            Self::Category(category) => about.category == *category,
            Self::Tag(tag) => about.tags.contains(tag),
            Self::Event(event) => about.event == Some(*event),
        }
    }
}

/// Tickers by criterion, in order.
#[derive(Debug, Default)]
pub struct MarketIndex(BTreeMap<MarketTopic, BTreeSet<Ticker>>);

fn topics(market: &MarketShape) -> impl Iterator<Item = MarketTopic> {
    let about = &market.listing.about;
    let first = [MarketTopic::State(market.state), MarketTopic::Category(about.category.clone())];
    let tags = about.tags.iter().cloned().map(MarketTopic::Tag);
    first.into_iter().chain(tags).chain(about.event.map(MarketTopic::Event))
}

impl MarketIndex {
    /// Adds a market.
    pub fn add(&mut self, market: &MarketShape) {
        for topic in topics(market) {
            self.0.entry(topic).or_default().insert(market.listing.ticker.clone());
        }
    }

    /// Removes a market.
    pub fn remove(&mut self, market: &MarketShape) {
        for topic in topics(market) {
            if let Some(tickers) = self.0.get_mut(&topic) {
                tickers.remove(&market.listing.ticker);
                if tickers.is_empty() {
                    self.0.remove(&topic);
                }
            }
        }
    }

    /// Returns the number of markets under a criterion.
    pub fn count(&self, topic: &MarketTopic) -> usize {
        self.0.get(topic).map_or(0, BTreeSet::len)
    }

    /// Returns the tickers under a criterion, in order, starting after `after`.
    pub fn after(&self, topic: &MarketTopic, after: Option<&Ticker>) -> impl Iterator<Item = &Ticker> {
        let from = after.map_or(Unbounded, Excluded);
        self.0.get(topic).into_iter().flat_map(move |tickers| tickers.range::<Ticker, _>((from, Unbounded)))
    }
}
