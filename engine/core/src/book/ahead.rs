//! How much waits ahead of an order at its price.
//!
//! Nothing keeps that number: each fill at the head of a level changes it for every order behind. It is counted when it
//! is asked for, from the order towards the head of its level, over a bounded number of orders.

use std::collections::BTreeMap;

use super::BookId;
use super::books::Books;
use super::slab::NIL;

/// What fills before an order does, at its own price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// Contracts.
    pub contracts: u64,
    /// Orders that have them.
    pub orders: u64,
    /// There is more: the count ended at its bound.
    pub and_more: bool,
}

/// One count of queues, and what it may still cost. Positions that it has counted end the counts of the orders behind
/// them, so that many orders of one level cost little more than one. For one state of the book only.
#[derive(Clone, Debug)]
pub struct QueueCount {
    /// Orders that may still be looked at.
    left: usize,
    /// By slot: what was counted to the end.
    known: BTreeMap<u32, Ahead>,
}

impl QueueCount {
    /// A count that looks at no more orders than these.
    pub fn of_at_most(orders: usize) -> Self {
        Self { left: orders, known: BTreeMap::new() }
    }

    /// What is left of it for another state, of which nothing is known yet.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self::of_at_most(self.left)
    }
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// What is ahead of an order at its price, if it rests. Time: a step for each order ahead, within the bound of
    /// `count`.
    pub fn ahead(&self, id: Id, count: &mut QueueCount) -> Option<Ahead> {
        self.slot(id).map(|slot| self.ahead_of(slot, count))
    }

    fn ahead_of(&self, slot: u32, count: &mut QueueCount) -> Ahead {
        let mut ahead = Ahead::default();
        let mut next = self.nodes[slot].before;
        while next != NIL {
            if count.left == 0 {
                // Not kept: a count that begins at a known place is exact.
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
