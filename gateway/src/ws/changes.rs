//! Changes of an account's orders and groups, as its `orders` channel reports them. Pure.
//!
//!   outcome ─▶ *what happened* (once for all clients) ─▶ hub ─▶ session ─▶ *message as of each change* ─▶ socket
//!
//! An accepted or amended order is reported before its own fills, then each fill with its
//! cumulative totals, then the end of the order if it ended with a remainder. A trade does not
//! contain what was filled of the resting order before, and for how much; each session knows it
//! from its snapshot and from its earlier messages.

use std::collections::HashMap;

use schemas::answers::{CommandEvents, parts};
use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Trade};
use schemas::{
    AccountId, Credits, Event, GroupId, OrderId, Outcome, Quantity, Rejection, Status, Timestamp, TriggerCause,
};
use serde::Serialize;

use crate::answers::AmendedTerms;
use crate::db::ListedOrder;
use crate::shapes::{Fill, Order, TradeRole, average_price, fills_of_taker, number, text};
use crate::view::accounts::account_of_group;
use crate::ws::protocol::{self, Delta};

/// The most orders of a snapshot: the newest.
pub const SNAPSHOT_ORDERS_MAX: usize = 10_000;

/// The bytes of a typical change as JSON.
const CHANGE_BYTES: usize = 400;

/// A delta of the channel, before a session completes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrdersDelta {
    delta: Delta,
    happened: Vec<Happened>,
}

/// A change, as the log contains it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Happened {
    /// An order was accepted, before its fills.
    Placed(Box<Order>),
    /// One side of a trade. For the taker, the cumulative quantity is known.
    Filled { order: OrderId, filled: Option<Quantity>, remaining: Quantity, fill: Fill },
    /// An order ended with a remainder.
    Cancelled { order: OrderId, quantity: Quantity, reason: CancelReason },
    /// An order was rejected.
    Rejected(Box<Order>, Rejection),
    /// An order was amended, before its fills.
    Amended(OrderId, AmendedTerms),
    /// An order was reduced.
    Reduced { order: OrderId, quantity: Quantity, reason: CancelReason },
    /// A group changed.
    Group(Change),
}

/// The most orders whose totals a session knows: those of a snapshot, and as many later ones.
pub const TALLIES_MAX: usize = 2 * SNAPSHOT_ORDERS_MAX;

/// One account's live orders, as far as a session has reported them. What is placed beyond
/// [`TALLIES_MAX`] is as an order that the snapshot left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tallies(HashMap<OrderId, OrderTally>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct OrderTally {
    quantity: Quantity,
    filled: Quantity,
    notional: Credits,
    fees: Credits,
}

impl OrderTally {
    fn of(order: &Order) -> Self {
        Self { quantity: order.quantity, filled: order.filled, notional: order.notional, fees: order.fees }
    }
}

impl Tallies {
    /// Returns about how many bytes they take.
    pub fn bytes(&self) -> usize {
        // A byte of the table's own for each entry.
        self.0.capacity() * (size_of::<(OrderId, OrderTally)>() + 1)
    }

    /// Creates the totals from a snapshot.
    pub fn of(orders: &[ListedOrder]) -> Self {
        Self(orders.iter().map(|listed| (listed.order.id, OrderTally::of(&listed.order))).collect())
    }
}

