//! Many books in one memory: one array of orders, one of levels, one index of ids, shared by all books. An order is found by its id
//! without knowing its book, a quiet book costs a cache line, and what quiet books leave unused the busy ones use.
//!
//! ```text
//! id ─▶ order ─▶ level ─▶ shelf (one side of one book) ─▶ best level ─▶ first order
//! ```
//!
//! Only an order that opens a level or closes one asks for more than these: where a price's level is, and which price is next.

use std::ops::RangeInclusive;

use schemas::BookSide;

use super::levels::{Level, Levels, Shelf};
use super::prices::PRICE_MAX;
use super::slab::{Linked, NIL, Slab};
use super::slots::{Entry, Slots};
use super::{At, BookId, Queue, Resting};

/// Which book of a [`Books`]. Given out in order from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
pub struct BookKey(pub(super) u32);

impl BookKey {
    /// The key of a book that is alone.
    pub(super) const ONLY: Self = Self(0);

    /// Its place among the books of its memory, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    #[inline]
    pub(super) fn shelf(self, side: BookSide) -> u32 {
        self.0 * 2 + u32::from(side.code())
    }
}

/// An order in its slot. Its fields are those of [`Resting`] and not one of that type: so nothing is left empty before its links, and an
/// order with 32 bytes for its owner has the size of a cache line, one with nothing half of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<Id, T> {
    id: Id,
    owner: T,
    price: u32,
    remaining: u32,
    pub(super) before: u32,
    /// The next order at the price, or [`NIL`].
    pub(super) after: u32,
    pub(super) level: u32,
    side: BookSide,
}

const _: () = assert!(size_of::<Node<u64, ()>>() == 32 && size_of::<Node<u64, [u64; 4]>>() == 64);

impl<Id: Copy, T: Copy> Node<Id, T> {
    #[inline]
    fn order(&self) -> Resting<Id, T> {
        let Self { id, owner, price, remaining, side, .. } = *self;
        Resting { id, side, price, remaining, owner }
    }
}

impl<Id: Copy, T: Copy> Linked for Node<Id, T> {
    #[inline]
    fn link(&mut self) -> &mut u32 {
        &mut self.after
    }
}

/// The resting orders of many books by price and time.
///
/// Best price: constant. Insert, take, reduce, remove: constant time, with one look-up by id. Memory: a slot for each order and each
/// level that were there at the same time, and 64 bytes for each 512 prices that were ever used.
#[derive(Clone, Debug)]
pub struct Books<Id, T = ()> {
    pub(super) nodes: Slab<Node<Id, T>>,
    pub(super) ids: Slots,
    pub(super) levels: Levels,
}

impl<Id, T> Default for Books<Id, T> {
    fn default() -> Self {
        Self { nodes: Slab::default(), ids: Slots::default(), levels: Levels::default() }
    }
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// No books.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a book for prices from 0 to `highest`.
    ///
    /// # Panics
    /// If `highest` is above [`PRICE_MAX`].
    pub fn add(&mut self, highest: u32) -> BookKey {
        self.add_with(0..=highest)
    }

    /// Adds a book for these prices.
    ///
    /// # Panics
    /// If there are none, or one is above [`PRICE_MAX`].
    pub fn add_with(&mut self, prices: RangeInclusive<u32>) -> BookKey {
        assert!(!prices.is_empty() && *prices.end() <= PRICE_MAX, "a book for prices {prices:?}");
        let bids = self.levels.add(BookSide::Bid, &prices);
        self.levels.add(BookSide::Ask, &prices);
        BookKey(bids / 2)
    }

    /// The keys of all books, in the order in which they were added.
    pub fn keys(&self) -> impl Iterator<Item = BookKey> + use<Id, T> {
        (0..self.levels.shelves() / 2).map(BookKey)
    }

    /// How many orders rest in a book.
    pub fn len(&self, book: BookKey) -> usize {
        (self.shelf(book, BookSide::Bid).orders + self.shelf(book, BookSide::Ask).orders) as usize
    }

