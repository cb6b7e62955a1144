//! Accounts and their keys, and which rights one key may give another.

use schemas::limits::{ACCOUNT_API_KEYS_MAX, KEY_GRACE_MAX_MS};
use schemas::{AccountId, ApiKey, ApiKeyId, Event, MarketId, Rejection, Scopes, Shard, Timestamp};

use super::{Account, Answer, Model};

impl Model {
    pub(super) fn open_account(&mut self, account: AccountId, key: &ApiKey) {
        let found = self.account_here(account).map(drop);
        let answer = match found {
            _ if is_worthless(key) => Err(Rejection::AmountOutOfRange),
            Err(Rejection::AccountUnknown) if account.0 == 0 || account.0 >> 63 == 1 => {
                Err(Rejection::AccountIdInvalid)
            }
            Err(Rejection::AccountUnknown) if self.is_over(key) => Err(Rejection::KeyExpiryInPast),
            Err(Rejection::AccountUnknown) => Ok(Event::AccountOpened { account }),
            Err(code) => Err(code),
            Ok(()) => Err(Rejection::AccountExists),
        };
        if self.answer(answer) {
            let keys = [(key.id, key.clone())].into();
            self.accounts.insert(account, Account { keys, purses: [self.at].into(), ..Account::default() });
            self.tell(Event::ApiKeyAdded { account, key: key.clone(), by: None });
        }
    }

    pub(super) fn add_key(&mut self, account: AccountId, key: &ApiKey, by: Option<ApiKeyId>) {
        let answer = self.may_add(account, key, by).and_then(|()| match self.account(account).keys.len() {
            ACCOUNT_API_KEYS_MAX.. => Err(Rejection::ApiKeyLimit),
            _ => Ok(Event::ApiKeyAdded { account, key: key.clone(), by }),
        });
        if self.answer(answer) {
            self.account_mut(account).keys.insert(key.id, key.clone());
        }
    }

    pub(super) fn revoke_key(&mut self, account: AccountId, key: ApiKeyId, by: Option<ApiKeyId>) {
        let there = self.account_here(account).and_then(|_| self.valid(account, key, Rejection::ApiKeyUnknown));
        let answer = there.and_then(|_| self.may_end(account, key, by));
        if self.answer(answer.map(|()| Event::ApiKeyRevoked { account, key, by })) {
            self.account_mut(account).keys.remove(&key);
        }
    }

    pub(super) fn rotate_key(
        &mut self,
        account: AccountId,
        old: ApiKeyId,
        key: &ApiKey,
        grace: u64,
        by: Option<ApiKeyId>,
    ) {
        let there = match is_worthless(key) {
            true => Err(Rejection::AmountOutOfRange),
            false => self.account_here(account).and_then(|_| self.valid(account, old, Rejection::ApiKeyUnknown)),
        };
        let answer = there
            .and_then(|_| self.may_add(account, key, by))
            .and_then(|()| self.may_end(account, old, by))
            .and_then(|()| match self.account(account).keys.len() {
                _ if grace > KEY_GRACE_MAX_MS => Err(Rejection::GraceTooLong),
                n if n == ACCOUNT_API_KEYS_MAX + 1 => Err(Rejection::ApiKeyLimit),
                _ => Ok(Event::ApiKeyAdded { account, key: key.clone(), by }),
            });
        if !self.answer(answer) {
            return;
        }
        let until = Timestamp(self.now.0 + grace);
        let keys = &mut self.account_mut(account).keys;
        keys.insert(key.id, key.clone());
        if grace == 0 {
            keys.remove(&old);
            self.tell(Event::ApiKeyRevoked { account, key: old, by });
            return;
        }
        let ends = keys.get_mut(&old).expect("it was there");
        let expires = if ends.expires.is_some_and(|sooner| sooner < until) { ends.expires } else { Some(until) };
        ends.expires = expires;
        let expires = expires.expect("it was just set");
        self.tell(Event::ApiKeyEnds { account, key: old, expires });
    }

