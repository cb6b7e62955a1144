//! What clients can subscribe to, and the numbers of the clients that do.

use schemas::{AccountId, MarketId};

/// A subject that clients can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// A market's levels.
    Book(MarketId),
    /// A market's trades.
    Trades(MarketId),
    /// An account's orders.
    Orders(AccountId),
}

/// A client's number, unique while this process runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientNumber(pub u64);

impl ClientNumber {
    /// No client has a lower one.
    pub const FIRST: Self = Self(0);

    /// Returns the number after this.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
