//! Matching: an order meets the other side of the book, best price first, oldest first at a price.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Party, Trade, TradeKind};
use schemas::limits::QUANTITY_MAX;
use schemas::{
    AccountId, Credits, Entry, Event, FeeRate, MarketId, NewOrder, OrderId, Price, Quantity, SelfTrade, Side, Status,
    Terms, TimeInForce, TradeId,
};

use super::order_groups::{self, GroupOf, groups_of};
use super::{Market, Model, Moved, Order, orders, reduce};

/// The state of an incoming order while it is matched.
pub(super) struct Meeting {
    pub(super) order: Order,
    /// Credits to spend, fees included, if it is by budget.
    pub(super) budget: Option<Credits>,
    /// Contracts still wanted.
    pub(super) wanted: Quantity,
    traded: Quantity,
    /// Credits that a buyer paid, fee included, or that a seller received, less the fee.
    credits: Credits,
    /// Contracts removed by self-trade prevention.
    prevented: Quantity,
    /// Contracts removed because they would have enlarged the account's position.
    pub(super) beyond: Quantity,
    /// Contracts were removed for that reason, now or when the order came in.
    pub(super) cut: bool,
    stopped: Option<CancelReason>,
    /// Contracts of groups that its trades filled.
    pub(super) filled_of: BTreeMap<GroupOf, u64>,
    /// The work that the trigger of each group costs.
    pub(super) endings: BTreeMap<GroupOf, usize>,
}

impl Meeting {
    fn of(order: Order, endings: BTreeMap<GroupOf, usize>) -> Self {
        Self {
            filled_of: BTreeMap::new(),
            endings,
            order,
            budget: None,
            wanted: order.left(),
            traded: Quantity::ZERO,
            credits: Credits::ZERO,
            prevented: Quantity::ZERO,
            beyond: Quantity::ZERO,
            cut: false,
            stopped: None,
        }
    }

    /// Returns the status of an order for `quantity` contracts of which `filled` are filled.
    fn status(&self, quantity: Quantity, filled: Quantity, rests: bool) -> (Status, Option<CancelReason>) {
        let cut = self.cut.then_some(CancelReason::ReduceOnly);
        if quantity == filled && !filled.is_zero() {
            return (Status::Filled, cut);
        }
        let all_prevented = quantity.is_zero() && !self.prevented.is_zero();
        let reason = match (self.stopped, cut) {
            _ if all_prevented => CancelReason::SelfTrade,
            (_, Some(cut)) if quantity.is_zero() => cut,
            (Some(reason), _) => reason,
            (None, _) if !rests => CancelReason::TimeInForce,
            (None, cut) if filled.is_zero() => return (Status::Active, cut),
            (None, cut) => return (Status::PartiallyFilled, cut),
        };
        (Status::Cancelled, Some(reason))
    }

    /// True if this account's incoming order sells.
    pub(super) fn sells_of(&self, account: AccountId) -> bool {
        self.order.sells() && self.order.account == account
    }

    /// Returns the change of the account's wallet, from what was held for the order before and what
    /// is held now.
    fn moved(&self, held: Credits, holds: Credits) -> Moved {
        if self.order.sells() {
            return Moved { received: self.credits, ..Moved::default() };
        }
        Moved { spent: self.credits, released: held - holds - self.credits, ..Moved::default() }
    }
}

