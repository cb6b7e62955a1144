//! Encodes and decodes books for a snapshot: each book's prices, and the orders of each side in the
//! order in which they would fill. Slots, free lists and the places of hash tables are memory
//! layout, so the encoding does not contain them.
//!
//! Equal books have equal bytes, and bytes that no book can have are refused: orders that cross, or
//! that are in another order. Decoding allocates as it reads; it trusts no count in the bytes
//! beyond [`RESERVED_MAX`].

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::BookSide;

use super::id_index::IdIndex;
use super::slab::NIL;
use super::walk::Walk;
use super::{Book, BookId, BookKey, Books, IdKey, PRICE_MAX, Resting};

/// Maximum number of orders for which index places are reserved before they are read.
const RESERVED_MAX: usize = 1 << 17;

/// Number of orders between the one that is written and the one that is prefetched.
const AHEAD: usize = 8;

/// Number of orders that are read before they come to rest, so that their index places are
/// prefetched meanwhile.
const TOGETHER: usize = 32;

/// The price range that marks a closed book.
const GAP: (u32, u32) = (1, 0);

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Books<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let mut walk = Walk::default();
        (self.places().count() as u64, self.orders() as u64).encode(encoder)?;
        self.places().try_for_each(|place| match place {
            Some(book) => encode_book(self, book, &mut walk, encoder),
            None => (GAP.0, GAP.1, 0_u64).encode(encoder),
        })
    }
}

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Book<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encode_book(&self.books, BookKey::ONLY, &mut Walk::default(), encoder)
    }
}

fn encode_book<Id: BookId + Encode, T: Copy + Encode, E: Encoder>(
    books: &Books<Id, T>,
    book: BookKey,
    walk: &mut Walk,
    encoder: &mut E,
) -> Result<(), EncodeError> {
    let prices = books.prices(book);
    (*prices.start(), *prices.end(), books.len(book) as u64).encode(encoder)?;
    for side in [BookSide::Bid, BookSide::Ask] {
        let slots = walk.of(books, book, side);
        for (at, &slot) in slots.iter().enumerate() {
            if let Some(&slot) = slots.get(at + AHEAD) {
                books.nodes.prefetch_whole(slot);
            }
            let Resting { id, side, price, remaining, owner } = books.order(slot);
            id.encode(encoder)?;
            (side, price, remaining).encode(encoder)?;
            owner.encode(encoder)?;
        }
    }
    Ok(())
}

impl<C, Id: BookId + Decode<C>, T: Copy + Decode<C>> Decode<C> for Books<Id, T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (places, orders) = <(u64, u64)>::decode(decoder)?;
        let mut books = with_room(orders);
        for place in 1..=places {
            let is_gap = decode_book(&mut books, decoder)?;
            if is_gap && place == places {
                return Err(DecodeError::Other("a gap behind all books"));
            }
        }
        if books.orders() as u64 != orders {
            return Err(DecodeError::Other("more or fewer orders than there should be"));
        }
        Ok(books)
    }
}

impl<C, Id: BookId + Decode<C>, T: Copy + Decode<C>> Decode<C> for Book<Id, T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut books = Books::new();
        if decode_book(&mut books, decoder)? {
            return Err(DecodeError::Other(NO_PRICES));
        }
        Ok(Self { books })
    }
}

const NO_PRICES: &str = "a book of no prices, or of more than there are";

/// Returns no books, with index space for that many orders, up to the trusted maximum.
fn with_room<Id: BookId, T: Copy>(orders: u64) -> Books<Id, T> {
    let room = usize::try_from(orders).map_or(RESERVED_MAX, |orders| orders.min(RESERVED_MAX));
    let mut books = Books::new();
    books.ids = IdIndex::new(IdKey::default(), room);
    books
}

/// Decodes one more book. Returns true if it is a gap.
fn decode_book<C, Id: BookId + Decode<C>, T: Copy + Decode<C>, D: Decoder<Context = C>>(
    books: &mut Books<Id, T>,
    decoder: &mut D,
) -> Result<bool, DecodeError> {
    let (lowest, highest, mut orders) = <(u32, u32, u64)>::decode(decoder)?;
    if (lowest, highest, orders) == (GAP.0, GAP.1, 0) {
        books.add_gap();
        return Ok(true);
    }
    if lowest > highest || highest > PRICE_MAX {
        return Err(DecodeError::Other(NO_PRICES));
    }
    let book = books.add_behind(lowest..=highest);
    let mut filling = Filling { books, book, side: BookSide::Bid, level: NIL };
    let mut together: Vec<Resting<Id, T>> = Vec::with_capacity(TOGETHER);
    while orders > 0 {
        let many = orders.min(TOGETHER as u64);
        orders -= many;
        for _ in 0..many {
            let id = Id::decode(decoder)?;
            let (side, price, remaining) = <(BookSide, u32, u32)>::decode(decoder)?;
            let order = Resting { id, side, price, remaining, owner: T::decode(decoder)? };
            filling.books.prefetch_id(id);
            together.push(order);
        }
        together.drain(..).try_for_each(|order| filling.push(order).map_err(DecodeError::Other))?;
    }
    Ok(false)
}

/// A book that is filled with orders in the order in which they would fill.
struct Filling<'a, Id, T> {
    books: &'a mut Books<Id, T>,
    book: BookKey,
    side: BookSide,
    /// The level of the last order, or [`NIL`] before a side's first.
    level: u32,
}

impl<Id: BookId, T: Copy> Filling<'_, Id, T> {
    fn push(&mut self, order: Resting<Id, T>) -> Result<(), &'static str> {
        let Resting { id, side, price, remaining, .. } = order;
        if remaining == 0 || !self.books.prices(self.book).contains(&price) {
            return Err("a book with an order that is empty or off its prices");
        }
        if self.books.find(id).is_some() {
            return Err("an order that rests twice");
        }
        if side != self.side {
            if side == BookSide::Bid {
                return Err("a bid behind asks");
            }
            (self.side, self.level) = (side, NIL);
            if self.books.meets(self.book, side, price) {
                return Err("a book that is crossed");
            }
        }
        let levels_of_side = self.book.levels_of_side(side);
        let last = (self.level != NIL).then(|| self.books.price_of(self.level));
        if last != Some(price) {
            if last.is_some_and(|last| if side == BookSide::Bid { price > last } else { price < last }) {
                return Err("a better price behind a worse one");
            }
            self.level = self.books.levels.open(levels_of_side, price);
        }
        self.books.append(levels_of_side, self.level, order);
        Ok(())
    }
}

impl<'de, C, Id: BookId + Decode<C>, T: Copy + Decode<C>> BorrowDecode<'de, C> for Books<Id, T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

impl<'de, C, Id: BookId + Decode<C>, T: Copy + Decode<C>> BorrowDecode<'de, C> for Book<Id, T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
