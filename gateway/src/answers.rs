//! What an outcome means to the client that asked. Pure.
//!
//!   submit ─▶ outcome ─▶ *answers* ─▶ HTTP

use schemas::event::{CancelReason, FirstOutcome, OrderAmended};
use schemas::{AccountId, Credits, Event, OrderId, Price, Quantity, Rejection};
use serde::Serialize;

use crate::http::problem::Problem;
use crate::shapes::{Fill, Order, fills_of_taker, number, text};
use crate::submit::{Settled, Told};

/// Fills that one answer lists; the rest is served by `/v1/fills`.
pub const FILLS_SHOWN: usize = 100;

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderOutcome {
    /// It was taken in.
    Placed(Box<Order>, Vec<Fill>),
    /// It was refused.
    Refused(OrderId, Rejection),
    /// It had been sent before.
    Repeated(FirstOutcome),
}

/// What became of an order; `None` if it is not told of one.
pub fn order(told: &Told<'_>) -> Option<OrderOutcome> {
    told.events.iter().enumerate().find_map(|(index, event)| match event {
        Event::OrderPlaced(placed) => {
            let rest = &told.events[index + 1..];
            let fills = fills_of_taker(rest, placed.id).take(FILLS_SHOWN).collect();
            Some(OrderOutcome::Placed(Box::new(Order::placed(placed, rest, &told.settled.outcome)), fills))
        }
        Event::OrderRejected { id, code, .. } => Some(OrderOutcome::Refused(*id, *code)),
        Event::ClientIdRepeated { first, .. } => Some(OrderOutcome::Repeated(*first)),
        _ => None,
    })
}

/// An order as it is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrderAnswer {
    #[serde(flatten)]
    order: Order,
    ticker: Option<String>,
    fills: Vec<Fill>,
    repeated: bool,
}

impl OrderAnswer {
    /// An order with its fills.
    pub fn new(order: Order, ticker: Option<String>, mut fills: Vec<Fill>, repeated: bool) -> Self {
        fills.truncate(FILLS_SHOWN);
        Self { order, ticker, fills, repeated }
    }
}

/// The remainder that a cancel ended.
pub fn cancelled(told: &Told<'_>) -> Option<CancelAnswer> {
    told.events.iter().find_map(|event| match event {
        Event::OrderCancelled { order, market, quantity, reason: CancelReason::Requested, .. } => Some(CancelAnswer {
            order_id: order.to_string(),
            market_id: market.to_string(),
            status: "CANCELLED",
            cancelled: quantity.contracts(),
            command_id: told.settled.outcome.cause.id.to_string(),
        }),
        _ => None,
    })
}

/// An order that was cancelled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CancelAnswer {
    order_id: String,
    market_id: String,
    status: &'static str,
    cancelled: u32,
    command_id: String,
}

/// What an amendment made of an order.
pub fn amended(told: &Told<'_>) -> Option<AmendAnswer> {
    told.events.iter().enumerate().find_map(|(index, event)| match event {
        Event::OrderAmended(amended) => {
            let rest = &told.events[index + 1..];
            let fills = fills_of_taker(rest, amended.order).take(FILLS_SHOWN).collect();
            Some(AmendAnswer {
                order_id: amended.order.to_string(),
                market_id: amended.market.to_string(),
                terms: AmendedTerms::of(amended),
                fills,
                command_id: told.settled.outcome.cause.id.to_string(),
            })
        }
        _ => None,
    })
}

/// An order that was amended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AmendAnswer {
    order_id: String,
    market_id: String,
    #[serde(flatten)]
    terms: AmendedTerms,
    fills: Vec<Fill>,
    command_id: String,
}

/// Where an amended order stands. The price is the contract's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AmendedTerms {
    status: &'static str,
    #[serde(serialize_with = "text")]
    price: Price,
    #[serde(serialize_with = "number")]
    quantity: Quantity,
    #[serde(serialize_with = "number")]
    filled: Quantity,
    #[serde(serialize_with = "number")]
    remaining: Quantity,
    cancel_reason: Option<&'static str>,
    in_place: bool,
}

