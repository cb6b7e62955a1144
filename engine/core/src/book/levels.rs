//! The price levels of all books. Each keeps its slot as long as it has orders, and is found by its
//! side and price, or from the next better level.

use std::ops::RangeInclusive;

use schemas::BookSide;

use super::by_rank::{self, ByRank};
use super::key::BookKey;
use super::prices::{Ladder, Prices};
use super::slab::{Linked, NIL, Slab};

/// The orders at one price, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct PriceLevel {
    /// Total quantity of its orders (I-6).
    pub total: u64,
    /// Slot of the first order, or [`NIL`] while the level is being opened.
    pub head: u32,
    /// Slot of the last order, or [`NIL`] while the level is being opened.
    pub tail: u32,
    /// The side and book, as an index into the sides.
    pub levels_of_side: u32,
    /// The price as a rank: see [`SideLevels::rank`].
    rank: u32,
}

impl Linked for PriceLevel {
    #[inline]
    fn link(&self) -> u32 {
        self.head
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.head = link;
    }
}

/// One side of a book.
#[derive(Clone, Copy, Debug)]
pub struct SideLevels {
    /// The best level, or [`NIL`].
    pub best: u32,
    /// The best level's rank, if there is one.
    rank: u32,
    /// Number of orders that rest on this side.
    pub orders: u32,
    /// The lowest price of the domain.
    lowest: u32,
    /// The highest price of the domain.
    highest: u32,
    /// All ones for asks, so that the lower price is the higher number; zero for bids.
    flip: u32,
    /// The offset that turns a flipped price into its rank.
    base: u32,
    /// The side's table of levels, or [`by_rank::NONE`].
    table: u32,
    ladder: Ladder,
}

impl SideLevels {
    fn new(side: BookSide, prices: &RangeInclusive<u32>) -> Self {
        let (lowest, highest) = (*prices.start(), *prices.end());
        let (flip, base) = match side {
            BookSide::Bid => (0, 0),
            BookSide::Ask => (u32::MAX, highest + 1),
        };
        Self {
            best: NIL,
            rank: 0,
            orders: 0,
            lowest,
            highest,
            flip,
            base,
            table: by_rank::NONE,
            ladder: Ladder::new(highest),
        }
    }

    /// Returns a price as a number of which the higher is better: the price itself for bids, its
    /// distance to the highest price for asks. Branch-free, because the side of the next order is
    /// unpredictable.
    #[inline]
    fn rank(&self, price: u32) -> u32 {
        (price ^ self.flip).wrapping_add(self.base)
    }

    /// Returns a bound above the highest rank.
    #[inline]
    fn ranks(&self) -> usize {
        self.highest as usize + 1
    }

    /// Returns the prices of the domain.
    #[inline]
    pub fn prices(&self) -> RangeInclusive<u32> {
        self.lowest..=self.highest
    }

    /// Returns the best price.
    #[inline]
    pub fn price(&self) -> Option<u32> {
        (self.best != NIL).then(|| self.rank.wrapping_sub(self.base) ^ self.flip)
    }

    /// Returns the best level, if an order on the other side with this limit crosses it.
    #[inline]
    pub fn meets(&self, limit: u32) -> Option<u32> {
        let crosses = self.rank.wrapping_sub(self.base) >= limit ^ self.flip;
        (crosses & (self.best != NIL)).then_some(self.best)
    }
}

#[derive(Clone, Debug, Default)]
pub struct AllLevels {
    /// The bids of each book, each followed by the asks.
    sides: Vec<SideLevels>,
    levels: Slab<PriceLevel>,
    /// Number of levels that have orders.
    open: u32,
    by_rank: ByRank,
    prices: Prices,
}

impl AllLevels {
    /// Adds the sides of a book: after all others, or in the place of a closed book.
    pub fn add_book(&mut self, book: BookKey, prices: &RangeInclusive<u32>) {
        for side in [BookSide::Bid, BookSide::Ask] {
            let levels_of_side = SideLevels::new(side, prices);
            match book.levels_of_side(side) as usize {
                at if at < self.sides.len() => self.sides[at] = levels_of_side,
                _ => self.sides.push(levels_of_side),
            }
        }
    }

