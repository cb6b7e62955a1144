//! API keys that manage keys: they give only their own rights, end by the log's time, and are
//! replaced without a gap.

use schemas::limits::{ACCOUNT_API_KEYS_MAX, KEY_GRACE_MAX_MS};
use schemas::{
    AccountId, ApiKey, ApiKeyId, Command, Credits, Event, KeyMarkets, KeyTerms, MarketId, Rejection, Scopes, Timestamp,
};

use crate::script::Scenario;

const FIRST: ApiKeyId = ApiKeyId(1);

fn key(id: u64, scopes: Scopes, expires: Option<Timestamp>) -> ApiKey {
    ApiKey { expires, ..ApiKey::with_secret(ApiKeyId(id), [9; 32], scopes) }
}

/// An account whose first key may do everything and never expires.
fn open(scenario: &mut Scenario) -> AccountId {
    let account = AccountId(77);
    let opened = scenario.handle(&Command::OpenAccount { account, key: key(FIRST.0, Scopes::ALL, None) });
    assert!(matches!(opened[..], [Event::AccountOpened { .. }, Event::ApiKeyAdded { .. }]), "{opened:?}");
    account
}

fn code(events: &[Event]) -> Option<Rejection> {
    match events {
        [Event::Rejected { code }] => Some(*code),
        _ => None,
    }
}

fn keys(scenario: &Scenario, account: AccountId) -> Vec<(u64, Option<Timestamp>)> {
    scenario.state.account(account).unwrap().keys().map(|key| (key.id.0, key.expires)).collect()
}

#[test]
fn a_key_gives_only_its_own_rights_and_not_for_longer() {
    let mut scenario = Scenario::new();
    let account = open(&mut scenario);
    let end = Timestamp(scenario.state.time().0 + 10_000);
    let bound = |markets: Vec<MarketId>, notional| {
        let terms = KeyTerms { name: None, markets: KeyMarkets::new(markets), notional: Some(Credits(notional)) };
        Some(Box::new(terms))
    };
    let asks = ApiKey { terms: bound(vec![MarketId(4), MarketId(5)], 100), ..key(2, Scopes::READ_TRADE, Some(end)) };
    let add = |key: &ApiKey, by| Command::AddApiKey { account, key: key.clone(), by: Some(by) };
    assert_eq!(code(&scenario.handle(&add(&asks, FIRST))), None);
    let within = ApiKey { id: ApiKeyId(3), terms: bound(vec![MarketId(5)], 99), ..asks.clone() };
    let larger = [
        ApiKey { scopes: Scopes::ALL, ..within.clone() },
        ApiKey { expires: None, ..within.clone() },
        ApiKey { expires: Some(Timestamp(end.0 + 1)), ..within.clone() },
        ApiKey { terms: bound(vec![MarketId(5), MarketId(6)], 99), ..within.clone() },
        ApiKey { terms: bound(vec![MarketId(5)], 101), ..within.clone() },
        ApiKey { terms: None, ..within.clone() },
    ];
    for key in &larger {
        assert_eq!(code(&scenario.handle(&add(key, asks.id))), Some(Rejection::KeyRightsExceeded), "{key:?}");
    }
    let revoke = |key, by| Command::RevokeApiKey { account, key, by: Some(by) };
    assert_eq!(code(&scenario.handle(&revoke(FIRST, asks.id))), Some(Rejection::KeyRightsExceeded));
    assert_eq!(code(&scenario.handle(&add(&within, asks.id))), None);
    assert_eq!(code(&scenario.handle(&revoke(within.id, asks.id))), None);
    assert_eq!(code(&scenario.handle(&revoke(asks.id, asks.id))), None, "a key may end itself");
    assert_eq!(keys(&scenario, account), [(FIRST.0, None)]);
}

