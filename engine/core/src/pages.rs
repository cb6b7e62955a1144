//! Arrays that grow and shrink by parts. However long an array is, only its first part, whose size
//! is bounded, is ever copied; and unused pages are returned to the allocator.
//!
//! ```text
//! first part: one piece of up to 4 MiB ─▶ page ─▶ page ─▶ …
//! ```
//!
//! Access to the first part costs the same as in any array. Access to the pages costs one more
//! load.

/// Number of values in a page, of any type.
pub const PAGE: usize = 1 << 10;

/// Maximum bytes of a first part.
const FIRST_BYTES: usize = 4 << 20;

/// A first part with fewer values doubles. With this many it gets its full size: the system
/// provides memory only once it is touched, and no more than these are ever copied.
const SMALL: usize = 1 << 13;

/// Returns the number of values in a full first part.
pub const fn first_part<T>() -> usize {
    let most = FIRST_BYTES / size_of::<T>();
    let power = 1 << most.ilog2();
    if power > 1 << 16 { 1 << 16 } else { power }
}

/// Grows a first part that is not full for one more value.
#[cold]
pub fn extend_first<T>(first: &mut Vec<T>) {
    let most = first_part::<T>();
    let room = if first.len() < SMALL { (first.len() * 2).max(4).min(most) } else { most };
    first.reserve_exact(room - first.len());
}

/// The empty page that keeps its memory: one, so that insertions and removals at the border of a
/// page allocate nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spare(Option<usize>);

impl Spare {
    /// Records that an empty page got a value.
    pub fn used(&mut self, page: usize) {
        if self.0 == Some(page) {
            self.0 = None;
        }
    }

    /// Records that a page is empty. Returns the page to free: the higher one, if another is empty.
    pub fn emptied(&mut self, page: usize) -> Option<usize> {
        let spare = self.0.unwrap_or(page);
        self.0 = Some(spare.min(page));
        (spare != page).then_some(spare.max(page))
    }
}

/// Returns the page, and the place in it, of a value that is not in the first part.
#[inline]
pub fn behind<T>(at: usize) -> (usize, usize) {
    let behind = at.wrapping_sub(first_part::<T>());
    (behind / PAGE, behind % PAGE)
}

/// An array without holes.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    first: Vec<T>,
    /// All are full but the last non-empty one; one empty page may follow it.
    pages: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { first: Vec::new(), pages: Vec::new(), len: 0 }
    }
}

impl<T> Paged<T> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        match self.first.get(at) {
            None => self.get_behind(at),
            found => found,
        }
    }

    /// Returns a value of the first part.
    #[inline]
    pub fn near(&self, at: usize) -> Option<&T> {
        self.first.get(at)
    }

    #[inline(never)]
    fn get_behind(&self, at: usize) -> Option<&T> {
        let (page, at) = behind::<T>(at);
        self.pages.get(page)?.get(at)
    }

    #[inline(never)]
    fn behind(&self, at: usize) -> &T {
        let (page, at) = behind::<T>(at);
        &self.pages[page][at]
    }

    #[inline(never)]
    fn behind_mut(&mut self, at: usize) -> &mut T {
        let (page, at) = behind::<T>(at);
        &mut self.pages[page][at]
    }

    /// Prefetches a value.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        if at < first_part::<T>() {
            return prefetch_index::prefetch_index(&self.first, at);
        }
        let (page, at) = behind::<T>(at);
        if let Some(page) = self.pages.get(page) {
            prefetch_index::prefetch_index(page, at);
        }
    }

    #[inline(never)]
    pub fn push(&mut self, thing: T) {
        if self.len < first_part::<T>() {
            if self.len == self.first.capacity() {
                extend_first(&mut self.first);
            }
            self.first.push(thing);
        } else {
            let (number, _) = behind::<T>(self.len);
            if number == self.pages.len() {
                self.pages.push(Vec::with_capacity(PAGE));
            }
            self.pages[number].push(thing);
        }
        self.len += 1;
    }

    #[inline(never)]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        if self.len < first_part::<T>() {
            self.pages = Vec::new();
            let thing = self.first.pop();
            if self.len * 8 < self.first.capacity() {
                self.first.shrink_to(self.len * 2);
            }
            return thing;
        }
        let (number, at) = behind::<T>(self.len);
        if at == 0 {
            // Keep one empty page for the next value.
            self.pages.truncate(number + 1);
        }
        self.pages[number].pop()
    }

    /// Removes a value. The last one moves to its place.
    ///
    /// # Panics
    /// If there is none.
    pub fn swap_remove(&mut self, at: usize) -> T {
        let last = self.pop().expect("there is one to take out");
        if at == self.len { last } else { std::mem::replace(&mut self[at], last) }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.first.iter().chain(self.pages.iter().flatten())
    }

    /// Extends the array to at least this length with generated values.
    #[inline]
    pub fn extend_to(&mut self, len: usize, mut thing: impl FnMut() -> T) {
        while self.len < len {
            self.push(thing());
        }
    }
}

impl<T> std::ops::Index<usize> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        match self.first.get(at) {
            Some(thing) => thing,
            None => self.behind(at),
        }
    }
}

impl<T> std::ops::IndexMut<usize> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        if at < self.first.len() { &mut self.first[at] } else { self.behind_mut(at) }
    }
}

/// Data for each value of a slab, by slot. Vacant slots need no data.
#[derive(Clone, Debug)]
pub struct BySlot<T> {
    first: Vec<T>,
    pages: Vec<Beside<T>>,
    spare: Spare,
}

#[derive(Clone, Debug)]
struct Beside<T> {
    things: Vec<T>,
    /// Number of slots that have a value.
    used: usize,
}

