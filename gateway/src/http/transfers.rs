//! Transfers of credits from one account to another.

use axum::extract::State;
use schemas::{AccountId, ClientId, Command, Credits, Rejection};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::{Moved, transferred};
use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition};
use crate::http::auth::TransferAccess;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString};
use crate::http::parse;
use crate::http::problem::Problem;
use crate::http::signed::MustName;
use crate::openapi::requests::Transfer;
use crate::openapi::scalars::{AccountIdText, ClientIdText, CommandIdText, CreditsText};
use crate::shapes::{text, text_or_null};
use crate::state::Shared;

/// A completed transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = CompletedTransfer)]
pub struct TransferAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    from: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    to: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    amount: Credits,
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ClientIdText>, required)]
    client_id: Option<ClientId>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// True if an earlier request with this client id made it.
    repeated: bool,
}

/// Sends credits to another account.
#[utoipa::path(
    post,
    path = "/v1/transfers",
    operation_id = "transfer",
    tag = "portfolio",
    request_body = Transfer,
    responses((status = 201, description = "The transfer", body = AtPosition<TransferAnswer>)),
    security(("account" = ["TRANSFER"])),
)]
pub async fn transfer(
    TransferAccess(from): TransferAccess,
    must_name: MustName,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<TransferAnswer>, CommandFailure> {
    query.nothing_else()?;
    must_name.check(&mut fields);
    let to = fields.text("to", parse::account_id);
    let amount = fields.text("amount", parse::amount);
    let client_id = fields.text_or("client_id", None, |text| parse::client_id(text).map(Some));
    let built = (|| Some((to?, amount?, client_id?)))();
    let (to, amount, client_id) = fields.finish(built)?;
    if to == from {
        // Refuse what the engine would reject anyway, before anything is written.
        return Err(Problem::rejection(Rejection::TransferToSelf).into());
    }
    let arrives_at = state.map.of_account(to);
    if state.halted.takes_no_commands(arrives_at) {
        // The transfer would stay in progress until that shard is repaired.
        return Err(Problem::shard_halted(arrives_at).into());
    }
    let command = Command::Transfer { from, to, amount, client_id };
    let received = |told: &ResultPart<'_>| transferred(told, to);
    let (moved, settled) =
        submit(&state, state.map.of_account(from), command, |_| look_at("/v1/wallet"), received).await?;
    let Moved { amount, repeated, .. } = moved;
    let command_id = settled.command.to_string();
    Ok(Answer::one(TransferAnswer { from, to, amount, client_id, command_id, repeated }, settled.at()).created())
}