impl Model {
    /// Matches a new, valid order.
    pub(super) fn take_in(&mut self, id: OrderId, new: &NewOrder, price: Price) {
        let at = self.at;
        let market = self.market(new.market);
        let admitted = self.check_reduces(market, new).expect("the order was checked");
        let resting = orders::as_resting(id, &admitted);
        let mut meeting = Meeting::of(Order { price, ..resting }, self.count_endings());
        meeting.cut = admitted != *new;
        if let Terms::Budget { budget } = new.terms {
            let held = market.position(new.account).of(new.entry.contract());
            let wanted = market.wanted(new.account, new.entry.contract());
            let room = market.limits.position.saturating_sub(held + wanted).min(QUANTITY_MAX.into());
            meeting.budget = Some(budget);
            meeting.wanted = u32::try_from(room).ok().and_then(Quantity::new).expect("at most an order's limit");
        }
        self.keep_reducing(new.market, &mut meeting);
        let place = self.told.len();
        let kills = new.terms.time_in_force() == TimeInForce::Fok;
        // Contracts of the order's own account, if the two would trade.
        let allowing = Order { self_trade: SelfTrade::Allow, ..meeting.order };
        if kills && meeting.cut {
            meeting.stopped = Some(CancelReason::ReduceOnly);
        } else if kills && self.exceeds_group(&meeting.order) {
            meeting.stopped = Some(CancelReason::Group);
        } else if !kills || self.fills_whole(new.market, &meeting.order) {
            self.meet(new.market, &mut meeting);
        } else if self.fills_whole(new.market, &allowing) {
            meeting.stopped = Some(CancelReason::SelfTrade);
        }
        let taken_off = meeting.prevented + meeting.beyond;
        let quantity = if meeting.budget.is_some() { meeting.traded } else { meeting.order.quantity - taken_off };
        let filled = meeting.traded;
        let (status, cancel_reason) = meeting.status(quantity, filled, new.terms.time_in_force().rests());
        let placed = OrderPlaced { id, order: *new, price, quantity, filled, status, cancel_reason };
        self.told.insert(place, (at, Event::OrderPlaced(placed)));
        // Nothing is held for contracts that were removed from a reduce-only order.
        let prevented = if meeting.order.reduce_only { taken_off } else { Quantity::ZERO };
        let held = match new.terms {
            Terms::Budget { budget } => budget,
            _ => meeting.order.hold_for(new.entry.book_price(new.terms.limit()), meeting.order.quantity - prevented),
        };
        self.account_mut(new.account).available -= held;
        self.get_purse(new.account);
        self.come_to_rest(new.market, &meeting, Order { quantity, filled, ..meeting.order }, held, status);
    }

    /// Matches a resting order with another price or more contracts. `held` are the credits held
    /// for it.
    pub(super) fn change(&mut self, id: MarketId, order: &Order, to: &Changed) {
        let Changed { price, quantity, cut, held } = *to;
        let endings = self.count_endings();
        let old = self.market_mut(id).take_out(order.id);
        let mut meeting = Meeting::of(Order { price, quantity, ..old }, endings);
        meeting.cut = cut;
        let place = self.told.len();
        self.meet(id, &mut meeting);
        let (quantity, filled) = (quantity - meeting.prevented - meeting.beyond, old.filled + meeting.traded);
        let (status, cancel_reason) = meeting.status(quantity, filled, true);
        let amended = OrderAmended {
            order: old.id,
            account: old.account,
            market: id,
            entry: old.entry,
            old_price: old.price,
            old_remaining: old.left(),
            price,
            quantity,
            filled,
            status,
            cancel_reason,
            in_place: false,
        };
        self.told.insert(place, (self.at, Event::OrderAmended(amended)));
        self.come_to_rest(id, &meeting, Order { quantity, filled, ..meeting.order }, held, status);
    }

    fn come_to_rest(&mut self, market: MarketId, meeting: &Meeting, order: Order, held: Credits, status: Status) {
        let holds = if status.is_live() { order.hold() } else { Credits::ZERO };
        if status.is_live() {
            self.market_mut(market).rest(order);
        } else {
            self.ends(order.account, order.id, status);
        }
        let moved = meeting.moved(held, holds);
        self.settle(order.account, market, Some(order.id), moved);
    }

