//! Orders and trades. An order's birth and its later changes are different facts, and different statements in SQL.
//!
//! | event          | a row is born              | a row changes                                                     |
//! |----------------|----------------------------|-------------------------------------------------------------------|
//! | OrderPlaced    | with all its matching      |                                                                   |
//! | OrderRejected  | refused                    |                                                                   |
//! | Traded         |                            | maker: filled by so much more, and its cost; taker: the latter    |
//! | OrderAmended   |                            | price, quantity, and filled in all, its own trades included       |
//! | OrderReduced   |                            | for so much less                                                  |
//! | OrderCancelled |                            | ended with a remainder                                            |
//!
//! A change of an order that was born in the same batch goes into its birth.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Trade};
use schemas::{
    AccountId, CommandId, Credits, Event, NewOrder, OrderId, Outcome, Price, Quantity, Rejection, Status, Terms,
};

use super::{FoldFault, LastChange};

/// The orders of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Born in this batch, as they are at its end.
    pub born: BTreeMap<OrderId, OrderRow>,
    /// Born before.
    pub changed: BTreeMap<OrderId, OrderChange>,
}

/// An order as it is at the end of the batch that it was born in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderRow {
    /// The command that asked for it.
    pub command: CommandId,
    /// As asked.
    pub order: NewOrder,
    /// Where it rests, or would have, in its contract's own terms; means nothing for a budget.
    pub price: Price,
    /// Contracts it is for: as asked, amended or reduced, or what the budget bought.
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
    /// Why it ended with a remainder, if it did; or REDUCE_ONLY, if that took off a part of what was asked for.
    pub cancel_reason: Option<CancelReason>,
    /// Its birth.
    pub born: LastChange,
    /// Its last change.
    pub last: LastChange,
}

/// What happened to an order that was there before the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderChange {
    /// Whose.
    pub account: AccountId,
    /// Where it rests now, in its contract's own terms, if it was amended.
    pub price: Option<Price>,
    /// Contracts it is for.
    pub quantity: Number,
    /// Contracts filled.
    pub filled: Number,
    /// Where it stands, if that was told.
    pub status: Option<Status>,
    /// Why it ended with a remainder, if it did.
    pub cancel_reason: Option<CancelReason>,
    /// Change of what the filled contracts cost or brought.
    pub notional: Credits,
    /// Change of the fees paid.
    pub fees: Credits,
    /// Its last change.
    pub last: LastChange,
}

/// A number of contracts that events tell anew or change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Number {
    /// What it was told to be, if it was.
    pub told: Option<Quantity>,
    /// By how much it changed, since it was told if it was.
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

    /// What comes of `before`.
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

/// A taker is placed or amended before it trades, in the same outcome.
pub(super) fn check(outcome: &Outcome) -> Result<(), FoldFault> {
    // A taker's trades follow at once; a batch may have many takers.
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
        // It was placed or amended with what it filled; its trades add what that cost. (That it was told of was checked.)
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

    /// A later fact about a resting order.
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

    /// Makes a later fact true: what writers do to their rows.
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

/// The quantity that was asked for; none for a budget.
fn asked(terms: &Terms) -> Quantity {
    match terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => *quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}
