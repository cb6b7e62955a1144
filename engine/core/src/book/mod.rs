//! One market's resting orders by price and time. Knows nothing of accounts, wallets or Kafka: prices are ticks, quantities are
//! numbers, and what an order carries for its owner is a type parameter.
//!
//! ```
//! use engine_core::{Book, Resting};
//! use schemas::BookSide::{Ask, Bid};
//!
//! // Prices 0..=9,999; ids are u64 (u128 and order ids will do as well).
//! let mut book: Book<u64> = Book::new(9_999);
//! for id in [1, 2] {
//!     book.insert(Resting { id, side: Ask, price: 6_000, remaining: 10, owner: () });
//! }
//! assert_eq!(book.best(Ask), Some(6_000));
//! assert_eq!(book.depth(Ask, 6_000), 20);
//!
//! // A bid for 15 at 6,100 takes at the resting orders' price, first come first served.
//! let mut fills = Vec::new();
//! let left = book.take(Bid, 6_100, 15, |maker, quantity| fills.push((maker.id, maker.price, quantity)));
//! assert_eq!((left, fills), (0, vec![(1, 6_000, 10), (2, 6_000, 5)]));
//!
//! assert_eq!(book.get(2).map(|order| order.remaining), Some(5));
//! assert!(book.remove(2).is_some());
//! assert_eq!(book.best(Ask), None);
//! ```

mod codec;
mod ladder;
mod levels;
mod slots;
#[cfg(test)]
mod tests;

use schemas::{BookSide, OrderId};

use ladder::Ladder;
use levels::NIL;
use slots::Slots;

/// The highest price that a book can be made for: its bitmaps then take 512 KiB a side.
pub const PRICE_MAX: u32 = (1 << 22) - 1;

/// An order's id in a book.
pub trait BookId: Copy + Eq + std::fmt::Debug {
    /// 32 well-mixed bits. Ids are given out by the exchange, not chosen by clients, so a fast mix will do.
    fn mix(self) -> u32;
}

impl BookId for u64 {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the product's high half")]
    fn mix(self) -> u32 {
        (self.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
    }
}

impl BookId for u128 {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "takes both halves")]
    fn mix(self) -> u32 {
        (self as u64 ^ ((self >> 64) as u64).rotate_left(32)).mix()
    }
}

impl BookId for OrderId {
    #[inline]
    fn mix(self) -> u32 {
        self.0.mix()
    }
}

/// An order in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resting<Id, T = ()> {
    /// Its id; unique in the book.
    pub id: Id,
    /// Its side.
    pub side: BookSide,
    /// Its price in ticks.
    pub price: u32,
    /// What is left of it; not 0.
    pub remaining: u32,
    /// What the book's owner wants to find again.
    pub owner: T,
}

#[derive(Clone, Debug)]
struct Node<Id, T> {
    order: Resting<Id, T>,
    before: u32,
    /// The next order at the price; of a free slot, the next free slot.
    after: u32,
}

/// Resting orders by price and time.
///
/// Best price: constant. Insert, take, reduce, remove: constant time, with one look-up by id. Memory: two bits for each price of the
/// domain, and a slot for each order and each level that rested at the same time.
#[derive(Clone, Debug)]
pub struct Book<Id, T = ()> {
    bids: Ladder,
    asks: Ladder,
    nodes: Vec<Node<Id, T>>,
    /// The first free slot of `nodes`, or [`NIL`].
    free: u32,
    slots: Slots,
    highest: u32,
}

impl<Id: BookId, T: Copy> Book<Id, T> {
    /// For prices from 0 to `highest`.
    ///
    /// # Panics
    /// If `highest` is above [`PRICE_MAX`].
    pub fn new(highest: u32) -> Self {
        assert!(highest <= PRICE_MAX, "a book for prices up to {highest}");
        let (bids, asks) = (Ladder::new(BookSide::Bid, highest), Ladder::new(BookSide::Ask, highest));
        Self { bids, asks, nodes: Vec::new(), free: NIL, slots: Slots::default(), highest }
    }

    /// How many orders rest.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if no order rests.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest bid or the lowest ask.
    #[inline]
    pub fn best(&self, side: BookSide) -> Option<u32> {
        self.ladder(side).best()
    }

    /// What rests at a price, all orders together; 0 outside the domain.
    pub fn depth(&self, side: BookSide, price: u32) -> u64 {
        self.ladder(side).level(price).total
    }

    /// The order with this id, if it rests.
    pub fn get(&self, id: Id) -> Option<&Resting<Id, T>> {
        self.find(id).map(|slot| &self.nodes[slot as usize].order)
    }

