//! Accounts and their keys.

use axum::extract::State;
use schemas::{AccountId, ApiKey, ApiKeyId, Command, Event, Scopes};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::answer::Answer;
use crate::http::auth::Trader;
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

const NAMES: [(Scopes, &str); 2] = [(Scopes::READ, "READ"), (Scopes::TRADE, "TRADE")];

fn names(scopes: Scopes) -> Vec<&'static str> {
    NAMES.iter().filter(|(scope, _)| scopes.contains(*scope)).map(|(_, name)| *name).collect()
}

fn scopes(texts: &[&str]) -> Result<Scopes, Fault> {
    let named = |text: &&str| NAMES.iter().find(|(_, name)| name == text).map(|(scope, _)| scope.bits());
    let bits = texts.iter().map(named).collect::<Option<Vec<_>>>();
    let distinct =
        |bits: &Vec<u8>| bits.iter().fold(0, |all, bit| all ^ bit) == bits.iter().fold(0, |all, bit| all | bit);
    let all =
        bits.filter(|bits| !bits.is_empty() && distinct(bits)).map(|bits| bits.iter().fold(0, |all, bit| all | bit));
    all.and_then(Scopes::new).ok_or_else(|| Fault::form("one or both of READ, TRADE, each once"))
}

/// Something if one of the events is like this.
fn found(told: &Told<'_>, wanted: impl Fn(&Event) -> bool) -> Option<()> {
    told.events.iter().any(wanted).then_some(())
}

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
    let (presented, scopes) = (PresentedKey::random(), Scopes::READ_TRADE);
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
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<NewKey>, Failure> {
    query.nothing_else()?;
    let scopes = read_scopes(fields)?;
    let presented = PresentedKey::random();
    let key = ApiKey::with_secret(presented.id, presented.hash(), scopes);
    let command = Command::AddApiKey { account, key };
    let shard = state.map.of_account(account);
    let added = |told: &Told<'_>| found(told, |event| matches!(event, Event::ApiKeyAdded { .. }));
    let later = |_| NewKey::later(account, &presented, scopes);
    let ((), settled) = submit(&state, shard, command, later, added).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(NewKey::new(account, &presented, scopes, command_id), settled.at()).created())
}

fn read_scopes(mut fields: Fields) -> Result<Scopes, Problem> {
    let scopes = fields.texts_or("scopes", Scopes::READ_TRADE, scopes);
    fields.finish(scopes)
}

/// A key that is worthless from now on.
#[derive(Serialize)]
pub struct RevokedKey {
    key_id: String,
    command_id: String,
}

/// `DELETE /v1/api-keys/{id}`
pub async fn revoke_key(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(fields): Body,
) -> Result<Answer<RevokedKey>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let key = parse::key_id(&id).map_err(|_| Problem::new(kinds::API_KEY_UNKNOWN))?;
    let command = Command::RevokeApiKey { account, key };
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
