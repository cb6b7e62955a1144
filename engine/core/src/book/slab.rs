//! A slab: values of one type in one array, each in a slot that stays the same as long as the value
//! exists.
//!
//! The array grows in parts (`pages.rs`), and an empty page is returned to the allocator. A new
//! value goes into the first part if that has a free slot, else into the lowest page with many free
//! slots, so that over time the remaining values gather in few pages.

use crate::pages::{PAGE, Spare, behind, extend_first, first_part};

/// No slot: the end of a queue.
pub const NIL: u32 = u32::MAX;

/// A page is opened again once an eighth of its slots are free: then it serves for a while, and no
/// more than an eighth stays empty.
const ROOMY: usize = PAGE / 8;

/// A value of a slab. Of a free slot only the link is used.
pub trait Linked: Copy {
    /// Returns the link set by [`Linked::set_link`].
    fn link(&self) -> u32;
    /// Stores a number in a value that is no longer needed, to chain free slots.
    fn set_link(&mut self, link: u32);
}

#[derive(Clone, Debug)]
pub struct Slab<N> {
    first: Vec<N>,
    /// The slot of the first part that was freed last, which is likely still in the processor's
    /// cache, or [`NIL`].
    free: u32,
    pages: Vec<Page<N>>,
    /// The page that receives new values.
    open: usize,
    /// One bit for each page with many free slots.
    roomy: Vec<u64>,
    spare: Spare,
}

#[derive(Clone, Debug)]
struct Page<N> {
    places: Vec<N>,
    /// The slot that was freed last, or [`NIL`].
    free: u32,
    used: usize,
}

impl<N> Page<N> {
    const EMPTY: Self = Self { places: Vec::new(), free: NIL, used: 0 };
}

impl<N> Default for Slab<N> {
    fn default() -> Self {
        Self { first: Vec::new(), free: NIL, pages: Vec::new(), open: 0, roomy: Vec::new(), spare: Spare::default() }
    }
}

impl<N: Linked> Slab<N> {
    /// Puts a value into a free slot.
    #[inline]
    pub fn allocate(&mut self, thing: N) -> u32 {
        let slot = self.free;
        if let Some(place) = self.first.get_mut(slot as usize) {
            self.free = place.link();
            *place = thing;
            return slot;
        }
        self.extend(thing)
    }

    #[inline(never)]
    fn extend(&mut self, thing: N) -> u32 {
        let len = self.first.len();
        if len == first_part::<N>() {
            return self.allocate_behind(thing);
        }
        if len == self.first.capacity() {
            extend_first(&mut self.first);
        }
        self.first.push(thing);
        low(len)
    }

    fn allocate_behind(&mut self, thing: N) -> u32 {
        if self.pages.get(self.open).is_none_or(|page| page.used == PAGE) {
            self.open_next();
        }
        let number = self.open;
        let page = &mut self.pages[number];
        page.used += 1;
        if page.used == 1 {
            self.spare.used(number);
            page.places.reserve_exact(PAGE - page.places.len());
        }
        let at = page.free as usize;
        let slot = |at: usize| low(first_part::<N>() + number * PAGE + at);
        let Some(place) = page.places.get_mut(at) else {
            page.places.push(thing);
            return slot(page.places.len() - 1);
        };
        page.free = place.link();
        *place = thing;
        slot(at)
    }

    /// Frees a slot.
    #[inline]
    pub fn release(&mut self, slot: u32) {
        match self.first.get_mut(slot as usize) {
            Some(place) => {
                place.set_link(self.free);
                self.free = slot;
            }
            None => self.release_behind(slot as usize),
        }
    }

    #[inline(never)]
    fn release_behind(&mut self, slot: usize) {
        let (number, at) = behind::<N>(slot);
        let page = &mut self.pages[number];
        page.places[at].set_link(page.free);
        page.free = low(at);
        page.used -= 1;
        if page.used == PAGE - ROOMY {
            self.roomy[number / 64] |= 1 << (number % 64);
        }
        if page.used == 0
            && let Some(page) = self.spare.emptied(number)
        {
            self.pages[page] = Page::EMPTY;
        }
    }

    /// Opens another page when the open one is full: the lowest with many free slots, or a new one.
    fn open_next(&mut self) {
        // It may have had many free slots before it was full.
        if let Some(word) = self.roomy.get_mut(self.open / 64) {
            *word &= !(1 << (self.open % 64));
        }
        let words = self.roomy.iter().enumerate().find(|(_, word)| **word != 0);
        let lowest = words.map(|(at, word)| at * 64 + word.trailing_zeros() as usize);
        self.open = lowest.unwrap_or(self.pages.len());
        if self.open == self.pages.len() {
            // The highest number is reserved for [`NIL`].
            assert!(first_part::<N>() + (self.open + 1) * PAGE < NIL as usize, "fewer than 2^32 - 1 slots");
            self.pages.push(Page::EMPTY);
            self.roomy.resize(self.pages.len().div_ceil(64), 0);
        }
        self.roomy[self.open / 64] &= !(1 << (self.open % 64));
    }

