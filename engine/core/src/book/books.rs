//! Many books in one memory: one array of orders, one of levels, one index of ids, shared by all
//! books. An order is found by its id without its book, a quiet book costs a cache line, and busy
//! books use the memory that quiet books leave free.
//!
//! ```text
//! id ─▶ order ─▶ level ─▶ side of a book ─▶ best level ─▶ first order
//! ```
//!
//! Only an order that opens or closes a level needs more than these: the slot of a price's level,
//! and the next price.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use schemas::BookSide;

use super::hash_index::IndexEntry;
use super::id::{BookId, IdKey};
use super::id_index::IdIndex;
use super::key::BookKey;
use super::levels::{AllLevels, PriceLevel, SideLevels};
use super::prices::PRICE_MAX;
use super::resting::Resting;
use super::slab::{Linked, NIL, Slab};

/// An order in its slot. It repeats the fields of [`Resting`] instead of containing one, so that no
/// padding precedes its links: an order with 32 bytes for its owner has the size of a cache line,
/// one with none has half of it.
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
    fn link(&self) -> u32 {
        self.after
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.after = link;
    }
}

/// The resting orders of many books by price and time.
///
/// Best price: constant time. Insert, take, reduce, remove: constant time, with one look-up by id;
/// the entries that one call moves while memory grows or is returned are bounded. Memory follows
/// the current contents, not the past maximum: a slot for each order and each level, 64 bytes for
/// each 512 prices that have orders, two sides of 36 bytes for each book.
///
/// # Panics
/// Every call panics if its callback panics. Then the fills reported before have happened, and
/// nothing else.
#[derive(Clone, Debug)]
pub struct Books<Id, T = ()> {
    pub(super) nodes: Slab<Node<Id, T>>,
    pub(super) ids: IdIndex,
    pub(super) levels: AllLevels,
    /// Keys of books that were closed.
    vacant: BTreeSet<BookKey>,
}

