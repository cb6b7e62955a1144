//! Groups of an account's orders: a limit on what they fill in a rolling window.
//!
//! Requests go to the account's home and are answered when every shard where the account has a
//! purse has confirmed. Reads use the follower of the home shard, which counts what all shards have
//! reported.

use axum::extract::State;
use engine_core::Group;
use schemas::{AccountId, Command, GroupAct, GroupId, GroupLimits, GroupNow, PurseInstruction, Timestamp};
use serde::Serialize;
use service::clock::now;
use utoipa::ToSchema;

use crate::answers::instructed;
use crate::command_result::{CommandResult, ResultPart};
use crate::http::answer::{Answer, AtPosition, ListPage};
use crate::http::auth::{CancelAccess, ReadAccess, TradeAccess};
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::gate::{followers_reach, own_is_followed};
use crate::http::parse::{self, PAGE_DEFAULT};
use crate::http::problem::{Problem, kinds};
use crate::http::unavailable::unavailable;
use crate::openapi::params::PageParams;
use crate::openapi::requests::{ChangeGroup, CreateGroup};
use crate::openapi::scalars::{CommandIdText, ContractsNumber, GroupNumber};
use crate::state::Shared;

/// A group as its account's home counts it.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupShape {
    #[schema(value_type = GroupNumber)]
    group: u16,
    /// Contracts that may fill within the window.
    contracts: u32,
    /// The window, in seconds.
    window_s: u8,
    /// A number that grows whenever a group of the account is created or reset.
    generation: u64,
    /// Contracts filled within the window.
    #[schema(value_type = ContractsNumber)]
    filled: u64,
    /// Contracts that may still fill.
    left: u64,
    /// True if it refuses orders until it is reset.
    triggered: bool,
}

impl GroupShape {
    fn of(id: GroupId, group: &Group, at: Timestamp) -> Self {
        let limits = group.limits;
        Self {
            group: id.number(),
            contracts: limits.contracts(),
            window_s: limits.window_s(),
            generation: group.generation,
            filled: group.filled(at),
            left: group.left(at),
            triggered: group.triggered,
        }
    }
}

fn unknown() -> Problem {
    Problem::new(kinds::GROUP_UNKNOWN)
}

fn group_id(segment: &str) -> Result<GroupId, Problem> {
    parse::group_segment(segment).map_err(|_| unknown())
}

/// Lists the account's groups.
#[utoipa::path(
    get,
    path = "/v1/groups",
    operation_id = "list_groups",
    tag = "groups",
    params(PageParams),
    responses((status = 200, description = "A page of groups", body = AtPosition<ListPage<GroupShape>>)),
    security(("account" = ["READ"])),
)]
pub async fn list(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<GroupShape>>, Problem> {
    let (mut params, at_least) = (query.params, query.at_least);
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", parse::group_segment);
    params.finish()?;
    followers_reach(&state, &at_least).await?;
    own_is_followed(&state, account, |shard| shard == state.map.of_account(account)).await.map_err(unavailable)?;
    // One time for the page: all its groups are counted as of the same moment.
    let time = now();
    let looked = state.followers.read(state.map.of_account(account), |home| {
        let all = home.groups(account).into_iter().flat_map(|groups| groups.iter());
        let page = all.filter(|(id, _)| after.is_none_or(|after| *id > after));
        // One more shows whether there is another page.
        page.take(limit + 1).map(|(id, group)| GroupShape::of(id, group, time)).collect::<Vec<_>>()
    });
    let (mut items, at) = looked.map_err(unavailable)?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.group.to_string());
    Ok(Answer::one(ListPage { items, next }, at))
}

/// Shows a group.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}",
    operation_id = "get_group",
    tag = "groups",
    params(("group" = GroupNumber, Path, description = "The group")),
    responses((status = 200, description = "The group", body = AtPosition<GroupShape>)),
    security(("account" = ["READ"])),
)]
pub async fn one(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(segment): Segment,
) -> Result<Answer<GroupShape>, Problem> {
    let at_least = query.nothing_else()?;
    let id = group_id(&segment)?;
    followers_reach(&state, &at_least).await?;
    own_is_followed(&state, account, |shard| shard == state.map.of_account(account)).await.map_err(unavailable)?;
    let time = now();
    let shape = |group: &Group| GroupShape::of(id, group, time);
    let looked = state.followers.read(state.map.of_account(account), |home| home.group(account, id).map(shape));
    let (group, at) = looked.map_err(unavailable)?;
    Ok(Answer::one(group.ok_or_else(unknown)?, at))
}

