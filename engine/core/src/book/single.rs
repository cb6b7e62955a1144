//! A single book.

use std::ops::RangeInclusive;

use schemas::BookSide;

use super::{BookId, BookKey, Books, Queue, Resting, Upcoming};

/// One book's resting orders by price and time: a [`Books`] with one book, whose documentation of
/// each call applies here.
#[derive(Clone, Debug)]
pub struct Book<Id, T = ()> {
    pub(super) books: Books<Id, T>,
}

impl<Id: BookId, T: Copy> Book<Id, T> {
    /// The key of the book: see [`Book::prefetch`].
    pub const KEY: BookKey = BookKey::ONLY;

    /// Returns an empty book for prices from 0 to `highest`.
    ///
    /// # Panics
    /// If `highest` is above [`PRICE_MAX`](super::PRICE_MAX).
    pub fn new(highest: u32) -> Self {
        Self::with_prices(0..=highest)
    }

    /// Returns an empty book for these prices.
    ///
    /// # Panics
    /// If the range is empty, or a price is above [`PRICE_MAX`](super::PRICE_MAX).
    pub fn with_prices(prices: RangeInclusive<u32>) -> Self {
        let mut books = Books::new();
        books.add_with(prices);
        Self { books }
    }

    /// Sets the key for ids from outside: see [`Books::keyed`].
    #[must_use]
    pub fn keyed(self, key: u128) -> Self {
        Self { books: self.books.keyed(key) }
    }

    /// Returns the prices of the domain.
    pub fn prices(&self) -> RangeInclusive<u32> {
        self.books.prices(BookKey::ONLY)
    }

    /// Returns the number of resting orders.
    pub fn len(&self) -> usize {
        self.books.len(BookKey::ONLY)
    }

    /// Returns true if no order rests.
    pub fn is_empty(&self) -> bool {
        self.books.is_empty(BookKey::ONLY)
    }

    /// Returns the highest bid or the lowest ask.
    #[inline]
    pub fn best(&self, side: BookSide) -> Option<u32> {
        self.books.best(BookKey::ONLY, side)
    }

    /// Returns the total quantity that rests at a price; 0 outside the domain.
    pub fn depth(&self, side: BookSide, price: u32) -> u64 {
        self.books.depth(BookKey::ONLY, side, price)
    }

    /// Returns the order with this id, if it rests.
    #[inline]
    pub fn get(&self, id: Id) -> Option<Resting<Id, T>> {
        self.books.get(id).map(|(_, order)| order)
    }

    /// Returns the prices of one side that have orders, best first, with the total quantity at
    /// each.
    pub fn depths(&self, side: BookSide) -> impl Iterator<Item = (u32, u64)> {
        self.books.depths(BookKey::ONLY, side)
    }

    /// Returns the orders of one side in the order in which they would fill.
    pub fn queue(&self, side: BookSide) -> Queue<'_, Id, T> {
        self.books.queue(BookKey::ONLY, side)
    }

    /// Prefetches for coming calls: see [`Books::prefetch`].
    #[inline]
    pub fn prefetch(&self, behind: impl Fn(usize) -> Option<Upcoming<Id>>) {
        self.books.prefetch(behind);
    }

    /// Takes up to `quantity` from the orders that an order of `side` with this limit crosses: see
    /// [`Books::take`].
    #[inline]
    pub fn take(&mut self, side: BookSide, limit: u32, quantity: u32, fill: impl FnMut(&Resting<Id, T>, u32)) -> u32 {
        self.books.take(BookKey::ONLY, side, limit, quantity, fill)
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already, nothing remains or the price is outside the domain: the caller must
    /// check that before.
    #[inline]
    pub fn insert(&mut self, order: Resting<Id, T>) {
        self.books.insert(BookKey::ONLY, order);
    }

    /// Takes `quantity` from the order that would fill first on `side`. Returns the order as it
    /// was.
    ///
    /// # Panics
    /// If the side is empty or the order has less: the caller has seen both in the book.
    #[inline]
    pub fn take_first(&mut self, side: BookSide, quantity: u32) -> Resting<Id, T> {
        self.books.take_first(BookKey::ONLY, side, quantity)
    }

    /// Takes `quantity` from an order, which keeps its place; an order with nothing left is
    /// removed. Returns what is left, or `None` if the order does not rest.
    ///
    /// # Panics
    /// If the order has less.
    #[inline]
    pub fn reduce(&mut self, id: Id, quantity: u32) -> Option<u32> {
        self.books.reduce(id, quantity)
    }

    /// Removes an order. Returns `None` if it does not rest.
    #[inline]
    pub fn remove(&mut self, id: Id) -> Option<Resting<Id, T>> {
        self.books.remove(id).map(|(_, order)| order)
    }
}