impl<Id, T> Default for Books<Id, T> {
    fn default() -> Self {
        Self { nodes: Slab::default(), ids: IdIndex::default(), levels: AllLevels::default(), vacant: BTreeSet::new() }
    }
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Returns an empty set of books, for ids that the exchange assigns; see [`Books::keyed`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key for ids from outside: without knowing `key`, nobody can choose ids that are
    /// slow to find. No outcome depends on the key, and the encoding does not contain it.
    #[must_use]
    pub fn keyed(self, key: u128) -> Self {
        let mut books = Self { ids: IdIndex::new(IdKey::new(key), self.ids.len()), ..self };
        for book in books.keys().collect::<Vec<_>>() {
            for slot in books.slots(book).collect::<Vec<_>>() {
                let nodes = &books.nodes;
                books.ids.insert(nodes[slot].id, slot, |slot| nodes[slot].id);
            }
        }
        books
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
    /// If the range is empty, or a price is above [`PRICE_MAX`].
    pub fn add_with(&mut self, prices: RangeInclusive<u32>) -> BookKey {
        assert!(!prices.is_empty() && *prices.end() <= PRICE_MAX, "a book for prices {prices:?}");
        let book = self.vacant.pop_first().unwrap_or_else(|| BookKey(self.levels.books()));
        self.levels.add_book(book, &prices);
        book
    }

    /// Adds a book after all others.
    pub(super) fn add_behind(&mut self, prices: RangeInclusive<u32>) -> BookKey {
        let book = BookKey(self.levels.books());
        self.levels.add_book(book, &prices);
        book
    }

    /// Closes an empty book. The next book that is added uses its key; the lowest closed key is
    /// used first.
    ///
    /// # Panics
    /// If orders rest in it, or it was closed already.
    pub fn close(&mut self, book: BookKey) {
        assert!(self.is_empty(book), "orders rest in book {}", book.0);
        assert!(book.0 < self.levels.books() && self.vacant.insert(book), "book {} is closed", book.0);
        while let Some(last) = self.levels.books().checked_sub(1).map(BookKey)
            && self.vacant.remove(&last)
        {
            self.levels.drop_last();
        }
    }

    /// Returns the keys of all books, in order.
    pub fn keys(&self) -> impl Iterator<Item = BookKey> {
        self.places().flatten()
    }

    /// Returns the keys of all books, with `None` where a book was closed.
    pub(super) fn places(&self) -> impl Iterator<Item = Option<BookKey>> {
        (0..self.levels.books()).map(BookKey).map(|book| (!self.vacant.contains(&book)).then_some(book))
    }

    /// Adds a gap, as [`Books::places`] returns them.
    pub(super) fn add_gap(&mut self) {
        let book = self.add_behind(0..=0);
        self.vacant.insert(book);
    }

    /// Returns the number of orders that rest in a book.
    pub fn len(&self, book: BookKey) -> usize {
        (self.levels_of_side(book, BookSide::Bid).orders + self.levels_of_side(book, BookSide::Ask).orders) as usize
    }

    /// Returns true if no order rests in a book.
    pub fn is_empty(&self, book: BookKey) -> bool {
        self.len(book) == 0
    }

    /// Returns the number of orders that rest in all books.
    pub fn orders(&self) -> usize {
        self.ids.len()
    }

    /// Returns the price range of a book.
    #[inline]
    pub fn prices(&self, book: BookKey) -> RangeInclusive<u32> {
        self.levels_of_side(book, BookSide::Bid).prices()
    }

    /// Returns the highest bid or the lowest ask.
    #[inline]
    pub fn best(&self, book: BookKey, side: BookSide) -> Option<u32> {
        self.levels_of_side(book, side).price()
    }

    /// Returns the total quantity that rests at a price; 0 outside the domain.
    pub fn depth(&self, book: BookKey, side: BookSide, price: u32) -> u64 {
        if !self.prices(book).contains(&price) {
            return 0;
        }
        self.levels.find(book.levels_of_side(side), price).map_or(0, |level| self.levels[level].total)
    }

    /// Returns the order with this id and its book, if it rests.
    #[inline]
    pub fn get(&self, id: Id) -> Option<(BookKey, Resting<Id, T>)> {
        let (_, slot) = self.find(id)?;
        let node = &self.nodes[slot];
        Some((self.book(node), node.order()))
    }

    /// Returns the owner's data of the order with this id, if it rests.
    pub fn owner_mut(&mut self, id: Id) -> Option<&mut T> {
        let (_, slot) = self.find(id)?;
        Some(&mut self.nodes[slot].owner)
    }

    /// Returns the prices of one side that have orders, best first, with the total quantity at
    /// each.
    pub fn depths(&self, book: BookKey, side: BookSide) -> impl Iterator<Item = (u32, u64)> {
        let best = Some(self.levels_of_side(book, side).best).filter(|&best| best != NIL);
        let levels = std::iter::successors(best, |&level| self.levels.worse(level));
        levels.map(|level| (self.nodes[self.levels[level].head].price, self.levels[level].total))
    }

    /// Returns whether an order of `side` with this limit would take.
    #[inline]
    pub fn meets(&self, book: BookKey, side: BookSide, limit: u32) -> bool {
        self.levels_of_side(book, side.opposite()).meets(limit).is_some()
    }

    /// Takes up to `quantity` from the orders that an order of `side` with this limit crosses, best
    /// price first, oldest first: calls `fill` with each order, as it was, and the quantity taken
    /// from it. Returns what is left of `quantity`.
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
            let Some(best) = self.levels_of_side(book, side.opposite()).meets(limit) else { break };
            left = self.take_level(best, left, &mut fill);
        }
        left
    }

    /// Takes up to `quantity`, which is not 0, from a level.
    #[inline]
    fn take_level(&mut self, level: u32, quantity: u32, fill: &mut impl FnMut(&Resting<Id, T>, u32)) -> u32 {
        let slot = self.levels[level].head;
        let mut taking = Taking { level, slot, taken: 0, gone: 0, books: self };
        taking.run(quantity, fill);
        quantity - taking.taken
    }

