//! Queue positions of live orders, for programs that follow a shard. The matching rules never use
//! them.

use schemas::{AccountId, Entry, MarketId, OrderId, Price, Quantity};

use crate::book::{Ahead, QueueCount};
use crate::state::ShardState;

/// A live order in its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueuedOrder {
    /// The order's id.
    pub order: OrderId,
    /// The order's market.
    pub market: MarketId,
    /// The contract, and whether the order buys or sells it.
    pub entry: Entry,
    /// The price in the book, in YES.
    pub price: Price,
    /// Contracts left.
    pub remaining: Quantity,
    /// Contracts that fill before it at its price.
    pub ahead: Ahead,
}

impl ShardState {
    /// Returns an account's live order in its queue. `None` for an unknown order and for one of
    /// another account alike.
    pub fn queued_order(&self, account: AccountId, order: OrderId, count: &mut QueueCount) -> Option<QueuedOrder> {
        let (book, resting) = self.facts.books.get(order).filter(|(_, resting)| resting.owner.account == account)?;
        Some(QueuedOrder {
            order,
            market: self.market_of(book).listing.market,
            entry: resting.owner.entry,
            price: resting.book_price(),
            remaining: resting.contracts(),
            ahead: self.facts.books.ahead(order, count)?,
        })
    }

    /// Returns an account's live orders here, in one market or in all: the first `most` after
    /// `after`, oldest first. Visits each of the account's live orders once, besides those that
    /// `count` counts.
    pub fn queued_orders(
        &self,
        account: AccountId,
        only: Option<MarketId>,
        (after, most): (OrderId, usize),
        count: &mut QueueCount,
    ) -> Vec<QueuedOrder> {
        let all = self.own_orders(account, only, OrderId(u64::MAX)).map(|(_, order)| order);
        let mut orders: Vec<OrderId> = all.filter(|order| *order > after).collect();
        if orders.len() > most {
            orders.select_nth_unstable(most);
            orders.truncate(most);
        }
        orders.sort_unstable();
        orders.into_iter().filter_map(|order| self.queued_order(account, order, count)).collect()
    }
}