    /// True if a fill-or-kill order fills completely. Tries it on a copy of the market in which
    /// contracts change hands.
    pub(super) fn fills_whole(&self, id: MarketId, order: &Order) -> bool {
        let mut market = self.market(id).clone();
        let mut meeting = Meeting::of(*order, self.count_endings());
        let (mut room, mut met) = (self.room, BTreeSet::new());
        let mut left: BTreeMap<GroupOf, u64> = BTreeMap::new();
        while !meeting.wanted.is_zero() {
            let other = market.on_side(order.side().opposite()).next().copied();
            let Some(other) = other.filter(|other| order.reaches(other.price)) else { return false };
            let counts = counts(&market, &other, &mut met) + order_groups::counts(&other);
            if room < counts {
                return false;
            }
            room -= counts;
            let groups = groups_of(order, &other);
            groups.iter().for_each(|of| _ = left.entry(*of).or_insert_with(|| self.left_of(*of)));
            let spent = other.in_group().is_some_and(|of| left[&of] == 0);
            let own = other.account == order.account && order.self_trade != SelfTrade::Allow;
            if other.is_gone(self.now) || spent || own && order.self_trade == SelfTrade::CancelOldest {
                market.take_out(other.id);
                continue;
            }
            let account = order.account;
            let most = match order.shrinks() {
                true => market
                    .net(account, order.reduces(), &meeting)
                    .saturating_sub(market.taken(account, order.reduces())),
                false => u64::MAX,
            };
            if own || most < u64::from(meeting.wanted.contracts()) {
                return false;
            }
            let within = match other.shrinks() {
                true => reduce::smaller(other.left(), market.net(other.account, other.reduces(), &meeting)),
                false => other.left(),
            };
            let most = groups.iter().map(|of| left[of]).min().unwrap_or(u64::MAX);
            let quantity = reduce::smaller(meeting.wanted.min(within), most);
            let triggers = |of: &&GroupOf| !quantity.is_zero() && left[*of] == u64::from(quantity.contracts());
            let ends: usize = groups.iter().filter(triggers).map(|of| meeting.endings[of]).sum();
            if room < ends {
                return false;
            }
            room -= ends;
            for of in &groups {
                *left.entry(*of).or_default() -= u64::from(quantity.contracts());
            }
            let spent = other.in_group().is_some_and(|of| left[&of] == 0);
            for (account, entry) in [(account, order.entry), (other.account, other.entry)] {
                match entry.side() {
                    Side::Buy => market.gain(account, entry.contract(), quantity),
                    // A batch is prechecked before it is known whether the order has contracts to
                    // deliver.
                    Side::Sell => {
                        let has = market.position(account).of(entry.contract());
                        market.lose(account, entry.contract(), has.min(quantity.contracts().into()));
                    }
                }
            }
            market.order_mut(other.id).filled = other.filled + quantity;
            if quantity == within || spent {
                market.take_out(other.id);
            }
            meeting.wanted = meeting.wanted - quantity;
        }
        true
    }

    /// True if the order wants more than its group may still fill.
    pub(super) fn exceeds_group(&self, order: &Order) -> bool {
        order.in_group().is_some_and(|of| self.left_of(of) < u64::from(order.left().contracts()))
    }

    fn meet(&mut self, market: MarketId, meeting: &mut Meeting) {
        self.meet_all(market, meeting);
        self.tell_filled(meeting);
    }

    fn meet_all(&mut self, market: MarketId, meeting: &mut Meeting) {
        let mut met = BTreeSet::new();
        while meeting.stopped.is_none() {
            let best = self.market(market).on_side(meeting.order.side().opposite()).next().copied();
            let Some(other) = best.filter(|best| meeting.order.reaches(best.price)) else { return };
            let quantity = self.may_take(market, meeting, &other);
            if quantity.is_zero() {
                return;
            }
            let counts = counts(self.market(market), &other, &mut met) + order_groups::counts(&other);
            if self.room < counts {
                meeting.stopped = Some(CancelReason::MatchLimit);
                return;
            }
            self.room -= counts;
            if other.is_gone(self.now) {
                self.end(market, other.id, CancelReason::Expired);
            } else if other.in_group().is_some_and(|of| self.left_of(of) == 0) {
                self.end(market, other.id, CancelReason::Group);
            } else if other.account == meeting.order.account && meeting.order.self_trade != SelfTrade::Allow {
                self.meet_own(market, meeting, &other, quantity);
            } else {
                self.meet_other(market, meeting, &other, quantity);
            }
            self.keep_reducing(market, meeting);
        }
    }

