//! What an outcome means to the client that asked. Pure.
//!
//!   submit ─▶ outcome ─▶ *answers* ─▶ HTTP

use schemas::event::{CancelReason, FirstOutcome};
use schemas::{Credits, Event, OrderId, Rejection};
use serde::Serialize;

use crate::http::problem::Problem;
use crate::shapes::{Fill, Order, fills_on_entry};
use crate::submit::Settled;

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

/// What became of an order; `None` if the outcome does not tell of one.
pub fn order(settled: &Settled) -> Option<OrderOutcome> {
    settled.outcome.events.iter().find_map(|event| match event {
        Event::OrderPlaced(placed) => {
            let fills = fills_on_entry(&settled.outcome, placed.id).collect();
            Some(OrderOutcome::Placed(Box::new(Order::placed(placed, &settled.outcome)), fills))
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
pub fn cancelled(settled: &Settled) -> Option<CancelAnswer> {
    settled.outcome.events.iter().find_map(|event| match event {
        Event::OrderCancelled { order, market, quantity, reason: CancelReason::Requested, .. } => Some(CancelAnswer {
            order_id: order.to_string(),
            market_id: market.to_string(),
            status: "CANCELLED",
            cancelled: quantity.contracts(),
            command_id: settled.outcome.cause.id.to_string(),
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

/// A deposit or withdrawal that was made, now or before.
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

/// The problem that an outcome without the wanted event tells of.
pub fn refusal(settled: &Settled) -> Problem {
    let code = settled.outcome.events.iter().find_map(|event| match event {
        Event::Rejected { code } | Event::OrderRejected { code, .. } => Some(*code),
        // The id stands for a request of another kind.
        Event::ClientIdRepeated { .. } => Some(Rejection::ClientIdReused),
        _ => None,
    });
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
    use crate::view::tests::{SHARD, outcome, placed, trade};
    use axum::http::StatusCode;
    use schemas::{AccountId, ClientId, Entry};
    use serde_json::json;

    fn settled(events: Vec<Event>) -> Settled {
        Settled { shard: SHARD, outcome: outcome(7, events) }
    }

    #[test]
    fn an_order_is_answered_with_its_own_fills() {
        let maker = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_600, 10, 7);
        let events = vec![
            Event::OrderFunded { id: taker.id, order: taker.order, held: Credits::whole(5) },
            Event::OrderPlaced(taker),
            trade(1, &maker, &taker, 4, 6),
            trade(2, &maker, &taker, 3, 3),
        ];
        let Some(OrderOutcome::Placed(order, fills)) = order(&settled(events)) else { panic!("not placed") };
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
            assert_eq!(order(&settled), Some(OrderOutcome::Refused(id, code)));
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
        assert_eq!(refusal(&withdrawal).kind().code, "client-id-reused");
    }

    #[test]
    fn a_refusal_names_command_and_position() {
        let refusal = refusal(&settled(vec![Event::Rejected { code: Rejection::OrderUnknown }]));
        assert_eq!(refusal.kind().status, StatusCode::NOT_FOUND);
        assert_eq!(refusal.body()["position"], "0:7");
        assert_eq!(refusal.body()["command_id"], "00000000-0000-0000-0000-000000000007");
    }
}
