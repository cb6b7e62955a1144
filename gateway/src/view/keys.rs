//! API keys as the log tells of them, and the comparison with what a client presents. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use schemas::{
    AccountId, ApiKey, ApiKeyId, Credits, KeyProof, KeyTerms, MarketId, NewOrder, Scopes, Side, Terms, Timestamp,
};
use service::hex::{from_hex, to_hex};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Every key that is not revoked.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_account: HashMap<AccountId, BTreeSet<ApiKeyId>>,
    // An id is free on its account's shard only, so two accounts might share one. (They do not: ids are 63 random bits.)
    by_id: HashMap<ApiKeyId, Vec<(AccountId, ApiKey)>>,
}

/// Who presented a valid key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyHolder {
    /// The account.
    pub account: AccountId,
    /// The key.
    pub key: ApiKeyId,
    /// What it may do.
    pub scopes: Scopes,
    terms: Arc<KeyTerms>,
}

impl KeyHolder {
    fn of(account: AccountId, key: &ApiKey) -> Self {
        let terms = Arc::new(key.terms.as_deref().cloned().unwrap_or_default());
        Self { account, key: key.id, scopes: key.scopes, terms }
    }

    /// True if it may act in this market.
    pub fn may_enter(&self, market: MarketId) -> bool {
        self.terms.markets.as_ref().is_none_or(|markets| markets.contains(market))
    }

    /// True if it may act in any market.
    pub fn may_enter_all(&self) -> bool {
        self.terms.markets.is_none()
    }

    /// True if its orders may be worth anything.
    pub fn may_any_worth(&self) -> bool {
        self.terms.notional.is_none()
    }

    /// True if an order is within what it may be worth.
    pub fn may_place(&self, order: &NewOrder) -> bool {
        self.terms.notional.is_none_or(|most: Credits| worth(order) <= most)
    }
}

