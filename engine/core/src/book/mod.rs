//! One market's resting orders by price and time. Knows nothing of accounts, wallets or Kafka: what an order carries for its
//! owner is a type parameter.
//!
//! ```
//! use engine_core::{Book, Resting};
//! use schemas::{BookSide, OrderId, Price, Quantity};
//!
//! let mut book = Book::default();
//! let price = Price::new(6_000).unwrap();
//! let order = |id| Resting { id: OrderId(id), side: BookSide::Ask, price, remaining: Quantity::new(10).unwrap(), owner: () };
//! book.insert(order(1));
//! book.insert(order(2));
//! assert_eq!(book.best(BookSide::Ask), Some(price));
//! assert_eq!(book.depth(BookSide::Ask, price), 20);
//! // First come, first served.
//! assert_eq!(book.queue(BookSide::Ask).next().unwrap().id, OrderId(1));
//! book.fill(OrderId(1), Quantity::new(10).unwrap());
//! assert_eq!(book.queue(BookSide::Ask).next().unwrap().id, OrderId(2));
//! assert!(book.remove(OrderId(2)).is_some());
//! assert_eq!(book.best(BookSide::Ask), None);
//! ```

mod codec;
mod ladder;
#[cfg(test)]
mod tests;

use schemas::{BookSide, OrderId, Price, Quantity};

use crate::index::Index;
use ladder::{Ladder, NIL};

/// An order in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resting<T> {
    /// Its id; unique in the book.
    pub id: OrderId,
    /// Its side.
    pub side: BookSide,
    /// Its price, in YES.
    pub price: Price,
    /// Contracts left; not 0.
    pub remaining: Quantity,
    /// What the book's owner wants to find again.
    pub owner: T,
}

#[derive(Clone, Debug)]
struct Node<T> {
    order: Resting<T>,
    before: u32,
    after: u32,
}

/// Resting orders by price and time.
///
/// Best price: two bitmap words. Insert, fill, remove: constant time, one look-up by id.
#[derive(Clone, Debug)]
pub struct Book<T> {
    bids: Ladder,
    asks: Ladder,
    nodes: Vec<Node<T>>,
    /// Slots of `nodes` that hold no order any more.
    free: Vec<u32>,
    slots: Index<OrderId, u32>,
}

impl<T> Default for Book<T> {
    fn default() -> Self {
        Self {
            bids: Ladder::new(BookSide::Bid),
            asks: Ladder::new(BookSide::Ask),
            nodes: Vec::new(),
            free: Vec::new(),
            slots: Index::default(),
        }
    }
}

impl<T: Copy> Book<T> {
    /// How many orders rest.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if no order rests.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest bid or the lowest ask.
    pub fn best(&self, side: BookSide) -> Option<Price> {
        self.ladder(side).best()
    }

    /// Contracts that rest at a price.
    pub fn depth(&self, side: BookSide, price: Price) -> u64 {
        self.ladder(side).level(price).total
    }

    /// The order with this id, if it rests.
    pub fn get(&self, id: OrderId) -> Option<&Resting<T>> {
        self.slots.get(&id).map(|&slot| &self.nodes[slot as usize].order)
    }

    /// The orders of one side in the order in which they would fill.
    pub fn queue(&self, side: BookSide) -> Queue<'_, T> {
        let next = self.best(side).map_or(NIL, |price| self.ladder(side).level(price).head);
        Queue { book: self, next }
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already or nothing remains: the caller decides both before.
    pub fn insert(&mut self, order: Resting<T>) {
        assert!(!order.remaining.is_zero(), "order {} rests with nothing", order.id);
        let (side, price) = (order.side, order.price);
        let before = self.ladder(side).level(price).tail;
        let slot = self.allocate(Node { order, before, after: NIL });
        assert!(self.slots.insert(order.id, slot).is_none(), "order {} rests twice", order.id);
        if before != NIL {
            self.nodes[before as usize].after = slot;
        }
        let ladder = self.ladder_mut(side);
        let level = ladder.level_mut(price);
        level.tail = slot;
        level.total += u64::from(order.remaining.contracts());
        if before == NIL {
            level.head = slot;
            ladder.mark(price, true);
        }
    }

    /// Takes `quantity` from an order, which keeps its place; one with nothing left is gone. Returns what is left.
    ///
    /// # Panics
    /// If the order does not rest or has less: the caller saw both in the book.
    pub fn fill(&mut self, id: OrderId, quantity: Quantity) -> Quantity {
        let slot = *self.slots.get(&id).expect("a filled order rests");
        let order = &mut self.nodes[slot as usize].order;
        order.remaining = order.remaining - quantity;
        let (side, price, left) = (order.side, order.price, order.remaining);
        self.ladder_mut(side).level_mut(price).total -= u64::from(quantity.contracts());
        if left.is_zero() {
            self.unlink(id, slot);
        }
        left
    }

    /// Takes an order out. `None` if it does not rest.
    pub fn remove(&mut self, id: OrderId) -> Option<Resting<T>> {
        let slot = *self.slots.get(&id)?;
        let order = self.nodes[slot as usize].order;
        self.ladder_mut(order.side).level_mut(order.price).total -= u64::from(order.remaining.contracts());
        self.unlink(id, slot);
        Some(order)
    }

    fn allocate(&mut self, node: Node<T>) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.nodes[slot as usize] = node;
            return slot;
        }
        let slot = u32::try_from(self.nodes.len()).ok().filter(|&slot| slot != NIL).expect("under 2^32 orders rest");
        self.nodes.push(node);
        slot
    }

    fn unlink(&mut self, id: OrderId, slot: u32) {
        let Node { order: Resting { side, price, .. }, before, after } = self.nodes[slot as usize];
        if before != NIL {
            self.nodes[before as usize].after = after;
        }
        if after != NIL {
            self.nodes[after as usize].before = before;
        }
        let ladder = self.ladder_mut(side);
        let level = ladder.level_mut(price);
        if before == NIL {
            level.head = after;
        }
        if after == NIL {
            level.tail = before;
        }
        if level.head == NIL {
            ladder.mark(price, false);
        }
        self.slots.remove(&id);
        self.free.push(slot);
    }

    fn ladder(&self, side: BookSide) -> &Ladder {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    fn ladder_mut(&mut self, side: BookSide) -> &mut Ladder {
        match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        }
    }
}

/// Orders of one side, best price first, first come first.
#[derive(Debug)]
pub struct Queue<'a, T> {
    book: &'a Book<T>,
    next: u32,
}

impl<'a, T: Copy> Iterator for Queue<'a, T> {
    type Item = &'a Resting<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == NIL {
            return None;
        }
        let node = &self.book.nodes[self.next as usize];
        self.next = if node.after == NIL {
            let ladder = self.book.ladder(node.order.side);
            ladder.next_after(node.order.price).map_or(NIL, |price| ladder.level(price).head)
        } else {
            node.after
        };
        Some(&node.order)
    }
}