impl AmendedTerms {
    /// As the event says.
    pub fn of(amended: &OrderAmended) -> Self {
        Self {
            status: amended.status.name(),
            price: amended.entry.book_price(amended.price),
            quantity: amended.quantity,
            filled: amended.filled,
            remaining: amended.resting(),
            cancel_reason: amended.cancel_reason.map(CancelReason::name),
            in_place: amended.in_place,
        }
    }
}

/// A deposit, withdrawal or transfer that was made, now or before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// How much.
    pub amount: Credits,
    /// True if the request had been sent before.
    pub repeated: bool,
}

/// What became of a deposit.
pub fn deposited(settled: &Settled) -> Option<Moved> {
    settled.outcome.events.iter().find_map(|event| match event {
        Event::Deposited { amount, .. } => Some(Moved { amount: *amount, repeated: false }),
        Event::ClientIdRepeated { first: FirstOutcome::Deposit { amount }, .. } => {
            Some(Moved { amount: *amount, repeated: true })
        }
        _ => None,
    })
}

/// What became of a withdrawal.
pub fn withdrawn(settled: &Settled) -> Option<Moved> {
    settled.outcome.events.iter().find_map(|event| match event {
        Event::Withdrawn { amount, .. } => Some(Moved { amount: *amount, repeated: false }),
        Event::ClientIdRepeated { first: FirstOutcome::Withdrawal { amount }, .. } => {
            Some(Moved { amount: *amount, repeated: true })
        }
        _ => None,
    })
}

/// What became of a transfer to this account.
pub fn transferred(settled: &Settled, receiver: AccountId) -> Option<Moved> {
    settled.outcome.events.iter().find_map(|event| match event {
        Event::TransferReceived { amount, .. } => Some(Moved { amount: *amount, repeated: false }),
        Event::ClientIdRepeated { first: FirstOutcome::Transfer { to, amount }, .. } if *to == receiver => {
            Some(Moved { amount: *amount, repeated: true })
        }
        _ => None,
    })
}

/// The problem that something without the wanted event tells of.
pub fn refusal(told: &Told<'_>) -> Problem {
    let code = told.events.iter().find_map(|event| match event {
        Event::Rejected { code }
        | Event::OrderRejected { code, .. }
        | Event::CancelRejected { code, .. }
        | Event::AmendRejected { code, .. }
        | Event::TransferReturned { code, .. } => Some(*code),
        // The id stands for a request of another kind.
        Event::ClientIdRepeated { .. } => Some(Rejection::ClientIdReused),
        _ => None,
    });
    let settled = told.settled;
    let problem = code.map_or_else(|| unexpected(settled), Problem::rejection);
    problem.at(settled.at()).command(settled.outcome.cause.id)
}

