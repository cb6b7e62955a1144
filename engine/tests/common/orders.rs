//! Live orders according to the logs: what buys could still cost, and when they expire.

use std::collections::BTreeMap;

use schemas::event::{OrderAmended, OrderPlaced};
use schemas::{AccountId, Credits, Entry, Event, FeeRate, OrderId, Price, Quantity, Side, Timestamp};

use super::purses::{Key, Used};

/// Live orders.
#[derive(Default)]
pub struct Orders {
    live: BTreeMap<OrderId, Live>,
}

#[derive(Clone, Copy)]
struct Live {
    account: AccountId,
    entry: Entry,
    /// The price in the book, in terms of YES.
    price: Price,
    remaining: Quantity,
    fee_rate: FeeRate,
    expires: Option<Timestamp>,
}

impl Live {
    fn hold(&self) -> Credits {
        match self.entry.side() {
            Side::Buy => self.fee_rate.hold(self.entry.book_price(self.price), self.remaining),
            Side::Sell => Credits::ZERO,
        }
    }
}

impl Orders {
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(placed) => self.placed(placed),
            Event::Traded(trade) => {
                self.live.get_mut(&trade.maker.order).expect("a maker is live").remaining = trade.maker_remaining;
                if trade.maker_remaining.is_zero() {
                    self.live.remove(&trade.maker.order);
                }
            }
            Event::OrderCancelled { order, quantity, .. } => {
                let ended = self.live.remove(order).expect("a cancelled order was live");
                assert_eq!(ended.remaining, *quantity, "order {order} ends with all of its remainder");
            }
            Event::OrderReduced { order, quantity, .. } => {
                let reduced = self.live.get_mut(order).expect("a reduced order is live");
                reduced.remaining = reduced.remaining - *quantity;
                assert!(!reduced.remaining.is_zero(), "order {order} is not reduced to nothing");
            }
            Event::OrderAmended(amended) => self.amended(amended),
            _ => {}
        }
    }

    fn placed(&mut self, placed: &OrderPlaced) {
        if placed.status.is_live() {
            let OrderPlaced { order, price, .. } = placed;
            let live = Live {
                account: order.account,
                entry: order.entry,
                price: *price,
                remaining: placed.resting(),
                fee_rate: order.fee_rate,
                expires: order.terms.time_in_force().expires(),
            };
            assert!(self.live.insert(placed.id, live).is_none(), "order {} is placed once", placed.id);
        }
    }

    fn amended(&mut self, amended: &OrderAmended) {
        let live = self.live.get_mut(&amended.order).expect("an amended order is live");
        let before = (amended.old_price, amended.old_remaining);
        assert_eq!((live.price, live.remaining), before, "order {} was as the amendment says", amended.order);
        (live.price, live.remaining) = (amended.price, amended.resting());
        if !amended.status.is_live() {
            self.live.remove(&amended.order);
        }
    }

    /// Returns true if no live order expires until `soon`.
    pub fn are_quiet(&self, soon: Timestamp) -> bool {
        self.live.values().filter_map(|order| order.expires).all(|expires| expires > soon)
    }

    /// Returns how many live orders each account has on each shard, and what they hold.
    pub fn used(&self) -> BTreeMap<Key, Used> {
        let mut used: BTreeMap<Key, Used> = BTreeMap::new();
        for (id, order) in &self.live {
            let (orders, held) = used.entry((order.account, id.shard())).or_default();
            *orders += 1;
            *held += order.hold();
        }
        used
    }
}
