//! One side of a book: its levels, the best price, and bitmaps that find the next one in a few instructions, however far away
//! it is.

use schemas::BookSide;

use super::levels::{Level, Levels};

static EMPTY: Level = Level::EMPTY;

#[derive(Clone, Debug)]
pub struct Ladder {
    side: BookSide,
    /// The best price with orders.
    best: Option<u32>,
    levels: Levels,
    /// A bit for each price with orders.
    prices: Box<[u64]>,
    /// A bit for each word of `prices` that is not zero.
    words: Box<[u64]>,
}

impl Ladder {
    /// For prices up to `highest`.
    pub fn new(side: BookSide, highest: u32) -> Self {
        let words = (highest / 64 + 1) as usize;
        let bits = |words: usize| vec![0; words].into_boxed_slice();
        Self { side, best: None, levels: Levels::default(), prices: bits(words), words: bits(words.div_ceil(64)) }
    }

    /// The best price: the highest of the bids, the lowest of the asks.
    #[inline]
    pub fn best(&self) -> Option<u32> {
        self.best
    }

    /// The level at a price.
    #[inline]
    pub fn level(&self, price: u32) -> &Level {
        self.levels.get(price).unwrap_or(&EMPTY)
    }

    /// The level at a price, to be filled further or for the first time.
    #[inline]
    pub fn fill(&mut self, price: u32) -> &mut Level {
        if self.levels.get(price).is_none() {
            self.levels.add(price);
            self.occupy(price);
        }
        self.levels.get_mut(price).expect("it was added")
    }

    /// The level at a price with orders, to be emptied. Whoever takes its last order says so with [`Ladder::vacate`].
    #[inline]
    pub fn drain(&mut self, price: u32) -> &mut Level {
        self.levels.get_mut(price).expect("a resting order has a level")
    }

    #[inline]
    fn occupy(&mut self, price: u32) {
        let (word, bit) = split(price);
        self.prices[word] |= 1 << bit;
        self.words[word / 64] |= 1 << (word % 64);
        let better = |best| match self.side {
            BookSide::Bid => price > best,
            BookSide::Ask => price < best,
        };
        if self.best.is_none_or(better) {
            self.best = Some(price);
        }
    }

    /// The level at a price has no more orders.
    #[inline]
    pub fn vacate(&mut self, price: u32) {
        self.levels.remove(price);
        let (word, bit) = split(price);
        self.prices[word] &= !(1 << bit);
        if self.prices[word] == 0 {
            self.words[word / 64] &= !(1 << (word % 64));
        }
        if self.best == Some(price) {
            self.best = self.next_after(price);
        }
    }

    /// The best price strictly worse than `price`.
    #[inline]
    pub fn next_after(&self, price: u32) -> Option<u32> {
        let (word, bit) = split(price);
        let here = self.prices[word] & self.worse_than(bit);
        if here != 0 {
            return Some(self.price(word, here));
        }
        let (block, bit) = (word / 64, word % 64);
        let here = self.words[block] & self.worse_than(bit);
        let (block, words) = if here == 0 { self.next_block(block)? } else { (block, here) };
        let word = block * 64 + self.best_bit(words);
        Some(self.price(word, self.prices[word]))
    }

    /// The next 64 words, on the worse side, that are not all zero.
    fn next_block(&self, block: usize) -> Option<(usize, u64)> {
        let blocks = self.words.iter().copied().enumerate();
        let used = |(_, words): &(usize, u64)| *words != 0;
        match self.side {
            BookSide::Bid => blocks.take(block).rfind(used),
            BookSide::Ask => blocks.skip(block + 1).find(used),
        }
    }

    /// The bits on the worse side of `bit`.
    #[inline]
    fn worse_than(&self, bit: usize) -> u64 {
        match self.side {
            BookSide::Bid => (1 << bit) - 1,
            BookSide::Ask => !(u64::MAX >> (63 - bit)),
        }
    }

    #[inline]
    fn best_bit(&self, word: u64) -> usize {
        match self.side {
            BookSide::Bid => 63 - word.leading_zeros() as usize,
            BookSide::Ask => word.trailing_zeros() as usize,
        }
    }

    #[inline]
    fn price(&self, word: usize, prices: u64) -> u32 {
        u32::try_from(word * 64 + self.best_bit(prices)).expect("a price is 32 bits")
    }
}

#[inline]
fn split(price: u32) -> (usize, usize) {
    ((price / 64) as usize, (price % 64) as usize)
}
