//! The names of the Redis read models: the contract of the projections, which write them, with the
//! gateway and the load tester, which read them.
//!
//!   fold ─▶ writer ─▶ [redis: *keys*] ─▶ gateway
//!
//! Every key begins with `PREFIX:{SHARD}:` (braces included), e.g. `lfg:{2}:book:8123`. All keys of
//! a shard therefore share a hash tag and one slot of a Redis Cluster, and one pattern matches them
//! all. The shard is the one whose log records the fact: `shard_map` of the account for `account:`,
//! of the market for markets, books and trades. An account may have a purse (its balance on one
//! shard), positions and orders on any shard, so a reader queries every shard for them (in one
//! call).
//!
//! | key after `PREFIX:{SHARD}:` | type   | content                                                                           |
//! |-----------------------------|--------|-----------------------------------------------------------------------------------|
//! | `progress`                  | string | the shard's checkpoint: `OFFSET:TERM:SEQUENCE:CHAIN:ANCHOR:NEXT_COMMAND:LAYOUT`   |
//! | `writer`                    | string | UUID of the process that last moved `progress`                                    |
//! | `market:MARKET`             | hash   | the market and its ticker: see [`market`]                                         |
//! | `markets:open`              | zset   | ids of OPEN markets, scored by expiry (ms)                                        |
//! | `book:MARKET`               | hash   | `BID:TICKS` and `ASK:TICKS` (in YES) → contracts resting there, always above 0    |
//! | `trades:MARKET`             | list   | the last [`RECENT_TRADES_MAX`] trades, newest first, as JSON (below)              |
//! | `account:ACCOUNT`           | hash   | the account's permissions and limits, on its home shard alone: see [`account`]    |
//! | `purse:ACCOUNT`             | hash   | the account's credits on this shard: see [`purse`]                                |
//! | `positions:ACCOUNT`         | hash   | `MARKET:yes`, `MARKET:no`, `MARKET:yes_reserved`, `MARKET:no_reserved`, all above 0 |
//! | `orders:ACCOUNT`            | hash   | live orders: `ORDER` → its mutable and immutable parts (below)                    |
//!
//! | key          | exists                                                                                       |
//! |--------------|----------------------------------------------------------------------------------------------|
//! | `market:`    | from the listing until the market is archived                                                |
//! | `book:`      | while an order rests                                                                         |
//! | `trades:`    | from the first trade until the market is archived                                            |
//! | `account:`   | permanently, on the account's home shard                                                     |
//! | `purse:`     | permanently, from its first change on: `sent` and `received` count since its beginning, and are money |
//! | `positions:` | while the account holds a contract in a market of the shard                                  |
//! | `orders:`    | while an order of the account is live on the shard                                           |
//!
//! - A book, positions or orders hash disappears with its last field: a missing hash is an empty
//!   one. `progress`, read in the same script or `MULTI`, contains the (shard, sequence) as of
//!   which a hash is valid; deltas above that sequence continue it.
//! - `market:`, `account:` and `purse:` also have the field `sequence`: the last outcome of that
//!   shard that changed them.
//! - `account:ACCOUNT` and the purse on the account's home shard exist from the account's opening
//!   on; a purse elsewhere, from its first change on.
//! - An account's wallet is the sum of its purses. Its total is `available + held + sent −
//!   received`, summed over all shards: exact at any positions of the shards. (`sent` and
//!   `received` are counted modulo 2^64.) `sent − received`, summed likewise, is the amount in
//!   transit between purses; it is below 0 if a receiving shard is ahead of the sending shard.
//! - `LAYOUT` increases when a key or field changes its format. A writer of another layout halts,
//!   and the read models must be rebuilt.
//! - Hashes hold the log's integers (ticks, micro-credits, contracts, millionths, milliseconds),
//!   because Redis adds to them. JSON holds prices and money as decimal strings, ids as strings.
//! - A live order is ACTIVE while its `filled` is 0, else PARTIALLY_FILLED. Ended orders are in
//!   Postgres only.
//! - While a shard is being rebuilt, `progress` is missing, `rebuilding:TOKEN` (its keys are being
//!   cleared), or `rebuilding:UNTIL/OFFSET/TERM/SEQUENCE/CHAIN/ANCHOR/NEXT_COMMAND/LAYOUT` (its log
//!   is being folded again and has reached OFFSET; the rebuild ends at UNTIL, where the log ended
//!   when it began). The shard's other keys then reflect an old state or none, and a reader answers
//!   503 rather than serve them. `TERM` is `-` before the first term; `CHAIN` is 32 hex digits.
//! - All changes of a batch, `progress` included, happen in one script call: readers never see a
//!   partial batch.
//!
//! A trade:
//! `{"trade_id":"9","price":"0.5500","quantity":4,"taker_side":"BID","kind":"MINT","time":1764000000000,"sequence":77}`;
//! price in YES, time in milliseconds since 1970.
//!
//! A live order (always LIMIT, since no other type rests):
//! `PRICE:QUANTITY:FILLED:NOTIONAL:FEES:JSON`. The first five change: the resting price in terms of
//! its own contract (ticks), the quantity and the filled quantity (contracts), and the notional and
//! the fees of the filled contracts (micro-credits). The JSON never changes:
//! `{"order_id":"7","command_id":"…uuid…","market_id":"8123",
//! "contract":"YES","side":"BUY","time_in_force":"GTD","expires":1764000600000 or
//! null,"post_only":"OFF","self_trade":"CANCEL_NEWEST",
//! "cancel_on_pause":false,"reduce_only":false,"group":7 or
//! null,"fee_rate":70000,"client_id":"…uuid…" or null,"time":1764000000000}`; the fee rate in
//! millionths, times in milliseconds since 1970.

