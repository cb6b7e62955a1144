//! Placing, amending and cancelling single orders.

use axum::extract::State;
use schemas::ids::LogPosition;
use schemas::{AccountId, ClientId, Command, CommandId, MarketId, OrderId, OrderRef, Price, Quantity, Rejection};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::answers::{self, AmendAnswer, CancelAnswer, FILLS_SHOWN, OrderAnswer, OrderOutcome};
use crate::command_result::ResultPart;
use crate::db::ListedOrder;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::{CancelAccess, PlaceAccess, TradeAccess, bound};
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::{Fields, Params};
use crate::http::history::unreadable;
use crate::http::missing;
use crate::http::new_order::RequestedOrder;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::http::signed::MustName;
use crate::openapi::params::NamedOrderParams;
use crate::openapi::requests::{AmendOrder, PlaceOrder};
use crate::openapi::scalars::OrderIdText;
use crate::state::Shared;

/// Places an order.
#[utoipa::path(
    post,
    path = "/v1/orders",
    operation_id = "place_order",
    tag = "orders",
    request_body = PlaceOrder,
    responses(
        (status = 201, description = "The order, as it is after its first matching",
            body = AtPosition<OrderAnswer>),
    ),
    security(("account" = ["TRADE"])),
)]
pub async fn place(
    PlaceAccess(key): PlaceAccess,
    must_name: MustName,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<OrderAnswer>, CommandFailure> {
    query.nothing_else()?;
    must_name.check(&mut fields);
    let wanted = RequestedOrder::read(&mut fields);
    let (wanted, account) = (fields.finish(wanted)?, key.account);
    let (order, listing) = wanted.order(account, &state.live.view(), "")?;
    if !key.may_enter(order.market) || !key.may_place(&order) {
        return Err(bound().into());
    }
    let (shard, command) = (state.map.of_market(order.market), Command::PlaceOrder(order));
    let (outcome, settled) = submit(&state, shard, command, look_by_command, answers::order).await?;
    let origin = AnswerOrigin { at: settled.at(), command: settled.command };
    let deadline = Instant::now() + state.submitter.within();
    let answer = answered(&state, account, outcome, listing.ticker.to_string(), origin, deadline).await?;
    Ok(Answer::one(answer, settled.at()).created())
}

/// What an answer is based on.
#[derive(Clone, Copy, Debug)]
pub struct AnswerOrigin {
    /// The outcome that contains the result.
    pub at: LogPosition,
    /// The command that it answers.
    pub command: CommandId,
}

impl AnswerOrigin {
    fn refusal(self, id: OrderId, code: Rejection, repeated: bool) -> Problem {
        let problem = Problem::rejection(code).at(self.at).command(self.command).order(id);
        if repeated { problem.repeated() } else { problem }
    }
}

/// Makes the answer to an order request. An order that an earlier request placed is looked up until
/// `deadline`.
pub async fn answered(
    state: &Shared,
    account: AccountId,
    outcome: OrderOutcome,
    ticker: String,
    origin: AnswerOrigin,
    deadline: Instant,
) -> Result<OrderAnswer, CommandFailure> {
    match outcome {
        OrderOutcome::Placed(order, fills, repeated) => Ok(OrderAnswer::new(*order, Some(ticker), fills, repeated)),
        OrderOutcome::Refused(id, code, repeated) => Err(origin.refusal(id, code, repeated).into()),
        OrderOutcome::Known(id) => known(state, account, id, origin, deadline).await,
    }
}

/// Looks up the current state of an order that an earlier outcome on the same log placed. The log
/// gives only its id: if Postgres does not answer in time, the answer says where the order will be.
async fn known(
    state: &Shared,
    account: AccountId,
    id: OrderId,
    origin: AnswerOrigin,
    deadline: Instant,
) -> Result<OrderAnswer, CommandFailure> {
    let later = || {
        let mut body = look_at(format!("/v1/orders/{id}"));
        body.insert("order_id".to_owned(), json!(id.to_string()));
        body.insert("repeated".to_owned(), json!(true));
        CommandFailure::Accepted(body.into())
    };
    state.database_progress.wait(&[origin.at], deadline).await.map_err(|_| later())?;
    let found = state.database.order_with_fills(account, id, FILLS_SHOWN);
    let found = tokio::time::timeout_at(deadline, found).await.map_err(|_| later())?;
    let (found, _) = found.map_err(|error| {
        unreadable(&error);
        later()
    })?;
    let (ListedOrder { order, ticker, .. }, fills) = found.ok_or_else(later)?;
    Ok(OrderAnswer::new(order, ticker, fills, true))
}

/// Parses an order id in a path: an impossible id is as unknown as one that never existed.
fn order_id(state: &Shared, segment: &str) -> Result<OrderId, Problem> {
    let id = parse::order_id(segment).ok().filter(|order| order.shard().number() < state.map.shards());
    id.ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))
}

/// Finds a market by id or ticker.
pub fn market_id(state: &Shared, name: &str) -> Result<MarketId, Problem> {
    missing::market_id(&state.live.view(), name)
}

/// Cancels an order.
#[utoipa::path(
    delete,
    path = "/v1/orders/{id}",
    operation_id = "cancel_order",
    tag = "orders",
    params(("id" = OrderIdText, Path, description = "The order")),
    responses((status = 200, description = "The order is cancelled", body = AtPosition<CancelAnswer>)),
    security(("account" = ["CANCEL"])),
)]
pub async fn cancel(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<CancelAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let order = order_id(&state, &id)?;
    cancel_one(&state, account, OrderRef::Id(order)).await
}

