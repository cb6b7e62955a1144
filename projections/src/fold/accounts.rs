//! Changes recorded by an account's home shard: accounts and their API keys.

use schemas::{AccountId, AccountLimits, ApiKey, ApiKeyId, Timestamp};

use super::RowChanges;
use super::last_change::LastChange;

/// The changes of one account, except its purses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountDelta {
    /// When the account was opened, if in this batch.
    pub opened: Option<LastChange>,
    /// Whether the account is frozen (can only cancel and receive credits), if that changed.
    pub frozen: Option<bool>,
    /// The account's limits over all markets together, if they changed.
    pub limits: Option<AccountLimits>,
    /// When the dead-man switch fires (`None`: it is off), if that changed.
    pub dead_man_due: Option<Option<Timestamp>>,
    /// The last change.
    pub last: LastChange,
}

/// The changes of one API key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// The key, when it was added and by which key, if in this batch.
    pub added: Option<(ApiKey, LastChange, Option<ApiKeyId>)>,
    /// When a replaced key stops being valid, if it was replaced in this batch.
    pub ends: Option<Timestamp>,
    /// When the key was revoked and by which key, if in this batch.
    pub revoked: Option<(LastChange, Option<ApiKeyId>)>,
    /// The last change.
    pub last: LastChange,
}

impl RowChanges {
    pub(super) fn account_opened(&mut self, at: LastChange, account: AccountId) {
        self.account(account, at).opened = Some(at);
        self.purse(account, at);
    }

    pub(super) fn account(&mut self, account: AccountId, at: LastChange) -> &mut AccountDelta {
        let unchanged = AccountDelta { opened: None, frozen: None, limits: None, dead_man_due: None, last: at };
        let delta = self.accounts.entry(account).or_insert(unchanged);
        delta.last = at;
        delta
    }

    pub(super) fn api_key_added(&mut self, at: LastChange, account: AccountId, key: &ApiKey, by: Option<ApiKeyId>) {
        let change = self.api_key(at, key.id, account);
        // The id may have belonged to a key that has ended.
        (change.added, change.ends, change.revoked) = (Some((key.clone(), at, by)), None, None);
    }

    pub(super) fn api_key_ends(&mut self, at: LastChange, account: AccountId, key: ApiKeyId, expires: Timestamp) {
        self.api_key(at, key, account).ends = Some(expires);
    }

    pub(super) fn api_key_revoked(&mut self, at: LastChange, account: AccountId, key: ApiKeyId, by: Option<ApiKeyId>) {
        self.api_key(at, key, account).revoked = Some((at, by));
    }

    fn api_key(&mut self, at: LastChange, key: ApiKeyId, account: AccountId) -> &mut KeyChange {
        let unchanged = KeyChange { added: None, ends: None, revoked: None, last: at };
        let change = self.api_keys.entry((key, account)).or_insert(unchanged);
        change.last = at;
        change
    }
}
