//! The index from a price of a side to its level.
//!
//! Most sides have few orders for the prices that they might have: their levels are in a hash
//! table, by side and rank. A side with many orders has a table with a place for each rank instead,
//! found without a hash and without reading the level. Such a table takes at most
//! [`BYTES_AN_ORDER`] for each order.

use super::hash_index::HashIndex;
use super::slab::NIL;

/// Maximum bytes of a table for each order. A table is dropped when it takes eight times as much.
const BYTES_AN_ORDER: usize = 16;

/// Sides with more prices have no tables: making one would take too long.
const PRICES_MAX: usize = 1 << 16;

/// No table.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub struct ByRank {
    slots: HashIndex,
    tables: Vec<Box<[u32]>>,
    /// Tables that no side uses.
    vacant: Vec<u32>,
}

/// Returns true if a side with this many orders should have a table for this many ranks.
#[inline]
pub fn is_dense(ranks: usize, orders: u32) -> bool {
    orders as usize * BYTES_AN_ORDER >= ranks * size_of::<u32>() && ranks <= PRICES_MAX
}

/// Returns true if a side should not have its table any more.
#[inline]
pub fn is_sparse(ranks: usize, orders: u32) -> bool {
    orders as usize * BYTES_AN_ORDER * 8 < ranks * size_of::<u32>()
}

impl ByRank {
    /// Prefetches the index entries that lead to a level.
    #[inline]
    pub fn prefetch(&self, table: u32, levels_of_side: u32, rank: u32) {
        match self.tables.get(table as usize) {
            Some(table) => prefetch_index::prefetch_index(table, rank as usize),
            None => self.slots.prefetch(hash(levels_of_side, rank)),
        }
    }

    /// Returns a level that is likely the one of a rank, to prefetch without touching the level.
    #[inline]
    pub fn guess(&self, table: u32, levels_of_side: u32, rank: u32) -> Option<u32> {
        self.find(table, levels_of_side, rank, |_| true)
    }

    /// Returns the level of a rank; `is_it` returns whether a level is that one.
    #[inline]
    pub fn find(&self, table: u32, levels_of_side: u32, rank: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        match self.tables.get(table as usize) {
            // Prefetching may ask for prices that do not exist.
            Some(table) => table.get(rank as usize).copied().filter(|level| *level != NIL),
            None => self.slots.find(hash(levels_of_side, rank), is_it).map(|(_, level)| level),
        }
    }

    /// Enters a level where there was none.
    #[inline]
    pub fn insert(&mut self, table: u32, levels_of_side: u32, rank: u32, level: u32) {
        match self.tables.get_mut(table as usize) {
            Some(table) => table[rank as usize] = level,
            None => {
                let vacancy = self.slots.vacancy(hash(levels_of_side, rank));
                self.slots.fill(vacancy, hash(levels_of_side, rank), level);
            }
        }
    }

    #[inline]
    pub fn remove(&mut self, table: u32, levels_of_side: u32, rank: u32, level: u32) {
        match self.tables.get_mut(table as usize) {
            Some(table) => table[rank as usize] = NIL,
            None => self.slots.remove(hash(levels_of_side, rank), level),
        }
    }

    /// Adds a table for this many ranks.
    pub fn add_table(&mut self, ranks: usize) -> u32 {
        let table = vec![NIL; ranks].into_boxed_slice();
        match self.vacant.pop() {
            Some(at) => {
                self.tables[at as usize] = table;
                at
            }
            None => {
                self.tables.push(table);
                u32::try_from(self.tables.len() - 1).expect("fewer than 2^32 sides")
            }
        }
    }

    pub fn drop_table(&mut self, table: u32) {
        self.tables[table as usize] = Box::default();
        self.vacant.push(table);
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
fn hash(levels_of_side: u32, rank: u32) -> u32 {
    ((u64::from(levels_of_side) << 32 | u64::from(rank)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}
