//! A market's book as price levels: how many contracts rest at each price. Pure.
//!
//! A side consists of pages of neighbouring prices. A copy of a book shares its pages, and a shared
//! page is copied when it changes. So a reader copies a book under the view's lock at a cost
//! independent of its levels, and reads the copy outside of the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::effects::BookChange;
use schemas::{BookSide, Price};

/// Prices of one page: few enough to copy for one change, enough that a side has few pages.
const PAGE_TICKS: u16 = 64;

/// The levels of one market, in YES. Cheap to copy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BookLevels {
    bids: Levels,
    asks: Levels,
    /// The sequence of the outcome that changed it last; 0 if none has since the view started.
    changed: u64,
}

/// The levels of one side by page, in order of price.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Levels(BTreeMap<u16, Arc<Vec<(Price, i64)>>>);

impl Levels {
    fn page_of(price: Price) -> u16 {
        price.ticks() / PAGE_TICKS
    }

    fn get(&self, price: Price) -> i64 {
        let page = self.0.get(&Self::page_of(price));
        let found = page.and_then(|page| page.binary_search_by_key(&price, |(at, _)| *at).ok().map(|at| page[at].1));
        found.unwrap_or(0)
    }

    /// A level may be negative until all changes of its outcome are made.
    fn add(&mut self, price: Price, more: i64) {
        let page = Arc::make_mut(self.0.entry(Self::page_of(price)).or_default());
        match page.binary_search_by_key(&price, |(at, _)| *at) {
            Ok(at) => page[at].1 += more,
            Err(at) => page.insert(at, (price, more)),
        }
    }

    fn remove(&mut self, price: Price) {
        let Some(page) = self.0.get_mut(&Self::page_of(price)) else { return };
        if let Ok(at) = page.binary_search_by_key(&price, |(at, _)| *at) {
            Arc::make_mut(page).remove(at);
        }
        if page.is_empty() {
            self.0.remove(&Self::page_of(price));
        }
    }

    fn rising(&self) -> impl DoubleEndedIterator<Item = (Price, i64)> + '_ {
        self.0.values().flat_map(|page| page.iter().copied())
    }
}

/// A level with its contracts; 0 means that the level is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// The side.
    pub side: BookSide,
    /// The price in YES.
    pub price: Price,
    /// The contracts.
    pub quantity: i64,
}

/// A level would become negative: the log and the view disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{side} level {price} would hold {quantity} contracts")]
pub struct NegativeLevel {
    side: BookSide,
    price: Price,
    quantity: i64,
}

impl BookLevels {
    /// Creates a book with these levels, each price once, as the outcome `changed` left it.
    pub fn of(changed: u64, bids: Vec<(Price, i64)>, asks: Vec<(Price, i64)>) -> Self {
        let side = |levels: Vec<(Price, i64)>| {
            let mut side = Levels::default();
            levels.into_iter().for_each(|(price, quantity)| side.add(price, quantity));
            side
        };
        Self { bids: side(bids), asks: side(asks), changed }
    }

    /// Applies all changes of one outcome, and returns the changed levels with their new
    /// quantities.
    ///
    /// A level is checked after all of them, because the order of changes within an outcome does
    /// not matter.
    pub fn apply(&mut self, changes: &[BookChange]) -> Result<Vec<Level>, NegativeLevel> {
        let mut touched = BTreeSet::new();
        for change in changes {
            self.side_mut(change.side).add(change.price, change.quantity);
            touched.insert((change.side, change.price));
        }
        touched.into_iter().map(|(side, price)| self.settle(side, price)).collect()
    }

    fn settle(&mut self, side: BookSide, price: Price) -> Result<Level, NegativeLevel> {
        let quantity = self.side(side).get(price);
        if quantity < 0 {
            return Err(NegativeLevel { side, price, quantity });
        }
        if quantity == 0 {
            self.side_mut(side).remove(price);
        }
        Ok(Level { side, price, quantity })
    }

    /// Notes the outcome that changed it.
    pub fn changed_by(&mut self, sequence: u64) {
        self.changed = sequence;
    }

