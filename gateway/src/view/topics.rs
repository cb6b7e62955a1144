//! Which markets are listed under what: a category, a tag, a market event. A page of one costs no look at the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use schemas::text::{Label, Ticker};
use schemas::{About, MarketEventId};

/// What a market is listed under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// Its category.
    Category(Label),
    /// One of its tags.
    Tag(Label),
    /// Its market event.
    Event(MarketEventId),
}

impl Topic {
    /// True if a market that is about this is listed under it.
    pub fn has(&self, about: &About) -> bool {
        match self {
            Self::Category(category) => about.category == *category,
            Self::Tag(tag) => about.tags.contains(tag),
            Self::Event(event) => about.event == Some(*event),
        }
    }
}

/// Tickers by topic, in order.
#[derive(Debug, Default)]
pub struct Topics(BTreeMap<Topic, BTreeSet<Ticker>>);

fn topics(about: &About) -> impl Iterator<Item = Topic> {
    let tags = about.tags.iter().cloned().map(Topic::Tag);
    [Topic::Category(about.category.clone())].into_iter().chain(tags).chain(about.event.map(Topic::Event))
}

impl Topics {
    /// A market is listed.
    pub fn add(&mut self, ticker: &Ticker, about: &About) {
        for topic in topics(about) {
            self.0.entry(topic).or_default().insert(ticker.clone());
        }
    }

    /// A market is listed no more.
    pub fn remove(&mut self, ticker: &Ticker, about: &About) {
        for topic in topics(about) {
            if let Some(tickers) = self.0.get_mut(&topic) {
                tickers.remove(ticker);
                if tickers.is_empty() {
                    self.0.remove(&topic);
                }
            }
        }
    }

    /// How many are listed under a topic.
    pub fn count(&self, topic: &Topic) -> usize {
        self.0.get(topic).map_or(0, BTreeSet::len)
    }

    /// Those under a topic, in order, from the one after `after` on.
    pub fn after(&self, topic: &Topic, after: Option<&Ticker>) -> impl Iterator<Item = &Ticker> {
        let from = after.map_or(Unbounded, Excluded);
        self.0.get(topic).into_iter().flat_map(move |tickers| tickers.range::<Ticker, _>((from, Unbounded)))
    }
}
