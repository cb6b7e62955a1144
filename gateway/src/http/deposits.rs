//! Deposits by one admin, or by two above a limit.
//!
//! A deposit that needs a second admin is answered with 202 and a proposal id. Pending proposals
//! are listed from Postgres; the engine alone decides them.

use axum::extract::State;
use schemas::{AccountId, AdminId, ClientId, Command, Credits, Event, OrderId, ProposalId, Rejection, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::{Deposit, deposited};
use crate::command_result::ResultPart;
use crate::db::OpenProposal;
use crate::http::answer::{AcceptedAnswer, Answer, AtPosition, AtPositions, ListPage};
use crate::http::auth::{AnyAdmin, MoneyAdmin};
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::gate::reaches;
use crate::http::history::{order_cursor, order_place, unreadable};
use crate::http::parse::{self, PAGE_DEFAULT};
use crate::http::problem::{Problem, rejection_kind};
use crate::http::wallet::Movement;
use crate::openapi::params::PageParams;
use crate::openapi::requests::{ConfirmDeposit, MoveCredits};
use crate::openapi::scalars::{
    AccountIdText, AdminIdText, ClientIdText, CommandIdText, CreditsText, ProposalIdText, TimeText,
};
use crate::shapes::{iso_or_null, text, text_or_null};
use crate::state::Shared;

/// The path of the list of pending proposals.
const PROPOSALS: &str = "/v1/wallet/deposits/proposals";

/// A deposit: made or proposed.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum DepositAnswer {
    /// Status 201.
    Made(MadeAnswer),
    /// Status 202.
    Proposed(ProposedAnswer),
}

/// What a deposit answers that is not made yet.
#[derive(ToSchema)]
#[schema(as = DepositToCome)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum DepositToCome {
    Proposed(AtPosition<ProposedAnswer>),
    Accepted(AcceptedAnswer),
}

/// A completed deposit.
#[derive(Serialize, ToSchema)]
#[schema(as = Deposit)]
pub struct MadeAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    amount: Credits,
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ClientIdText>, required)]
    client_id: Option<ClientId>,
    /// The admin who made or proposed it; null in the answer to a repeat, which only knows the
    /// result.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<AdminIdText>, required)]
    by: Option<AdminId>,
    /// The second admin, if one was needed.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<AdminIdText>, required)]
    confirmed_by: Option<AdminId>,
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ProposalIdText>, required)]
    proposal_id: Option<ProposalId>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// True if an earlier request with this client id made it.
    repeated: bool,
}

/// A proposal that waits for a second admin. No credits were moved.
#[derive(Serialize, ToSchema)]
#[schema(as = DepositProposal)]
pub struct ProposedAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = ProposalIdText)]
    proposal_id: ProposalId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    amount: Credits,
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ClientIdText>, required)]
    client_id: Option<ClientId>,
    /// Null in the answer to a repeat, like `expires_at`.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<AdminIdText>, required)]
    proposed_by: Option<AdminId>,
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    expires_at: Option<Timestamp>,
    /// The path of the list of proposals.
    look: &'static str,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// True if an earlier request with this client id made it.
    repeated: bool,
}

