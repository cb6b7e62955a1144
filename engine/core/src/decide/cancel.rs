//! Cancels: one resting order, or all of an account.

use schemas::event::CancelReason;
use schemas::limits::SWEEP_MAX;
use schemas::{AccountId, Credits, Event, MarketId, OrderId, OrderRef, Quantity, Rejection, Status};

use super::{CommandRun, DecisionContext, parking, settle};
use crate::state::{MarketOrder, MarketView, MassCancel, Meaning, RequestName, ShardState};

impl CommandRun<'_> {
    pub(super) fn cancel_order(&mut self, account: AccountId, order: OrderRef) {
        if let Some((ticket, command)) = parking::named(self.state, account, &order) {
            return self.step(|_, context| context.events.push(Event::ParkedCancelled { account, ticket, command }));
        }
        match resolve(self.state, account, order) {
            Ok(id) => self.cancel_here(account, id),
            Err(code) => self.reject_cancel(account, order, code),
        }
    }

    pub(super) fn reject_cancel(&mut self, account: AccountId, order: OrderRef, code: Rejection) {
        self.step(|_, context| context.events.push(Event::CancelRejected { account, order, code }));
    }

    pub(super) fn cancel_here(&mut self, account: AccountId, order: OrderId) {
        let ended = self.step(|state, context| match check(state, account, order) {
            Ok((market, resting)) => {
                let market = market.listing.market;
                end(market, &resting, CancelReason::Requested, context);
                Some(market)
            }
            Err(code) => {
                context.events.push(Event::CancelRejected { account, order: OrderRef::Id(order), code });
                None
            }
        });
        if let Some(market) = ended {
            self.give_back(market);
        }
    }

    /// Ends one resting order, with all consequences.
    ///
    /// Returns how many other orders were reduced because of it.
    pub(super) fn end_order(&mut self, market: MarketId, order: OrderId, reason: CancelReason) -> usize {
        self.step(|state, context| {
            let (_, resting) = state.live_order(order).expect("the caller saw it rest");
            end(market, &resting, reason, context);
        });
        self.give_back(market)
    }

    /// Ends as many orders as one command may, and records a mass cancel if more are left.
    pub(super) fn mass_cancel_here(
        &mut self,
        account: AccountId,
        market: Option<MarketId>,
        reason: CancelReason,
        ticket: Option<u64>,
    ) {
        // The mass cancel does not include later orders.
        let up_to = self.state.last_order_id();
        let orders: Vec<_> = self.state.own_orders(account, market, up_to).take(SWEEP_MAX + 1).collect();
        if orders.len() > SWEEP_MAX {
            let opened = Event::MassCancelOpened { account, market, reason, up_to, ticket };
            self.step(|_, context| context.events.push(opened));
        }
        self.end_orders(&orders[..orders.len().min(SWEEP_MAX)], reason);
        self.cancel_parked(account, market);
    }

    /// Continues a mass cancel with at most `room` orders. Returns how many it ended.
    pub(super) fn go_on_with_mass_cancel(
        &mut self,
        account: AccountId,
        market: Option<MarketId>,
        rest: &MassCancel,
        room: usize,
    ) -> usize {
        let orders: Vec<_> = self.state.own_orders(account, market, rest.up_to).take(room + 1).collect();
        let ended = orders.len().min(room);
        self.end_orders(&orders[..ended], rest.reason);
        if ended == orders.len() {
            self.step(|_, context| context.events.push(Event::MassCancelClosed { account, market }));
            self.done_at_last(account, &rest.tickets);
        }
        ended
    }

    /// Ends orders market by market, so that the consequences for each market run once.
    pub(super) fn end_orders(&mut self, orders: &[(MarketId, OrderId)], reason: CancelReason) {
        for of_market in orders.chunk_by(|a, b| a.0 == b.0) {
            let market = of_market[0].0;
            self.step(|state, context| {
                for (_, order) in of_market {
                    let (_, resting) = state.live_order(*order).expect("it was just read");
                    end(market, &resting, reason, context);
                }
            });
            self.give_back(market);
        }
    }
}

/// Returns true if an account has more orders here than one command may end.
pub(super) fn takes_long(state: &ShardState, account: AccountId) -> bool {
    state.purse(account).is_some_and(|purse| purse.live_orders as usize > SWEEP_MAX)
}

