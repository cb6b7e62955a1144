//! Assigns accounts and markets to shards: the documented hash from id to shard.
//!
//! `shard(id, n) = (mix(id) × n) >> 64`, where `mix` is the finaliser of SplitMix64. Clients in
//! other languages can check their implementation against the vectors in this file's tests.
//! Partition counts never change, so this mapping never changes either.

use crate::ids::{AccountId, MarketEventId, MarketId, Shard};

/// Maps the accounts and markets of a log to shards. Invariant: 1..=128 shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardMap {
    shards: u16,
}

impl ShardMap {
    /// Returns `None` unless `shards` is 1..=128.
    #[inline]
    pub const fn new(shards: u16) -> Option<Self> {
        if shards >= 1 && shards <= crate::limits::SHARDS_MAX { Some(Self { shards }) } else { None }
    }

    /// Returns the number of shards of the log.
    #[inline]
    pub const fn shards(self) -> u16 {
        self.shards
    }

    /// Returns the home shard of an account. It holds the account's state that is independent of
    /// where the account trades.
    #[inline]
    pub fn of_account(self, account: AccountId) -> Shard {
        self.of(account.0)
    }

    /// Returns the home shard of a market: its book, positions and collateral, and the purses that
    /// trade there.
    #[inline]
    pub fn of_market(self, market: MarketId) -> Shard {
        self.of(market.0)
    }

    /// Returns the home shard of a market event. The event's markets may be on other shards.
    #[inline]
    pub fn of_market_event(self, event: MarketEventId) -> Shard {
        self.of(event.0)
    }

    #[inline]
    fn of(self, id: u64) -> Shard {
        #[allow(clippy::cast_possible_truncation, reason = "the product's high half is below `shards`")]
        let number = ((u128::from(mix(id)) * u128::from(self.shards)) >> 64) as u16;
        Shard::new(number).expect("below the number of shards")
    }
}

/// SplitMix64's finaliser.
#[inline]
const fn mix(id: u64) -> u64 {
    let mut z = id.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published vectors: (id, shard of 4, shard of 7, shard of 128). Never edited.
    const VECTORS: [(u64, u16, u16, u16); 6] = [
        (0, 3, 6, 113),
        (1, 2, 3, 72),
        (2, 2, 4, 75),
        (20_261_122, 0, 0, 4),
        (1 << 62, 0, 0, 0),
        (i64::MAX as u64, 0, 1, 21),
    ];

    #[test]
    fn vectors() {
        for (id, four, seven, most) in VECTORS {
            let shard = |n| ShardMap::new(n).unwrap().of(id).number();
            assert_eq!((id, shard(4), shard(7), shard(128)), (id, four, seven, most));
        }
    }

    #[test]
    fn accounts_spread_evenly() {
        let map = ShardMap::new(4).unwrap();
        let mut counts = [0_u32; 4];
        for id in 1..=40_000 {
            counts[map.of_account(AccountId(id)).index()] += 1;
        }
        assert!(counts.iter().all(|&n| (9_500..=10_500).contains(&n)), "{counts:?}");
    }

    #[test]
    fn the_number_of_shards_is_bounded() {
        assert_eq!(ShardMap::new(0), None);
        assert_eq!(ShardMap::new(129), None);
    }
}