    /// True if no order rests in a book.
    pub fn is_empty(&self, book: BookKey) -> bool {
        self.len(book) == 0
    }

    /// How many orders rest in all books.
    pub fn orders(&self) -> usize {
        self.ids.len()
    }

    /// The prices of a book.
    #[inline]
    pub fn prices(&self, book: BookKey) -> RangeInclusive<u32> {
        self.shelf(book, BookSide::Bid).prices()
    }

    /// The highest bid or the lowest ask.
    #[inline]
    pub fn best(&self, book: BookKey, side: BookSide) -> Option<u32> {
        self.shelf(book, side).price()
    }

    /// What rests at a price, all orders together; 0 outside the domain.
    pub fn depth(&self, book: BookKey, side: BookSide, price: u32) -> u64 {
        if !self.prices(book).contains(&price) {
            return 0;
        }
        self.levels.find(book.shelf(side), price).map_or(0, |level| self.levels[level].total)
    }

    /// The order with this id and its book, if it rests.
    #[inline]
    pub fn get(&self, id: Id) -> Option<(BookKey, Resting<Id, T>)> {
        let (_, slot) = self.find(id)?;
        let node = &self.nodes[slot];
        Some((self.book(node), node.order()))
    }

    /// What the order with this id carries for its owner, if it rests.
    pub fn owner_mut(&mut self, id: Id) -> Option<&mut T> {
        let (_, slot) = self.find(id)?;
        Some(&mut self.nodes[slot].owner)
    }

    /// The prices of one side that have orders, best first, and what rests at each, all orders together.
    pub fn depths(&self, book: BookKey, side: BookSide) -> impl Iterator<Item = (u32, u64)> {
        let best = Some(self.shelf(book, side).best).filter(|&best| best != NIL);
        let levels = std::iter::successors(best, |&level| self.levels.worse(level));
        levels.map(|level| (self.nodes[self.levels[level].head].price, self.levels[level].total))
    }

    /// Whether an order of `side` with this limit would take.
    #[inline]
    pub fn meets(&self, book: BookKey, side: BookSide, limit: u32) -> bool {
        self.shelf(book, side.opposite()).meets(limit).is_some()
    }

