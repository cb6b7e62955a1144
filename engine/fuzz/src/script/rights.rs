//! Rights: accounts' keys, and admins.

use schemas::{AccountId, AdminId, AdminRoles, ApiKey, ApiKeyId, Command, KeyProof, Scopes, WantedAdmin};

use super::Script;

/// The number of ids of keys, admins and secrets besides an account's first key. Few, so that
/// commands concern the same ones.
const IDS: u8 = 3;

impl Script<'_> {
    /// Returns a command that adds, replaces or ends a key or an admin.
    pub(super) fn rights(&mut self) -> Command {
        match self.below(8) {
            0 => {
                let account = self.account();
                Command::AddApiKey { account, key: self.key(), by: self.asking_key(account) }
            }
            1 | 2 => {
                let (account, old, key) = (self.account(), self.key_id(), Box::new(self.key()));
                let grace_ms = [0, 1, 1_000][usize::from(self.below(3))];
                Command::RotateApiKey { account, old, key, grace_ms, by: self.asking_key(account) }
            }
            3 => {
                let account = self.account();
                Command::RevokeApiKey { account, key: self.key_id(), by: self.asking_key(account) }
            }
            4..=6 => Command::SetAdmin { admin: Box::new(self.admin()), by: self.admin_id() },
            _ => Command::RevokeAdmin { admin: self.admin_id(), by: self.admin_id() },
        }
    }

    fn key(&mut self) -> ApiKey {
        let (id, scopes) = (self.key_id(), Scopes::from_bits(self.below(16)));
        let expires = self.flag().then(|| self.time());
        ApiKey { expires, ..ApiKey::with_secret(id, [1; 32], scopes) }
    }

    fn key_id(&mut self) -> ApiKeyId {
        ApiKeyId(u64::from(self.below(IDS)))
    }

    /// Returns mostly the account's first key, which has most rights.
    fn asking_key(&mut self, account: AccountId) -> Option<ApiKeyId> {
        match self.below(4) {
            0 => None,
            1 => Some(self.key_id()),
            _ => Some(ApiKeyId(account.0)),
        }
    }

    fn admin(&mut self) -> WantedAdmin {
        let (id, secret) = (self.admin_id(), self.below(IDS + 1));
        let proof = (secret < IDS).then_some(KeyProof::Secret([secret; 32]));
        let roles = AdminRoles::from_bits(self.below(16));
        let expires = self.flag().then(|| self.time());
        WantedAdmin { id, proof, roles, expires, name: None }
    }

    fn admin_id(&mut self) -> AdminId {
        AdminId(u64::from(1 + self.below(IDS)))
    }
}
