//! Listing markets and moving them through their life.

use schemas::market::YesValue;
use schemas::{Event, Listing, MarketId, MarketState, Rejection, Transition};

use super::Turn;
use crate::state::{Market, State};

impl Turn<'_> {
    pub(super) fn create_market(&mut self, listing: &Listing) {
        self.answer(|state| {
            let id = listing.market;
            if id != MarketId::of(&listing.ticker) {
                return Err(Rejection::MarketIdMismatch);
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
            match state.market(id) {
                Some(_) => Err(Rejection::MarketExists),
                None => Ok(Event::MarketCreated(listing.clone())),
            }
        });
    }

    pub(super) fn change_market(&mut self, id: MarketId, transition: Transition) {
        if self.answer(|state| decide_change(state, id, transition)) {
            self.sweep(id, schemas::limits::SWEEP_MAX);
        }
    }
}

fn decide_change(state: &State, id: MarketId, transition: Transition) -> Result<Event, Rejection> {
    let market = known(state, id)?;
    let expired = market.listing.expiry <= state.facts.time;
    let opens = matches!(transition, Transition::Open | Transition::Resume);
    match transition.target(market.state) {
        Some(_) if opens && expired => Err(Rejection::TransitionInvalid),
        None => Err(Rejection::TransitionInvalid),
        Some(target) => {
            let yes_value = match (transition, target) {
                (Transition::Resolve { yes_value }, _) => Some(yes_value),
                (_, MarketState::Voided) => Some(YesValue::HALF),
                _ => None,
            };
            Ok(Event::MarketChanged { market: id, state: target, yes_value })
        }
    }
}

/// A market that lives here.
pub(super) fn known(state: &State, id: MarketId) -> Result<&Market, Rejection> {
    if state.map.of_market(id) != state.shard {
        return Err(Rejection::WrongShard);
    }
    state.market(id).ok_or(Rejection::MarketUnknown)
}
