//! A small map, sorted by key in one allocation: most accounts have one or two API keys, and one or
//! two purses elsewhere. A tree allocates space for eleven at once.

use std::ops::Index;

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

/// A small map in key order. Allocates no more memory than its entries need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V> Few<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// Returns the value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// Returns true if the key is there.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if the map is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all entries, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns all keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Returns all values, in key order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.insert_at(at, key, value),
        }
    }

    fn insert_at(&mut self, at: usize, key: K, value: V) {
        self.0.reserve_exact(1);
        self.0.insert(at, (key, value));
    }

    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.insert_at(at, key, V::default());
            at
        });
        &mut self.0[at].1
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
            self.0.shrink_to_fit();
        }
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for Few<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(all: I) -> Self {
        let mut few = Self::default();
        all.into_iter().for_each(|(key, value)| few.insert(key, value));
        few
    }
}

impl<K: Ord + Copy, V> Index<&K> for Few<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("something has the key")
    }
}

impl<'a, K, V> IntoIterator for &'a Few<K, V> {
    type Item = &'a (K, V);
    type IntoIter = std::slice::Iter<'a, (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Encode + 'static, V: Encode + 'static> Encode for Few<K, V> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C, K: Decode<C> + Ord + 'static, V: Decode<C> + 'static> Decode<C> for Few<K, V> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut all: Vec<(K, V)> = Decode::decode(decoder)?;
        if !all.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::Other("keys out of order, or one that stands twice"));
        }
        all.shrink_to_fit();
        Ok(Self(all))
    }
}

impl<'de, C, K: Decode<C> + Ord + 'static, V: Decode<C> + 'static> BorrowDecode<'de, C> for Few<K, V> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_tree(steps in prop::collection::vec((0_u8..3, 0_u16..8, any::<u32>()), 0..60)) {
            let (mut few, mut tree) = (Few::<u16, u32>::default(), BTreeMap::new());
            for (step, key, value) in steps {
                match step {
                    0 => {
                        few.insert(key, value);
                        tree.insert(key, value);
                    }
                    1 => {
                        few.remove(&key);
                        tree.remove(&key);
                    }
                    _ => {
                        *few.get_or_default(key) ^= value;
                        *tree.entry(key).or_default() ^= value;
                    }
                }
                prop_assert!(few.iter().eq(tree.iter()) && few.get(&key) == tree.get(&key));
                prop_assert_eq!(few.0.capacity(), few.len());
            }
            let config = bincode::config::legacy();
            let (mut bytes, mut of_tree) = (Vec::new(), Vec::new());
            schemas::codec::encode_into(&few, &mut bytes);
            schemas::codec::encode_into(&tree, &mut of_tree);
            prop_assert_eq!(&bytes, &of_tree);
            let (decoded, _): (Few<u16, u32>, usize) = bincode::decode_from_slice(&bytes, config).unwrap();
            prop_assert_eq!(decoded, few);
        }
    }
}