impl<T> Default for BySlot<T> {
    fn default() -> Self {
        Self { first: Vec::new(), pages: Vec::new(), spare: Spare::default() }
    }
}

impl<T: Copy> BySlot<T> {
    /// Sets the data of a vacant slot. `nothing` fills slots that had no data yet.
    #[inline]
    pub fn comes(&mut self, slot: u32, thing: T, nothing: T) {
        match self.first.get_mut(slot as usize) {
            Some(place) => *place = thing,
            None => self.comes_behind(slot as usize, thing, nothing),
        }
    }

    #[inline(never)]
    fn comes_behind(&mut self, slot: usize, thing: T, nothing: T) {
        if slot < first_part::<T>() {
            while self.first.len() <= slot {
                if self.first.len() == self.first.capacity() {
                    extend_first(&mut self.first);
                }
                self.first.push(nothing);
            }
            self.first[slot] = thing;
            return;
        }
        let (number, at) = behind::<T>(slot);
        if number >= self.pages.len() {
            self.pages.resize_with(number + 1, || Beside { things: Vec::new(), used: 0 });
        }
        let page = &mut self.pages[number];
        page.used += 1;
        if page.used == 1 {
            self.spare.used(number);
            page.things.resize(PAGE, nothing);
        }
        page.things[at] = thing;
    }

    /// Vacates a slot; its data stays as it is until the slot is used again, or the page is freed.
    #[inline]
    pub fn goes(&mut self, slot: u32) {
        if slot as usize >= first_part::<T>() {
            self.goes_behind(slot as usize);
        }
    }

    #[inline(never)]
    fn goes_behind(&mut self, slot: usize) {
        let (number, _) = behind::<T>(slot);
        self.pages[number].used -= 1;
        if self.pages[number].used == 0
            && let Some(page) = self.spare.emptied(number)
        {
            self.pages[page].things = Vec::new();
        }
    }

    #[inline(never)]
    fn behind(&self, slot: usize) -> &T {
        let (number, at) = behind::<T>(slot);
        &self.pages[number].things[at]
    }

    #[inline(never)]
    fn behind_mut(&mut self, slot: usize) -> &mut T {
        let (number, at) = behind::<T>(slot);
        &mut self.pages[number].things[at]
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        if (slot as usize) < self.first.len() {
            return self.first.get_mut(slot as usize);
        }
        let (number, at) = behind::<T>(slot as usize);
        self.pages.get_mut(number)?.things.get_mut(at)
    }
}

impl<T: Copy> std::ops::Index<u32> for BySlot<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        match self.first.get(slot as usize) {
            Some(thing) => thing,
            None => self.behind(slot as usize),
        }
    }
}

impl<T: Copy> std::ops::IndexMut<u32> for BySlot<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        let at = slot as usize;
        if at < self.first.len() { &mut self.first[at] } else { self.behind_mut(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So large that a first part is short.
    type Large = [u64; 512];

    const FIRST: usize = first_part::<Large>();

    fn large(number: usize) -> Large {
        [number as u64; 512]
    }

    fn room(paged: &Paged<Large>) -> usize {
        paged.first.capacity() + paged.pages.iter().map(Vec::capacity).sum::<usize>()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Grows and shrinks across borders of pages.
        #[test]
        fn a_paged_array_is_an_array(steps in prop::collection::vec((any::<bool>(), 1_usize..2 * FIRST), 0..8)) {
            let (mut paged, mut naive) = (Paged::default(), Vec::new());
            for (grows, many) in steps {
                for step in 0..many {
                    match grows {
                        true => {
                            paged.push(large(step));
                            naive.push(step);
                        }
                        false if naive.is_empty() => prop_assert_eq!(paged.pop(), None),
                        false => {
                            let at = step * 7919 % naive.len();
                            prop_assert_eq!(paged.swap_remove(at)[0], naive.swap_remove(at) as u64);
                        }
                    }
                }
                prop_assert_eq!(paged.len(), naive.len());
                prop_assert!(paged.iter().map(|thing| usize::try_from(thing[0]).unwrap()).eq(naive.iter().copied()));
                prop_assert!(naive.iter().enumerate().all(|(at, thing)| usize::try_from(paged[at][0]).unwrap() == *thing));
                prop_assert_eq!(paged.get(naive.len()), None);
                prop_assert!(room(&paged) <= 8 * naive.len().min(FIRST) + naive.len() + 2 * PAGE, "memory comes back");
            }
        }
    }

    #[test]
    fn what_is_kept_by_slot_gives_back_all_pages_but_one() {
        let mut by_slot = BySlot::default();
        let first = u32::try_from(first_part::<u32>()).unwrap();
        let page = u32::try_from(PAGE).unwrap();
        let slots = first + 5 * page + 3;
        (0..slots).for_each(|slot| by_slot.comes(slot, slot, u32::MAX));
        assert!((0..slots).all(|slot| by_slot[slot] == slot));
        (0..slots).rev().for_each(|slot| by_slot.goes(slot));
        let room = |by_slot: &BySlot<u32>| by_slot.pages.iter().map(|page| page.things.capacity()).sum::<usize>();
        assert_eq!(room(&by_slot), PAGE, "the first one waits");
        by_slot.comes(first + 2 * page + 1, 7, u32::MAX);
        assert_eq!((by_slot[first + 2 * page + 1], by_slot[first + 2 * page]), (7, u32::MAX));
        assert_eq!(by_slot.get_mut(first + 5 * page), None);
    }

    #[test]
    fn a_small_array_takes_little() {
        let mut paged = Paged::default();
        paged.push(large(1));
        assert_eq!(room(&paged), 4);
        let mut by_slot = BySlot::default();
        by_slot.comes(0, 1_u64, 0);
        assert_eq!((by_slot.first.capacity(), by_slot.pages.capacity()), (4, 0));
    }
}
