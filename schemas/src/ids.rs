//! The ids of the log. All fit a signed 64-bit column, or are UUIDs.

use bincode::{Decode, Encode};

use crate::limits::SHARDS_MAX;

id64! {
    /// An account, which has credits. Chosen at random (63 bits, not 0) by the sender of the
    /// request to open it; the account's shard refuses an id that already exists.
    AccountId
}

id64! {
    /// A market. Derived from its ticker by [`MarketId::of`], so that a ticker is unique over all
    /// shards without communication between shards.
    MarketId
}

id64! {
    /// A market event: a named group of markets. Derived from its name by [`MarketEventId::of`], so
    /// that a name is unique over all shards.
    MarketEventId
}

id64! {
    /// An order: `0 | its market's shard (7 bits) | counter (56 bits)`. The id itself names the
    /// shard to which a cancel is sent.
    OrderId
}

id64! {
    /// A trade: `0 | its market's shard (7 bits) | counter (56 bits)`.
    TradeId
}

id64! {
    /// An API key's public part. Chosen at random (63 bits) by the gateway that created the key.
    ApiKeyId
}

id64! {
    /// An administrator of the exchange. Chosen by the admin who sets it.
    AdminId
}

id64! {
    /// A proposed deposit: `0 | its account's home shard (7 bits) | counter (56 bits)`. The id
    /// itself names the shard to which a confirmation is sent.
    ProposalId
}

id128! {
    /// A command (a UUID v7, created by the gateway). It stays the same from the first record to
    /// the last outcome that the command causes on any shard.
    CommandId
}

id128! {
    /// A client's own id for a request. A repeat returns the first outcome again. It is unique for
    /// an order within its account and market, and for a deposit, withdrawal or transfer within its
    /// account.
    ClientId
}

id128! {
    /// One run of an engine process.
    EngineId
}

id128! {
    /// One run of a process that reads the log. An engine's is its [`EngineId`].
    PartId
}

/// A partition number of `lfg.commands` and `lfg.events`. Invariant: below [`SHARDS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shard(u16);

checked_decode!(Shard(u16));

impl Shard {
    /// Returns `None` from [`SHARDS_MAX`] on.
    #[inline]
    pub const fn new(number: u16) -> Option<Self> {
        if number < SHARDS_MAX { Some(Self(number)) } else { None }
    }

    /// Returns the partition number.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Returns the partition number as an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns the partition number as Kafka clients need it.
    pub const fn partition(self) -> i32 {
        self.0 as i32
    }

    /// Returns all shards of a log with `shards` partitions.
    pub fn all(shards: u16) -> impl Iterator<Item = Shard> {
        (0..shards.min(SHARDS_MAX)).map(Shard)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

const COUNTER_BITS: u32 = 56;
const SHARD_BITS: u32 = 7;
const _: () = assert!(SHARDS_MAX as u64 <= 1 << SHARD_BITS);

#[inline]
fn shard_of(id: u64) -> Shard {
    #[allow(clippy::cast_possible_truncation, reason = "masked to 7 bits")]
    Shard(((id >> COUNTER_BITS) & ((1 << SHARD_BITS) - 1)) as u16)
}

impl OrderId {
    /// Returns the id of the `counter`-th order of a shard.
    #[inline]
    pub fn compose(shard: Shard, counter: u64) -> Self {
        assert!(counter < 1 << COUNTER_BITS, "a shard's order counter is exhausted");
        Self((u64::from(shard.0) << COUNTER_BITS) | counter)
    }

    /// Returns the shard whose book has the order.
    #[inline]
    pub fn shard(self) -> Shard {
        shard_of(self.0)
    }
}

impl TradeId {
    /// Returns the id of the `counter`-th trade of a shard.
    #[inline]
    pub fn compose(shard: Shard, counter: u64) -> Self {
        assert!(counter < 1 << COUNTER_BITS, "a shard's trade counter is exhausted");
        Self((u64::from(shard.0) << COUNTER_BITS) | counter)
    }
}

impl ProposalId {
    /// Returns the id of the `counter`-th proposal of a shard.
    pub fn compose(shard: Shard, counter: u64) -> Self {
        assert!(counter < 1 << COUNTER_BITS, "a shard's proposal counter is exhausted");
        Self((u64::from(shard.0) << COUNTER_BITS) | counter)
    }

    /// Returns the home shard of the account to be credited.
    pub fn shard(self) -> Shard {
        shard_of(self.0)
    }

    /// Returns its number among its shard's proposals, from 1.
    pub fn counter(self) -> u64 {
        self.0 & ((1 << COUNTER_BITS) - 1)
    }
}

impl MarketId {
    /// Returns the id of the market with this ticker: the first 63 bits of BLAKE3(ticker), never 0.
    pub fn of(ticker: &crate::text::Ticker) -> Self {
        Self(hash_of(ticker.as_str()))
    }
}

impl MarketEventId {
    /// Returns the id of the market event with this name: the first 63 bits of BLAKE3(name), never
    /// 0.
    pub fn of(name: &crate::text::Label) -> Self {
        Self(hash_of(name.as_str()))
    }
}

fn hash_of(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&hash.as_bytes()[..8]);
    (u64::from_be_bytes(head) >> 1).max(1)
}

/// The log position of an outcome, as `shard:sequence`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LogPosition {
    /// The shard whose events log has the outcome.
    pub shard: Shard,
    /// The outcome's sequence there.
    pub sequence: u64,
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.shard, self.sequence)
    }
}

impl std::str::FromStr for LogPosition {
    type Err = crate::text::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (shard, sequence) = text.split_once(':').ok_or(crate::text::UnknownName)?;
        let number = |text| crate::text::decimal(text).ok_or(crate::text::UnknownName);
        let shard = u16::try_from(number(shard)?).ok().and_then(Shard::new).ok_or(crate::text::UnknownName)?;
        Ok(Self { shard, sequence: number(sequence)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_carries_its_shard_and_stays_positive() {
        let shard = Shard::new(127).unwrap();
        let id = OrderId::compose(shard, (1 << COUNTER_BITS) - 1);
        assert_eq!(id.shard(), shard);
        assert!(i64::try_from(id.0).is_ok());
    }

    #[test]
    fn an_id_and_a_coordinate_have_one_spelling() {
        assert_eq!("7".parse(), Ok(MarketId(7)));
        assert_eq!("0:7".parse(), Ok(LogPosition { shard: Shard(0), sequence: 7 }));
        for text in ["+7", "07", "", " 7", "-7"] {
            assert!(text.parse::<MarketId>().is_err(), "{text:?}");
        }
        for text in ["+0:1", "00:1", "0:01", "0:+1", "0:", ":1", "128:1", "0:1:"] {
            assert!(text.parse::<LogPosition>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_market_id_is_its_tickers_hash() {
        let id = MarketId::of(&"RAIN-2026".parse().unwrap());
        assert_eq!(id, MarketId::of(&"RAIN-2026".parse().unwrap()));
        assert_ne!(id, MarketId::of(&"RAIN-2027".parse().unwrap()));
        assert!(i64::try_from(id.0).is_ok());
    }
}
