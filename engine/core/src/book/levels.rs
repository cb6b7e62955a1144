//! The levels of one side by price: open addressing, so that an idle market costs a few cache lines and not an array of all
//! prices. Which prices are here, in order, is known by the bitmaps beside it (`ladder.rs`).

/// No slot: the end of a queue.
pub const NIL: u32 = u32::MAX;

/// No price: a free place. Not in any domain.
const FREE: u32 = u32::MAX;

/// The orders at one price, first come first.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    price: u32,
    /// Slot of the first order, or [`NIL`].
    pub head: u32,
    /// Slot of the last order, or [`NIL`].
    pub tail: u32,
    /// What rests there, all orders together (I-6).
    pub total: u64,
}

impl Level {
    /// A price at which nothing rests.
    pub const EMPTY: Self = Self { price: FREE, head: NIL, tail: NIL, total: 0 };
}

#[derive(Clone, Debug)]
pub struct Levels {
    /// A power of two of them, at most two thirds used.
    places: Box<[Level]>,
    /// Takes a price's hash to its place: the hash's high bits.
    shift: u32,
    len: usize,
}

impl Default for Levels {
    fn default() -> Self {
        Self::with_bits(2)
    }
}

impl Levels {
    fn with_bits(bits: u32) -> Self {
        Self { places: vec![Level::EMPTY; 1 << bits].into_boxed_slice(), shift: 32 - bits, len: 0 }
    }

    /// The level at `price`, if there is one.
    #[inline]
    pub fn get(&self, price: u32) -> Option<&Level> {
        let level = &self.places[self.place(price)];
        (level.price == price).then_some(level)
    }

    /// The level at `price`, to be changed, if there is one.
    #[inline]
    pub fn get_mut(&mut self, price: u32) -> Option<&mut Level> {
        let place = self.place(price);
        let level = &mut self.places[place];
        (level.price == price).then_some(level)
    }

    /// Adds an empty level at `price`, where there is none.
    #[inline]
    pub fn add(&mut self, price: u32) {
        if (self.len + 1) * 3 > self.places.len() * 2 {
            self.grow();
        }
        let place = self.place(price);
        self.len += 1;
        self.places[place].price = price;
    }

    /// Removes the level at `price`, which is there.
    #[inline]
    pub fn remove(&mut self, price: u32) {
        let mask = self.places.len() - 1;
        let mut gap = self.place(price);
        let mut place = gap;
        self.len -= 1;
        loop {
            place = (place + 1) & mask;
            let level = self.places[place];
            if level.price == FREE {
                break;
            }
            // A level may move back to the gap unless its home lies between the two.
            let from_home = place.wrapping_sub(self.home(level.price)) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.places[gap] = level;
                gap = place;
            }
        }
        self.places[gap] = Level::EMPTY;
    }

    /// Where the level at `price` is, or where it would be.
    #[inline]
    fn place(&self, price: u32) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.home(price);
        while self.places[place].price != price && self.places[place].price != FREE {
            place = (place + 1) & mask;
        }
        place
    }

    #[inline]
    fn home(&self, price: u32) -> usize {
        (price.wrapping_mul(0x9E37_79B9) >> self.shift) as usize
    }

    #[cold]
    fn grow(&mut self) {
        let bits = self.places.len().trailing_zeros() + 1;
        let old = std::mem::replace(self, Self { len: self.len, ..Self::with_bits(bits) });
        for level in old.places.into_iter().filter(|level| level.price != FREE) {
            let place = self.place(level.price);
            self.places[place] = level;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec(0_u32..48, 0..300)) {
            let (mut levels, mut naive) = (Levels::default(), BTreeSet::new());
            for price in steps {
                if naive.remove(&price) {
                    levels.remove(price);
                } else {
                    naive.insert(price);
                    levels.add(price);
                    levels.get_mut(price).unwrap().total = u64::from(price);
                }
                for price in 0..48 {
                    prop_assert_eq!(levels.get(price).map(|l| l.total), naive.get(&price).map(|p| u64::from(*p)));
                }
            }
        }
    }
}
