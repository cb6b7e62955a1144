//! Walks all orders of a side in the order in which they would fill. Used by snapshots.
//!
//! A queue follows the orders one by one and waits for memory at each. This walk follows many
//! levels at once, one step of each in turn, so that the memory for one level arrives while the
//! others continue.

use schemas::BookSide;

use super::books::Books;
use super::slab::NIL;
use super::{BookId, BookKey};

/// Number of levels that are walked at once.
const ABREAST: usize = 32;

/// Buffers for walks, reused between walks.
#[derive(Default)]
pub struct Walk {
    ranks: Vec<u32>,
    levels: Vec<Vec<u32>>,
    /// Slots in the order in which they would fill.
    slots: Vec<u32>,
}

impl Walk {
    /// Returns the slots of one side's orders in the order in which they would fill.
    pub fn of<Id: BookId, T: Copy>(&mut self, books: &Books<Id, T>, book: BookKey, side: BookSide) -> &[u32] {
        let levels_of_side = book.levels_of_side(side);
        self.ranks.clear();
        self.ranks.extend(books.levels.ranks(levels_of_side));
        self.slots.clear();
        for ranks in self.ranks.chunks(ABREAST) {
            self.levels.resize_with(ranks.len(), Vec::new);
            begin(books, levels_of_side, ranks, &mut self.levels);
            go_on(books, &mut self.levels);
            self.levels.iter().for_each(|level| self.slots.extend_from_slice(level));
        }
        &self.slots
    }
}

/// Finds the first order of each level.
fn begin<Id: BookId, T: Copy>(books: &Books<Id, T>, levels_of_side: u32, ranks: &[u32], levels: &mut [Vec<u32>]) {
    ranks.iter().for_each(|&rank| books.levels.prefetch_key(levels_of_side, rank));
    ranks.iter().for_each(|&rank| books.levels.prefetch_level(levels_of_side, rank));
    for (&rank, slots) in ranks.iter().zip(levels) {
        let level = books.levels.find_rank(levels_of_side, rank).expect("an occupied price has a level");
        let head = books.levels[level].head;
        books.nodes.prefetch_whole(head);
        slots.clear();
        slots.push(head);
    }
}

/// Follows each level to its end.
fn go_on<Id: BookId, T: Copy>(books: &Books<Id, T>, levels: &mut [Vec<u32>]) {
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for slots in &mut *levels {
            let Some(&last) = slots.last() else { continue };
            let after = books.nodes[last].after;
            if after != NIL {
                books.nodes.prefetch_whole(after);
                slots.push(after);
                goes_on = true;
            }
        }
    }
}
