//! What clients can subscribe to.

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
