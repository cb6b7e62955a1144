//! Orders by the rules: what somebody calls who drives a book without the law around it. (The law decides in `decide/`, and then
//! tells its book what happened.)
//!
//! Calls and types are plain: integers, enums of one byte, structs of them, and one call back a fill. A C layer needs no more.

use schemas::BookSide;

use super::{Book, BookId, BookKey, Books, Resting};

/// What becomes of an order that does not fill at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RestPolicy {
    /// The remainder rests.
    GoodTillCancelled = 0,
    /// The remainder is dropped.
    ImmediateOrCancel = 1,
    /// All of it fills at once, or none.
    FillOrKill = 2,
    /// Rests as it is; refused if it would take.
    PostOnly = 3,
}

/// Why a call was refused. The book is as it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BookError {
    /// Nothing to buy or sell.
    QuantityIsZero = 1,
    /// Not a price of this book.
    PriceOutOfDomain = 2,
    /// An order with this id rests, in this book or another of the same [`Books`].
    IdIsLive = 3,
    /// No order with this id rests: it filled, was cancelled, or never was.
    IdUnknown = 4,
    /// A post-only order that would take.
    WouldTake = 5,
    /// A fill-or-kill order that would not fill.
    WouldNotFill = 6,
}

/// What an order came to. What is in neither was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaceResult {
    /// How much filled at once.
    pub filled: u32,
    /// How much rests.
    pub resting: u32,
}

impl<Id: BookId, T: Copy> Books<Id, T> {
    /// Places `order`, with its whole quantity as `remaining`: fills it as far as its price meets others, best price first and first
    /// come first at a price, and rests what is left if its instruction says so. Tells `fill` each resting order, as it was before,
    /// and what is taken of it; the price of a fill is the resting order's.
    ///
    /// # Errors
    /// Every [`BookError`] but `IdUnknown`. Nothing was filled.
    ///
    /// # Panics
    /// If `fill` does: what it was told before has happened, and the order does not rest.
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

    /// Takes an order out. Returns its book and it.
    ///
    /// # Errors
    /// [`BookError::IdUnknown`].
    #[inline]
    pub fn cancel(&mut self, id: Id) -> Result<(BookKey, Resting<Id, T>), BookError> {
        self.remove(id).ok_or(BookError::IdUnknown)
    }

    /// Gives a resting order another price or quantity, or both. With its price and no more quantity than it has left it keeps its
    /// place; else it goes behind all others at its price, after taking what that price meets.
    ///
    /// # Errors
    /// `QuantityIsZero`, `PriceOutOfDomain` or `IdUnknown`.
    ///
    /// # Panics
    /// If `fill` does: what it was told before has happened, and the order is as it was.
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
        // It stays where it is until that is done: what it meets is on the other side.
        let left = self.take(book, order.side, price, quantity, fill);
        if left > 0 {
            self.move_to(slot, price, left);
        } else {
            // What was taken may have moved its entry.
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

    /// Whether an order of `side` with this limit takes at least `quantity`. Looks at levels, not at orders.
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
    /// Places `order`, with its whole quantity as `remaining`: see [`Books::place`].
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

    /// Takes an order out and returns it.
    ///
    /// # Errors
    /// [`BookError::IdUnknown`].
    #[inline]
    pub fn cancel(&mut self, id: Id) -> Result<Resting<Id, T>, BookError> {
        self.books.cancel(id).map(|(_, order)| order)
    }

    /// Gives a resting order another price or quantity, or both: see [`Books::amend`].
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
