//! Accounts' API keys as the log stores them: never a secret, only its hash or a public key.

use bincode::{Decode, Encode};

use crate::ids::{ApiKeyId, MarketId};
use crate::limits::KEY_MARKETS_MAX;
use crate::money::Credits;
use crate::text::KeyName;
use crate::time::Timestamp;

bit_set! {
    /// The scopes of a key, as a set of bits. Bits that this build does not know are kept and have
    /// no effect here.
    Scopes {
        /// See the key's own account.
        READ = 1;
        /// Place, amend and cancel orders.
        TRADE = 2;
        /// Cancel orders. `TRADE` includes this.
        CANCEL = 4;
        /// Move credits to another account.
        TRANSFER = 8;
    }
}

impl Scopes {
    /// See the account and trade.
    pub const READ_TRADE: Self = Self(Self::READ.0 | Self::TRADE.0);

    /// Returns true if every scope of `other` is in this set or implied by it: `TRADE` implies
    /// `CANCEL`.
    pub const fn contains(self, other: Self) -> bool {
        let cancels = if self.0 & Self::TRADE.0 == 0 { 0 } else { Self::CANCEL.0 };
        (self.0 | cancels) & other.0 == other.0
    }
}

/// How a key is authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum KeyProof {
    /// The key is presented with its secret; this is the secret's SHA-256.
    Secret([u8; 32]),
    /// The key's requests are signed; this is the Ed25519 public key.
    Ed25519([u8; 32]),
}

impl KeyProof {
    /// Returns the hash or the public key.
    pub const fn bytes(&self) -> &[u8; 32] {
        match self {
            Self::Secret(bytes) | Self::Ed25519(bytes) => bytes,
        }
    }
}

/// Markets that a key may trade in. Invariant: 1 to [`KEY_MARKETS_MAX`], ascending, without
/// duplicates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyMarkets(Vec<MarketId>);

checked_decode!(KeyMarkets(Vec<MarketId>));

impl KeyMarkets {
    /// Returns `None` if the list breaks the invariant.
    pub fn new(markets: Vec<MarketId>) -> Option<Self> {
        let fits = (1..=KEY_MARKETS_MAX).contains(&markets.len());
        (fits && markets.is_sorted_by(|a, b| a < b)).then_some(Self(markets))
    }

    /// Returns the markets, ascending.
    pub fn as_slice(&self) -> &[MarketId] {
        &self.0
    }

    /// Returns true if `market` is one of them.
    pub fn contains(&self, market: MarketId) -> bool {
        self.0.binary_search(&market).is_ok()
    }
}

/// Settings that few keys have. Kept separately, so that a key without them takes little memory.
#[derive(Clone, PartialEq, Eq, Default, Debug, Encode, Decode)]
pub struct KeyTerms {
    /// The name that the account gives the key.
    pub name: Option<KeyName>,
    /// The only markets that the key may trade in; `None` means every market.
    pub markets: Option<KeyMarkets>,
    /// The maximum value of one order at its limit price; `None` means no maximum.
    pub notional: Option<Credits>,
}

growing! {
    /// A key that authenticates an account at the gateway.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ApiKey {
        /// The public part.
        pub id: ApiKeyId,
        /// How the key is authenticated.
        pub proof: KeyProof,
        /// The scopes of the key.
        pub scopes: Scopes,
        /// From this time on the key is invalid; `None` means never.
        pub expires: Option<Timestamp>,
        /// Settings that few keys have.
        pub terms: Option<Box<KeyTerms>>,
    }
}

impl ApiKey {
    /// Returns a key with a secret, for every market and without expiry.
    pub const fn with_secret(id: ApiKeyId, hash: [u8; 32], scopes: Scopes) -> Self {
        Self { id, proof: KeyProof::Secret(hash), scopes, expires: None, terms: None }
    }

    /// Returns the name that the account gives the key.
    pub fn name(&self) -> Option<&KeyName> {
        self.terms.as_ref()?.name.as_ref()
    }

    /// Returns the only markets that the key may trade in.
    pub fn markets(&self) -> Option<&KeyMarkets> {
        self.terms.as_ref()?.markets.as_ref()
    }

    /// Returns the maximum value of one order.
    pub fn notional(&self) -> Option<Credits> {
        self.terms.as_ref()?.notional
    }

