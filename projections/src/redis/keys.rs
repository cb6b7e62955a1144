//! The names of the Redis read models: what readers (the gateway, the load tester) may rely on.
//!
//!   fold ─▶ writer ─▶ [redis: *keys*] ─▶ gateway
//!
//! Every key begins with `PREFIX:{SHARD}:` (braces included), e.g. `lfg:{2}:book:8123`. All keys of a shard so share a
//! hash tag and live in one slot of a Redis Cluster, and one pattern finds them all. The shard is the one whose log tells
//! the fact: `shard_map` of the account for `account:`, of the market for markets, books and trades. An account may have a purse,
//! positions and orders on any shard, so a reader asks every shard for them (in one call).
//!
//! | key after `PREFIX:{SHARD}:` | type   | content                                                                           |
//! |-----------------------------|--------|-----------------------------------------------------------------------------------|
//! | `progress`                  | string | how far the shard is folded: `OFFSET:TERM:SEQUENCE:CHAIN:ANCHOR:NEXT_COMMAND:LAYOUT` |
//! | `writer`                    | string | who moved `progress` last: the process's UUID                                     |
//! | `market:MARKET`             | hash   | the market and its ticker: see [`market`]                                         |
//! | `markets:open`              | zset   | ids of OPEN markets, scored by expiry (ms)                                        |
//! | `book:MARKET`               | hash   | `BID:TICKS` and `ASK:TICKS` (in YES) → contracts resting there, always above 0    |
//! | `trades:MARKET`             | list   | the last [`RECENT_TRADES_MAX`] trades, newest first, as JSON (below)              |
//! | `account:ACCOUNT`           | hash   | what the account may do, on its home alone: see [`account`]                       |
//! | `purse:ACCOUNT`             | hash   | the account's credits on this shard: see [`purse`]                                |
//! | `positions:ACCOUNT`         | hash   | `MARKET:yes`, `MARKET:no`, `MARKET:yes_reserved`, `MARKET:no_reserved`, all above 0 |
//! | `orders:ACCOUNT`            | hash   | live orders: `ORDER` → what changes of it and what does not (below)               |
//!
//! | key          | is there                                                                                     |
//! |--------------|----------------------------------------------------------------------------------------------|
//! | `market:`    | from the listing until the market is archived                                                |
//! | `book:`      | while something rests                                                                        |
//! | `trades:`    | from the first trade until the market is archived                                            |
//! | `account:`   | for good, on the account's home                                                              |
//! | `purse:`     | for good, from its first change on: `sent` and `received` count since its beginning, and are money |
//! | `positions:` | while the account holds a contract in a market of the shard                                  |
//! | `orders:`    | while an order of the account is live on the shard                                           |
//!
//! - A book, positions or orders of which nothing is left are gone with their last field: a missing hash is an empty one. What a
//!   hash is as of (shard, sequence) says `progress`, read in the same script or `MULTI`; deltas above that sequence continue it.
//! - `market:`, `account:` and `purse:` have the field `sequence` as well: the last outcome of that shard that changed them.
//! - `account:ACCOUNT` and the purse on the account's home are there from its opening on; a purse elsewhere, from its first change on.
//! - An account's wallet is the sum of its purses. `available + held + sent − received`, summed over all shards, is what it has: exact
//!   whatever the shards' positions are. (`sent` and `received` are counted modulo 2^64.) `sent − received`, so summed,
//!   is on its way between purses; below 0 if a shard that received
//!   is ahead of the shard that sent.
//! - `LAYOUT` counts up when a key or field changes its form. A writer of another layout halts, and the read models are
//!   to be rebuilt.
//! - Hashes hold the log's integers (ticks, micro-credits, contracts, millionths, milliseconds), because Redis adds to them.
//!   JSON holds prices and money as decimal strings, ids as strings.
//! - A live order is ACTIVE while its `filled` is 0, else PARTIALLY_FILLED. Ended orders are in Postgres only.
//! - While a shard is being rebuilt, `progress` is missing, `rebuilding:TOKEN` (its keys are cleared), or
//!   `rebuilding:UNTIL/OFFSET/TERM/SEQUENCE/CHAIN/ANCHOR/NEXT_COMMAND/LAYOUT` (its log is folded again, up to OFFSET so far, and is as far as it was
//!   when that began at UNTIL). Its other keys are then those of no state or of one of long ago, and a reader says 503 rather than
//!   serve them. `TERM` is `-` before the first term; `CHAIN` is 32 hex digits.
//! - Everything a batch changes, `progress` included, changes in one script call: readers never see half of it.
//!
//! A trade: `{"trade_id":"9","price":"0.5500","quantity":4,"taker_side":"BID","kind":"MINT","time":1764000000000,"sequence":77}`;
//! price in YES, time in milliseconds since 1970.
//!
//! A live order (always LIMIT, since nothing else rests): `PRICE:QUANTITY:FILLED:NOTIONAL:FEES:JSON`, where it rests now in the
//! contract's own terms (ticks), contracts, contracts, and micro-credits of what is filled; then what never changes: `{"order_id":"7","command_id":"…uuid…","market_id":"8123",
//! "contract":"YES","side":"BUY","time_in_force":"GTD","expires":1764000600000 or null,"post_only":"OFF","self_trade":"CANCEL_NEWEST",
//! "cancel_on_pause":false,"reduce_only":false,"group":7 or null,"fee_rate":70000,"client_id":"…uuid…" or null,"time":1764000000000}`; the fee rate in
//! millionths, times in milliseconds since 1970.

