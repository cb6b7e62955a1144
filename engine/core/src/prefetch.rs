//! Prefetches the memory that queued commands will need while one command is handled.
//!
//! Works as `book/prefetch.rs` does for one call of a book, and with the same distance: each
//! command is visited three times before its turn, first for the locations of its entities, then
//! for the entities, then for what those refer to.
//!
//! Architecture invariant: reads only, and no decision depends on it.

use schemas::{AccountId, BookSide, Command, NewOrder, OrderId, OrderRef};

use crate::book::APART;
use crate::state::{MarketView, ShardState};

impl ShardState {
    /// Prefetches for queued commands. Call before a command is handled: `behind(n)` returns the
    /// `n`-th command after it, from 1 to [`LOOKAHEAD`](crate::LOOKAHEAD).
    #[inline]
    pub fn prefetch<'a>(&self, behind: impl Fn(usize) -> Option<&'a Command>) {
        if let Some(command) = behind(3 * APART) {
            self.prefetch_keys(command);
        }
        if let Some(command) = behind(2 * APART) {
            self.prefetch_things(command);
        }
        if let Some(command) = behind(APART) {
            self.prefetch_rest(command);
        }
    }

    fn prefetch_keys(&self, command: &Command) {
        match named(command) {
            NamedEntity::NewOrder(order) => {
                self.facts.purses.prefetch_key(order.account);
                self.facts.markets.prefetch_key(order.market);
            }
            NamedEntity::Order(account, order) => {
                self.facts.purses.prefetch_key(account);
                self.facts.books.prefetch_id(order);
            }
            NamedEntity::Other => {}
        }
    }

    fn prefetch_things(&self, command: &Command) {
        match named(command) {
            NamedEntity::NewOrder(order) => {
                self.facts.purses.prefetch(order.account);
                self.facts.markets.prefetch(order.market);
            }
            NamedEntity::Order(account, order) => {
                self.facts.purses.prefetch(account);
                self.facts.books.prefetch_order(order);
            }
            NamedEntity::Other => {}
        }
    }

    fn prefetch_rest(&self, command: &Command) {
        match named(command) {
            NamedEntity::NewOrder(order) => {
                let Some(market) = self.facts.markets.get(order.market) else { return };
                let (side, price) = place(order);
                self.facts.books.prefetch_price(market.book, side, price);
                if self.facts.books.meets(market.book, side, price) {
                    market.positions.prefetch_key(order.account);
                    self.facts.books.prefetch_first(market.book, side.opposite());
                }
            }
            NamedEntity::Order(_, order) => self.facts.books.prefetch_neighbours(order),
            NamedEntity::Other => {}
        }
    }

    /// Prefetches for an order that is decided next: its entry in the index, its level, or the
    /// first order that it meets.
    #[inline]
    pub(crate) fn prefetch_order(&self, id: OrderId, order: &NewOrder) {
        let Some(market) = self.market(order.market) else { return };
        self.facts.books.prefetch_id(id);
        let (side, price) = place(order);
        if self.facts.books.meets(market.book, side, price) {
            market.positions.prefetch(order.account);
            if let Some(maker) = market.queue(side.opposite()).next() {
                market.positions.prefetch_key(maker.owner.account);
                self.facts.purses.prefetch_key(maker.owner.account);
            }
        } else {
            self.facts.books.prefetch_level(market.book, side, price);
        }
    }

    /// Prefetches for a trade that was decided and is applied next.
    #[inline]
    pub(crate) fn prefetch_maker(&self, market: MarketView<'_>, maker: AccountId) {
        market.positions.prefetch(maker);
        self.facts.purses.prefetch(maker);
    }
}

/// The entity that a command refers to.
enum NamedEntity<'a> {
    NewOrder(&'a NewOrder),
    /// A resting order, and the account that the command gives as its owner.
    Order(AccountId, OrderId),
    /// Something less frequent.
    Other,
}

#[inline]
fn named(command: &Command) -> NamedEntity<'_> {
    match command {
        Command::PlaceOrder(order) => NamedEntity::NewOrder(order),
        Command::CancelOrder { account, order: OrderRef::Id(order) }
        | Command::AmendOrder { account, order: OrderRef::Id(order), .. } => NamedEntity::Order(*account, *order),
        _ => NamedEntity::Other,
    }
}

/// Returns the level at which an order rests if it meets nothing.
#[inline]
fn place(order: &NewOrder) -> (BookSide, u32) {
    (order.entry.book_side(), u32::from(order.entry.book_price(order.terms.limit()).ticks()))
}