    /// Rests an order behind all others at its price.
    ///
    /// # Panics
    /// If the id rests already in any book, nothing remains, or the price is outside the domain:
    /// the caller must check that before.
    #[inline]
    pub fn insert(&mut self, book: BookKey, order: Resting<Id, T>) {
        self.rest(book, order);
    }

    /// As [`Books::insert`]; returns the order's slot, which stays the same as long as it rests.
    #[inline]
    pub(crate) fn rest(&mut self, book: BookKey, order: Resting<Id, T>) -> u32 {
        assert!(self.find(order.id).is_none(), "order {:?} rests twice", order.id);
        self.rest_new(book, order)
    }

    /// As [`Books::rest`], for an order whose id was looked up.
    #[inline]
    pub(super) fn rest_new(&mut self, book: BookKey, order: Resting<Id, T>) -> u32 {
        let Resting { id, side, price, remaining, .. } = order;
        let key = book.levels_of_side(side);
        let prices = self.levels.levels_of_side(key).prices();
        assert!(remaining > 0 && prices.contains(&price), "order {id:?} rests with {remaining} at {price}");
        let level = self.levels.open(key, price);
        self.append(key, level, order)
    }

    /// Rests an order behind all others of a level.
    #[inline]
    pub(super) fn append(&mut self, levels_of_side: u32, at: u32, order: Resting<Id, T>) -> u32 {
        let Resting { id, side, price, remaining, owner } = order;
        let level = &mut self.levels[at];
        let before = level.tail;
        let slot = self.nodes.allocate(Node { id, owner, price, remaining, before, after: NIL, level: at, side });
        level.tail = slot;
        level.total += u64::from(remaining);
        if before == NIL {
            level.head = slot;
        } else {
            self.nodes[before].after = slot;
        }
        self.levels.shelf_mut(levels_of_side).orders += 1;
        let nodes = &self.nodes;
        self.ids.insert(id, slot, |slot| nodes[slot].id);
        slot
    }

    /// Takes `quantity` from the order that would fill first on `side`. Returns the order as it
    /// was.
    ///
    /// # Panics
    /// If the side is empty or the order has less: the caller has seen both in the book.
    #[inline]
    pub fn take_first(&mut self, book: BookKey, side: BookSide, quantity: u32) -> Resting<Id, T> {
        self.take_first_slot(book, side, quantity).1
    }

    /// As [`Books::take_first`]; also returns the slot where the order is, or was.
    #[inline]
    pub(crate) fn take_first_slot(&mut self, book: BookKey, side: BookSide, quantity: u32) -> (u32, Resting<Id, T>) {
        let SideLevels { best, .. } = *self.levels_of_side(book, side);
        assert!(best != NIL, "a fill meets a resting order");
        let slot = self.levels[best].head;
        let order = self.nodes[slot].order();
        assert!(quantity <= order.remaining, "an order has what is taken from it");
        self.take_level(best, quantity, &mut |_, _| {});
        (slot, order)
    }

    /// Takes `quantity` from an order, which keeps its place; an order with nothing left is
    /// removed. Returns what is left, or `None` if the order does not rest.
    ///
    /// # Panics
    /// If the order has less.
    pub fn reduce(&mut self, id: Id, quantity: u32) -> Option<u32> {
        self.take_from(id, quantity).map(|order| order.remaining - quantity)
    }

    /// As [`Books::reduce`]; returns the order as it was.
    ///
    /// # Panics
    /// If the order has less.
    #[inline]
    pub fn take_from(&mut self, id: Id, quantity: u32) -> Option<Resting<Id, T>> {
        self.take_from_slot(id, quantity).map(|(_, order)| order)
    }