/// Resolves a client's reference to an order of this shard to the order's id.
pub(super) fn resolve(state: &ShardState, account: AccountId, order: OrderRef) -> Result<OrderId, Rejection> {
    match order {
        OrderRef::Id(id) if id.shard().number() >= state.map.shards() => Err(Rejection::OrderUnknown),
        OrderRef::Id(id) if id.shard() != state.shard => Err(Rejection::WrongShard),
        OrderRef::Id(id) => Ok(id),
        OrderRef::ClientId { market, .. } if state.map.of_market(market) != state.shard => Err(Rejection::WrongShard),
        OrderRef::ClientId { market, client_id } => {
            match state.facts.client_ids.get(RequestName { account, market: Some(market), client_id }) {
                Some(Meaning::Order(id)) => Ok(id),
                _ => Err(Rejection::OrderUnknown),
            }
        }
    }
}

/// Finds a live order of this account that may be cancelled now.
pub(super) fn check(
    state: &ShardState,
    account: AccountId,
    order: OrderId,
) -> Result<(MarketView<'_>, MarketOrder), Rejection> {
    let (market, resting) = find_live(state, account, order)?;
    if market.state.takes_cancels() { Ok((market, resting)) } else { Err(Rejection::MarketNotOpen) }
}

/// Finds a live order of this account.
///
/// | the order                             | refused as                                             |
/// |---------------------------------------|--------------------------------------------------------|
/// | is the account's and rests            | not refused, unless it has expired: `OrderExpired`     |
/// | was the account's and ended           | how it ended, while that is known                      |
/// | is or was another's, or never existed | `OrderUnknown`                                         |
pub(super) fn find_live(
    state: &ShardState,
    account: AccountId,
    order: OrderId,
) -> Result<(MarketView<'_>, MarketOrder), Rejection> {
    match state.live_order(order) {
        Some((_, resting)) if resting.owner.account != account => Err(Rejection::OrderUnknown),
        // It has ended, though the shard may not have swept it yet.
        Some((_, resting)) if resting.has_expired(state.facts.time) => Err(Rejection::OrderExpired),
        Some(live) => Ok(live),
        None => Err(ended(state, account, order)),
    }
}

/// Returns the refusal for a change of an order that does not rest.
fn ended(state: &ShardState, account: AccountId, order: OrderId) -> Rejection {
    match state.facts.ended_orders.get(order) {
        Some((owner, Status::Filled)) if owner == account => Rejection::OrderFilled,
        Some((owner, Status::Cancelled)) if owner == account => Rejection::OrderCancelled,
        Some((owner, Status::Expired)) if owner == account => Rejection::OrderExpired,
        _ => Rejection::OrderUnknown,
    }
}

/// Ends a resting order and frees what it holds.
pub(super) fn end(market: MarketId, resting: &MarketOrder, reason: CancelReason, context: &mut DecisionContext<'_>) {
    let (order, account) = (resting.id, resting.owner.account);
    // Whatever reaches it first, an order past its expiry ends as expired.
    let reason = if resting.has_expired(context.now) { CancelReason::Expired } else { reason };
    context.events.push(Event::OrderCancelled {
        order,
        account,
        market,
        entry: resting.owner.entry,
        price: resting.book_price(),
        quantity: resting.contracts(),
        reason,
    });
    release(market, resting, resting.held(), context);
}

/// Takes contracts off a resting order; all of them end it.
pub(super) fn take_off(
    market: MarketId,
    resting: &MarketOrder,
    quantity: Quantity,
    reason: CancelReason,
    context: &mut DecisionContext<'_>,
) {
    if quantity == resting.contracts() {
        end(market, resting, reason, context);
    } else {
        reduce(market, resting, quantity, reason, context);
    }
}

fn release(market: MarketId, resting: &MarketOrder, released: Credits, context: &mut DecisionContext<'_>) {
    if released != Credits::ZERO {
        context.settlements.push(settle::released(resting.owner.account, market, resting.id, released));
    }
}

/// Takes some, but not all, contracts off a resting order, and frees what they hold.
fn reduce(
    market: MarketId,
    resting: &MarketOrder,
    quantity: Quantity,
    reason: CancelReason,
    context: &mut DecisionContext<'_>,
) {
    let (order, account, price) = (resting.id, resting.owner.account, resting.book_price());
    let entry = resting.owner.entry;
    context.events.push(Event::OrderReduced { order, account, market, entry, price, quantity, reason });
    release(market, resting, resting.owner.hold(price, quantity), context);
}
