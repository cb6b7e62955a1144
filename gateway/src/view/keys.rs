//! API keys as the log has them, and the check of what a client presents. Pure.
//!
//! With a store, memory holds only keys that changed since the last checkpoint, and a bounded
//! mirror of keys that were read from the store. A change takes precedence over the store, also a
//! revocation: it is kept until the store has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use schemas::{
    AccountId, ApiKey, ApiKeyId, Credits, KeyProof, KeyTerms, MarketId, NewOrder, Scopes, Side, Terms, Timestamp,
};
use service::hex::{from_hex, to_hex};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The most keys of the store that are mirrored.
pub const KEYS_IN_USE_MAX: usize = 65_536;

/// Keys of one generation of the mirror; it has two.
const GENERATION: usize = KEYS_IN_USE_MAX / 2;

/// The keys in memory.
#[derive(Debug, Default)]
pub struct Keys {
    /// All keys; with a store, those that changed since the last checkpoint. `None` is a revoked
    /// key.
    changed: BTreeMap<(ApiKeyId, AccountId), Option<Arc<ApiKey>>>,
    /// The same by account.
    of_account: BTreeSet<(AccountId, ApiKeyId)>,
    /// The mirror of the store, if there is one.
    mirror: Option<Mutex<Mirror>>,
}

/// Keys that were read from the store recently.
#[derive(Debug, Default)]
struct Mirror {
    newer: HashMap<ApiKeyId, KeysOfId>,
    older: HashMap<ApiKeyId, KeysOfId>,
}

impl Mirror {
    fn get(&mut self, id: ApiKeyId) -> Option<KeysOfId> {
        if let Some(found) = self.newer.get(&id) {
            return Some(found.clone());
        }
        let found = self.older.remove(&id)?;
        self.put(id, found.clone());
        Some(found)
    }

    fn put(&mut self, id: ApiKeyId, keys: KeysOfId) {
        if self.newer.len() == GENERATION {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, keys);
    }

    fn remove(&mut self, id: ApiKeyId) {
        self.newer.remove(&id);
        self.older.remove(&id);
    }
}

/// All keys with one id and their accounts. An id is unique only on its account's shard, so two
/// accounts could have the same one. (They do not in practice: ids are 63 random bits.)
#[derive(Clone, Debug, Default)]
pub struct KeysOfId(pub Vec<(AccountId, Arc<ApiKey>)>);

/// The holder of a valid key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyHolder {
    /// The account.
    pub account: AccountId,
    /// The key.
    pub key: ApiKeyId,
    /// Its scopes.
    pub scopes: Scopes,
    terms: Arc<KeyTerms>,
}

impl KeyHolder {
    fn of(account: AccountId, key: &ApiKey) -> Self {
        let terms = Arc::new(key.terms.as_deref().cloned().unwrap_or_default());
        Self { account, key: key.id, scopes: key.scopes, terms }
    }

    /// Returns true if the key may act in this market.
    pub fn may_enter(&self, market: MarketId) -> bool {
        self.terms.markets.as_ref().is_none_or(|markets| markets.contains(market))
    }

    /// Returns true if the key may act in every market.
    pub fn may_enter_all(&self) -> bool {
        self.terms.markets.is_none()
    }

    /// Returns true if the key has no limit of notional.
    pub fn may_any_worth(&self) -> bool {
        self.terms.notional.is_none()
    }

    /// Returns true if an order is within the key's limit of notional.
    pub fn may_place(&self, order: &NewOrder) -> bool {
        self.terms.notional.is_none_or(|most: Credits| worth(order) <= most)
    }
}

/// Returns the notional of an order, for keys with a limit.
///
/// | order | is worth                                                                                            |
/// |-------|-----------------------------------------------------------------------------------------------------|
/// | buy   | its contracts at its limit, or its budget: what it may cost                                         |
/// | sell  | its contracts at its limit, or at what is left of a credit if that is more: what it may give away   |
fn worth(order: &NewOrder) -> Credits {
    let (price, quantity) = match order.terms {
        Terms::Limit { price, quantity, .. } => (price, quantity),
        Terms::Market { quantity, worst_price } => (worst_price, quantity),
        Terms::Budget { budget } => return budget,
    };
    match order.entry.side() {
        Side::Buy => price.cost(quantity),
        Side::Sell => price.cost(quantity).max(price.complement().cost(quantity)),
    }
}

impl Keys {
    /// Creates keys of which a store has all.
    pub fn behind_a_store() -> Self {
        Self { mirror: Some(Mutex::default()), ..Self::default() }
    }

