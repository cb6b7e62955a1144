//! Accounts and their keys.

use axum::extract::State;
use schemas::limits::KEY_GRACE_MAX_MS;
use schemas::{AccountId, ApiKey, ApiKeyId, Command, Event, KeyMarkets, KeyProof, KeyTerms, Scopes, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::answer::Answer;
use crate::http::auth::Keeper;
use crate::http::command::{Failure, submit};
use crate::http::extract::{Body, Query, Segment};
use crate::http::fields::Fields;
use crate::http::parse::{self, Fault};
use crate::http::problem::{Problem, kinds};
use crate::state::Shared;
use crate::told::Told;
use crate::view::keys::PresentedKey;

/// A new key. The only answer that ever shows it.
#[derive(Clone, Serialize)]
pub struct NewKey {
    account_id: String,
    key_id: String,
    api_key: String,
    scopes: Vec<&'static str>,
    command_id: String,
}

impl NewKey {
    fn new(account: AccountId, key: &PresentedKey, scopes: Scopes, command_id: String) -> Self {
        let (account_id, key_id, api_key) = (account.to_string(), shown(key.id), key.reveal());
        Self { account_id, key_id, api_key, scopes: names(scopes), command_id }
    }

    /// For a command whose outcome is still to come: the key will be valid once it has.
    fn later(account: AccountId, key: &PresentedKey, scopes: Scopes) -> Map<String, Value> {
        Map::from_iter([
            ("account_id".to_owned(), json!(account.to_string())),
            ("key_id".to_owned(), json!(shown(key.id))),
            ("api_key".to_owned(), json!(key.reveal())),
            ("scopes".to_owned(), json!(names(scopes))),
            ("look".to_owned(), json!("/v1/wallet")),
        ])
    }
}

fn shown(id: ApiKeyId) -> String {
    format!("{:016x}", id.0)
}

const NAMES: [(Scopes, &str); 4] =
    [(Scopes::READ, "READ"), (Scopes::TRADE, "TRADE"), (Scopes::CANCEL, "CANCEL"), (Scopes::TRANSFER, "TRANSFER")];

fn names(scopes: Scopes) -> Vec<&'static str> {
    NAMES.iter().filter(|(scope, _)| scopes.bits() & scope.bits() != 0).map(|(_, name)| *name).collect()
}

fn scopes(texts: &[&str]) -> Result<Scopes, Fault> {
    let named = |text: &&str| NAMES.iter().find(|(_, name)| name == text).map(|(scope, _)| scope.bits());
    let bits = texts.iter().map(named).collect::<Option<Vec<_>>>();
    let distinct =
        |bits: &Vec<u8>| bits.iter().fold(0, |all, bit| all ^ bit) == bits.iter().fold(0, |all, bit| all | bit);
    let all =
        bits.filter(|bits| !bits.is_empty() && distinct(bits)).map(|bits| bits.iter().fold(0, |all, bit| all | bit));
    all.and_then(Scopes::new).ok_or_else(|| Fault::form("some of READ, TRADE, CANCEL, TRANSFER, each once"))
}

/// Something if one of the events is like this.
fn found(told: &Told<'_>, wanted: impl Fn(&Event) -> bool) -> Option<()> {
    told.events.iter().any(wanted).then_some(())
}

/// Seconds that a replaced key may stay valid.
const GRACE_MAX_S: u64 = KEY_GRACE_MAX_MS / 1_000;

/// Ids tried for a home that has not halted: with one of four shards halted, all of them miss once in 2^64 times.
const HOMES_TRIED: usize = 32;

/// `POST /v1/accounts`
pub async fn open(State(state): State<Shared>, query: Query, Body(fields): Body) -> Result<Answer<NewKey>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    // 63 random bits; the account's shard refuses the one in 2^63 that is taken.
    let any = || AccountId((rand::random::<u64>() >> 1).max(1));
    // It may live on any shard: rather on one that has not halted.
    let is_served = |account: &AccountId| !state.halted.takes_no_commands(state.map.of_account(*account));
    let account = std::iter::repeat_with(any).take(HOMES_TRIED).find(is_served).unwrap_or_else(any);
    let (presented, scopes) = (PresentedKey::random(), Scopes::ALL);
    let key = ApiKey::with_secret(presented.id, presented.hash(), scopes);
    let command = Command::OpenAccount { account, key };
    let shard = state.map.of_account(account);
    let opened = |told: &Told<'_>| found(told, |event| matches!(event, Event::AccountOpened { .. }));
    let later = |_| NewKey::later(account, &presented, scopes);
    let ((), settled) = submit(&state, shard, command, later, opened).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &presented, scopes, command_id), settled.at()).created())
}