    /// The orders of one side in the order in which they would fill.
    #[inline]
    pub fn queue(&self, book: BookKey, side: BookSide) -> Queue<'_, Id, T> {
        let best = self.shelf(book, side).best;
        Queue { books: self, at: At::Next(if best == NIL { NIL } else { self.levels[best].head }) }
    }

    /// Takes up to `quantity` from the orders that an order of `side` with this limit meets, best price first, first come
    /// first: tells `fill` each order, as it was, and what is taken of it. Returns what is left of `quantity`.
    #[inline]
    pub fn take(
        &mut self,
        book: BookKey,
        side: BookSide,
        limit: u32,
        quantity: u32,
        mut fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> u32 {
        let mut left = quantity;
        while left > 0 {
            let Some(best) = self.shelf(book, side.opposite()).meets(limit) else { break };
            left = self.take_level(best, left, &mut fill);
        }
        left
    }

    /// Takes up to `quantity`, which is not 0, from a level.
    #[inline]
    fn take_level(&mut self, at: u32, quantity: u32, fill: &mut impl FnMut(&Resting<Id, T>, u32)) -> u32 {
        let level = &mut self.levels[at];
        let (mut left, mut slot, shelf) = (quantity, level.head, level.shelf);
        let mut gone = 0;
        while left > 0 && slot != NIL {
            let node = &mut self.nodes[slot];
            let taken = left.min(node.remaining);
            fill(&node.order(), taken);
            left -= taken;
            node.remaining -= taken;
            if node.remaining > 0 {
                break;
            }
            gone += 1;
            let (id, after) = (node.id, node.after);
            self.ids.remove(id.mix(), slot);
            self.nodes.release(slot);
            slot = after;
        }
        if slot == NIL {
            self.levels.close(at);
        } else {
            level.head = slot;
            level.total -= u64::from(quantity - left);
            self.nodes[slot].before = NIL;
        }
        self.forget(shelf, gone);
        left
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already, in whichever book, nothing remains or the price is outside the domain: the caller decides that
    /// before.
    #[inline]
    pub fn insert(&mut self, book: BookKey, order: Resting<Id, T>) {
        self.rest(book, order);
    }

    /// As [`Books::insert`]; returns the order's slot, which stays the same as long as it rests.
    #[inline]
    pub(crate) fn rest(&mut self, book: BookKey, order: Resting<Id, T>) -> u32 {
        self.try_insert(book, order).unwrap_or_else(|| panic!("order {:?} rests twice", order.id))
    }

    /// As [`Books::rest`]; `None`, and nothing is changed, if the id rests already.
    #[inline]
    pub(super) fn try_insert(&mut self, book: BookKey, order: Resting<Id, T>) -> Option<u32> {
        let Resting { id, side, price, remaining, owner } = order;
        let key = book.shelf(side);
        let prices = self.levels.shelf(key).prices();
        assert!(remaining > 0 && prices.contains(&price), "order {id:?} rests with {remaining} at {price}");
        let vacancy = self.ids.find_or_vacancy(id.mix(), |slot| self.nodes[slot].id == id);
        let Err(vacancy) = vacancy else { return None };
        self.levels.shelf_mut(key).orders += 1;
        let level = self.levels.open(key, price);
        let before = self.levels[level].tail;
        let slot = self.nodes.allocate(Node { id, owner, price, remaining, before, after: NIL, level, side });
        self.ids.fill(vacancy, id.mix(), slot);
        if before == NIL {
            self.levels[level].head = slot;
        } else {
            self.nodes[before].after = slot;
        }
        self.levels[level].tail = slot;
        self.levels[level].total += u64::from(remaining);
        Some(slot)
    }

    /// Takes `quantity` from the order that would fill first on `side`. Returns it as it was.
    ///
    /// # Panics
    /// If the side is empty or the order has less: the caller saw both in the book.
    #[inline]
    pub fn take_first(&mut self, book: BookKey, side: BookSide, quantity: u32) -> Resting<Id, T> {
        self.take_first_slot(book, side, quantity).1
    }

    /// As [`Books::take_first`], with the slot where the order is, or was.
    #[inline]
    pub(crate) fn take_first_slot(&mut self, book: BookKey, side: BookSide, quantity: u32) -> (u32, Resting<Id, T>) {
        let Shelf { best, .. } = *self.shelf(book, side);
        assert!(best != NIL, "a fill meets a resting order");
        let slot = self.levels[best].head;
        let order = self.nodes[slot].order();
        assert!(quantity <= order.remaining, "an order has what is taken from it");
        self.take_level(best, quantity, &mut |_, _| {});
        (slot, order)
    }

    /// Takes `quantity` from an order, which keeps its place; one with nothing left is gone. Returns what is left.
    /// `None` if it does not rest.
    ///
    /// # Panics
    /// If the order has less.
    pub fn reduce(&mut self, id: Id, quantity: u32) -> Option<u32> {
        self.take_from(id, quantity).map(|order| order.remaining - quantity)
    }

    /// As [`Books::reduce`], and returns the order as it was.
    ///
    /// # Panics
    /// If the order has less.
    #[inline]
    pub fn take_from(&mut self, id: Id, quantity: u32) -> Option<Resting<Id, T>> {
        self.take_from_slot(id, quantity).map(|(_, order)| order)
    }

    /// As [`Books::take_from`], with the slot where the order is, or was.
    #[inline]
    pub(crate) fn take_from_slot(&mut self, id: Id, quantity: u32) -> Option<(u32, Resting<Id, T>)> {
        let (entry, slot) = self.find(id)?;
        let node = &mut self.nodes[slot];
        let order = node.order();
        let left = order.remaining.checked_sub(quantity).expect("an order has what is taken from it");
        if left == 0 {
            self.unlink(entry, slot);
        } else {
            node.remaining = left;
            self.levels[node.level].total -= u64::from(quantity);
        }
        Some((slot, order))
    }

    /// Takes an order out. `None` if it does not rest.
    #[inline]
    pub fn remove(&mut self, id: Id) -> Option<(BookKey, Resting<Id, T>)> {
        self.remove_slot(id).map(|(_, book, order)| (book, order))
    }

    /// As [`Books::remove`], with the slot where the order was: the next order that comes to rest has it.
    #[inline]
    pub(crate) fn remove_slot(&mut self, id: Id) -> Option<(u32, BookKey, Resting<Id, T>)> {
        let (entry, slot) = self.find(id)?;
        let node = &self.nodes[slot];
        let (book, order) = (self.book(node), node.order());
        self.unlink(entry, slot);
        Some((slot, book, order))
    }

    /// Takes an order out of its queue and gives back what it occupied.
    #[inline]
    fn unlink(&mut self, entry: Entry, slot: u32) {
        let Node { remaining, before, after, level: at, .. } = self.nodes[slot];
        self.ids.remove_at(entry);
        self.nodes.release(slot);
        let level = &mut self.levels[at];
        let shelf = level.shelf;
        if before == NIL && after == NIL {
            self.levels.close(at);
        } else {
            level.total -= u64::from(remaining);
            if before == NIL {
                level.head = after;
            } else {
                self.nodes[before].after = after;
            }
            if after == NIL {
                level.tail = before;
            } else {
                self.nodes[after].before = before;
            }
        }
        self.forget(shelf, 1);
    }

    #[inline]
    fn forget(&mut self, shelf: u32, orders: u32) {
        self.levels.shelf_mut(shelf).orders -= orders;
    }

    #[inline]
    fn find(&self, id: Id) -> Option<(Entry, u32)> {
        self.ids.find(id.mix(), |slot| self.nodes[slot].id == id)
    }

    /// The slot of the order with this id, if it rests.
    pub(super) fn slot(&self, id: Id) -> Option<u32> {
        self.find(id).map(|(_, slot)| slot)
    }

    #[inline]
    fn book(&self, node: &Node<Id, T>) -> BookKey {
        BookKey(self.levels[node.level].shelf / 2)
    }

    #[inline]
    fn shelf(&self, book: BookKey, side: BookSide) -> &Shelf {
        self.levels.shelf(book.shelf(side))
    }

    /// The order in a slot, and its book.
    pub(crate) fn at(&self, slot: u32) -> (BookKey, Resting<Id, T>) {
        let node = &self.nodes[slot];
        (self.book(node), node.order())
    }

    /// The order in a slot.
    #[inline]
    pub(crate) fn order(&self, slot: u32) -> Resting<Id, T> {
        self.nodes[slot].order()
    }

    /// The slots of a book's orders: bids, then asks, each in the order in which they would fill.
    pub(crate) fn slots(&self, book: BookKey) -> impl Iterator<Item = u32> {
        let first = [BookSide::Bid, BookSide::Ask].map(|side| match self.shelf(book, side).best {
            NIL => NIL,
            best => self.levels[best].head,
        });
        let known = |slot: u32| (slot != NIL).then_some(slot);
        first
            .into_iter()
            .flat_map(move |first| std::iter::successors(known(first), move |slot| known(self.after(*slot))))
    }

    /// The slot of the order that fills after another, or [`NIL`].
    #[inline]
    pub(super) fn after(&self, slot: u32) -> u32 {
        let Node { after, level, .. } = self.nodes[slot];
        match after {
            NIL => self.levels.worse(level).map_or(NIL, |level: u32| self.levels[level].head),
            after => after,
        }
    }
}

const _: () = assert!(size_of::<Level>() == 24);
