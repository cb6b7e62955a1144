//! Changes recorded by a market's home shard: markets with their contracts, and positions.

use schemas::effects::{MarketChange, PositionChange};
use schemas::market::{Resolution, YesValue};
use schemas::text::{Clarification, Label, Source};
use schemas::{
    AdminId, Credits, Listing, MarketAddition, MarketEdit, MarketEvent, MarketEventId, MarketId, MarketLimits,
    MarketState, Price, Timestamp,
};

use super::RowChanges;
use super::last_change::LastChange;

/// The sum of one market's changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketDelta {
    /// How the market was created, if in this batch.
    pub born: Option<Box<Birth>>,
    /// The market's new state, if it changed.
    pub state: Option<MarketState>,
    /// The answer and the progress towards payout, if they changed.
    pub resolution: Option<Resolution>,
    /// The limits of each account in the market, if they changed.
    pub limits: Option<MarketLimits>,
    /// Changes of the market's properties, if any.
    pub about: Option<Box<AboutDelta>>,
    /// True if the last position was paid out.
    pub settled: bool,
    /// When the market left its shard's state, if it did. Nothing changes it afterwards.
    pub archived: Option<Timestamp>,
    /// Change of the credits that back the market's pairs.
    pub collateral: Credits,
    /// Change of the fees collected.
    pub fees: Credits,
    /// Change of YES contracts outstanding.
    pub yes: i64,
    /// Change of NO contracts outstanding.
    pub no: i64,
    /// Number of contracts traded.
    pub volume: u64,
    /// Price (in YES) and time of the last trade, if there was one.
    pub last_trade: Option<(Price, Timestamp)>,
    /// The last change of the rows of the market's contracts, if any.
    pub contracts: Option<LastChange>,
    /// The last change.
    pub last: LastChange,
}

/// A market's creation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Birth {
    /// The market's listing.
    pub listing: Listing,
    /// When it was created.
    pub at: LastChange,
}

/// Changes of a market's properties. Replacements apply first, then additions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AboutDelta {
    /// The replaced properties; all of them for a new market.
    pub edit: MarketEdit,
    /// Sources added since.
    pub sources: Vec<Source>,
    /// Tags added since.
    pub tags: Vec<Label>,
}

/// A clarification that an admin added to a market's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClarificationRow {
    /// The market.
    pub market: MarketId,
    /// The text.
    pub text: Clarification,
    /// The admin.
    pub by: AdminId,
    /// When it was added.
    pub at: LastChange,
}

/// The changes of one market event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketEventDelta {
    /// The event as created, and when, if in this batch.
    pub born: Option<(Box<MarketEvent>, LastChange)>,
    /// The market that holds the event's YES, if that changed.
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

/// The sum of one position's changes, in contracts.
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
    /// Returns the payout of one YES contract, if it became final in this batch.
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
