//! What an outcome means to the client that sent the request. Pure.
//!
//!   submit ─▶ outcome ─▶ *answers* ─▶ HTTP
//!
//! Every function returns `None` if the events contain no answer yet: the request may be parked, or
//! in progress on another shard.

use std::borrow::Cow;

use schemas::answers::parts;
use schemas::event::{CancelReason, FirstOutcome, OrderAmended};
use schemas::{
    AccountId, AdminId, ClientId, CommandId, Credits, Event, MarketId, NewOrder, OrderId, OrderRef, Price, ProposalId,
    PurseInstruction, Quantity, Rejection, Seconded, Terms, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::command_result::{CommandResult, OrderName, ResultPart};
use crate::http::problem::Problem;
use crate::openapi::scalars::{
    CancelReasonText, CommandIdText, ContractsNumber, MarketIdText, OrderIdText, PriceText, StatusName, TickerText,
};
use crate::shapes::{Fill, Order, fills_of_taker, number, text, text_or_null};

/// The most fills in one answer; `/v1/fills` serves the rest.
pub const FILLS_SHOWN: usize = 100;

/// The outcome of an order request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderOutcome {
    /// The order was accepted. `true` if an earlier request placed it and this one repeats that.
    Placed(Box<Order>, Vec<Fill>, bool),
    /// The order was rejected; the flag as above.
    Refused(OrderId, Rejection, bool),
    /// An earlier request placed the order. The read models have its state.
    Known(OrderId),
}

impl OrderOutcome {
    /// Marks the answer as that of a repeated request.
    pub fn repeated(self) -> Self {
        match self {
            Self::Placed(order, fills, _) => Self::Placed(order, fills, true),
            Self::Refused(id, code, _) => Self::Refused(id, code, true),
            Self::Known(id) => Self::Known(id),
        }
    }
}

/// Finds what became of an order.
pub fn order(told: &ResultPart<'_>) -> Option<OrderOutcome> {
    let repeated = told.settled.is_repeat();
    told.events.iter().enumerate().find_map(|(index, event)| match event {
        Event::OrderPlaced(placed) => {
            let rest = &told.events[index + 1..];
            let fills = fills_of_taker(rest, placed.id).take(FILLS_SHOWN).collect();
            let order = Order::placed(placed, rest, told.settled.command, told.settled.outcome.time);
            Some(OrderOutcome::Placed(Box::new(order), fills, repeated))
        }
        Event::OrderRejected { id, code, .. } => Some(OrderOutcome::Refused(*id, *code, repeated)),
        Event::ClientIdRepeated { first: FirstOutcome::Order { id }, .. } => Some(OrderOutcome::Known(*id)),
        Event::ClientIdRepeated { first: FirstOutcome::OrderRejected { id, code }, .. } => {
            Some(OrderOutcome::Refused(*id, *code, true))
        }
        _ => None,
    })
}

/// An order in an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct OrderAnswer {
    #[serde(flatten)]
    order: Order,
    #[schema(value_type = Option<TickerText>, required)]
    ticker: Option<String>,
    /// Its first fills, at most 100; `/v1/fills` has all.
    fills: Vec<Fill>,
    /// True if an earlier request with this client id placed it.
    repeated: bool,
}

impl OrderAnswer {
    /// Creates the answer from an order and its fills.
    pub fn new(order: Order, ticker: Option<String>, mut fills: Vec<Fill>, repeated: bool) -> Self {
        fills.truncate(FILLS_SHOWN);
        Self { order, ticker, fills, repeated }
    }
}

/// Finds what a cancel ended: the remainder of a live order, or a parked one.
pub fn cancelled(told: &ResultPart<'_>, order: OrderRef) -> Option<CancelAnswer> {
    told.events.iter().find_map(|event| match event {
        Event::OrderCancelled { order, market, quantity, reason: CancelReason::Requested, .. } => {
            Some(CancelAnswer::new(told, Some(*order), *market, Some(*quantity)))
        }
        Event::ParkedCancelled { command, .. } => {
            let OrderRef::ClientId { market, client_id } = order else { return None };
            let ended = refused_while_parked(told.settled, *command, (market, client_id));
            let (id, quantity) = ended.map(|(id, order)| (id, asked_for(order))).unzip();
            Some(CancelAnswer::new(told, id, market, quantity))
        }
        _ => None,
    })
}

