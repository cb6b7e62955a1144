//! What happens by itself: markets close at their expiry, ended markets are swept clean. In slices, so that a market with a
//! million orders or holders never stops its shard for long: the shard's owner appends `AdvanceTime` until nothing is due.

use schemas::event::CancelReason;
use schemas::limits::SWEEP_MAX;
use schemas::message::SettlementReason;
use schemas::{BookSide, Credits, Event, MarketId, MarketState};

use super::{Draft, Turn, order, settle};
use crate::state::{Market, State};

impl Turn<'_> {
    pub(super) fn advance_time(&mut self) {
        self.step(|state, draft| close_expired(state, draft.events));
        let mut room = SWEEP_MAX;
        while room > 0 {
            let Some(market) = self.state.lookup.sweeping.first().copied() else { break };
            room -= self.sweep(market, room);
        }
    }

    /// Cancels orders of an ended market, then pays positions out, at most `room` of both together. Returns how many.
    pub(super) fn sweep(&mut self, id: MarketId, room: usize) -> usize {
        let needed = |turn: &Self| turn.state.lookup.sweeping.contains(&id);
        let mut done = 0;
        if needed(self) {
            done += self.step(|state, draft| cancel_some(market(state, id), room, draft));
            self.finish(id);
        }
        if needed(self) && done < room {
            done += self.step(|state, draft| pay_some(market(state, id), room - done, draft));
            self.finish(id);
        }
        done
    }
}

fn market(state: &State, id: MarketId) -> &Market {
    state.market(id).expect("a market that is swept is here")
}

fn close_expired(state: &State, events: &mut Vec<Event>) {
    let due = state.lookup.expiries.iter().take_while(|(expiry, _)| *expiry <= state.facts.time);
    events.extend(due.take(SWEEP_MAX).map(|&(_, market)| Event::MarketChanged {
        market,
        state: MarketState::Closed,
        yes_value: None,
    }));
}

fn cancel_some(market: &Market, room: usize, draft: &mut Draft<'_>) -> usize {
    let orders = market.book.queue(BookSide::Bid).chain(market.book.queue(BookSide::Ask)).take(room);
    orders.map(|resting| order::cancel(market, resting.id, CancelReason::MarketEnded, draft)).count()
}

/// Pays positions out, once no order reserves any of them.
fn pay_some(market: &Market, room: usize, draft: &mut Draft<'_>) -> usize {
    let Some(value) = market.yes_value.filter(|_| market.book.is_empty()) else { return 0 };
    let id = market.listing.market;
    let mut paid = 0;
    for (account, position) in market.positions().take(room) {
        let credits = value.payout(position.yes, position.no);
        draft.events.push(Event::PaidOut { market: id, account, yes: position.yes, no: position.no, credits });
        if credits != Credits::ZERO {
            draft.settlements.push(settle::received(account, id, SettlementReason::Payout, credits));
        }
        paid += 1;
    }
    if paid == market.positions.len() {
        draft.events.push(Event::MarketSettled { market: id });
    }
    paid
}