    /// As [`Books::take_from`]; also returns the slot where the order is, or was.
    #[inline]
    pub(crate) fn take_from_slot(&mut self, id: Id, quantity: u32) -> Option<(u32, Resting<Id, T>)> {
        let (entry, slot) = self.find(id)?;
        let node = &mut self.nodes[slot];
        let order = node.order();
        let left = order.remaining.checked_sub(quantity).expect("an order has what is taken from it");
        if left == 0 {
            self.leave(entry, slot);
        } else {
            node.remaining = left;
            self.levels[node.level].total -= u64::from(quantity);
        }
        Some((slot, order))
    }

    /// Removes an order. Returns `None` if it does not rest.
    #[inline]
    pub fn remove(&mut self, id: Id) -> Option<(BookKey, Resting<Id, T>)> {
        let (entry, slot) = self.find(id)?;
        let found = self.at(slot);
        self.leave(entry, slot);
        Some(found)
    }

    /// Changes an order's price and quantity: it goes behind all others at its price and keeps its
    /// slot.
    ///
    /// # Panics
    /// If nothing remains, or the price is outside the domain: the caller must check that before.
    #[inline]
    pub(crate) fn move_to(&mut self, slot: u32, price: u32, remaining: u32) {
        let Node { level, side, id, .. } = self.nodes[slot];
        let (levels_of_side, prices) = (self.levels[level].levels_of_side, self.prices(self.book(&self.nodes[slot])));
        assert!(remaining > 0 && prices.contains(&price), "order {id:?} ({side}) rests with {remaining} at {price}");
        self.unlink(slot);
        let at = self.levels.open(levels_of_side, price);
        let level = &mut self.levels[at];
        let before = std::mem::replace(&mut level.tail, slot);
        level.total += u64::from(remaining);
        if before == NIL {
            level.head = slot;
        } else {
            self.nodes[before].after = slot;
        }
        let node = &mut self.nodes[slot];
        *node = Node { price, remaining, before, after: NIL, level: at, ..*node };
    }

    /// Sets an order's remaining quantity to `remaining`, which is not more than it has.
    #[inline]
    pub(super) fn reduce_at(&mut self, slot: u32, remaining: u32) {
        let node = &mut self.nodes[slot];
        let quantity = node.remaining - remaining;
        node.remaining = remaining;
        self.levels[node.level].total -= u64::from(quantity);
    }

    /// Removes an order from its queue and frees its memory.
    #[inline]
    fn leave(&mut self, entry: IndexEntry, slot: u32) {
        let levels_of_side = self.unlink(slot);
        self.ids.remove_at(entry);
        self.nodes.release(slot);
        self.forget(levels_of_side, 1);
    }

    /// Removes an order from its queue. Returns its side.
    #[inline]
    fn unlink(&mut self, slot: u32) -> u32 {
        let Node { remaining, before, after, level: at, .. } = self.nodes[slot];
        let level = &mut self.levels[at];
        let levels_of_side = level.levels_of_side;
        if before == NIL && after == NIL {
            self.levels.close(at);
            return levels_of_side;
        }
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
        levels_of_side
    }

    #[inline]
    fn forget(&mut self, levels_of_side: u32, orders: u32) {
        self.levels.shelf_mut(levels_of_side).orders -= orders;
    }

    /// Returns the price of a level that has orders.
    pub(super) fn price_of(&self, level: u32) -> u32 {
        self.nodes[self.levels[level].head].price
    }

    #[inline]
    pub(super) fn find(&self, id: Id) -> Option<(IndexEntry, u32)> {
        self.ids.find(id, |slot| self.nodes[slot].id == id)
    }

    #[inline]
    pub(super) fn book(&self, node: &Node<Id, T>) -> BookKey {
        BookKey(self.levels[node.level].levels_of_side / 2)
    }

    /// Returns the slot of the order that would fill first, or [`NIL`].
    #[inline]
    pub(super) fn first(&self, book: BookKey, side: BookSide) -> u32 {
        let best = self.levels_of_side(book, side).best;
        if best == NIL { NIL } else { self.levels[best].head }
    }

