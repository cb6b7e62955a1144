//! Accounts and their keys.

use axum::extract::State;
use schemas::limits::KEY_GRACE_MAX_MS;
use schemas::{AccountId, ApiKey, Command, Event, KeyMarkets, KeyProof, KeyTerms, Scopes, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::asker::asker;
use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition, AtPositions};
use crate::http::auth::{KeyAccess, ReadAccess, RevokeAccess};
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::new_key::{KeyShape, Material, NewKey, key_id, scopes};
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::openapi::requests::{CreateApiKey, OpenAccount, RotateApiKey};
use crate::openapi::scalars::{CommandIdText, KeyIdText};
use crate::state::Shared;

/// The longest grace period of a replaced key, in seconds.
const GRACE_MAX_S: u64 = KEY_GRACE_MAX_MS / 1_000;

/// Account ids that are tried until one has a home that has not halted: with one of four shards
/// halted, all of them miss once in 2^64 times.
const HOMES_TRIED: usize = 32;

/// Opens an account, with its first key.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "open_account",
    tag = "account",
    request_body = OpenAccount,
    responses((status = 201, description = "The account and its key", body = AtPosition<NewKey>)),
)]
pub async fn open(
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<NewKey>, CommandFailure> {
    query.nothing_else()?;
    let public_key = Material::read(&mut fields);
    let public_key = fields.finish(public_key)?;
    let openings = state.openings.as_ref().ok_or_else(|| Problem::new(kinds::ACCOUNTS_CLOSED))?;
    openings.take(asker())?;
    let (material, scopes) = (Material::new(public_key), Scopes::ALL);
    // 63 random bits; the account's shard rejects an id that is taken, which happens once in 2^63
    // times.
    let any = || AccountId((rand::random::<u64>() >> 1).max(1));
    // Any shard can be the home: prefer one that has not halted.
    let is_served = |account: &AccountId| !state.halted.takes_no_commands(state.map.of_account(*account));
    let account = std::iter::repeat_with(any).take(HOMES_TRIED).find(is_served).unwrap_or_else(any);
    let key = ApiKey { id: material.id(), proof: material.proof(), scopes, expires: None, terms: None };
    let command = Command::OpenAccount { account, key };
    let shard = state.map.of_account(account);
    let opened = |told: &ResultPart<'_>| told.says(|event| matches!(event, Event::AccountOpened { .. }));
    let later = |_| NewKey::later(account, &material, scopes);
    let ((), settled) = submit(&state, shard, command, later, opened).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &material, scopes, command_id), settled.at()).created())
}

/// An account's keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
pub struct KeyList {
    items: Vec<KeyShape>,
}

/// Lists the account's keys.
#[utoipa::path(
    get,
    path = "/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "account",
    responses((status = 200, description = "The keys", body = AtPositions<KeyList>)),
    security(("account" = ["READ"])),
)]
pub async fn list_keys(
    ReadAccess(account): ReadAccess,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<KeyList>, Problem> {
    query.nothing_else()?;
    let (keys, at) = state.live.keys_of(account).map_err(|error| Problem::unstored(&error))?;
    let items = keys.iter().map(|key| KeyShape::of(key)).collect();
    Ok(Answer::many(KeyList { items }, at))
}

/// Creates a key.
#[utoipa::path(
    post,
    path = "/v1/api-keys",
    operation_id = "create_api_key",
    tag = "account",
    request_body = CreateApiKey,
    responses((status = 201, description = "The key", body = AtPosition<NewKey>)),
    security(("account" = ["TRADE"])),
)]
pub async fn add_key(
    KeyAccess(account, by): KeyAccess,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<NewKey>, CommandFailure> {
    query.nothing_else()?;
    let (public_key, scopes, expires, terms) = read_rights(fields)?;
    let material = Material::new(public_key);
    let terms = (terms != KeyTerms::default()).then(|| Box::new(terms));
    let key = ApiKey { id: material.id(), proof: material.proof(), scopes, expires, terms };
    let command = Command::AddApiKey { account, key, by: Some(by) };
    let shard = state.map.of_account(account);
    let added = |told: &ResultPart<'_>| told.says(|event| matches!(event, Event::ApiKeyAdded { .. }));
    let later = |_| NewKey::later(account, &material, scopes);
    let ((), settled) = submit(&state, shard, command, later, added).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &material, scopes, command_id), settled.at()).created())
}

/// The public key of the new key, if the request has one, and the key's rights.
type Rights = (Option<[u8; 32]>, Scopes, Option<Timestamp>, KeyTerms);

fn read_rights(mut fields: Fields) -> Result<Rights, Problem> {
    let public_key = Material::read(&mut fields);
    let scopes = fields.texts_or("scopes", Scopes::READ_TRADE, scopes);
    let expires = fields.text_or("expires_at", None, |text| parse::time(text).map(Some));
    let name = fields.text_or("name", None, |text| parse::key_name(text).map(Some));
    let markets = fields.texts_or("markets", None, |texts| markets(texts).map(Some));
    let notional = fields.text_or("notional", None, |text| parse::amount(text).map(Some));
    let built =
        (|| Some((public_key?, scopes?, expires?, KeyTerms { name: name?, markets: markets?, notional: notional? })))();
    fields.finish(built)
}

