//! Emergency brakes of an account: cancel all orders, now or by a dead-man switch.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemas::{AccountId, Command, Event, MarketId, OrderRef, PurseInstruction, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::{CancelAnswer, instructed};
use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::CancelAccess;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString};
use crate::http::orders::{cancel_one, market_id, read_name};
use crate::http::parse;
use crate::http::problem::{Problem, kinds};
use crate::openapi::params::CancelParams;
use crate::openapi::requests::SetDeadManSwitch;
use crate::openapi::scalars::{CommandIdText, MarketIdText, TimeText};
use crate::shapes::{iso_or_null, text_or_null};
use crate::state::Shared;

/// Cancels one order by its client id, all orders of a market, or all orders.
///
/// With `client_id` one order of a `market`; otherwise all orders, or all of
/// one `market`.
#[utoipa::path(
    delete,
    path = "/v1/orders",
    operation_id = "cancel_orders",
    tag = "orders",
    params(CancelParams),
    responses((status = 200, description = "The order, or the orders, are cancelled", body = CancelsAnswer)),
    security(("account" = ["CANCEL"])),
)]
pub async fn cancel(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    mut query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Response, CommandFailure> {
    if query.params.has("client_id") {
        let name = read_name(&mut query.params);
        query.nothing_else()?;
        fields.finish(Some(()))?;
        let (client_id, market) = name.ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))?;
        let order = OrderRef::ClientId { market: market_id(&state, &market)?, client_id };
        return Ok(cancel_one(&state, account, order).await?.into_response());
    }
    let market = query.params.optional("market", |text| Ok(text.to_owned()));
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let market = market.map(|name| market_id(&state, &name)).transpose()?;
    Ok(cancel_all(&state, account, market).await?.into_response())
}

/// What a cancel of one order, or of many, answers.
#[derive(ToSchema)]
#[schema(as = CancelsResult)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum CancelsAnswer {
    One(AtPosition<CancelAnswer>),
    Many(AtPosition<MassCancelAnswer>),
}

/// The cancelled orders: of one market, or of all.
#[derive(Serialize, ToSchema)]
#[schema(as = MassCancel)]
pub struct MassCancelAnswer {
    /// The market; null for all.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<MarketIdText>, required)]
    market_id: Option<MarketId>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Within one market, its shard ends the orders; across markets, all shards have confirmed when the
/// request is answered.
async fn cancel_all(
    state: &Shared,
    account: AccountId,
    market_id: Option<MarketId>,
) -> Result<Answer<MassCancelAnswer>, CommandFailure> {
    let shard = market_id.map_or_else(|| state.map.of_account(account), |market| state.map.of_market(market));
    let command = Command::MassCancel { account, market: market_id };
    let look = |_| look_at("/v1/orders?status=live");
    let done = |told: &ResultPart<'_>| match market_id {
        Some(_) => told.events.iter().any(|event| matches!(event, Event::MassCancelRequested { .. })),
        None => matches!(instructed(told), Some(PurseInstruction::MassCancel(_))),
    };
    let ((), settled) = submit(state, shard, command, look, |told| done(told).then_some(())).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(MassCancelAnswer { market_id, command_id }, settled.at()))
}

/// When an account's switch fires.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadManSwitch)]
pub struct SwitchAnswer {
    /// When it fires; null if it is not set.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    due: Option<Timestamp>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Sets the dead-man switch, or its time anew.
#[utoipa::path(
    put,
    path = "/v1/dead-man-switch",
    operation_id = "set_dead_man_switch",
    tag = "account",
    request_body = SetDeadManSwitch,
    responses((status = 200, description = "When it fires", body = AtPosition<SwitchAnswer>)),
    security(("account" = ["CANCEL"])),
)]
pub async fn set_switch(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<SwitchAnswer>, CommandFailure> {
    query.nothing_else()?;
    let timeout_s = fields.integer("timeout_s", parse::timeout_s);
    let timeout_s = fields.finish(timeout_s)?;
    switch(&state, account, Some(timeout_s)).await
}

/// Removes the dead-man switch.
#[utoipa::path(
    delete,
    path = "/v1/dead-man-switch",
    operation_id = "unset_dead_man_switch",
    tag = "account",
    responses((status = 200, description = "It does not fire", body = AtPosition<SwitchAnswer>)),
    security(("account" = ["CANCEL"])),
)]
pub async fn unset_switch(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<SwitchAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    switch(&state, account, None).await
}

async fn switch(
    state: &Shared,
    account: AccountId,
    timeout_s: Option<u32>,
) -> Result<Answer<SwitchAnswer>, CommandFailure> {
    let command = Command::SetDeadManSwitch { account, timeout_s };
    let set = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::DeadManSwitchSet { due, .. } => Some(*due),
            _ => None,
        })
    };
    let (due, settled) = submit(state, state.map.of_account(account), command, |_| look_at("/v1/wallet"), set).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(SwitchAnswer { due, command_id }, settled.at()))
}
