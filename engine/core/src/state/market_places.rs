//! Which market has a book. Books stay where they are, since their orders' levels and their accounts' lists name them;
//! markets move in
//! their table when one before them is archived. The book of an archived market serves the next that is listed.

use std::collections::BTreeSet;

use schemas::MarketId;

use super::{Hashed, Market};
use crate::book::{BookKey, NIL};

/// By each book's key, its market's place in the table.
#[derive(Clone, Debug, Default)]
pub struct MarketPlaces {
    places: Vec<u32>,
}

impl MarketPlaces {
    /// Of these markets, which have these books; `None` unless each has one of its own, and all are had.
    pub fn of(markets: &Hashed<MarketId, Market>, books: impl Iterator<Item = BookKey>) -> Option<Self> {
        let (mut all, mut unclaimed) = (Self::default(), books.collect::<BTreeSet<_>>());
        for (place, market) in markets.values().enumerate() {
            if !unclaimed.remove(&market.book) {
                return None;
            }
            all.put(market.book, place);
        }
        unclaimed.is_empty().then_some(all)
    }

    /// The place of the market that has a book.
    #[inline]
    pub fn place(&self, book: BookKey) -> usize {
        self.places[book.index()] as usize
    }

    /// A market that has a book is at a place of the table.
    pub fn put(&mut self, book: BookKey, place: usize) {
        if book.index() >= self.places.len() {
            self.places.resize(book.index() + 1, NIL);
        }
        self.places[book.index()] = u32::try_from(place).expect("a table has under 2^32 entries");
    }

    /// A market is gone that had a book.
    pub fn vacate(&mut self, book: BookKey) {
        self.places[book.index()] = NIL;
        while self.places.last() == Some(&NIL) {
            self.places.pop();
        }
    }
}
