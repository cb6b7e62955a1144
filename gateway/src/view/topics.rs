//! Indexes of markets by state, category, tag and market event. A page of one index does not read
//! the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::ops::Bound::Unbounded;

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

    /// Returns the first ticker under a criterion from here on.
    pub fn first(&self, topic: &MarketTopic, from: Bound<&Ticker>) -> Option<&Ticker> {
        self.0.get(topic)?.range::<Ticker, _>((from, Unbounded)).next()
    }
}