/// A change of an order or a group, as it is sent. `null` stands for what the session does not know
/// because its snapshot was incomplete, or there are too many.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "UPPERCASE")]
enum Change {
    Placed {
        order: Order,
    },
    Fill {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(serialize_with = "text")]
        status: Status,
        filled: Option<u32>,
        #[serde(serialize_with = "number")]
        remaining: Quantity,
        average_price: Option<String>,
        fees: Option<String>,
        fill: Fill,
    },
    Cancelled {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(serialize_with = "text")]
        status: Status,
        filled: Option<u32>,
        #[serde(serialize_with = "number")]
        cancelled: Quantity,
        #[serde(serialize_with = "text")]
        reason: CancelReason,
    },
    Rejected {
        order: Order,
        #[serde(serialize_with = "text")]
        rejection: Rejection,
    },
    Amended {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(flatten)]
        terms: AmendedTerms,
    },
    Reduced {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        quantity: Option<u32>,
        filled: Option<u32>,
        remaining: Option<u32>,
        #[serde(serialize_with = "number")]
        reduced: Quantity,
        #[serde(serialize_with = "text")]
        reason: CancelReason,
    },
    #[serde(rename = "GROUP_SET")]
    GroupSet {
        group: u16,
        contracts: u32,
        window_s: u8,
        generation: u64,
        anew: bool,
    },
    #[serde(rename = "GROUP_TRIGGERED")]
    GroupTriggered {
        group: u16,
        #[serde(serialize_with = "text")]
        cause: TriggerCause,
    },
    #[serde(rename = "GROUP_DELETED")]
    GroupDeleted {
        group: u16,
    },
}

impl Change {
    /// Returns what an event reports about a group.
    fn of_group(event: &Event) -> Option<Self> {
        let number = |group: &GroupId| group.number();
        match event {
            Event::GroupSet { group, limits, generation, anew, .. } => Some(Self::GroupSet {
                group: number(group),
                contracts: limits.contracts(),
                window_s: limits.window_s(),
                generation: *generation,
                anew: *anew,
            }),
            Event::GroupTriggered { group, cause, .. } => {
                Some(Self::GroupTriggered { group: number(group), cause: *cause })
            }
            Event::GroupDeleted { group, .. } => Some(Self::GroupDeleted { group: number(group) }),
            _ => None,
        }
    }
}

/// Returns an outcome's changes of one account's orders, and of its groups if this is the account's
/// home.
pub fn orders_delta(account: AccountId, at_home: bool, outcome: &Outcome, delta: &Delta) -> OrdersDelta {
    let (mut happened, mut entered) = (Vec::new(), None);
    for part in parts(outcome) {
        for (index, event) in part.events.iter().enumerate() {
            happened_at(account, &part, index, outcome.time, &mut entered, &mut happened);
            if at_home && account_of_group(event) == Some(account) {
                happened.extend(Change::of_group(event).map(Happened::Group));
            }
        }
    }
    OrdersDelta { delta: *delta, happened }
}

/// An accepted or amended order: the taker of the trades that follow it, as of the last trade
/// processed.
#[derive(Clone, Copy)]
struct Entered {
    order: OrderId,
    account: AccountId,
    quantity: Quantity,
    filled: Quantity,
    /// Its trades that are still to come.
    left: usize,
    /// Why it ends after them, if it does.
    end: Option<CancelReason>,
}

impl Entered {
    fn placed(placed: &OrderPlaced, rest: &[Event]) -> Self {
        let (order, account, quantity) = (placed.id, placed.order.account, placed.quantity);
        let end = placed.cancel_reason.filter(|_| placed.status == Status::Cancelled);
        let left = fills_of_taker(rest, order).count();
        Self { order, account, quantity, filled: Quantity::ZERO, left, end }
    }

    fn amended(amended: &OrderAmended, rest: &[Event]) -> Self {
        let OrderAmended { order, account, quantity, .. } = *amended;
        let end = amended.cancel_reason.filter(|_| amended.status == Status::Cancelled);
        let fills = fills_of_taker(rest, order);
        let (left, taken) = fills.fold((0, Quantity::ZERO), |(left, taken), fill| (left + 1, taken + fill.quantity));
        Self { order, account, quantity, filled: amended.filled - taken, left, end }
    }

    /// The quantity that is not filled: it is matched, or rests.
    fn remaining(&self) -> Quantity {
        self.quantity - self.filled
    }

    fn status(&self) -> Status {
        match (self.filled.is_zero(), self.remaining().is_zero()) {
            (true, _) => Status::Active,
            (false, false) => Status::PartiallyFilled,
            (false, true) => Status::Filled,
        }
    }

