//! Listing markets and changing their state.

use schemas::limits::{DISPUTE_WINDOW_MAX_MS, MARKET_EVENTS_MAX, SWEEP_MAX};
use schemas::market::{Confirmation, Resolution};
use schemas::{
    AdminId, Event, Listing, MarketEvent, MarketEventId, MarketId, MarketLimits, MarketState, Rejection,
    ResolutionAnswer, Timestamp, Transition,
};

use super::{CommandRun, about, yes};
use crate::state::{MarketView, ShardState};

impl CommandRun<'_> {
    pub(super) fn create_market(&mut self, listing: &Listing, by: AdminId) {
        self.answer(|state| {
            let id = listing.market;
            if id != MarketId::of(&listing.ticker) {
                return Err(Rejection::MarketIdMismatch);
            }
            if !listing.ticker.has_letter() {
                return Err(Rejection::NameInvalid);
            }
            if state.map.of_market(id) != state.shard {
                return Err(Rejection::WrongShard);
            }
            if !Listing::tick_is_valid(listing.tick) {
                return Err(Rejection::TickSizeInvalid);
            }
            if listing.expiry <= state.facts.time {
                return Err(Rejection::ExpiryInPast);
            }
            if listing.dispute_window_ms > DISPUTE_WINDOW_MAX_MS {
                return Err(Rejection::DisputeWindowInvalid);
            }
            about::check_opening(listing.opens, listing.expiry, state.facts.time)?;
            match known(state, id) {
                Ok(_) => Err(Rejection::MarketExists),
                Err(Rejection::MarketArchived) => Err(Rejection::MarketArchived),
                Err(_) if state.facts.markets.len() >= state.books_max.markets => Err(Rejection::BooksFull),
                Err(_) => Ok(Event::MarketCreated { listing: listing.clone(), by }),
            }
        });
    }

    pub(super) fn change_market(&mut self, id: MarketId, by: AdminId, transition: Transition) {
        if self.answer(|state| decide_change(state, id, by, transition)) {
            if let Transition::Resolve { answer } = transition {
                self.claim_or_release(id, answer);
            }
            self.sweep(id, SWEEP_MAX);
        }
    }

    pub(super) fn create_market_event(&mut self, event: &MarketEvent, by: AdminId) {
        self.answer(|state| {
            if event.id != MarketEventId::of(&event.name) {
                return Err(Rejection::MarketEventIdMismatch);
            }
            if !event.name.has_letter() {
                return Err(Rejection::NameInvalid);
            }
            if state.map.of_market_event(event.id) != state.shard {
                return Err(Rejection::WrongShard);
            }
            if state.market_event(event.id).is_some() {
                return Err(Rejection::MarketEventExists);
            }
            if state.facts.market_events.len() >= MARKET_EVENTS_MAX {
                return Err(Rejection::MarketEventsLimit);
            }
            Ok(Event::MarketEventCreated { event: Box::new(event.clone()), by })
        });
    }

    pub(super) fn limit_market(&mut self, market: MarketId, limits: MarketLimits, by: AdminId) {
        self.answer(|state| known(state, market).map(|_| Event::MarketLimited { market, limits, by }));
    }
}

fn decide_change(state: &ShardState, id: MarketId, by: AdminId, transition: Transition) -> Result<Event, Rejection> {
    let market = known(state, id)?;
    let now = state.facts.time;
    let target = transition.target(market.state).ok_or(Rejection::TransitionInvalid)?;
    let payout = market.resolution.and_then(|resolution| resolution.confirmed).map(|confirmed| confirmed.payout);
    if payout.is_some_and(|payout| payout <= now) {
        return Err(Rejection::TransitionInvalid);
    }
    if target == MarketState::Open {
        if market.listing.expiry <= now {
            return Err(Rejection::TransitionInvalid);
        }
        if state.lookup.sweeping.contains(&id) {
            return Err(Rejection::MarketSweeping);
        }
    }
    let (state, resolution) = match transition {
        Transition::Resolve { answer } => {
            yes::check_proposal(state, market, answer)?;
            (target, Some(Resolution { answer, proposed_by: by, confirmed: None }))
        }
        Transition::Confirm { answer } => confirm(market, answer, by, now)?,
        Transition::Open | Transition::Pause { .. } | Transition::Resume | Transition::Close => (target, None),
    };
    Ok(Event::MarketChanged { market: id, state, resolution, by: Some(by) })
}

/// Confirms an answer by a second admin: it stands unless it is amended within the dispute window.
fn confirm(
    market: MarketView<'_>,
    answer: ResolutionAnswer,
    by: AdminId,
    now: Timestamp,
) -> Result<(MarketState, Option<Resolution>), Rejection> {
    let Some(proposed) = market.resolution.filter(|resolution| resolution.confirmed.is_none()) else {
        return Err(Rejection::TransitionInvalid);
    };
    if proposed.proposed_by == by {
        return Err(Rejection::SecondAdminRequired);
    }
    if proposed.answer != answer {
        return Err(Rejection::AnswerMismatch);
    }
    yes::check_confirmation(market, answer)?;
    let window = market.listing.dispute_window_ms;
    let payout = Timestamp(now.0.saturating_add(window));
    let resolution = Resolution { confirmed: Some(Confirmation { by, payout }), ..proposed };
    let state = if window == 0 { answer.final_state() } else { MarketState::Resolving };
    Ok((state, Some(resolution)))
}

/// Returns a market whose home is here.
pub(super) fn known(state: &ShardState, id: MarketId) -> Result<MarketView<'_>, Rejection> {
    state.market(id).ok_or_else(|| match state.map.of_market(id) == state.shard {
        true if state.facts.archive.contains(id) => Rejection::MarketArchived,
        true => Rejection::MarketUnknown,
        false => Rejection::WrongShard,
    })
}
