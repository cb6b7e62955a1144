//! The index from a hash to a slot: to find an order in its slab by its id, a level by its side and
//! price, an entity of a table by its key. Open addressing, linear probing, and removal without
//! tombstones, so that a table that lives for years is as fast as a fresh one.
//!
//! ```text
//! up to 65,536 places:  hash ─highest bits─▶ place
//! more:                 hash ─highest bits─▶ directory ─▶ page ─next bits─▶ place
//! ```
//!
//! A small table is one root page, which doubles. A table that outgrows it has many pages: a page
//! of [`PLACES`] that is half full is divided into two by one more bit of its hashes, and two that
//! are nearly empty are merged (extendible hashing). So the entries that one insertion or removal
//! moves are bounded however large the table is, and a table that was large returns memory to the
//! allocator.
//!
//! An entry is the hash (high half) and the slot (low half). Places follow from the hash alone, so
//! dividing pages and closing gaps never touch the slab. The caller compares keys there.

use prefetch_index::prefetch_index;

/// An empty place. No entry has this value: slots end below `u32::MAX`.
const EMPTY: u64 = u64::MAX;

/// Minimum number of places for each entry; with fewer, a page grows. Longer probes would cost more
/// mispredicted branches than the smaller table saves in cache misses.
const SPARE: usize = 2;

/// A page with fewer than one entry for this many places shrinks.
const SPARSE: usize = 8;

/// Places of the smallest page.
const PLACES_MIN: usize = 8;

/// Places of a page of a large table. Dividing a page moves half as many entries.
pub const PLACES: usize = 4_096;

/// Size of the largest root page, in pages. Moving its entries (half as many as its places) takes a
/// fraction of a millisecond.
const ROOT_PAGES: usize = 16;

/// The number of the root page.
const ROOT: u32 = u32::MAX;

/// Maximum directory entries for each page. Well-mixed hashes need two or four; with others, pages
/// double instead.
const SHARES_MAX: usize = 8;

/// The place where an entry would be; valid until the next change.
pub struct Vacancy(IndexEntry);

/// The place where an entry is; valid until the next change.
#[derive(Clone, Copy)]
pub struct IndexEntry {
    pub page: u32,
    pub at: u32,
}

/// A hash index; see the module's documentation. `FULL` is [`PLACES`] except in tests.
#[derive(Clone, Debug)]
pub struct HashIndex<const FULL: usize = PLACES> {
    /// All entries, if there is no directory.
    root: Page,
    /// Page numbers by the highest bits of a hash.
    directory: Vec<u32>,
    /// Shifts a hash to its place in the directory.
    shift: u32,
    pages: Vec<Page>,
    /// Number of entries in the pages.
    far: usize,
}

#[derive(Clone, Debug)]
struct Page {
    /// The places; their number is a power of two.
    entries: Box<[u64]>,
    /// Shifts a hash to its place in the page: the bits after those that choose the page.
    shift: u32,
    /// Number of hash bits that choose this page.
    depth: u32,
    /// Those bits.
    prefix: u32,
    len: u32,
}

impl Page {
    fn new(places: usize, depth: u32, prefix: u32) -> Self {
        let entries = vec![EMPTY; places].into_boxed_slice();
        Self { entries, shift: 32_u32.saturating_sub(depth + places.trailing_zeros()), depth, prefix, len: 0 }
    }

    /// Returns the home place of a hash, where its entry is unless another took it.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    #[inline]
    fn put(&mut self, entry: u64) {
        let mut place = self.home(hash_of(entry));
        while self.entries[place] != EMPTY {
            place = self.after(place);
        }
        self.entries[place] = entry;
        self.len += 1;
    }

    /// Removes the entry at a place and closes the gap.
    #[inline]
    fn remove(&mut self, mut gap: usize) {
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

    /// Returns a page with the same entries in another number of places.
    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(self, Self::new(places, self.depth, self.prefix));
        old.all().for_each(|entry| self.put(entry));
    }

    fn all(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().copied().filter(|entry| *entry != EMPTY)
    }

    /// Returns whether one more entry would leave too few places.
    #[inline]
    fn is_full(&self) -> bool {
        (self.len as usize + 1) * SPARE > self.entries.len()
    }

    #[inline]
    fn is_sparse(&self) -> bool {
        self.len as usize * SPARSE < self.entries.len()
    }
}

impl<const FULL: usize> Default for HashIndex<FULL> {
    fn default() -> Self {
        Self::with_root(PLACES_MIN)
    }
}

impl<const FULL: usize> HashIndex<FULL> {
    fn with_root(places: usize) -> Self {
        Self { root: Page::new(places, 0, 0), directory: Vec::new(), shift: 32, pages: Vec::new(), far: 0 }
    }

