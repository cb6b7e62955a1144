//! Effects of time: markets open and close, orders and keys expire, dispute windows end, dead-man
//! switches fire, proposed deposits end, parked requests pass their deadline, paid-out markets are
//! archived, resting purses send their credits home, ended markets are swept.
//!
//! The work is done in slices, so that a market with a million orders or holders never stops its
//! shard for long: the shard's owner appends `AdvanceTime` until nothing is due.

use schemas::event::CancelReason;
use schemas::limits::{PARKED_MAX, SHARDS_MAX, SWEEP_MAX};
use schemas::{AccountId, Credits, Event, MarketId, MarketState, SettlementReason};

use super::{CommandRun, DecisionContext, cancel, reduce, settle};
use crate::state::{Market, MarketView, ShardState, step_begins};

/// Maximum dead-man switches that fire in one command: each may send every shard a message.
const SWITCHES_MAX: usize = SWEEP_MAX / SHARDS_MAX as usize;

impl CommandRun<'_> {
    pub(super) fn advance_time(&mut self) {
        let mut room = SWEEP_MAX;
        self.step(|state, context| move_markets(state, context.events));
        room -= self.drop_late_deposits();
        room -= self.expire_keys(room);
        room -= self.send_rested_home(room);
        self.fire_dead_man_switches();
        while room > 0 {
            let now = self.state.facts.time;
            let due = self.state.lookup.order_expiries.first().copied().filter(|(expires, _)| *expires <= now);
            let Some((_, order)) = due else { break };
            let (market, _) = self.state.live_order(order).expect("an order that expires is live");
            let market = market.listing.market;
            let shrunk = self.end_order(market, order, CancelReason::Expired);
            room = room.saturating_sub(1 + shrunk);
        }
        while room > 0 {
            let Some((&(account, market), rest)) = self.state.facts.mass_cancels.first_key_value() else { break };
            let rest = rest.clone();
            // Looking for orders that have ended counts as work, too.
            room -= self.go_on_with_mass_cancel(account, market, &rest, room).max(1);
        }
        while room > 0 {
            let Some(market) = self.state.lookup.sweeping.first().copied() else { break };
            room -= self.sweep(market, room).max(1);
        }
        // Last, because the events after a `Resumed` answer the command that it names.
        self.refuse_late(room.max(PARKED_MAX));
    }

    fn fire_dead_man_switches(&mut self) {
        for _ in 0..SWITCHES_MAX {
            let now = self.state.facts.time;
            let due = self.state.lookup.dead_man_switches.first().copied().filter(|(due, _)| *due <= now);
            let Some((_, account)) = due else { break };
            self.step(|_, context| context.events.push(Event::DeadManSwitchFired { account }));
            self.mass_cancel_everywhere(account, CancelReason::DeadManSwitch);
        }
    }

    /// Sends the free credits of purses that have not changed for long home. Returns how many
    /// purses.
    fn send_rested_home(&mut self, room: usize) -> usize {
        let now = self.state.facts.time;
        let due = self.state.resting_purses().take_while(|(step, _)| step_begins(*step) <= now);
        let rested: Vec<AccountId> = due.take(room).map(|(_, account)| account).collect();
        if !rested.is_empty() {
            self.send_home(&rested);
        }
        rested.len()
    }

    /// Cancels orders of an ended or paused market, then pays positions out, at most `room` of both
    /// together. Returns how many.
    pub(super) fn sweep(&mut self, id: MarketId, room: usize) -> usize {
        let needed = |run: &Self| run.state.lookup.sweeping.contains(&id);
        let mut done = 0;
        if needed(self) {
            done += self.step(|state, context| cancel_some(state, market(state, id), room, context));
            self.finish(id);
        }
        if needed(self) && done < room {
            let mut paid = Vec::new();
            self.step(|state, context| pay_some(market(state, id), room - done, context, &mut paid));
            done += paid.len();
            self.finish(id);
            // Payouts to an account without orders here are not needed here.
            let idle = |account: &AccountId| self.state.purse(*account).is_some_and(|purse| purse.live_orders == 0);
            paid.retain(|account| idle(account) && self.state.waiting(*account).is_none());
            self.send_home(&paid);
        }
        done
    }
}

fn market(state: &ShardState, id: MarketId) -> MarketView<'_> {
    state.market(id).expect("a market that is swept is here")
}

/// Moves markets whose time has come: those with an opening time open, those that may still trade
/// close, those with a confirmed answer pay out, those that were paid out long ago are archived.
fn move_markets(state: &ShardState, events: &mut Vec<Event>) {
    let now = state.facts.time;
    let due = state.lookup.market_times.iter().take_while(|(time, _)| *time <= now);
    events.extend(due.take(SWEEP_MAX).map(|&(_, id)| {
        let market = market(state, id);
        let Market { state, resolution, settled, fees, .. } = *market;
        let expiry = market.listing.expiry;
        if let Some(settled) = settled {
            return Event::MarketArchived { market: id, state, resolution, settled, fees };
        }
        let opens = state == MarketState::Created && now < expiry;
        let state = match resolution {
            Some(resolution) => resolution.answer.final_state(),
            None if opens => MarketState::Open,
            None => MarketState::Closed,
        };
        Event::MarketChanged { market: id, state, resolution, by: None }
    }));
}

fn cancel_some(state: &ShardState, market: MarketView<'_>, room: usize, context: &mut DecisionContext<'_>) -> usize {
    let id = market.listing.market;
    if market.ends_orders() {
        let orders = market.all_orders().take(room);
        return orders.map(|resting| cancel::end(id, &resting, CancelReason::MarketEnded, context)).count();
    }
    let resting = state.lookup.paused_orders(id).map(|order| state.live_order(order).expect("it rests").1);
    let mut left = room;
    let within = resting.take_while(|resting| {
        // What it frees may shrink reduce-only orders.
        let most = 1 + reduce::most_shrunk(state, id, resting.owner.account);
        let fits = most <= left;
        left = left.saturating_sub(most);
        fits
    });
    within.for_each(|resting| cancel::end(id, &resting, CancelReason::MarketPaused, context));
    room - left
}

/// Pays positions out, once no order reserves any of them.
fn pay_some(market: MarketView<'_>, room: usize, context: &mut DecisionContext<'_>, paid: &mut Vec<AccountId>) {
    let Some(value) = market.yes_value().filter(|_| market.has_no_orders()) else { return };
    let id = market.listing.market;
    for (account, position) in market.positions().take(room) {
        let credits = value.payout(position.yes, position.no);
        context.events.push(Event::PaidOut { market: id, account, yes: position.yes, no: position.no, credits });
        if credits != Credits::ZERO {
            context.settlements.push(settle::received(account, id, SettlementReason::Payout, credits));
        }
        paid.push(account);
    }
    if paid.len() == market.positions.len() {
        context.events.push(Event::MarketSettled { market: id });
    }
}
