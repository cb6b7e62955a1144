//! Listing markets and changing their phases.

use std::collections::BTreeSet;

use schemas::limits::{DISPUTE_WINDOW_MAX_MS, SWEEP_MAX};
use schemas::market::{Confirmation, Resolution};
use schemas::{
    AdminId, Credits, Event, Listing, MarketId, MarketLimits, MarketState, Rejection, ResolutionAnswer as Word,
    Timestamp, Transition,
};

use super::{Answer, Market, Model};

impl Model {
    pub(super) fn create_market(&mut self, listing: &Listing, by: AdminId) {
        let answer = match () {
            () if listing.market != MarketId::of(&listing.ticker) => Err(Rejection::MarketIdMismatch),
            () if !listing.ticker.has_letter() => Err(Rejection::NameInvalid),
            () if self.map.of_market(listing.market) != self.at => Err(Rejection::WrongShard),
            () if !Listing::tick_is_valid(listing.tick) => Err(Rejection::TickSizeInvalid),
            () if listing.expiry <= self.now => Err(Rejection::ExpiryInPast),
            () if listing.dispute_window_ms > DISPUTE_WINDOW_MAX_MS => Err(Rejection::DisputeWindowInvalid),
            () if listing.opens.is_some_and(|opens| opens <= self.now || opens >= listing.expiry) => {
                Err(Rejection::OpeningInvalid)
            }
            () if self.find_market(listing.market).is_some() => Err(Rejection::MarketExists),
            () if self.archived.contains_key(&listing.market) => Err(Rejection::MarketArchived),
            () if self.markets_at(self.at).count() >= self.books_max.markets => Err(Rejection::BooksFull),
            () => Ok(Event::MarketCreated { listing: listing.clone(), by }),
        };
        if self.answer(answer) {
            self.markets.push(Market {
                listing: listing.clone(),
                state: MarketState::Created,
                limits: listing.limits,
                settled: None,
                place: self.free_place(),
                resolution: None,
                traded: false,
                clarifications: 0,
                claims: 0,
                yes: None,
                collateral: Credits::ZERO,
                fees: Credits::ZERO,
                positions: [].into(),
                orders: Vec::new(),
            });
        }
    }

    pub(super) fn limit_market(&mut self, market: MarketId, limits: MarketLimits, by: AdminId) {
        let answer = self.market_here(market).map(|_| Event::MarketLimited { market, limits, by });
        if self.answer(answer) {
            self.market_mut(market).limits = limits;
        }
    }

    pub(super) fn change_market(&mut self, id: MarketId, by: AdminId, transition: Transition) {
        let moved = self.market_here(id).and_then(|market| self.next_state(market, by, transition));
        let told =
            moved.map(|(state, resolution)| Event::MarketChanged { market: id, state, resolution, by: Some(by) });
        if self.answer(told)
            && let Ok((state, resolution)) = moved
        {
            let market = self.market_mut(id);
            (market.state, market.resolution) = (state, resolution);
            if let Transition::Resolve { answer } = transition {
                self.want_yes(id, answer);
            }
            self.sweep(id, SWEEP_MAX);
        }
    }

    pub(super) fn market_here(&self, id: MarketId) -> Answer<&Market> {
        if self.map.of_market(id) != self.at {
            return Err(Rejection::WrongShard);
        }
        self.find_market(id).ok_or_else(|| self.not_listed(id))
    }

    /// Returns why a market is unknown here.
    pub(super) fn not_listed(&self, id: MarketId) -> Rejection {
        if self.archived.contains_key(&id) { Rejection::MarketArchived } else { Rejection::MarketUnknown }
    }

    /// Returns the first index that no market of this shard has.
    fn free_place(&self) -> usize {
        let taken: BTreeSet<usize> = self.markets_at(self.at).map(|market| market.place).collect();
        (0..).find(|place| !taken.contains(place)).expect("there are more indexes than markets")
    }

    /// Returns the state that an admin's command leads to.
    fn next_state(
        &self,
        market: &Market,
        by: AdminId,
        transition: Transition,
    ) -> Answer<(MarketState, Option<Resolution>)> {
        use MarketState as S;
        let (from, now) = (market.state, self.now);
        let paused = matches!(from, S::Paused | S::CancelOnly);
        match transition {
            Transition::Open if from == S::Created && now < market.listing.expiry => Ok((S::Open, None)),
            Transition::Resume if paused && now < market.listing.expiry => {
                let waits = market.orders.iter().any(|order| order.cancel_on_pause);
                if waits { Err(Rejection::MarketSweeping) } else { Ok((S::Open, None)) }
            }
            Transition::Pause { cancel_only } if from == S::Open || paused => {
                let to = if cancel_only { S::CancelOnly } else { S::Paused };
                if to == from { Err(Rejection::TransitionInvalid) } else { Ok((to, None)) }
            }
            Transition::Close if from.trades_later() => Ok((S::Closed, None)),
            Transition::Resolve { answer } if from == S::Closed || market.answer_is_open(now) => {
                Ok((S::Resolving, Some(Resolution { answer, proposed_by: by, confirmed: None })))
            }
            Transition::Confirm { answer } => confirm(market, answer, by, now),
            _ => Err(Rejection::TransitionInvalid),
        }
    }
}

impl Market {
    /// True if an answer is proposed that can still be amended.
    fn answer_is_open(&self, now: Timestamp) -> bool {
        let over = self.resolution.and_then(|r| r.confirmed).is_some_and(|confirmed| confirmed.payout <= now);
        self.state == MarketState::Resolving && !over
    }
}

/// A second admin agrees.
fn confirm(market: &Market, answer: Word, by: AdminId, now: Timestamp) -> Answer<(MarketState, Option<Resolution>)> {
    let proposed = market.resolution.filter(|r| market.state == MarketState::Resolving && r.confirmed.is_none());
    let proposed = proposed.ok_or(Rejection::TransitionInvalid)?;
    if by == proposed.proposed_by {
        return Err(Rejection::SecondAdminRequired);
    }
    if answer != proposed.answer {
        return Err(Rejection::AnswerMismatch);
    }
    market.may_be(answer)?;
    let window = market.listing.dispute_window_ms;
    let confirmed = Some(Confirmation { by, payout: Timestamp(now.0 + window) });
    let state = if window == 0 { answer.final_state() } else { MarketState::Resolving };
    Ok((state, Some(Resolution { confirmed, ..proposed })))
}
