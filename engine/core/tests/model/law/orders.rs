//! Orders on their way in: at their account's home, then at their market.

use schemas::event::{FirstOutcome, KnownAs};
use schemas::limits::AMOUNT_MAX;
use schemas::{
    AccountId, BookSide, Event, MarketId, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity, Rejection, Shard,
    Side, Terms,
};

use super::limits::{Swap, Weight};
use super::{Answer, Errand, Market, Model, Moved, Named, Order};

impl Model {
    /// At the account's home.
    pub(super) fn place(&mut self, at: Shard, order: &NewOrder) {
        let checked = match self.seen_order(at, order) {
            Some(Ok(repeat)) => return self.tell(repeat),
            Some(Err(code)) => Err(code),
            None => self.check_entry(at, order),
        };
        match checked {
            Err(code) => self.refuse_entry(at, order, code),
            Ok(()) => {
                let id = self.enter(at, order);
                let market_home = self.map.of_market(order.market);
                if market_home == at {
                    self.enter_market(id, order);
                } else {
                    self.wait_for(market_home, Errand::Place(id, *order));
                }
            }
        }
    }

    /// The answer to an order whose name was used before, if it was.
    pub(super) fn seen_order(&self, at: Shard, order: &NewOrder) -> Option<Answer> {
        let (account, client_id) = (order.account, order.client_id?);
        let named = self.names.get(&(at, account, client_id))?;
        let repeat = Event::ClientIdRepeated { account, client_id, first: named.first };
        Some(if named.order == Some(*order) { Ok(repeat) } else { Err(Rejection::ClientIdReused) })
    }

    pub(super) fn refuse_entry(&mut self, at: Shard, order: &NewOrder, code: Rejection) {
        let id = self.next_order_id(at, order);
        let named = Named { first: FirstOutcome::OrderRejected { id, code }, order: Some(*order) };
        self.remember(at, order.account, order.client_id, named);
        self.tell(Event::OrderRejected { id, order: *order, code });
    }

    fn next_order_id(&mut self, at: Shard, order: &NewOrder) -> OrderId {
        let counter = self.orders_entered.entry(at).or_default();
        *counter += 1;
        OrderId::compose(self.map.of_market(order.market), at, *counter)
    }

    /// Gives the order its id and holds what it needs.
    pub(super) fn enter(&mut self, at: Shard, order: &NewOrder) -> OrderId {
        let id = self.next_order_id(at, order);
        let held = order.hold();
        let wallet = self.account_mut(order.account);
        wallet.available -= held;
        wallet.held += held;
        wallet.live_orders.insert(id);
        self.remember(
            at,
            order.account,
            order.client_id,
            Named { first: FirstOutcome::Order { id }, order: Some(*order) },
        );
        let known_as = order.client_id.map(|client_id| KnownAs { client_id, fingerprint: fingerprint(order) });
        self.tell(Event::OrderEntered { id, account: order.account, market: order.market, held, known_as });
        id
    }

    pub(super) fn check_entry(&self, at: Shard, order: &NewOrder) -> Answer<()> {
        if self.home(order.account) != at {
            return Err(Rejection::WrongShard);
        }
        check_sense(order)?;
        let waits = order.terms.time_in_force();
        if waits.expires().is_some_and(|expires| expires <= self.now) {
            return Err(Rejection::ExpiryInPast);
        }
        if order.terms.post_only() != PostOnly::Off && !waits.rests() {
            return Err(Rejection::PostOnlyImmediate);
        }
        let account = self.active_at(at, order.account)?;
        if order.hold() > account.available {
            return Err(Rejection::FundsInsufficient);
        }
        self.check_deadline(order)?;
        if account.live_orders.len() + 1 > account.limits.live_orders as usize {
            return Err(Rejection::LiveOrderLimit);
        }
        if order.entry.side() == Side::Buy && account.held + order.hold() > account.limits.held {
            return Err(Rejection::NotionalLimit);
        }
        Ok(())
    }

    pub(super) fn check_deadline(&self, order: &NewOrder) -> Answer<()> {
        let passed = order.instructions.deadline.is_some_and(|deadline| self.now > deadline);
        if passed { Err(Rejection::DeadlinePassed) } else { Ok(()) }
    }

    /// At the market.
    pub(super) fn enter_market(&mut self, id: OrderId, order: &NewOrder) {
        match self.check_at_market(order) {
            Ok(price) => self.take_in(id, order, price),
            Err(code) => self.refuse_at_market(id, order, code),
        }
        self.redeem(order.market);
    }

