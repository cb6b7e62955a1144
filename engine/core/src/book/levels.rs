//! The levels of all books: each in a slot that stays the same as long as it has orders, found by its side and price, and from the
//! next better one.

use std::ops::RangeInclusive;

use schemas::BookSide;

use super::books::BookKey;
use super::by_rank::{self, ByRank};
use super::prices::{Ladder, Prices};
use super::slab::{Linked, NIL, Slab};

/// The orders at one price, first come first.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// What rests there, all orders together (I-6).
    pub total: u64,
    /// Slot of the first order, or [`NIL`] while the level is opened.
    pub head: u32,
    /// Slot of the last order, likewise.
    pub tail: u32,
    /// Which side of which book.
    pub shelf: u32,
    /// Its price as a rank: see [`Shelf::rank`].
    rank: u32,
}

impl Linked for Level {
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
pub struct Shelf {
    /// The best level, or [`NIL`].
    pub best: u32,
    /// The best level's rank, if there is one.
    rank: u32,
    /// How many orders rest on this side.
    pub orders: u32,
    /// The lowest price of the domain.
    lowest: u32,
    /// The highest price of the domain.
    highest: u32,
    /// All ones for asks, so that the lower price is the higher number; zero for bids.
    flip: u32,
    /// What takes a flipped price to its rank.
    base: u32,
    /// Its table of levels, or [`by_rank::NONE`].
    table: u32,
    ladder: Ladder,
}

impl Shelf {
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

    /// A price as a number of which the higher is better: the price itself for bids, its distance to the highest for asks. Which
    /// side it is shall cost no branch: nothing predicts the side of the next order.
    #[inline]
    fn rank(&self, price: u32) -> u32 {
        (price ^ self.flip).wrapping_add(self.base)
    }

    /// More than its highest rank.
    #[inline]
    fn ranks(&self) -> usize {
        self.highest as usize + 1
    }

    /// The prices of the domain.
    #[inline]
    pub fn prices(&self) -> RangeInclusive<u32> {
        self.lowest..=self.highest
    }

    /// The best price.
    #[inline]
    pub fn price(&self) -> Option<u32> {
        (self.best != NIL).then(|| self.rank.wrapping_sub(self.base) ^ self.flip)
    }

    /// The best level, if an order on the other side with this limit meets it.
    #[inline]
    pub fn meets(&self, limit: u32) -> Option<u32> {
        let crosses = self.rank.wrapping_sub(self.base) >= limit ^ self.flip;
        (crosses & (self.best != NIL)).then_some(self.best)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// The bids of each book and, next to them, its asks.
    shelves: Vec<Shelf>,
    levels: Slab<Level>,
    /// How many there are.
    open: u32,
    by_rank: ByRank,
    prices: Prices,
}

impl Levels {
    /// Adds the sides of a book: behind all others, or where a book was closed.
    pub fn add_book(&mut self, book: BookKey, prices: &RangeInclusive<u32>) {
        for side in [BookSide::Bid, BookSide::Ask] {
            let shelf = Shelf::new(side, prices);
            match book.shelf(side) as usize {
                at if at < self.shelves.len() => self.shelves[at] = shelf,
                _ => self.shelves.push(shelf),
            }
        }
    }

    /// Drops the last book.
    pub fn drop_last(&mut self) {
        self.shelves.pop();
        self.shelves.pop();
    }

    /// How many levels have orders, in all books.
    #[inline]
    pub fn open_levels(&self) -> u32 {
        self.open
    }

    /// How many books there are, with those that were closed.
    pub fn books(&self) -> u32 {
        u32::try_from(self.shelves.len() / 2).expect("fewer than 2^31 books")
    }

    #[inline]
    pub fn shelf(&self, shelf: u32) -> &Shelf {
        &self.shelves[shelf as usize]
    }

    #[inline]
    pub fn shelf_mut(&mut self, shelf: u32) -> &mut Shelf {
        &mut self.shelves[shelf as usize]
    }

    /// Brings a level into the processor's caches.
    #[inline]
    pub fn prefetch(&self, level: u32) {
        self.levels.prefetch(level);
    }

    /// A level that is likely the one at a price: where to look ahead without touching it.
    #[inline]
    pub fn guess(&self, shelf: u32, price: u32) -> Option<u32> {
        let side = self.shelf(shelf);
        self.by_rank.guess(side.table, shelf, side.rank(price))
    }

    /// Brings the way to the level at a price into the processor's caches.
    #[inline]
    pub fn prefetch_price(&self, shelf: u32, price: u32) {
        let side = self.shelf(shelf);
        self.by_rank.prefetch(side.table, shelf, side.rank(price));
        self.prices.prefetch(side.ladder, side.rank(price));
    }

    /// The level at a price, if it has orders.
    #[inline]
    pub fn find(&self, shelf: u32, price: u32) -> Option<u32> {
        self.find_rank(shelf, self.shelf(shelf).rank(price))
    }

    /// The ranks of one side that have orders, best first.
    pub fn ranks(&self, shelf: u32) -> impl Iterator<Item = u32> {
        let Shelf { best, rank, ladder, .. } = *self.shelf(shelf);
        let first = (best != NIL).then_some(rank);
        std::iter::successors(first, move |&rank| self.prices.below(ladder, rank))
    }