/// Cancels one order.
pub async fn cancel_one(
    state: &Shared,
    account: AccountId,
    order: OrderRef,
) -> Result<Answer<CancelAnswer>, CommandFailure> {
    let (shard, command) = (order.shard(state.map), Command::CancelOrder { account, order });
    let wanted = |told: &ResultPart<'_>| answers::cancelled(told, order);
    let cancelled = submit(state, shard, command, |_| look(order), wanted).await;
    let (answer, settled) = cancelled.map_err(|failure| failure.about(|problem| named(problem, order)))?;
    Ok(Answer::one(answer, settled.at()))
}

/// Where the result of a command can be looked up.
pub fn look_by_command(id: CommandId) -> Map<String, Value> {
    look_at(format!("/v1/orders?command_id={id}"))
}

/// Where an order can be looked up.
pub fn look(order: OrderRef) -> Map<String, Value> {
    match order {
        OrderRef::Id(id) => look_at(format!("/v1/orders/{id}")),
        OrderRef::ClientId { market, client_id } => {
            look_at(format!("/v1/orders?client_id={client_id}&market_id={market}"))
        }
    }
}

fn named(problem: Problem, order: OrderRef) -> Problem {
    match order {
        OrderRef::Id(id) => problem.order(id),
        OrderRef::ClientId { .. } => problem,
    }
}

/// Reads `client_id`, and the `market` (id or ticker) in which it names an order.
pub fn read_name(params: &mut Params) -> Option<(ClientId, String)> {
    let client_id = params.required("client_id", parse::client_id);
    let market = params.required("market", |text| Ok(text.to_owned()));
    client_id.zip(market)
}

/// The requested amendment. Invariant: at least one of the two is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestedAmendment {
    /// The new limit price.
    pub price: Option<Price>,
    /// The new quantity.
    pub quantity: Option<Quantity>,
}

impl RequestedAmendment {
    /// Reads the fields; `None` means that a fault was noted.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        if !fields.has("price") && !fields.has("quantity") {
            fields.skip::<()>(&["price", "quantity"]);
            fields.fault("price", ValueFault::missing("give price, quantity or both"));
            return None;
        }
        let price = fields.text_or("price", None, |text| parse::price(text).map(Some));
        let quantity = fields.integer_or("quantity", None, |number| parse::quantity(number).map(Some));
        Some(Self { price: price?, quantity: quantity? })
    }
}

/// Changes an order.
#[utoipa::path(
    patch,
    path = "/v1/orders/{id}",
    operation_id = "amend_order",
    tag = "orders",
    params(("id" = OrderIdText, Path, description = "The order")),
    request_body = AmendOrder,
    responses((status = 200, description = "The order", body = AtPosition<AmendAnswer>)),
    security(("account" = ["TRADE"])),
)]
pub async fn amend(
    TradeAccess(account): TradeAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<AmendAnswer>, CommandFailure> {
    query.nothing_else()?;
    let order = OrderRef::Id(order_id(&state, &id)?);
    amend_one(&state, account, order, fields).await
}

/// Changes the order with a client id.
#[utoipa::path(
    patch,
    path = "/v1/orders",
    operation_id = "amend_order_by_client_id",
    tag = "orders",
    params(NamedOrderParams),
    request_body = AmendOrder,
    responses((status = 200, description = "The order", body = AtPosition<AmendAnswer>)),
    security(("account" = ["TRADE"])),
)]
pub async fn amend_by_name(
    TradeAccess(account): TradeAccess,
    State(state): State<Shared>,
    mut query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<AmendAnswer>, CommandFailure> {
    let name = read_name(&mut query.params);
    query.nothing_else()?;
    let (client_id, market) = name.ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))?;
    let order = OrderRef::ClientId { market: market_id(&state, &market)?, client_id };
    amend_one(&state, account, order, fields).await
}

async fn amend_one(
    state: &Shared,
    account: AccountId,
    order: OrderRef,
    mut fields: Fields,
) -> Result<Answer<AmendAnswer>, CommandFailure> {
    let change = RequestedAmendment::read(&mut fields);
    let RequestedAmendment { price, quantity } = fields.finish(change)?;
    let command = Command::AmendOrder { account, order, price, quantity };
    let amended = submit(state, order.shard(state.map), command, |_| look(order), answers::amended).await;
    let (answer, settled) = amended.map_err(|failure| failure.about(|problem| named(problem, order)))?;
    Ok(Answer::one(answer, settled.at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_changes_something() {
        let read = |body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let change = RequestedAmendment::read(&mut fields);
            fields.finish(change).map_err(|problem| problem.body()["errors"].clone())
        };
        let (price, quantity) = (Price::new(5_500), Quantity::new(7));
        assert_eq!(read(r#"{"price": "0.55", "quantity": 7}"#), Ok(RequestedAmendment { price, quantity }));
        assert_eq!(read(r#"{"price": null, "quantity": 7}"#), Ok(RequestedAmendment { price: None, quantity }));
        for (body, code) in [("{}", "missing"), (r#"{"price": null}"#, "missing"), (r#"{"price": 1}"#, "type")] {
            let errors = read(body).unwrap_err();
            assert_eq!((&errors[0]["pointer"], &errors[0]["code"]), (&json!("/price"), &json!(code)), "{body}");
            assert_eq!(errors.as_array().unwrap().len(), 1);
        }
        assert_eq!(read(r#"{"quantity": 0}"#).unwrap_err()[0]["code"], "out-of-range");
    }
}