    pub(super) fn refuse_at_market(&mut self, id: OrderId, order: &NewOrder, code: Rejection) {
        self.tell(Event::OrderRejected { id, order: *order, code });
        let moved = Moved { released: order.hold(), ended: true, ..Moved::default() };
        self.settle(order.account, order.market, Some(id), moved);
    }

    /// The price in the book at which it may come in.
    fn check_at_market(&self, order: &NewOrder) -> Answer<Price> {
        let market = self.check_listed(order)?;
        let free = market.free(order.account, order.entry.contract());
        if order.entry.side() == Side::Sell && free < u64::from(asked(&order.terms).contracts()) {
            return Err(Rejection::PositionInsufficient);
        }
        self.check_deadline(order)?;
        let price = self.price_to_rest(market, &as_resting(OrderId(0), order))?;
        let swap = Swap { gone: vec![], come: vec![Weight::of_new(order)] };
        market.check_limits(order.account, order.entry.contract(), &swap, &Swap::default())?;
        Ok(price)
    }

    pub(super) fn check_listed(&self, order: &NewOrder) -> Answer<&Market> {
        let market = self.find_market(order.market).ok_or(Rejection::MarketUnknown)?;
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

    /// Where an order rests that must not take: at its own price, or a tick away from the best order that it would take.
    pub(super) fn price_to_rest(&self, market: &Market, order: &Order) -> Answer<Price> {
        let best = market.on_side(order.side().opposite()).find(|other| !other.is_gone(self.now));
        let Some(best) = best.filter(|best| order.post_only != PostOnly::Off && order.reaches(best.price)) else {
            return Ok(order.price);
        };
        let (best, tick) = (i32::from(best.price.ticks()), i32::from(market.listing.tick));
        let away = if order.side() == BookSide::Bid { best - tick } else { best + tick };
        let away = u16::try_from(away).ok().and_then(Price::new);
        away.filter(|_| order.post_only == PostOnly::Reprice).ok_or(Rejection::PostOnlyWouldTake)
    }

    /// The order that a client means.
    pub(super) fn meant(&self, at: Shard, account: AccountId, order: OrderRef) -> Answer<OrderId> {
        match order {
            OrderRef::Id(id) if id.market_shard().number() < self.map.shards() => Ok(id),
            OrderRef::Id(_) => Err(Rejection::OrderUnknown),
            OrderRef::ClientId(name) => {
                self.account_at(at, account)?;
                match self.names.get(&(at, account, name)).map(|named| named.first) {
                    Some(FirstOutcome::Order { id }) => Ok(id),
                    _ => Err(Rejection::OrderUnknown),
                }
            }
        }
    }

    /// An account that has both contracts unreserved gets credits for the pairs.
    pub(super) fn redeem(&mut self, id: MarketId) {
        let Some(market) = self.find_market(id) else { return };
        let free = |account| {
            let of = |contract| market.free(account, contract);
            of(schemas::Contract::Yes).min(of(schemas::Contract::No))
        };
        let pairs: Vec<_> = market.positions.keys().map(|account| (*account, free(*account))).collect();
        for (account, pairs) in pairs.into_iter().filter(|(_, pairs)| *pairs > 0) {
            let credits = schemas::Credits::of_pairs(pairs);
            let market = self.market_mut(id);
            market.lose(account, schemas::Contract::Yes, pairs);
            market.lose(account, schemas::Contract::No, pairs);
            market.collateral -= credits;
            self.tell(Event::PairsRedeemed { market: id, account, pairs });
            self.settle(account, id, None, Moved { received: credits, ..Moved::default() });
        }
    }
}

/// What makes sense for nobody.
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

/// The contracts asked for; none by budget.
pub(super) fn asked(terms: &Terms) -> Quantity {
    match terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => *quantity,
        Terms::Budget { .. } => Quantity::ZERO,
    }
}

/// A new order as it would rest.
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
    }
}

/// The first 8 bytes of BLAKE3 over the order's bytes.
fn fingerprint(order: &NewOrder) -> u64 {
    let mut bytes = Vec::new();
    schemas::codec::encode_into(order, &mut bytes);
    u64::from_le_bytes(*blake3::hash(&bytes).as_bytes().first_chunk().expect("a hash has 32 bytes"))
}
