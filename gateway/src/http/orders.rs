//! Placing, amending and cancelling single orders.

use std::time::Duration;

use axum::extract::State;
use schemas::event::FirstOutcome;
use schemas::ids::Coordinate;
use schemas::{AccountId, Command, CommandId, OrderId, OrderRef, Price, Quantity, Rejection};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::answers::{self, AmendAnswer, CancelAnswer, FILLS_SHOWN, OrderAnswer, OrderOutcome, refusal};
use crate::config::OUTCOME_WITHIN;
use crate::db::{DbError, ListedOrder};
use crate::http::answer::Answer;
use crate::http::auth::Trader;
use crate::http::command::{Failure, look_at, submit};
use crate::http::extract::{Body, Query, Segment};
use crate::http::fields::Fields;
use crate::http::history::unreadable;
use crate::http::new_order::Wanted;
use crate::http::parse::{self, Fault};
use crate::http::problem::{Problem, kinds};
use crate::state::Shared;

/// `POST /v1/orders`
pub async fn place(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(mut fields): Body,
) -> Result<Answer<OrderAnswer>, Failure> {
    query.nothing_else()?;
    let wanted = Wanted::read(&mut fields);
    let wanted = fields.finish(wanted)?;
    let (order, listing) = wanted.order(account, &state.live.view(), "")?;
    let look = |id| look_at(format!("/v1/orders?command_id={id}"));
    let settled = submit(&state, state.map.of_account(account), Command::PlaceOrder(order), look).await?;
    let outcome = answers::order(&settled.told()).ok_or_else(|| refusal(&settled.told()))?;
    let origin = Origin { at: settled.at(), command: settled.outcome.cause.id };
    let deadline = Instant::now() + OUTCOME_WITHIN;
    let answer = answered(&state, account, outcome, listing.ticker.to_string(), origin, deadline).await?;
    Ok(Answer::one(answer, settled.at()).created())
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The outcome that tells it.
    pub at: Coordinate,
    /// The command that was sent.
    pub command: CommandId,
}

impl Origin {
    fn refusal(self, code: Rejection) -> Problem {
        Problem::rejection(code).at(self.at).command(self.command)
    }
}

/// What became of an order, as its account is answered. A repeat is looked up until `deadline`.
pub async fn answered(
    state: &Shared,
    account: AccountId,
    outcome: OrderOutcome,
    ticker: String,
    origin: Origin,
    deadline: Instant,
) -> Result<OrderAnswer, Failure> {
    match outcome {
        OrderOutcome::Placed(order, fills) => Ok(OrderAnswer::new(*order, Some(ticker), fills, false)),
        OrderOutcome::Refused(id, code) => Err(origin.refusal(code).order(id).into()),
        OrderOutcome::Repeated(first) => repeated(state, account, first, origin, deadline).await,
    }
}

/// The same request again: the first one's outcome, as it stands now.
async fn repeated(
    state: &Shared,
    account: AccountId,
    first: FirstOutcome,
    origin: Origin,
    deadline: Instant,
) -> Result<OrderAnswer, Failure> {
    let id = match first {
        FirstOutcome::Order { id } => id,
        FirstOutcome::OrderRejected { id, code } => return Err(origin.refusal(code).order(id).repeated().into()),
        // The id stands for a request of another kind.
        FirstOutcome::Deposit { .. } | FirstOutcome::Withdrawal { .. } | FirstOutcome::Transfer { .. } => {
            return Err(origin.refusal(Rejection::ClientIdReused).into());
        }
    };
    let found = find(state, account, id, deadline).await.map_err(unreadable)?;
    let Some(ListedOrder { order, ticker, .. }) = found else {
        let mut body = look_at(format!("/v1/orders/{id}"));
        body.insert("order_id".to_owned(), json!(id.to_string()));
        body.insert("repeated".to_owned(), json!(true));
        return Err(Failure::Accepted(body.into()));
    };
    if let Some(code) = order.rejection {
        return Err(Origin { command: order.command, ..origin }.refusal(code).order(id).repeated().into());
    }
    let fills = state.database.fills_of(&order, FILLS_SHOWN).await.map_err(unreadable)?;
    Ok(OrderAnswer::new(order, ticker, fills, true))
}

/// The order's birth may be on another shard's log and still on its way: looks for it a bounded time.
async fn find(
    state: &Shared,
    account: AccountId,
    id: OrderId,
    deadline: Instant,
) -> Result<Option<ListedOrder>, DbError> {
    const PAUSE: Duration = Duration::from_millis(20);
    loop {
        let (found, _) = state.database.order(account, id).await?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An order id in a path: one that cannot be is as unknown as one that never was.
fn order_id(state: &Shared, segment: &str) -> Result<OrderId, Problem> {
    let id = parse::order_id(segment).ok().filter(|order| order.market_shard().number() < state.map.shards());
    id.ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))
}

