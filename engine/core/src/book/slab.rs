//! Things of one kind in one array: a slot each, which stays the same as long as the thing is there.

use prefetch_index::prefetch_index;

/// No slot: the end of a queue.
pub const NIL: u32 = u32::MAX;

/// What a slab holds. Of a free slot only the link matters.
pub trait Linked {
    /// A number of the thing that a free slot does not need, to chain free slots with.
    fn link(&mut self) -> &mut u32;
}

#[derive(Clone, Debug)]
pub struct Slab<N> {
    places: Vec<N>,
    /// The slot that was freed last, which is likely still in the processor's cache, or [`NIL`].
    free: u32,
}

impl<N> Default for Slab<N> {
    fn default() -> Self {
        Self { places: Vec::new(), free: NIL }
    }
}

impl<N: Linked> Slab<N> {
    /// Puts a thing into a free slot.
    #[inline]
    pub fn allocate(&mut self, thing: N) -> u32 {
        let slot = self.free;
        if slot != NIL {
            let place = &mut self.places[slot as usize];
            self.free = *place.link();
            *place = thing;
            return slot;
        }
        self.extend(thing)
    }

    /// Makes room for so many more, so that they need not be moved while they come.
    pub fn reserve(&mut self, more: usize) {
        self.places.reserve_exact(more.max(self.places.len() / 8));
    }

    /// Brings a slot into the processor's caches.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        prefetch_index(&self.places, slot as usize);
    }

    /// The same to its last byte: a slot of a cache line's size lies across two, and the second is where the next slot begins.
    #[inline]
    pub fn prefetch_whole(&self, slot: u32) {
        prefetch_index(&self.places, slot as usize);
        prefetch_index(&self.places, slot as usize + 1);
    }

    /// Gives a slot back.
    #[inline]
    pub fn release(&mut self, slot: u32) {
        *self.places[slot as usize].link() = self.free;
        self.free = slot;
    }

    #[cold]
    fn extend(&mut self, thing: N) -> u32 {
        let slot =
            u32::try_from(self.places.len()).ok().filter(|&slot| slot != NIL).expect("fewer than 2^32 - 1 slots");
        if self.places.len() == self.places.capacity() {
            // An eighth and not twice: most of the memory of many orders is here.
            self.places.reserve_exact((self.places.len() / 8).max(16));
        }
        self.places.push(thing);
        slot
    }
}

impl<N> std::ops::Index<u32> for Slab<N> {
    type Output = N;

    #[inline]
    fn index(&self, slot: u32) -> &N {
        &self.places[slot as usize]
    }
}

impl<N> std::ops::IndexMut<u32> for Slab<N> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut N {
        &mut self.places[slot as usize]
    }
}
