//! What changes at a market's home: markets with their contracts, positions.

use schemas::effects::{MarketChange, PositionChange};
use schemas::market::{Resolution, YesValue};
use schemas::text::{Clarification, Label, Source};
use schemas::{
    AdminId, Credits, Listing, MarketAddition, MarketEdit, MarketEvent, MarketEventId, MarketId, MarketLimits,
    MarketState, Price, Timestamp,
};

use super::{LastChange, RowChanges};

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
    /// What it is, as far as that changed.
    pub about: Option<Box<AboutDelta>>,
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
    pub contracts: Option<LastChange>,
    /// The last change.
    pub last: LastChange,
}

/// How a market came into being.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Birth {
    /// With what.
    pub listing: Listing,
    /// When.
    pub at: LastChange,
}

/// How what a market is has changed: first what was replaced, then what was added.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AboutDelta {
    /// What was replaced; all of it for a market that was born.
    pub edit: MarketEdit,
    /// Sources that were added since.
    pub sources: Vec<Source>,
    /// Tags that were added since.
    pub tags: Vec<Label>,
}

/// What an admin added to a market's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClarificationRow {
    /// To which market's.
    pub market: MarketId,
    /// What.
    pub text: Clarification,
    /// Who.
    pub by: AdminId,
    /// When.
    pub at: LastChange,
}

/// What became of a market event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketEventDelta {
    /// How it was created, and when, if that was in this batch.
    pub born: Option<(Box<MarketEvent>, LastChange)>,
    /// Who holds its YES, if that changed.
    pub yes: Option<Option<MarketId>>,
    /// The last change.
    pub last: LastChange,
}

impl AboutDelta {
    fn of(listing: &Listing) -> Self {
        let about = listing.about.as_ref().clone();
        let edit = MarketEdit {
            question: Some(about.question),
            rules: Some(about.rules),
            sources: Some(about.sources),
            category: Some(about.category),
            tags: Some(about.tags),
            event: Some(about.event),
            opens: Some(listing.opens),
            expiry: Some(listing.expiry),
        };
        Self { edit, ..Self::default() }
    }

    fn edit(&mut self, edit: &MarketEdit) {
        if edit.sources.is_some() {
            self.sources.clear();
        }
        if edit.tags.is_some() {
            self.tags.clear();
        }
        self.edit = std::mem::take(&mut self.edit).then(edit);
    }

    fn add(&mut self, addition: &MarketAddition) {
        self.sources.extend_from_slice(&addition.sources);
        self.tags.extend_from_slice(&addition.tags);
    }
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
    pub last: LastChange,
}

impl MarketDelta {
    /// What a YES pays, if that became final.
    pub fn final_value(&self) -> Option<YesValue> {
        let answered = self.state.is_some_and(MarketState::is_final);
        self.resolution.filter(|_| answered).map(|resolution| resolution.answer.yes_value())
    }

    fn unchanged(at: LastChange) -> Self {
        Self {
            born: None,
            state: None,
            resolution: None,
            limits: None,
            about: None,
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

impl RowChanges {
    pub(super) fn market(&mut self, market: MarketId, at: LastChange) -> &mut MarketDelta {
        let delta = self.markets.entry(market).or_insert_with(|| MarketDelta::unchanged(at));
        delta.last = at;
        delta
    }

    pub(super) fn market_created(&mut self, at: LastChange, listing: &Listing) {
        let market = self.market(listing.market, at);
        market.born = Some(Box::new(Birth { listing: listing.clone(), at }));
        market.state = Some(MarketState::Created);
        market.limits = Some(listing.limits);
        market.about = Some(Box::new(AboutDelta::of(listing)));
        market.contracts = Some(at);
    }

    pub(super) fn market_edited(&mut self, at: LastChange, market: MarketId, edit: &MarketEdit) {
        self.market(market, at).about.get_or_insert_default().edit(edit);
    }

    pub(super) fn market_added_to(&mut self, at: LastChange, market: MarketId, addition: &MarketAddition, by: AdminId) {
        self.market(market, at).about.get_or_insert_default().add(addition);
        if let Some(text) = addition.clarification.clone() {
            self.clarifications.push(ClarificationRow { market, text, by, at });
        }
    }

    pub(super) fn market_event(&mut self, event: MarketEventId, at: LastChange) -> &mut MarketEventDelta {
        let unchanged = MarketEventDelta { born: None, yes: None, last: at };
        let delta = self.market_events.entry(event).or_insert(unchanged);
        delta.last = at;
        delta
    }

    pub(super) fn market_changed(
        &mut self,
        at: LastChange,
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

    pub(super) fn market_summed(&mut self, at: LastChange, change: MarketChange) {
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

    pub(super) fn position_changed(&mut self, at: LastChange, change: PositionChange) {
        let unchanged = PositionDelta { yes: 0, no: 0, yes_reserved: 0, no_reserved: 0, last: at };
        let position = self.positions.entry((change.market, change.account)).or_insert(unchanged);
        position.yes += change.yes;
        position.no += change.no;
        position.yes_reserved += change.yes_reserved;
        position.no_reserved += change.no_reserved;
        position.last = at;
    }
}