    /// The order as amended, before its fills; the reason of its end is reported after them.
    fn terms(&self, amended: &OrderAmended) -> AmendedTerms {
        let (filled, remaining, status) = (self.filled, self.remaining(), self.status().name());
        let terms = AmendedTerms { filled, remaining, status, ..AmendedTerms::of(amended) };
        if self.end.is_some() { AmendedTerms { cancel_reason: None, ..terms } } else { terms }
    }

    /// Its end, once all of its trades were processed.
    fn ended(&self) -> Option<Happened> {
        let reason = self.end.filter(|_| self.left == 0)?;
        Some(Happened::Cancelled { order: self.order, quantity: self.remaining(), reason })
    }
}

/// Returns the change of one account's orders by the event at `index`.
fn happened_at(
    account: AccountId,
    part: &CommandEvents<'_>,
    index: usize,
    time: Timestamp,
    entered: &mut Option<Entered>,
    happened: &mut Vec<Happened>,
) {
    let CommandEvents { command, events, .. } = *part;
    let rest = &events[index + 1..];
    match &events[index] {
        Event::OrderPlaced(placed) => {
            let taker = Entered::placed(placed, rest);
            *entered = Some(taker);
            if placed.order.account == account {
                let cancel_reason = placed.cancel_reason.filter(|_| taker.end.is_none());
                let order = Order::placed(placed, &[], command, time);
                let order = Order { filled: taker.filled, status: taker.status(), cancel_reason, ..order };
                happened.push(Happened::Placed(Box::new(order)));
                happened.extend(taker.ended());
            }
        }
        Event::OrderAmended(amended) => {
            let taker = Entered::amended(amended, rest);
            *entered = Some(taker);
            if amended.account == account {
                happened.push(Happened::Amended(amended.order, taker.terms(amended)));
                happened.extend(taker.ended());
            }
        }
        Event::OrderRejected { id, order, code } if order.account == account => {
            let order = Order::rejected(*id, order, *code, command, time);
            happened.push(Happened::Rejected(Box::new(order), *code));
        }
        Event::OrderCancelled { order, account: owner, quantity, reason, .. } if *owner == account => {
            happened.push(Happened::Cancelled { order: *order, quantity: *quantity, reason: *reason });
        }
        Event::OrderReduced { order, account: owner, quantity, reason, .. } if *owner == account => {
            happened.push(Happened::Reduced { order: *order, quantity: *quantity, reason: *reason });
        }
        Event::Traded(trade) => fills(account, trade, entered.as_mut(), happened),
        _ => {}
    }
}

/// Returns one account's sides of a trade: none, one or both, the maker's first.
fn fills(account: AccountId, trade: &Trade, entered: Option<&mut Entered>, happened: &mut Vec<Happened>) {
    if trade.maker.account == account {
        let fill = Fill::of(trade, &trade.maker, TradeRole::Maker);
        let (order, remaining) = (trade.maker.order, trade.maker_remaining);
        happened.push(Happened::Filled { order, filled: None, remaining, fill });
    }
    // A trade always follows its taker's event.
    let Some(taker) = entered.filter(|taker| taker.order == trade.taker.order) else { return };
    taker.filled = taker.filled + trade.quantity;
    taker.left = taker.left.saturating_sub(1);
    if taker.account == account {
        let fill = Fill::of(trade, &trade.taker, TradeRole::Taker);
        let (filled, remaining) = (Some(taker.filled), taker.remaining());
        happened.push(Happened::Filled { order: taker.order, filled, remaining, fill });
        happened.extend(taker.ended());
    }
}

impl OrdersDelta {
    /// Returns about how many bytes its message has.
    pub fn bytes(&self) -> usize {
        CHANGE_BYTES * (self.happened.len() + 1)
    }

    /// Returns the message's text, completed from `tallies`, and updates these.
    pub fn told(&self, tallies: &mut Tallies) -> String {
        let changes = self.happened.iter().map(|happened| tallies.change(happened)).collect();
        protocol::orders_delta(&self.delta, OrderChanges { changes })
    }
}