/// Finds the parked order with this name in the rejection that answers its command in the same
/// outcome.
fn refused_while_parked(
    settled: &CommandResult,
    command: CommandId,
    (market, client_id): OrderName,
) -> Option<(OrderId, &NewOrder)> {
    let mut of_command = parts(&settled.outcome).filter(|part| part.command == command);
    of_command.find_map(|part| {
        part.events.iter().find_map(|event| match event {
            Event::OrderRejected { id, order, code: Rejection::CancelledWhileParked } => {
                let named = (order.market, order.client_id) == (market, Some(client_id));
                named.then_some((*id, order))
            }
            _ => None,
        })
    })
}

/// Returns the number of contracts that an order asks for; `None` if it has a budget instead.
fn asked_for(order: &NewOrder) -> Quantity {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}

/// A cancelled order in an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CancelAnswer {
    /// The order; null if it is not known.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<OrderIdText>, required)]
    order_id: Option<OrderId>,
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Contracts that were not filled; 0 for an order with a budget, null if not known.
    #[schema(value_type = Option<ContractsNumber>, required)]
    cancelled: Option<u32>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

impl CancelAnswer {
    fn new(told: &ResultPart<'_>, order_id: Option<OrderId>, market_id: MarketId, quantity: Option<Quantity>) -> Self {
        let (cancelled, command_id) = (quantity.map(Quantity::contracts), told.settled.command.to_string());
        Self { order_id, market_id, status: "CANCELLED", cancelled, command_id }
    }
}

/// Finds what an amendment made of an order.
pub fn amended(told: &ResultPart<'_>) -> Option<AmendAnswer> {
    told.events.iter().enumerate().find_map(|(index, event)| match event {
        Event::OrderAmended(amended) => {
            let rest = &told.events[index + 1..];
            let fills = fills_of_taker(rest, amended.order).take(FILLS_SHOWN).collect();
            Some(AmendAnswer {
                order_id: amended.order.to_string(),
                market_id: amended.market.to_string(),
                terms: AmendedTerms::of(amended),
                fills,
                command_id: told.settled.command.to_string(),
            })
        }
        _ => None,
    })
}

/// An amended order in an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AmendAnswer {
    #[schema(value_type = OrderIdText)]
    order_id: String,
    #[schema(value_type = MarketIdText)]
    market_id: String,
    #[serde(flatten)]
    terms: AmendedTerms,
    /// The first fills of the amendment, at most 100.
    fills: Vec<Fill>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// The state of an amended order. The price is the contract's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AmendedTerms {
    /// Status.
    #[schema(value_type = StatusName)]
    pub status: &'static str,
    /// Price.
    #[serde(serialize_with = "text")]
    #[schema(value_type = PriceText)]
    pub price: Price,
    /// Contracts in total.
    #[serde(serialize_with = "number")]
    #[schema(value_type = ContractsNumber)]
    pub quantity: Quantity,
    /// Contracts filled.
    #[serde(serialize_with = "number")]
    #[schema(value_type = ContractsNumber)]
    pub filled: Quantity,
    /// Contracts that rest in the book.
    #[serde(serialize_with = "number")]
    #[schema(value_type = ContractsNumber)]
    pub remaining: Quantity,
    /// Why the order ended with a remainder, if it did.
    #[schema(value_type = Option<CancelReasonText>, required)]
    pub cancel_reason: Option<Cow<'static, str>>,
    /// True if the order kept its place in the queue.
    pub in_place: bool,
}

