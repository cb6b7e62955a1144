//! Things by id: found in constant time, walked in an order that the log alone decides.
//!
//! The order is that of their coming, except that a removal moves the last one into the gap. Snapshots keep it, so a restored
//! shard walks its things just as the one that was never stopped.

use std::hash::{BuildHasherDefault, Hash};

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use indexmap::IndexMap;

use crate::index::IdHasher;

/// Things by id.
#[derive(Clone, Debug)]
pub struct Table<K, V>(IndexMap<K, V, BuildHasherDefault<IdHasher>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(IndexMap::default())
    }
}

impl<K: Hash + Eq + Copy, V> Table<K, V> {
    pub fn get(&self, key: K) -> Option<&V> {
        self.0.get(&key)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.0.get_mut(&key)
    }

    /// What was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        self.0.swap_remove(&key)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }
}

impl<K: Encode + Hash + Eq, V: Encode> Encode for Table<K, V> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|(key, value)| {
            key.encode(encoder)?;
            value.encode(encoder)
        })
    }
}

impl<C, K: Decode<C> + Hash + Eq, V: Decode<C>> Decode<C> for Table<K, V> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut table = Self::default();
        for _ in 0..u64::decode(decoder)? {
            if table.0.insert(K::decode(decoder)?, V::decode(decoder)?).is_some() {
                return Err(DecodeError::Other("a table with an id that stands twice"));
            }
        }
        Ok(table)
    }
}

impl<'de, C, K: Decode<C> + Hash + Eq, V: Decode<C>> BorrowDecode<'de, C> for Table<K, V> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
