//! What changes at an account's home: accounts and their keys.

use schemas::{AccountId, AccountLimits, ApiKey, ApiKeyId, Timestamp};

use super::{LastChange, RowChanges};

/// What became of an account, except its purses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountDelta {
    /// When it was opened, if that was in this batch.
    pub opened: Option<LastChange>,
    /// Whether it can only cancel, and receive credits, if that changed.
    pub frozen: Option<bool>,
    /// What it may have in all markets together, if that changed.
    pub limits: Option<AccountLimits>,
    /// When its dead-man switch fires or that it is off, if that changed.
    pub dead_man_due: Option<Option<Timestamp>>,
    /// The last change.
    pub last: LastChange,
}

/// What became of an API key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// The key, when it was added and which key asked, if that was in this batch.
    pub added: Option<(ApiKey, LastChange, Option<ApiKeyId>)>,
    /// Until when it is valid since it was replaced, if that was in this batch.
    pub ends: Option<Timestamp>,
    /// When it became worthless and which key asked, if that was in this batch.
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
        // The id may be that of a key that has ended.
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
