//! What is due by time alone, on one shard.

use schemas::event::CancelReason;
use schemas::limits::{MARKET_KEPT_MS, SHARDS_MAX, SWEEP_MAX};
use schemas::{AccountId, Event, MarketId, MarketState, OrderId, Shard, Timestamp};

use super::{Market, Model, Moved};

impl Model {
    /// Returns when an `AdvanceTime` has something to do.
    pub fn next_due(&self, at: Shard) -> Option<Timestamp> {
        let unfinished = self.mass_cancels.keys().any(|(shard, ..)| *shard == at);
        if unfinished || self.markets_at(at).any(Market::is_swept) {
            return Some(self.now);
        }
        let markets = self.markets_at(at).filter_map(Market::moves_on);
        let orders = self.expiries_at(at).into_iter().map(|(expires, ..)| expires);
        let switches = self.switches_at(at).into_iter().map(|(due, _)| due);
        let deposits = self.open_at(at).into_iter().map(|proposal| proposal.expires);
        let keys = self.key_expiries_at(at).into_iter().map(|(expires, ..)| expires);
        markets.chain(orders).chain(switches).chain(deposits).chain(keys).min()
    }

    /// Ends at most so many orders and positions; the next `AdvanceTime` continues.
    pub(super) fn advance_time(&mut self) {
        let (mut room, at) = (SWEEP_MAX, self.at);
        self.move_markets(at);
        room -= self.drop_late_deposits();
        room -= self.expire_keys(room);
        for (due, account) in self.switches_at(at).into_iter().take(SWEEP_MAX / usize::from(SHARDS_MAX)) {
            if due <= self.now {
                self.account_mut(account).dead_man = None;
                self.tell(Event::DeadManSwitchFired { account });
                self.mass_cancel_everywhere(account, CancelReason::DeadManSwitch);
            }
        }
        let mut due = self.expiries_at(at);
        due.retain(|(expires, ..)| *expires <= self.now);
        for (_, order, market) in due {
            // The end of another order may have ended it.
            if room > 0 && self.market(market).order(order).is_some() {
                self.end(market, order, CancelReason::Expired);
                room = room.saturating_sub(1 + self.redeem(market));
            }
        }
        let unfinished: Vec<_> = self.mass_cancels.keys().filter(|(shard, ..)| *shard == at).copied().collect();
        for (_, account, market) in unfinished {
            if room > 0 {
                room -= self.go_on(account, market, room).max(1);
            }
        }
        let mut swept: Vec<_> = self.markets_at(at).filter(|market| market.is_swept()).map(Market::id).collect();
        swept.sort_unstable();
        for market in swept {
            if room > 0 {
                room -= self.sweep(market, room).max(1);
            }
        }
    }

    pub(super) fn markets_at(&self, at: Shard) -> impl Iterator<Item = &Market> {
        self.markets.iter().filter(move |market| self.map.of_market(market.id()) == at)
    }