    /// Brings the way to the level of a rank into the processor's caches.
    #[inline]
    pub fn prefetch_key(&self, shelf: u32, rank: u32) {
        self.by_rank.prefetch(self.shelf(shelf).table, shelf, rank);
    }

    /// Brings the level of a rank into the processor's caches, once the way to it is there.
    #[inline]
    pub fn prefetch_level(&self, shelf: u32, rank: u32) {
        if let Some(level) = self.by_rank.guess(self.shelf(shelf).table, shelf, rank) {
            self.prefetch(level);
        }
    }

    /// The level of a rank, if it has orders.
    #[inline]
    pub fn find_rank(&self, shelf: u32, rank: u32) -> Option<u32> {
        let is_it = |slot| self.levels[slot].rank == rank && self.levels[slot].shelf == shelf;
        self.by_rank.find(self.shelf(shelf).table, shelf, rank, is_it)
    }

    /// The level at a price, to be filled further or for the first time.
    #[inline]
    pub fn open(&mut self, at: u32, price: u32) -> u32 {
        let rank = self.shelf(at).rank(price);
        match self.find_rank(at, rank) {
            Some(level) => level,
            None => self.add(at, rank),
        }
    }

    /// A level for a rank that has none.
    #[inline(never)]
    fn add(&mut self, at: u32, rank: u32) -> u32 {
        let shelf = &mut self.shelves[at as usize];
        self.open += 1;
        let level = self.levels.allocate(Level { total: 0, head: NIL, tail: NIL, shelf: at, rank });
        self.by_rank.insert(shelf.table, at, rank, level);
        self.prices.occupy(&mut shelf.ladder, rank);
        if rank > shelf.rank || shelf.best == NIL {
            (shelf.best, shelf.rank) = (level, rank);
        }
        if shelf.table == by_rank::NONE && by_rank::is_dense(shelf.ranks(), shelf.orders) {
            self.add_table(at);
        }
        level
    }

    /// A level has no more orders.
    #[inline(never)]
    pub fn close(&mut self, level: u32) {
        let Level { shelf: at, rank, .. } = self.levels[level];
        let shelf = &mut self.shelves[at as usize];
        self.by_rank.remove(shelf.table, at, rank, level);
        self.levels.release(level);
        self.open -= 1;
        self.prices.vacate(&mut shelf.ladder, rank);
        if shelf.best == level {
            let next = self.below(at, rank);
            let shelf = &mut self.shelves[at as usize];
            (shelf.best, shelf.rank) = next.unwrap_or((NIL, 0));
        }
        let shelf = self.shelf(at);
        if shelf.table != by_rank::NONE && by_rank::is_sparse(shelf.ranks(), shelf.orders) {
            self.drop_table(at);
        }
    }

    /// A side has come to have many orders.
    #[cold]
    fn add_table(&mut self, at: u32) {
        let table = self.by_rank.add_table(self.shelf(at).ranks());
        self.move_levels(at, table);
    }

    /// A side has few orders left.
    #[cold]
    fn drop_table(&mut self, at: u32) {
        let table = self.shelf(at).table;
        self.move_levels(at, by_rank::NONE);
        self.by_rank.drop_table(table);
    }

    /// Finds the levels of a side in another table from here on.
    fn move_levels(&mut self, at: u32, to: u32) {
        let Shelf { table: from, ladder, best, rank, .. } = *self.shelf(at);
        let mut next = (best != NIL).then_some(rank);
        while let Some(rank) = next {
            let level = self.find_rank(at, rank).expect("an occupied price has a level");
            self.by_rank.remove(from, at, rank, level);
            self.by_rank.insert(to, at, rank, level);
            next = self.prices.below(ladder, rank);
        }
        self.shelf_mut(at).table = to;
    }

    /// The next level on the worse side.
    #[inline]
    pub fn worse(&self, level: u32) -> Option<u32> {
        let Level { shelf, rank, .. } = self.levels[level];
        self.below(shelf, rank).map(|(level, _)| level)
    }

    #[inline]
    fn below(&self, shelf: u32, rank: u32) -> Option<(u32, u32)> {
        let rank = self.prices.below(self.shelves[shelf as usize].ladder, rank)?;
        Some((self.find_rank(shelf, rank).expect("an occupied price has a level"), rank))
    }
}

impl std::ops::Index<u32> for Levels {
    type Output = Level;

    #[inline]
    fn index(&self, level: u32) -> &Level {
        &self.levels[level]
    }
}

impl std::ops::IndexMut<u32> for Levels {
    #[inline]
    fn index_mut(&mut self, level: u32) -> &mut Level {
        &mut self.levels[level]
    }
}

#[cfg(test)]
impl Levels {
    /// Levels that there is memory for, and bytes of what else there is.
    pub fn rooms(&self) -> [usize; 2] {
        [self.levels.room(), self.prices.bytes()]
    }

    /// Blocks of prices that have orders.
    pub fn blocks(&self) -> usize {
        self.prices.nodes()[1]
    }

    /// Sides that have a table.
    pub fn tables(&self) -> usize {
        self.shelves.iter().filter(|shelf| shelf.table != by_rank::NONE).count()
    }

    pub fn bytes(&self) -> usize {
        let shelves = self.shelves.capacity() * size_of::<Shelf>();
        shelves + self.levels.room() * size_of::<Level>() + self.prices.bytes()
    }
}
