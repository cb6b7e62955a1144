//! Prefetches the memory that coming calls will need. Nothing can predict which order a call refers
//! to, so without prefetching a call mostly waits for memory; but a caller that has a queue of
//! calls knows.
//!
//! Books that fit the caches do not need prefetching, and looking ahead takes time: they are
//! skipped ([`LEVELS_FAR`], [`ORDERS_FAR`]).
//!
//! Each call is visited three times before its turn. Each visit reads only what the previous one
//! prefetched, and prefetches what that refers to. Prefetching changes nothing, and no decision
//! depends on it.

use schemas::BookSide;

use super::books::Books;
use super::slab::NIL;
use super::{BookId, BookKey};

/// Number of calls between two visits of the same call.
pub const APART: usize = 2;

/// Number of queued calls, after the current one, that are visited.
pub const LOOKAHEAD: usize = 3 * APART;

/// Number of levels, with the orders at both ends of each, from which the near caches do not hold
/// them.
const LEVELS_FAR: u32 = 4_096;

/// Number of orders from which no cache holds them, even at few levels.
const ORDERS_FAR: usize = 1 << 18;

/// A coming call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upcoming<Id> {
    /// An order will be placed.
    Place {
        /// The book.
        book: BookKey,
        /// The order's id.
        id: Id,
        /// The order's side.
        side: BookSide,
        /// The order's limit.
        price: u32,
    },
    /// An order will be cancelled or amended.
    Change {
        /// The order's id.
        id: Id,
    },
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Prefetches for coming calls. Call before a call is made: `behind(n)` returns the `n`-th call
    /// after it, from 1 to [`LOOKAHEAD`].
    #[inline]
    pub fn prefetch(&self, behind: impl Fn(usize) -> Option<Upcoming<Id>>) {
        if self.are_far() {
            self.look_ahead(behind);
        }
    }

    /// Returns true if prefetching pays: what a call touches is likely in no cache.
    #[inline]
    pub(crate) fn are_far(&self) -> bool {
        self.levels.open_levels() >= LEVELS_FAR || self.orders() >= ORDERS_FAR
    }

    pub(super) fn look_ahead(&self, behind: impl Fn(usize) -> Option<Upcoming<Id>>) {
        match behind(3 * APART) {
            Some(Upcoming::Place { book, id, side, price }) => {
                self.prefetch_id(id);
                self.prefetch_price(book, side, price);
            }
            Some(Upcoming::Change { id }) => self.prefetch_id(id),
            None => {}
        }
        match behind(2 * APART) {
            Some(Upcoming::Place { book, side, price, .. }) if self.meets(book, side, price) => {
                self.prefetch_first(book, side.opposite());
            }
            Some(Upcoming::Place { book, side, price, .. }) => self.prefetch_level(book, side, price),
            Some(Upcoming::Change { id }) => self.prefetch_order(id),
            None => {}
        }
        match behind(APART) {
            Some(Upcoming::Place { book, side, price, .. }) => self.prefetch_last(book, side, price),
            Some(Upcoming::Change { id }) => self.prefetch_neighbours(id),
            None => {}
        }
    }

    /// First visit: prefetches the index entry of an order id.
    #[inline]
    pub(crate) fn prefetch_id(&self, id: Id) {
        self.ids.prefetch(id);
    }

    /// Second visit: prefetches the order.
    #[inline]
    pub(crate) fn prefetch_order(&self, id: Id) {
        if let Some(slot) = self.ids.guess(id) {
            self.nodes.prefetch(slot);
        }
    }

    /// Third visit: prefetches what the removal of an order touches.
    #[inline]
    pub(crate) fn prefetch_neighbours(&self, id: Id) {
        let Some(slot) = self.ids.guess(id) else { return };
        let node = &self.nodes[slot];
        self.levels.prefetch(node.level);
        for neighbour in [node.before, node.after].into_iter().filter(|&slot| slot != NIL) {
            self.nodes.prefetch(neighbour);
        }
    }

    /// Prefetches the order that would fill first on a side.
    #[inline]
    pub(crate) fn prefetch_first(&self, book: BookKey, side: BookSide) {
        let best = self.levels.levels_of_side(book.levels_of_side(side)).best;
        if best != NIL {
            self.nodes.prefetch(self.levels[best].head);
        }
    }

    /// Prefetches the last order at a price, once its level is in the cache.
    #[inline]
    pub(crate) fn prefetch_last(&self, book: BookKey, side: BookSide, price: u32) {
        if let Some(level) = self.levels.guess(book.levels_of_side(side), price) {
            self.nodes.prefetch(self.levels[level].tail);
        }
    }

    /// Prefetches the level at a price, once its index entries are in the cache.
    #[inline]
    pub(crate) fn prefetch_level(&self, book: BookKey, side: BookSide, price: u32) {
        if let Some(level) = self.levels.guess(book.levels_of_side(side), price) {
            self.levels.prefetch(level);
        }
    }

    /// Prefetches the index entries that lead to the level at a price.
    #[inline]
    pub(crate) fn prefetch_price(&self, book: BookKey, side: BookSide, price: u32) {
        self.levels.prefetch_price(book.levels_of_side(side), price);
    }
}
