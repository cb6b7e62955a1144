//! A book in a snapshot: the orders of each side in the order in which they would fill. Slots and free lists are not part of
//! what a book is, so they are not part of its bytes.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{BookSide, OrderId, Price, Quantity};

use super::{Book, Resting};

impl<T: Copy + Encode> Encode for Book<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.len() as u64).encode(encoder)?;
        for order in self.queue(BookSide::Bid).chain(self.queue(BookSide::Ask)) {
            (order.id, order.side, order.price, order.remaining).encode(encoder)?;
            order.owner.encode(encoder)?;
        }
        Ok(())
    }
}

impl<C, T: Copy + Decode<C>> Decode<C> for Book<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut book = Self::default();
        for _ in 0..u64::decode(decoder)? {
            let (id, side, price, remaining) = <(OrderId, BookSide, Price, Quantity)>::decode(decoder)?;
            let owner = T::decode(decoder)?;
            if remaining.is_zero() || book.get(id).is_some() {
                return Err(DecodeError::Other("a book with an order that is empty or rests twice"));
            }
            book.insert(Resting { id, side, price, remaining, owner });
        }
        Ok(book)
    }
}

impl<'de, C, T: Copy + Decode<C>> BorrowDecode<'de, C> for Book<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
