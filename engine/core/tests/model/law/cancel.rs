//! Ends resting orders.

use std::collections::BTreeSet;

use schemas::event::CancelReason;
use schemas::limits::SWEEP_MAX;
use schemas::{AccountId, Event, MarketId, OrderId, OrderRef, PurseInstruction, Rejection, Shard, Status};

use super::{Answer, Model, Moved, Order};

impl Model {
    pub(super) fn cancel(&mut self, account: AccountId, order: OrderRef) {
        match self.meant(account, order) {
            Ok(id) => self.cancel_order(account, id),
            Err(code) => self.tell(Event::CancelRejected { account, order, code }),
        }
    }

    fn cancel_order(&mut self, account: AccountId, id: OrderId) {
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

    /// Removes an order from its book and releases what it holds. An order whose time has come
    /// expires, whatever ends it.
    pub(super) fn end(&mut self, market: MarketId, id: OrderId, reason: CancelReason) {
        let gone = *self.market(market).order(id).expect("it rests");
        let expired = gone.is_gone(self.now);
        self.ends(gone.account, id, if expired { Status::Expired } else { Status::Cancelled });
        self.market_mut(market).take_out(id);
        let reason = if expired { CancelReason::Expired } else { reason };
        let Order { account, entry, price, .. } = gone;
        self.tell(Event::OrderCancelled { order: id, account, market, entry, price, quantity: gone.left(), reason });
        let moved = Moved { released: gone.hold(), ..Moved::default() };
        self.settle(account, market, Some(id), moved);
    }

    pub(super) fn mass_cancel(&mut self, account: AccountId, market: Option<MarketId>) {
        let known = match market {
            Some(market) => self.market_here(market).map(drop),
            None => self.account_here(account).map(drop),
        };
        if self.answer(known.map(|()| Event::MassCancelRequested { account, market })) {
            match market {
                Some(_) => {
                    self.mass_cancel_here(account, market, CancelReason::MassCancel);
                }
                None => self.mass_cancel_everywhere(account, CancelReason::MassCancel),
            }
        }
    }

    pub(super) fn mass_cancel_everywhere(&mut self, account: AccountId, reason: CancelReason) {
        let mut goes_on = BTreeSet::new();
        for shard in Shard::all(self.map.shards()) {
            self.on(shard, |model| {
                if model.mass_cancel_here(account, None, reason) {
                    goes_on.insert(shard);
                }
            });
        }
        self.unfinished.push((account, reason, goes_on));
        self.complete();
    }

    /// Mass cancels without orders left on any shard are complete.
    fn complete(&mut self) {
        let (done, unfinished) = std::mem::take(&mut self.unfinished).into_iter().partition(|(.., on)| on.is_empty());
        self.unfinished = unfinished;
        let done: Vec<(AccountId, CancelReason, BTreeSet<Shard>)> = done;
        self.completed
            .extend(done.into_iter().map(|(account, reason, _)| (account, PurseInstruction::MassCancel(reason))));
    }

    /// True if the sweep continues with time.
    fn mass_cancel_here(&mut self, account: AccountId, market: Option<MarketId>, reason: CancelReason) -> bool {
        let orders = self.orders_here(account, market);
        let goes_on = orders.len() > SWEEP_MAX;
        if goes_on {
            // Orders that arrive later are not affected.
            let up_to = OrderId::compose(self.at, self.orders_numbered[&self.at]);
            self.mass_cancels.insert((self.at, account, market), (reason, up_to));
            self.tell(Event::MassCancelOpened { account, market, reason, up_to, ticket: None });
        }
        self.end_some(orders.into_iter().take(SWEEP_MAX), reason);
        goes_on
    }

    /// Continues a mass cancel. Returns how many orders it ended.
    pub(super) fn go_on(&mut self, account: AccountId, market: Option<MarketId>, room: usize) -> usize {
        let (reason, up_to) = self.mass_cancels[&(self.at, account, market)];
        let mut orders = self.orders_here(account, market);
        orders.retain(|(_, order)| *order <= up_to);
        let ended = orders.len().min(room);
        let all = ended == orders.len();
        self.end_some(orders.into_iter().take(room), reason);
        if all {
            self.mass_cancels.remove(&(self.at, account, market));
            self.tell(Event::MassCancelClosed { account, market });
            let shard = self.at;
            let of_account = self.unfinished.iter_mut().filter(|(whose, ..)| *whose == account && market.is_none());
            for (.., on) in of_account {
                on.remove(&shard);
            }
            self.complete();
        }
        ended
    }

    /// An account's resting orders on this shard: market by market, oldest first.
    pub(super) fn orders_here(&self, account: AccountId, only: Option<MarketId>) -> Vec<(MarketId, OrderId)> {
        let meant = |id: MarketId| self.map.of_market(id) == self.at && only.is_none_or(|only| only == id);
        let mut all = Vec::new();
        let mut markets: Vec<_> = self.markets.iter().filter(|market| meant(market.id())).collect();
        markets.sort_unstable_by_key(|market| market.place);
        for market in markets {
            let mut orders: Vec<_> = market.of_account(account).map(|order| (market.id(), order.id)).collect();
            orders.sort_unstable();
            all.append(&mut orders);
        }
        all
    }

    /// Pairs are redeemed once for each market.
    pub(super) fn end_some(&mut self, orders: impl Iterator<Item = (MarketId, OrderId)>, reason: CancelReason) {
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
