//! The life of an order as the log tells it: one birth, then trades and at most one cancel.

use schemas::event::{CancelReason, Event, OrderPlaced, Party, Trade};
use schemas::{NewOrder, OrderId, Quantity, Rejection, Side, Status};

use super::rows::{self, Births, Order, TradeRow};
use super::{Fold, Place};

impl Fold {
    pub(super) fn orders(&mut self, event: &Event, place: Place) {
        match event {
            Event::OrderFunded { id, .. } => self.order_funded(*id),
            Event::OrderPlaced(placed) => self.order_placed(placed, place),
            Event::OrderRejected { id, order, code } => self.order_rejected(*id, order, *code, place),
            Event::Traded(trade) => self.traded(trade, place),
            Event::OrderCancelled { order, quantity, reason, .. } => {
                self.order_cancelled(*order, *quantity, *reason, place);
            }
            _ => {}
        }
    }

    /// The outcome may have been seen before (on another shard), or is still to come.
    fn order_funded(&mut self, id: OrderId) {
        let waits = !self.orders.contains_key(&id);
        let again = self.funded.insert(id, waits).is_some();
        self.faults.check(!again, || format!("order {id} was funded twice"));
    }

    fn order_placed(&mut self, placed: &OrderPlaced, place: Place) {
        let born = Order {
            quantity: placed.quantity.contracts(),
            filled: placed.filled.contracts(),
            status: placed.status,
            ..unborn(&placed.order, place)
        };
        self.birth(placed.id, &placed.order, born);
    }

    fn order_rejected(&mut self, id: OrderId, order: &NewOrder, code: Rejection, place: Place) {
        self.birth(id, order, Order { rejection: Some(code), ..unborn(order, place) });
    }

    fn birth(&mut self, id: OrderId, asked: &NewOrder, born: Order) {
        if let Some(waits) = self.funded.get_mut(&id) {
            *waits = false;
        }
        let hold_per_contract = match asked.entry.side() {
            Side::Buy => asked.fee_rate.hold_per_contract(asked.terms.limit()),
            Side::Sell => schemas::Credits::ZERO,
        };
        let births = self.births.entry(id).or_insert(Births { count: 0, traded: 0, hold_per_contract });
        births.count += 1;
        if births.count > 1 {
            self.faults.add(|| format!("{} was born again", rows::name(id, &born)));
            return;
        }
        self.by_command.insert(born.command, id);
        if let Some(client_id) = born.client_id {
            self.by_client_id.entry((born.account, client_id)).or_default().push(id);
        }
        self.orders.insert(id, born);
    }

    /// The taker's birth told already how far it is filled; the maker learns it here.
    fn traded(&mut self, trade: &Trade, place: Place) {
        if let Some(market) = self.market(trade.market) {
            market.last_price = Some(trade.price.ticks());
            market.trades.push(trade.id);
        }
        let row = TradeRow { trade: *trade, time: place.time, shard: place.shard, sequence: place.sequence };
        let again = self.trades.insert(trade.id, row).is_some();
        self.faults.check(!again, || format!("trade {} was told twice", trade.id));
        self.fill(trade, &trade.maker, place);
        self.fill(trade, &trade.taker, place);
        let Some(maker) = self.orders.get_mut(&trade.maker.order) else { return };
        maker.filled += trade.quantity.contracts();
        let (filled, quantity, left) = (maker.filled, maker.quantity, trade.maker_remaining.contracts());
        let was_live = maker.status.is_live();
        maker.status = if left == 0 { Status::Filled } else { Status::PartiallyFilled };
        self.faults.check(was_live && quantity.checked_sub(filled) == Some(left), || {
            format!("trade {} leaves {left} of its maker, which has {filled} of {quantity} filled", trade.id)
        });
    }

    fn fill(&mut self, trade: &Trade, party: &Party, place: Place) {
        let (Some(order), Some(births)) = (self.orders.get_mut(&party.order), self.births.get_mut(&party.order)) else {
            self.faults.add(|| format!("trade {} is of order {}, which was never born", trade.id, party.order));
            return;
        };
        births.traded += trade.quantity.contracts();
        order.notional += trade.notional(party);
        order.fees += party.fee;
        order.sequence = place.sequence;
        let same = (order.account, order.market) == (party.account, trade.market);
        self.faults.check(same, || format!("trade {} names another account or market than its order", trade.id));
    }

    fn order_cancelled(&mut self, id: OrderId, quantity: Quantity, reason: CancelReason, place: Place) {
        let Some(order) = self.orders.get_mut(&id) else {
            self.faults.add(|| format!("order {id} was cancelled and never born"));
            return;
        };
        let left = order.remaining();
        order.status = Status::Cancelled;
        order.cancel_reason = Some(reason);
        order.sequence = place.sequence;
        self.faults.check(left == quantity.contracts() && left > 0, || {
            format!("order {id} was cancelled with {quantity} contracts left, but has {left}")
        });
    }
}

/// What every birth has in common; otherwise refused and without a reason.
fn unborn(order: &NewOrder, place: Place) -> Order {
    let (kind, time_in_force, limit, budget, quantity) = rows::words(order);
    Order {
        command: place.command,
        account: order.account,
        market: order.market,
        contract: order.entry.contract(),
        side: order.entry.side(),
        kind,
        time_in_force,
        limit,
        budget,
        quantity,
        filled: 0,
        notional: schemas::Credits::ZERO,
        fees: schemas::Credits::ZERO,
        status: Status::Rejected,
        rejection: None,
        cancel_reason: None,
        client_id: order.client_id,
        created_at: place.time,
        shard: place.shard,
        sequence: place.sequence,
    }
}
