//! Incoming orders.

use schemas::event::FirstOutcome;
use schemas::limits::{AMOUNT_MAX, ORDER_FILLS_MAX};
use schemas::{
    AccountId, BookSide, ClientId, CommandId, Event, MarketId, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity,
    Rejection, Side, Status, Terms,
};

use super::limits::{Swap, Weight};
use super::means::Wants;
use super::{Answer, FORGOTTEN, Market, Model, Moved, Named, Order};

/// The command id in the answer to a repeat of a parked request. The model does not know command
/// ids.
const PARKED: FirstOutcome = FirstOutcome::Parked { command: CommandId(0) };

impl Model {
    /// `waiting` are earlier orders that are not decided yet.
    pub(super) fn place(&mut self, order: &NewOrder, waiting: &[NewOrder]) {
        let checked = match self.check_shard(order.market) {
            Err(code) => Err(code),
            Ok(()) => match self.seen_order(order, waiting) {
                Some(Ok(repeat)) => return self.tell(repeat),
                Some(Err(code)) => Err(code),
                None => self.check_order(order).and_then(|price| self.check_with_purse(order).map(|()| price)),
            },
        };
        match checked {
            Err(code) => self.refuse(order, code),
            Ok(price) => self.take_in_named(order, price),
        }
    }

    /// An account without a purse here gets one for its order; only then its groups are known.
    pub(super) fn check_with_purse(&mut self, order: &NewOrder) -> Answer<()> {
        if self.get_purse(order.account) {
            self.check_group(order, |_| 0)?;
        }
        Ok(())
    }

    /// Gives a valid order its id and matches it.
    pub(super) fn take_in_named(&mut self, order: &NewOrder, price: Price) {
        let id = self.next_order_id();
        self.remember_order(order, FirstOutcome::Order { id });
        self.take_in(id, order, price);
        self.redeem(order.market);
        self.end_groups();
    }

    pub(super) fn refuse(&mut self, order: &NewOrder, code: Rejection) {
        let id = self.next_order_id();
        // Another order has the client id, or will have it once it is decided.
        if code != Rejection::ClientIdReused {
            self.remember_order(order, FirstOutcome::OrderRejected { id, code });
        }
        self.tell(Event::OrderRejected { id, order: *order, code });
    }

    fn next_order_id(&mut self) -> OrderId {
        let counter = self.orders_numbered.entry(self.at).or_default();
        *counter += 1;
        OrderId::compose(self.at, *counter)
    }

    fn remember_order(&mut self, order: &NewOrder, first: FirstOutcome) {
        if let Some(name) = order.client_id {
            let named = Named { order: *order, first, hour: self.hour() };
            if self.named(order.account, order.market, name).is_none() {
                self.orders_named.insert((self.at, order.account, order.market, name), named);
            }
        }
    }

    /// Returns the order of a client id, unless it is forgotten.
    fn named(&self, account: AccountId, market: MarketId, name: ClientId) -> Option<Named> {
        let named = self.orders_named.get(&(self.at, account, market, name)).copied()?;
        let rests = match named.first {
            FirstOutcome::Order { id } => self.find_market(market).is_some_and(|market| market.order(id).is_some()),
            _ => false,
        };
        (rests || self.hour() < named.hour + FORGOTTEN).then_some(named)
    }

    /// An order is about to end. A client id that was kept only because its order rested is kept
    /// for one more day.
    pub(super) fn ends(&mut self, account: AccountId, order: OrderId, status: Status) {
        assert!(self.ended.insert(order, (account, status)).is_none(), "{order} ended twice");
        let hour = self.hour();
        let names = self.orders_named.values_mut();
        for named in names.filter(|named| named.first == FirstOutcome::Order { id: order }) {
            if named.hour + FORGOTTEN <= hour {
                named.hour = hour;
            }
        }
    }