use schemas::{AccountId, BookSide, MarketId, OrderId, Price, Shard};

/// Trades that a market's list keeps.
pub const RECENT_TRADES_MAX: usize = 100;

/// The field of `market:`, `account:` and `purse:` with the sequence of the last outcome that changed it.
pub const SEQUENCE: &str = "sequence";

/// Fields of `market:MARKET`, integers unless said otherwise. From the listing: `ticker` and `question` (texts), `expiry`,
/// `tick`, `maker_fee`, `taker_fee`, `created_at`.
pub mod market {
    /// The listing's ticker.
    pub const TICKER: &str = "ticker";
    /// The listing's question.
    pub const QUESTION: &str = "question";
    /// The category that it is listed under. (Its rules, sources and tags are in Postgres alone.)
    pub const CATEGORY: &str = "category";
    /// The market event that it belongs to; missing if there is none.
    pub const EVENT: &str = "event";
    /// When it opens by itself, in milliseconds since 1970; missing if it does not.
    pub const OPENS: &str = "opens";
    /// When it closes by itself, in milliseconds since 1970.
    pub const EXPIRY: &str = "expiry";
    /// Limit prices are a multiple of this many ticks.
    pub const TICK: &str = "tick";
    /// Millionths.
    pub const MAKER_FEE: &str = "maker_fee";
    /// Millionths.
    pub const TAKER_FEE: &str = "taker_fee";
    /// Milliseconds since 1970.
    pub const CREATED_AT: &str = "created_at";
    /// A state's name.
    pub const STATE: &str = "state";
    /// `VALUE` or `VOID`; missing until one is proposed, final once the state is RESOLVED or VOIDED.
    pub const ANSWER: &str = "answer";
    /// Ticks that a YES pays by that answer; missing with it.
    pub const YES_VALUE: &str = "yes_value";
    /// The admin who proposed it; missing with it.
    pub const PROPOSED_BY: &str = "proposed_by";
    /// The admin who confirmed it; missing until one did.
    pub const CONFIRMED_BY: &str = "confirmed_by";
    /// The end of the dispute window, in milliseconds since 1970; missing until it is confirmed.
    pub const PAYOUT_AT: &str = "payout_at";
    /// How long a confirmed answer can be amended, in milliseconds.
    pub const DISPUTE_WINDOW_MS: &str = "dispute_window_ms";
    /// Live orders that each account may have here; missing: any number.
    pub const LIVE_ORDERS_MAX: &str = "live_orders_max";
    /// Micro-credits that its live orders may be worth; missing: any number.
    pub const NOTIONAL_MAX: &str = "notional_max";
    /// Contracts of one kind that it may hold and want; missing: any number.
    pub const POSITION_MAX: &str = "position_max";
    /// `1` once every position is paid out; `0` before.
    pub const SETTLED: &str = "settled";
    /// The last trade's price in ticks of YES; missing before the first trade.
    pub const LAST_PRICE: &str = "last_price";
    /// The last trade's time, in milliseconds since 1970; missing before the first trade.
    pub const LAST_TIME: &str = "last_time";
    /// Contracts traded.
    pub const VOLUME: &str = "volume";
    /// Micro-credits that back its pairs.
    pub const COLLATERAL: &str = "collateral";
    /// Micro-credits of fees collected.
    pub const FEES: &str = "fees";
    /// YES contracts in the world.
    pub const YES_OUTSTANDING: &str = "yes_outstanding";
    /// NO contracts in the world.
    pub const NO_OUTSTANDING: &str = "no_outstanding";
}