/// Deposits credits; above a limit, proposes the deposit to a second admin.
#[utoipa::path(
    post,
    path = "/v1/wallet/deposits",
    operation_id = "deposit",
    tag = "admin",
    request_body = MoveCredits,
    responses(
        (status = 201, description = "The deposit", body = AtPosition<MadeAnswer>),
        (status = 202, description = "The proposal; or the command is on the log, and its result did not arrive in time",
            body = DepositToCome),
    ),
    security(("admin" = ["MONEY"])),
)]
pub async fn deposit(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<DepositAnswer>, CommandFailure> {
    query.nothing_else()?;
    let Movement { account, amount, client_id } = Movement::read(fields)?;
    let command = Command::Deposit { account, amount, client_id, by };
    let home = state.map.of_account(account);
    let (outcome, settled) = submit(&state, home, command, |_| look_at("/v1/wallet"), deposited).await?;
    let command_id = settled.command.to_string();
    Ok(match outcome {
        Deposit::Made { amount, by, seconded, repeated, .. } => {
            let made = MadeAnswer {
                account_id: account,
                amount,
                client_id,
                by,
                confirmed_by: seconded.map(|word| word.by),
                proposal_id: seconded.map(|word| word.proposal),
                command_id,
                repeated,
            };
            Answer::one(DepositAnswer::Made(made), settled.at()).created()
        }
        Deposit::Proposed { proposal, amount, by, expires, repeated } => {
            let proposed = ProposedAnswer {
                proposal_id: proposal,
                account_id: account,
                amount,
                client_id,
                proposed_by: by,
                expires_at: expires,
                look: PROPOSALS,
                command_id,
                repeated,
            };
            Answer::one(DepositAnswer::Proposed(proposed), settled.at()).accepted()
        }
    })
}

/// Confirms a proposed deposit; another admin than the one who proposed it.
#[utoipa::path(
    post,
    path = "/v1/wallet/deposits/proposals/{id}/confirm",
    operation_id = "confirm_deposit",
    tag = "admin",
    params(("id" = ProposalIdText, Path, description = "The proposed deposit")),
    request_body = ConfirmDeposit,
    responses((status = 201, description = "The deposit", body = AtPosition<MadeAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn confirm(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<MadeAnswer>, CommandFailure> {
    query.nothing_else()?;
    let seen = (fields.text("account_id", parse::account_id), fields.text("amount", parse::amount));
    let (account, amount) = fields.finish(seen.0.zip(seen.1))?;
    let proposal = known(&state, &id)?;
    let command = Command::ConfirmDeposit { proposal, account, amount, by };
    let made = |told: &ResultPart<'_>| match deposited(told)? {
        Deposit::Made { amount, by, seconded, client_id, .. } => Some((amount, by, seconded, client_id)),
        Deposit::Proposed { .. } => None,
    };
    let (made, settled) = submit(&state, proposal.shard(), command, |_| look_at(PROPOSALS), made).await?;
    let (amount, by, seconded, client_id) = made;
    let answer = MadeAnswer {
        account_id: account,
        amount,
        client_id,
        by,
        confirmed_by: seconded.map(|word| word.by),
        proposal_id: Some(proposal),
        command_id: settled.command.to_string(),
        repeated: false,
    };
    Ok(Answer::one(answer, settled.at()).created())
}

/// A dropped proposal.
#[derive(Serialize, ToSchema)]
#[schema(as = DroppedDeposit)]
pub struct DroppedAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = ProposalIdText)]
    proposal_id: ProposalId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    account_id: AccountId,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Drops a proposed deposit.
#[utoipa::path(
    delete,
    path = "/v1/wallet/deposits/proposals/{id}",
    operation_id = "drop_deposit_proposal",
    tag = "admin",
    params(("id" = ProposalIdText, Path, description = "The proposed deposit")),
    responses((status = 200, description = "The proposal is dropped", body = AtPosition<DroppedAnswer>)),
    security(("admin" = ["MONEY"])),
)]
pub async fn drop(
    MoneyAdmin(by): MoneyAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<DroppedAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let proposal = known(&state, &id)?;
    let dropped = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::DepositDropped { account, by: Some(by), .. } => Some((*account, *by)),
            _ => None,
        })
    };
    let command = Command::DropDeposit { proposal, by };
    let ((account_id, by), settled) =
        submit(&state, proposal.shard(), command, |_| look_at(PROPOSALS), dropped).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(DroppedAnswer { proposal_id: proposal, account_id, by, command_id }, settled.at()))
}

/// Lists proposed deposits, the first to expire first.
///
/// Pending proposals, the first to expire first.
#[utoipa::path(
    get,
    path = "/v1/wallet/deposits/proposals",
    operation_id = "list_deposit_proposals",
    tag = "admin",
    params(PageParams),
    responses((status = 200, description = "A page of proposals", body = AtPositions<ListPage<OpenProposal>>)),
    security(("admin" = [])),
)]
pub async fn proposals(
    _: AnyAdmin,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<OpenProposal>>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", order_place).map(|(expires, id)| (expires, ProposalId(id.0)));
    params.finish()?;
    reaches(&state.database_progress, &at_least).await?;
    let (items, more, at) = state.database.open_proposals(after, limit).await.map_err(|error| unreadable(&error))?;
    let next = items.last().filter(|_| more).map(|last| order_cursor(last.expires_at, OrderId(last.id.0)));
    Ok(Answer::many(ListPage { items, next }, at))
}

/// Parses a proposal id whose shard exists.
fn known(state: &Shared, text: &str) -> Result<ProposalId, Problem> {
    let unknown = || Problem::new(rejection_kind(Rejection::DepositUnknown));
    let id = parse::proposal_id(text).map_err(|_| unknown())?;
    if id.shard().number() < state.map.shards() { Ok(id) } else { Err(unknown()) }
}
