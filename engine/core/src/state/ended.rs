//! How the latest orders ended, so that a client that cancels or amends one too late learns why.
//!
//! At least the last [`ENDED_ORDERS_KEPT`] of the shard are known, and at most twice as many: there
//! are two generations, and when the younger is full the older is dropped.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::limits::ENDED_ORDERS_KEPT;
use schemas::{AccountId, OrderId, Status};

use super::table::mixed;
use crate::book::HashIndex;
use crate::hash::ended_order;

/// The orders that ended last.
#[derive(Clone, Debug, Default)]
pub struct EndedOrders {
    older: Generation,
    younger: Generation,
}

#[derive(Clone, Debug, Default)]
struct Generation {
    orders: Vec<Ended>,
    /// The index by id. Derived from the orders.
    slots: HashIndex,
    /// The sum of their hashes.
    sum: u64,
}

/// An order that ended.
#[derive(Clone, Copy, Debug, Encode, Decode)]
struct Ended {
    id: OrderId,
    account: AccountId,
    status: Status,
}

impl EndedOrders {
    /// Records the end of an order, with its status. Each order ends once.
    #[inline]
    pub fn add(&mut self, id: OrderId, account: AccountId, status: Status) {
        if self.younger.orders.len() == ENDED_ORDERS_KEPT {
            std::mem::swap(&mut self.older, &mut self.younger);
            self.younger.clear();
        }
        self.younger.add(Ended { id, account, status });
    }

    /// Returns an order's account, and how the order ended.
    pub fn get(&self, id: OrderId) -> Option<(AccountId, Status)> {
        let ended = self.younger.get(id).or_else(|| self.older.get(id))?;
        Some((ended.account, ended.status))
    }

    pub fn len(&self) -> usize {
        self.older.orders.len() + self.younger.orders.len()
    }

    /// Returns the sum of the hashes of all of them.
    pub fn sum(&self) -> u64 {
        self.older.sum.wrapping_add(self.younger.sum)
    }
}

impl Generation {
    /// Returns false, and changes nothing, if the order is there already.
    #[inline]
    fn add(&mut self, ended: Ended) -> bool {
        let hash = mixed(ended.id.0);
        let Err(vacancy) = self.slots.find_or_vacancy(hash, |slot| self.orders[slot as usize].id == ended.id) else {
            return false;
        };
        let slot = u32::try_from(self.orders.len()).expect("a generation is bounded");
        self.slots.fill(vacancy, hash, slot);
        self.sum = self.sum.wrapping_add(ended_order(ended.id, ended.account, ended.status));
        self.orders.push(ended);
        true
    }

    fn get(&self, id: OrderId) -> Option<Ended> {
        let found = self.slots.find(mixed(id.0), |slot| self.orders[slot as usize].id == id);
        found.map(|(_, slot)| self.orders[slot as usize])
    }

    fn clear(&mut self) {
        self.orders.clear();
        self.slots.clear();
        self.sum = 0;
    }
}

impl Encode for EndedOrders {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.older.orders.encode(encoder)?;
        self.younger.orders.encode(encoder)
    }
}

impl<C> Decode<C> for EndedOrders {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut ended = Self::default();
        for generation in [&mut ended.older, &mut ended.younger] {
            for order in Vec::<Ended>::decode(decoder)? {
                if generation.orders.len() == ENDED_ORDERS_KEPT || !generation.add(order) {
                    return Err(DecodeError::Other("too many orders that ended, or one that ended twice"));
                }
            }
        }
        Ok(ended)
    }
}

impl<'de, C> BorrowDecode<'de, C> for EndedOrders {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_the_last_ones_are_known_and_at_most_twice_as_many() {
        let mut ended = EndedOrders::default();
        let account = |id| AccountId(id % 7);
        for id in 0..3 * ENDED_ORDERS_KEPT as u64 + 5 {
            ended.add(OrderId(id), account(id), Status::Filled);
            assert!(ended.len() <= 2 * ENDED_ORDERS_KEPT);
        }
        let mut bytes = Vec::new();
        schemas::codec::encode_into(&ended, &mut bytes);
        let (restored, _): (EndedOrders, usize) =
            bincode::decode_from_slice(&bytes, bincode::config::legacy()).unwrap();
        for id in 0..3 * ENDED_ORDERS_KEPT as u64 + 5 {
            let known = (id >= 2 * ENDED_ORDERS_KEPT as u64).then(|| (account(id), Status::Filled));
            assert_eq!(ended.get(OrderId(id)), known);
            assert_eq!(restored.get(OrderId(id)), known);
        }
    }
}
