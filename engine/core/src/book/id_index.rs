//! The index from an order's id to its slot.
//!
//! An exchange assigns ids in ascending order, and most orders that end do so soon. So each of the
//! latest ids, whether or not its order still rests, has an entry in a ring, found without a hash
//! and without reading the order. A hash table holds older orders that still rest, and external ids
//! that come in no order.
//!
//! ```text
//!    hash table   │ start    ring: one place an id    next │   not yet
//! ```
//!
//! The ring has four places for each order that rests, up to [`RING_MAX`]. When an id is added, the
//! id that leaves the ring moves to the table if its order rests: at most [`AHEAD`] for each added
//! id.

use super::hash_index::{HashIndex, IndexEntry};
use super::id::{BookId, IdKey};
use super::slab::NIL;

/// Places of the smallest ring.
const RING_MIN: usize = 1 << 6;

/// Places of the largest ring: 1 MiB. Growing to it copies half as much.
const RING_MAX: usize = 1 << 18;

/// Places of the ring for each order that rests; with fewer than an eighth of that the ring
/// shrinks.
const SHARE: usize = 4;

/// How far one added id may extend the ring. Some orders do not come to rest, so ids have gaps.
const AHEAD: u64 = 64;

/// The page number of an [`IndexEntry`] that is in the ring.
const RING: u32 = u32::MAX - 1;

#[derive(Clone, Debug)]
pub struct IdIndex {
    /// Slots of the ids from `start` to before `next`, or [`NIL`]; the length is a power of two.
    ring: Box<[u32]>,
    start: u64,
    next: u64,
    /// Number of ring places that are not [`NIL`].
    near: usize,
    table: HashIndex,
    /// Upper bound of the ids in the table, wherever the ring is.
    highest_in_table: u64,
    key: IdKey,
}

impl Default for IdIndex {
    fn default() -> Self {
        Self::new(IdKey::default(), 0)
    }
}

impl IdIndex {
    /// Returns an empty index, with memory for `room` entries.
    pub fn new(key: IdKey, room: usize) -> Self {
        let ring = ring(RING_MIN);
        Self { ring, start: 0, next: 0, near: 0, table: HashIndex::with_room(room), highest_in_table: 0, key }
    }

    pub fn len(&self) -> usize {
        self.near + self.table.len()
    }

    /// Returns the ring place of a number.
    #[inline]
    fn in_ring(&self, number: u64) -> Option<usize> {
        let at = low(number) & (self.ring.len() - 1);
        (number.wrapping_sub(self.start) < self.next - self.start).then_some(at)
    }

    /// Prefetches the index entries that lead to an order.
    #[inline]
    pub fn prefetch<Id: BookId>(&self, id: Id) {
        if let Some(at) = id.number().and_then(|number| self.in_ring(number)) {
            prefetch_index::prefetch_index(&self.ring, at);
        } else if self.may_be_in_table(id) {
            self.table.prefetch(id.mix(self.key));
        }
    }

    /// Returns the slot that likely has the order of an id, to prefetch without touching the slab.
    #[inline]
    pub fn guess<Id: BookId>(&self, id: Id) -> Option<u32> {
        self.find(id, |_| true).map(|(_, slot)| slot)
    }

    /// Finds the entry of an id and its slot; `has` returns whether a slot has this id.
    #[inline]
    pub fn find<Id: BookId>(&self, id: Id, has: impl Fn(u32) -> bool) -> Option<(IndexEntry, u32)> {
        if let Some(at) = id.number().and_then(|number| self.in_ring(number)) {
            let slot = self.ring[at];
            if slot != NIL {
                let at = u32::try_from(at).expect("a ring is short");
                return Some((IndexEntry { page: RING, at }, slot));
            }
        }
        if self.may_be_in_table(id) { self.find_in_table(id, has) } else { None }
    }

    #[inline(never)]
    fn find_in_table<Id: BookId>(&self, id: Id, has: impl Fn(u32) -> bool) -> Option<(IndexEntry, u32)> {
        self.table.find(id.mix(self.key), has)
    }

