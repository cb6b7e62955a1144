//! Order entry with the matching rules built in: the API for a caller that uses a book without the
//! core. (The core decides in `decide/` and then applies the result to its book.)
//!
//! Calls and types are plain: integers, one-byte enums, structs of them, and one callback for each
//! fill. A C layer needs no more.

use schemas::BookSide;

use super::{Book, BookId, BookKey, Books, Resting};

/// What happens to an order, or the part of it, that does not fill at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RestPolicy {
    /// The remainder rests.
    GoodTillCancelled = 0,
    /// The remainder is dropped.
    ImmediateOrCancel = 1,
    /// Fills completely at once, or not at all.
    FillOrKill = 2,
    /// Rests without filling; refused if it would take.
    PostOnly = 3,
}

/// Why a call was refused. The book is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BookError {
    /// The quantity is 0.
    QuantityIsZero = 1,
    /// The price is not one of this book.
    PriceOutOfDomain = 2,
    /// An order with this id rests, in this book or another of the same [`Books`].
    IdIsLive = 3,
    /// No order with this id rests: it filled, was cancelled, or never existed.
    IdUnknown = 4,
    /// A post-only order would take.
    WouldTake = 5,
    /// A fill-or-kill order would not fill.
    WouldNotFill = 6,
}

/// The result of an order. A quantity in neither field was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaceResult {
    /// The quantity that filled at once.
    pub filled: u32,
    /// The quantity that rests.
    pub resting: u32,
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Places `order`, whose `remaining` is its whole quantity: fills it as far as its price
    /// crosses resting orders, best price first and oldest first at a price, and rests the
    /// remainder if its policy says so. Calls `fill` with each resting order, as it was before, and
    /// the quantity taken from it. The price of a fill is the resting order's.
    ///
    /// # Errors
    /// Every [`BookError`] but `IdUnknown`. Nothing was filled.
    ///
    /// # Panics
    /// If `fill` panics: the fills that it was called with have happened, and the order does not
    /// rest.
    #[inline]
    pub fn place(
        &mut self,
        book: BookKey,
        order: Resting<Id, T>,
        instruction: RestPolicy,
        fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> Result<PlaceResult, BookError> {
        let Resting { id, side, price, remaining: quantity, .. } = order;
        self.check(book, price, quantity)?;
        if self.find(id).is_some() {
            return Err(BookError::IdIsLive);
        }
        match instruction {
            RestPolicy::PostOnly if self.meets(book, side, price) => return Err(BookError::WouldTake),
            RestPolicy::FillOrKill if !self.holds(book, side, price, quantity) => return Err(BookError::WouldNotFill),
            _ => {}
        }
        let left = self.take(book, side, price, quantity, fill);
        let rests = !matches!(instruction, RestPolicy::ImmediateOrCancel | RestPolicy::FillOrKill);
        let resting = if rests { left } else { 0 };
        if resting > 0 {
            self.rest_new(book, Resting { remaining: resting, ..order });
        }
        Ok(PlaceResult { filled: quantity - left, resting })
    }

    /// Removes an order. Returns its book and the order.
    ///
    /// # Errors
    /// [`BookError::IdUnknown`].
    #[inline]
    pub fn cancel(&mut self, id: Id) -> Result<(BookKey, Resting<Id, T>), BookError> {
        self.remove(id).ok_or(BookError::IdUnknown)
    }

    /// Changes the price or the quantity of a resting order, or both. With the same price and no
    /// more quantity than it has left, the order keeps its place; otherwise it fills as far as the
    /// price crosses and then goes behind all others at its price.
    ///
    /// # Errors
    /// `QuantityIsZero`, `PriceOutOfDomain` or `IdUnknown`.
    ///
    /// # Panics
    /// If `fill` panics: the fills that it was called with have happened, and the order is as it
    /// was.
    pub fn amend(
        &mut self,
        id: Id,
        price: u32,
        quantity: u32,
        fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> Result<PlaceResult, BookError> {
        let (_, slot) = self.find(id).ok_or(BookError::IdUnknown)?;
        let (book, order) = self.at(slot);
        self.check(book, price, quantity)?;
        if price == order.price && quantity <= order.remaining {
            self.reduce_at(slot, quantity);
            return Ok(PlaceResult { filled: 0, resting: quantity });
        }
        // The order stays where it is until then: what it fills against is on the other side.
        let left = self.take(book, order.side, price, quantity, fill);
        if left > 0 {
            self.move_to(slot, price, left);
        } else {
            // The fills may have moved its index entry.
            self.remove(id);
        }
        Ok(PlaceResult { filled: quantity - left, resting: left })
    }

    #[inline]
    fn check(&self, book: BookKey, price: u32, quantity: u32) -> Result<(), BookError> {
        if quantity == 0 {
            return Err(BookError::QuantityIsZero);
        }
        if self.prices(book).contains(&price) { Ok(()) } else { Err(BookError::PriceOutOfDomain) }
    }

    /// Returns whether an order of `side` with this limit can take at least `quantity`. Reads
    /// levels, not orders.
    fn holds(&self, book: BookKey, side: BookSide, limit: u32, quantity: u32) -> bool {
        let mut left = u64::from(quantity);
        let enough = |(_, total): (u32, u64)| {
            left = left.saturating_sub(total);
            left == 0
        };
        let meets = |(price, _): &(u32, u64)| match side {
            BookSide::Bid => *price <= limit,
            BookSide::Ask => *price >= limit,
        };
        self.depths(book, side.opposite()).take_while(meets).any(enough)
    }
}

impl<Id: BookId, T: Copy> Book<Id, T> {
    /// Places `order`, whose `remaining` is its whole quantity: see [`Books::place`].
    ///
    /// # Errors
    /// Every [`BookError`] but `IdUnknown`. Nothing was filled.
    #[inline]
    pub fn place(
        &mut self,
        order: Resting<Id, T>,
        instruction: RestPolicy,
        fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> Result<PlaceResult, BookError> {
        self.books.place(BookKey::ONLY, order, instruction, fill)
    }

    /// Removes an order and returns it.
    ///
    /// # Errors
    /// [`BookError::IdUnknown`].
    #[inline]
    pub fn cancel(&mut self, id: Id) -> Result<Resting<Id, T>, BookError> {
        self.books.cancel(id).map(|(_, order)| order)
    }

    /// Changes the price or the quantity of a resting order, or both: see [`Books::amend`].
    ///
    /// # Errors
    /// `QuantityIsZero`, `PriceOutOfDomain` or `IdUnknown`.
    pub fn amend(
        &mut self,
        id: Id,
        price: u32,
        quantity: u32,
        fill: impl FnMut(&Resting<Id, T>, u32),
    ) -> Result<PlaceResult, BookError> {
        self.books.amend(id, price, quantity, fill)
    }
}