impl AmendedTerms {
    /// Copies the event's fields.
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

/// A completed withdrawal or transfer, made by this request or by the one that it repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The amount.
    pub amount: Credits,
    /// The admin who made it; `None` for a transfer, and for a repeat, which only knows the result.
    pub by: Option<AdminId>,
    /// True if the request repeats an earlier one.
    pub repeated: bool,
}

/// The result of a deposit request, made by this request or by the one that it repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deposit {
    /// The credits were deposited.
    Made {
        /// The amount.
        amount: Credits,
        /// The client's own name for it.
        client_id: Option<ClientId>,
        /// The admin who made or proposed it; `None` for a repeat, which only knows the result.
        by: Option<AdminId>,
        /// The second admin's confirmation, if one was needed and this is not a repeat.
        seconded: Option<Seconded>,
        /// True if the request repeats an earlier one.
        repeated: bool,
    },
    /// The deposit waits for a second admin.
    Proposed {
        /// The proposal's id.
        proposal: ProposalId,
        /// The amount.
        amount: Credits,
        /// The admin who proposed it; `None` for a repeat.
        by: Option<AdminId>,
        /// When the proposal expires; `None` for a repeat.
        expires: Option<Timestamp>,
        /// True if the request repeats an earlier one.
        repeated: bool,
    },
}

/// Finds what became of a deposit.
pub fn deposited(told: &ResultPart<'_>) -> Option<Deposit> {
    told.events.iter().find_map(|event| match *event {
        Event::Deposited { amount, client_id, by, seconded, .. } => {
            Some(Deposit::Made { amount, client_id, by: Some(by), seconded, repeated: false })
        }
        Event::DepositProposed { proposal, amount, by, expires, .. } => {
            Some(Deposit::Proposed { proposal, amount, by: Some(by), expires: Some(expires), repeated: false })
        }
        Event::ClientIdRepeated { client_id, first: FirstOutcome::Deposit { amount }, .. } => {
            let client_id = Some(client_id);
            Some(Deposit::Made { amount, client_id, by: None, seconded: None, repeated: true })
        }
        Event::ClientIdRepeated { first: FirstOutcome::DepositProposed { proposal, amount }, .. } => {
            Some(Deposit::Proposed { proposal, amount, by: None, expires: None, repeated: true })
        }
        _ => None,
    })
}

/// Finds what became of a withdrawal.
pub fn withdrawn(told: &ResultPart<'_>) -> Option<Moved> {
    told.events.iter().find_map(|event| match event {
        Event::Withdrawn { amount, by, .. } => {
            Some(Moved { amount: *amount, by: Some(*by), repeated: told.settled.is_repeat() })
        }
        Event::ClientIdRepeated { first: FirstOutcome::Withdrawal { amount }, .. } => {
            Some(Moved { amount: *amount, by: None, repeated: true })
        }
        _ => None,
    })
}

/// Finds what became of a transfer to this account. The first request is answered by the shard that
/// received the credits. A repeat may be answered by the sender's home, because it may have missed
/// that outcome.
pub fn transferred(told: &ResultPart<'_>, receiver: AccountId) -> Option<Moved> {
    let repeated = told.settled.is_repeat();
    told.events.iter().find_map(|event| match event {
        Event::TransferReceived { to, amount, .. } if *to == receiver => {
            Some(Moved { amount: *amount, by: None, repeated })
        }
        Event::TransferCompleted { to, amount, .. } if repeated && *to == receiver => {
            Some(Moved { amount: *amount, by: None, repeated })
        }
        Event::ClientIdRepeated { first: FirstOutcome::Transfer { to, amount }, .. } if *to == receiver => {
            Some(Moved { amount: *amount, by: None, repeated: true })
        }
        _ => None,
    })
}

/// Finds the instruction that every shard with a purse of the account has carried out.
pub fn instructed(told: &ResultPart<'_>) -> Option<PurseInstruction> {
    told.events.iter().find_map(|event| match event {
        Event::InstructionCompleted { instruction, .. } => Some(*instruction),
        _ => None,
    })
}