/// `DELETE /v1/orders/{id}`
pub async fn cancel(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(fields): Body,
) -> Result<Answer<CancelAnswer>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let order = order_id(&state, &id)?;
    cancel_one(&state, account, OrderRef::Id(order)).await
}

/// Ends one order. The market's home is in an order's id; only the account's home knows its clients' names.
pub async fn cancel_one(state: &Shared, account: AccountId, order: OrderRef) -> Result<Answer<CancelAnswer>, Failure> {
    let shard = match order {
        OrderRef::Id(id) => id.market_shard(),
        OrderRef::ClientId(_) => state.map.of_account(account),
    };
    let settled = submit(state, shard, Command::CancelOrder { account, order }, |_| look(order)).await?;
    let told = settled.told();
    match answers::cancelled(&told) {
        Some(answer) => Ok(Answer::one(answer, settled.at())),
        None => Err(named(refusal(&told), order).into()),
    }
}

/// Where an order can be looked at.
fn look(order: OrderRef) -> Map<String, Value> {
    match order {
        OrderRef::Id(id) => look_at(format!("/v1/orders/{id}")),
        OrderRef::ClientId(name) => look_at(format!("/v1/orders?client_id={name}")),
    }
}

fn named(problem: Problem, order: OrderRef) -> Problem {
    match order {
        OrderRef::Id(id) => problem.order(id),
        OrderRef::ClientId(_) => problem,
    }
}

/// What is to change. Invariant: at least one of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// The new limit.
    pub price: Option<Price>,
    /// The new quantity.
    pub quantity: Option<Quantity>,
}

impl Change {
    /// Reads the fields; `None` stands for a fault that was noted.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        if !fields.has("price") && !fields.has("quantity") {
            fields.skip::<()>(&["price", "quantity"]);
            fields.fault("price", Fault::missing("give price, quantity or both"));
            return None;
        }
        let price = fields.text_or("price", None, |text| parse::price(text).map(Some));
        let quantity = fields.integer_or("quantity", None, |number| parse::quantity(number).map(Some));
        Some(Self { price: price?, quantity: quantity? })
    }
}

/// `PATCH /v1/orders/{id}`
pub async fn amend(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(fields): Body,
) -> Result<Answer<AmendAnswer>, Failure> {
    query.nothing_else()?;
    let order = OrderRef::Id(order_id(&state, &id)?);
    amend_one(&state, account, order, fields).await
}

/// `PATCH /v1/orders?client_id=…`
pub async fn amend_by_name(
    Trader(account): Trader,
    State(state): State<Shared>,
    mut query: Query,
    Body(fields): Body,
) -> Result<Answer<AmendAnswer>, Failure> {
    let name = query.params.required("client_id", parse::client_id);
    query.nothing_else()?;
    let order = name.map(OrderRef::ClientId).ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))?;
    amend_one(&state, account, order, fields).await
}

async fn amend_one(
    state: &Shared,
    account: AccountId,
    order: OrderRef,
    mut fields: Fields,
) -> Result<Answer<AmendAnswer>, Failure> {
    let change = Change::read(&mut fields);
    let Change { price, quantity } = fields.finish(change)?;
    let command = Command::AmendOrder { account, order, price, quantity };
    let settled = submit(state, state.map.of_account(account), command, |_| look(order)).await?;
    let told = settled.told();
    match answers::amended(&told) {
        Some(answer) => Ok(Answer::one(answer, settled.at())),
        None => Err(named(refusal(&told), order).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_changes_something() {
        let read = |body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let change = Change::read(&mut fields);
            fields.finish(change).map_err(|problem| problem.body()["errors"].clone())
        };
        let (price, quantity) = (Price::new(5_500), Quantity::new(7));
        assert_eq!(read(r#"{"price": "0.55", "quantity": 7}"#), Ok(Change { price, quantity }));
        assert_eq!(read(r#"{"price": null, "quantity": 7}"#), Ok(Change { price: None, quantity }));
        for (body, code) in [("{}", "missing"), (r#"{"price": null}"#, "missing"), (r#"{"price": 1}"#, "type")] {
            let errors = read(body).unwrap_err();
            assert_eq!((&errors[0]["pointer"], &errors[0]["code"]), (&json!("/price"), &json!(code)), "{body}");
            assert_eq!(errors.as_array().unwrap().len(), 1);
        }
        assert_eq!(read(r#"{"quantity": 0}"#).unwrap_err()[0]["code"], "out-of-range");
    }
}
