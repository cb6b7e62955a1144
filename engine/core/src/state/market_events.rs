//! Market events whose home is here: named groups of markets, which may live on any shard.

use bincode::{Decode, Encode};
use schemas::MarketId;

/// A market event. Its texts are in the log and in the read models.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct KnownMarketEvent {
    /// At most one of its markets can be answered YES.
    pub exclusive: bool,
    /// The market that holds its YES: the one whose answer is YES, or is proposed to be YES.
    pub yes: Option<MarketId>,
}

/// A market's claim to the YES of its event, as the market's shard knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum YesClaim {
    /// The event's home has not answered.
    Asked,
    /// The market can be answered YES.
    Granted,
    /// Another market holds the event's YES.
    Taken(MarketId),
}
