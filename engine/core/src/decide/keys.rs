//! Accounts and their API keys, at home: opening, adding, replacing, revoking, expiring.
//!
//! The gateway authenticates by keys and enforces their rights. This module decides which keys
//! exist. A key may add other keys only with rights that it has itself, so a stolen key cannot gain
//! rights.

use schemas::limits::{ACCOUNT_API_KEYS_MAX, KEY_GRACE_MAX_MS};
use schemas::{AccountId, ApiKey, ApiKeyId, Event, Rejection, Timestamp};

use super::CommandRun;
use super::account::known;
use crate::state::{Account, ShardState};

impl CommandRun<'_> {
    pub(super) fn open_account(&mut self, account: AccountId, key: &ApiKey) {
        self.step(|state, context| match check_first(state, account, key) {
            Ok(()) => {
                let added = Event::ApiKeyAdded { account, key: key.clone(), by: None };
                context.events.extend([Event::AccountOpened { account }, added]);
            }
            Err(code) => context.events.push(Event::Rejected { code }),
        });
    }

    pub(super) fn add_api_key(&mut self, account: AccountId, key: &ApiKey, by: Option<ApiKeyId>) {
        self.answer(|state| {
            check_terms(key)?;
            let home = known(state, account)?;
            check_added(state, home, key, by)?;
            if home.keys.len() >= ACCOUNT_API_KEYS_MAX {
                return Err(Rejection::ApiKeyLimit);
            }
            Ok(Event::ApiKeyAdded { account, key: key.clone(), by })
        });
    }

    pub(super) fn revoke_api_key(&mut self, account: AccountId, key: ApiKeyId, by: Option<ApiKeyId>) {
        self.answer(|state| {
            let home = known(state, account)?;
            let ended = live(state, home, key).ok_or(Rejection::ApiKeyUnknown)?;
            check_ended(state, home, ended, by)?;
            Ok(Event::ApiKeyRevoked { account, key, by })
        });
    }

    /// Adds the new key and sets the end of the old one, in one step.
    pub(super) fn rotate_api_key(
        &mut self,
        account: AccountId,
        old: ApiKeyId,
        key: &ApiKey,
        grace_ms: u64,
        by: Option<ApiKeyId>,
    ) {
        self.step(|state, context| match check_rotation(state, account, old, key, grace_ms, by) {
            Ok(expires) => {
                let ends = match grace_ms {
                    0 => Event::ApiKeyRevoked { account, key: old, by },
                    _ => Event::ApiKeyEnds { account, key: old, expires },
                };
                context.events.extend([Event::ApiKeyAdded { account, key: key.clone(), by }, ends]);
            }
            Err(code) => context.events.push(Event::Rejected { code }),
        });
    }

    /// Expires keys whose time has come, at most `room` of them. Returns how many.
    pub(super) fn expire_keys(&mut self, room: usize) -> usize {
        self.step(|state, context| {
            let now = state.facts.time;
            let due = state.lookup.key_expiries.iter().take_while(|(expires, ..)| *expires <= now).take(room);
            let before = context.events.len();
            context.events.extend(due.map(|&(_, account, key)| Event::ApiKeyExpired { account, key }));
            context.events.len() - before
        })
    }
}

fn check_first(state: &ShardState, account: AccountId, key: &ApiKey) -> Result<(), Rejection> {
    check_terms(key)?;
    match known(state, account) {
        Ok(_) => Err(Rejection::AccountExists),
        // Ids fit a signed column.
        Err(Rejection::AccountUnknown) if account.0 == 0 || i64::try_from(account.0).is_err() => {
            Err(Rejection::AccountIdInvalid)
        }
        Err(Rejection::AccountUnknown) => check_time(state, key),
        Err(code) => Err(code),
    }
}

/// Checks when the old key ends.
fn check_rotation(
    state: &ShardState,
    account: AccountId,
    old: ApiKeyId,
    key: &ApiKey,
    grace_ms: u64,
    by: Option<ApiKeyId>,
) -> Result<Timestamp, Rejection> {
    check_terms(key)?;
    let home = known(state, account)?;
    let ended = live(state, home, old).ok_or(Rejection::ApiKeyUnknown)?;
    check_added(state, home, key, by)?;
    check_ended(state, home, ended, by)?;
    if grace_ms > KEY_GRACE_MAX_MS {
        return Err(Rejection::GraceTooLong);
    }
    // One more than may be added: an account with all its keys can still replace one.
    if home.keys.len() > ACCOUNT_API_KEYS_MAX {
        return Err(Rejection::ApiKeyLimit);
    }
    let after_grace = Timestamp(state.facts.time.0 + grace_ms);
    Ok(ended.expires.map_or(after_grace, |expires| expires.min(after_grace)))
}

/// Checks a key alone.
fn check_terms(key: &ApiKey) -> Result<(), Rejection> {
    match key.notional() {
        Some(notional) if notional.micros() < 1 => Err(Rejection::AmountOutOfRange),
        _ => Ok(()),
    }
}

fn check_time(state: &ShardState, key: &ApiKey) -> Result<(), Rejection> {
    if key.is_live(state.facts.time) { Ok(()) } else { Err(Rejection::KeyExpiryInPast) }
}

/// Checks a key to add: its id is free, its expiry is in the future, and the requester has all its
/// rights.
fn check_added(state: &ShardState, home: &Account, key: &ApiKey, by: Option<ApiKeyId>) -> Result<(), Rejection> {
    if home.keys.contains_key(&key.id) {
        return Err(Rejection::ApiKeyExists);
    }
    check_time(state, key)?;
    match by.map(|by| asking(state, home, by)).transpose()? {
        Some(asking) if !asking.covers(key) => Err(Rejection::KeyRightsExceeded),
        _ => Ok(()),
    }
}

/// Checks a key to end: it requests its own end, or the requester has all its rights.
fn check_ended(state: &ShardState, home: &Account, ended: &ApiKey, by: Option<ApiKeyId>) -> Result<(), Rejection> {
    match by.map(|by| asking(state, home, by)).transpose()? {
        Some(asking) if asking.id != ended.id && !asking.covers(ended) => Err(Rejection::KeyRightsExceeded),
        _ => Ok(()),
    }
}

fn asking<'a>(state: &ShardState, home: &'a Account, by: ApiKeyId) -> Result<&'a ApiKey, Rejection> {
    live(state, home, by).ok_or(Rejection::AskingKeyEnded)
}

/// Returns a key that has not expired. An expired key stays in the state until the next
/// `AdvanceTime` reports it.
fn live<'a>(state: &ShardState, home: &'a Account, key: ApiKeyId) -> Option<&'a ApiKey> {
    home.keys.get(&key).filter(|key| key.is_live(state.facts.time))
}