    /// Returns an empty index with places for this many entries.
    pub fn with_room(entries: usize) -> Self {
        let places = (entries * SPARE).next_power_of_two();
        if places <= FULL * ROOT_PAGES {
            return Self::with_root(places.max(PLACES_MIN));
        }
        let depth = (places / FULL).trailing_zeros();
        let pages = (0..1 << depth).map(|prefix| Page::new(FULL, depth, prefix)).collect();
        let directory = (0..1 << depth).collect();
        Self { directory, shift: 32 - depth, pages, ..Self::with_root(PLACES_MIN) }
    }

    pub fn len(&self) -> usize {
        self.root.len as usize + self.far
    }

    /// Returns the page of a hash, and its number.
    #[inline]
    fn page(&self, hash: u32) -> (u32, &Page) {
        if self.directory.is_empty() { (ROOT, &self.root) } else { self.far_page(hash) }
    }

    #[inline(never)]
    fn far_page(&self, hash: u32) -> (u32, &Page) {
        let number = self.directory[self.share(hash)];
        (number, &self.pages[number as usize])
    }

    #[inline]
    fn page_mut(&mut self, number: u32) -> &mut Page {
        if number == ROOT { &mut self.root } else { &mut self.pages[number as usize] }
    }

    /// Prefetches the places of a hash.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        let (_, page) = self.page(hash);
        prefetch_index(&page.entries, page.home(hash));
    }

    /// Returns a slot with this hash, likely the wanted one, to prefetch without touching the slab.
    #[inline]
    pub fn guess(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true).map(|(_, slot)| slot)
    }

    /// Returns the place and the slot of the entry with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<(IndexEntry, u32)> {
        let (number, page) = self.page(hash);
        let mut at = page.home(hash);
        loop {
            let entry = page.entries[at];
            if entry == EMPTY {
                return None;
            }
            if hash_of(entry) == hash && is_it(slot_of(entry)) {
                return Some((IndexEntry { page: number, at: low(at) }, slot_of(entry)));
            }
            at = page.after(at);
        }
    }

    /// Returns the slot with this hash for which `is_it` holds, or else the place where its entry
    /// would be: see [`HashIndex::fill`].
    #[inline]
    pub fn find_or_vacancy(&mut self, hash: u32, is_it: impl Fn(u32) -> bool) -> Result<u32, Vacancy> {
        let (number, page) = self.page(hash);
        let mut at = page.home(hash);
        loop {
            let entry = page.entries[at];
            if entry == EMPTY {
                break;
            }
            if hash_of(entry) == hash && is_it(slot_of(entry)) {
                return Ok(slot_of(entry));
            }
            at = page.after(at);
        }
        if page.is_full() {
            return Err(self.grow(hash));
        }
        Err(Vacancy(IndexEntry { page: number, at: low(at) }))
    }

    /// Returns the place where an entry would be, for a key without one.
    #[inline]
    pub fn vacancy(&mut self, hash: u32) -> Vacancy {
        match self.find_or_vacancy(hash, |_| false) {
            Ok(_) => unreachable!("nothing is looked for"),
            Err(vacancy) => vacancy,
        }
    }

    /// Adds an entry for a key that has none.
    #[inline]
    pub fn fill(&mut self, vacancy: Vacancy, hash: u32, slot: u32) {
        let page = self.page_mut(vacancy.0.page);
        page.entries[vacancy.0.at as usize] = u64::from(hash) << 32 | u64::from(slot);
        page.len += 1;
        if vacancy.0.page != ROOT {
            self.far += 1;
        }
    }

    /// Removes the entry of `slot`, which has this hash.
    ///
    /// # Panics
    /// If there is none: the slab and this index disagree.
    #[inline]
    pub fn remove(&mut self, hash: u32, slot: u32) {
        let wanted = u64::from(hash) << 32 | u64::from(slot);
        let (number, page) = self.page(hash);
        let mut at = page.home(hash);
        while page.entries[at] != wanted {
            assert!(page.entries[at] != EMPTY, "slot {slot} is not in the index");
            at = page.after(at);
        }
        self.remove_at(IndexEntry { page: number, at: low(at) });
    }

    /// Removes the entry that [`HashIndex::find`] returned.
    #[inline]
    pub fn remove_at(&mut self, place: IndexEntry) {
        let page = self.page_mut(place.page);
        page.remove(place.at as usize);
        if page.is_sparse() || place.page != ROOT {
            self.removed_far(place.page);
        }
    }

    #[inline(never)]
    fn removed_far(&mut self, number: u32) {
        if number != ROOT {
            self.far -= 1;
        }
        let page = self.page_mut(number);
        if page.is_sparse() && page.entries.len() > PLACES_MIN {
            self.shrink(number);
        }
    }

    /// Removes all entries and keeps the places.
    pub fn clear(&mut self) {
        for page in self.pages.iter_mut().chain([&mut self.root]) {
            page.entries.fill(EMPTY);
            page.len = 0;
        }
        self.far = 0;
    }

    /// Returns a hash's place in the directory.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "of 32 bits")]
    fn share(&self, hash: u32) -> usize {
        (u64::from(hash) >> self.shift) as usize
    }

    fn depth(&self) -> u32 {
        32 - self.shift
    }

    /// Makes space where a hash belongs.
    #[cold]
    fn grow(&mut self, hash: u32) -> Vacancy {
        let many_shares = self.directory.len() * 2 > self.pages.len() * SHARES_MAX;
        let (number, page) = self.page(hash);
        let (depth, places) = (page.depth, page.entries.len());
        if number == ROOT {
            if places < FULL * ROOT_PAGES {
                self.root.resize(places * 2);
            } else {
                self.move_to(Self::with_room(places));
            }
        } else if places < FULL || depth == self.depth() && many_shares {
            self.page_mut(number).resize(places * 2);
        } else {
            self.divide(number);
        }
        self.vacancy(hash)
    }

    /// Moves all entries to another index.
    fn move_to(&mut self, to: Self) {
        let from = std::mem::replace(self, to);
        for entry in from.pages.iter().chain([&from.root]).flat_map(Page::all) {
            let vacancy = self.vacancy(hash_of(entry));
            self.fill(vacancy, hash_of(entry), slot_of(entry));
        }
    }

    /// Divides a page into two.
    fn divide(&mut self, number: u32) {
        if self.pages[number as usize].depth == self.depth() {
            self.directory = self.directory.iter().flat_map(|page| [*page; 2]).collect();
            self.shift -= 1;
        }
        let Page { depth, prefix, .. } = self.pages[number as usize];
        let (depth, places) = (depth + 1, self.pages[number as usize].entries.len().max(FULL));
        let halves = [Page::new(places, depth, prefix << 1), Page::new(places, depth, prefix << 1 | 1)];
        let [lower, mut upper] = halves;
        let old = std::mem::replace(&mut self.pages[number as usize], lower);
        let lower = &mut self.pages[number as usize];
        for entry in old.all() {
            let half = if hash_of(entry) >> (32 - depth) & 1 == 0 { &mut *lower } else { &mut upper };
            half.put(entry);
        }
        let other = low(self.pages.len());
        self.pages.push(upper);
        self.share_out(other);
    }

    /// Enters a page into the directory.
    fn share_out(&mut self, number: u32) {
        let page = &self.pages[number as usize];
        let shares = self.depth() - page.depth;
        let first = (page.prefix as usize) << shares;
        self.directory[first..first + (1 << shares)].fill(number);
    }

    /// Shrinks or merges a page with few entries.
    #[cold]
    fn shrink(&mut self, number: u32) {
        if number != ROOT && self.far * SPARSE < FULL * ROOT_PAGES {
            return self.move_to(Self::with_room(self.far * 2));
        }
        let page = self.page_mut(number);
        if number == ROOT || page.entries.len() > FULL {
            return page.resize(page.entries.len() / 2);
        }
        let (depth, prefix) = (page.depth, page.prefix);
        let other = self.directory[((prefix ^ 1) as usize) << (self.depth() - depth)];
        let (page, twin) = (&self.pages[number as usize], &self.pages[other as usize]);
        let both = (page.len + twin.len) as usize;
        if twin.depth != depth || both * SPARE * 2 > FULL {
            return;
        }
        let mut merged = Page::new(FULL, depth - 1, prefix >> 1);
        page.all().chain(twin.all()).for_each(|entry| merged.put(entry));
        let (number, other) = (number.min(other), number.max(other));
        self.pages[number as usize] = merged;
        self.share_out(number);
        self.pages.swap_remove(other as usize);
        if (other as usize) < self.pages.len() {
            // The other page now has its number.
            self.share_out(other);
        }
        self.halve();
    }

    /// Halves the directory while no page needs all of it.
    fn halve(&mut self) {
        while self.directory.len() > self.pages.len() * 2 {
            if self.pages.iter().any(|page| page.depth == self.depth()) {
                return;
            }
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.shift += 1;
        }
        if self.pages.capacity() > self.pages.len() * 4 {
            self.pages.shrink_to_fit();
        }
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

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "there are at most 2^32 entries")]
fn low(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<const FULL: usize> HashIndex<FULL> {
        fn places(&self) -> usize {
            self.pages.iter().chain([&self.root]).map(|page| page.entries.len()).sum()
        }

        /// Asserts that directory and pages agree.
        fn is_sound(&self) {
            assert_eq!(self.directory.len(), if self.pages.is_empty() { 0 } else { 1 << self.depth() });
            assert!(self.pages.is_empty() || self.root.len == 0);
            for (share, page) in (0..).zip(&self.directory) {
                let page = &self.pages[*page as usize];
                assert_eq!(share >> (self.depth() - page.depth), page.prefix);
            }
            for page in self.pages.iter().chain([&self.root]) {
                assert_eq!(page.all().count(), page.len as usize);
                assert!(page.len as usize * SPARE <= page.entries.len());
                let is_its = |entry| u64::from(hash_of(entry)) >> (32 - page.depth) == u64::from(page.prefix);
                assert!(page.all().all(is_its), "an entry is where its hash says");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// Few hashes, also at both ends of the table, so that runs collide, wrap around and close
        /// again; pages so small that they are divided and merged again.
        #[test]
        fn agrees_with_a_map(
            steps in prop::collection::vec(
                (0_u8..8, prop_oneof![0_u32..4, u32::MAX - 4..=u32::MAX, any::<u32>()], 0_u32..200), 0..600),
        ) {
            let mut slots = HashIndex::<8>::default();
            let mut naive = BTreeMap::new();
            for (at, (step, hash, slot)) in steps.into_iter().enumerate() {
                // Fills for a while, then empties.
                let insert = step < if at / 100 % 2 == 0 { 6 } else { 2 };
                if insert && !naive.contains_key(&slot) {
                    let Err(vacancy) = slots.find_or_vacancy(hash, |found| found == slot) else { panic!("{slot} is not there") };
                    slots.fill(vacancy, hash, slot);
                    naive.insert(slot, hash);
                } else if let Some(hash) = naive.remove(&slot) {
                    slots.remove(hash, slot);
                }
                slots.is_sound();
                prop_assert_eq!(slots.len(), naive.len());
            }
            for (&slot, &hash) in &naive {
                prop_assert_eq!(slots.find(hash, |found| found == slot).map(|(_, slot)| slot), Some(slot));
                prop_assert_eq!(slots.find_or_vacancy(hash, |found| found == slot).ok(), Some(slot));
            }
            prop_assert_eq!(slots.find(12_345, |_| true).is_some(), naive.values().any(|&hash| hash == 12_345));
            for (slot, hash) in naive {
                slots.remove(hash, slot);
                slots.is_sound();
            }
            prop_assert_eq!(slots.places(), PLACES_MIN);
        }
    }

    fn mixed(slot: u32) -> u32 {
        slot.wrapping_mul(0x9E37_79B1) ^ slot.wrapping_mul(0x85EB_CA77).rotate_left(15)
    }

    fn insert(slots: &mut HashIndex, hash: u32, slot: u32) {
        let vacancy = slots.vacancy(hash);
        slots.fill(vacancy, hash, slot);
    }

    #[test]
    fn a_table_that_was_large_is_small_again() {
        let mut slots = HashIndex::<PLACES>::default();
        (0..300_000).for_each(|slot| insert(&mut slots, mixed(slot), slot));
        slots.is_sound();
        assert!(slots.pages.iter().all(|page| page.entries.len() == PLACES), "no page is larger than it may be");
        assert!(slots.directory.len() <= SHARES_MAX * slots.pages.len());
        (20_000..300_000).for_each(|slot| slots.remove(mixed(slot), slot));
        slots.is_sound();
        assert!(
            slots.places() <= 20_000 * 16
                && slots.directory.len() <= 128
                && slots.pages.capacity() <= 4 * slots.pages.len()
        );
        (100..20_000).for_each(|slot| slots.remove(mixed(slot), slot));
        slots.is_sound();
        assert!((0..100).all(|slot| slots.find(mixed(slot), |found| found == slot).is_some()));
        assert_eq!((slots.places(), slots.directory.len(), slots.pages.capacity()), (512, 0, 0));
    }

    #[test]
    fn hashes_that_are_all_the_same_only_make_it_slow() {
        let mut slots = HashIndex::<PLACES>::default();
        for slot in 0..10_000 {
            insert(&mut slots, 7 << 20, slot);
        }
        slots.is_sound();
        assert!(slots.directory.len() <= SHARES_MAX * slots.pages.len(), "the directory stays small");
        (0..10_000).for_each(|slot| slots.remove(7 << 20, slot));
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn room_that_is_made_at_once_is_as_good_as_what_grew() {
        let (mut at_once, mut grown) = (HashIndex::<PLACES>::with_room(100_000), HashIndex::<PLACES>::default());
        let places = at_once.places();
        for slot in 0..100_000 {
            insert(&mut at_once, mixed(slot), slot);
            insert(&mut grown, mixed(slot), slot);
        }
        at_once.is_sound();
        assert_eq!((at_once.places(), grown.places()), (places, places));
    }
}
