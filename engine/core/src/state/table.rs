//! Entities by id: found in constant time, iterated in an order that the log alone decides.
//!
//! The order is that of insertion, except that a removal moves the last entity into the gap.
//! Snapshots keep the order, so a restored shard iterates as one that was never stopped.

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{AccountId, MarketEventId, MarketId};

use crate::book::HashIndex;
use crate::hash::SlotHashes;
use crate::pages::Paged;

/// The key of a table. Assigned by the exchange, not chosen by clients, so a fast mix suffices.
pub trait TableKey: Copy + Eq {
    /// Returns 32 well-mixed bits.
    fn mix(self) -> u32;
}

impl TableKey for AccountId {
    #[inline]
    fn mix(self) -> u32 {
        mixed(self.0)
    }
}

impl TableKey for MarketEventId {
    #[inline]
    fn mix(self) -> u32 {
        mixed(self.0)
    }
}

impl TableKey for MarketId {
    #[inline]
    fn mix(self) -> u32 {
        mixed(self.0)
    }
}

/// Fibonacci hashing.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
pub fn mixed(id: u64) -> u32 {
    (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

/// An observer of a table's insertions, changes and removals.
pub trait TableObserver: Default {
    /// A vacant slot was filled.
    fn comes(&mut self, slot: u32);
    /// The entity in a slot may be about to change.
    fn changes(&mut self, slot: u32);
    /// The entity in a slot is removed.
    fn goes(&mut self, slot: u32);
    /// The entity in one slot moves to another, which is vacant.
    fn moves(&mut self, from: u32, to: u32);
}

/// An observer that ignores everything.
impl TableObserver for () {
    fn comes(&mut self, _: u32) {}
    fn changes(&mut self, _: u32) {}
    fn goes(&mut self, _: u32) {}
    fn moves(&mut self, _: u32, _: u32) {}
}

/// A table whose entities count for the state's hash.
pub type Hashed<K, V> = Table<K, V, SlotHashes>;

/// Entities by id.
#[derive(Clone, Debug)]
pub struct Table<K, V, W = ()> {
    entries: Paged<(K, V)>,
    slots: HashIndex,
    watch: W,
    /// The index of the entity that was last requested for a change. A command requests its account
    /// and its market repeatedly.
    last: usize,
}

impl<K, V, W: Default> Default for Table<K, V, W> {
    fn default() -> Self {
        Self { entries: Paged::default(), slots: HashIndex::default(), watch: W::default(), last: 0 }
    }
}

impl<K: TableKey, V, W: TableObserver> Table<K, V, W> {
    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        self.find(key).map(|slot| &self.entries[slot].1)
    }

    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let slot = self.find(key)?;
        self.last = slot;
        self.watch.changes(index(slot));
        Some(&mut self.entries[slot].1)
    }

    /// Prefetches the index entries that lead to an entity.
    #[inline]
    pub fn prefetch_key(&self, key: K) {
        self.slots.prefetch(key.mix());
    }

    /// Prefetches an entity, once its index entries are in the cache.
    #[inline]
    pub fn prefetch(&self, key: K) {
        if let Some(slot) = self.slots.guess(key.mix()) {
            self.entries.prefetch(slot as usize);
        }
    }

    /// Looks an entity up, so that the next look-ups find it faster. Changes nothing else.
    #[inline]
    pub fn seek(&mut self, key: K) {
        self.last = self.find(key).unwrap_or(self.last);
    }

    /// Inserts a new entity. Returns false, and changes nothing, if the key is there already.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        let before = self.entries.len();
        self.find_or_push(key, || value);
        self.entries.len() > before
    }

    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let slot = self.find_or_push(key, V::default);
        self.watch.changes(index(slot));
        &mut self.entries[slot].1
    }

    #[inline(never)]
    pub fn remove(&mut self, key: K) -> Option<V> {
        let slot = self.find(key)?;
        let last = self.entries.len() - 1;
        self.slots.remove(key.mix(), index(slot));
        self.watch.goes(index(slot));
        if slot != last {
            self.watch.moves(index(last), index(slot));
            let moved = self.entries[last].0.mix();
            self.slots.remove(moved, index(last));
            let vacancy = self.slots.vacancy(moved);
            self.slots.fill(vacancy, moved, index(slot));
        }
        Some(self.entries.swap_remove(slot).1)
    }

    /// Returns an entity's index in the order of insertion, from 0. It stays the same as long as
    /// nothing is removed.
    #[inline]
    pub fn place(&self, key: K) -> Option<usize> {
        self.find(key)
    }

    /// Returns the `nth` inserted entity, if nothing was ever removed.
    pub fn nth(&self, nth: usize) -> Option<&V> {
        self.entries.get(nth).map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        match self.entries.near(self.last) {
            Some((last, _)) if *last == key => Some(self.last),
            _ => self.search(key),
        }
    }

    #[inline(never)]
    fn search(&self, key: K) -> Option<usize> {
        let found = self.slots.find(key.mix(), |slot| self.entries[slot as usize].0 == key);
        found.map(|(_, slot)| slot as usize)
    }

    #[inline(never)]
    fn find_or_push(&mut self, key: K, value: impl FnOnce() -> V) -> usize {
        match self.slots.find_or_vacancy(key.mix(), |slot| self.entries[slot as usize].0 == key) {
            Ok(slot) => slot as usize,
            Err(vacancy) => {
                let slot = self.entries.len();
                self.slots.fill(vacancy, key.mix(), index(slot));
                self.watch.comes(index(slot));
                self.entries.push((key, value()));
                slot
            }
        }
    }
}

impl<K: TableKey, V> Hashed<K, V> {
    /// Hashes the entities that have changed since they were hashed.
    pub fn hash_changed(&mut self, mut hash_of: impl FnMut(K, &mut V) -> u64) {
        let entries = &mut self.entries;
        self.watch.hash_changed(|slot| {
            let (key, value) = &mut entries[slot as usize];
            hash_of(*key, value)
        });
    }

    /// Returns the sum of the hashes of all entities.
    pub fn sum(&self) -> u64 {
        self.watch.sum()
    }
}

fn index(slot: usize) -> u32 {
    u32::try_from(slot).expect("a table has under 2^32 entries")
}

impl<K: Encode, V: Encode, W> Encode for Table<K, V, W> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.entries.len() as u64).encode(encoder)?;
        self.entries.iter().try_for_each(|(key, value)| {
            key.encode(encoder)?;
            value.encode(encoder)
        })
    }
}

impl<C, K: Decode<C> + TableKey, V: Decode<C>, W: TableObserver> Decode<C> for Table<K, V, W> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut table = Self::default();
        for _ in 0..u64::decode(decoder)? {
            if !table.insert(K::decode(decoder)?, V::decode(decoder)?) {
                return Err(DecodeError::Other("a table with an id that stands twice"));
            }
        }
        Ok(table)
    }
}

impl<'de, C, K: Decode<C> + TableKey, V: Decode<C>, W: TableObserver> BorrowDecode<'de, C> for Table<K, V, W> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
