//! Withdrawals by an admin; and the fields of deposits and withdrawals.

use axum::extract::State;
use schemas::{AccountId, AdminId, ClientId, Command, Credits};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::{Moved, withdrawn};
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::MoneyAdmin;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString};
use crate::http::fields::Fields;
use crate::http::parse;
use crate::http::problem::Problem;
use crate::openapi::requests::MoveCredits;
use crate::openapi::scalars::{AccountIdText, AdminIdText, ClientIdText, CommandIdText, CreditsText};
use crate::shapes::{text, text_or_null};
use crate::state::Shared;

/// A requested movement of credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Movement {
    /// The account.
    pub account: AccountId,
    /// The amount.
    pub amount: Credits,
    /// The client's id for it.
    pub client_id: Option<ClientId>,
}

impl Movement {
    /// Reads a body.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let account = fields.text("account_id", parse::account_id);
        let amount = fields.text("amount", parse::amount);
        let client_id = fields.text_or("client_id", None, |text| parse::client_id(text).map(Some));
        let built = (|| Some(Self { account: account?, amount: amount?, client_id: client_id? }))();
        fields.finish(built)
    }
}

/// A completed withdrawal.
#[derive(Serialize, ToSchema)]
#[schema(as = Withdrawal)]
pub struct MovedAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    amount: Credits,
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ClientIdText>, required)]
    client_id: Option<ClientId>,
    /// The admin who made it; null in the answer to a repeat, which may have been another admin's.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<AdminIdText>, required)]
    by: Option<AdminId>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// True if an earlier request with this client id made it.
    repeated: bool,
}

/// Withdraws credits.
#[utoipa::path(
    post,
    path = "/v1/wallet/withdrawals",
    operation_id = "withdraw",
    tag = "admin",
    request_body = MoveCredits,
    responses((status = 201, description = "The withdrawal", body = AtPosition<MovedAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn withdraw(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<MovedAnswer>, CommandFailure> {
    query.nothing_else()?;
    let Movement { account, amount, client_id } = Movement::read(fields)?;
    let command = Command::Withdraw { account, amount, client_id, by };
    let home = state.map.of_account(account);
    let (moved, settled) = submit(&state, home, command, |_| look_at("/v1/wallet"), withdrawn).await?;
    let Moved { amount, by, repeated } = moved;
    let command_id = settled.command.to_string();
    let answer = MovedAnswer { account_id: account, amount, client_id, by, command_id, repeated };
    Ok(Answer::one(answer, settled.at()).created())
}
