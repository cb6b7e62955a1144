//! Accounts' API keys as the log knows them: never the secret, only its hash.

use crate::ids::ApiKeyId;
use crate::money::Credits;

/// What a key may do. A set of bits; unknown bits are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scopes(u8);

checked_decode!(Scopes(u8));

impl Scopes {
    /// See one's own account.
    pub const READ: Self = Self(1);
    /// Place and cancel orders.
    pub const TRADE: Self = Self(2);
    /// See and trade.
    pub const READ_TRADE: Self = Self(3);

    /// `None` if there is a bit that means nothing.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits & !3 == 0 { Some(Self(bits)) } else { None }
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True if every scope of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

growing! {
    /// A key that authenticates an account at the gateway.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ApiKey {
        /// The public part.
        pub id: ApiKeyId,
        /// SHA-256 of the secret part.
        pub hash: [u8; 32],
        /// What the key may do.
        pub scopes: Scopes,
    }
}

growing! {
    /// What one account may have in all markets together.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct AccountLimits {
        /// Live orders.
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
