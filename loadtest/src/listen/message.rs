//! Messages of the gateway's WebSocket, with the fields needed to rebuild the state.

use serde::Deserialize;

/// Any message; `kind` and `channel` determine which fields are present.
#[derive(Deserialize, Debug)]
pub struct StreamMessage<'a> {
    /// `snapshot`, `delta`, `error`, …
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `book`, `trades`, `orders`.
    pub channel: Option<&'a str>,
    /// The market, for book and trades.
    pub market_id: Option<&'a str>,
    /// The shard of the sequence.
    pub shard: Option<u16>,
    /// The last outcome that the message includes.
    pub sequence: Option<u64>,
    /// The sequence of the previous message.
    pub previous: Option<u64>,
    /// Price and contracts, best first.
    #[serde(default)]
    pub bids: Vec<(&'a str, i64)>,
    /// Price and contracts, best first.
    #[serde(default)]
    pub asks: Vec<(&'a str, i64)>,
    /// Side, price and contracts; 0 contracts: the level is gone.
    #[serde(default)]
    pub levels: Vec<(&'a str, &'a str, i64)>,
    /// Trades.
    #[serde(default)]
    pub trades: Vec<StreamTrade<'a>>,
    /// Sequence by shard.
    #[serde(default)]
    pub positions: std::collections::BTreeMap<u16, u64>,
    /// An account's live orders.
    #[serde(default)]
    pub orders: Vec<StreamOrder<'a>>,
    /// Changes of an account's orders.
    #[serde(default)]
    pub changes: Vec<StreamOrderChange<'a>>,
    /// The code of an error.
    pub code: Option<&'a str>,
}

/// A trade.
#[derive(Deserialize, Debug)]
pub struct StreamTrade<'a> {
    /// The trade's id.
    pub trade_id: &'a str,
}

/// The state of an order.
#[derive(Deserialize, Debug)]
pub struct StreamOrder<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// The status.
    pub status: &'a str,
    /// Contracts resting.
    pub remaining: u32,
    /// Contracts filled.
    pub filled: u32,
}

/// A change of an order.
#[derive(Deserialize, Debug)]
pub struct StreamOrderChange<'a> {
    /// `PLACED` and `REJECTED` have the order; `FILL`, `CANCELLED` and `REDUCED` its id.
    pub order: Option<StreamOrder<'a>>,
    /// The order's id.
    pub order_id: Option<&'a str>,
    /// The new status; for `REDUCED`, the previous one.
    pub status: Option<&'a str>,
    /// Contracts that rest now; `None` after a cancel.
    pub remaining: Option<u32>,
    /// Total number of contracts filled.
    pub filled: Option<u32>,
    /// The group, for a change of a group, which has no order.
    pub group: Option<u16>,
}
