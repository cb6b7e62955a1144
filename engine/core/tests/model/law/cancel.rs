//! Ending resting orders.

use schemas::event::CancelReason;
use schemas::limits::SWEEP_MAX;
use schemas::{AccountId, Event, MarketId, OrderId, OrderRef, Rejection, Shard};

use super::{Answer, Errand, Model, Moved, Order};

impl Model {
    pub(super) fn cancel(&mut self, at: Shard, account: AccountId, order: OrderRef) {
        let code = match self.meant(at, account, order) {
            Ok(id) if id.market_shard() == at => return self.cancel_at_market(account, id),
            Ok(id) if self.home(account) == at => {
                return self.wait_for(id.market_shard(), Errand::Cancel(account, id));
            }
            Ok(_) => Rejection::WrongShard,
            Err(code) => code,
        };
        self.tell(Event::CancelRejected { account, order, code });
    }

    pub(super) fn cancel_at_market(&mut self, account: AccountId, id: OrderId) {
        match self.may_cancel(account, id) {
            Ok(market) => {
                self.end(market, id, CancelReason::Requested);
                self.redeem(market);
            }
            Err(code) => self.tell(Event::CancelRejected { account, order: OrderRef::Id(id), code }),
        }
    }

    pub(super) fn may_cancel(&self, account: AccountId, id: OrderId) -> Answer<MarketId> {
        let (market, _) = self.live_order(account, id)?;
        if market.state.takes_cancels() { Ok(market.id()) } else { Err(Rejection::MarketNotOpen) }
    }

    /// Takes an order out of its book and gives back what it holds. One whose time has come expires, whatever else ends it.
    pub(super) fn end(&mut self, market: MarketId, id: OrderId, reason: CancelReason) {
        let gone = self.market_mut(market).take_out(id);
        let reason = if gone.is_gone(self.now) { CancelReason::Expired } else { reason };
        let Order { account, entry, price, .. } = gone;
        self.tell(Event::OrderCancelled { order: id, account, market, entry, price, quantity: gone.left(), reason });
        let moved = Moved { released: gone.hold(), ended: true, ..Moved::default() };
        self.settle(account, market, Some(id), moved);
    }

    pub(super) fn mass_cancel(&mut self, at: Shard, account: AccountId, market: Option<MarketId>) {
        let answer = self.account_at(at, account).map(|_| Event::MassCancelRequested { account, market });
        if self.answer(answer) {
            self.mass_cancel_everywhere(at, account, market, CancelReason::MassCancel);
        }
    }

    /// Here now, on the other shards once they are told.
    pub(super) fn mass_cancel_everywhere(
        &mut self,
        at: Shard,
        account: AccountId,
        market: Option<MarketId>,
        reason: CancelReason,
    ) {
        for other in Shard::all(self.map.shards()).filter(|other| *other != at) {
            self.wait_for(other, Errand::MassCancel(account, market, reason));
        }
        self.mass_cancel_at(at, account, market, reason);
    }

    pub(super) fn mass_cancel_at(
        &mut self,
        at: Shard,
        account: AccountId,
        market: Option<MarketId>,
        reason: CancelReason,
    ) {
        let orders = self.orders_at(at, account, market);
        if orders.len() > SWEEP_MAX {
            let up_to = orders.iter().map(|(_, order)| *order).max().expect("there are many");
            self.mass_cancels.insert((at, account, market), (reason, up_to));
            self.tell(Event::MassCancelOpened { account, market, reason, up_to });
        }
        self.end_some(orders.into_iter().take(SWEEP_MAX), reason);
    }

    /// Goes on with a mass cancel. Returns how many orders it ended.
    pub(super) fn go_on(&mut self, at: Shard, account: AccountId, market: Option<MarketId>, room: usize) -> usize {
        let (reason, up_to) = self.mass_cancels[&(at, account, market)];
        let mut orders = self.orders_at(at, account, market);
        orders.retain(|(_, order)| *order <= up_to);
        let ended = orders.len().min(room);
        let all = ended == orders.len();
        self.end_some(orders.into_iter().take(room), reason);
        if all {
            self.mass_cancels.remove(&(at, account, market));
            self.tell(Event::MassCancelClosed { account, market });
        }
        ended
    }

    /// An account's resting orders on one shard: market by market, oldest first.
    fn orders_at(&self, at: Shard, account: AccountId, only: Option<MarketId>) -> Vec<(MarketId, OrderId)> {
        let meant = |id: MarketId| self.map.of_market(id) == at && only.is_none_or(|only| only == id);
        let mut all = Vec::new();
        for market in self.markets.iter().filter(|market| meant(market.id())) {
            let mut orders: Vec<_> = market.of_account(account).map(|order| (market.id(), order.id)).collect();
            orders.sort_unstable();
            all.append(&mut orders);
        }
        all
    }

    /// Pairs are redeemed once for each market.
    fn end_some(&mut self, orders: impl Iterator<Item = (MarketId, OrderId)>, reason: CancelReason) {
        let mut before = None;
        for (market, order) in orders {
            if let Some(done) = before.filter(|before| *before != market) {
                self.redeem(done);
            }
            self.end(market, order, reason);
            before = Some(market);
        }
        if let Some(done) = before {
            self.redeem(done);
        }
    }
}