use crate::{AccountId, BookSide, MarketId, OrderId, Price, Shard};

/// The maximum length of a market's list of trades.
pub const RECENT_TRADES_MAX: usize = 100;

/// The field of `market:`, `account:` and `purse:` with the sequence of the last outcome that
/// changed the hash.
pub const SEQUENCE: &str = "sequence";

/// Fields of `market:MARKET`, integers unless noted otherwise. From the listing: `ticker` and
/// `question` (texts), `expiry`, `tick`, `maker_fee`, `taker_fee`, `created_at`.
pub mod market {
    /// The listing's ticker.
    pub const TICKER: &str = "ticker";
    /// The listing's question.
    pub const QUESTION: &str = "question";
    /// The category under which it is listed. (Its rules, sources and tags are in Postgres only.)
    pub const CATEGORY: &str = "category";
    /// The market event that it belongs to; missing if it belongs to none.
    pub const EVENT: &str = "event";
    /// When it opens automatically, in milliseconds since 1970; missing if it does not.
    pub const OPENS: &str = "opens";
    /// When it closes automatically, in milliseconds since 1970.
    pub const EXPIRY: &str = "expiry";
    /// Limit prices are multiples of this many ticks.
    pub const TICK: &str = "tick";
    /// The maker fee rate, in millionths.
    pub const MAKER_FEE: &str = "maker_fee";
    /// The taker fee rate, in millionths.
    pub const TAKER_FEE: &str = "taker_fee";
    /// Creation time, in milliseconds since 1970.
    pub const CREATED_AT: &str = "created_at";
    /// The name of the market's state.
    pub const STATE: &str = "state";
    /// `VALUE` or `VOID`; missing until one is proposed, final once the state is RESOLVED or
    /// VOIDED.
    pub const ANSWER: &str = "answer";
    /// The payout of one YES contract by that answer, in ticks; missing while the answer is
    /// missing.
    pub const YES_VALUE: &str = "yes_value";
    /// The admin who proposed the answer; missing while the answer is missing.
    pub const PROPOSED_BY: &str = "proposed_by";
    /// The admin who confirmed the answer; missing until confirmed.
    pub const CONFIRMED_BY: &str = "confirmed_by";
    /// The end of the dispute window, in milliseconds since 1970; missing until the answer is
    /// confirmed.
    pub const PAYOUT_AT: &str = "payout_at";
    /// How long a confirmed answer can be amended, in milliseconds.
    pub const DISPUTE_WINDOW_MS: &str = "dispute_window_ms";
    /// Maximum number of an account's live orders in this market; missing: no limit.
    pub const LIVE_ORDERS_MAX: &str = "live_orders_max";
    /// Maximum notional of an account's live orders in this market, in micro-credits; missing: no
    /// limit.
    pub const NOTIONAL_MAX: &str = "notional_max";
    /// Maximum number of contracts of one kind that an account may hold and order in this market;
    /// missing: no limit.
    pub const POSITION_MAX: &str = "position_max";
    /// `1` once every position is paid out; `0` before.
    pub const SETTLED: &str = "settled";
    /// The last trade's price in ticks of YES; missing before the first trade.
    pub const LAST_PRICE: &str = "last_price";
    /// The last trade's time, in milliseconds since 1970; missing before the first trade.
    pub const LAST_TIME: &str = "last_time";
    /// Number of contracts traded.
    pub const VOLUME: &str = "volume";
    /// Micro-credits that back the market's pairs.
    pub const COLLATERAL: &str = "collateral";
    /// Fees collected, in micro-credits.
    pub const FEES: &str = "fees";
    /// YES contracts outstanding.
    pub const YES_OUTSTANDING: &str = "yes_outstanding";
    /// NO contracts outstanding.
    pub const NO_OUTSTANDING: &str = "no_outstanding";
}

