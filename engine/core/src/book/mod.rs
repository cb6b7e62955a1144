//! Resting orders by price and time. Independent of accounts, purses and Kafka: prices are ticks,
//! quantities are numbers, and the data that the owner attaches to an order is a type parameter.
//!
//! [`Book`] holds one market's orders; [`Books`] holds many books in one memory, as a shard has
//! them.
//!
//! ```
//! use engine_core::{Book, BookError, PlaceResult, RestPolicy, Resting};
//! use schemas::BookSide::{self, Ask, Bid};
//!
//! // Prices 1..=9,999; ids are u64 (u128 and order ids will do as well), and nothing is kept for an order's owner.
//! let mut book: Book<u64> = Book::with_prices(1..=9_999);
//! let order = |id, side: BookSide, price, remaining| Resting { id, side, price, remaining, owner: () };
//!
//! for id in [1, 2] {
//!     book.place(order(id, Ask, 6_000, 10), RestPolicy::GoodTillCancelled, |_, _| {})?;
//! }
//! assert_eq!((book.best(Ask), book.depth(Ask, 6_000)), (Some(6_000), 20));
//!
//! // A bid for 15 at 6,100 fills at the resting orders' price, first come first served.
//! let mut fills = Vec::new();
//! let bid = order(3, Bid, 6_100, 15);
//! let outcome = book.place(bid, RestPolicy::ImmediateOrCancel, |maker, quantity| fills.push((maker.id, maker.price, quantity)))?;
//! assert_eq!(outcome, PlaceResult { filled: 15, resting: 0 });
//! assert_eq!(fills, [(1, 6_000, 10), (2, 6_000, 5)]);
//!
//! // Less of it keeps its place; another price loses it.
//! book.amend(2, 6_000, 4, |_, _| {})?;
//! book.amend(2, 6_500, 4, |_, _| {})?;
//! assert_eq!(book.get(2).map(|order| (order.price, order.remaining)), Some((6_500, 4)));
//!
//! book.cancel(2)?;
//! assert_eq!(book.cancel(2), Err(BookError::IdUnknown));
//! assert!(book.is_empty());
//! # Ok::<(), BookError>(())
//! ```
//!
//! A caller that has a queue of calls, for books that no cache holds, runs them 1.5 to 1.8 times as
//! fast by announcing the next ones: see [`Books::prefetch`].

mod ahead;
mod books;
mod by_rank;
mod codec;
mod hash_index;
mod id_index;
mod levels;
mod place;
mod prefetch;
mod prices;
mod single;
mod slab;
mod walk;

#[cfg(test)]
mod tests;

use schemas::{BookSide, OrderId};

pub use ahead::{Ahead, QueueCount};
pub use books::{BookKey, Books};

pub use hash_index::HashIndex;
pub use place::{BookError, PlaceResult, RestPolicy};
pub use prefetch::{APART, LOOKAHEAD, Upcoming};
pub use prices::PRICE_MAX;
pub use single::Book;
pub(crate) use slab::NIL;

/// An order's id in a book.
pub trait BookId: Copy + Eq + std::fmt::Debug {
    /// Returns the id as a number below `u64::MAX`, if it is one. Books are faster with ids that
    /// are assigned in ascending order.
    fn number(self) -> Option<u64>;
    /// Returns 32 well-mixed bits.
    fn mix(self, key: IdKey) -> u32;
}

/// The key with which ids are mixed: two odd numbers. Without knowing them, nobody can choose many
/// ids that collide (multiply-shift hashing).
#[derive(Clone, Copy, Debug)]
pub struct IdKey([u64; 2]);

impl IdKey {
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves")]
    fn new(key: u128) -> Self {
        Self([key as u64 | 1, (key >> 64) as u64 | 1])
    }
}

/// For ids that the exchange assigns, in ascending order or well mixed.
impl Default for IdKey {
    fn default() -> Self {
        Self([0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03])
    }
}

impl BookId for u64 {
    #[inline]
    fn number(self) -> Option<u64> {
        (self < u64::MAX).then_some(self)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
    fn mix(self, key: IdKey) -> u32 {
        (self.wrapping_mul(key.0[0]) >> 32) as u32
    }
}

impl BookId for u128 {
    #[inline]
    fn number(self) -> Option<u64> {
        u64::try_from(self).ok().and_then(BookId::number)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves, and the sum's high half")]
    fn mix(self, key: IdKey) -> u32 {
        let (low, high) = (self as u64, (self >> 64) as u64);
        (low.wrapping_mul(key.0[0]).wrapping_add(high.wrapping_mul(key.0[1])) >> 32) as u32
    }
}

/// Assigned by the shard in ascending order, whatever clients do.
impl BookId for OrderId {
    #[inline]
    fn number(self) -> Option<u64> {
        self.0.number()
    }

    #[inline]
    fn mix(self, key: IdKey) -> u32 {
        self.0.mix(key)
    }
}

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
