//! Orders and trades. An order's creation and its later changes are different facts, and different
//! SQL statements.
//!
//! | event          | creates a row              | changes a row                                                     |
//! |----------------|----------------------------|-------------------------------------------------------------------|
//! | OrderPlaced    | with all its matching      |                                                                   |
//! | OrderRejected  | refused                    |                                                                   |
//! | Traded         |                            | maker: adds to filled and notional; taker: adds to notional only  |
//! | OrderAmended   |                            | price, quantity, and total filled, its own trades included        |
//! | OrderReduced   |                            | subtracts from the quantity                                       |
//! | OrderCancelled |                            | ended with a remainder                                            |
//!
//! A change of an order that was created in the same batch is merged into its new row.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Trade};
use schemas::{
    AccountId, CommandId, Credits, Event, NewOrder, OrderId, Outcome, Price, Quantity, Rejection, Status, Terms,
};

use super::fault::FoldFault;
use super::last_change::LastChange;

/// The orders of one batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Orders created in this batch, as of its end.
    pub born: BTreeMap<OrderId, OrderRow>,
    /// Changes of orders created earlier.
    pub changed: BTreeMap<OrderId, OrderChange>,
}

/// An order as of the end of the batch in which it was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderRow {
    /// The command that placed the order.
    pub command: CommandId,
    /// The order as requested.
    pub order: NewOrder,
    /// The price at which it rests, or would have rested, in terms of its own contract; meaningless
    /// for a budget.
    pub price: Price,
    /// The order's size in contracts: as requested, amended or reduced, or what the budget bought.
    pub quantity: Quantity,
    /// Number of contracts filled.
    pub filled: Quantity,
    /// Cost or proceeds of the filled contracts, before fees.
    pub notional: Credits,
    /// Fees paid for the filled contracts.
    pub fees: Credits,
    /// The order's status.
    pub status: Status,
    /// Why the order was rejected.
    pub rejection: Option<Rejection>,
    /// Why it ended with a remainder, if it did; or REDUCE_ONLY, if that removed a part of the
    /// requested quantity.
    pub cancel_reason: Option<CancelReason>,
    /// The outcome that created it.
    pub born: LastChange,
    /// The outcome that last changed it.
    pub last: LastChange,
}

/// The changes of one order that existed before the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderChange {
    /// The order's account.
    pub account: AccountId,
    /// The price at which it rests now, in terms of its own contract, if it was amended.
    pub price: Option<Price>,
    /// Change of the order's size in contracts.
    pub quantity: Number,
    /// Change of the number of contracts filled.
    pub filled: Number,
    /// The new status, if an event of this batch contains it.
    pub status: Option<Status>,
    /// Why it ended with a remainder, if it did.
    pub cancel_reason: Option<CancelReason>,
    /// Change of the cost or proceeds of the filled contracts.
    pub notional: Credits,
    /// Change of the fees paid.
    pub fees: Credits,
    /// The outcome that last changed it.
    pub last: LastChange,
}

/// A number of contracts that events set or change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Number {
    /// The value that an event set, if one did.
    pub told: Option<Quantity>,
    /// The change since that value was set, or since before the batch.
    pub by: i32,
}

impl Number {
    fn told(quantity: Quantity) -> Self {
        Self { told: Some(quantity), by: 0 }
    }

    fn by(contracts: i32) -> Self {
        Self { told: None, by: contracts }
    }

    fn then(self, next: Self) -> Self {
        if next.told.is_some() { next } else { Self { told: self.told, by: self.by + next.by } }
    }

    /// Returns the new value, given the value before the batch.
    pub fn of(self, before: Quantity) -> Quantity {
        let contracts = self.told.unwrap_or(before).contracts().saturating_add_signed(self.by);
        Quantity::new(contracts).expect("the log never takes an order above the limit")
    }
}

/// A trade and its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradeRow {
    /// The trade.
    pub trade: Trade,
    /// The outcome.
    pub at: LastChange,
}