    fn meet_other(&mut self, market: MarketId, meeting: &mut Meeting, other: &Order, quantity: Quantity) {
        let most = self.most_of_maker(market, meeting, other);
        let quantity = self.within_groups(&meeting.order, other, quantity.min(most));
        let ends = self.count_triggered(&meeting.order, other, quantity, meeting);
        if self.room < ends {
            meeting.stopped = Some(CancelReason::MatchLimit);
            return;
        }
        self.room -= ends;
        let Some(other) = self.keep_maker_reducing(market, meeting, other) else { return };
        self.trade(market, meeting, &other, quantity);
        let taker = meeting.order;
        self.fill_groups(&taker, &other, quantity, meeting);
        let spent = |order: &Order| order.in_group().is_some_and(|of| self.left_of(of) == 0);
        let (maker_spent, taker_spent) = (spent(&other), spent(&taker));
        if maker_spent && self.market(market).order(other.id).is_some() {
            self.end(market, other.id, CancelReason::Group);
        }
        if taker_spent {
            meeting.stopped = Some(CancelReason::Group);
        }
    }

    /// Returns how much of the other order it takes at most.
    fn may_take(&self, market: MarketId, meeting: &Meeting, other: &Order) -> Quantity {
        let most = meeting.wanted.min(other.left());
        let Some(budget) = meeting.budget else { return most };
        let rate = self.market(market).listing.taker_fee;
        most_for(budget, meeting.order.entry, other.price, rate, most)
    }

    fn meet_own(&mut self, market: MarketId, meeting: &mut Meeting, other: &Order, quantity: Quantity) {
        match meeting.order.self_trade {
            SelfTrade::Allow => unreachable!("the orders would trade"),
            SelfTrade::CancelNewest => meeting.stopped = Some(CancelReason::SelfTrade),
            SelfTrade::CancelOldest => self.end(market, other.id, CancelReason::SelfTrade),
            SelfTrade::CancelBoth => {
                self.end(market, other.id, CancelReason::SelfTrade);
                meeting.stopped = Some(CancelReason::SelfTrade);
            }
            SelfTrade::Decrement => {
                if quantity == other.left() {
                    self.end(market, other.id, CancelReason::SelfTrade);
                } else {
                    self.shrink(market, other, quantity, CancelReason::SelfTrade);
                }
                meeting.prevented = meeting.prevented + quantity;
                meeting.wanted = meeting.wanted - quantity;
                // Credits for the removed contracts are not spent on others instead.
                let fee = self.market(market).listing.taker_fee.fee(other.price, quantity);
                let cost = meeting.order.entry.book_price(other.price).cost(quantity) + fee;
                meeting.budget = meeting.budget.map(|budget| budget - cost);
            }
        }
    }

    pub(super) fn shrink(&mut self, market: MarketId, order: &Order, quantity: Quantity, reason: CancelReason) {
        let Order { id, account, entry, price, .. } = *order;
        self.market_mut(market).order_mut(id).quantity = order.quantity - quantity;
        self.tell(Event::OrderReduced { order: id, account, market, entry, price, quantity, reason });
        let released = order.hold_for(price, quantity);
        self.settle(account, market, Some(id), Moved { released, ..Moved::default() });
    }