    /// Adds a key.
    pub fn add(&mut self, account: AccountId, key: ApiKey) {
        self.of_account.insert((account, key.id));
        self.changed.insert((key.id, account), Some(Arc::new(key)));
    }

    /// Sets when a key expires. The key must be [known](Keys::known).
    pub fn end_at(&mut self, account: AccountId, key: ApiKeyId, expires: Timestamp) {
        if let Some(ending) = self.known(key).and_then(|keys| keys.of(account).cloned()) {
            self.add(account, ApiKey { expires: Some(expires), ..ApiKey::clone(&ending) });
        }
    }

    /// Revokes a key.
    pub fn revoke(&mut self, account: AccountId, key: ApiKeyId) {
        if self.mirror.is_some() {
            self.of_account.insert((account, key));
            self.changed.insert((key, account), None);
        } else {
            self.of_account.remove(&(account, key));
            self.changed.remove(&(key, account));
        }
    }

    /// Returns all keys with this id; `None` if the store must be read ([`Keys::with_stored`]).
    pub fn known(&self, id: ApiKeyId) -> Option<KeysOfId> {
        let stored = match &self.mirror {
            Some(mirror) => mirror.lock().get(id)?,
            None => KeysOfId::default(),
        };
        Some(self.changed_since(id, stored))
    }

    /// Returns all keys with this id, given those of the store, and mirrors these.
    pub fn with_stored(&self, id: ApiKeyId, stored: KeysOfId) -> KeysOfId {
        if let Some(mirror) = &self.mirror {
            mirror.lock().put(id, stored.clone());
        }
        self.changed_since(id, stored)
    }

    fn changed_since(&self, id: ApiKeyId, KeysOfId(mut keys): KeysOfId) -> KeysOfId {
        keys.retain(|(account, _)| !self.changed.contains_key(&(id, *account)));
        let changed = self.changed.range((id, AccountId(0))..=(id, AccountId(u64::MAX)));
        keys.extend(changed.filter_map(|((_, account), key)| Some((*account, Arc::clone(key.as_ref()?)))));
        KeysOfId(keys)
    }

    /// Returns an account's keys by id, given those of the store: a few.
    pub fn all_of(&self, account: AccountId, stored: Vec<Arc<ApiKey>>) -> Vec<Arc<ApiKey>> {
        let mut all: BTreeMap<ApiKeyId, Arc<ApiKey>> = stored.into_iter().map(|key| (key.id, key)).collect();
        for &(_, id) in self.of_account.range((account, ApiKeyId(0))..=(account, ApiKeyId(u64::MAX))) {
            match self.changed.get(&(id, account)) {
                Some(Some(key)) => drop(all.insert(id, Arc::clone(key))),
                _ => drop(all.remove(&id)),
            }
        }
        all.into_values().collect()
    }

    /// Returns a changed key; `None` if it is revoked.
    pub fn change(&self, id: ApiKeyId, account: AccountId) -> Option<Arc<ApiKey>> {
        self.changed.get(&(id, account)).cloned().flatten()
    }

    /// Forgets a change that the store now has, unless `is_changed` again.
    pub fn stored(&mut self, id: ApiKeyId, account: AccountId, is_changed: bool) {
        if let Some(mirror) = &self.mirror {
            mirror.lock().remove(id);
            if !is_changed {
                self.changed.remove(&(id, account));
                self.of_account.remove(&(account, id));
            }
        }
    }

    /// Returns the number of keys in memory, including revoked ones that are not stored yet.
    pub fn len(&self) -> usize {
        self.changed.len()
    }
}

impl KeysOfId {
    /// Returns the holder of a key if the secret is right and the key has not expired. Takes the
    /// same time for every secret.
    pub fn holder(&self, presented: &PresentedKey, now: Timestamp) -> Option<KeyHolder> {
        let hash = presented.hash();
        let is_right = |key: &ApiKey| match &key.proof {
            KeyProof::Secret(known) => bool::from(known.ct_eq(&hash)),
            // Requests of such a key are signed; it is never presented.
            KeyProof::Ed25519(_) => false,
        };
        let (account, key) = self.0.iter().find(|(_, key)| is_right(key))?;
        key.is_live(now).then(|| KeyHolder::of(*account, key))
    }

