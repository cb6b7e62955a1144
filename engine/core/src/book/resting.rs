//! Orders in a book, as their owner sees them.

use schemas::BookSide;

/// An order in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resting<Id, T = ()> {
    /// The order's id; unique in the book.
    pub id: Id,
    /// The order's side.
    pub side: BookSide,
    /// The order's price in ticks.
    pub price: u32,
    /// Remaining quantity; not 0.
    pub remaining: u32,
    /// Data that the book's owner attached.
    pub owner: T,
}
