//! One book alone.

use std::ops::RangeInclusive;

use schemas::BookSide;

use super::{BookId, BookKey, Books, Queue, Resting, Upcoming};

/// One book's resting orders by price and time: a [`Books`] with one book, so what it says of each call holds here.
#[derive(Clone, Debug)]
pub struct Book<Id, T = ()> {
    pub(super) books: Books<Id, T>,
}

impl<Id: BookId, T: Copy> Book<Id, T> {
    /// Its key where one is asked for: see [`Book::prefetch`].
    pub const KEY: BookKey = BookKey::ONLY;

    /// For prices from 0 to `highest`.
    ///
    /// # Panics
    /// If `highest` is above [`PRICE_MAX`](super::PRICE_MAX).
    pub fn new(highest: u32) -> Self {
        Self::with_prices(0..=highest)
    }

    /// For these prices.
    ///
    /// # Panics
    /// If there are none, or one is above [`PRICE_MAX`](super::PRICE_MAX).
    pub fn with_prices(prices: RangeInclusive<u32>) -> Self {
        let mut books = Books::new();
        books.add_with(prices);
        Self { books }
    }

    /// The same book for ids that come from outside: see [`Books::keyed`].
    #[must_use]
    pub fn keyed(self, key: u128) -> Self {
        Self { books: self.books.keyed(key) }
    }

    /// The prices of the domain.
    pub fn prices(&self) -> RangeInclusive<u32> {
        self.books.prices(BookKey::ONLY)
    }

    /// How many orders rest.
    pub fn len(&self) -> usize {
        self.books.len(BookKey::ONLY)
    }

    /// True if no order rests.
    pub fn is_empty(&self) -> bool {
        self.books.is_empty(BookKey::ONLY)
    }

    /// The highest bid or the lowest ask.
    #[inline]
    pub fn best(&self, side: BookSide) -> Option<u32> {
        self.books.best(BookKey::ONLY, side)
    }

    /// What rests at a price, all orders together; 0 outside the domain.
    pub fn depth(&self, side: BookSide, price: u32) -> u64 {
        self.books.depth(BookKey::ONLY, side, price)
    }

    /// The order with this id, if it rests.
    #[inline]
    pub fn get(&self, id: Id) -> Option<Resting<Id, T>> {
        self.books.get(id).map(|(_, order)| order)
    }

    /// The prices of one side that have orders, best first, and what rests at each, all orders together.
    pub fn depths(&self, side: BookSide) -> impl Iterator<Item = (u32, u64)> {
        self.books.depths(BookKey::ONLY, side)
    }

    /// The orders of one side in the order in which they would fill.
    pub fn queue(&self, side: BookSide) -> Queue<'_, Id, T> {
        self.books.queue(BookKey::ONLY, side)
    }

    /// Call before a call is made: see [`Books::prefetch`].
    #[inline]
    pub fn prefetch(&self, behind: impl Fn(usize) -> Option<Upcoming<Id>>) {
        self.books.prefetch(behind);
    }

    /// Takes up to `quantity` from the orders that an order of `side` with this limit meets: see [`Books::take`].
    #[inline]
    pub fn take(&mut self, side: BookSide, limit: u32, quantity: u32, fill: impl FnMut(&Resting<Id, T>, u32)) -> u32 {
        self.books.take(BookKey::ONLY, side, limit, quantity, fill)
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already, nothing remains or the price is outside the domain: the caller decides that before.
    #[inline]
    pub fn insert(&mut self, order: Resting<Id, T>) {
        self.books.insert(BookKey::ONLY, order);
    }

    /// Takes `quantity` from the order that would fill first on `side`. Returns it as it was.
    ///
    /// # Panics
    /// If the side is empty or the order has less: the caller saw both in the book.
    #[inline]
    pub fn take_first(&mut self, side: BookSide, quantity: u32) -> Resting<Id, T> {
        self.books.take_first(BookKey::ONLY, side, quantity)
    }

    /// Takes `quantity` from an order, which keeps its place; one with nothing left is gone. Returns what is left.
    /// `None` if it does not rest.
    ///
    /// # Panics
    /// If the order has less.
    #[inline]
    pub fn reduce(&mut self, id: Id, quantity: u32) -> Option<u32> {
        self.books.reduce(id, quantity)
    }

    /// Takes an order out. `None` if it does not rest.
    #[inline]
    pub fn remove(&mut self, id: Id) -> Option<Resting<Id, T>> {
        self.books.remove(id).map(|(_, order)| order)
    }
}
