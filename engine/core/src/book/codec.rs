//! A book in a snapshot: the orders of each side in the order in which they would fill. Slots and free lists are not part of
//! what a book is, so they are not part of its bytes.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::BookSide;

use super::{Book, BookId, PRICE_MAX, Resting};

impl<Id: BookId + Encode, T: Copy + Encode> Encode for Book<Id, T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.highest(), self.len() as u64).encode(encoder)?;
        for order in self.queue(BookSide::Bid).chain(self.queue(BookSide::Ask)) {
            order.id.encode(encoder)?;
            (order.side, order.price, order.remaining).encode(encoder)?;
            order.owner.encode(encoder)?;
        }
        Ok(())
    }
}

impl<C, Id: BookId + Decode<C>, T: Copy + Decode<C>> Decode<C> for Book<Id, T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (highest, orders) = <(u32, u64)>::decode(decoder)?;
        if highest > PRICE_MAX {
            return Err(DecodeError::Other("a book for more prices than there are"));
        }
        let mut book = Self::new(highest);
        for _ in 0..orders {
            let id = Id::decode(decoder)?;
            let (side, price, remaining) = <(BookSide, u32, u32)>::decode(decoder)?;
            let owner = T::decode(decoder)?;
            if remaining == 0 || price > highest || book.get(id).is_some() {
                return Err(DecodeError::Other("a book with an order that is empty, off its prices or rests twice"));
            }
            book.insert(Resting { id, side, price, remaining, owner });
        }
        Ok(book)
    }
}

impl<'de, C, Id: BookId + Decode<C>, T: Copy + Decode<C>> BorrowDecode<'de, C> for Book<Id, T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