    /// Returns true until the key has expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Returns true if this key has every right of `other`, for at least as long.
    ///
    /// | right    | this key's       | the other's must be        |
    /// |----------|------------------|----------------------------|
    /// | scopes   | a set            | within it                  |
    /// | expiry   | never; a time    | any; no later              |
    /// | markets  | all; a list      | any; a list within it      |
    /// | notional | any; an amount   | any; no larger             |
    pub fn covers(&self, other: &Self) -> bool {
        let markets = |ours: &KeyMarkets| {
            other.markets().is_some_and(|theirs| theirs.as_slice().iter().all(|market| ours.contains(*market)))
        };
        self.scopes.contains(other.scopes)
            && self.expires.is_none_or(|ours| other.expires.is_some_and(|theirs| theirs <= ours))
            && self.markets().is_none_or(markets)
            && self.notional().is_none_or(|ours| other.notional().is_some_and(|theirs| theirs <= ours))
    }
}

growing! {
    /// Limits of one account over all its markets.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct AccountLimits {
        /// The number of live orders.
        pub live_orders: u32,
        /// Credits that its live buys hold.
        pub held: Credits,
    }
}

impl AccountLimits {
    /// No limits.
    pub const NONE: Self = Self { live_orders: u32::MAX, held: Credits(i64::MAX) };
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: Scopes, expires: Option<u64>, markets: &[u64], notional: Option<i64>) -> ApiKey {
        let markets = KeyMarkets::new(markets.iter().copied().map(MarketId).collect());
        let terms = KeyTerms { name: None, markets, notional: notional.map(Credits) };
        let expires = expires.map(Timestamp);
        ApiKey { expires, terms: Some(Box::new(terms)), ..ApiKey::with_secret(ApiKeyId(1), [0; 32], scopes) }
    }

    #[test]
    fn a_list_of_markets_has_one_spelling() {
        let list = |ids: &[u64]| KeyMarkets::new(ids.iter().copied().map(MarketId).collect());
        assert!(list(&[1]).is_some() && list(&[1, 2]).is_some());
        for ids in [&[][..], &[2, 1], &[1, 1], &[7; KEY_MARKETS_MAX + 1]] {
            assert_eq!(list(ids), None, "{ids:?}");
        }
        let most: Vec<u64> = (1..=KEY_MARKETS_MAX as u64).collect();
        assert!(list(&most).is_some());
        let more: Vec<u64> = (0..=KEY_MARKETS_MAX as u64).collect();
        assert_eq!(list(&more), None);
    }

    #[test]
    fn who_may_trade_may_cancel_and_nothing_else_follows() {
        assert!(Scopes::TRADE.contains(Scopes::CANCEL) && !Scopes::CANCEL.contains(Scopes::TRADE));
        for (has, wants) in [(Scopes::TRADE, Scopes::READ), (Scopes::TRADE, Scopes::TRANSFER)] {
            assert!(!has.contains(wants), "{has:?} {wants:?}");
        }
        // No key has a scope here that only a later build knows.
        assert!(!Scopes::ALL.contains(Scopes::from_bits(16)));
        assert!(Scopes::from_bits(16).contains(Scopes::from_bits(16)));
    }

    #[test]
    fn a_key_covers_what_is_within_each_of_its_rights() {
        let all = key(Scopes::ALL, None, &[], None);
        let some = key(Scopes::READ_TRADE, Some(10), &[1, 2], Some(100));
        assert!(all.covers(&all) && all.covers(&some) && some.covers(&some) && !some.covers(&all));
        assert!(some.covers(&key(Scopes::CANCEL, Some(9), &[2], Some(99))));
        for other in [
            key(Scopes::TRANSFER, Some(10), &[1, 2], Some(100)),
            key(Scopes::READ, Some(11), &[1, 2], Some(100)),
            key(Scopes::READ, None, &[1, 2], Some(100)),
            key(Scopes::READ, Some(10), &[1, 3], Some(100)),
            key(Scopes::READ, Some(10), &[], Some(100)),
            key(Scopes::READ, Some(10), &[1], Some(101)),
            key(Scopes::READ, Some(10), &[1], None),
        ] {
            assert!(!some.covers(&other), "{other:?}");
        }
    }

    #[test]
    fn a_key_ends_at_its_time() {
        let ends = key(Scopes::READ, Some(10), &[], None);
        assert!(ends.is_live(Timestamp(9)) && !ends.is_live(Timestamp(10)));
    }
}