/// What an order is worth to a key that is bound to a notional.
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
    /// A key is valid from now on.
    pub fn add(&mut self, account: AccountId, key: ApiKey) {
        self.by_account.entry(account).or_default().insert(key.id);
        self.by_id.entry(key.id).or_default().push((account, key));
    }

    /// A key is worthless from a time on.
    pub fn end_at(&mut self, account: AccountId, key: ApiKeyId, expires: Timestamp) {
        let keys = self.by_id.get_mut(&key).into_iter().flatten();
        keys.filter(|(owner, _)| *owner == account).for_each(|(_, key)| key.expires = Some(expires));
    }

    /// A key that an account has.
    pub fn of(&self, account: AccountId, key: ApiKeyId) -> Option<&ApiKey> {
        self.by_id.get(&key)?.iter().find(|(owner, _)| *owner == account).map(|(_, key)| key)
    }

    /// The keys that an account has, by their ids: a few.
    pub fn all_of(&self, account: AccountId) -> impl Iterator<Item = &ApiKey> {
        let ids = self.by_account.get(&account).into_iter().flatten();
        ids.filter_map(move |id| self.of(account, *id))
    }

    /// A key is worthless from now on.
    pub fn revoke(&mut self, account: AccountId, key: ApiKeyId) {
        if let Some(ids) = self.by_account.get_mut(&account) {
            ids.remove(&key);
            if ids.is_empty() {
                self.by_account.remove(&account);
            }
        }
        if let Some(keys) = self.by_id.get_mut(&key) {
            keys.retain(|(owner, _)| *owner != account);
            if keys.is_empty() {
                self.by_id.remove(&key);
            }
        }
    }

    /// Who holds the key, if the secret is right and its time has not come. Takes the same time whatever the secret is.
    pub fn holder(&self, presented: &PresentedKey, now: Timestamp) -> Option<KeyHolder> {
        let hash = presented.hash();
        let keys = self.by_id.get(&presented.id)?;
        let is_right = |key: &ApiKey| match &key.proof {
            KeyProof::Secret(known) => bool::from(known.ct_eq(&hash)),
            // It is never presented: its requests are signed.
            KeyProof::Ed25519(_) => false,
        };
        let (account, key) = keys.iter().find(|(_, key)| is_right(key))?;
        key.is_live(now).then(|| KeyHolder::of(*account, key))
    }

    /// Who may have signed a request in this key's name, with their public keys. Whether one of them did, the signature says.
    pub fn signers(&self, id: ApiKeyId, now: Timestamp) -> Vec<(KeyHolder, [u8; 32])> {
        let keys = self.by_id.get(&id).into_iter().flatten().filter(|(_, key)| key.is_live(now));
        let signer = |(account, key): &(AccountId, ApiKey)| match key.proof {
            KeyProof::Ed25519(public_key) => Some((KeyHolder::of(*account, key), public_key)),
            KeyProof::Secret(_) => None,
        };
        keys.filter_map(signer).collect()
    }

    /// True if the key is neither revoked nor expired meanwhile, as far as the log says.
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
    const NOW: Timestamp = Timestamp(1_000);

    fn stored(presented: &PresentedKey) -> ApiKey {
        ApiKey::with_secret(presented.id, presented.hash(), Scopes::READ)
    }

    #[test]
    fn only_the_right_secret_opens_and_only_until_it_is_revoked() {
        let (right, mut wrong) = (PresentedKey::random(), PresentedKey::random());
        wrong.id = right.id;
        let mut keys = Keys::default();
        keys.add(ALICE, stored(&right));
        assert_eq!(keys.holder(&right, NOW).unwrap().account, ALICE);
        assert_eq!(keys.holder(&wrong, NOW), None);
        assert_eq!(keys.holder(&PresentedKey::random(), NOW), None);
        keys.revoke(BOB, right.id);
        assert!(keys.holder(&right, NOW).is_some());
        keys.revoke(ALICE, right.id);
        assert_eq!((keys.holder(&right, NOW), keys.len()), (None, 0));
    }

    #[test]
    fn a_key_opens_until_its_time_comes() {
        let (presented, mut keys) = (PresentedKey::random(), Keys::default());
        keys.add(ALICE, stored(&presented));
        keys.end_at(BOB, presented.id, Timestamp(1));
        assert!(keys.holder(&presented, NOW).is_some());
        keys.end_at(ALICE, presented.id, Timestamp(NOW.0 + 1));
        assert!(keys.holder(&presented, NOW).is_some());
        assert_eq!(keys.holder(&presented, Timestamp(NOW.0 + 1)), None);
    }

    #[test]
    fn a_public_key_is_no_secret() {
        let (presented, mut keys) = (PresentedKey::random(), Keys::default());
        let key = ApiKey { proof: KeyProof::Ed25519(presented.hash()), ..stored(&presented) };
        keys.add(ALICE, key);
        assert_eq!(keys.holder(&presented, NOW), None);
    }

    #[test]
    fn whoever_has_a_live_public_key_may_have_signed() {
        let (signs, presents) = (PresentedKey::random(), PresentedKey::random());
        let mut keys = Keys::default();
        keys.add(ALICE, ApiKey { proof: KeyProof::Ed25519([1; 32]), ..stored(&signs) });
        keys.add(BOB, ApiKey { proof: KeyProof::Ed25519([2; 32]), ..stored(&signs) });
        keys.add(ALICE, stored(&presents));
        let signers = |keys: &Keys, id, now| -> Vec<(AccountId, [u8; 32])> {
            keys.signers(id, now).into_iter().map(|(holder, public_key)| (holder.account, public_key)).collect()
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
        let ids = |keys: &Keys, account| keys.all_of(account).map(|key| key.id).collect::<BTreeSet<_>>();
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
        assert_eq!(keys.holder(&alice, NOW).unwrap().account, ALICE);
        assert_eq!(keys.holder(&bob, NOW).unwrap().account, BOB);
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
