//! From a hash to a slot: where in its slab an order is by its id, and a level by its side and price. Open addressing, linear probing,
//! and removal that leaves no tombstones, so that a book that lives for years is as fast as a fresh one.
//!
//! An entry is the hash (high half) and the slot (low half). Places follow from the hash alone, so growing and closing gaps never
//! touch the slab. Keys are compared by the caller, there.

use prefetch_index::prefetch_index;

/// No entry. Nothing has this hash and slot: slots end below `u32::MAX`.
const EMPTY: u64 = u64::MAX;

/// At least so many places for each entry; else it grows. Longer walks from place to place would cost more mispredicted branches
/// than the smaller table saves in cache misses.
const SPARE: usize = 2;

/// Where an entry would be, until the next change.
pub struct Vacancy(usize);

/// Where an entry is, until the next change.
pub type Entry = usize;

#[derive(Clone, Debug)]
pub struct Slots {
    /// A power of two of them.
    entries: Box<[u64]>,
    /// Takes a hash to its place: the hash's high bits.
    shift: u32,
    len: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self::with_bits(3)
    }
}

impl Slots {
    fn with_bits(bits: u32) -> Self {
        Self { entries: vec![EMPTY; 1 << bits].into_boxed_slice(), shift: 32 - bits, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Brings the places of a hash into the processor's caches.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        prefetch_index(&self.entries, self.home(hash));
    }

    /// A slot with this hash, likely the wanted one: where to look ahead without touching the slab.
    #[inline]
    pub fn guess(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true).map(|(_, slot)| slot)
    }

    /// The entry with this hash for which `is_it` holds: its place and its slot.
    #[inline]
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mut place = self.home(hash);
        loop {
            let entry = self.entries[place];
            if entry == EMPTY {
                return None;
            }
            if hash_of(entry) == hash && is_it(slot_of(entry)) {
                return Some((place, slot_of(entry)));
            }
            place = self.after(place);
        }
    }

    /// The slot with this hash for which `is_it` holds, or else the place where its entry would be: see [`Slots::fill`].
    #[inline]
    pub fn find_or_vacancy(&mut self, hash: u32, is_it: impl Fn(u32) -> bool) -> Result<u32, Vacancy> {
        if (self.len + 1) * SPARE > self.entries.len() {
            self.grow();
        }
        let mut place = self.home(hash);
        loop {
            let entry = self.entries[place];
            if entry == EMPTY {
                return Err(Vacancy(place));
            }
            if hash_of(entry) == hash && is_it(slot_of(entry)) {
                return Ok(slot_of(entry));
            }
            place = self.after(place);
        }
    }

    /// Adds an entry where there was none of its hash.
    #[inline]
    pub fn fill(&mut self, vacancy: Vacancy, hash: u32, slot: u32) {
        self.len += 1;
        self.entries[vacancy.0] = u64::from(hash) << 32 | u64::from(slot);
    }

    /// Removes the entry of `slot`, which has this hash.
    ///
    /// # Panics
    /// If there is none: the slab and this index disagree.
    #[inline]
    pub fn remove(&mut self, hash: u32, slot: u32) {
        let wanted = u64::from(hash) << 32 | u64::from(slot);
        let mut gap = self.home(hash);
        while self.entries[gap] != wanted {
            assert!(self.entries[gap] != EMPTY, "slot {slot} is not in the index");
            gap = self.after(gap);
        }
        self.remove_at(gap);
    }

    /// Removes the entry at a place that [`Slots::find`] told.
    #[inline]
    pub fn remove_at(&mut self, mut gap: usize) {
        self.len -= 1;
        let mut place = gap;
        loop {
            place = self.after(place);
            let entry = self.entries[place];
            if entry == EMPTY {
                break;
            }
            // An entry may move back to the gap unless its home lies between the two.
            let mask = self.entries.len() - 1;
            let from_home = place.wrapping_sub(self.home(hash_of(entry))) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.entries[gap] = entry;
                gap = place;
            }
        }
        self.entries[gap] = EMPTY;
    }

    fn put(&mut self, entry: u64) {
        let mut place = self.home(hash_of(entry));
        while self.entries[place] != EMPTY {
            place = self.after(place);
        }
        self.entries[place] = entry;
    }

    /// Removes all entries. The places stay.
    pub fn clear(&mut self) {
        self.entries.fill(EMPTY);
        self.len = 0;
    }

    /// Makes room for so many more, so that they need not be moved while they come.
    pub fn reserve(&mut self, more: usize) {
        let places = ((self.len + more) * SPARE).next_power_of_two();
        if places > self.entries.len() {
            self.resize(places.trailing_zeros());
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.resize(self.entries.len().trailing_zeros() + 1);
    }

    fn resize(&mut self, bits: u32) {
        let old = std::mem::replace(self, Self { len: self.len, ..Self::with_bits(bits) });
        for entry in old.entries.into_iter().filter(|entry| *entry != EMPTY) {
            self.put(entry);
        }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "takes one half")]
fn hash_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[allow(clippy::cast_possible_truncation, reason = "takes one half")]
fn slot_of(entry: u64) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Few hashes, also at both ends of the table, so that runs collide, wrap around and close again.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), prop_oneof![0_u32..4, u32::MAX - 4..=u32::MAX, any::<u32>()], 0_u32..64), 0..300)) {
            let mut slots = Slots::default();
            let mut naive = BTreeMap::new();
            for (insert, hash, slot) in steps {
                if insert && !naive.contains_key(&slot) {
                    let Err(vacancy) = slots.find_or_vacancy(hash, |found| found == slot) else { panic!("{slot} is not there") };
                    slots.fill(vacancy, hash, slot);
                    naive.insert(slot, hash);
                } else if let Some(hash) = naive.remove(&slot) {
                    slots.remove(hash, slot);
                }
                prop_assert_eq!(slots.len(), naive.len());
                for (&slot, &hash) in &naive {
                    prop_assert_eq!(slots.find(hash, |found| found == slot).map(|(_, slot)| slot), Some(slot));
                    prop_assert_eq!(slots.find_or_vacancy(hash, |found| found == slot).ok(), Some(slot));
                }
            }
            prop_assert_eq!(slots.find(12_345, |_| true).is_some(), naive.values().any(|&hash| hash == 12_345));
        }
    }
}
