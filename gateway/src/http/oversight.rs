//! Freezes and limits of accounts and markets, by admins.

use axum::extract::State;
use schemas::{AccountId, AccountLimits, AdminId, Command, Event, MarketId, MarketLimits, PurseInstruction};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::instructed;
use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::{MarketsAdmin, MoneyAdmin};
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::parse;
use crate::http::problem::{Problem, kinds};
use crate::http::queries::find;
use crate::openapi::requests::{LimitAccount, LimitMarket};
use crate::openapi::scalars::{AccountIdText, AdminIdText, CommandIdText, MarketIdText};
use crate::shapes::market::{AccountLimitsShape, MarketLimitsShape};
use crate::shapes::text;
use crate::state::Shared;

fn account_id(segment: &str) -> Result<AccountId, Problem> {
    parse::account_id(segment).map_err(|_| Problem::new(kinds::ACCOUNT_UNKNOWN))
}

/// Whether an account is frozen, and the admin who changed it.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountFreeze)]
pub struct FreezeAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    /// True if it only cancels.
    frozen: bool,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Freezes an account: it only cancels.
#[utoipa::path(
    post,
    path = "/v1/accounts/{id}/freeze",
    operation_id = "freeze_account",
    tag = "admin",
    params(("id" = AccountIdText, Path, description = "The account")),
    responses((status = 200, description = "The account", body = AtPosition<FreezeAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn freeze(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<FreezeAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let account = account_id(&id)?;
    set_frozen(&state, account, Command::FreezeAccount { account, by }).await
}

/// Ends an account's freeze.
#[utoipa::path(
    post,
    path = "/v1/accounts/{id}/unfreeze",
    operation_id = "unfreeze_account",
    tag = "admin",
    params(("id" = AccountIdText, Path, description = "The account")),
    responses((status = 200, description = "The account", body = AtPosition<FreezeAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn unfreeze(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<FreezeAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let account = account_id(&id)?;
    set_frozen(&state, account, Command::UnfreezeAccount { account, by }).await
}

/// Answers once every shard with a purse of the account has confirmed.
async fn set_frozen(
    state: &Shared,
    account: AccountId,
    command: Command,
) -> Result<Answer<FreezeAnswer>, CommandFailure> {
    let done = |told: &ResultPart<'_>| match instructed(told)? {
        PurseInstruction::Freeze { by } => Some((true, by)),
        PurseInstruction::Unfreeze { by } => Some((false, by)),
        _ => None,
    };
    let home = state.map.of_account(account);
    let ((frozen, by), settled) = submit(state, home, command, |_| look_at("/v1/wallet"), done).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(FreezeAnswer { account_id: account, frozen, by, command_id }, settled.at()))
}

/// An account's limits, and the admin who set them.
#[derive(Serialize, ToSchema)]
pub struct AccountLimitsAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    limits: AccountLimitsShape,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Replaces an account's limits.
#[utoipa::path(
    put,
    path = "/v1/accounts/{id}/limits",
    operation_id = "limit_account",
    tag = "admin",
    params(("id" = AccountIdText, Path, description = "The account")),
    request_body = LimitAccount,
    responses((status = 200, description = "The limits", body = AtPosition<AccountLimitsAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn limit_account(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<AccountLimitsAnswer>, CommandFailure> {
    query.nothing_else()?;
    let limits = read_account_limits(&mut fields);
    let limits = fields.finish(limits)?;
    let account = account_id(&id)?;
    let command = Command::LimitAccount { account, limits, by };
    let done = |told: &ResultPart<'_>| match instructed(told)? {
        PurseInstruction::Limit { limits, by } => Some((limits, by)),
        _ => None,
    };
    let home = state.map.of_account(account);
    let ((limits, by), settled) = submit(&state, home, command, |_| look_at("/v1/wallet"), done).await?;
    let command_id = settled.command.to_string();
    let limits = limits.into();
    Ok(Answer::one(AccountLimitsAnswer { account_id: account, limits, by, command_id }, settled.at()))
}

fn read_account_limits(fields: &mut Fields) -> Option<AccountLimits> {
    let none = AccountLimits::NONE;
    let live_orders = fields.integer_or("live_orders", none.live_orders, parse::orders_limit);
    let held = fields.text_or("held", none.held, parse::credits_limit);
    Some(AccountLimits { live_orders: live_orders?, held: held? })
}

/// A market's limits, and the admin who set them.
#[derive(Serialize, ToSchema)]
pub struct MarketLimitsAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = MarketIdText)]
    market_id: MarketId,
    limits: MarketLimitsShape,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Replaces the limits of each account in a market.
#[utoipa::path(
    put,
    path = "/v1/markets/{market}/limits",
    operation_id = "limit_market",
    tag = "admin",
    params(("market" = String, Path, description = "The market: ticker or id")),
    request_body = LimitMarket,
    responses((status = 200, description = "The limits", body = AtPosition<MarketLimitsAnswer>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn limit_market(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<MarketLimitsAnswer>, CommandFailure> {
    query.nothing_else()?;
    let limits = read_market_limits(&mut fields);
    let limits = fields.finish(limits)?;
    let (known, shard) = find(&state, &name)?;
    let market = known.listing.market;
    let look = |_| look_at(format!("/v1/markets/{market}"));
    let limited = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::MarketLimited { limits, by, .. } => Some((*limits, *by)),
            _ => None,
        })
    };
    let command = Command::LimitMarket { market, limits, by };
    let ((limits, by), settled) = submit(&state, shard, command, look, limited).await?;
    let command_id = settled.command.to_string();
    let limits = limits.into();
    Ok(Answer::one(MarketLimitsAnswer { market_id: market, limits, by, command_id }, settled.at()))
}

/// Reads a market's limits. An absent or null field is no limit.
pub fn read_market_limits(fields: &mut Fields) -> Option<MarketLimits> {
    let none = MarketLimits::NONE;
    let live_orders = fields.integer_or("live_orders", none.live_orders, parse::orders_limit);
    let notional = fields.text_or("notional", none.notional, parse::credits_limit);
    let position = fields.integer_or("position", none.position, parse::contracts_limit);
    Some(MarketLimits { live_orders: live_orders?, notional: notional?, position: position? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Credits;

    #[test]
    fn what_is_not_limited_has_no_limit() {
        let read = |body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let limits = read_market_limits(&mut fields);
            fields.finish(limits).map_err(|problem| problem.kind().code)
        };
        assert_eq!(read("{}"), Ok(MarketLimits::NONE));
        let some = MarketLimits { live_orders: 0, notional: Credits::whole(5), ..MarketLimits::NONE };
        assert_eq!(read(r#"{"live_orders": 0, "notional": "5", "position": null}"#), Ok(some));
        assert_eq!(read(r#"{"notional": 5}"#), Err("invalid-request"));
        let shape = serde_json::to_value(MarketLimitsShape::from(some)).unwrap();
        assert_eq!(shape, serde_json::json!({"live_orders": 0, "notional": "5.000000", "position": null}));
    }
}