/// Verifies that each taker is placed or amended before it trades, in the same outcome.
pub(super) fn check(outcome: &Outcome) -> Result<(), FoldFault> {
    // A taker's trades follow its placement immediately. A batch order may have many takers.
    let mut takers = BTreeSet::new();
    for event in &outcome.events {
        match event {
            Event::OrderPlaced(placed) => drop(takers.insert(placed.id)),
            Event::OrderAmended(amended) => drop(takers.insert(amended.order)),
            Event::Traded(trade) if !takers.contains(&trade.taker.order) => {
                return Err(FoldFault::TakerNotPlaced { sequence: outcome.sequence, order: trade.taker.order });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Orders {
    pub(super) fn placed(&mut self, at: LastChange, command: CommandId, placed: &OrderPlaced) {
        let row = OrderRow {
            filled: placed.filled,
            status: placed.status,
            cancel_reason: placed.cancel_reason,
            price: placed.order.entry.book_price(placed.price),
            ..OrderRow::new(at, command, &placed.order, placed.quantity)
        };
        self.born.insert(placed.id, row);
    }

    pub(super) fn rejected(
        &mut self,
        at: LastChange,
        command: CommandId,
        id: OrderId,
        order: &NewOrder,
        code: Rejection,
    ) {
        let row = OrderRow {
            status: Status::Rejected,
            rejection: Some(code),
            ..OrderRow::new(at, command, order, asked(&order.terms))
        };
        self.born.insert(id, row);
    }

    pub(super) fn traded(&mut self, at: LastChange, trade: &Trade) {
        // The placement or amendment includes the filled quantity; the trades add only the cost.
        // (`check` has verified that the taker was placed or amended.)
        let taker = OrderChange {
            notional: trade.notional(&trade.taker),
            fees: trade.taker.fee,
            ..OrderChange::of(trade.taker.account, at)
        };
        match self.born.get_mut(&trade.taker.order) {
            Some(row) => row.change(&taker),
            None => self.change(trade.taker.order, taker),
        }
        let status = if trade.maker_remaining.is_zero() { Status::Filled } else { Status::PartiallyFilled };
        let maker = OrderChange {
            filled: Number::by(signed(trade.quantity)),
            status: Some(status),
            notional: trade.notional(&trade.maker),
            fees: trade.maker.fee,
            ..OrderChange::of(trade.maker.account, at)
        };
        self.change(trade.maker.order, maker);
    }

    pub(super) fn amended(&mut self, at: LastChange, amended: &OrderAmended) {
        let change = OrderChange {
            price: Some(amended.entry.book_price(amended.price)),
            quantity: Number::told(amended.quantity),
            filled: Number::told(amended.filled),
            status: Some(amended.status),
            cancel_reason: amended.cancel_reason,
            ..OrderChange::of(amended.account, at)
        };
        self.change(amended.order, change);
    }

    pub(super) fn reduced(&mut self, at: LastChange, order: OrderId, account: AccountId, by: Quantity) {
        self.change(order, OrderChange { quantity: Number::by(-signed(by)), ..OrderChange::of(account, at) });
    }

    pub(super) fn cancelled(&mut self, at: LastChange, order: OrderId, account: AccountId, reason: CancelReason) {
        let (status, cancel_reason) = (Some(reason.status()), Some(reason));
        self.change(order, OrderChange { status, cancel_reason, ..OrderChange::of(account, at) });
    }

    /// Adds a later change of a resting order.
    fn change(&mut self, id: OrderId, change: OrderChange) {
        if let Some(row) = self.born.get_mut(&id) {
            row.change(&change);
            return;
        }
        match self.changed.entry(id) {
            Place::Vacant(place) => {
                place.insert(change);
            }
            Place::Occupied(mut place) => {
                let both = place.get().then(&change);
                place.insert(both);
            }
        }
    }
}

impl OrderChange {
    fn of(account: AccountId, last: LastChange) -> Self {
        let (price, status, cancel_reason) = (None, None, None);
        let (quantity, filled) = (Number::default(), Number::default());
        let (notional, fees) = (Credits::ZERO, Credits::ZERO);
        Self { account, price, quantity, filled, status, cancel_reason, notional, fees, last }
    }

    fn then(&self, next: &Self) -> Self {
        Self {
            account: next.account,
            price: next.price.or(self.price),
            quantity: self.quantity.then(next.quantity),
            filled: self.filled.then(next.filled),
            status: next.status.or(self.status),
            cancel_reason: next.cancel_reason.or(self.cancel_reason),
            notional: self.notional + next.notional,
            fees: self.fees + next.fees,
            last: next.last,
        }
    }
}

impl OrderRow {
    fn new(at: LastChange, command: CommandId, order: &NewOrder, quantity: Quantity) -> Self {
        Self {
            command,
            order: *order,
            price: order.terms.limit(),
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

    /// Applies a later change to the row, as the writers do to theirs.
    pub fn change(&mut self, change: &OrderChange) {
        self.price = change.price.unwrap_or(self.price);
        self.quantity = change.quantity.of(self.quantity);
        self.filled = change.filled.of(self.filled);
        self.status = change.status.unwrap_or(self.status);
        self.cancel_reason = change.cancel_reason.or(self.cancel_reason);
        self.notional += change.notional;
        self.fees += change.fees;
        self.last = change.last;
    }
}

fn signed(quantity: Quantity) -> i32 {
    i32::try_from(quantity.contracts()).expect("quantities are far below")
}

/// Returns the requested quantity; 0 for a budget.
fn asked(terms: &Terms) -> Quantity {
    match terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => *quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}
