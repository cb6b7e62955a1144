//! The life of an order in the log: one placement or rejection, then trades and changes, and at
//! most one cancel.

use schemas::event::{CancelReason, Event, OrderAmended, OrderPlaced, Party, Trade};
use schemas::{NewOrder, OrderId, Quantity, Rejection, Side, Status};

use super::rows::{self, ExpectedOrder, ExpectedTrade, OrderTotals};
use super::{Fold, OutcomeContext};

impl Fold {
    pub(super) fn orders(&mut self, event: &Event, place: OutcomeContext) {
        match event {
            Event::OrderPlaced(placed) => self.order_placed(placed, place),
            Event::OrderRejected { id, order, code } => self.order_rejected(*id, order, *code, place),
            Event::Traded(trade) => self.traded(trade, place),
            Event::OrderCancelled { order, quantity, reason, .. } => {
                self.order_cancelled(*order, *quantity, *reason, place);
            }
            Event::OrderAmended(amended) => self.order_amended(amended, place),
            Event::OrderReduced { order, quantity, .. } => self.order_reduced(*order, *quantity, place),
            _ => {}
        }
    }

    fn order_placed(&mut self, placed: &OrderPlaced, place: OutcomeContext) {
        let born = ExpectedOrder {
            quantity: placed.quantity.contracts(),
            filled: placed.filled.contracts(),
            status: placed.status,
            limit: placed_limit(placed),
            cancel_reason: placed.cancel_reason,
            ..unborn(&placed.order, place)
        };
        self.birth(placed.id, &placed.order, born, place);
    }

    fn order_rejected(&mut self, id: OrderId, order: &NewOrder, code: Rejection, place: OutcomeContext) {
        self.birth(id, order, ExpectedOrder { rejection: Some(code), ..unborn(order, place) }, place);
    }

    fn birth(&mut self, id: OrderId, asked: &NewOrder, born: ExpectedOrder, place: OutcomeContext) {
        let fee_rate = (asked.entry.side() == Side::Buy).then_some(asked.fee_rate);
        let order_totals =
            self.order_totals.entry(id).or_insert(OrderTotals { count: 0, traded: 0, fee_rate, alone: place.alone });
        order_totals.count += 1;
        if order_totals.count > 1 {
            self.faults.add(|| format!("{} was placed or refused again", rows::name(id, &born)));
            return;
        }
        if let Some(client_id) = born.client_id {
            self.by_client_id.entry((born.account, born.market, client_id)).or_default().push(id);
        }
        self.orders.insert(id, born);
    }

    /// Updates the maker's filled quantity; the taker's placement contains its own already.
    fn traded(&mut self, trade: &Trade, place: OutcomeContext) {
        if let Some(market) = self.market(trade.market, place) {
            market.last_price = Some(trade.price.ticks());
            market.trades.push(trade.id);
        }
        let row = ExpectedTrade { trade: *trade, time: place.time, shard: place.shard, sequence: place.sequence };
        let again = self.trades.insert(trade.id, row).is_some();
        self.faults.check(!again, || format!("trade {} was recorded twice", trade.id));
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

    fn fill(&mut self, trade: &Trade, party: &Party, place: OutcomeContext) {
        let (Some(order), Some(order_totals)) =
            (self.orders.get_mut(&party.order), self.order_totals.get_mut(&party.order))
        else {
            self.faults.add(|| format!("trade {} is of order {}, which was never placed", trade.id, party.order));
            return;
        };
        order_totals.traded += trade.quantity.contracts();
        order.notional += trade.notional(party);
        order.fees += party.fee;
        order.sequence = place.sequence;
        let same = (order.account, order.market) == (party.account, trade.market);
        self.faults.check(same, || format!("trade {} names another account or market than its order", trade.id));
    }

    fn order_cancelled(&mut self, id: OrderId, quantity: Quantity, reason: CancelReason, place: OutcomeContext) {
        let Some(order) = self.changing(id, place) else { return };
        let left = order.remaining();
        order.status = reason.status();
        order.cancel_reason = Some(reason);
        self.faults.check(left == quantity.contracts() && left > 0, || {
            format!("order {id} was cancelled with {quantity} contracts left, but has {left}")
        });
    }

    /// Applies an amendment. It includes the quantity that it filled; the trades follow.
    fn order_amended(&mut self, amended: &OrderAmended, place: OutcomeContext) {
        let id = amended.order;
        let Some(order) = self.changing(id, place) else { return };
        let (left, limit) = (order.remaining(), order.limit);
        order.limit = Some(amended.entry.book_price(amended.price).ticks());
        order.quantity = amended.quantity.contracts();
        order.filled = amended.filled.contracts();
        order.status = amended.status;
        order.cancel_reason = amended.cancel_reason.or(order.cancel_reason);
        let before = (amended.old_remaining.contracts(), Some(amended.entry.book_price(amended.old_price).ticks()));
        self.faults.check((left, limit) == before && left > 0, || {
            format!("order {id} was amended from {before:?}, but has {left} left at {limit:?}")
        });
    }

    fn order_reduced(&mut self, id: OrderId, quantity: Quantity, place: OutcomeContext) {
        let Some(order) = self.changing(id, place) else { return };
        let (left, less) = (order.remaining(), quantity.contracts());
        order.quantity = order.quantity.saturating_sub(less);
        self.faults.check(less < left, || format!("order {id} was reduced by {less} of {left} contracts"));
    }

    /// Returns the order to change, or records a fault; records another if the event is on the
    /// wrong shard.
    fn changing(&mut self, id: OrderId, place: OutcomeContext) -> Option<&mut ExpectedOrder> {
        let Some(order) = self.orders.get_mut(&id) else {
            self.faults.add(|| format!("order {id} changed and was never placed"));
            return None;
        };
        let same = order.shard == place.shard;
        self.faults
            .check(same, || format!("order {id} was placed on shard {}, and {} records it", order.shard, place.shard));
        order.sequence = place.sequence;
        Some(order)
    }
}

/// Returns the price at which an order rests, in its contract's own ticks.
fn placed_limit(placed: &OrderPlaced) -> Option<u16> {
    let (_, limit, ..) = rows::words(&placed.order);
    limit.map(|_| placed.order.entry.book_price(placed.price).ticks())
}

/// Returns the fields common to placed and rejected orders; the rest is that of a rejection without
/// a reason.
fn unborn(order: &NewOrder, place: OutcomeContext) -> ExpectedOrder {
    let (kind, limit, budget, quantity) = rows::words(order);
    let time_in_force = order.terms.time_in_force();
    ExpectedOrder {
        command: place.command,
        account: order.account,
        market: order.market,
        contract: order.entry.contract(),
        side: order.entry.side(),
        kind,
        time_in_force: time_in_force.name(),
        expires: time_in_force.expires().map(|expires| expires.as_millis()),
        post_only: order.terms.post_only(),
        self_trade: order.instructions.self_trade,
        cancel_on_pause: order.instructions.cancel_on_pause,
        reduce_only: order.instructions.reduce_only,
        group: order.instructions.group,
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