    /// Returns false for an id above all that are in the table.
    #[inline]
    fn may_be_in_table<Id: BookId>(&self, id: Id) -> bool {
        self.table.len() > 0 && id.number().is_none_or(|number| number <= self.highest_in_table)
    }

    /// Adds an id that is not in the index. `id_of` returns the id of a slot.
    #[inline]
    pub fn insert<Id: BookId>(&mut self, id: Id, slot: u32, id_of: impl Fn(u32) -> Id) {
        let Some(number) = id.number() else { return self.insert_into_table(id, slot) };
        if self.near == 0 {
            self.begin_with(number);
        }
        if number >= self.next {
            self.go_on_to(number, id_of);
        }
        match self.in_ring(number) {
            Some(at) => {
                self.ring[at] = slot;
                self.near += 1;
            }
            None => self.insert_into_table(id, slot),
        }
    }

    /// Restarts an empty ring at this number, with few places.
    #[inline(never)]
    fn begin_with(&mut self, number: u64) {
        (self.start, self.next) = (number, number);
        if self.ring.len() > RING_MIN {
            self.ring = ring(self.ring.len() / 2);
        }
    }

    /// Extends the ring to include this number, or at least some numbers before it.
    #[inline]
    fn go_on_to<Id: BookId>(&mut self, number: u64, id_of: impl Fn(u32) -> Id) {
        if self.near * SHARE >= self.ring.len() && self.ring.len() < RING_MAX {
            self.resize(self.ring.len() * 2);
        }
        self.next = number.min(self.next + AHEAD - 1) + 1;
        let places = self.ring.len() as u64;
        if self.next - self.start > places {
            self.leave_to_table(self.next - places, &id_of);
            if low(self.next) & (self.ring.len() - 1) == 0 && self.near * SHARE * 8 < self.ring.len() {
                self.shrink(id_of);
            }
        }
    }

    /// Moves the ring's start to this number: orders with lower numbers go to the table.
    #[inline]
    fn leave_to_table<Id: BookId>(&mut self, start: u64, id_of: &impl Fn(u32) -> Id) {
        while self.start < start && self.near > 0 {
            let at = low(self.start) & (self.ring.len() - 1);
            let slot = std::mem::replace(&mut self.ring[at], NIL);
            self.start += 1;
            if slot != NIL {
                self.near -= 1;
                self.insert_into_table(id_of(slot), slot);
            }
        }
        self.start = start;
    }

    /// Checked once in a turn of the ring, or in a few turns if there are gaps: the ring has far
    /// more places than there are orders.
    #[cold]
    fn shrink<Id: BookId>(&mut self, id_of: impl Fn(u32) -> Id) {
        let places = self.ring.len() / 2;
        if places >= RING_MIN {
            self.leave_to_table(self.next - places as u64, &id_of);
            self.resize(places);
        }
    }

    #[inline(never)]
    fn insert_into_table<Id: BookId>(&mut self, id: Id, slot: u32) {
        if self.table.len() == 0 {
            self.highest_in_table = 0;
        }
        self.highest_in_table = self.highest_in_table.max(id.number().unwrap_or(0));
        let hash = id.mix(self.key);
        let vacancy = self.table.vacancy(hash);
        self.table.fill(vacancy, hash, slot);
    }

    /// Removes the entry that [`IdIndex::find`] returned.
    #[inline]
    pub fn remove_at(&mut self, place: IndexEntry) {
        if place.page == RING {
            self.ring[place.at as usize] = NIL;
            self.near -= 1;
        } else {
            self.remove_from_table(place);
        }
    }

    #[inline(never)]
    fn remove_from_table(&mut self, place: IndexEntry) {
        self.table.remove_at(place);
    }

    /// Removes the entry of an id whose order is in this slot.
    #[inline]
    pub fn remove<Id: BookId>(&mut self, id: Id, slot: u32) {
        match id.number().and_then(|number| self.in_ring(number)) {
            Some(at) if self.ring[at] == slot => {
                self.ring[at] = NIL;
                self.near -= 1;
            }
            _ => {
                let found = self.find_in_table(id, |other| other == slot);
                self.remove_from_table(found.expect("an order that rests is in the index").0);
            }
        }
    }