    #[inline]
    fn levels_of_side(&self, book: BookKey, side: BookSide) -> &SideLevels {
        self.levels.levels_of_side(book.levels_of_side(side))
    }

    /// Returns the order in a slot, and its book.
    pub(crate) fn at(&self, slot: u32) -> (BookKey, Resting<Id, T>) {
        let node = &self.nodes[slot];
        (self.book(node), node.order())
    }

    /// Returns the order in a slot.
    #[inline]
    pub(crate) fn order(&self, slot: u32) -> Resting<Id, T> {
        self.nodes[slot].order()
    }

    /// Returns the slot of the order with this id, if it rests. The slot stays the same as long as
    /// it rests.
    #[inline]
    pub(crate) fn slot(&self, id: Id) -> Option<u32> {
        self.find(id).map(|(_, slot)| slot)
    }

    /// Returns the owner's data of the order in a slot.
    #[inline]
    pub(crate) fn owner_at(&mut self, slot: u32) -> &mut T {
        &mut self.nodes[slot].owner
    }

    /// Returns the slots of a book's orders: bids, then asks, each in the order in which they would
    /// fill.
    pub(crate) fn slots(&self, book: BookKey) -> impl Iterator<Item = u32> {
        let first = [BookSide::Bid, BookSide::Ask].map(|side| match self.levels_of_side(book, side).best {
            NIL => NIL,
            best => self.levels[best].head,
        });
        let known = |slot: u32| (slot != NIL).then_some(slot);
        first
            .into_iter()
            .flat_map(move |first| std::iter::successors(known(first), move |slot| known(self.after(*slot))))
    }

    /// Returns the slot of the order that fills after another, or [`NIL`].
    #[inline]
    pub(super) fn after(&self, slot: u32) -> u32 {
        let Node { after, level, .. } = self.nodes[slot];
        match after {
            NIL => self.levels.worse(level).map_or(NIL, |level: u32| self.levels[level].head),
            after => after,
        }
    }
}

/// Orders that are being taken from one level. The effects of the fills on the level and its side
/// are applied at the end, and also when the callback panics: the order for which it panicked stays
/// as it was.
struct Taking<'a, Id: BookId, T: Copy> {
    books: &'a mut Books<Id, T>,
    level: u32,
    /// The first order that is not taken completely, or [`NIL`].
    slot: u32,
    taken: u32,
    /// Number of orders that are taken completely.
    gone: u32,
}

impl<Id: BookId, T: Copy> Taking<'_, Id, T> {
    #[inline]
    fn run(&mut self, quantity: u32, fill: &mut impl FnMut(&Resting<Id, T>, u32)) {
        while self.taken < quantity && self.slot != NIL {
            let order = self.books.nodes[self.slot].order();
            let taken = (quantity - self.taken).min(order.remaining);
            fill(&order, taken);
            self.taken += taken;
            let node = &mut self.books.nodes[self.slot];
            node.remaining -= taken;
            if node.remaining > 0 {
                break;
            }
            self.gone += 1;
            let after = node.after;
            self.books.ids.remove(order.id, self.slot);
            self.books.nodes.release(self.slot);
            self.slot = after;
        }
    }
}

impl<Id: BookId, T: Copy> Drop for Taking<'_, Id, T> {
    #[inline]
    fn drop(&mut self) {
        let Self { level: at, slot, taken, gone, .. } = *self;
        let level = &mut self.books.levels[at];
        let levels_of_side = level.levels_of_side;
        if slot == NIL {
            self.books.levels.close(at);
        } else {
            level.head = slot;
            level.total -= u64::from(taken);
            self.books.nodes[slot].before = NIL;
        }
        self.books.forget(levels_of_side, gone);
    }
}

const _: () = assert!(size_of::<PriceLevel>() == 24);
