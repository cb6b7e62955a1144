//! A market's book as levels: how many contracts rest at each price. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemas::effects::BookChange;
use schemas::{BookSide, Price};

/// Levels of one market, in YES.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Book {
    bids: BTreeMap<Price, i64>,
    asks: BTreeMap<Price, i64>,
}

/// A level and how many contracts rest there now; 0 means it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Which side.
    pub side: BookSide,
    /// In YES.
    pub price: Price,
    /// Contracts.
    pub quantity: i64,
}

/// More contracts left a level than were there: the log and the view disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{side} level {price} would hold {quantity} contracts")]
pub struct NegativeLevel {
    side: BookSide,
    price: Price,
    quantity: i64,
}

impl Book {
    /// Adds all changes of one outcome and gives the levels that they touched, with what is there now.
    ///
    /// A level is judged after all of them, since the order of changes within an outcome does not matter.
    pub fn apply(&mut self, changes: &[BookChange]) -> Result<Vec<Level>, NegativeLevel> {
        let mut touched = BTreeSet::new();
        for change in changes {
            *self.side_mut(change.side).entry(change.price).or_default() += change.quantity;
            touched.insert((change.side, change.price));
        }
        touched.into_iter().map(|(side, price)| self.settle(side, price)).collect()
    }

    fn settle(&mut self, side: BookSide, price: Price) -> Result<Level, NegativeLevel> {
        let quantity = self.side(side).get(&price).copied().unwrap_or(0);
        if quantity < 0 {
            return Err(NegativeLevel { side, price, quantity });
        }
        if quantity == 0 {
            self.side_mut(side).remove(&price);
        }
        Ok(Level { side, price, quantity })
    }

    /// Best first: the highest bid, the lowest ask.
    pub fn levels(&self, side: BookSide) -> Box<dyn Iterator<Item = (Price, i64)> + '_> {
        let levels = self.side(side).iter().map(|(&price, &quantity)| (price, quantity));
        match side {
            BookSide::Bid => Box::new(levels.rev()),
            BookSide::Ask => Box::new(levels),
        }
    }

    fn side(&self, side: BookSide) -> &BTreeMap<Price, i64> {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: BookSide) -> &mut BTreeMap<Price, i64> {
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

    fn shown(book: &Book, side: BookSide) -> Vec<(u16, i64)> {
        book.levels(side).map(|(price, quantity)| (price.ticks(), quantity)).collect()
    }

    #[test]
    fn levels_are_sums_best_first_and_empty_ones_are_gone() {
        use BookSide::{Ask, Bid};
        let mut book = Book::default();
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
        let mut book = Book::default();
        assert!(book.apply(&[change(BookSide::Ask, 7, -5), change(BookSide::Ask, 7, 5)]).is_ok());
        assert!(book.apply(&[change(BookSide::Ask, 7, -1)]).is_err());
    }
}