/// `POST /v1/api-keys`
pub async fn add_key(
    Keeper(account, by): Keeper,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<NewKey>, Failure> {
    query.nothing_else()?;
    let (scopes, expires, terms) = read_rights(fields)?;
    let presented = PresentedKey::random();
    let terms = (terms != KeyTerms::default()).then(|| Box::new(terms));
    let key = ApiKey { expires, terms, ..ApiKey::with_secret(presented.id, presented.hash(), scopes) };
    let command = Command::AddApiKey { account, key, by: Some(by) };
    let shard = state.map.of_account(account);
    let added = |told: &Told<'_>| found(told, |event| matches!(event, Event::ApiKeyAdded { .. }));
    let later = |_| NewKey::later(account, &presented, scopes);
    let ((), settled) = submit(&state, shard, command, later, added).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &presented, scopes, command_id), settled.at()).created())
}

fn read_rights(mut fields: Fields) -> Result<(Scopes, Option<Timestamp>, KeyTerms), Problem> {
    let scopes = fields.texts_or("scopes", Scopes::READ_TRADE, scopes);
    let expires = fields.text_or("expires_at", None, |text| parse::time(text).map(Some));
    let name = fields.text_or("name", None, |text| {
        text.parse().map(Some).map_err(|_| Fault::form("1 to 64 bytes without control characters"))
    });
    let markets = fields.texts_or("markets", None, |texts| markets(texts).map(Some));
    let notional = fields.text_or("notional", None, |text| parse::amount(text).map(Some));
    let built = (|| Some((scopes?, expires?, KeyTerms { name: name?, markets: markets?, notional: notional? })))();
    fields.finish(built)
}

fn markets(texts: &[&str]) -> Result<KeyMarkets, Fault> {
    let mut ids = texts.iter().map(|text| parse::market_id(text)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    KeyMarkets::new(ids).ok_or_else(|| Fault::form("ids of 1 to 20 markets, each once"))
}

/// `POST /v1/api-keys/{id}/rotate`: a key with the same rights, and the end of the old one after `grace_s` seconds.
pub async fn rotate_key(
    Keeper(account, by): Keeper,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(mut fields): Body,
) -> Result<Answer<NewKey>, Failure> {
    query.nothing_else()?;
    let grace_s = fields.integer_or("grace_s", 0, |number| match number {
        0..=GRACE_MAX_S => Ok(number),
        _ => Err(Fault::range("0 to 604800")),
    });
    let grace_ms = fields.finish(grace_s)? * 1_000;
    let unknown = || Problem::new(kinds::API_KEY_UNKNOWN);
    let old = parse::key_id(&id).map_err(|_| unknown())?;
    let rights = state.live.view().keys().of(account, old).cloned().ok_or_else(unknown)?;
    let (presented, scopes) = (PresentedKey::random(), rights.scopes);
    let proof = KeyProof::Secret(presented.hash());
    let key = Box::new(ApiKey { id: presented.id, proof, ..rights });
    let command = Command::RotateApiKey { account, old, key, grace_ms, by: Some(by) };
    let shard = state.map.of_account(account);
    let added = |told: &Told<'_>| found(told, |event| matches!(event, Event::ApiKeyAdded { .. }));
    let later = |_| NewKey::later(account, &presented, scopes);
    let ((), settled) = submit(&state, shard, command, later, added).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &presented, scopes, command_id), settled.at()).created())
}

/// A key that is worthless from now on.
#[derive(Serialize)]
pub struct RevokedKey {
    key_id: String,
    command_id: String,
}

/// `DELETE /v1/api-keys/{id}`
pub async fn revoke_key(
    Keeper(account, by): Keeper,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(fields): Body,
) -> Result<Answer<RevokedKey>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let key = parse::key_id(&id).map_err(|_| Problem::new(kinds::API_KEY_UNKNOWN))?;
    let command = Command::RevokeApiKey { account, key, by: Some(by) };
    let revoked = |told: &Told<'_>| found(told, |event| matches!(event, Event::ApiKeyRevoked { .. }));
    let ((), settled) = submit(&state, state.map.of_account(account), command, |_| Map::new(), revoked).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(RevokedKey { key_id: shown(key), command_id }, settled.at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_names_each_once() {
        assert_eq!(scopes(&["READ"]), Ok(Scopes::READ));
        assert_eq!(scopes(&["TRADE", "READ"]), Ok(Scopes::READ_TRADE));
        for texts in [&[][..], &["read"], &["READ", "READ"], &["READ", "ADMIN"]] {
            assert!(scopes(texts).is_err(), "{texts:?}");
        }
        assert_eq!(names(Scopes::READ_TRADE), ["READ", "TRADE"]);
    }
}