    /// Returns the answer to an order whose client id was used before.
    pub(super) fn seen_order(&self, order: &NewOrder, waiting: &[NewOrder]) -> Option<Answer> {
        let NewOrder { account, market, .. } = *order;
        let client_id = order.client_id?;
        let same_name = |other: &&NewOrder| (other.market, other.client_id) == (market, order.client_id);
        let waits =
            waiting.iter().find(same_name).map(|other| Named { order: *other, first: PARKED, hour: self.hour() });
        let Named { order: other, first, .. } = waits.or_else(|| self.named(account, market, client_id))?;
        let repeat = Event::ClientIdRepeated { account, client_id, first };
        Some(if other == *order { Ok(repeat) } else { Err(Rejection::ClientIdReused) })
    }

    pub(super) fn check_shard(&self, market: MarketId) -> Answer<()> {
        if self.map.of_market(market) == self.at { Ok(()) } else { Err(Rejection::WrongShard) }
    }

    /// Checks the market's rules first, then the account's credits and room.
    fn check_order(&self, order: &NewOrder) -> Answer<Price> {
        self.check_terms(order)?;
        self.check_purse(order.account)?;
        let (price, admitted) = self.check_at_market(order)?;
        let rests = usize::from(order.terms.time_in_force().rests());
        self.check_means(order.account, &Wants { needs: admitted.hold(), rests, ..Wants::default() })?;
        Ok(price)
    }

    /// Checks the terms of an order alone.
    pub(super) fn check_terms(&self, order: &NewOrder) -> Answer<()> {
        check_sense(order)?;
        let waits = order.terms.time_in_force();
        if waits.expires().is_some_and(|expires| expires <= self.now) {
            return Err(Rejection::ExpiryInPast);
        }
        if order.terms.post_only() != PostOnly::Off && !waits.rests() {
            return Err(Rejection::PostOnlyImmediate);
        }
        Ok(())
    }

    pub(super) fn check_deadline(&self, order: &NewOrder) -> Answer<()> {
        let passed = order.instructions.deadline.is_some_and(|deadline| self.now > deadline);
        if passed { Err(Rejection::DeadlinePassed) } else { Ok(()) }
    }

    /// Returns the price in the book at which the order may enter, and the order itself, with fewer
    /// contracts if it is reduce-only and must shrink.
    pub(super) fn check_at_market(&self, order: &NewOrder) -> Answer<(Price, NewOrder)> {
        let market = self.check_listed(order)?;
        self.check_books(order, self.resting_at(order.market))?;
        self.check_group(order, |of| self.orders_in(of))?;
        let order = &self.check_reduces(market, order)?;
        let free = market.free(order.account, order.entry.contract());
        if order.entry.side() == Side::Sell && free < u64::from(asked(&order.terms).contracts()) {
            return Err(Rejection::PositionInsufficient);
        }
        self.check_deadline(order)?;
        let price = self.price_to_rest(market, &as_resting(OrderId(0), order))?;
        let swap = Swap { gone: vec![], come: vec![Weight::of_new(order)] };
        market.check_limits(order.account, order.entry.contract(), &swap, &Swap::default())?;
        Ok((price, *order))
    }

    /// An order that would rest needs room in the shard's books.
    pub(super) fn check_books(&self, order: &NewOrder, resting: usize) -> Answer<()> {
        let full = resting >= self.books_max.orders && order.terms.time_in_force().rests();
        if full { Err(Rejection::BooksFull) } else { Ok(()) }
    }

    /// Orders that rest on a market's shard.
    pub(super) fn resting_at(&self, market: MarketId) -> usize {
        let shard = self.map.of_market(market);
        let beside = self.markets.iter().filter(|market| self.map.of_market(market.id()) == shard);
        beside.map(|market| market.orders.len()).sum()
    }

    pub(super) fn check_listed(&self, order: &NewOrder) -> Answer<&Market> {
        let market = self.find_market(order.market).ok_or_else(|| self.not_listed(order.market))?;
        if !market.is_open(self.now) {
            return Err(Rejection::MarketNotOpen);
        }
        let listing = &market.listing;
        if let Terms::Limit { price, .. } = order.terms
            && price.ticks() % listing.tick != 0
        {
            return Err(Rejection::PriceOffTick);
        }
        let dearest = listing.maker_fee.max(listing.taker_fee);
        if order.entry.side() == Side::Buy && order.fee_rate < dearest {
            return Err(Rejection::FeeRateTooLow);
        }
        Ok(market)
    }