    #[cold]
    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.ring, ring(places));
        for number in self.start..self.next {
            self.ring[low(number) & (places - 1)] = old[low(number) & (old.len() - 1)];
        }
    }
}

fn ring(places: usize) -> Box<[u32]> {
    vec![NIL; places].into_boxed_slice()
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the low bits choose the place")]
fn low(number: u64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Ids by slot, their index, and a map to compare with.
    #[derive(Default)]
    struct Both {
        ids: IdIndex,
        slots: Vec<u64>,
        naive: BTreeMap<u64, u32>,
    }

    impl Both {
        fn insert(&mut self, id: u64) {
            let (ids, slots) = (&mut self.ids, &mut self.slots);
            let found = ids.find(id, |slot| slots[slot as usize] == id).map(|(_, slot)| slot);
            assert_eq!(found, self.naive.get(&id).copied());
            if found.is_none() {
                let slot = u32::try_from(slots.len()).unwrap();
                slots.push(id);
                ids.insert(id, slot, |slot| slots[slot as usize]);
                self.naive.insert(id, slot);
            }
        }

        /// Removes one of the ids, by its entry or by its slot.
        fn remove(&mut self, pick: usize, by_place: bool) {
            let Some((&id, &slot)) = self.naive.iter().nth(pick % self.naive.len().max(1)) else { return };
            self.naive.remove(&id);
            if by_place {
                let (place, found) = self.ids.find(id, |slot| self.slots[slot as usize] == id).unwrap();
                assert_eq!(found, slot);
                self.ids.remove_at(place);
            } else {
                self.ids.remove(id, slot);
            }
        }

        fn agrees(&self) {
            assert_eq!(self.ids.len(), self.naive.len());
            for (&id, &slot) in &self.naive {
                assert_eq!(self.ids.find(id, |slot| self.slots[slot as usize] == id).map(|(_, slot)| slot), Some(slot));
                assert_eq!(
                    self.ids.find(id + 1, |slot| self.slots[slot as usize] == id + 1).is_some(),
                    self.naive.contains_key(&(id + 1))
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// Ids in order, with gaps shorter and longer than one extension of the ring, repeated, out
        /// of order, and from anywhere.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0_u8..12, any::<u64>(), any::<bool>()), 0..700)) {
            let (mut both, mut last) = (Both::default(), 1_u64 << 56);
            for (step, number, by_place) in steps {
                match step {
                    0..=3 => both.insert({ last += 1; last }),
                    4 => both.insert({ last += number % 200; last }),
                    5 => both.insert(last - number % 300),
                    6 => both.insert(last + 300 + number % 300),
                    7 if by_place => both.insert(number % (u64::MAX - 1)),
                    _ => both.remove(usize::try_from(number >> 40).unwrap(), by_place),
                }
            }
            both.agrees();
            while !both.naive.is_empty() {
                both.remove(0, true);
            }
            both.agrees();
        }
    }

    #[test]
    fn ids_in_order_stay_in_the_ring_and_it_follows_their_number() {
        let mut both = Both::default();
        (1..=10_000).for_each(|id| both.insert(3 * id));
        both.agrees();
        assert_eq!((both.ids.ring.len(), both.ids.table.len()), (65_536, 0));
        while both.naive.len() > 10 {
            both.remove(both.naive.len() - 1, true);
        }
        for id in 30_001..300_000 {
            both.insert(id);
            both.remove(both.naive.len() - 1, true);
        }
        both.agrees();
        assert_eq!(both.ids.table.len(), 10, "those that were left");
        assert!(both.ids.ring.len() <= 2 * RING_MIN, "{} places", both.ids.ring.len());
    }

    #[test]
    fn many_that_are_not_placed_leave_the_ring_behind_only_for_a_while() {
        let mut both = Both::default();
        both.insert(1);
        (2..10).for_each(|id| both.insert(id + 1_000));
        (1_010..2_000).for_each(|id| both.insert(id));
        both.agrees();
        assert!(both.ids.near > 900, "{} in the ring", both.ids.near);
    }
}
