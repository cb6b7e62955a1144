//! Books in a snapshot: of each its prices and the orders of each side in the order in which they would fill. Slots, free lists and
//! the places of hash tables are not part of what a book is, so they are not part of its bytes.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::BookSide;

use super::{Book, BookId, BookKey, Books, PRICE_MAX, Resting};

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Books<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.keys().count() as u64).encode(encoder)?;
        self.keys().try_for_each(|book| encode_book(self, book, encoder))
    }
}

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Book<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encode_book(&self.books, BookKey::ONLY, encoder)
    }
}

fn encode_book<Id: BookId + Encode, T: Copy + Encode, E: Encoder>(
    books: &Books<Id, T>,
    book: BookKey,
    encoder: &mut E,
) -> Result<(), EncodeError> {
    let prices = books.prices(book);
    (*prices.start(), *prices.end(), books.len(book) as u64).encode(encoder)?;
    for order in books.queue(book, BookSide::Bid).chain(books.queue(book, BookSide::Ask)) {
        order.id.encode(encoder)?;
        (order.side, order.price, order.remaining).encode(encoder)?;
        order.owner.encode(encoder)?;
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
    for _ in 0..orders {
        let id = Id::decode(decoder)?;
        let (side, price, remaining) = <(BookSide, u32, u32)>::decode(decoder)?;
        let owner = T::decode(decoder)?;
        if remaining == 0 || !(lowest..=highest).contains(&price) || books.get(id).is_some() {
            return Err(DecodeError::Other("a book with an order that is empty, off its prices or rests twice"));
        }
        books.insert(book, Resting { id, side, price, remaining, owner });
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
