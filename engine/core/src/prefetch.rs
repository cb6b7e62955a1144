//! While one command is handled, what those behind it will touch is brought into the processor's caches.
//!
//! As `book/prefetch.rs` does for one call of a book, and from the same distance: each command is looked at three times before its
//! turn, first for where its things are to be found, then for the things, then for what lies behind them.
//!
//! Architecture invariant: reads only, and nothing that is decided depends on it.

use schemas::{AccountId, BookSide, Command, NewOrder, OrderId, OrderRef};

use crate::book::APART;
use crate::state::{MarketView, ShardState};

impl ShardState {
    /// Call before a command is handled: `behind(n)` is the `n`-th command after it, from 1 to [`LOOKAHEAD`](crate::LOOKAHEAD).
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

    /// For an order that is about to be decided: its place in the index, its level, or the first order that it meets.
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

    /// For a trade that was decided and is about to be made true.
    #[inline]
    pub(crate) fn prefetch_maker(&self, market: MarketView<'_>, maker: AccountId) {
        market.positions.prefetch(maker);
        self.facts.purses.prefetch(maker);
    }
}

/// What a command is about.
enum NamedEntity<'a> {
    NewOrder(&'a NewOrder),
    /// An order that rests, and whose it is said to be.
    Order(AccountId, OrderId),
    /// Something rarer.
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

/// Where an order rests, if it meets nothing.
#[inline]
fn place(order: &NewOrder) -> (BookSide, u32) {
    (order.entry.book_side(), u32::from(order.entry.book_price(order.terms.limit()).ticks()))
}
