//! The occupied prices of a side, and the next one after any price, however far away it is: without
//! a loop for domains up to 16,384 prices, and without a branch on the side. Prices are ranks here,
//! of which the higher is better.
//!
//! ```text
//! fan: a bit for each of 32 blocks, or of 32 fans of a larger domain ─▶ block: a bit for each of 512 ranks
//! ```
//!
//! A block is one cache line. A side only has blocks with orders: an empty block is freed at once,
//! so an empty book has none, and there are never more blocks than levels. never more than there
//! are levels.

use super::slab::{Linked, Slab};

/// The highest price that a book can be made for.
pub const PRICE_MAX: u32 = (1 << 22) - 1;

const BLOCK_BITS: u32 = 9;
const FAN_BITS: u32 = 5;
const FANS: usize = 1 << FAN_BITS;

/// The index of the block and the fan that always stay empty; stands for an absent node.
const NONE: u32 = 0;

/// 512 ranks, a bit each.
#[derive(Clone, Copy, Default, Debug)]
#[repr(align(64))]
struct Block([u64; 8]);

impl Linked for Block {
    #[allow(clippy::cast_possible_truncation, reason = "what set_link was told")]
    fn link(&self) -> u32 {
        self.0[0] as u32
    }

    fn set_link(&mut self, link: u32) {
        self.0[0] = link.into();
    }
}

/// A block or a fan; of a block, a bit for each of its words that is not zero.
#[derive(Clone, Copy, Default, Debug)]
struct Branch {
    node: u32,
    words: u32,
}

/// The children of a node of a side's tree.
#[derive(Clone, Copy, Default, Debug)]
struct Fan {
    below: [Branch; FANS],
    /// A bit for each child that is there.
    present: u32,
}

impl Linked for Fan {
    fn link(&self) -> u32 {
        self.present
    }

    fn set_link(&mut self, link: u32) {
        self.present = link;
    }
}

/// A side's tree.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// The root fan, if any rank has orders.
    root: u32,
    /// Number of fans from the root to a block.
    height: u32,
}

impl Ladder {
    /// Returns an empty tree for ranks up to `highest`.
    pub fn new(highest: u32) -> Self {
        let height = (highest.max(1).ilog2() + 1).saturating_sub(BLOCK_BITS).div_ceil(FAN_BITS).max(1);
        Self { root: NONE, height }
    }
}

/// Returns which child of a fan of this height contains a rank.
#[inline]
fn branch(rank: u32, height: u32) -> usize {
    (rank >> (BLOCK_BITS + FAN_BITS * (height - 1))) as usize % FANS
}

/// The occupied ranks of all sides.
#[derive(Clone, Debug)]
pub struct Prices {
    fans: Slab<Fan>,
    blocks: Slab<Block>,
}

impl Default for Prices {
    fn default() -> Self {
        let mut prices = Self { fans: Slab::default(), blocks: Slab::default() };
        let none = (prices.fans.allocate(Fan::default()), prices.blocks.allocate(Block::default()));
        debug_assert_eq!(none, (NONE, NONE));
        prices
    }
}

impl Prices {
    /// Prefetches the nodes of a rank.
    #[inline]
    pub fn prefetch(&self, ladder: Ladder, rank: u32) {
        if ladder.height == 1 {
            prefetch_index::prefetch_index(self.fans[ladder.root].below, branch(rank, 1));
        }
    }

    /// Marks a rank as occupied.
    #[inline]
    pub fn occupy(&mut self, ladder: &mut Ladder, rank: u32) {
        if ladder.root == NONE {
            ladder.root = self.fans.allocate(Fan::default());
        }
        let mut at = ladder.root;
        for height in (2..=ladder.height).rev() {
            let branch = branch(rank, height);
            let mut below = self.fans[at].below[branch].node;
            if below == NONE {
                below = self.fans.allocate(Fan::default());
                self.fans[at].add(branch, below);
            }
            at = below;
        }
        let (branch, fan) = (branch(rank, 1), &mut self.fans[at]);
        if fan.below[branch].node == NONE {
            fan.add(branch, self.blocks.allocate(Block::default()));
        }
        let below = &mut fan.below[branch];
        below.words |= 1 << word(rank);
        self.blocks[below.node].0[word(rank)] |= 1 << (rank % 64);
    }

    /// Marks a rank as empty.
    #[inline]
    pub fn vacate(&mut self, ladder: &mut Ladder, rank: u32) {
        if self.vacate_below(ladder.root, ladder.height, rank) {
            self.fans.release(ladder.root);
            ladder.root = NONE;
        }
    }

    /// Returns true if nothing is left below the fan.
    #[inline]
    fn vacate_below(&mut self, at: u32, height: u32, rank: u32) -> bool {
        let branch = branch(rank, height);
        if height > 1 {
            return self.vacate_far_below(at, height, branch, rank);
        }
        let fan = &mut self.fans[at];
        let Branch { node, words } = &mut fan.below[branch];
        let bits = &mut self.blocks[*node].0[word(rank)];
        *bits &= !(1 << (rank % 64));
        if *bits != 0 {
            return false;
        }
        *words &= !(1 << word(rank));
        if *words != 0 {
            return false;
        }
        self.blocks.release(*node);
        fan.remove(branch)
    }

