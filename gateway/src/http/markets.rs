//! Creating markets and changing their state, by admins.

use axum::extract::State;
use schemas::{AdminId, Command, Event, ResolutionAnswer as MarketsAnswer, Transition};

use crate::command_result::ResultPart;
use crate::http::about;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::MarketsAdmin;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::market_changed::MarketChanged;
use crate::http::parse;
use crate::http::problem::Problem;
use crate::http::queries::find;
use crate::openapi::requests::{AnswerMarket, CreateMarket, PauseMarket};
use crate::shapes::market::MarketShape;
use crate::state::Shared;

/// Lists a market.
#[utoipa::path(
    post,
    path = "/v1/markets",
    operation_id = "create_market",
    tag = "admin",
    request_body = CreateMarket,
    responses((status = 201, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn create(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let listing = about::listing(&state, fields)?;
    let shard = state.map.of_market(listing.market);
    let look = format!("/v1/markets/{}", listing.ticker);
    let created = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketCreated { listing, by } => Some((listing.clone(), *by)),
            _ => None,
        })
    };
    let command = Command::CreateMarket { listing, by };
    let ((listing, by), settled) = submit(&state, shard, command, |_| look_at(look), created).await?;
    let market = MarketShape::listed(listing, shard);
    let command_id = settled.command.to_string();
    Ok(Answer::one(MarketChanged { market, by: Some(by), command_id }, settled.at()).created())
}

macro_rules! plain_transition {
    ($(#[$doc:meta])* $name:ident, $transition:expr) => {
        $(#[$doc])*
        pub async fn $name(
            MarketsAdmin(by): MarketsAdmin,
            State(state): State<Shared>,
            query: QueryString,
            Segment(market): Segment,
            JsonBody(fields): JsonBody,
        ) -> Result<Answer<MarketChanged>, CommandFailure> {
            query.nothing_else()?;
            fields.finish(Some(()))?;
            change(&state, &market, by, $transition).await
        }
    };
}

plain_transition! {
    /// Opens a market.
    #[utoipa::path(
        post,
        path = "/v1/markets/{market}/open",
        operation_id = "open_market",
        tag = "admin",
        params(("market" = String, Path, description = "The market: ticker or id")),
        responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
        security(("admin" = ["MARKETS"])),
    )]
    open, Transition::Open
}
plain_transition! {
    /// Ends a pause.
    #[utoipa::path(
        post,
        path = "/v1/markets/{market}/resume",
        operation_id = "resume_market",
        tag = "admin",
        params(("market" = String, Path, description = "The market: ticker or id")),
        responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
        security(("admin" = ["MARKETS"])),
    )]
    resume, Transition::Resume
}
plain_transition! {
    /// Closes a market before its expiry.
    #[utoipa::path(
        post,
        path = "/v1/markets/{market}/close",
        operation_id = "close_market",
        tag = "admin",
        params(("market" = String, Path, description = "The market: ticker or id")),
        responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
        security(("admin" = ["MARKETS"])),
    )]
    close, Transition::Close
}

/// Pauses a market.
#[utoipa::path(
    post,
    path = "/v1/markets/{market}/pause",
    operation_id = "pause_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = PauseMarket,
    responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn pause(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(market): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let cancel_only = fields.flag("cancel_only");
    let cancel_only = fields.finish(cancel_only)?;
    change(&state, &market, by, Transition::Pause { cancel_only }).await
}

/// Proposes the answer to a market's question.
#[utoipa::path(
    post,
    path = "/v1/markets/{market}/resolve",
    operation_id = "resolve_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = AnswerMarket,
    responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn resolve(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(market): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let answer = read_answer(fields)?;
    change(&state, &market, by, Transition::Resolve { answer }).await
}

/// Confirms the proposed answer; another admin than the one who proposed it.
#[utoipa::path(
    post,
    path = "/v1/markets/{market}/confirm",
    operation_id = "confirm_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = AnswerMarket,
    responses((status = 200, description = "The market", body = AtPosition<MarketChanged>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn confirm(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(market): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    query.nothing_else()?;
    let answer = read_answer(fields)?;
    change(&state, &market, by, Transition::Confirm { answer }).await
}

fn read_answer(mut fields: Fields) -> Result<MarketsAnswer, Problem> {
    let answer = fields.text("answer", parse::answer);
    fields.finish(answer)
}

async fn change(
    state: &Shared,
    name: &str,
    by: AdminId,
    transition: Transition,
) -> Result<Answer<MarketChanged>, CommandFailure> {
    let (known, shard) = find(state, name)?;
    let market = known.listing.market;
    let look = format!("/v1/markets/{}", known.listing.ticker);
    let changed = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketChanged { state, resolution, by, .. } => Some((*state, *resolution, *by)),
            _ => None,
        })
    };
    let command = Command::ChangeMarket { market, by, transition };
    let ((state, resolution, by), settled) = submit(state, shard, command, |_| look_at(look), changed).await?;
    let market = MarketShape { state, resolution, ..known };
    let command_id = settled.command.to_string();
    Ok(Answer::one(MarketChanged { market, by, command_id }, settled.at()))
}