/// A group after the request, as all shards with a purse of the account have applied it.
#[derive(Serialize, ToSchema)]
pub struct GroupAnswer {
    #[schema(value_type = GroupNumber)]
    group: u16,
    /// Contracts that may fill within the window.
    contracts: u32,
    /// The window, in seconds.
    window_s: u8,
    /// A number that grows whenever a group of the account is created or reset.
    generation: u64,
    /// True if it refuses orders until it is reset.
    triggered: bool,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Creates a group.
#[utoipa::path(
    post,
    path = "/v1/groups",
    operation_id = "create_group",
    tag = "groups",
    request_body = CreateGroup,
    responses((status = 201, description = "The group", body = AtPosition<GroupAnswer>)),
    security(("account" = ["TRADE"])),
)]
pub async fn make(
    TradeAccess(account): TradeAccess,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<GroupAnswer>, CommandFailure> {
    query.nothing_else()?;
    let (group, limits) = (fields.integer("group", parse::group), read_limits(&mut fields));
    let (group, limits) = fields.finish(group.zip(limits))?;
    Ok(changed(&state, account, group, GroupAct::Make(limits)).await?.created())
}

/// Replaces a group's limits.
///
/// Replaces the limits.
#[utoipa::path(
    put,
    path = "/v1/groups/{group}",
    operation_id = "change_group",
    tag = "groups",
    params(("group" = GroupNumber, Path, description = "The group")),
    request_body = ChangeGroup,
    responses((status = 200, description = "The group", body = AtPosition<GroupAnswer>)),
    security(("account" = ["TRADE"])),
)]
pub async fn change(
    TradeAccess(account): TradeAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(segment): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<GroupAnswer>, CommandFailure> {
    query.nothing_else()?;
    let limits = read_limits(&mut fields);
    let limits = fields.finish(limits)?;
    changed(&state, account, group_id(&segment)?, GroupAct::Change(limits)).await
}

/// Cancels a group's orders, and refuses others until it is reset.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/trigger",
    operation_id = "trigger_group",
    tag = "groups",
    params(("group" = GroupNumber, Path, description = "The group")),
    responses((status = 200, description = "The group", body = AtPosition<GroupAnswer>)),
    security(("account" = ["CANCEL"])),
)]
pub async fn trigger(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(segment): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<GroupAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    changed(&state, account, group_id(&segment)?, GroupAct::Trigger).await
}

/// Starts a new window of a group.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/reset",
    operation_id = "reset_group",
    tag = "groups",
    params(("group" = GroupNumber, Path, description = "The group")),
    responses((status = 200, description = "The group", body = AtPosition<GroupAnswer>)),
    security(("account" = ["TRADE"])),
)]
pub async fn reset(
    TradeAccess(account): TradeAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(segment): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<GroupAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    changed(&state, account, group_id(&segment)?, GroupAct::Reset).await
}

/// A deleted group.
#[derive(Serialize, ToSchema)]
pub struct DeletedGroup {
    #[schema(value_type = GroupNumber)]
    group: u16,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Deletes a group, and cancels its orders.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}",
    operation_id = "delete_group",
    tag = "groups",
    params(("group" = GroupNumber, Path, description = "The group")),
    responses((status = 200, description = "The group is deleted", body = AtPosition<DeletedGroup>)),
    security(("account" = ["CANCEL"])),
)]
pub async fn delete(
    CancelAccess(account): CancelAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(segment): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<DeletedGroup>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let group = group_id(&segment)?;
    let (_, settled) = act(&state, account, group, GroupAct::Delete, |now| now.is_none().then_some(())).await?;
    let (group, command_id) = (group.number(), settled.command.to_string());
    Ok(Answer::one(DeletedGroup { group, command_id }, settled.at()))
}

fn read_limits(fields: &mut Fields) -> Option<GroupLimits> {
    let contracts = fields.integer("contracts", parse::group_contracts);
    let window_s = fields.integer("window_s", parse::group_window_s);
    GroupLimits::new(contracts?, window_s?)
}

async fn changed(
    state: &Shared,
    account: AccountId,
    group: GroupId,
    asked: GroupAct,
) -> Result<Answer<GroupAnswer>, CommandFailure> {
    let (now, settled) = act(state, account, group, asked, |now| now).await?;
    let GroupNow { limits, generation, triggered } = now;
    let answer = GroupAnswer {
        group: group.number(),
        contracts: limits.contracts(),
        window_s: limits.window_s(),
        generation,
        triggered,
        command_id: settled.command.to_string(),
    };
    Ok(Answer::one(answer, settled.at()))
}

/// Waits until every shard with a purse of the account has confirmed the group.
async fn act<T>(
    state: &Shared,
    account: AccountId,
    group: GroupId,
    act: GroupAct,
    wanted: impl Fn(Option<GroupNow>) -> Option<T>,
) -> Result<(T, CommandResult), CommandFailure> {
    let done = |told: &ResultPart<'_>| match instructed(told)? {
        PurseInstruction::Group { now, .. } => wanted(now),
        _ => None,
    };
    let look = |_| look_at(format!("/v1/groups/{group}"));
    let command = Command::ActOnGroup { account, group, act };
    submit(state, state.map.of_account(account), command, look, done).await
}
