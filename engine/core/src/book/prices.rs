//! Which prices of a side have orders, and which of them comes next, however far away it is. Without a loop for domains up to
//! 32,768 prices, and without a branch on the side: prices are ranks here, of which the higher is better.
//!
//! ```text
//! summary: a bit for each block ─▶ directory: a bit for each word of the block ─▶ block: a bit for each of 512 ranks
//! ```
//!
//! A block is one cache line. A side has those that it ever used.

use prefetch_index::prefetch_index;

/// The highest price that a book can be made for: its directories then take 33 KiB a side.
pub const PRICE_MAX: u32 = (1 << 22) - 1;

/// 512 ranks, a bit each.
#[derive(Clone, Copy, Default, Debug)]
#[repr(align(64))]
struct Block([u64; 8]);

/// A block's place, and a bit for each of its words that is not zero.
#[derive(Clone, Copy, Default, Debug)]
struct Entry(u32);

impl Entry {
    /// The block of ranks that were never used.
    const NONE: Self = Self(0);

    #[inline]
    fn block(self) -> usize {
        (self.0 >> 8) as usize
    }

    #[inline]
    fn words(self) -> u32 {
        self.0 & 0xFF
    }
}

/// Where a side's parts of the shared arrays begin.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    directory: u32,
    summary: u32,
}

impl Ladder {
    #[inline]
    fn entry(self, rank: u32) -> usize {
        (self.directory + rank / 512) as usize
    }

    #[inline]
    fn summary(self, rank: u32) -> usize {
        (self.summary + rank / 512 / 64) as usize
    }
}

/// The occupied ranks of all sides.
#[derive(Clone, Debug)]
pub struct Prices {
    directory: Vec<Entry>,
    /// The first stays empty.
    blocks: Vec<Block>,
    summary: Vec<u64>,
}

impl Default for Prices {
    fn default() -> Self {
        Self { directory: Vec::new(), blocks: vec![Block::default()], summary: Vec::new() }
    }
}

impl Prices {
    /// Makes room for one more side with ranks up to `highest`.
    pub fn add(&mut self, highest: u32) -> Ladder {
        let start = |len: usize| u32::try_from(len).expect("fewer than 2^32 blocks of prices");
        let ladder = Ladder { directory: start(self.directory.len()), summary: start(self.summary.len()) };
        let blocks = (highest / 512 + 1) as usize;
        self.directory.resize(self.directory.len() + blocks, Entry::NONE);
        self.summary.resize(self.summary.len() + blocks.div_ceil(64), 0);
        ladder
    }

    /// Brings a rank's entry in the directory into the processor's caches.
    #[inline]
    pub fn prefetch(&self, ladder: Ladder, rank: u32) {
        prefetch_index(&self.directory, ladder.entry(rank));
    }

    /// A rank has orders now.
    #[inline]
    pub fn occupy(&mut self, ladder: Ladder, rank: u32) {
        let mut entry = self.directory[ladder.entry(rank)];
        if entry.block() == 0 {
            entry = self.extend();
        }
        self.directory[ladder.entry(rank)] = Entry(entry.0 | 1 << word(rank));
        self.blocks[entry.block()].0[word(rank)] |= 1 << (rank % 64);
        self.summary[ladder.summary(rank)] |= 1 << (rank / 512 % 64);
    }

    #[cold]
    fn extend(&mut self) -> Entry {
        let block = u32::try_from(self.blocks.len()).ok().filter(|block| block >> 24 == 0);
        self.blocks.push(Block::default());
        Entry(block.expect("fewer than 2^24 blocks of prices") << 8)
    }

    /// A rank that had orders has none.
    #[inline]
    pub fn vacate(&mut self, ladder: Ladder, rank: u32) {
        let entry = &mut self.directory[ladder.entry(rank)];
        let bits = &mut self.blocks[entry.block()].0[word(rank)];
        *bits &= !(1 << (rank % 64));
        if *bits == 0 {
            entry.0 &= !(1 << word(rank));
            if entry.words() == 0 {
                self.summary[ladder.summary(rank)] &= !(1 << (rank / 512 % 64));
            }
        }
    }

    /// The best rank strictly below `rank`.
    #[inline]
    pub fn below(&self, ladder: Ladder, rank: u32) -> Option<u32> {
        let entry = self.directory[ladder.entry(rank)];
        let block = &self.blocks[entry.block()].0;
        let bits = block[word(rank)] & ((1 << (rank % 64)) - 1);
        if bits != 0 {
            return Some(rank & !63 | bits.ilog2());
        }
        let words = entry.words() & ((1 << word(rank)) - 1);
        if words != 0 {
            return Some(rank & !511 | best(block, words));
        }
        self.below_block(ladder, rank / 512)
    }

    /// The best rank in the blocks before `block`.
    #[inline]
    fn below_block(&self, ladder: Ladder, block: u32) -> Option<u32> {
        let summary = &self.summary[ladder.summary as usize..=(ladder.summary + block / 64) as usize];
        let (last, before) = summary.split_last().expect("a side has a summary");
        let blocks = last & ((1 << (block % 64)) - 1);
        let block = match blocks {
            0 => {
                let (at, blocks) = before.iter().enumerate().rfind(|(_, blocks)| **blocks != 0)?;
                u32::try_from(at).expect("at most 128 words") * 64 + blocks.ilog2()
            }
            blocks => block & !63 | blocks.ilog2(),
        };
        let entry = self.directory[(ladder.directory + block) as usize];
        Some(block * 512 + best(&self.blocks[entry.block()].0, entry.words()))
    }
}

/// The best rank in a block, of which `words` are not zero.
#[inline]
fn best(block: &[u64; 8], words: u32) -> u32 {
    let word = words.ilog2() % 8;
    word * 64 + block[word as usize].ilog2()
}

/// A rank's word in its block.
#[inline]
fn word(rank: u32) -> usize {
    (rank / 64 % 8) as usize
}
