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
mod id;
mod id_index;
mod key;
mod levels;
mod place;
mod prefetch;
mod prices;
mod queue;
mod resting;
mod single;
mod slab;
mod walk;

#[cfg(test)]
mod tests;

pub use ahead::{Ahead, QueueCount};
pub use books::Books;
pub use hash_index::HashIndex;
pub use id::{BookId, IdKey};
pub use key::BookKey;
pub use place::{BookError, PlaceResult, RestPolicy};
pub use prefetch::{APART, LOOKAHEAD, Upcoming};
pub use prices::PRICE_MAX;
pub use queue::Queue;
pub use resting::Resting;
pub use single::Book;
pub(crate) use slab::NIL;
