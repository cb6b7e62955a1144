//! Changing a live order.

use schemas::event::OrderAmended;
use schemas::{AccountId, Amendment, Credits, Event, MarketId, OrderId, OrderRef, Price, Quantity, Rejection, Status};

use super::limits::{Swap, Weight};
use super::matching::Changed;
use super::means::Wants;
use super::{Answer, Market, Model, Moved, Order, reduce};

/// A valid change, except that its account may lack the credits or room.
pub(super) struct Change {
    pub(super) market: MarketId,
    pub(super) order: Order,
    /// The price in YES, as the book has it.
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) reduces: bool,
    /// The change asked for a larger quantity and would enlarge the account's position.
    pub(super) cut: bool,
    /// Credits beyond those that the order holds, at the requested price.
    pub(super) needs: Credits,
    /// Credits that the order releases, if it needs none.
    pub(super) frees: Credits,
}

impl Model {
    pub(super) fn amend(
        &mut self,
        account: AccountId,
        order: OrderRef,
        price: Option<Price>,
        quantity: Option<Quantity>,
    ) {
        let id = match self.meant_to_amend(account, order) {
            Ok(id) => id,
            Err(code) => return self.tell(Event::AmendRejected { account, order, code }),
        };
        let checked = self.check_change(&Amendment { account, order: id, price, quantity }, true).and_then(|change| {
            self.check_means(account, &Wants { needs: change.needs, ..Wants::default() })?;
            Ok(change)
        });
        match checked {
            Ok(change) => self.carry_out_change(&change),
            Err(code) => self.tell(Event::AmendRejected { account, order: OrderRef::Id(id), code }),
        }
    }

    pub(super) fn meant_to_amend(&self, account: AccountId, order: OrderRef) -> Answer<OrderId> {
        self.check_purse(account)?;
        self.meant(account, order)
    }

    /// A change that is not `alone` belongs to an all-or-nothing batch, which checks the account's
    /// credits and room itself.
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
        let mut changed = Order { price, quantity, ..*order };
        if order.reduce_only && !reduces {
            let most = market.reducible(order.account, order.reduces()) + u64::from(order.left().contracts());
            changed.quantity = order.filled + reduce::smaller(changed.left(), most);
        }
        let (asked, quantity) = (quantity, changed.quantity);
        if alone && !reduces {
            check_room(market, order, &changed)?;
        }
        let rests_at = if reduces { price } else { self.price_to_rest(market, &changed)? };
        let needs = (changed.hold() - order.hold()).max(Credits::ZERO);
        let held = order.hold() - Order { price: rests_at, ..changed }.hold();
        let frees = if needs > Credits::ZERO { Credits::ZERO } else { held };
        let cut = quantity < asked;
        Ok(Change { market: market.id(), order: *order, price: rests_at, quantity, reduces, cut, needs, frees })
    }

    pub(super) fn carry_out_change(&mut self, change: &Change) {
        let Change { market, order, price, quantity, cut, needs, .. } = *change;
        if needs > Credits::ZERO {
            self.account_mut(order.account).available -= needs;
            self.tell(Event::HoldRaised { account: order.account, order: order.id, amount: needs });
        }
        if change.reduces {
            self.reduce(market, &order, quantity);
        } else {
            self.change(market, &order, &Changed { price, quantity, cut, held: order.hold() + needs });
        }
        self.redeem(market);
        self.end_groups();
    }

    /// Reduces an order; it keeps its queue priority.
    fn reduce(&mut self, market: MarketId, old: &Order, quantity: Quantity) {
        let order = self.market_mut(market).order_mut(old.id);
        order.quantity = quantity;
        let released = old.hold() - order.hold();
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

/// Checks the contracts to deliver and the market's limits.
fn check_room(market: &Market, old: &Order, new: &Order) -> Answer<()> {
    let contract = old.entry.contract();
    let free = market.free(old.account, contract) + u64::from(old.left().contracts());
    if old.sells() && free < u64::from(new.left().contracts()) {
        return Err(Rejection::PositionInsufficient);
    }
    let swap = Swap { gone: vec![Weight::of_resting(old)], come: vec![Weight::of_resting(new)] };
    market.check_limits(old.account, contract, &swap, &Swap::default())
}