    fn trade(&mut self, id: MarketId, meeting: &mut Meeting, maker: &Order, quantity: Quantity) {
        let at = self.at;
        let counter = self.trades_made.entry(at).or_default();
        *counter += 1;
        let counter = *counter;
        let (taker, price) = (meeting.order, maker.price);
        let listing = &self.market(id).listing;
        let party = |order: &Order, rate: FeeRate| Party {
            order: order.id,
            account: order.account,
            entry: order.entry,
            fee: rate.fee(price, quantity),
        };
        let trade = Trade {
            id: TradeId::compose(at, counter),
            market: id,
            price,
            quantity,
            maker: party(maker, listing.maker_fee),
            taker: party(&taker, listing.taker_fee),
            maker_remaining: maker.left() - quantity,
        };
        self.move_contracts(id, &trade);
        self.market_mut(trade.market).traded = true;
        self.tell(Event::Traded(trade));
        let paid = |party: &Party| party.entry.book_price(price).cost(quantity);
        let credits = |party: &Party| match party.entry.side() {
            Side::Buy => paid(party) + party.fee,
            Side::Sell => paid(party) - party.fee,
        };
        let spent = credits(&trade.taker);
        meeting.credits += spent;
        meeting.traded = meeting.traded + quantity;
        meeting.wanted = meeting.wanted - quantity;
        meeting.budget = meeting.budget.map(|budget| budget - spent);
        self.settle_maker(id, maker, &trade, credits(&trade.maker));
    }

    fn move_contracts(&mut self, id: MarketId, trade: &Trade) {
        let market = self.market_mut(id);
        let quantity = trade.quantity;
        for party in [&trade.maker, &trade.taker] {
            let contract = party.entry.contract();
            match party.entry.side() {
                Side::Buy => market.gain(party.account, contract, quantity),
                Side::Sell => market.lose(party.account, contract, quantity.contracts().into()),
            }
        }
        let credits = Credits::of_pairs(quantity.contracts().into());
        match trade.kind() {
            TradeKind::Mint => market.collateral += credits,
            TradeKind::Burn => market.collateral -= credits,
            TradeKind::TransferYes | TradeKind::TransferNo => {}
        }
        market.fees += trade.maker.fee + trade.taker.fee;
        market.order_mut(trade.maker.order).filled = trade.quantity + market.order_mut(trade.maker.order).filled;
        if trade.maker_remaining.is_zero() {
            self.ends(trade.maker.account, trade.maker.order, Status::Filled);
            self.market_mut(id).take_out(trade.maker.order);
        }
    }

    fn settle_maker(&mut self, id: MarketId, maker: &Order, trade: &Trade, credits: Credits) {
        let moved = if maker.sells() {
            Moved { received: credits, ..Moved::default() }
        } else {
            let released = maker.hold_for(maker.price, trade.quantity) - credits;
            Moved { spent: credits, released, ..Moved::default() }
        };
        self.settle(maker.account, id, Some(maker.id), moved);
    }
}

/// Returns the work of meeting this order. The first order of an account also costs the orders of
/// its side that may shrink for it.
fn counts(market: &Market, other: &Order, met: &mut BTreeSet<AccountId>) -> usize {
    let first = met.insert(other.account);
    let on_side = |order: &&Order| order.shrinks() && order.side() == other.side();
    1 + if first { market.of_account(other.account).filter(on_side).count() } else { 0 }
}

/// The requested state of an amended order.
pub(super) struct Changed {
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    /// The amendment asked for a larger quantity.
    pub(super) cut: bool,
    /// Credits held for the order.
    pub(super) held: Credits,
}

/// Returns the contracts that the budget buys at this price of the book, fee included, at most
/// `most`. Found by bisection.
fn most_for(budget: Credits, entry: Entry, price: Price, rate: FeeRate, most: Quantity) -> Quantity {
    let costs = |n: Quantity| entry.book_price(price).cost(n) + rate.fee(price, n);
    let (mut enough, mut above) = (0, most.contracts() + 1);
    while above - enough > 1 {
        let middle = u32::midpoint(enough, above);
        let quantity = Quantity::new(middle).expect("below an order's limit");
        if costs(quantity) <= budget { enough = middle } else { above = middle }
    }
    Quantity::new(enough).expect("below an order's limit")
}