    /// Prefetches a slot.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        if (slot as usize) < first_part::<N>() {
            return prefetch_index::prefetch_index(&self.first, slot as usize);
        }
        let (number, at) = behind::<N>(slot as usize);
        prefetch_index::prefetch_index(&self.pages[number].places, at);
    }

    /// Prefetches a slot to its last byte. A slot of a cache line's size lies across two lines, and
    /// the second one is where the next slot begins.
    #[inline]
    pub fn prefetch_whole(&self, slot: u32) {
        if (slot as usize) < first_part::<N>() {
            prefetch_index::prefetch_index(&self.first, slot as usize);
            return prefetch_index::prefetch_index(&self.first, slot as usize + 1);
        }
        let (number, at) = behind::<N>(slot as usize);
        prefetch_index::prefetch_index(&self.pages[number].places, at);
        prefetch_index::prefetch_index(&self.pages[number].places, at + 1);
    }

    #[inline(never)]
    fn get_behind(&self, slot: usize) -> &N {
        let (number, at) = behind::<N>(slot);
        &self.pages[number].places[at]
    }

    #[inline(never)]
    fn get_mut_behind(&mut self, slot: usize) -> &mut N {
        let (number, at) = behind::<N>(slot);
        &mut self.pages[number].places[at]
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "there are fewer than 2^32 slots")]
fn low(at: usize) -> u32 {
    at as u32
}

impl<N: Linked> std::ops::Index<u32> for Slab<N> {
    type Output = N;

    #[inline]
    fn index(&self, slot: u32) -> &N {
        match self.first.get(slot as usize) {
            Some(thing) => thing,
            None => self.get_behind(slot as usize),
        }
    }
}

impl<N: Linked> std::ops::IndexMut<u32> for Slab<N> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut N {
        if (slot as usize) < self.first.len() {
            return &mut self.first[slot as usize];
        }
        self.get_mut_behind(slot as usize)
    }
}

#[cfg(test)]
impl<N> Slab<N> {
    /// Returns the number of values that fit the allocated memory.
    pub fn room(&self) -> usize {
        self.first.capacity() + self.pages.iter().map(|page| page.places.capacity()).sum::<usize>()
    }
}

#[cfg(test)]
impl<N: Linked> Slab<N> {
    /// Returns the number of slots in use.
    pub fn used(&self) -> usize {
        let first = |slot: u32| self.first.get(slot as usize);
        let free = std::iter::successors(first(self.free), |place| first(place.link())).count();
        self.first.len() - free + self.pages.iter().map(|page| page.used).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// So large that the first part is short.
    type Large = [u64; 512];

    const FIRST: usize = first_part::<Large>();

    impl Linked for Large {
        fn link(&self) -> u32 {
            u32::try_from(self[0]).unwrap()
        }

        fn set_link(&mut self, link: u32) {
            self[0] = link.into();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Slots stay the same, no slot is given out twice, a new value gets the first part or a
        /// page with free slots, and empty pages but one are returned.
        #[test]
        fn keeps_what_it_holds_where_it_is(
            steps in prop::collection::vec((any::<bool>(), 1_usize..3 * FIRST, 1_u64..1_000), 0..10),
        ) {
            let (mut slab, mut naive) = (Slab::<Large>::default(), BTreeMap::new());
            let mut number = 0;
            for (grows, many, stride) in steps {
                for _ in 0..many {
                    number += 1;
                    if grows {
                        let slot = slab.allocate([number; 512]);
                        prop_assert_eq!(naive.insert(slot, number), None);
                    } else if !naive.is_empty() {
                        let from = number.wrapping_mul(stride) % (1 + u64::from(*naive.last_key_value().unwrap().0));
                        let slot = *naive.range(u32::try_from(from).unwrap()..).next().unwrap().0;
                        naive.remove(&slot);
                        slab.release(slot);
                    }
                }
                prop_assert!(naive.iter().all(|(slot, thing)| slab[*slot][0] == *thing));
                prop_assert_eq!(slab.used(), naive.len());
                let pages: BTreeSet<_> = naive.keys().map(|slot| behind::<Large>(*slot as usize).0).collect();
                prop_assert!(slab.room() <= FIRST + (pages.len() + 1) * PAGE);
            }
        }
    }

    /// A scattered tenth of many values remains; as others are added and removed in turn, the
    /// values gather in few pages.
    #[test]
    fn what_is_left_of_many_gathers() {
        let mut slab = Slab::<Large>::default();
        let mut slots: Vec<_> = (0..FIRST + 20 * PAGE).map(|_| slab.allocate([0; 512])).collect();
        let many = slab.room();
        let mut left = Vec::new();
        for (at, slot) in slots.drain(..).enumerate() {
            if at % 10 == 0 { left.push(slot) } else { slab.release(slot) }
        }
        assert_eq!(slab.room(), many, "a few in each page");
        for slot in left {
            slab.release(slot);
            slots.push(slab.allocate([0; 512]));
        }
        assert_eq!(slab.used(), slots.len());
        assert!(slab.room() <= FIRST + 4 * PAGE, "{} places for {}", slab.room(), slots.len());
    }
}