/// Between its expiry and the event of it, a key counts as expired.
#[test]
fn an_expired_key_neither_makes_nor_changes_keys() {
    let mut scenario = Scenario::new();
    let account = open(&mut scenario);
    let end = Timestamp(scenario.state.time().0 + 1_000);
    let ends = key(2, Scopes::ALL, Some(end));
    scenario.handle(&Command::AddApiKey { account, key: ends.clone(), by: None });
    let late = key(3, Scopes::READ, Some(Timestamp(end.0 + 500)));
    let add = Command::AddApiKey { account, key: late.clone(), by: Some(ends.id) };
    assert_eq!(code(&scenario.handle(&add)), Some(Rejection::KeyRightsExceeded), "not for longer");
    scenario.wait(1_000);
    let past = Command::AddApiKey { account, key: key(4, Scopes::READ, Some(end)), by: None };
    assert_eq!(code(&scenario.handle(&past)), Some(Rejection::KeyExpiryInPast));
    assert_eq!(code(&scenario.handle(&add)), Some(Rejection::AskingKeyEnded));
    let rotate = Command::RotateApiKey { account, old: ends.id, key: Box::new(late), grace_ms: 5, by: None };
    assert_eq!(code(&scenario.handle(&rotate)), Some(Rejection::ApiKeyUnknown));
    assert_eq!(keys(&scenario, account).len(), 2);
    let told = scenario.handle(&Command::AdvanceTime);
    assert!(told.contains(&Event::ApiKeyExpired { account, key: ends.id }), "{told:?}");
    assert_eq!(keys(&scenario, account), [(FIRST.0, None)]);
}

#[test]
fn a_rotation_leaves_no_gap_and_prolongs_nothing() {
    let mut scenario = Scenario::new();
    let account = open(&mut scenario);
    let now = scenario.state.time().0;
    let rotate = |old: u64, new: u64, grace_ms| {
        let key = Box::new(key(new, Scopes::READ, Some(Timestamp(now + 2_000))));
        Command::RotateApiKey { account, old: ApiKeyId(old), key, grace_ms, by: Some(FIRST) }
    };
    scenario.handle(&Command::AddApiKey { account, key: key(2, Scopes::READ, Some(Timestamp(now + 500))), by: None });
    assert_eq!(code(&scenario.handle(&rotate(2, 3, KEY_GRACE_MAX_MS + 1))), Some(Rejection::GraceTooLong));
    assert_eq!(code(&scenario.handle(&rotate(2, 3, 900))), None);
    let sooner = Some(Timestamp(now + 500));
    assert_eq!(keys(&scenario, account), [(1, None), (2, sooner), (3, Some(Timestamp(now + 2_000)))]);
    assert_eq!(code(&scenario.handle(&rotate(3, 4, 300))), None);
    let (graced, new) = (Some(Timestamp(scenario.state.time().0 + 300)), Some(Timestamp(now + 2_000)));
    assert_eq!(keys(&scenario, account), [(1, None), (2, sooner), (3, graced), (4, new)]);
    let ended = scenario.handle(&rotate(4, 5, 0));
    assert!(matches!(ended[..], [Event::ApiKeyAdded { .. }, Event::ApiKeyRevoked { .. }]), "{ended:?}");
}

/// An account with the largest number of keys can still replace one.
#[test]
fn a_full_account_replaces_a_key_and_adds_none() {
    let mut scenario = Scenario::new();
    let account = open(&mut scenario);
    for id in 2..=ACCOUNT_API_KEYS_MAX as u64 {
        let added = scenario.handle(&Command::AddApiKey { account, key: key(id, Scopes::READ, None), by: None });
        assert_eq!(code(&added), None);
    }
    let add = Command::AddApiKey { account, key: key(99, Scopes::READ, None), by: None };
    assert_eq!(code(&scenario.handle(&add)), Some(Rejection::ApiKeyLimit));
    let rotate = |old: u64, new: u64| {
        let key = Box::new(key(new, Scopes::READ, None));
        Command::RotateApiKey { account, old: ApiKeyId(old), key, grace_ms: 1_000, by: None }
    };
    assert_eq!(code(&scenario.handle(&rotate(2, 99))), None);
    assert_eq!(keys(&scenario, account).len(), ACCOUNT_API_KEYS_MAX + 1);
    assert_eq!(code(&scenario.handle(&rotate(3, 98))), Some(Rejection::ApiKeyLimit), "one at a time");
}
