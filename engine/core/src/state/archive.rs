//! What is kept of markets that were paid out and archived.

use std::collections::BTreeSet;

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{Credits, MarketId};

use crate::hash::archived_market;

/// Markets that have left the state. Only their ids are kept, in a tree: it grows without bound,
/// with every market that is archived.
#[derive(Clone, Debug, Default)]
pub struct ArchivedMarkets {
    /// A ticker is listed only once, and an id is the hash of a ticker.
    markets: BTreeSet<MarketId>,
    /// All fees that were collected in them (I-1).
    fees: Credits,
    /// The sum of the hashes of their ids.
    sum: u64,
}

impl ArchivedMarkets {
    pub(crate) fn add(&mut self, market: MarketId, fees: Credits) {
        assert!(self.markets.insert(market), "market {market} archived twice");
        self.fees += fees;
        self.sum = self.sum.wrapping_add(archived_market(market));
    }

    pub(crate) fn contains(&self, market: MarketId) -> bool {
        self.markets.contains(&market)
    }

    /// Returns the markets in the order of their ids.
    pub fn markets(&self) -> impl Iterator<Item = MarketId> {
        self.markets.iter().copied()
    }

    /// Returns the fees that were collected in all of them.
    pub fn fees(&self) -> Credits {
        self.fees
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }
}

impl Encode for ArchivedMarkets {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (&self.markets, &self.fees).encode(encoder)
    }
}

impl<C> Decode<C> for ArchivedMarkets {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (markets, fees): (BTreeSet<MarketId>, Credits) = Decode::decode(decoder)?;
        let sum = markets.iter().fold(0_u64, |sum, market| sum.wrapping_add(archived_market(*market)));
        Ok(Self { markets, fees, sum })
    }
}

impl<'de, C> BorrowDecode<'de, C> for ArchivedMarkets {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