/// The body of a delta.
#[derive(Serialize)]
pub struct OrderChanges {
    changes: Vec<Change>,
}

impl Tallies {
    /// A change with its cumulative totals.
    fn change(&mut self, happened: &Happened) -> Change {
        match happened {
            Happened::Placed(order) => {
                if self.0.len() < TALLIES_MAX {
                    self.0.insert(order.id, OrderTally::of(order));
                }
                Change::Placed { order: order.as_ref().clone() }
            }
            Happened::Rejected(order, rejection) => {
                Change::Rejected { order: order.as_ref().clone(), rejection: *rejection }
            }
            Happened::Filled { order, filled, remaining, fill } => self.fill(*order, *filled, *remaining, *fill),
            Happened::Cancelled { order, quantity, reason } => {
                let filled = self.0.remove(order).map(|tally| tally.filled.contracts());
                let (order_id, status, reason) = (*order, reason.status(), *reason);
                Change::Cancelled { order_id, status, filled, cancelled: *quantity, reason }
            }
            Happened::Amended(order, terms) => {
                if let Some(tally) = self.0.get_mut(order) {
                    tally.quantity = terms.quantity;
                }
                Change::Amended { order_id: *order, terms: terms.clone() }
            }
            Happened::Reduced { order, quantity: reduced, reason } => {
                let tally = self.0.get_mut(order).map(|tally| {
                    tally.quantity = tally.quantity - *reduced;
                    *tally
                });
                Change::Reduced {
                    order_id: *order,
                    quantity: tally.map(|tally| tally.quantity.contracts()),
                    filled: tally.map(|tally| tally.filled.contracts()),
                    remaining: tally.map(|tally| (tally.quantity - tally.filled).contracts()),
                    reduced: *reduced,
                    reason: *reason,
                }
            }
            Happened::Group(change) => change.clone(),
        }
    }

    fn fill(&mut self, order: OrderId, filled: Option<Quantity>, remaining: Quantity, fill: Fill) -> Change {
        let tally = self.0.get_mut(&order).map(|tally| {
            tally.filled = tally.filled + fill.quantity;
            tally.notional += fill.price.cost(fill.quantity);
            tally.fees += fill.fee;
            *tally
        });
        let status = if remaining.is_zero() { Status::Filled } else { Status::PartiallyFilled };
        if remaining.is_zero() {
            self.0.remove(&order);
        }
        let filled = filled.or_else(|| tally.map(|tally| tally.filled)).map(Quantity::contracts);
        let average_price =
            tally.and_then(|tally| average_price(tally.notional, tally.filled)).map(|price| price.to_string());
        let fees = tally.map(|tally| tally.fees.to_string());
        Change::Fill { order_id: order, status, filled, remaining, average_price, fees, fill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, amended, outcome, placed, trade};
    use schemas::Entry;
    use serde_json::{Value, json};

    const DELTA: Delta = Delta { shard: SHARD, sequence: 7, previous: 5, time: Timestamp(7) };

    /// The messages of an account without known orders.
    fn told(account: u64, outcome: &Outcome) -> Value {
        told_on(account, outcome, &mut Tallies::default())
    }

    fn told_on(account: u64, outcome: &Outcome, tallies: &mut Tallies) -> Value {
        let text = orders_delta(AccountId(account), false, outcome, &DELTA).told(tallies);
        serde_json::from_str::<Value>(&text).unwrap()["changes"].take()
    }

    #[test]
    fn an_account_is_told_of_its_own_side_only() {
        let maker = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_500, 6, 4);
        let outcome = outcome(7, vec![Event::OrderPlaced(taker), trade(9, &maker, &taker, 4, 6)]);
        let of = |account| -> Value { told(account, &outcome) };
        let makers = json!([{"kind": "FILL", "order_id": "1", "status": "PARTIALLY_FILLED", "filled": null, "remaining": 6,
            "average_price": null, "fees": null, "fill": {"trade_id": "9", "price": "0.5500", "quantity": 4, "fee": "0.000005", "role": "MAKER"}}]);
        assert_eq!(of(1), makers);
        let takers = of(2);
        assert_eq!((&takers[0]["kind"], &takers[0]["order"]["filled"]), (&json!("PLACED"), &json!(0)));
        assert_eq!((&takers[1]["kind"], &takers[1]["remaining"]), (&json!("FILL"), &json!(2)));
        assert_eq!(takers[1]["fill"]["price"], "0.4500");
        assert_eq!(of(3), json!([]));
    }

