//! Placing and ending orders, and the effects on books and positions.

use schemas::event::OrderPlaced;

use super::matching::Taken;
use super::waiting::asked;
use super::*;

impl Exchange {
    pub(super) fn cancel(&mut self) -> Vec<Told> {
        let market = self.any_market();
        let Some(resting) = self.pick(market) else { return Vec::new() };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        // Sometimes the order has expired.
        let expires = resting.order.terms.time_in_force().expires().is_some() && self.random.below(2) == 0;
        self.end(&mut told, resting, if expires { CancelReason::Expired } else { CancelReason::Requested });
        self.tell(told)
    }

    /// Removes a random order from a market's book.
    pub(super) fn pick(&mut self, market: MarketId) -> Option<Resting> {
        let book = &self.markets[&market];
        let (bids, all) = (book.bids.len(), book.bids.len() + book.asks.len());
        if all == 0 {
            return None;
        }
        let nth = self.random.index(all);
        let book = self.markets.get_mut(&market).unwrap();
        let side = if nth < bids { &mut book.bids } else { &mut book.asks };
        let rank = *side.keys().nth(if nth < bids { nth } else { nth - bids }).unwrap();
        side.remove(&rank)
    }

    pub(super) fn end(&mut self, told: &mut Telling, resting: Resting, reason: CancelReason) {
        let Resting { id, order, price, remaining } = resting;
        let NewOrder { account, market, entry, .. } = order;
        let row = self.orders.get_mut(&id).unwrap();
        (row.status, row.cancel_reason) = (reason.status(), Some(reason));
        self.purse((account, told.shard)).live_orders -= 1;
        let quantity = quantity(remaining);
        told.events.push(Event::OrderCancelled { order: id, account, market, entry, price, quantity, reason });
        match entry.side() {
            Side::Sell => *self.reserved(&order) -= i64::from(remaining),
            Side::Buy => {
                told.settle(settlement(&order, id, SettlementReason::Release, [0, resting.hold(remaining), 0]));
            }
        }
    }

    pub(super) fn place_any(&mut self) -> Vec<Told> {
        let (account, market) = (self.any_account(), self.any_market());
        let entry = Entry::ALL[self.random.index(4)];
        let mut contracts = 1 + self.random.below(50) as u32;
        if entry.side() == Side::Sell {
            let free = self.free(market, account, entry.contract());
            // Sometimes more than available, which is rejected.
            if self.random.below(20) > 0 {
                contracts = contracts.min(u32::try_from(free).unwrap());
            }
        }
        let ticks = 4_800 + self.random.below(400) as u16;
        let price = entry.book_price(Price::new(ticks).unwrap());
        let quantity = quantity(contracts);
        let limit = |time_in_force, post_only| Terms::Limit { price, quantity, time_in_force, post_only };
        let expires = Timestamp(1_800_000_000_000 + self.random.below(1_000_000));
        let terms = match (self.random.below(10), entry.side()) {
            (0, _) => limit(TimeInForce::Ioc, PostOnly::Off),
            (1, _) => Terms::Market { quantity, worst_price: price },
            (2, Side::Buy) => Terms::Budget { budget: Credits(1 + self.random.below(20_000_000).cast_signed()) },
            (3, _) => limit(TimeInForce::Gtd { expires }, PostOnly::Off),
            (4, _) => limit(TimeInForce::Gtc, PostOnly::Reprice),
            _ => limit(TimeInForce::Gtc, PostOnly::Off),
        };
        let instructions = Instructions {
            self_trade: SelfTrade::Allow,
            deadline: None,
            cancel_on_pause: self.random.below(4) == 0,
            reduce_only: self.random.below(4) == 0,
            group: (self.random.below(3) == 0).then(|| self.any_group()),
        };
        let client_id = (self.random.below(2) == 0).then(|| ClientId(u128::from(self.random.next())));
        let fee_rate = FeeRate::new(30_000).unwrap();
        self.place(NewOrder { account, market, entry, terms, fee_rate, client_id, instructions })
    }

    pub(super) fn refuse(&mut self, told: &mut Telling, order: NewOrder, code: Rejection) {
        let id = self.order_id(told);
        self.note(told, id, &order, asked(&order), 0, Status::Rejected);
        told.events.push(Event::OrderRejected { id, order, code });
    }

    fn order_id(&mut self, told: &Telling) -> OrderId {
        self.counter += 1;
        OrderId::compose(told.shard, self.counter)
    }

    /// Enters an order whose purse has all that it needs.
    pub(super) fn enter(&mut self, told: &mut Telling, order: NewOrder) {
        let id = self.order_id(told);
        let budget = match order.terms {
            Terms::Budget { budget } => budget.micros(),
            _ => i64::MAX,
        };
        let wanted = match order.terms {
            Terms::Budget { .. } => u32::MAX,
            // For as many contracts as it was admitted with.
            _ if order.instructions.reduce_only => 1 + self.random.below(asked(&order).into()) as u32,
            _ => asked(&order),
        };
        let mut limit = order.entry.book_price(order.terms.limit());
        if order.terms.post_only() == PostOnly::Reprice {
            limit = self.behind_the_other_side(&order, limit);
        }
        let taken = self.take(told, id, &order, limit, wanted, budget);
        self.placed(told, id, order, limit, &taken, wanted);
        told.events.extend(taken.trades);
        self.redeem(told, order.market, taken.touched);
    }

    /// Returns the price of a post-only order that would otherwise take.
    fn behind_the_other_side(&self, order: &NewOrder, limit: Price) -> Price {
        let book = &self.markets[&order.market];
        match order.entry.book_side() {
            BookSide::Bid => {
                let best = book.asks.values().next().map(|resting| resting.price.ticks() - 1).and_then(Price::new);
                best.map_or(limit, |best| limit.min(best))
            }
            BookSide::Ask => {
                let best = book.bids.values().next().map(|resting| resting.price.ticks() + 1).and_then(Price::new);
                best.map_or(limit, |best| limit.max(best))
            }
        }
    }

