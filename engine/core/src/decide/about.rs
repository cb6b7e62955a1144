//! Market details: changed before the first trade, added to until the market is resolved.

use schemas::limits::{MARKET_CLARIFICATIONS_MAX, MARKET_SOURCES_MAX, MARKET_TAGS_MAX};
use schemas::{AdminId, Event, MarketAddition, MarketEdit, MarketId, MarketState, Rejection, Timestamp};

use super::CommandRun;
use super::market::known;
use crate::state::ShardState;

impl CommandRun<'_> {
    pub(super) fn edit_market(&mut self, market: MarketId, edit: &MarketEdit, by: AdminId) {
        self.answer(|state| {
            check_edit(state, market, edit)?;
            Ok(Event::MarketEdited { market, edit: Box::new(edit.clone()), by })
        });
    }

    pub(super) fn add_to_market(&mut self, market: MarketId, addition: &MarketAddition, by: AdminId) {
        self.answer(|state| {
            check_addition(state, market, addition)?;
            Ok(Event::MarketAddedTo { market, addition: Box::new(addition.clone()), by })
        });
    }
}

/// Checks an edit. Orders may rest meanwhile: they agreed to an offer, not to a contract, and
/// nobody holds anything yet.
fn check_edit(state: &ShardState, id: MarketId, edit: &MarketEdit) -> Result<(), Rejection> {
    let now = state.facts.time;
    if edit.expiry.is_some_and(|expiry| expiry <= now) {
        return Err(Rejection::ExpiryInPast);
    }
    check_opening(edit.opens.flatten(), edit.expiry.unwrap_or(Timestamp(u64::MAX)), now)?;
    if edit.is_empty() {
        return Err(Rejection::EditEmpty);
    }
    let market = known(state, id)?;
    if market.traded {
        return Err(Rejection::MarketTraded);
    }
    if !market.state.trades_later() || market.listing.expiry <= now {
        return Err(Rejection::MarketEnded);
    }
    let created = market.state == MarketState::Created;
    if edit.opens.is_some() && !created {
        return Err(Rejection::MarketOpened);
    }
    // The opening time of a market that is or was open is history.
    let opens = edit.opens.unwrap_or(market.listing.opens).filter(|_| created);
    let expiry = edit.expiry.unwrap_or(market.listing.expiry);
    if opens.is_some_and(|opens| opens >= expiry) { Err(Rejection::OpeningInvalid) } else { Ok(()) }
}

/// Checks that the opening time lies in the future, and before the closing time.
pub(super) fn check_opening(opens: Option<Timestamp>, expiry: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    match opens {
        Some(opens) if opens <= now || opens >= expiry => Err(Rejection::OpeningInvalid),
        _ => Ok(()),
    }
}

fn check_addition(state: &ShardState, id: MarketId, addition: &MarketAddition) -> Result<(), Rejection> {
    if addition.is_empty() {
        return Err(Rejection::EditEmpty);
    }
    let market = known(state, id)?;
    if market.state.is_final() {
        return Err(Rejection::MarketEnded);
    }
    let listed = &market.listing;
    let clarified = addition.clarification.is_some() && listed.clarifications >= MARKET_CLARIFICATIONS_MAX;
    let too_many = |there: usize, more: usize, most: usize| there + more > most;
    if clarified
        || too_many(listed.sources.count(), addition.sources.len(), MARKET_SOURCES_MAX)
        || too_many(listed.tags.count(), addition.tags.len(), MARKET_TAGS_MAX)
    {
        return Err(Rejection::MarketTextsLimit);
    }
    if listed.has_of(addition) { Err(Rejection::AdditionRepeated) } else { Ok(()) }
}