/// Fields of `purse:ACCOUNT`, all there if the hash is.
pub mod purse {
    /// Micro-credits that can be spent on this shard.
    pub const AVAILABLE: &str = "available";
    /// Micro-credits that live buy orders hold here.
    pub const HELD: &str = "held";
    /// Live orders here.
    pub const LIVE_ORDERS: &str = "live_orders";
    /// Micro-credits that left for the account's purses on other shards, since the purse's beginning.
    pub const SENT: &str = "sent";
    /// Micro-credits that came from them.
    pub const RECEIVED: &str = "received";
}

/// Fields of `account:ACCOUNT`.
pub mod account {
    /// `1` while the account can only cancel, and receive credits; else `0`.
    pub const FROZEN: &str = "frozen";
    /// Live orders that it may have in all markets together; missing: any number.
    pub const LIVE_ORDERS_MAX: &str = "live_orders_max";
    /// Micro-credits that its live buys may hold; missing: any number.
    pub const HELD_MAX: &str = "held_max";
    /// When its dead-man switch fires, in milliseconds since 1970; missing: it is off.
    pub const DEAD_MAN_DUE: &str = "dead_man_due";
}

/// The keys of one shard under one prefix.
#[derive(Clone, Debug)]
pub struct RedisKeys {
    /// `PREFIX:{SHARD}:`
    base: String,
}

impl RedisKeys {
    /// The keys of `shard` under `prefix`.
    pub fn new(prefix: &str, shard: Shard) -> Self {
        Self { base: format!("{prefix}:{{{shard}}}:") }
    }

    /// The pattern (for `SCAN`) that finds all keys of the shard and no other.
    pub fn all(&self) -> String {
        format!("{}*", self.base)
    }

    /// How far the shard is folded.
    pub fn progress(&self) -> String {
        format!("{}progress", self.base)
    }

    /// Who moved it last.
    pub fn writer(&self) -> String {
        format!("{}writer", self.base)
    }

    /// A market and its ticker.
    pub fn market(&self, market: MarketId) -> String {
        format!("{}market:{market}", self.base)
    }

    /// The OPEN markets by expiry.
    pub fn open_markets(&self) -> String {
        format!("{}markets:open", self.base)
    }

    /// A market's levels.
    pub fn book(&self, market: MarketId) -> String {
        format!("{}book:{market}", self.base)
    }

    /// A market's recent trades.
    pub fn trades(&self, market: MarketId) -> String {
        format!("{}trades:{market}", self.base)
    }

    /// What is one for an account, on its home.
    pub fn account(&self, account: AccountId) -> String {
        format!("{}account:{account}", self.base)
    }

    /// An account's purse on this shard.
    pub fn purse(&self, account: AccountId) -> String {
        format!("{}purse:{account}", self.base)
    }

    /// An account's positions in this shard's markets.
    pub fn positions(&self, account: AccountId) -> String {
        format!("{}positions:{account}", self.base)
    }

    /// An account's live orders in this shard's markets.
    pub fn orders(&self, account: AccountId) -> String {
        format!("{}orders:{account}", self.base)
    }
}

/// The field of a book's level.
pub fn level(side: BookSide, price: Price) -> String {
    format!("{side}:{}", price.ticks())
}

/// The field of one part of a position: `yes`, `no`, `yes_reserved` or `no_reserved`.
pub fn position(market: MarketId, part: &str) -> String {
    format!("{market}:{part}")
}

/// The field of a live order.
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
