//! Books in a snapshot: of each its prices and the orders of each side in the order in which they would fill. Slots, free lists and
//! the places of hash tables are not part of what a book is, so they are not part of its bytes.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::BookSide;

use super::walk::Walk;
use super::{Book, BookId, BookKey, Books, PRICE_MAX, Resting};

/// Orders that memory is taken for before they are read.
const RESERVED_MAX: usize = 1 << 17;

/// Orders between the one that is written and the one that is fetched.
const AHEAD: usize = 8;

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Books<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let mut walk = Walk::default();
        (self.keys().count() as u64).encode(encoder)?;
        self.keys().try_for_each(|book| encode_book(self, book, &mut walk, encoder))
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
        let mut books = Self::new();
        for _ in 0..u64::decode(decoder)? {
            decode_book(&mut books, decoder)?;
        }
        Ok(books)
    }
}

impl<C, Id: BookId + Decode<C>, T: Copy + Decode<C>> Decode<C> for Book<Id, T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut books = Books::new();
        decode_book(&mut books, decoder)?;
        Ok(Self { books })
    }
}

/// Adds one more book.
fn decode_book<C, Id: BookId + Decode<C>, T: Copy + Decode<C>, D: Decoder<Context = C>>(
    books: &mut Books<Id, T>,
    decoder: &mut D,
) -> Result<(), DecodeError> {
    let (lowest, highest, orders) = <(u32, u32, u64)>::decode(decoder)?;
    if lowest > highest || highest > PRICE_MAX {
        return Err(DecodeError::Other("a book of no prices, or of more than there are"));
    }
    let book = books.add_with(lowest..=highest);
    // Not believed beyond what one mistake may cost.
    let expected = usize::try_from(orders).map_or(RESERVED_MAX, |orders| orders.min(RESERVED_MAX));
    books.nodes.reserve(expected);
    books.ids.reserve(expected);
    for _ in 0..orders {
        let id = Id::decode(decoder)?;
        let (side, price, remaining) = <(BookSide, u32, u32)>::decode(decoder)?;
        let owner = T::decode(decoder)?;
        let is_one = remaining > 0 && (lowest..=highest).contains(&price);
        if !is_one || books.try_insert(book, Resting { id, side, price, remaining, owner }).is_none() {
            return Err(DecodeError::Other("a book with an order that is empty, off its prices or rests twice"));
        }
    }
    Ok(())
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