    /// After matching: the remainder rests or ends, and the taker is settled.
    fn placed(&mut self, told: &mut Telling, id: OrderId, order: NewOrder, price: Price, taken: &Taken, wanted: u32) {
        let filled = taken.filled;
        let total = if matches!(order.terms, Terms::Budget { .. }) { filled } else { wanted };
        let status = status_of(order.terms.time_in_force().rests(), filled, total);
        let cut = (total < asked(&order)).then_some(CancelReason::ReduceOnly);
        let cancel_reason = if status == Status::Cancelled { Some(CancelReason::TimeInForce) } else { cut };
        self.note(told, id, &order, total, filled, status);
        let row = self.orders.get_mut(&id).unwrap();
        (row.price, row.cancel_reason) = (order.entry.book_price(price), cancel_reason);
        let placed = OrderPlaced {
            id,
            order,
            price,
            quantity: quantity(total),
            filled: quantity(filled),
            status,
            cancel_reason,
        };
        told.events.push(Event::OrderPlaced(placed));
        let (hold, purse) = (placed.hold().micros(), self.purse((order.account, told.shard)));
        purse.available -= hold;
        purse.held += hold;
        purse.live_orders += i64::from(status.is_live());
        let remaining = if status.is_live() { total - filled } else { 0 };
        self.settle_taker(told, Resting { id, order, price, remaining }, hold, taken);
    }

    /// Completes an order that took: its remainder rests, its purse is settled. `held` is what it
    /// held before.
    pub(super) fn settle_taker(&mut self, told: &mut Telling, left: Resting, held: i64, taken: &Taken) {
        if left.remaining > 0 {
            self.rest(left);
        }
        let released = held - taken.spent - left.hold(left.remaining);
        if (taken.spent, released, taken.received) != (0, 0, 0) {
            let reason = if taken.filled == 0 { SettlementReason::Release } else { SettlementReason::Trade };
            told.settle(settlement(&left.order, left.id, reason, [taken.spent, released, taken.received]));
        }
    }

    fn rest(&mut self, resting: Resting) {
        let order = resting.order;
        if order.entry.side() == Side::Sell {
            *self.reserved(&order) += i64::from(resting.remaining);
        }
        self.put(resting);
    }

    /// Adds an order to its book, last among equal prices.
    pub(super) fn put(&mut self, resting: Resting) {
        self.counter += 1;
        let rank = rank(&resting, self.counter);
        self.side(&resting).insert(rank, resting);
    }

    /// Returns the side of the book where an order rests.
    fn side(&mut self, resting: &Resting) -> &mut BTreeMap<(u16, u64), Resting> {
        let book = self.markets.get_mut(&resting.order.market).unwrap();
        match resting.order.entry.book_side() {
            BookSide::Bid => &mut book.bids,
            BookSide::Ask => &mut book.asks,
        }
    }

    /// Moves contracts to a buyer or from a seller.
    pub(super) fn give(&mut self, order: &NewOrder, n: u32, resting: bool) {
        let n = i64::from(n);
        let position = self.positions.entry((order.market, order.account)).or_default();
        let (held, reserved) = match order.entry.contract() {
            Contract::Yes => (&mut position.yes, &mut position.yes_reserved),
            Contract::No => (&mut position.no, &mut position.no_reserved),
        };
        match order.entry.side() {
            Side::Buy => *held += n,
            Side::Sell => {
                *held -= n;
                *reserved -= if resting { n } else { 0 };
            }
        }
    }

    pub(super) fn reserved(&mut self, order: &NewOrder) -> &mut i64 {
        let position = self.positions.entry((order.market, order.account)).or_default();
        match order.entry.contract() {
            Contract::Yes => &mut position.yes_reserved,
            Contract::No => &mut position.no_reserved,
        }
    }

    pub(super) fn free(&self, market: MarketId, account: AccountId, contract: Contract) -> i64 {
        let position = self.positions.get(&(market, account)).copied().unwrap_or_default();
        match contract {
            Contract::Yes => position.yes - position.yes_reserved,
            Contract::No => position.no - position.no_reserved,
        }
    }

    fn note(&mut self, told: &Telling, id: OrderId, order: &NewOrder, quantity: u32, filled: u32, status: Status) {
        let (account, market, command) = (order.account, order.market, told.answers);
        let (price, cancel_reason, group) = (order.terms.limit(), None, order.instructions.group);
        let order = Order { account, market, command, quantity, filled, status, price, cancel_reason, group };
        self.orders.insert(id, order);
    }
}

/// Returns a settlement of credits spent, released and received.
pub(super) fn settlement(order: &NewOrder, id: OrderId, reason: SettlementReason, credits: [i64; 3]) -> Settlement {
    let (account, market, order) = (order.account, order.market, Some(id));
    let [spent, released, received] = credits.map(Credits);
    Settlement { account, market, order, reason, spent, released, received }
}

/// Ranks by price, then arrival.
fn rank(resting: &Resting, arrival: u64) -> (u16, u64) {
    match resting.order.entry.book_side() {
        BookSide::Bid => (resting.price.complement().ticks(), arrival),
        BookSide::Ask => (resting.price.ticks(), arrival),
    }
}

pub(super) fn status_of(rests: bool, filled: u32, total: u32) -> Status {
    match (rests && filled < total, filled) {
        (true, 0) => Status::Active,
        (true, _) => Status::PartiallyFilled,
        (false, n) if n == total && n > 0 => Status::Filled,
        (false, _) => Status::Cancelled,
    }
}