fn markets(texts: &[&str]) -> Result<KeyMarkets, ValueFault> {
    let mut ids = texts.iter().map(|text| parse::market_id(text)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    KeyMarkets::new(ids).ok_or_else(|| ValueFault::form("ids of 1 to 20 markets, each once"))
}

/// Replaces a key by one with the same rights.
///
/// Creates a key with the same rights and ends the old one after
/// `grace_s` seconds.
///
/// | the old key has | `public_key` | the new key has                                      |
/// |-----------------|--------------|------------------------------------------------------|
/// | a secret        | absent       | a secret                                             |
/// | a secret        | given        | the public key                                       |
/// | a public key    | absent       | refused: a secret would prove less than a signature  |
/// | a public key    | the same     | refused: it would replace nothing                    |
/// | a public key    | another      | the public key                                       |
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/rotate",
    operation_id = "rotate_api_key",
    tag = "account",
    params(("id" = KeyIdText, Path, description = "The key")),
    request_body = RotateApiKey,
    responses((status = 201, description = "The new key", body = AtPosition<NewKey>)),
    security(("account" = ["TRADE"])),
)]
pub async fn rotate_key(
    KeyAccess(account, by): KeyAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<NewKey>, CommandFailure> {
    query.nothing_else()?;
    let grace_s = fields.integer_or("grace_s", 0, |number| match number {
        0..=GRACE_MAX_S => Ok(number),
        _ => Err(ValueFault::range("0 to 604800")),
    });
    let public_key = Material::read(&mut fields);
    let unknown = || Problem::new(kinds::API_KEY_UNKNOWN);
    let old = parse::key_id(&id).ok();
    let keys = old.map(|old| state.live.keys(old)).transpose().map_err(|error| Problem::unstored(&error))?;
    let rights = old.zip(keys.and_then(|keys| keys.of(account).map(|key| ApiKey::clone(key))));
    if let (Some((_, rights)), Some(public_key)) = (&rights, &public_key) {
        check_successor(&mut fields, &rights.proof, public_key.as_ref());
    }
    let (grace_s, public_key) = fields.finish(grace_s.zip(public_key))?;
    let (old, rights) = rights.ok_or_else(unknown)?;
    let (material, scopes, grace_ms) = (Material::new(public_key), rights.scopes, grace_s * 1_000);
    let key = Box::new(ApiKey { id: material.id(), proof: material.proof(), ..rights });
    let command = Command::RotateApiKey { account, old, key, grace_ms, by: Some(by) };
    let shard = state.map.of_account(account);
    let added = |told: &ResultPart<'_>| told.says(|event| matches!(event, Event::ApiKeyAdded { .. }));
    let later = |_| NewKey::later(account, &material, scopes);
    let ((), settled) = submit(&state, shard, command, later, added).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &material, scopes, command_id), settled.at()).created())
}

/// Reports the fault of the public key that replaces this proof.
fn check_successor(fields: &mut Fields, old: &KeyProof, public_key: Option<&[u8; 32]>) {
    match (old, public_key) {
        (KeyProof::Ed25519(_), None) => {
            fields.fault("public_key", ValueFault::missing("must be given, because the key signs its requests"));
        }
        (KeyProof::Ed25519(old), Some(new)) if old == new => {
            fields.fault("public_key", ValueFault::conflict("must differ from the old key's"));
        }
        _ => {}
    }
}

/// A revoked key.
#[derive(Serialize, ToSchema)]
pub struct RevokedKey {
    #[schema(value_type = KeyIdText)]
    key_id: String,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Revokes a key.
///
/// A key with the scope TRADE revokes any key of the account; every key revokes itself.
#[utoipa::path(
    delete,
    path = "/v1/api-keys/{id}",
    operation_id = "revoke_api_key",
    tag = "account",
    params(("id" = KeyIdText, Path, description = "The key")),
    responses((status = 200, description = "The key is revoked", body = AtPosition<RevokedKey>)),
    security(("account" = [])),
)]
pub async fn revoke_key(
    ender: RevokeAccess,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<RevokedKey>, CommandFailure> {
    let key = parse::key_id(&id).ok();
    ender.check(key)?;
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let key = key.ok_or_else(|| Problem::new(kinds::API_KEY_UNKNOWN))?;
    let RevokeAccess { account, by, .. } = ender;
    let command = Command::RevokeApiKey { account, key, by: Some(by) };
    let revoked = |told: &ResultPart<'_>| told.says(|event| matches!(event, Event::ApiKeyRevoked { .. }));
    let ((), settled) =
        submit(&state, state.map.of_account(account), command, |_| look_at("/v1/api-keys"), revoked).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(RevokedKey { key_id: key_id(key), command_id }, settled.at()))
}