    /// Drops the last book.
    pub fn drop_last(&mut self) {
        self.sides.pop();
        self.sides.pop();
    }

    /// Returns the number of levels that have orders, in all books.
    #[inline]
    pub fn open_levels(&self) -> u32 {
        self.open
    }

    /// Returns the number of books, including closed ones.
    pub fn books(&self) -> u32 {
        u32::try_from(self.sides.len() / 2).expect("fewer than 2^31 books")
    }

    #[inline]
    pub fn levels_of_side(&self, levels_of_side: u32) -> &SideLevels {
        &self.sides[levels_of_side as usize]
    }

    #[inline]
    pub fn shelf_mut(&mut self, levels_of_side: u32) -> &mut SideLevels {
        &mut self.sides[levels_of_side as usize]
    }

    /// Prefetches a level.
    #[inline]
    pub fn prefetch(&self, level: u32) {
        self.levels.prefetch(level);
    }

    /// Returns a level that is likely the one at a price, to prefetch without touching the level
    /// itself.
    #[inline]
    pub fn guess(&self, levels_of_side: u32, price: u32) -> Option<u32> {
        let side = self.levels_of_side(levels_of_side);
        self.by_rank.guess(side.table, levels_of_side, side.rank(price))
    }

    /// Prefetches the index entries that lead to the level at a price.
    #[inline]
    pub fn prefetch_price(&self, levels_of_side: u32, price: u32) {
        let side = self.levels_of_side(levels_of_side);
        self.by_rank.prefetch(side.table, levels_of_side, side.rank(price));
        self.prices.prefetch(side.ladder, side.rank(price));
    }

    /// Returns the level at a price, if it has orders.
    #[inline]
    pub fn find(&self, levels_of_side: u32, price: u32) -> Option<u32> {
        self.find_rank(levels_of_side, self.levels_of_side(levels_of_side).rank(price))
    }

    /// Returns the ranks of one side that have orders, best first.
    pub fn ranks(&self, levels_of_side: u32) -> impl Iterator<Item = u32> {
        let SideLevels { best, rank, ladder, .. } = *self.levels_of_side(levels_of_side);
        let first = (best != NIL).then_some(rank);
        std::iter::successors(first, move |&rank| self.prices.below(ladder, rank))
    }

    /// Prefetches the index entries that lead to the level of a rank.
    #[inline]
    pub fn prefetch_key(&self, levels_of_side: u32, rank: u32) {
        self.by_rank.prefetch(self.levels_of_side(levels_of_side).table, levels_of_side, rank);
    }

    /// Prefetches the level of a rank, once the index entries are in the cache.
    #[inline]
    pub fn prefetch_level(&self, levels_of_side: u32, rank: u32) {
        if let Some(level) = self.by_rank.guess(self.levels_of_side(levels_of_side).table, levels_of_side, rank) {
            self.prefetch(level);
        }
    }

    /// Returns the level of a rank, if it has orders.
    #[inline]
    pub fn find_rank(&self, levels_of_side: u32, rank: u32) -> Option<u32> {
        let is_it = |slot| self.levels[slot].rank == rank && self.levels[slot].levels_of_side == levels_of_side;
        self.by_rank.find(self.levels_of_side(levels_of_side).table, levels_of_side, rank, is_it)
    }

    /// Returns the level at a price to add an order to; opens it if there is none.
    #[inline]
    pub fn open(&mut self, at: u32, price: u32) -> u32 {
        let rank = self.levels_of_side(at).rank(price);
        match self.find_rank(at, rank) {
            Some(level) => level,
            None => self.add(at, rank),
        }
    }

    /// Opens a level for a rank that has none.
    #[inline(never)]
    fn add(&mut self, at: u32, rank: u32) -> u32 {
        let levels_of_side = &mut self.sides[at as usize];
        self.open += 1;
        let level = self.levels.allocate(PriceLevel { total: 0, head: NIL, tail: NIL, levels_of_side: at, rank });
        self.by_rank.insert(levels_of_side.table, at, rank, level);
        self.prices.occupy(&mut levels_of_side.ladder, rank);
        if rank > levels_of_side.rank || levels_of_side.best == NIL {
            (levels_of_side.best, levels_of_side.rank) = (level, rank);
        }
        if levels_of_side.table == by_rank::NONE && by_rank::is_dense(levels_of_side.ranks(), levels_of_side.orders) {
            self.add_table(at);
        }
        level
    }