    fn expiries_at(&self, at: Shard) -> Vec<(Timestamp, OrderId, MarketId)> {
        let of_market = |market: &Market| {
            let id = market.id();
            market.orders.iter().filter_map(move |o| Some((o.expires?, o.id, id))).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.markets_at(at).flat_map(of_market).collect();
        all.sort_unstable();
        all
    }

    fn switches_at(&self, at: Shard) -> Vec<(Timestamp, AccountId)> {
        let here = self.accounts.iter().filter(|(id, _)| self.home(**id) == at);
        let mut all: Vec<_> = here.filter_map(|(id, account)| Some((account.dead_man?, *id))).collect();
        all.sort_unstable();
        all
    }

    fn move_markets(&mut self, at: Shard) {
        let now = self.now;
        let mut due: Vec<_> = self.markets_at(at).filter_map(|m| Some((m.moves_on()?, m.id()))).collect();
        due.retain(|(time, _)| *time <= now);
        due.sort_unstable();
        for (_, id) in due {
            if let Some(settled) = self.market(id).settled {
                self.archive(id, settled);
                continue;
            }
            let market = self.market_mut(id);
            market.state = match market.resolution {
                Some(resolution) => resolution.answer.final_state(),
                None if market.state == MarketState::Created && now < market.listing.expiry => MarketState::Open,
                None => MarketState::Closed,
            };
            let (state, resolution) = (market.state, market.resolution);
            self.tell(Event::MarketChanged { market: id, state, resolution, by: None });
        }
    }

    fn archive(&mut self, id: MarketId, settled: Timestamp) {
        let at = self.markets.iter().position(|market| market.id() == id).expect("the market is known");
        let Market { state, resolution, fees, .. } = self.markets.remove(at);
        self.archived.insert(id, fees);
        self.tell(Event::MarketArchived { market: id, state, resolution, settled, fees });
    }

    /// Cancels the orders that a closed or paused market releases, then pays out. Returns how many
    /// orders and positions it ended.
    pub(super) fn sweep(&mut self, id: MarketId, room: usize) -> usize {
        let market = self.market(id);
        if !market.is_swept() {
            return 0;
        }
        let ended = !market.state.trades_later();
        let reason = if ended { CancelReason::MarketEnded } else { CancelReason::MarketPaused };
        let mut orders: Vec<_> = market.orders.iter().filter(|o| ended || o.cancel_on_pause).map(|o| o.id).collect();
        let mut done = orders.len().min(room);
        if ended {
            orders.truncate(done);
        } else {
            orders.sort_unstable();
            // The redemption of one position may shrink other orders.
            let most =
                |id| 1 + market.of_account(market.order(id).expect("it rests").account).filter(|o| o.shrinks()).count();
            let sums = orders.iter().scan(0, |sum, id| {
                *sum += most(*id);
                Some(*sum)
            });
            let sums: Vec<usize> = sums.collect();
            orders.truncate(sums.iter().filter(|sum| **sum <= room).count());
            done = sums.last().map_or(0, |all| room.min(*all));
        }
        for order in &orders {
            self.end(id, *order, reason);
        }
        self.redeem(id);
        done + self.pay_out(id, room - done)
    }

    fn pay_out(&mut self, id: MarketId, room: usize) -> usize {
        let market = self.market(id);
        let Some(resolution) = market.resolution.filter(|_| market.pays_out() && market.orders.is_empty()) else {
            return 0;
        };
        let positions: Vec<_> = market.positions.iter().map(|(a, p)| (*a, *p)).take(room).collect();
        for (account, position) in &positions {
            let (yes, no) = (position.yes, position.no);
            let credits = resolution.answer.yes_value().payout(yes, no);
            let market = self.market_mut(id);
            market.positions.remove(account);
            market.collateral -= credits;
            self.tell(Event::PaidOut { market: id, account: *account, yes, no, credits });
            self.settle(*account, id, None, Moved { received: credits, ..Moved::default() });
        }
        if self.market(id).positions.is_empty() {
            self.market_mut(id).settled = Some(self.now);
            self.tell(Event::MarketSettled { market: id });
        }
        positions.len()
    }
}

impl Market {
    /// Returns when the market changes its state by itself.
    fn moves_on(&self) -> Option<Timestamp> {
        if let Some(settled) = self.settled {
            return Some(Timestamp(settled.0 + MARKET_KEPT_MS));
        }
        match self.state {
            MarketState::Resolving => Some(self.resolution?.confirmed?.payout),
            MarketState::Created => Some(self.listing.opens.unwrap_or(self.listing.expiry)),
            state => state.trades_later().then_some(self.listing.expiry),
        }
    }

    fn pays_out(&self) -> bool {
        self.state.is_final() && self.settled.is_none()
    }

    /// True if orders wait for their cancel, or positions for their payout.
    fn is_swept(&self) -> bool {
        let paused = matches!(self.state, MarketState::Paused | MarketState::CancelOnly);
        let ended = !self.state.trades_later() && !self.orders.is_empty();
        ended || (paused && self.orders.iter().any(|order| order.cancel_on_pause)) || self.pays_out()
    }
}
