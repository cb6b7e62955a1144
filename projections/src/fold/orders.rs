//! Orders and trades. An order's birth and its later changes are different facts, and different statements in SQL.
//!
//! | event          | a row is born              | a row changes                                                  |
//! |----------------|----------------------------|----------------------------------------------------------------|
//! | OrderPlaced    | with all its matching      |                                                                |
//! | OrderRejected  | refused                    |                                                                |
//! | Traded         |                            | maker: what remains, and what the fill cost; taker: the latter |
//! | OrderCancelled |                            | ended with a remainder                                         |
//!
//! A change of an order that was born in the same batch goes into its birth.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use schemas::event::{CancelReason, OrderPlaced, Trade};
use schemas::{AccountId, CommandId, Credits, Event, NewOrder, OrderId, Outcome, Quantity, Rejection, Status, Terms};

use super::{Nonsense, Stamp};

/// The orders of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Born in this batch, as they are at its end.
    pub born: BTreeMap<OrderId, OrderRow>,
    /// Born before.
    pub changed: BTreeMap<OrderId, OrderChange>,
    /// Accounts whose set of live orders changed, and the last outcome that changed each.
    pub live: BTreeMap<AccountId, u64>,
}

/// An order as it is at the end of the batch that it was born in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderRow {
    /// The command that asked for it.
    pub command: CommandId,
    /// As asked.
    pub order: NewOrder,
    /// Contracts it is for: as asked, or what the budget bought.
    pub quantity: Quantity,
    /// Contracts filled.
    pub filled: Quantity,
    /// What the filled contracts cost or brought, before fees.
    pub notional: Credits,
    /// Fees paid for them.
    pub fees: Credits,
    /// Where it stands.
    pub status: Status,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// Why it was cancelled, if it had rested.
    pub cancel_reason: Option<CancelReason>,
    /// Its birth.
    pub born: Stamp,
    /// Its last change.
    pub last: Stamp,
}

/// What happened to an order that was there before the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderChange {
    /// Whose.
    pub account: AccountId,
    /// Contracts not filled, whether or not they still can be.
    pub remaining: Quantity,
    /// Where it stands.
    pub status: Status,
    /// Why it was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Change of what the filled contracts cost or brought.
    pub notional: Credits,
    /// Change of the fees paid.
    pub fees: Credits,
    /// Its last change.
    pub last: Stamp,
}

/// A trade and its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradeRow {
    /// The trade.
    pub trade: Trade,
    /// The outcome.
    pub at: Stamp,
}

/// A taker is placed before it trades, in the same outcome.
pub(super) fn check(outcome: &Outcome) -> Result<(), Nonsense> {
    let mut placed = Vec::new();
    for event in &outcome.events {
        match event {
            Event::OrderPlaced(order) => placed.push(order.id),
            Event::Traded(trade) if !placed.contains(&trade.taker.order) => {
                return Err(Nonsense::TakerNotPlaced { sequence: outcome.sequence, order: trade.taker.order });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Orders {
    pub(super) fn placed(&mut self, at: Stamp, command: CommandId, placed: &OrderPlaced) {
        let row = OrderRow {
            filled: placed.filled,
            status: placed.status,
            ..OrderRow::new(at, command, &placed.order, placed.quantity)
        };
        if row.status.is_live() {
            self.live.insert(placed.order.account, at.sequence);
        }
        self.born.insert(placed.id, row);
    }

    pub(super) fn rejected(&mut self, at: Stamp, command: CommandId, id: OrderId, order: &NewOrder, code: Rejection) {
        let row = OrderRow {
            status: Status::Rejected,
            rejection: Some(code),
            ..OrderRow::new(at, command, order, asked(&order.terms))
        };
        self.born.insert(id, row);
    }

    pub(super) fn traded(&mut self, at: Stamp, trade: &Trade) {
        // It was placed with what it filled; its trades add what that cost. (That it is there was checked.)
        if let Some(taker) = self.born.get_mut(&trade.taker.order) {
            taker.notional += trade.notional(&trade.taker);
            taker.fees += trade.taker.fee;
        }
        let status = if trade.maker_remaining.is_zero() { Status::Filled } else { Status::PartiallyFilled };
        let change = OrderChange {
            account: trade.maker.account,
            remaining: trade.maker_remaining,
            status,
            cancel_reason: None,
            notional: trade.notional(&trade.maker),
            fees: trade.maker.fee,
            last: at,
        };
        self.change(trade.maker.order, change);
    }

    pub(super) fn cancelled(
        &mut self,
        at: Stamp,
        order: OrderId,
        account: AccountId,
        remaining: Quantity,
        reason: CancelReason,
    ) {
        let change = OrderChange {
            account,
            remaining,
            status: Status::Cancelled,
            cancel_reason: Some(reason),
            notional: Credits::ZERO,
            fees: Credits::ZERO,
            last: at,
        };
        self.change(order, change);
    }

    /// A later fact about a resting order.
    fn change(&mut self, id: OrderId, change: OrderChange) {
        self.live.insert(change.account, change.last.sequence);
        if let Some(row) = self.born.get_mut(&id) {
            row.change(&change);
            return;
        }
        match self.changed.entry(id) {
            Place::Vacant(place) => {
                place.insert(change);
            }
            Place::Occupied(mut place) => {
                let before = *place.get();
                let (notional, fees) = (before.notional + change.notional, before.fees + change.fees);
                place.insert(OrderChange { notional, fees, ..change });
            }
        }
    }
}

impl OrderRow {
    fn new(at: Stamp, command: CommandId, order: &NewOrder, quantity: Quantity) -> Self {
        Self {
            command,
            order: *order,
            quantity,
            filled: Quantity::ZERO,
            notional: Credits::ZERO,
            fees: Credits::ZERO,
            status: Status::Active,
            rejection: None,
            cancel_reason: None,
            born: at,
            last: at,
        }
    }

    fn change(&mut self, change: &OrderChange) {
        self.filled = self.quantity - change.remaining;
        self.status = change.status;
        self.cancel_reason = change.cancel_reason;
        self.notional += change.notional;
        self.fees += change.fees;
        self.last = change.last;
    }
}

/// The quantity that was asked for; none for a budget.
fn asked(terms: &Terms) -> Quantity {
    match terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => *quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}