    /// Returns the outcome that changed it last: two copies of a market's book with the same one
    /// are equal.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Returns the levels of a side, best first: the highest bid, the lowest ask.
    pub fn levels(&self, side: BookSide) -> Box<dyn Iterator<Item = (Price, i64)> + '_> {
        let levels = self.side(side).rising();
        match side {
            BookSide::Bid => Box::new(levels.rev()),
            BookSide::Ask => Box::new(levels),
        }
    }

    /// Counts the levels of both sides. The cost is that of the pages.
    pub fn count(&self) -> usize {
        let pages = self.bids.0.values().chain(self.asks.0.values());
        pages.map(|page| page.len()).sum()
    }

    /// Returns the best price of a side.
    pub fn best(&self, side: BookSide) -> Option<Price> {
        self.levels(side).next().map(|(price, _)| price)
    }

    /// Returns the number of levels of both sides.
    pub fn len(&self) -> usize {
        [&self.bids, &self.asks].into_iter().flat_map(|side| side.0.values()).map(|page| page.len()).sum()
    }

    fn side(&self, side: BookSide) -> &Levels {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: BookSide) -> &mut Levels {
        match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::MarketId;

    fn change(side: BookSide, ticks: u16, quantity: i64) -> BookChange {
        BookChange { market: MarketId(1), side, price: Price::new(ticks).unwrap(), quantity }
    }

    fn shown(book: &BookLevels, side: BookSide) -> Vec<(u16, i64)> {
        book.levels(side).map(|(price, quantity)| (price.ticks(), quantity)).collect()
    }

    #[test]
    fn levels_are_sums_best_first_and_empty_ones_are_gone() {
        use BookSide::{Ask, Bid};
        let mut book = BookLevels::default();
        let changes =
            [change(Bid, 10, 5), change(Bid, 12, 1), change(Bid, 10, 2), change(Ask, 20, 3), change(Ask, 19, 4)];
        book.apply(&changes).unwrap();
        assert_eq!(shown(&book, Bid), [(12, 1), (10, 7)]);
        assert_eq!(shown(&book, Ask), [(19, 4), (20, 3)]);
        let touched = book.apply(&[change(Bid, 12, -1), change(Ask, 19, -1)]).unwrap();
        assert_eq!(touched.iter().map(|l| (l.price.ticks(), l.quantity)).collect::<Vec<_>>(), [(12, 0), (19, 3)]);
        assert_eq!(shown(&book, Bid), [(10, 7)]);
    }

    #[test]
    fn a_level_may_dip_within_an_outcome_but_not_after_it() {
        let mut book = BookLevels::default();
        assert!(book.apply(&[change(BookSide::Ask, 7, -5), change(BookSide::Ask, 7, 5)]).is_ok());
        assert!(book.apply(&[change(BookSide::Ask, 7, -1)]).is_err());
    }

    #[test]
    fn a_copy_shares_all_pages_but_those_that_change_behind_it() {
        let mut book = BookLevels::default();
        let full = (1..10_000).map(|ticks| change(BookSide::Bid, ticks, 2)).collect::<Vec<_>>();
        book.apply(&full).unwrap();
        let copy = book.clone();
        book.apply(&[change(BookSide::Bid, 9_999, -2), change(BookSide::Bid, 5_000, 1)]).unwrap();
        let shared = copy.bids.0.iter().filter(|(page, levels)| Arc::ptr_eq(levels, &book.bids.0[page])).count();
        assert_eq!((copy.bids.0.len(), shared), (157, 155));
        assert_eq!((copy.len(), copy.best(BookSide::Bid)), (9_999, Price::new(9_999)));
        assert_eq!((book.len(), book.best(BookSide::Bid)), (9_998, Price::new(9_998)));
        assert_eq!((copy.bids.get(Price::new(5_000).unwrap()), book.bids.get(Price::new(5_000).unwrap())), (2, 3));
    }

    #[test]
    fn pages_are_a_sorted_map() {
        let (mut book, mut map, mut seed) = (BookLevels::default(), BTreeMap::new(), 7_u64);
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let ticks = u16::try_from(1 + (seed >> 33) % 400).unwrap();
            let had = map.get(&ticks).copied().unwrap_or(0);
            let more = if (seed >> 20) % 3 == 0 { -had } else { i64::try_from((seed >> 50) % 200).unwrap() };
            book.apply(&[change(BookSide::Ask, ticks, more)]).unwrap();
            map.insert(ticks, had + more);
            map.retain(|_, quantity| *quantity > 0);
        }
        assert_eq!(shown(&book, BookSide::Ask), map.into_iter().collect::<Vec<_>>());
    }
}
