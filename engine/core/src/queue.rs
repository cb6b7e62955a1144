//! Where orders stand in the queues of their prices, for whoever follows a shard. The law itself never asks.

use schemas::{AccountId, Entry, MarketId, OrderId, Price, Quantity};

use crate::book::{Ahead, QueueCount};
use crate::state::ShardState;

/// A live order in its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueuedOrder {
    /// Which.
    pub order: OrderId,
    /// Where.
    pub market: MarketId,
    /// For which contract, and whether to buy or sell it.
    pub entry: Entry,
    /// Its price in the book, in YES.
    pub price: Price,
    /// Contracts left.
    pub remaining: Quantity,
    /// What fills before it at its price.
    pub ahead: Ahead,
}

impl ShardState {
    /// An account's live order in its queue. Another account's is as unknown as one that never was.
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

    /// An account's live orders here, in one market or in all: the first `most` after `after`, oldest first. Looks at
    /// each of its live orders once, besides those that `count` counts.
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