    #[cold]
    fn vacate_far_below(&mut self, at: u32, height: u32, branch: usize, rank: u32) -> bool {
        let below = self.fans[at].below[branch].node;
        if !self.vacate_below(below, height - 1, rank) {
            return false;
        }
        self.fans.release(below);
        self.fans[at].remove(branch)
    }

    /// Returns the best rank strictly below `rank`.
    #[inline]
    pub fn below(&self, ladder: Ladder, rank: u32) -> Option<u32> {
        self.below_in(ladder.root, ladder.height, rank)
    }

    #[inline]
    fn below_in(&self, at: u32, height: u32, rank: u32) -> Option<u32> {
        let (fan, branch) = (&self.fans[at], branch(rank, height));
        if height > 1 {
            return self.below_far(fan, height, branch, rank);
        }
        let Branch { node, words } = fan.below[branch];
        let block = &self.blocks[node].0;
        let bits = block[word(rank)] & ((1 << (rank % 64)) - 1);
        if bits != 0 {
            return Some(rank & !63 | bits.ilog2());
        }
        let words = words & ((1 << word(rank)) - 1);
        if words != 0 {
            return Some(rank & !511 | best(block, words));
        }
        let before = fan.present & ((1 << branch) - 1);
        (before != 0).then(|| self.best_of(fan, before.ilog2(), 1, rank))
    }

    #[cold]
    fn below_far(&self, fan: &Fan, height: u32, branch: usize, rank: u32) -> Option<u32> {
        let below = fan.below[branch].node;
        if below != NONE
            && let Some(found) = self.below_in(below, height - 1, rank)
        {
            return Some(found);
        }
        let before = fan.present & ((1 << branch) - 1);
        (before != 0).then(|| self.best_of(fan, before.ilog2(), height, rank))
    }

    /// Returns the best rank below one branch of a fan. Its bits above the fan are those of `rank`.
    fn best_of(&self, fan: &Fan, branch: u32, height: u32, rank: u32) -> u32 {
        let bits = BLOCK_BITS + FAN_BITS * (height - 1);
        let first = rank >> bits >> FAN_BITS << FAN_BITS << bits | branch << bits;
        let Branch { node, words } = fan.below[branch as usize];
        if height == 1 {
            return first | best(&self.blocks[node].0, words);
        }
        let fan = &self.fans[node];
        self.best_of(fan, fan.present.ilog2(), height - 1, first)
    }
}

#[cfg(test)]
impl Prices {
    /// Returns the number of fans and of blocks.
    pub fn nodes(&self) -> [usize; 2] {
        [self.fans.used() - 1, self.blocks.used() - 1]
    }

    pub fn bytes(&self) -> usize {
        self.fans.room() * size_of::<Fan>() + self.blocks.room() * size_of::<Block>()
    }
}

impl Fan {
    fn add(&mut self, branch: usize, below: u32) {
        self.below[branch].node = below;
        self.present |= 1 << branch;
    }

    /// Returns true if nothing is left.
    fn remove(&mut self, branch: usize) -> bool {
        self.below[branch] = Branch::default();
        self.present &= !(1 << branch);
        self.present == 0
    }
}

/// Returns the best rank in a block, of which `words` are not zero.
#[inline]
fn best(block: &[u64; 8], words: u32) -> u32 {
    let word = words.ilog2() % 8;
    word * 64 + block[word as usize].ilog2()
}

/// Returns a rank's word in its block.
#[inline]
fn word(rank: u32) -> usize {
    (rank / 64 % 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Domains of one, two and three fans' height; two sides in one memory.
        #[test]
        fn agrees_with_sets(
            highest in prop_oneof![Just(7_u32), Just(511), Just(512), Just(9_999), Just(16_383), Just(16_384), Just(1 << 20), Just(PRICE_MAX)],
            steps in prop::collection::vec((any::<bool>(), prop_oneof![0_u32..8, 60_u32..70, 508_u32..516, any::<u32>()]), 0..300),
        ) {
            let mut prices = Prices::default();
            let mut ladders = [Ladder::new(highest); 2];
            let mut naive = [BTreeSet::new(), BTreeSet::new()];
            for (side, rank) in steps {
                let (side, rank) = (usize::from(side), rank % (highest + 1));
                if naive[side].insert(rank) {
                    prices.occupy(&mut ladders[side], rank);
                } else {
                    naive[side].remove(&rank);
                    prices.vacate(&mut ladders[side], rank);
                }
                for from in [rank, highest, rank / 2] {
                    prop_assert_eq!(prices.below(ladders[side], from), naive[side].range(..from).next_back().copied());
                }
                let blocks: BTreeSet<_> = (0..2).flat_map(|side| naive[side].iter().map(move |rank| (side, rank / 512))).collect();
                prop_assert_eq!(prices.nodes()[1], blocks.len(), "a block for each 512 ranks that have orders");
            }
            for (side, ranks) in naive.into_iter().enumerate() {
                ranks.into_iter().for_each(|rank| prices.vacate(&mut ladders[side], rank));
            }
            prop_assert_eq!(prices.nodes(), [0, 0], "an empty side has nothing");
        }
    }
}