    /// Returns who may have signed a request with this key id, with their public keys. The
    /// signature decides.
    pub fn signers(&self, now: Timestamp) -> Vec<(KeyHolder, [u8; 32])> {
        let signer = |(account, key): &(AccountId, Arc<ApiKey>)| match key.proof {
            KeyProof::Ed25519(public_key) => Some((KeyHolder::of(*account, key), public_key)),
            KeyProof::Secret(_) => None,
        };
        self.0.iter().filter(|(_, key)| key.is_live(now)).filter_map(signer).collect()
    }

    /// Returns the key of an account.
    pub fn of(&self, account: AccountId) -> Option<&Arc<ApiKey>> {
        self.0.iter().find(|(owner, _)| *owner == account).map(|(_, key)| key)
    }
}

/// An account's key as shown once and then presented: `lfg_<16 hex: id>_<64 hex: secret>`.
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
    /// Generates a key.
    pub fn random() -> Self {
        Self { id: ApiKeyId(rand::random::<u64>() >> 1), secret: rand::random() }
    }

    /// Parses a key. Returns `None` if the text does not have a key's form.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("lfg_")?.split_once('_')?;
        let id = u64::from_be_bytes(from_hex(id)?);
        Some(Self { id: ApiKeyId(id), secret: from_hex(secret)? })
    }

    /// Formats the key with its secret, for the one answer that shows it.
    pub fn reveal(&self) -> String {
        format!("lfg_{:016x}_{}", self.id.0, to_hex(&self.secret))
    }

    /// Returns the hash of the secret, which the log may store.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(1);
    const BOB: AccountId = AccountId(2);
    const NOW: Timestamp = Timestamp(1_000);

    fn stored(presented: &PresentedKey) -> ApiKey {
        ApiKey::with_secret(presented.id, presented.hash(), Scopes::READ)
    }

    fn holder(keys: &Keys, presented: &PresentedKey, now: Timestamp) -> Option<KeyHolder> {
        keys.known(presented.id).unwrap().holder(presented, now)
    }

    #[test]
    fn a_change_stands_before_what_the_store_says_until_it_says_the_same() {
        let (presented, mut keys) = (PresentedKey::random(), Keys::behind_a_store());
        let (id, key) = (presented.id, stored(&presented));
        let in_store = || KeysOfId(vec![(ALICE, Arc::new(stored(&presented)))]);
        keys.add(ALICE, key);
        assert!(keys.known(id).is_none(), "another account's key with this id may be in the store");
        assert_eq!(keys.with_stored(id, KeysOfId::default()).0.len(), 1);
        assert!(holder(&keys, &presented, NOW).is_some());
        keys.stored(id, ALICE, false);
        assert!(keys.known(id).is_none() && keys.len() == 0);
        assert_eq!(keys.with_stored(id, in_store()).0.len(), 1);
        keys.revoke(ALICE, id);
        assert_eq!(holder(&keys, &presented, NOW), None);
        assert_eq!(keys.with_stored(id, in_store()).0, [], "it was read before the revocation was stored");
        assert_eq!(keys.all_of(ALICE, vec![Arc::new(stored(&presented))]), []);
        keys.stored(id, ALICE, true);
        assert_eq!(keys.with_stored(id, in_store()).0, [], "it changed again meanwhile");
        keys.stored(id, ALICE, false);
        assert!(keys.known(id).is_none() && keys.len() == 0);
    }

    #[test]
    fn the_mirror_is_bounded_and_keeps_what_is_used() {
        let (used, keys) = (ApiKeyId(u64::MAX), Keys::behind_a_store());
        keys.with_stored(used, KeysOfId::default());
        for id in 0..3 * GENERATION as u64 {
            keys.with_stored(ApiKeyId(id), KeysOfId::default());
            assert!(keys.known(used).is_some(), "{id}");
        }
        let mirror = keys.mirror.as_ref().unwrap().lock();
        assert!(mirror.newer.len() + mirror.older.len() <= 2 * GENERATION);
    }

    #[test]
    fn only_the_right_secret_opens_and_only_until_it_is_revoked() {
        let (right, mut wrong) = (PresentedKey::random(), PresentedKey::random());
        wrong.id = right.id;
        let mut keys = Keys::default();
        keys.add(ALICE, stored(&right));
        assert_eq!(holder(&keys, &right, NOW).unwrap().account, ALICE);
        assert_eq!(holder(&keys, &wrong, NOW), None);
        assert_eq!(holder(&keys, &PresentedKey::random(), NOW), None);
        keys.revoke(BOB, right.id);
        assert!(holder(&keys, &right, NOW).is_some());
        keys.revoke(ALICE, right.id);
        assert_eq!((holder(&keys, &right, NOW), keys.len()), (None, 0));
    }

    #[test]
    fn a_key_opens_until_its_time_comes() {
        let (presented, mut keys) = (PresentedKey::random(), Keys::default());
        keys.add(ALICE, stored(&presented));
        keys.end_at(BOB, presented.id, Timestamp(1));
        assert!(holder(&keys, &presented, NOW).is_some());
        keys.end_at(ALICE, presented.id, Timestamp(NOW.0 + 1));
        assert!(holder(&keys, &presented, NOW).is_some());
        assert_eq!(holder(&keys, &presented, Timestamp(NOW.0 + 1)), None);
    }

    #[test]
    fn a_public_key_is_no_secret() {
        let (presented, mut keys) = (PresentedKey::random(), Keys::default());
        let key = ApiKey { proof: KeyProof::Ed25519(presented.hash()), ..stored(&presented) };
        keys.add(ALICE, key);
        assert_eq!(holder(&keys, &presented, NOW), None);
    }

    #[test]
    fn whoever_has_a_live_public_key_may_have_signed() {
        let (signs, presents) = (PresentedKey::random(), PresentedKey::random());
        let mut keys = Keys::default();
        keys.add(ALICE, ApiKey { proof: KeyProof::Ed25519([1; 32]), ..stored(&signs) });
        keys.add(BOB, ApiKey { proof: KeyProof::Ed25519([2; 32]), ..stored(&signs) });
        keys.add(ALICE, stored(&presents));
        let signers = |keys: &Keys, id, now| -> Vec<(AccountId, [u8; 32])> {
            keys.known(id)
                .unwrap()
                .signers(now)
                .into_iter()
                .map(|(holder, public_key)| (holder.account, public_key))
                .collect()
        };
        assert_eq!(signers(&keys, signs.id, NOW), [(ALICE, [1; 32]), (BOB, [2; 32])]);
        assert_eq!(signers(&keys, presents.id, NOW), []);
        assert_eq!(signers(&keys, PresentedKey::random().id, NOW), []);
        keys.end_at(ALICE, signs.id, NOW);
        assert_eq!(signers(&keys, signs.id, NOW), [(BOB, [2; 32])]);
        keys.revoke(BOB, signs.id);
        assert_eq!(signers(&keys, signs.id, NOW), []);
    }

    #[test]
    fn a_sell_is_worth_what_it_may_give_away() {
        use schemas::{Entry, FeeRate, Instructions, PostOnly, Price, Quantity, TimeInForce};
        let order = |entry, ticks| NewOrder {
            account: ALICE,
            market: MarketId(1),
            entry,
            terms: Terms::Limit {
                price: Price::new(ticks).unwrap(),
                quantity: Quantity::new(10_000).unwrap(),
                time_in_force: TimeInForce::Gtc,
                post_only: PostOnly::Off,
            },
            fee_rate: FeeRate::ZERO,
            client_id: None,
            instructions: Instructions::default(),
        };
        for (entry, ticks, credits) in [
            (Entry::BuyYes, 1, 1),
            (Entry::BuyNo, 9_999, 9_999),
            (Entry::SellYes, 1, 9_999),
            (Entry::SellNo, 8_500, 8_500),
        ] {
            assert_eq!(worth(&order(entry, ticks)), Credits::whole(credits), "{entry:?} {ticks}");
        }
    }

    #[test]
    fn an_account_has_its_own_keys_and_those_it_still_has() {
        let (one, other, mut keys) = (PresentedKey::random(), PresentedKey::random(), Keys::default());
        keys.add(ALICE, stored(&one));
        keys.add(ALICE, stored(&other));
        keys.add(BOB, stored(&one));
        let ids = |keys: &Keys, account| keys.all_of(account, vec![]).iter().map(|key| key.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&keys, ALICE), BTreeSet::from([one.id, other.id]));
        keys.revoke(ALICE, one.id);
        assert_eq!((ids(&keys, ALICE), ids(&keys, BOB)), (BTreeSet::from([other.id]), BTreeSet::from([one.id])));
    }

    #[test]
    fn two_accounts_with_one_key_id_do_not_mix() {
        let (alice, mut bob) = (PresentedKey::random(), PresentedKey::random());
        bob.id = alice.id;
        let mut keys = Keys::default();
        keys.add(ALICE, stored(&alice));
        keys.add(BOB, stored(&bob));
        assert_eq!(holder(&keys, &alice, NOW).unwrap().account, ALICE);
        assert_eq!(holder(&keys, &bob, NOW).unwrap().account, BOB);
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