/// Fields of `purse:ACCOUNT`; all exist if the hash does.
pub mod purse {
    /// Micro-credits available to spend on this shard.
    pub const AVAILABLE: &str = "available";
    /// Micro-credits held by live buy orders on this shard.
    pub const HELD: &str = "held";
    /// Number of live orders on this shard.
    pub const LIVE_ORDERS: &str = "live_orders";
    /// Micro-credits sent to the account's purses on other shards, since the purse's beginning.
    pub const SENT: &str = "sent";
    /// Micro-credits received from those purses.
    pub const RECEIVED: &str = "received";
}

/// Fields of `account:ACCOUNT`.
pub mod account {
    /// `1` while the account is frozen (can only cancel and receive credits); else `0`.
    pub const FROZEN: &str = "frozen";
    /// Maximum number of live orders in all markets together; missing: no limit.
    pub const LIVE_ORDERS_MAX: &str = "live_orders_max";
    /// Maximum of micro-credits that the account's live buy orders may hold; missing: no limit.
    pub const HELD_MAX: &str = "held_max";
    /// When the dead-man switch fires, in milliseconds since 1970; missing: it is off.
    pub const DEAD_MAN_DUE: &str = "dead_man_due";
}

/// The keys of one shard under one prefix.
#[derive(Clone, Debug)]
pub struct RedisKeys {
    /// `PREFIX:{SHARD}:`
    base: String,
}

impl RedisKeys {
    /// Returns the keys of `shard` under `prefix`.
    pub fn new(prefix: &str, shard: Shard) -> Self {
        Self { base: format!("{prefix}:{{{shard}}}:") }
    }

    /// Returns what every key of the shard begins with, and no other key.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the pattern (for `SCAN`) that matches all keys of the shard and no others.
    pub fn all(&self) -> String {
        format!("{}*", self.base)
    }

    /// Returns the key of the shard's checkpoint.
    pub fn progress(&self) -> String {
        format!("{}progress", self.base)
    }

    /// Returns the key of the last writer's id.
    pub fn writer(&self) -> String {
        format!("{}writer", self.base)
    }

    /// Returns the key of a market and its ticker.
    pub fn market(&self, market: MarketId) -> String {
        format!("{}market:{market}", self.base)
    }

    /// Returns the key of the OPEN markets by expiry.
    pub fn open_markets(&self) -> String {
        format!("{}markets:open", self.base)
    }

    /// Returns the key of a market's price levels.
    pub fn book(&self, market: MarketId) -> String {
        format!("{}book:{market}", self.base)
    }

    /// Returns the key of a market's recent trades.
    pub fn trades(&self, market: MarketId) -> String {
        format!("{}trades:{market}", self.base)
    }

    /// Returns the key of an account's permissions and limits, on its home shard.
    pub fn account(&self, account: AccountId) -> String {
        format!("{}account:{account}", self.base)
    }

    /// Returns the key of an account's purse on this shard.
    pub fn purse(&self, account: AccountId) -> String {
        format!("{}purse:{account}", self.base)
    }

    /// Returns the key of an account's positions in this shard's markets.
    pub fn positions(&self, account: AccountId) -> String {
        format!("{}positions:{account}", self.base)
    }

    /// Returns the key of an account's live orders in this shard's markets.
    pub fn orders(&self, account: AccountId) -> String {
        format!("{}orders:{account}", self.base)
    }
}

/// Returns the field of a price level in a book.
pub fn level(side: BookSide, price: Price) -> String {
    format!("{side}:{}", price.ticks())
}

/// Returns the field of one part of a position: `yes`, `no`, `yes_reserved` or `no_reserved`.
pub fn position(market: MarketId, part: &str) -> String {
    format!("{market}:{part}")
}

/// Returns the field of a live order.
pub fn order(order: OrderId) -> String {
    order.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_documented() {
        let keys = RedisKeys::new("lfg", Shard::new(2).unwrap());
        assert_eq!(keys.progress(), "lfg:{2}:progress");
        assert_eq!(keys.book(MarketId(8123)), "lfg:{2}:book:8123");
        assert_eq!(keys.account(AccountId(9)), "lfg:{2}:account:9");
        assert_eq!(keys.purse(AccountId(9)), "lfg:{2}:purse:9");
        assert_eq!(level(BookSide::Bid, Price::new(5_500).unwrap()), "BID:5500");
        assert_eq!(order(OrderId(7)), "7");
    }
}