    /// Returns the price at which a post-only order rests: its own, or one tick away from the best
    /// order that it would take.
    pub(super) fn price_to_rest(&self, market: &Market, order: &Order) -> Answer<Price> {
        let others: Vec<&Order> = market.on_side(order.side().opposite()).collect();
        let gone = others.iter().take_while(|other| other.is_gone(self.now)).count();
        // More expired orders than one command may remove block the way like a live one.
        let best = others.get(gone.min(ORDER_FILLS_MAX)).copied();
        let Some(best) = best.filter(|best| order.post_only != PostOnly::Off && order.reaches(best.price)) else {
            return Ok(order.price);
        };
        let (best, tick) = (i32::from(best.price.ticks()), i32::from(market.listing.tick));
        let away = if order.side() == BookSide::Bid { best - tick } else { best + tick };
        let away = u16::try_from(away).ok().and_then(Price::new);
        away.filter(|_| order.post_only == PostOnly::Reprice).ok_or(Rejection::PostOnlyWouldTake)
    }

    /// Returns the order that a client means, on this shard.
    pub(super) fn meant(&self, account: AccountId, order: OrderRef) -> Answer<OrderId> {
        let shard = order.shard(self.map);
        match order {
            _ if shard.number() >= self.map.shards() => Err(Rejection::OrderUnknown),
            _ if shard != self.at => Err(Rejection::WrongShard),
            OrderRef::Id(id) => Ok(id),
            OrderRef::ClientId { market, client_id } => {
                match self.named(account, market, client_id).map(|named| named.first) {
                    Some(FirstOutcome::Order { id }) => Ok(id),
                    _ => Err(Rejection::OrderUnknown),
                }
            }
        }
    }

    /// Redeems pairs of unreserved YES and NO of an account. Its orders that would then enlarge the
    /// position shrink. Returns how many did.
    pub(super) fn redeem(&mut self, id: MarketId) -> usize {
        let Some(market) = self.find_market(id) else { return 0 };
        let free = |account| {
            let of = |contract| market.free(account, contract);
            of(schemas::Contract::Yes).min(of(schemas::Contract::No))
        };
        let pairs: Vec<_> = market.positions.keys().map(|account| (*account, free(*account))).collect();
        let mut shrunk = 0;
        for (account, pairs) in pairs.into_iter().filter(|(_, pairs)| *pairs > 0) {
            let credits = schemas::Credits::of_pairs(pairs);
            let market = self.market_mut(id);
            market.lose(account, schemas::Contract::Yes, pairs);
            market.lose(account, schemas::Contract::No, pairs);
            market.collateral -= credits;
            self.tell(Event::PairsRedeemed { market: id, account, pairs });
            self.settle(account, id, None, Moved { received: credits, ..Moved::default() });
        }
        while self.shrink_one(id) {
            shrunk += 1;
        }
        shrunk
    }
}

/// Checks what is invalid for every account.
fn check_sense(order: &NewOrder) -> Answer<()> {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } if quantity.is_zero() => {
            Err(Rejection::QuantityIsZero)
        }
        Terms::Budget { budget } if budget.0 < 1 || budget.0 > AMOUNT_MAX => Err(Rejection::AmountOutOfRange),
        Terms::Budget { .. } if order.entry.side() == Side::Sell => Err(Rejection::BudgetOnSell),
        _ => Ok(()),
    }
}

/// Returns the requested contracts; none for an order by budget.
pub(super) fn asked(terms: &Terms) -> Quantity {
    match terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => *quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}

/// Returns a new order as it would rest.
pub(super) fn as_resting(id: OrderId, order: &NewOrder) -> Order {
    Order {
        id,
        account: order.account,
        entry: order.entry,
        price: order.entry.book_price(order.terms.limit()),
        quantity: asked(&order.terms),
        filled: Quantity::ZERO,
        fee_rate: order.fee_rate,
        expires: order.terms.time_in_force().expires(),
        self_trade: order.instructions.self_trade,
        post_only: order.terms.post_only(),
        cancel_on_pause: order.instructions.cancel_on_pause,
        reduce_only: order.instructions.reduce_only,
        group: order.instructions.group,
    }
}
