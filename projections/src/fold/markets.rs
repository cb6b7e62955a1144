//! What changes at a market's home: markets with their contracts, positions.

use schemas::effects::{MarketChange, PositionChange};
use schemas::market::{Resolution, YesValue};
use schemas::{Credits, Listing, MarketId, MarketLimits, MarketState, Price, Timestamp};

use super::{Changes, Stamp};

/// The sum of a market's changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketDelta {
    /// How it was created, if that was in this batch.
    pub born: Option<Box<Birth>>,
    /// Where it stands now, if that changed.
    pub state: Option<MarketState>,
    /// Its answer and how far it is on its way to being paid out, if that changed.
    pub resolution: Option<Resolution>,
    /// What each account may have there, if that changed.
    pub limits: Option<MarketLimits>,
    /// True if its last position was paid out.
    pub settled: bool,
    /// When it left its shard's state, if it did: nothing changes it afterwards.
    pub archived: Option<Timestamp>,
    /// Change of the credits that back its pairs.
    pub collateral: Credits,
    /// Change of the fees collected.
    pub fees: Credits,
    /// Change of YES contracts outstanding.
    pub yes: i64,
    /// Change of NO contracts outstanding.
    pub no: i64,
    /// Contracts traded.
    pub volume: u64,
    /// Price (in YES) and time of the last trade, if there was one.
    pub last_trade: Option<(Price, Timestamp)>,
    /// The last change of its contracts' rows, if there was one.
    pub contracts: Option<Stamp>,
    /// The last change.
    pub last: Stamp,
}

/// How a market came into being.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Birth {
    /// With what.
    pub listing: Listing,
    /// When.
    pub at: Stamp,
}

/// The sum of a position's changes, in contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionDelta {
    /// Change of YES contracts held.
    pub yes: i64,
    /// Change of NO contracts held.
    pub no: i64,
    /// Change of YES contracts that resting sells reserve.
    pub yes_reserved: i64,
    /// Change of NO contracts that resting sells reserve.
    pub no_reserved: i64,
    /// The last change.
    pub last: Stamp,
}

impl MarketDelta {
    /// What a YES pays, if that became final.
    pub fn final_value(&self) -> Option<YesValue> {
        let answered = self.state.is_some_and(MarketState::is_final);
        self.resolution.filter(|_| answered).map(|resolution| resolution.answer.yes_value())
    }

    fn unchanged(at: Stamp) -> Self {
        Self {
            born: None,
            state: None,
            resolution: None,
            limits: None,
            settled: false,
            archived: None,
            collateral: Credits::ZERO,
            fees: Credits::ZERO,
            yes: 0,
            no: 0,
            volume: 0,
            last_trade: None,
            contracts: None,
            last: at,
        }
    }
}

impl Changes {
    pub(super) fn market(&mut self, market: MarketId, at: Stamp) -> &mut MarketDelta {
        let delta = self.markets.entry(market).or_insert_with(|| MarketDelta::unchanged(at));
        delta.last = at;
        delta
    }

    pub(super) fn market_created(&mut self, at: Stamp, listing: &Listing) {
        let market = self.market(listing.market, at);
        market.born = Some(Box::new(Birth { listing: listing.clone(), at }));
        market.state = Some(MarketState::Created);
        market.limits = Some(listing.limits);
        market.contracts = Some(at);
        self.books.insert(listing.market, at.sequence);
    }

    pub(super) fn market_changed(
        &mut self,
        at: Stamp,
        market: MarketId,
        state: MarketState,
        resolution: Option<Resolution>,
    ) {
        let market = self.market(market, at);
        market.state = Some(state);
        market.resolution = resolution.or(market.resolution);
        if state.is_final() {
            market.contracts = Some(at);
        }
    }

    pub(super) fn market_summed(&mut self, at: Stamp, change: MarketChange) {
        let market = self.market(change.market, at);
        market.collateral += change.collateral;
        market.fees += change.fees;
        market.yes += change.yes;
        market.no += change.no;
        market.volume += change.volume;
        if (change.yes, change.no) != (0, 0) {
            market.contracts = Some(at);
        }
    }

    pub(super) fn position_changed(&mut self, at: Stamp, change: PositionChange) {
        let unchanged = PositionDelta { yes: 0, no: 0, yes_reserved: 0, no_reserved: 0, last: at };
        let position = self.positions.entry((change.market, change.account)).or_insert(unchanged);
        position.yes += change.yes;
        position.no += change.no;
        position.yes_reserved += change.yes_reserved;
        position.no_reserved += change.no_reserved;
        position.last = at;
    }
}
