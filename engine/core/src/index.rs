//! A map from an id that this shard itself gave out to where the thing is. Look-ups only: it cannot be iterated, so the
//! order inside a hash map can never reach an outcome.

use std::hash::{BuildHasherDefault, Hash, Hasher};

#[allow(clippy::disallowed_types, reason = "the one place: iteration is not offered")]
type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Look-ups by id. Ids are counters with shard bits, given out by shards and not chosen by clients, so a fast mix will do.
#[derive(Clone, Debug)]
pub struct Index<K, V>(Map<K, V>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<K: Hash + Eq, V> Index<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }
}

/// Multiply and fold.
#[derive(Clone, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // Multiply and fold: the high half of the product depends on every bit of the key.
        let product = u128::from(self.0 ^ value ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
        #[allow(clippy::cast_possible_truncation, reason = "folds the two halves")]
        {
            self.0 = (product >> 64) as u64 ^ product as u64;
        }
    }
}
