//! One market's resting orders by price and time. Knows nothing of accounts, wallets or Kafka: prices are ticks, quantities are
//! numbers, and what an order carries for its owner is a type parameter.
//!
//! ```
//! use engine_core::{Book, Resting};
//! use schemas::BookSide::{Ask, Bid};
//!
//! // Prices 0..=9,999; ids are u64 (u128 and order ids will do as well).
//! let mut book: Book<u64> = Book::new(9_999);
//! for id in [1, 2] {
//!     book.insert(Resting { id, side: Ask, price: 6_000, remaining: 10, owner: () });
//! }
//! assert_eq!(book.best(Ask), Some(6_000));
//! assert_eq!(book.depth(Ask, 6_000), 20);
//!
//! // A bid for 15 at 6,100 takes at the resting orders' price, first come first served.
//! let mut fills = Vec::new();
//! let left = book.take(Bid, 6_100, 15, |maker, quantity| fills.push((maker.id, maker.price, quantity)));
//! assert_eq!((left, fills), (0, vec![(1, 6_000, 10), (2, 6_000, 5)]));
//!
//! assert_eq!(book.get(2).map(|order| order.remaining), Some(5));
//! assert!(book.remove(2).is_some());
//! assert_eq!(book.best(Ask), None);
//! ```

mod books;
mod codec;
mod levels;
mod prices;
mod single;
mod slab;
mod slots;

#[cfg(test)]
mod tests;

use schemas::{BookSide, OrderId};

pub use books::{BookKey, Books};

pub use prices::PRICE_MAX;
pub use single::Book;
use slab::NIL;

/// An order's id in a book.
pub trait BookId: Copy + Eq + std::fmt::Debug {
    /// 32 well-mixed bits. Ids are given out by the exchange, not chosen by clients, so a fast mix will do.
    fn mix(self) -> u32;
}

impl BookId for u64 {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
    fn mix(self) -> u32 {
        (self.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
    }
}

impl BookId for u128 {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves")]
    fn mix(self) -> u32 {
        (self as u64 ^ ((self >> 64) as u64).rotate_left(32)).mix()
    }
}

impl BookId for OrderId {
    #[inline]
    fn mix(self) -> u32 {
        self.0.mix()
    }
}

/// An order in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resting<Id, T = ()> {
    /// Its id; unique in the book.
    pub id: Id,
    /// Its side.
    pub side: BookSide,
    /// Its price in ticks.
    pub price: u32,
    /// What is left of it; not 0.
    pub remaining: u32,
    /// What the book's owner wants to find again.
    pub owner: T,
}

/// Orders of one side, best price first, first come first.
#[derive(Debug)]
pub struct Queue<'a, Id, T> {
    books: &'a Books<Id, T>,
    next: u32,
}

impl<'a, Id: BookId, T: Copy> Iterator for Queue<'a, Id, T> {
    type Item = &'a Resting<Id, T>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == NIL {
            return None;
        }
        let (order, next) = self.books.step(self.next);
        self.next = next;
        Some(order)
    }
}
