//! Changes of resting orders.

use schemas::event::OrderAmended;

use super::matching::Taken;
use super::orders::{settlement, status_of};
use super::*;

impl Exchange {
    /// Reduces an order that met an order of the same account: it loses a part without a trade.
    pub(super) fn reduce(&mut self) -> Vec<Told> {
        let market = self.any_market();
        let Some(resting) = self.pick(market) else { return Vec::new() };
        if resting.remaining == 1 {
            self.put(resting);
            return Vec::new();
        }
        let lost = 1 + self.random.below(u64::from(resting.remaining) - 1) as u32;
        let left = Resting { remaining: resting.remaining - lost, ..resting };
        self.put(left);
        let Resting { id, order, price, .. } = resting;
        self.orders.get_mut(&id).unwrap().quantity -= lost;
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        let (account, entry, quantity) = (order.account, order.entry, quantity(lost));
        let reason = [CancelReason::SelfTrade, CancelReason::ReduceOnly][self.random.index(2)];
        told.events.push(Event::OrderReduced { order: id, account, market, entry, price, quantity, reason });
        match order.entry.side() {
            Side::Sell => *self.reserved(&order) -= i64::from(lost),
            Side::Buy => {
                told.settle(settlement(&order, id, SettlementReason::Release, [0, resting.hold(lost), 0]));
            }
        }
        self.tell(told)
    }

    /// Amends the price, the quantity, or both.
    pub(super) fn amend(&mut self) -> Vec<Told> {
        let market = self.any_market();
        if self.markets[&market].state != MarketState::Open {
            return Vec::new();
        }
        let Some(before) = self.pick(market) else { return Vec::new() };
        let price = if self.random.below(2) == 0 {
            before.price
        } else {
            Price::new(4_800 + self.random.below(400) as u16).unwrap()
        };
        let after = Resting { price, remaining: 1 + self.random.below(60) as u32, ..before };
        let (order, free) = (before.order, self.free(market, before.order.account, before.order.entry.contract()));
        let more = i64::from(after.remaining) - i64::from(before.remaining);
        let needed = after.hold(after.remaining) - before.hold(before.remaining);
        if needed > 0 && self.waiting((order.account, self.market_home(market))) > 0 {
            // It would wait behind the account's parked orders, and only new orders wait here.
            self.put(before);
            return Vec::new();
        }
        let code = if (after.price, after.remaining) == (before.price, before.remaining) {
            Some(Rejection::AmendmentEmpty)
        } else if order.entry.side() == Side::Sell && free < more {
            Some(Rejection::PositionInsufficient)
        } else if self.purses[&(order.account, self.market_home(market))].available < needed {
            Some(Rejection::FundsInsufficient)
        } else {
            None
        };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        if let Some(code) = code {
            self.put(before);
            told.events.push(Event::AmendRejected { account: order.account, order: OrderRef::Id(before.id), code });
            return self.tell(told);
        }
        self.raise(&mut told, &after, needed);
        self.amended(&mut told, before, after, needed.max(0));
        self.tell(told)
    }

    /// Adds to the purse's hold what the amended order needs.
    fn raise(&mut self, told: &mut Telling, after: &Resting, needed: i64) {
        if needed <= 0 {
            return;
        }
        let (account, order) = (after.order.account, after.id);
        let purse = self.purse((account, told.shard));
        purse.available -= needed;
        purse.held += needed;
        told.events.push(Event::HoldRaised { account, order, amount: Credits(needed) });
    }

    fn amended(&mut self, told: &mut Telling, before: Resting, after: Resting, raised: i64) {
        let Resting { id, order, price, .. } = after;
        let in_place = before.price == price && after.remaining < before.remaining;
        let held = before.hold(before.remaining) + raised;
        if order.entry.side() == Side::Sell {
            *self.reserved(&order) -= i64::from(before.remaining);
        }
        let taken = match in_place {
            true => Taken::default(),
            false => self.take(told, id, &order, price, after.remaining, i64::MAX),
        };
        let filled_before = self.orders[&id].filled;
        let (filled, total) = (filled_before + taken.filled, filled_before + after.remaining);
        let status = status_of(true, filled, total);
        let row = self.orders.get_mut(&id).unwrap();
        (row.quantity, row.filled, row.status, row.price) = (total, filled, status, order.entry.book_price(price));
        told.events.push(Event::OrderAmended(OrderAmended {
            order: id,
            account: order.account,
            market: order.market,
            entry: order.entry,
            old_price: before.price,
            old_remaining: quantity(before.remaining),
            price,
            quantity: quantity(total),
            filled: quantity(filled),
            status,
            cancel_reason: None,
            in_place,
        }));
        self.purse((order.account, told.shard)).live_orders -= i64::from(!status.is_live());
        self.settle_taker(told, Resting { remaining: total - filled, ..after }, held, &taken);
        told.events.extend(taken.trades);
        self.redeem(told, order.market, taken.touched);
    }
}
