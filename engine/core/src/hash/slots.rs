//! The hashes of the entities in slots, and their sum. An entity that changed is hashed again when
//! the sum is needed.

use super::LEAST;
use crate::pages::BySlot;
use crate::state::TableObserver;

/// The entity in this slot has changed since it was hashed; its hash is not in the sum.
const CHANGED: u64 = 0;
/// The slot is vacant.
const VACANT: u64 = 1;

/// Hashes by slot, and their sum.
#[derive(Clone, Debug, Default)]
pub struct SlotHashes {
    hashes: BySlot<u64>,
    /// Slots that are [`CHANGED`]; perhaps others, too, and some twice.
    changed: Vec<u32>,
    sum: u64,
}

impl TableObserver for SlotHashes {
    #[inline]
    fn comes(&mut self, slot: u32) {
        self.hashes.comes(slot, CHANGED, VACANT);
        self.changed.push(slot);
    }

    #[inline]
    fn changes(&mut self, slot: u32) {
        let hash = &mut self.hashes[slot];
        if *hash >= LEAST {
            self.sum = self.sum.wrapping_sub(*hash);
            *hash = CHANGED;
            self.changed.push(slot);
        }
    }

    #[inline]
    fn goes(&mut self, slot: u32) {
        let hash = std::mem::replace(&mut self.hashes[slot], VACANT);
        self.hashes.goes(slot);
        if hash >= LEAST {
            self.sum = self.sum.wrapping_sub(hash);
        }
    }

    fn moves(&mut self, from: u32, to: u32) {
        let hash = std::mem::replace(&mut self.hashes[from], VACANT);
        self.hashes.goes(from);
        self.hashes.comes(to, hash, VACANT);
        if hash == CHANGED {
            self.changed.push(to);
        }
    }
}

impl SlotHashes {
    /// Hashes what has changed.
    pub fn hash_changed(&mut self, mut hash_of: impl FnMut(u32) -> u64) {
        while let Some(slot) = self.changed.pop() {
            // A vacant slot may have no memory.
            if let Some(hash) = self.hashes.get_mut(slot)
                && *hash == CHANGED
            {
                *hash = hash_of(slot);
                debug_assert!(*hash >= LEAST, "smaller numbers say something else");
                self.sum = self.sum.wrapping_add(*hash);
            }
        }
    }

    /// Returns the sum of all hashes.
    ///
    /// # Panics
    /// In debug builds, if something has changed since it was hashed.
    pub fn sum(&self) -> u64 {
        debug_assert!(self.changed.is_empty(), "what has changed is hashed first");
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Compares with a list of numbers that is hashed as a whole.
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0_u8..5, 0_u32..12, any::<u64>()), 0..200)) {
            let hash = |number: u64| number.max(LEAST);
            let (mut hashes, mut naive) = (SlotHashes::default(), [None; 12]);
            for (step, slot, number) in steps {
                let at = slot as usize;
                match (step, naive[at]) {
                    (0 | 1, None) => {
                        naive[at] = Some(number);
                        hashes.comes(slot);
                    }
                    (0, Some(_)) => {
                        naive[at] = Some(number);
                        hashes.changes(slot);
                    }
                    (1, Some(_)) => {
                        naive[at] = None;
                        hashes.goes(slot);
                    }
                    (2, Some(number)) => {
                        if let Some(to) = (0..12).find(|to| naive[*to as usize].is_none()) {
                            (naive[to as usize], naive[at]) = (Some(number), None);
                            hashes.comes(to);
                            hashes.goes(to);
                            hashes.moves(slot, to);
                        }
                    }
                    (3, _) => {
                        hashes.hash_changed(|slot| hash(naive[slot as usize].expect("something is there")));
                        let expected = naive.iter().flatten().fold(0, |sum: u64, number| sum.wrapping_add(hash(*number)));
                        prop_assert_eq!(hashes.sum(), expected);
                    }
                    _ => {}
                }
            }
        }
    }
}
