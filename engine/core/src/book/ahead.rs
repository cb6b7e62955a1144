//! The quantity that fills before an order at its price.
//!
//! The number is not stored: each fill at the head of a level changes it for every order behind. It
//! is counted on request, from the order towards the head of its level, over a bounded number of
//! orders.

use std::collections::BTreeMap;

use super::BookId;
use super::books::Books;
use super::slab::NIL;

/// What fills before an order, at the order's own price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// Contracts.
    pub contracts: u64,
    /// Orders that have those contracts.
    pub orders: u64,
    /// There are more: the count stopped at its bound.
    pub and_more: bool,
}

/// One count of queue positions, with its remaining budget. A position that it has counted ends the
/// counts of the orders behind it, so that many orders of one level cost little more than one.
/// Valid for one state of the book only.
#[derive(Clone, Debug)]
pub struct QueueCount {
    /// Orders that may still be visited.
    left: usize,
    /// By slot: positions that were counted to the end.
    known: BTreeMap<u32, Ahead>,
}

impl QueueCount {
    /// Returns a count that visits at most this many orders.
    pub fn of_at_most(orders: usize) -> Self {
        Self { left: orders, known: BTreeMap::new() }
    }

    /// Returns a count with the remaining budget for another state, without any known positions.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self::of_at_most(self.left)
    }
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Returns what is ahead of an order at its price, if it rests. Takes a step for each order
    /// ahead, within the bound of `count`.
    pub fn ahead(&self, id: Id, count: &mut QueueCount) -> Option<Ahead> {
        self.slot(id).map(|slot| self.ahead_of(slot, count))
    }

    fn ahead_of(&self, slot: u32, count: &mut QueueCount) -> Ahead {
        let mut ahead = Ahead::default();
        let mut next = self.nodes[slot].before;
        while next != NIL {
            if count.left == 0 {
                // Not stored: a count that starts at a stored position must be exact.
                return Ahead { and_more: true, ..ahead };
            }
            count.left -= 1;
            ahead.contracts += u64::from(self.order(next).remaining);
            ahead.orders += 1;
            if let Some(known) = count.known.get(&next) {
                ahead.contracts += known.contracts;
                ahead.orders += known.orders;
                break;
            }
            next = self.nodes[next].before;
        }
        count.known.insert(slot, ahead);
        ahead
    }
}
