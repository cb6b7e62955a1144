//! Checks I-14 from the log alone: a key grants only rights that it has, no key is used after its
//! expiry, and a rotation leaves no gap.

use std::collections::BTreeMap;

use schemas::limits::{ACCOUNT_API_KEYS_MAX, KEY_GRACE_MAX_MS};
use schemas::{AccountId, ApiKey, ApiKeyId, Event, Outcome, Rejection, Scopes, Timestamp};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// Panics unless each key of a shard was added and ended as allowed.
pub fn check(cluster: &Cluster, history: &History) {
    let mut keys = KeysOracle { cluster, there: BTreeMap::new() };
    for (outcome, _) in &history.outcomes {
        keys.read(outcome);
    }
    let Some((last, _)) = history.outcomes.last() else { return };
    for ((account, id), key) in &keys.there {
        let late = key.expires.is_some_and(|expires| expires <= last.time);
        assert!(!late, "I-14: key {id} of {account} outlives its time, though nothing is left to do");
    }
}

struct KeysOracle<'a> {
    cluster: &'a Cluster,
    there: BTreeMap<(AccountId, ApiKeyId), ApiKey>,
}

impl KeysOracle<'_> {
    fn read(&mut self, outcome: &Outcome) {
        let now = outcome.time;
        let mut added = None;
        for event in &outcome.events {
            match event {
                Event::ApiKeyAdded { account, key, by } => {
                    self.add(now, *account, key, *by);
                    added = Some(*account);
                }
                Event::ApiKeyEnds { account, key, expires } => {
                    assert_eq!(added, Some(*account), "I-14: key {key} ends and none replaces it");
                    self.end_at(now, (*account, *key), *expires);
                }
                Event::ApiKeyRevoked { account, key, by } => {
                    let ended = self.asking(now, *account, *key).clone();
                    if let Some(by) = by {
                        let asks = self.asking(now, *account, *by);
                        let may = by == key || !has_more(&ended, asks);
                        assert!(may, "I-14: {by} revokes {key}, which has more rights");
                    }
                    self.there.remove(&(*account, *key));
                    self.cluster.saw(Seen::KeyRevoked);
                }
                Event::ApiKeyExpired { account, key } => {
                    let ended = self.there.remove(&(*account, *key));
                    let in_time = ended.and_then(|key| key.expires).is_some_and(|expires| expires <= now);
                    assert!(in_time, "I-14: key {key} of {account} expires before its time, or is not there");
                    self.cluster.saw(Seen::KeyExpired);
                }
                Event::Rejected { code: Rejection::KeyRightsExceeded } => self.cluster.saw(Seen::KeyAskedForMore),
                _ => {}
            }
        }
    }

    fn add(&mut self, now: Timestamp, account: AccountId, key: &ApiKey, by: Option<ApiKeyId>) {
        assert!(key.expires.is_none_or(|expires| expires > now), "I-14: key {} is added after its time", key.id);
        if let Some(by) = by {
            let more = has_more(key, self.asking(now, account, by));
            assert!(!more, "I-14: key {by} of {account} gives {} rights that it has not", key.id);
            self.cluster.saw(Seen::KeyAddedByKey);
        }
        let before = self.there.insert((account, key.id), key.clone());
        assert!(before.is_none(), "key {} of {account} is added twice", key.id);
        let count = self.there.keys().filter(|(owner, _)| *owner == account).count();
        assert!(count <= ACCOUNT_API_KEYS_MAX + 1, "{account} has {count} keys");
    }

    fn end_at(&mut self, now: Timestamp, key: (AccountId, ApiKeyId), expires: Timestamp) {
        let ends = self.there.get_mut(&key).unwrap_or_else(|| panic!("key {} that ends is not there", key.1));
        let within = now < expires && expires.0 <= now.0 + KEY_GRACE_MAX_MS;
        assert!(within, "I-14: key {} that was replaced at {now:?} ends at {expires:?}", key.1);
        assert!(ends.expires.is_none_or(|before| expires <= before), "I-14: key {} is prolonged", key.1);
        ends.expires = Some(expires);
        self.cluster.saw(Seen::KeyRotated);
    }

    /// Returns a key that makes or is the subject of a request: it must exist and not have expired.
    fn asking(&self, now: Timestamp, account: AccountId, id: ApiKeyId) -> &ApiKey {
        let key = self.there.get(&(account, id));
        let live = key.filter(|key| key.expires.is_none_or(|expires| expires > now));
        live.unwrap_or_else(|| panic!("I-14: key {id} of {account} is no more, and something is done by it or to it"))
    }
}

/// Returns true if a key has a right that another lacks.
fn has_more(key: &ApiKey, other: &ApiKey) -> bool {
    let (mut scopes, wanted) = (other.scopes.bits(), key.scopes.bits());
    if scopes & Scopes::TRADE.bits() != 0 {
        scopes |= Scopes::CANCEL.bits();
    }
    let longer = other.expires.is_some_and(|end| key.expires.is_none_or(|expires| expires > end));
    let larger = other.notional().is_some_and(|most| key.notional().is_none_or(|notional| notional > most));
    let elsewhere = other.markets().is_some_and(|markets| {
        key.markets().is_none_or(|wanted| wanted.as_slice().iter().any(|market| !markets.as_slice().contains(market)))
    });
    wanted & !scopes != 0 || longer || larger || elsewhere
}