    /// Returns the keys that expire, in the order of their times.
    pub(super) fn key_expiries_at(&self, at: Shard) -> Vec<(Timestamp, AccountId, ApiKeyId)> {
        let here = self.accounts.iter().filter(|(account, _)| self.home(**account) == at);
        let keys =
            here.flat_map(|(account, found)| found.keys.values().map(move |key| (key.expires, *account, key.id)));
        let mut all: Vec<_> = keys.filter_map(|(expires, account, key)| Some((expires?, account, key))).collect();
        all.sort_unstable();
        all
    }

    /// Expires keys, at most so many. Returns how many.
    pub(super) fn expire_keys(&mut self, room: usize) -> usize {
        let mut due = self.key_expiries_at(self.at);
        due.retain(|(expires, ..)| *expires <= self.now);
        due.truncate(room);
        for &(_, account, key) in &due {
            self.account_mut(account).keys.remove(&key);
            self.tell(Event::ApiKeyExpired { account, key });
        }
        due.len()
    }

    fn may_add(&self, account: AccountId, key: &ApiKey, by: Option<ApiKeyId>) -> Answer<()> {
        if is_worthless(key) {
            return Err(Rejection::AmountOutOfRange);
        }
        if self.account_here(account)?.keys.contains_key(&key.id) {
            return Err(Rejection::ApiKeyExists);
        }
        if self.is_over(key) {
            return Err(Rejection::KeyExpiryInPast);
        }
        let Some(by) = by else { return Ok(()) };
        let asking = self.valid(account, by, Rejection::AskingKeyEnded)?;
        if exceeds(key, asking) { Err(Rejection::KeyRightsExceeded) } else { Ok(()) }
    }

    fn may_end(&self, account: AccountId, key: ApiKeyId, by: Option<ApiKeyId>) -> Answer<()> {
        let Some(by) = by else { return Ok(()) };
        let asking = self.valid(account, by, Rejection::AskingKeyEnded)?;
        let ends = &self.account(account).keys[&key];
        if by != key && exceeds(ends, asking) { Err(Rejection::KeyRightsExceeded) } else { Ok(()) }
    }

    fn valid(&self, account: AccountId, key: ApiKeyId, otherwise: Rejection) -> Answer<&ApiKey> {
        self.account(account).keys.get(&key).filter(|key| !self.is_over(key)).ok_or(otherwise)
    }

    fn is_over(&self, key: &ApiKey) -> bool {
        matches!(key.expires, Some(expires) if expires.0 <= self.now.0)
    }
}

/// True if no order is small enough for the key's terms.
fn is_worthless(key: &ApiKey) -> bool {
    key.notional().is_some_and(|notional| notional.0 <= 0)
}

/// True if one key has any right, at any time, that the other lacks. Tests one right at a time.
fn exceeds(key: &ApiKey, other: &ApiKey) -> bool {
    let scopes = (0..8).map(|bit| 1 << bit).any(|bit| {
        let follows = bit == Scopes::CANCEL.bits() && other.scopes.bits() & Scopes::TRADE.bits() != 0;
        key.scopes.bits() & bit != 0 && other.scopes.bits() & bit == 0 && !follows
    });
    let (for_ever, any_worth) = (u64::MAX, i64::MAX);
    let end = |key: &ApiKey| key.expires.map_or(for_ever, |expires| expires.0);
    let worth = |key: &ApiKey| key.notional().map_or(any_worth, |notional| notional.0);
    let list = |key: &ApiKey| key.markets().map(|markets| markets.as_slice().to_vec());
    let markets = match (list(key), list(other)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(wanted), Some(there)) => wanted.iter().any(|market: &MarketId| !there.contains(market)),
    };
    scopes || markets || end(key) > end(other) || worth(key) > worth(other)
}