    /// The orders of one side in the order in which they would fill.
    pub fn queue(&self, side: BookSide) -> Queue<'_, Id, T> {
        let ladder = self.ladder(side);
        let next = ladder.best().map_or(NIL, |price| ladder.level(price).head);
        Queue { nodes: &self.nodes, ladder, next }
    }

    /// Takes up to `quantity` from the orders that an order of `side` with this limit meets, best price first, first come
    /// first: tells `fill` each order, as it was, and what is taken of it. Returns what is left of `quantity`.
    #[inline]
    pub fn take(
        &mut self,
        side: BookSide,
        limit: u32,
        quantity: u32,
        mut fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> u32 {
        let mut left = quantity;
        while left > 0 {
            let Some(price) = self.best(side.opposite()) else { break };
            let crosses = match side {
                BookSide::Bid => price <= limit,
                BookSide::Ask => price >= limit,
            };
            if !crosses {
                break;
            }
            left = self.take_level(side.opposite(), price, left, &mut fill);
        }
        left
    }

    #[inline]
    fn take_level(
        &mut self,
        side: BookSide,
        price: u32,
        quantity: u32,
        fill: &mut impl FnMut(&Resting<Id, T>, u32),
    ) -> u32 {
        let (mut left, mut slot) = (quantity, self.ladder(side).level(price).head);
        while left > 0 && slot != NIL {
            let node = &mut self.nodes[slot as usize];
            let taken = left.min(node.order.remaining);
            fill(&node.order, taken);
            left -= taken;
            node.order.remaining -= taken;
            if node.order.remaining > 0 {
                break;
            }
            let (id, after) = (node.order.id, node.after);
            self.release(id, slot);
            slot = after;
        }
        let ladder = self.ladder_mut(side);
        let level = ladder.drain(price);
        level.head = slot;
        level.total -= u64::from(quantity - left);
        if slot == NIL {
            level.tail = NIL;
            ladder.vacate(price);
        } else {
            self.nodes[slot as usize].before = NIL;
        }
        left
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already, nothing remains or the price is outside the domain: the caller decides that before.
    #[inline]
    pub fn insert(&mut self, order: Resting<Id, T>) {
        let Resting { id, side, price, remaining, .. } = order;
        assert!(remaining > 0 && price <= self.highest, "order {id:?} rests with {remaining} at {price}");
        assert!(self.find(id).is_none(), "order {id:?} rests twice");
        let slot = self.allocate(order);
        let level = self.ladder_mut(side).fill(price);
        let before = std::mem::replace(&mut level.tail, slot);
        level.total += u64::from(remaining);
        if before == NIL {
            level.head = slot;
        } else {
            self.nodes[before as usize].after = slot;
            self.nodes[slot as usize].before = before;
        }
        self.slots.insert(id.mix(), slot);
    }

    /// Takes `quantity` from the order that would fill first on `side`. Returns it as it was.
    ///
    /// # Panics
    /// If the side is empty or the order has less: the caller saw both in the book.
    pub fn take_first(&mut self, side: BookSide, quantity: u32) -> Resting<Id, T> {
        let ladder = self.ladder(side);
        let slot = ladder.level(ladder.best().expect("a fill meets a resting order")).head;
        let order = self.nodes[slot as usize].order;
        self.reduce_slot(slot, quantity);
        order
    }

    /// Takes `quantity` from an order, which keeps its place; one with nothing left is gone. Returns what is left.
    /// `None` if it does not rest.
    ///
    /// # Panics
    /// If the order has less.
    pub fn reduce(&mut self, id: Id, quantity: u32) -> Option<u32> {
        let slot = self.find(id)?;
        Some(self.reduce_slot(slot, quantity))
    }

    /// Takes an order out. `None` if it does not rest.
    #[inline]
    pub fn remove(&mut self, id: Id) -> Option<Resting<Id, T>> {
        let slot = self.find(id)?;
        let order = self.nodes[slot as usize].order;
        self.reduce_slot(slot, order.remaining);
        Some(order)
    }

    #[inline]
    fn reduce_slot(&mut self, slot: u32, quantity: u32) -> u32 {
        let node = &mut self.nodes[slot as usize];
        let left = node.order.remaining.checked_sub(quantity).expect("an order has what is taken from it");
        node.order.remaining = left;
        let (Resting { id, side, price, .. }, before, after) = (node.order, node.before, node.after);
        let ladder = self.ladder_mut(side);
        let level = ladder.drain(price);
        level.total -= u64::from(quantity);
        if left > 0 {
            return left;
        }
        if before == NIL {
            level.head = after;
        }
        if after == NIL {
            level.tail = before;
        }
        if before == NIL && after == NIL {
            ladder.vacate(price);
        }
        if before != NIL {
            self.nodes[before as usize].after = after;
        }
        if after != NIL {
            self.nodes[after as usize].before = before;
        }
        self.release(id, slot);
        0
    }

    #[inline]
    fn find(&self, id: Id) -> Option<u32> {
        self.slots.find(id.mix(), |slot| self.nodes[slot as usize].order.id == id)
    }

    #[inline]
    fn allocate(&mut self, order: Resting<Id, T>) -> u32 {
        let node = Node { order, before: NIL, after: NIL };
        let slot = self.free;
        if slot != NIL {
            let place = &mut self.nodes[slot as usize];
            self.free = place.after;
            *place = node;
            return slot;
        }
        let slot = u32::try_from(self.nodes.len()).ok().filter(|&slot| slot != NIL).expect("under 2^32 orders rest");
        self.nodes.push(node);
        slot
    }

    /// Gives an order's slot back.
    #[inline]
    fn release(&mut self, id: Id, slot: u32) {
        self.slots.remove(id.mix(), slot);
        self.nodes[slot as usize].after = self.free;
        self.free = slot;
    }

    #[inline]
    fn ladder(&self, side: BookSide) -> &Ladder {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    #[inline]
    fn ladder_mut(&mut self, side: BookSide) -> &mut Ladder {
        match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        }
    }
}

/// Orders of one side, best price first, first come first.
#[derive(Debug)]
pub struct Queue<'a, Id, T> {
    nodes: &'a [Node<Id, T>],
    ladder: &'a Ladder,
    next: u32,
}

impl<'a, Id, T> Iterator for Queue<'a, Id, T> {
    type Item = &'a Resting<Id, T>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == NIL {
            return None;
        }
        let node = &self.nodes[self.next as usize];
        self.next = match node.after {
            NIL => self.ladder.next_after(node.order.price).map_or(NIL, |price| self.ladder.level(price).head),
            after => after,
        };
        Some(&node.order)
    }
}
