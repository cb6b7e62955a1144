//! Changing a live order.

use schemas::event::OrderAmended;
use schemas::message::Raise;
use schemas::{AccountId, Amendment, Credits, Event, MarketId, OrderRef, Price, Quantity, Rejection, Shard, Status};

use super::limits::{Swap, Weight};
use super::{Answer, Errand, Market, Model, Moved, Order};

/// A change that nothing refuses, but perhaps that credits lack.
pub(super) struct Change {
    pub(super) market: MarketId,
    pub(super) order: Order,
    /// In the book's YES.
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) reduces: bool,
    /// Credits beyond what the order holds.
    pub(super) needs: Credits,
}

impl Model {
    /// At the account's home.
    pub(super) fn amend(
        &mut self,
        at: Shard,
        account: AccountId,
        order: OrderRef,
        price: Option<Price>,
        quantity: Option<Quantity>,
    ) {
        match self.active_at(at, account).and_then(|_| self.meant(at, account, order)) {
            Ok(id) => {
                let amendment = Amendment { account, order: id, price, quantity };
                if id.market_shard() == at {
                    self.amend_at_market(amendment, None);
                } else {
                    self.wait_for(id.market_shard(), Errand::Amend(amendment, None));
                }
            }
            Err(code) => self.tell(Event::AmendRejected { account, order, code }),
        }
    }

    /// At the market. `raised` is what was held for it beyond what its order holds, if that was asked for.
    pub(super) fn amend_at_market(&mut self, amendment: Amendment, raised: Option<Raise>) {
        let more = raised.map_or(Credits::ZERO, |raise| raise.amount);
        let code = match self.check_change(&amendment, true) {
            Ok(change) if change.needs <= more => return self.carry_out_change(&change, more),
            Ok(change) if raised.is_none() => {
                return self.raise(amendment, Raise { market: change.market, amount: change.needs });
            }
            Ok(_) => Rejection::OrderChanged,
            Err(code) => code,
        };
        let Amendment { account, order, .. } = amendment;
        self.tell(Event::AmendRejected { account, order: OrderRef::Id(order), code });
        if let Some(Raise { market, amount: released }) = raised {
            self.settle(account, market, Some(order), Moved { released, ..Moved::default() });
        }
    }

    /// At the account's home: holds more, and lets the change go on.
    fn raise(&mut self, amendment: Amendment, raise: Raise) {
        let Amendment { account, order, .. } = amendment;
        let amount = raise.amount;
        let home = self.home(account);
        let checked = self.active_at(home, account).and_then(|wallet| match () {
            () if wallet.available < amount => Err(Rejection::FundsInsufficient),
            () if wallet.held + amount > wallet.limits.held => Err(Rejection::NotionalLimit),
            () => Ok(()),
        });
        if let Err(code) = checked {
            return self.tell(Event::AmendRejected { account, order: OrderRef::Id(order), code });
        }
        let wallet = self.account_mut(account);
        wallet.available -= amount;
        wallet.held += amount;
        self.tell(Event::HoldRaised { account, order, amount });
        if order.market_shard() == home {
            self.amend_at_market(amendment, Some(raise));
        } else {
            self.wait_for(order.market_shard(), Errand::Amend(amendment, Some(raise)));
        }
    }

    /// One that is not alone is part of an all-or-nothing batch, which looks itself at what its account may have.
    pub(super) fn check_change(&self, amendment: &Amendment, alone: bool) -> Answer<Change> {
        let (market, order) = self.live_order(amendment.account, amendment.order)?;
        let price = amendment.price.map_or(order.price, |price| order.entry.book_price(price));
        let quantity = amendment.quantity.unwrap_or(order.quantity);
        if price == order.price && quantity == order.quantity {
            return Err(Rejection::AmendmentEmpty);
        }
        let reduces = price == order.price && quantity < order.quantity;
        let taken = market.is_open(self.now) || reduces && market.state.takes_cancels();
        if !taken {
            return Err(Rejection::MarketNotOpen);
        }
        if !price.ticks().is_multiple_of(market.listing.tick) {
            return Err(Rejection::PriceOffTick);
        }
        if quantity <= order.filled {
            return Err(Rejection::QuantityFilled);
        }
        let changed = Order { price, quantity, ..*order };
        if alone && !reduces {
            check_room(market, order, &changed)?;
        }
        let rests_at = if reduces { price } else { self.price_to_rest(market, &changed)? };
        let needs = changed.hold() - order.hold();
        Ok(Change { market: market.id(), order: *order, price: rests_at, quantity, reduces, needs })
    }

    fn carry_out_change(&mut self, change: &Change, raised: Credits) {
        let Change { market, order, price, quantity, .. } = *change;
        if change.reduces {
            self.reduce(market, &order, quantity, order.hold() + raised);
        } else {
            self.change(market, &order, price, quantity, order.hold() + raised);
        }
        self.redeem(market);
    }

    /// Keeps the order's place. `held` is what is held for it.
    fn reduce(&mut self, market: MarketId, old: &Order, quantity: Quantity, held: Credits) {
        let order = self.market_mut(market).order_mut(old.id);
        order.quantity = quantity;
        let released = held - order.hold();
        let amended = OrderAmended {
            order: old.id,
            account: old.account,
            market,
            entry: old.entry,
            old_price: old.price,
            old_remaining: old.left(),
            price: old.price,
            quantity,
            filled: old.filled,
            status: if old.filled.is_zero() { Status::Active } else { Status::PartiallyFilled },
            cancel_reason: None,
            in_place: true,
        };
        self.tell(Event::OrderAmended(amended));
        self.settle(old.account, market, Some(old.id), Moved { released, ..Moved::default() });
    }
}

/// Contracts to give, and the market's limits.
fn check_room(market: &Market, old: &Order, new: &Order) -> Answer<()> {
    let contract = old.entry.contract();
    let free = market.free(old.account, contract) + u64::from(old.left().contracts());
    if old.sells() && free < u64::from(new.left().contracts()) {
        return Err(Rejection::PositionInsufficient);
    }
    let swap = Swap { gone: vec![Weight::of_resting(old)], come: vec![Weight::of_resting(new)] };
    market.check_limits(old.account, contract, &swap, &Swap::default())
}
