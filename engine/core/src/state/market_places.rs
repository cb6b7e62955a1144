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
    /// Books that no market has.
    vacant: BTreeSet<BookKey>,
}

impl MarketPlaces {
    /// Of these markets, which have these books; `None` if two have the same, or one has none of them.
    pub fn of(markets: &Hashed<MarketId, Market>, books: impl Iterator<Item = BookKey>) -> Option<Self> {
        let vacant: BTreeSet<BookKey> = books.collect();
        let mut all = Self { places: vec![NIL; vacant.len()], vacant };
        for (place, market) in markets.values().enumerate() {
            if !all.vacant.remove(&market.book) {
                return None;
            }
            all.put(market.book, place);
        }
        Some(all)
    }

    /// The place of the market that has a book.
    #[inline]
    pub fn place(&self, book: BookKey) -> usize {
        self.places[book.index()] as usize
    }

    /// The first book that no market has.
    pub fn take_vacant(&mut self) -> Option<BookKey> {
        self.vacant.pop_first()
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
        self.vacant.insert(book);
    }
}
