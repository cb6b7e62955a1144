//! What orders will touch is brought into the processor's caches before it is needed. Which order a call is about, nobody can guess, so
//! most of its time would be waiting for memory; but who has a queue of calls knows.
//!
//! Books that fit the caches need none of it, and looking takes time: they are left alone ([`LEVELS_FAR`], [`ORDERS_FAR`]).
//!
//! Each call is looked at three times before its turn. Each look reads only what the one before it brought, and asks for what lies
//! behind that. Nothing is changed, and nothing is decided by it.

use schemas::BookSide;

use super::books::Books;
use super::slab::NIL;
use super::{BookId, BookKey};

/// How many calls lie between two looks at the same one.
pub const APART: usize = 2;

/// How many calls behind the present one are looked at.
pub const LOOKAHEAD: usize = 3 * APART;

/// Levels that no cache near the processor holds, with the orders at both their ends.
const LEVELS_FAR: u32 = 4_096;

/// Orders that no cache holds at all, at however few levels.
const ORDERS_FAR: usize = 1 << 18;

/// A call that is to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upcoming<Id> {
    /// An order will be placed.
    Place {
        /// In this book.
        book: BookKey,
        /// Its id.
        id: Id,
        /// Its side.
        side: BookSide,
        /// Its limit.
        price: u32,
    },
    /// An order will be cancelled or amended.
    Change {
        /// Its id.
        id: Id,
    },
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Call before a call is made: `behind(n)` is the `n`-th call after it, from 1 to [`LOOKAHEAD`].
    #[inline]
    pub fn prefetch(&self, behind: impl Fn(usize) -> Option<Upcoming<Id>>) {
        if self.are_far() {
            self.look_ahead(behind);
        }
    }

    /// True if what a call touches is likely in no cache, so that looking ahead is worth its while.
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

    /// First: where an order is by its id.
    #[inline]
    pub(crate) fn prefetch_id(&self, id: Id) {
        self.ids.prefetch(id);
    }

    /// Second: the order.
    #[inline]
    pub(crate) fn prefetch_order(&self, id: Id) {
        if let Some(slot) = self.ids.guess(id) {
            self.nodes.prefetch(slot);
        }
    }

    /// Third: what an order that leaves lets go.
    #[inline]
    pub(crate) fn prefetch_neighbours(&self, id: Id) {
        let Some(slot) = self.ids.guess(id) else { return };
        let node = &self.nodes[slot];
        self.levels.prefetch(node.level);
        for neighbour in [node.before, node.after].into_iter().filter(|&slot| slot != NIL) {
            self.nodes.prefetch(neighbour);
        }
    }

    /// The order that would fill first on a side.
    #[inline]
    pub(crate) fn prefetch_first(&self, book: BookKey, side: BookSide) {
        let best = self.levels.levels_of_side(book.levels_of_side(side)).best;
        if best != NIL {
            self.nodes.prefetch(self.levels[best].head);
        }
    }

    /// The last order at a price, once its level is there.
    #[inline]
    pub(crate) fn prefetch_last(&self, book: BookKey, side: BookSide, price: u32) {
        if let Some(level) = self.levels.guess(book.levels_of_side(side), price) {
            self.nodes.prefetch(self.levels[level].tail);
        }
    }

    /// The level at a price, once the way to it is there.
    #[inline]
    pub(crate) fn prefetch_level(&self, book: BookKey, side: BookSide, price: u32) {
        if let Some(level) = self.levels.guess(book.levels_of_side(side), price) {
            self.levels.prefetch(level);
        }
    }

    /// The way to the level at a price.
    #[inline]
    pub(crate) fn prefetch_price(&self, book: BookKey, side: BookSide, price: u32) {
        self.levels.prefetch_price(book.levels_of_side(side), price);
    }
}
