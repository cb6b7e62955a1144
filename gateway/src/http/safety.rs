//! An account's emergency brakes: the end of all its orders, now or when it is not heard of in time.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemas::{AccountId, Command, Event, MarketId, OrderRef, Timestamp};
use serde::Serialize;
use serde_json::Map;

use crate::answers::refusal;
use crate::http::answer::Answer;
use crate::http::auth::Trader;
use crate::http::command::{Failure, look_at, submit};
use crate::http::extract::{Body, Query};
use crate::http::orders::cancel_one;
use crate::http::parse::{self, Fault};
use crate::http::problem::{Problem, kinds};
use crate::shapes::{iso_or_null, text_or_null};
use crate::state::Shared;

/// `DELETE /v1/orders`: with `client_id` one order, else all, or all of one `market`.
pub async fn cancel(
    Trader(account): Trader,
    State(state): State<Shared>,
    mut query: Query,
    Body(fields): Body,
) -> Result<Response, Failure> {
    let name = query.params.optional("client_id", parse::client_id);
    let market = query.params.optional("market", |text| Ok(text.to_owned()));
    if name.is_some() && market.is_some() {
        query.params.fault("market", Fault::conflict("give either client_id or market"));
    }
    query.nothing_else()?;
    fields.finish(Some(()))?;
    if let Some(name) = name {
        return Ok(cancel_one(&state, account, OrderRef::ClientId(name)).await?.into_response());
    }
    let known = |name: String| state.live.view().market_named(&name).map(|live| live.market.listing.market);
    let market = match market {
        Some(name) => Some(known(name).ok_or_else(|| Problem::new(kinds::MARKET_UNKNOWN))?),
        None => None,
    };
    Ok(cancel_all(&state, account, market).await?.into_response())
}

/// What is being cancelled.
#[derive(Serialize)]
pub struct MassCancelAnswer {
    #[serde(serialize_with = "text_or_null")]
    market_id: Option<MarketId>,
    command_id: String,
}

async fn cancel_all(
    state: &Shared,
    account: AccountId,
    market_id: Option<MarketId>,
) -> Result<Answer<MassCancelAnswer>, Failure> {
    let command = Command::MassCancel { account, market: market_id };
    let look = |_| look_at("/v1/orders?status=live");
    let settled = submit(state, state.map.of_account(account), command, look).await?;
    let requested = |event: &Event| matches!(event, Event::MassCancelRequested { .. });
    if !settled.outcome.events.iter().any(requested) {
        return Err(refusal(&settled.told()).into());
    }
    let command_id = settled.outcome.cause.id.to_string();
    Ok(Answer::one(MassCancelAnswer { market_id, command_id }, settled.at()))
}

/// When an account's switch fires.
#[derive(Serialize)]
pub struct SwitchAnswer {
    #[serde(serialize_with = "iso_or_null")]
    due: Option<Timestamp>,
    command_id: String,
}

/// `PUT /v1/dead-man-switch`
pub async fn set_switch(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(mut fields): Body,
) -> Result<Answer<SwitchAnswer>, Failure> {
    query.nothing_else()?;
    let timeout_s = fields.integer("timeout_s", parse::timeout_s);
    let timeout_s = fields.finish(timeout_s)?;
    switch(&state, account, Some(timeout_s)).await
}

/// `DELETE /v1/dead-man-switch`
pub async fn unset_switch(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<SwitchAnswer>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    switch(&state, account, None).await
}

async fn switch(state: &Shared, account: AccountId, timeout_s: Option<u32>) -> Result<Answer<SwitchAnswer>, Failure> {
    let command = Command::SetDeadManSwitch { account, timeout_s };
    let settled = submit(state, state.map.of_account(account), command, |_| Map::new()).await?;
    let set = settled.outcome.events.iter().find_map(|event| match event {
        Event::DeadManSwitchSet { due, .. } => Some(*due),
        _ => None,
    });
    let due = set.ok_or_else(|| refusal(&settled.told()))?;
    let command_id = settled.outcome.cause.id.to_string();
    Ok(Answer::one(SwitchAnswer { due, command_id }, settled.at()))
}