/// An engine of a later version may tell what this gateway does not know.
fn unexpected(settled: &Settled) -> Problem {
    tracing::error!(command = %settled.outcome.cause.id, events = ?settled.outcome.events, "an outcome is not understood");
    Problem::new(crate::http::problem::kinds::INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, amended as moved, outcome, placed, trade};
    use axum::http::StatusCode;
    use schemas::{ClientId, Entry, OrderRef, Status};
    use serde_json::json;

    fn settled(events: Vec<Event>) -> Settled {
        Settled { shard: SHARD, outcome: outcome(7, events) }
    }

    #[test]
    fn an_order_is_answered_with_its_own_fills() {
        let maker = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_600, 10, 7);
        let events = vec![
            Event::BatchItem { index: 0 },
            Event::OrderPlaced(taker),
            trade(1, &maker, &taker, 4, 6),
            trade(2, &maker, &taker, 3, 3),
            // What another request of the same batch did to the order is not its own entry's.
            Event::BatchItem { index: 1 },
            trade(3, &maker, &taker, 1, 2),
        ];
        let Some(OrderOutcome::Placed(order, fills)) = order(&settled(events).told()) else { panic!("not placed") };
        let answer = OrderAnswer::new(*order, Some("RAIN".to_owned()), fills, false);
        let shown = serde_json::to_value(answer).unwrap();
        assert_eq!((&shown["filled"], &shown["remaining"]), (&json!(7), &json!(3)));
        assert_eq!((&shown["average_price"], &shown["fees"]), (&json!("0.450000"), &json!("0.000010")));
        assert_eq!(shown["fills"].as_array().unwrap().len(), 2);
        assert_eq!((&shown["order_id"], &shown["ticker"]), (&json!("2"), &json!("RAIN")));
    }

    #[test]
    fn both_homes_refuse_in_the_same_way() {
        let placed = placed(2, Entry::BuyYes, 5_000, 1, 0);
        let (id, order_asked, code) = (placed.id, placed.order, Rejection::MarketNotOpen);
        let at_accounts = settled(vec![Event::OrderRejected { id, order: order_asked, code }]);
        let received = Event::Received { from: SHARD, number: 1 };
        let at_markets = settled(vec![received, Event::OrderRejected { id, order: order_asked, code }]);
        for settled in [at_accounts, at_markets] {
            assert_eq!(order(&settled.told()), Some(OrderOutcome::Refused(id, code)));
        }
    }

    #[test]
    fn a_repeat_leads_to_the_first_outcome_or_to_a_refusal() {
        let repeated =
            |first| settled(vec![Event::ClientIdRepeated { account: AccountId(1), client_id: ClientId(2), first }]);
        let amount = Credits::whole(3);
        assert_eq!(deposited(&repeated(FirstOutcome::Deposit { amount })), Some(Moved { amount, repeated: true }));
        let withdrawal = repeated(FirstOutcome::Withdrawal { amount });
        assert_eq!(deposited(&withdrawal), None);
        assert_eq!(refusal(&withdrawal.told()).kind().code, "client-id-reused");
    }

    #[test]
    fn a_refusal_names_command_and_position() {
        let refusal = refusal(&settled(vec![Event::Rejected { code: Rejection::OrderUnknown }]).told());
        assert_eq!(refusal.kind().status, StatusCode::NOT_FOUND);
        assert_eq!(refusal.body()["position"], "0:7");
        assert_eq!(refusal.body()["command_id"], "00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn an_amendment_is_answered_with_its_own_terms_and_fills() {
        let (maker, before) = (placed(1, Entry::BuyYes, 5_500, 10, 0), placed(2, Entry::BuyNo, 4_000, 10, 0));
        let contracts = |n| Quantity::new(n).unwrap();
        let after = OrderAmended { filled: contracts(4), status: Status::PartiallyFilled, ..moved(&before, 4_600, 9) };
        let events = vec![Event::OrderAmended(after), trade(1, &maker, &before, 4, 6)];
        let shown = serde_json::to_value(amended(&settled(events).told()).unwrap()).unwrap();
        assert_eq!((&shown["price"], &shown["remaining"]), (&json!("0.4600"), &json!(5)));
        assert_eq!((&shown["in_place"], &shown["fills"][0]["price"]), (&json!(false), &json!("0.4500")));
        let (account, order, code) = (AccountId(2), OrderRef::Id(before.id), Rejection::QuantityFilled);
        let refused = settled(vec![Event::AmendRejected { account, order, code }]);
        assert_eq!(amended(&refused.told()), None);
        assert_eq!(refusal(&refused.told()).kind().code, "quantity-filled");
    }

    #[test]
    fn a_transfer_is_done_when_it_was_received_and_refused_when_it_came_back() {
        let (from, to, amount) = (AccountId(1), AccountId(2), Credits::whole(3));
        let received = settled(vec![Event::TransferReceived { from, to, amount }]);
        assert_eq!(transferred(&received, to), Some(Moved { amount, repeated: false }));
        let code = Rejection::AccountUnknown;
        let returned = settled(vec![Event::TransferReturned { from, to, amount, code }]);
        assert_eq!(transferred(&returned, to), None);
        assert_eq!(refusal(&returned.told()).kind().code, "account-unknown");
        let (client_id, first) = (ClientId(2), FirstOutcome::Transfer { to, amount });
        let repeated = settled(vec![Event::ClientIdRepeated { account: from, client_id, first }]);
        assert_eq!(transferred(&repeated, to), Some(Moved { amount, repeated: true }));
        assert_eq!(transferred(&repeated, AccountId(3)), None);
    }
}