    /// Closes a level that has no more orders.
    #[inline(never)]
    pub fn close(&mut self, level: u32) {
        let PriceLevel { levels_of_side: at, rank, .. } = self.levels[level];
        let levels_of_side = &mut self.sides[at as usize];
        self.by_rank.remove(levels_of_side.table, at, rank, level);
        self.levels.release(level);
        self.open -= 1;
        self.prices.vacate(&mut levels_of_side.ladder, rank);
        if levels_of_side.best == level {
            let next = self.below(at, rank);
            let levels_of_side = &mut self.sides[at as usize];
            (levels_of_side.best, levels_of_side.rank) = next.unwrap_or((NIL, 0));
        }
        let levels_of_side = self.levels_of_side(at);
        if levels_of_side.table != by_rank::NONE && by_rank::is_sparse(levels_of_side.ranks(), levels_of_side.orders) {
            self.drop_table(at);
        }
    }

    /// Switches a side that now has many orders to its own table.
    #[cold]
    fn add_table(&mut self, at: u32) {
        let table = self.by_rank.add_table(self.levels_of_side(at).ranks());
        self.move_levels(at, table);
    }

    /// Switches a side that has few orders left back from its own table.
    #[cold]
    fn drop_table(&mut self, at: u32) {
        let table = self.levels_of_side(at).table;
        self.move_levels(at, by_rank::NONE);
        self.by_rank.drop_table(table);
    }

    /// Moves the levels of a side from one table to another.
    fn move_levels(&mut self, at: u32, to: u32) {
        let SideLevels { table: from, ladder, best, rank, .. } = *self.levels_of_side(at);
        let mut next = (best != NIL).then_some(rank);
        while let Some(rank) = next {
            let level = self.find_rank(at, rank).expect("an occupied price has a level");
            self.by_rank.remove(from, at, rank, level);
            self.by_rank.insert(to, at, rank, level);
            next = self.prices.below(ladder, rank);
        }
        self.shelf_mut(at).table = to;
    }

    /// Returns the next worse level.
    #[inline]
    pub fn worse(&self, level: u32) -> Option<u32> {
        let PriceLevel { levels_of_side, rank, .. } = self.levels[level];
        self.below(levels_of_side, rank).map(|(level, _)| level)
    }

    #[inline]
    fn below(&self, levels_of_side: u32, rank: u32) -> Option<(u32, u32)> {
        let rank = self.prices.below(self.sides[levels_of_side as usize].ladder, rank)?;
        Some((self.find_rank(levels_of_side, rank).expect("an occupied price has a level"), rank))
    }
}

impl std::ops::Index<u32> for AllLevels {
    type Output = PriceLevel;

    #[inline]
    fn index(&self, level: u32) -> &PriceLevel {
        &self.levels[level]
    }
}

impl std::ops::IndexMut<u32> for AllLevels {
    #[inline]
    fn index_mut(&mut self, level: u32) -> &mut PriceLevel {
        &mut self.levels[level]
    }
}

#[cfg(test)]
impl AllLevels {
    /// Returns the number of levels that fit the allocated memory, and the bytes of all other
    /// memory.
    pub fn rooms(&self) -> [usize; 2] {
        [self.levels.room(), self.prices.bytes()]
    }

    /// Returns the number of blocks of prices that have orders.
    pub fn blocks(&self) -> usize {
        self.prices.nodes()[1]
    }

    /// Returns the number of sides that have a table.
    pub fn tables(&self) -> usize {
        self.sides.iter().filter(|levels_of_side| levels_of_side.table != by_rank::NONE).count()
    }

    pub fn bytes(&self) -> usize {
        let sides = self.sides.capacity() * size_of::<SideLevels>();
        sides + self.levels.room() * size_of::<PriceLevel>() + self.prices.bytes()
    }
}