/// Finds the rejection that answers the request.
pub fn refusal(told: &ResultPart<'_>) -> Option<Problem> {
    let repeats = told.settled.is_repeat();
    let (code, repeated) = told.events.iter().find_map(|event| match event {
        Event::Rejected { code }
        | Event::CancelRejected { code, .. }
        | Event::AmendRejected { code, .. }
        | Event::TransferReturned { code, .. } => Some((*code, repeats)),
        Event::ClientIdRepeated { first: FirstOutcome::Parked { .. }, .. } => None,
        Event::ClientIdRepeated { first: FirstOutcome::TransferRefused { code, .. }, .. } => Some((*code, true)),
        // The id belongs to a request of another kind.
        Event::ClientIdRepeated { .. } => Some((Rejection::ClientIdReused, repeats)),
        _ => None,
    })?;
    let problem = Problem::rejection(code).at(told.settled.at()).command(told.settled.command);
    Some(if repeated { problem.repeated() } else { problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_result::tests::{named, repeats, resumed, settled, settled_of};
    use crate::view::tests::{SHARD, amended as moved, outcome, placed, trade};
    use axum::http::StatusCode;
    use schemas::{AdminId, ClientId, Entry, Status};
    use serde_json::json;

    const FIRST: CommandId = CommandId(5);

    fn told(events: Vec<Event>) -> CommandResult {
        settled(SHARD, outcome(7, events))
    }

    /// The result of the command that is repeated.
    fn told_of_first(events: impl IntoIterator<Item = Event>) -> CommandResult {
        let events = std::iter::once(resumed(FIRST.0)).chain(events).collect();
        settled_of(SHARD, outcome(8, events), CommandId(7), FIRST)
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
            // Another request of the same batch changed the order; that is not this item's result.
            Event::BatchItem { index: 1 },
            trade(3, &maker, &taker, 1, 2),
        ];
        let Some(OrderOutcome::Placed(order, fills, false)) = order(&told(events).told()) else { panic!("not placed") };
        let answer = OrderAnswer::new(*order, Some("RAIN".to_owned()), fills, false);
        let shown = serde_json::to_value(answer).unwrap();
        assert_eq!((&shown["filled"], &shown["remaining"]), (&json!(7), &json!(3)));
        assert_eq!((&shown["average_price"], &shown["fees"]), (&json!("0.450000"), &json!("0.000010")));
        assert_eq!(shown["fills"].as_array().unwrap().len(), 2);
        assert_eq!((&shown["order_id"], &shown["ticker"]), (&json!("2"), &json!("RAIN")));
    }

    #[test]
    fn a_parked_order_has_no_answer_until_it_is_decided() {
        let order_asked = named(2, 99);
        let parked = told(vec![crate::command_result::tests::parked(7, &order_asked)]);
        assert_eq!((order(&parked.told()), refusal(&parked.told()).is_none()), (None, true));
        let repeated = told(vec![repeats(FIRST.0, 99)]);
        assert_eq!((order(&repeated.told()), refusal(&repeated.told()).is_none()), (None, true));
        let Some(OrderOutcome::Placed(answer, _, true)) =
            order(&told_of_first([Event::OrderPlaced(order_asked)]).told())
        else {
            panic!("not placed")
        };
        assert_eq!(answer.command, FIRST);
        let (id, order_asked, code) = (order_asked.id, order_asked.order, Rejection::FundingTimeout);
        let refused = told_of_first([Event::OrderRejected { id, order: order_asked, code }]);
        assert_eq!(order(&refused.told()), Some(OrderOutcome::Refused(id, code, true)));
    }

    #[test]
    fn a_repeat_leads_to_the_first_outcome_or_to_a_refusal() {
        let repeated =
            |first| told(vec![Event::ClientIdRepeated { account: AccountId(1), client_id: ClientId(2), first }]);
        let (id, code, amount) = (OrderId(9), Rejection::MarketNotOpen, Credits::whole(3));
        assert_eq!(order(&repeated(FirstOutcome::Order { id }).told()), Some(OrderOutcome::Known(id)));
        let refused = repeated(FirstOutcome::OrderRejected { id, code });
        assert_eq!(order(&refused.told()), Some(OrderOutcome::Refused(id, code, true)));
        let deposit = repeated(FirstOutcome::Deposit { amount });
        let client_id = Some(ClientId(2));
        let made = Deposit::Made { amount, client_id, by: None, seconded: None, repeated: true };
        assert_eq!(deposited(&deposit.told()), Some(made));
        let proposal = ProposalId(5);
        let waits = repeated(FirstOutcome::DepositProposed { proposal, amount });
        let proposed = Deposit::Proposed { proposal, amount, by: None, expires: None, repeated: true };
        assert_eq!(deposited(&waits.told()), Some(proposed));
        let withdrawal = repeated(FirstOutcome::Withdrawal { amount });
        assert_eq!(deposited(&withdrawal.told()), None);
        assert_eq!(refusal(&withdrawal.told()).unwrap().kind().code, "client-id-reused");
    }

    #[test]
    fn a_refusal_names_command_and_position() {
        let refusal_of = |settled: &CommandResult| refusal(&settled.told()).unwrap().body();
        let refused = refusal_of(&told(vec![Event::Rejected { code: Rejection::OrderUnknown }]));
        assert_eq!(refused["status"], StatusCode::NOT_FOUND.as_u16());
        assert_eq!((&refused["position"], &refused["repeated"]), (&json!("0:7"), &json!(null)));
        assert_eq!(refused["command_id"], "00000000-0000-0000-0000-000000000007");
        let repeated = refusal_of(&told_of_first([Event::Rejected { code: Rejection::FundsInsufficient }]));
        assert_eq!((&repeated["position"], &repeated["repeated"]), (&json!("0:8"), &json!(true)));
        assert_eq!(repeated["command_id"], "00000000-0000-0000-0000-000000000005");
    }

    #[test]
    fn an_amendment_is_answered_with_its_own_terms_and_fills() {
        let (maker, before) = (placed(1, Entry::BuyYes, 5_500, 10, 0), placed(2, Entry::BuyNo, 4_000, 10, 0));
        let contracts = |n| Quantity::new(n).unwrap();
        let after = OrderAmended { filled: contracts(4), status: Status::PartiallyFilled, ..moved(&before, 4_600, 9) };
        let events = vec![Event::OrderAmended(after), trade(1, &maker, &before, 4, 6)];
        let shown = serde_json::to_value(amended(&told(events).told()).unwrap()).unwrap();
        assert_eq!((&shown["price"], &shown["remaining"]), (&json!("0.4600"), &json!(5)));
        assert_eq!((&shown["in_place"], &shown["fills"][0]["price"]), (&json!(false), &json!("0.4500")));
        let (account, order, code) = (AccountId(2), OrderRef::Id(before.id), Rejection::QuantityFilled);
        let refused = told(vec![Event::AmendRejected { account, order, code }]);
        assert_eq!(amended(&refused.told()), None);
        assert_eq!(refusal(&refused.told()).unwrap().kind().code, "quantity-filled");
    }

    #[test]
    fn a_parked_order_is_cancelled_by_its_name_and_its_refusal_tells_the_id() {
        let (parked, other) = (named(2, 99), named(3, 98));
        let (account, ticket, market) = (AccountId(1), 3, parked.order.market);
        let by_name = OrderRef::ClientId { market, client_id: ClientId(99) };
        let ended = Event::ParkedCancelled { account, ticket, command: FIRST };
        let refused = |placed: schemas::event::OrderPlaced| {
            let (id, order, code) = (placed.id, placed.order, Rejection::CancelledWhileParked);
            Event::OrderRejected { id, order, code }
        };
        let shown = |events: Vec<Event>, order| {
            let answer = cancelled(&told(events).told(), order);
            serde_json::to_value(answer).unwrap()
        };
        let told_of_both = vec![ended.clone(), resumed(FIRST.0), refused(other), refused(parked)];
        assert_eq!(
            shown(told_of_both.clone(), by_name),
            json!({"order_id": "2", "market_id": market.to_string(), "status": "CANCELLED", "cancelled": 10,
                   "command_id": "00000000-0000-0000-0000-000000000007"})
        );
        assert_eq!(shown(vec![ended], by_name)["order_id"], json!(null));
        assert_eq!(shown(told_of_both, OrderRef::Id(parked.id)), json!(null));
    }

    #[test]
    fn a_transfer_is_done_when_it_was_received_and_refused_when_it_came_back() {
        let (from, to, amount) = (AccountId(1), AccountId(2), Credits::whole(3));
        let (name, code) = (ClientId(2), Rejection::AccountUnknown);
        let client_id = Some(name);
        let sent = Event::TransferSent { from, to, amount, client_id };
        let received = Event::TransferReceived { from, to, amount, client_id };
        let moved = |repeated| Some(Moved { amount, by: None, repeated });
        assert_eq!(transferred(&told(vec![sent.clone()]).told(), to), None);
        assert_eq!(transferred(&told(vec![sent.clone(), received.clone()]).told(), to), moved(false));
        assert_eq!(transferred(&told(vec![received.clone()]).told(), from), None);
        let returned = Event::TransferReturned { from, to, amount, client_id, code };
        for (settled, repeated) in
            [(told(vec![returned.clone()]), json!(null)), (told_of_first([sent.clone(), returned]), json!(true))]
        {
            assert_eq!(transferred(&settled.told(), to), None);
            let refusal = refusal(&settled.told()).unwrap();
            assert_eq!((refusal.kind().code, &refusal.body()["repeated"]), ("account-unknown", &repeated));
        }
        // The shard that received the credits answers the first request. A repeat may be too late
        // for that outcome.
        let completed = Event::TransferCompleted { from, to, amount, client_id: name };
        assert_eq!(transferred(&told(vec![completed.clone()]).told(), to), None);
        assert_eq!(transferred(&told_of_first([completed]).told(), to), moved(true));
        assert_eq!(transferred(&told_of_first([received]).told(), to), moved(true));
        assert_eq!(transferred(&told_of_first([sent]).told(), to), None);
    }

    #[test]
    fn a_repeat_of_a_transfer_is_told_what_became_of_the_first() {
        let (account, to, amount, client_id) = (AccountId(1), AccountId(2), Credits::whole(3), ClientId(2));
        let repeats = |first| told(vec![Event::ClientIdRepeated { account, client_id, first }]);
        let received = repeats(FirstOutcome::Transfer { to, amount });
        assert_eq!(transferred(&received.told(), to), Some(Moved { amount, by: None, repeated: true }));
        assert_eq!(transferred(&received.told(), AccountId(3)), None);
        let under_way = repeats(FirstOutcome::Parked { command: FIRST });
        assert_eq!((transferred(&under_way.told(), to), refusal(&under_way.told()).is_none()), (None, true));
        let refused = repeats(FirstOutcome::TransferRefused { to, amount, code: Rejection::WalletLimit });
        assert_eq!(transferred(&refused.told(), to), None);
        let refused = refusal(&refused.told()).unwrap();
        assert_eq!((refused.kind().code, &refused.body()["repeated"]), ("wallet-limit", &json!(true)));
    }

    #[test]
    fn an_instruction_is_done_when_every_shard_has_done_it() {
        let (account, by) = (AccountId(1), AdminId(4));
        let instruction = PurseInstruction::Freeze { by };
        assert_eq!(instructed(&told(vec![Event::AccountFrozen { account, by }]).told()), None);
        let completed =
            vec![Event::AccountFrozen { account, by }, Event::InstructionCompleted { account, instruction }];
        assert_eq!(instructed(&told(completed).told()), Some(instruction));
    }
}
