//! One side of a book: a level for each price, and bitmaps that find the best one in a few instructions.
//!
//! Levels live in pages of 64 prices that are made when first used, so an idle market costs a few hundred bytes and a gap or
//! thousands of empty levels cost nothing to cross.

use schemas::{BookSide, Price};

/// No slot: the end of a queue.
pub const NIL: u32 = u32::MAX;

/// The orders at one price, first come first.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// Slot of the first order, or [`NIL`].
    pub head: u32,
    /// Slot of the last order, or [`NIL`].
    pub tail: u32,
    /// Contracts of all of them (I-6).
    pub total: u64,
}

const EMPTY: Level = Level { head: NIL, tail: NIL, total: 0 };
const PAGE: usize = 64;
const PAGES: usize = (Price::MAX.ticks() as usize).div_ceil(PAGE) + 1;
const WORDS: usize = PAGES.div_ceil(64);

#[derive(Clone, Debug)]
pub struct Ladder {
    side: BookSide,
    pages: Vec<Option<Box<[Level; PAGE]>>>,
    /// A bit for each price with orders.
    prices: [u64; PAGES],
    /// A bit for each word of `prices` that is not zero.
    words: [u64; WORDS],
}

impl Ladder {
    pub fn new(side: BookSide) -> Self {
        Self { side, pages: vec![None; PAGES], prices: [0; PAGES], words: [0; WORDS] }
    }

    /// The best price: the highest of the bids, the lowest of the asks.
    pub fn best(&self) -> Option<Price> {
        let page = match self.side {
            BookSide::Bid => (0..WORDS).rev().find(|&i| self.words[i] != 0).map(|i| i * 64 + highest(self.words[i])),
            BookSide::Ask => (0..WORDS).find(|&i| self.words[i] != 0).map(|i| i * 64 + lowest(self.words[i])),
        };
        page.map(|page| self.best_of(page, self.prices[page]))
    }

    /// The best price strictly worse than `price`.
    pub fn next_after(&self, price: Price) -> Option<Price> {
        let (page, bit) = split(price);
        let here = self.prices[page] & self.worse_than(bit);
        if here != 0 {
            return Some(self.best_of(page, here));
        }
        let (word, bit) = (page / 64, page % 64);
        let pages = self.words[word] & self.worse_than(bit);
        let page = match self.side {
            BookSide::Bid if pages != 0 => Some(word * 64 + highest(pages)),
            BookSide::Ask if pages != 0 => Some(word * 64 + lowest(pages)),
            BookSide::Bid => (0..word).rev().find(|&i| self.words[i] != 0).map(|i| i * 64 + highest(self.words[i])),
            BookSide::Ask => (word + 1..WORDS).find(|&i| self.words[i] != 0).map(|i| i * 64 + lowest(self.words[i])),
        };
        page.map(|page| self.best_of(page, self.prices[page]))
    }

    /// The bits on the worse side of `bit`.
    fn worse_than(&self, bit: usize) -> u64 {
        match self.side {
            BookSide::Bid => (1 << bit) - 1,
            BookSide::Ask => !(u64::MAX >> (63 - bit)),
        }
    }

    fn best_of(&self, page: usize, prices: u64) -> Price {
        let bit = match self.side {
            BookSide::Bid => highest(prices),
            BookSide::Ask => lowest(prices),
        };
        u16::try_from(page * PAGE + bit).ok().and_then(Price::new).expect("only prices are marked")
    }

    pub fn level(&self, price: Price) -> &Level {
        let (page, bit) = split(price);
        self.pages[page].as_ref().map_or(&EMPTY, |levels| &levels[bit])
    }

    /// The level, to be changed. Whoever fills or empties it says so with [`Ladder::mark`].
    pub fn level_mut(&mut self, price: Price) -> &mut Level {
        let (page, bit) = split(price);
        &mut self.pages[page].get_or_insert_with(|| Box::new([EMPTY; PAGE]))[bit]
    }

    /// Records whether the level at `price` has orders.
    pub fn mark(&mut self, price: Price, occupied: bool) {
        let (page, bit) = split(price);
        if occupied {
            self.prices[page] |= 1 << bit;
            self.words[page / 64] |= 1 << (page % 64);
        } else {
            self.prices[page] &= !(1 << bit);
            if self.prices[page] == 0 {
                self.words[page / 64] &= !(1 << (page % 64));
            }
        }
    }
}

fn split(price: Price) -> (usize, usize) {
    let ticks = usize::from(price.ticks());
    (ticks / PAGE, ticks % PAGE)
}

fn highest(word: u64) -> usize {
    63 - word.leading_zeros() as usize
}

fn lowest(word: u64) -> usize {
    word.trailing_zeros() as usize
}
