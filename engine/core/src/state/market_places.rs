//! The market of each book. Books stay where they are, because their orders' levels and their
//! accounts' lists refer to them; markets move in their table when one before them is archived. The
//! book of an archived market is used for the next market that is listed.

use std::collections::BTreeSet;

use schemas::MarketId;

use super::{Hashed, Market};
use crate::book::{BookKey, NIL};

/// By book key: the market's index in the table.
#[derive(Clone, Debug, Default)]
pub struct MarketPlaces {
    places: Vec<u32>,
}

impl MarketPlaces {
    /// Returns the mapping of these markets to these books; `None` unless each market has a book of
    /// its own, and each book has a market.
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

    /// Returns the index of the market that has a book.
    #[inline]
    pub fn place(&self, book: BookKey) -> usize {
        self.places[book.index()] as usize
    }

    /// Records the index of the market that has a book.
    pub fn put(&mut self, book: BookKey, place: usize) {
        if book.index() >= self.places.len() {
            self.places.resize(book.index() + 1, NIL);
        }
        self.places[book.index()] = u32::try_from(place).expect("a table has under 2^32 entries");
    }

    /// Records that the market of a book is gone.
    pub fn vacate(&mut self, book: BookKey) {
        self.places[book.index()] = NIL;
        while self.places.last() == Some(&NIL) {
            self.places.pop();
        }
    }
}
