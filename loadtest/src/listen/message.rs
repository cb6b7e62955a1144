//! Messages of the gateway's WebSocket, as far as they are needed to rebuild what they speak of.

use serde::Deserialize;

/// Any message; which fields are there follows from `kind` and `channel`.
#[derive(Deserialize, Debug)]
pub struct StreamMessage<'a> {
    /// `snapshot`, `delta`, `error`, …
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `book`, `trades`, `orders`.
    pub channel: Option<&'a str>,
    /// Of book and trades.
    pub market_id: Option<&'a str>,
    /// Whose sequence it is.
    pub shard: Option<u16>,
    /// The outcome it is as of.
    pub sequence: Option<u64>,
    /// The sequence of the message before.
    pub previous: Option<u64>,
    /// Price and contracts, best first.
    #[serde(default)]
    pub bids: Vec<(&'a str, i64)>,
    /// Price and contracts, best first.
    #[serde(default)]
    pub asks: Vec<(&'a str, i64)>,
    /// Side, price and contracts; 0 is gone.
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
    /// What happened to an account's orders.
    #[serde(default)]
    pub changes: Vec<StreamOrderChange<'a>>,
    /// Of an error.
    pub code: Option<&'a str>,
}

/// A trade.
#[derive(Deserialize, Debug)]
pub struct StreamTrade<'a> {
    /// Its id.
    pub trade_id: &'a str,
}

/// An order as it stands.
#[derive(Deserialize, Debug)]
pub struct StreamOrder<'a> {
    /// Its id.
    pub order_id: &'a str,
    /// Where it stands.
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
    /// Which order.
    pub order_id: Option<&'a str>,
    /// Where it stands now; of one that was `REDUCED`, where it stood.
    pub status: Option<&'a str>,
    /// Contracts that rest now; none after a cancel.
    pub remaining: Option<u32>,
    /// Contracts filled in all.
    pub filled: Option<u32>,
    /// Of a change of a group, which has no order.
    pub group: Option<u16>,
}
