//! The orders of one side of a book, in the order in which they would fill.

use schemas::BookSide;

use super::books::Books;
use super::id::BookId;
use super::key::BookKey;
use super::resting::Resting;
use super::slab::NIL;

/// Orders of one side: best price first, then oldest first.
#[derive(Debug)]
pub struct Queue<'a, Id, T> {
    books: &'a Books<Id, T>,
    at: At,
}

/// The position of a walk through a queue. The order after another is looked up only when it is
/// requested: it may be far away in memory, and most walks end before it.
#[derive(Debug)]
enum At {
    /// The next slot, or [`NIL`].
    Next(u32),
    /// The slot before the next one.
    After(u32),
}

impl<Id: BookId, T: Copy> Iterator for Queue<'_, Id, T> {
    type Item = Resting<Id, T>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let slot = match self.at {
            At::Next(slot) => slot,
            At::After(slot) => self.books.after(slot),
        };
        if slot == NIL {
            self.at = At::Next(NIL);
            return None;
        }
        self.at = At::After(slot);
        Some(self.books.order(slot))
    }
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Returns the orders of one side in the order in which they would fill.
    #[inline]
    pub fn queue(&self, book: BookKey, side: BookSide) -> Queue<'_, Id, T> {
        Queue { books: self, at: At::Next(self.first(book, side)) }
    }
}