    #[test]
    fn an_order_that_was_parked_is_told_with_its_own_command() {
        let resting = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_500, 6, 4);
        let resumed = Event::Resumed { account: AccountId(2), ticket: 3, command: schemas::CommandId(5) };
        let events =
            vec![Event::OrderPlaced(resting), resumed, Event::OrderPlaced(taker), trade(9, &resting, &taker, 4, 6)];
        let of = |account, outcome: &Outcome| -> Value { told(account, outcome) };
        let outcome = outcome(7, events);
        let (cause, parked) = ("00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000005");
        let (makers, takers) = (of(1, &outcome), of(2, &outcome));
        assert_eq!((&makers[0]["order"]["command_id"], &makers[1]["fill"]["role"]), (&json!(cause), &json!("MAKER")));
        assert_eq!((&takers[0]["order"]["command_id"], &takers[0]["order"]["filled"]), (&json!(parked), &json!(0)));
        assert_eq!((&takers[1]["remaining"], &takers[1]["fees"]), (&json!(2), &json!("0.000005")));
    }

    #[test]
    fn an_amendment_is_told_before_its_fills_and_a_reduction_with_what_is_left() {
        let (maker, before) = (placed(1, Entry::BuyYes, 5_500, 4, 0), placed(2, Entry::BuyNo, 4_000, 10, 0));
        let contracts = |n| Quantity::new(n).unwrap();
        let mut after = amended(&before, 4_600, 9);
        (after.filled, after.status) = (contracts(4), Status::PartiallyFilled);
        let (order, account, market, entry, price) =
            (after.order, after.account, after.market, after.entry, after.price);
        let events = vec![
            Event::OrderAmended(after),
            trade(9, &maker, &before, 4, 0),
            Event::OrderReduced {
                order,
                account,
                market,
                entry,
                price,
                quantity: contracts(2),
                reason: CancelReason::ReduceOnly,
            },
        ];
        let changes = told(2, &outcome(7, events));
        assert_eq!(
            changes[0],
            json!({"kind": "AMENDED", "order_id": "2", "status": "ACTIVE", "price": "0.4600", "quantity": 9,
                   "filled": 0, "remaining": 9, "cancel_reason": null, "in_place": false})
        );
        assert_eq!((&changes[1]["kind"], &changes[1]["remaining"]), (&json!("FILL"), &json!(5)));
        assert_eq!(changes[1]["filled"], 4);
        assert_eq!(
            changes[2],
            json!({"kind": "REDUCED", "order_id": "2", "quantity": null, "filled": null, "remaining": null, "reduced": 2,
                   "reason": "REDUCE_ONLY"})
        );
    }

    #[test]
    fn each_fill_is_told_as_of_itself_and_an_end_behind_the_last() {
        let (one, two) = (placed(1, Entry::BuyYes, 5_500, 4, 0), placed(3, Entry::BuyYes, 5_400, 3, 0));
        let mut taker = placed(2, Entry::BuyNo, 4_600, 10, 7);
        (taker.status, taker.cancel_reason) = (Status::Cancelled, Some(CancelReason::SelfTrade));
        let events = vec![Event::OrderPlaced(taker), trade(8, &one, &taker, 4, 0), trade(9, &two, &taker, 3, 0)];
        let mut tallies = Tallies::default();
        let changes = told_on(2, &outcome(7, events), &mut tallies);
        let shown: Vec<_> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                let order = if change["order"].is_object() { &change["order"] } else { change };
                (change["kind"].clone(), order["status"].clone(), order["filled"].clone(), order["remaining"].clone())
            })
            .collect();
        let (active, partly) = (json!("ACTIVE"), json!("PARTIALLY_FILLED"));
        assert_eq!(
            shown,
            [
                (json!("PLACED"), active, json!(0), json!(10)),
                (json!("FILL"), partly.clone(), json!(4), json!(6)),
                (json!("FILL"), partly, json!(7), json!(3)),
                (json!("CANCELLED"), json!("CANCELLED"), json!(7), json!(null)),
            ]
        );
        assert_eq!(
            (&changes[3]["cancelled"], &changes[3]["reason"]),
            (&json!(3), &json!(CancelReason::SelfTrade.name()))
        );
        assert_eq!(
            (&changes[1]["average_price"], &changes[2]["average_price"]),
            (&json!("0.450000"), &json!("0.454286"))
        );
        assert_eq!(tallies, Tallies::default(), "an order that ended is forgotten");
    }

    #[test]
    fn a_resting_order_is_told_with_what_was_filled_of_it_before() {
        let (maker, taker) = (placed(1, Entry::BuyYes, 5_500, 10, 0), placed(2, Entry::BuyNo, 4_500, 4, 4));
        let mut tallies = Tallies::default();
        told_on(1, &outcome(5, vec![Event::OrderPlaced(maker)]), &mut tallies);
        for (sequence, filled, left) in [(6, 4, 6), (7, 8, 2)] {
            let events = vec![Event::OrderPlaced(taker), trade(sequence, &maker, &taker, 4, left)];
            let changes = told_on(1, &outcome(sequence, events), &mut tallies);
            assert_eq!((&changes[0]["filled"], &changes[0]["remaining"]), (&json!(filled), &json!(left)));
        }
        let (order, account, market, entry, price) =
            (maker.id, maker.order.account, maker.order.market, Entry::BuyYes, maker.price);
        let (quantity, reason) = (Quantity::new(1).unwrap(), CancelReason::SelfTrade);
        let reduced = Event::OrderReduced { order, account, market, entry, price, quantity, reason };
        let changes = told_on(1, &outcome(8, vec![reduced]), &mut tallies);
        assert_eq!(
            (&changes[0]["quantity"], &changes[0]["filled"], &changes[0]["remaining"]),
            (&json!(9), &json!(8), &json!(1))
        );
        let cancelled =
            Event::OrderCancelled { order, account, market, entry, price, quantity, reason: CancelReason::Requested };
        let changes = told_on(1, &outcome(9, vec![cancelled]), &mut tallies);
        assert_eq!((&changes[0]["filled"], &changes[0]["cancelled"]), (&json!(8), &json!(1)));
    }

    #[test]
    fn the_orders_that_a_session_knows_are_bounded_and_each_is_told() {
        let mut tallies = Tallies::default();
        let (placed, taker) = (placed(1, Entry::BuyYes, 5_500, 10, 0), placed(2, Entry::BuyNo, 4_500, 4, 4));
        for id in 0..TALLIES_MAX as u64 + 5 {
            let order = OrderPlaced { id: OrderId(id), ..placed };
            let changes = told_on(1, &outcome(5, vec![Event::OrderPlaced(order)]), &mut tallies);
            assert_eq!(changes[0]["order"]["order_id"], json!(OrderId(id).to_string()));
        }
        assert_eq!(tallies.0.len(), TALLIES_MAX);
        let mut filled = |order: u64| {
            let maker = OrderPlaced { id: OrderId(order), ..placed };
            let events = vec![Event::OrderPlaced(taker), trade(6, &maker, &taker, 4, 6)];
            told_on(1, &outcome(6, events), &mut tallies)[0].clone()
        };
        let (known, unknown) = (filled(0), filled(TALLIES_MAX as u64));
        assert_eq!((&known["filled"], &known["remaining"]), (&json!(4), &json!(6)));
        assert_eq!((&unknown["filled"], &unknown["remaining"]), (&Value::Null, &json!(6)));
    }
}
