//! API keys as the log tells of them, and the comparison with what a client presents. Pure.

use std::collections::HashMap;

use schemas::{AccountId, ApiKey, ApiKeyId, Scopes};
use service::hex::{from_hex, to_hex};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Every key that is not revoked.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    // An id is free on its account's shard only, so two accounts might share one. (They do not: ids are 63 random bits.)
    by_id: HashMap<ApiKeyId, Vec<(AccountId, ApiKey)>>,
}

/// Who presented a valid key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHolder {
    /// The account.
    pub account: AccountId,
    /// The key.
    pub key: ApiKeyId,
    /// What it may do.
    pub scopes: Scopes,
}

impl Keys {
    /// A key is valid from now on.
    pub fn add(&mut self, account: AccountId, key: ApiKey) {
        self.by_id.entry(key.id).or_default().push((account, key));
    }

    /// A key is worthless from now on.
    pub fn revoke(&mut self, account: AccountId, key: ApiKeyId) {
        if let Some(keys) = self.by_id.get_mut(&key) {
            keys.retain(|(owner, _)| *owner != account);
            if keys.is_empty() {
                self.by_id.remove(&key);
            }
        }
    }

    /// Who holds the key, if the secret is right. Takes the same time whatever the secret is.
    pub fn holder(&self, presented: &PresentedKey) -> Option<KeyHolder> {
        let hash = presented.hash();
        let keys = self.by_id.get(&presented.id)?;
        let (account, key) = keys.iter().find(|(_, key)| bool::from(key.hash.ct_eq(&hash)))?;
        Some(KeyHolder { account: *account, key: key.id, scopes: key.scopes })
    }

    /// True if the key is not revoked meanwhile.
    pub fn is_valid(&self, holder: &KeyHolder) -> bool {
        let keys = self.by_id.get(&holder.key);
        keys.is_some_and(|keys| keys.iter().any(|(account, _)| *account == holder.account))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// An account's key as it is shown once and then presented: `lfg_<16 hex: id>_<64 hex: secret>`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PresentedKey {
    /// The public part.
    pub id: ApiKeyId,
    secret: [u8; 32],
}

/// Never shows the secret.
impl std::fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PresentedKey({:016x})", self.id.0)
    }
}

impl PresentedKey {
    /// A new key.
    pub fn random() -> Self {
        Self { id: ApiKeyId(rand::random::<u64>() >> 1), secret: rand::random() }
    }

    /// `None` if the text has not the form of a key.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("lfg_")?.split_once('_')?;
        let id = u64::from_be_bytes(from_hex(id)?);
        Some(Self { id: ApiKeyId(id), secret: from_hex(secret)? })
    }

    /// The text form, with the secret: for the one answer that shows it.
    pub fn reveal(&self) -> String {
        format!("lfg_{:016x}_{}", self.id.0, to_hex(&self.secret))
    }

    /// What the log may know of the secret.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(1);
    const BOB: AccountId = AccountId(2);

    fn stored(presented: &PresentedKey) -> ApiKey {
        ApiKey::with_secret(presented.id, presented.hash(), Scopes::READ)
    }

    #[test]
    fn only_the_right_secret_opens_and_only_until_it_is_revoked() {
        let (right, mut wrong) = (PresentedKey::random(), PresentedKey::random());
        wrong.id = right.id;
        let mut keys = Keys::default();
        keys.add(ALICE, stored(&right));
        assert_eq!(keys.holder(&right).unwrap().account, ALICE);
        assert_eq!(keys.holder(&wrong), None);
        assert_eq!(keys.holder(&PresentedKey::random()), None);
        keys.revoke(BOB, right.id);
        assert!(keys.holder(&right).is_some());
        keys.revoke(ALICE, right.id);
        assert_eq!((keys.holder(&right), keys.len()), (None, 0));
    }

    #[test]
    fn two_accounts_with_one_key_id_do_not_mix() {
        let (alice, mut bob) = (PresentedKey::random(), PresentedKey::random());
        bob.id = alice.id;
        let mut keys = Keys::default();
        keys.add(ALICE, stored(&alice));
        keys.add(BOB, stored(&bob));
        assert_eq!(keys.holder(&alice).unwrap().account, ALICE);
        assert_eq!(keys.holder(&bob).unwrap().account, BOB);
    }

    #[test]
    fn the_text_form_survives_a_round_trip_and_nothing_else_is_a_key() {
        let key = PresentedKey::random();
        let text = key.reveal();
        assert_eq!(text.len(), 4 + 16 + 1 + 64);
        assert!(PresentedKey::parse(&text) == Some(key));
        let upper = text.to_uppercase();
        for other in ["", "lfg_", "lfg_00_11", &text[1..], &text[..84], &format!("{text}0"), &upper] {
            assert!(PresentedKey::parse(other).is_none(), "{other}");
        }
        assert!(!format!("{key:?}").contains(&text[21..]));
    }
}
