//! The precheck of an all-or-nothing batch: whether all of it can be carried out, and what it takes
//! from its purse.

use std::collections::{BTreeMap, BTreeSet};

use schemas::limits::{ORDER_FILLS_MAX, REDUCE_ONLY_MAX};
use schemas::{
    AccountId, Amendment, BatchRequest, BookSide, Contract, Credits, GroupId, MarketId, MarketLimits, Need, NewOrder,
    OrderId, PostOnly, Price, Quantity, Rejection, Room, SelfTrade, Side, Terms, TimeInForce,
};

use super::batch::{BatchRefusal, repeats_earlier, takes};
use super::taker::FillOrKill;
use super::{amend, cancel, groups, limits, matching, order, reduce, taker};
use crate::state::{Exposure, MarketOrder, MarketView, ShardState};

/// An all-or-nothing batch checked against the state before it.
///
/// Invariant: a batch that passes is carried out completely. Each check is at least as strict as
/// the one that its request meets when it runs.
pub(super) struct Precheck<'a> {
    state: &'a ShardState,
    account: AccountId,
    /// Orders that the batch cancels or amends.
    targets: BTreeSet<OrderId>,
    cancelled: Vec<(MarketId, MarketOrder)>,
    amended: Vec<(MarketId, MarketOrder)>,
    /// Orders that enter a book, with where they may rest or how far they may match.
    entering: Vec<Entering>,
    /// Contracts that the batch's cancels and reductions free, with the orders that they touch.
    freed: Vec<Freed>,
    /// Credits that its orders and amendments take, minus those that its cancels and amendments
    /// free.
    credits: Credits,
    /// Number of orders that may come to rest.
    resting: u32,
    /// Contracts that orders of the batch may fill of each of the account's groups.
    filling: BTreeMap<GroupId, u64>,
    /// An order of the batch may trigger one of those groups.
    triggers: bool,
    room: usize,
}

/// Contracts of a sell that become free. Free contracts of both kinds are redeemed in pairs and can
/// then not be sold any more.
#[derive(Clone, Copy)]
struct Freed {
    market: MarketId,
    contract: Contract,
    at_least: u64,
    at_most: u64,
}

impl Freed {
    fn by(market: MarketView<'_>, resting: &MarketOrder, cancelled: bool) -> Self {
        let at_most = match resting.owner.entry.side() {
            Side::Sell => u64::from(resting.contracts().contracts()),
            Side::Buy => 0,
        };
        let at_least = if cancelled { at_most } else { 0 };
        Self { market: market.listing.market, contract: resting.owner.entry.contract(), at_least, at_most }
    }
}

#[derive(Clone, Copy)]
struct Entering {
    market: MarketId,
    side: BookSide,
    limit: Price,
    contract: Contract,
    buys: bool,
    /// A buy by budget: its number of contracts is not known before it runs.
    by_budget: bool,
    /// Contracts that a sell takes of its account's free ones; for an amendment, those beyond what
    /// it had.
    gives: u64,
    /// Reduce-only: it accepts fewer contracts, but a new order needs at least one.
    reduces: bool,
    amends: bool,
    /// Contracts that it may take from the other side.
    takes: u64,
    group: Option<GroupId>,
    before: Exposure,
    after: Exposure,
}

impl<'a> Precheck<'a> {
    /// Returns what a batch takes from its purse, or why it is refused.
    pub(super) fn of(
        state: &'a ShardState,
        account: AccountId,
        requests: &[BatchRequest],
        room: usize,
    ) -> Result<Need, BatchRefusal> {
        let (targets, cancelled, entering, freed) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new());
        let (amended, credits, resting) = (Vec::new(), Credits::ZERO, 0);
        let (filling, triggers) = (BTreeMap::new(), false);
        let mut precheck = Self {
            state,
            account,
            targets,
            cancelled,
            amended,
            entering,
            freed,
            credits,
            resting,
            filling,
            triggers,
            room,
        };
        for admit in [Self::admit_cancel, Self::admit_amend, Self::admit_place] {
            for (index, request) in requests.iter().enumerate().filter(|(index, _)| !repeats_earlier(requests, *index))
            {
                admit(&mut precheck, request).map_err(|code| BatchRefusal::at(index, code))?;
            }
        }
        if let Some(order) = precheck.amended_and_shrunk() {
            let amends = |request: &BatchRequest| match *request {
                BatchRequest::Amend { order: other, .. } => cancel::resolve(state, account, other) == Ok(order),
                BatchRequest::Cancel(_) | BatchRequest::Place(_) => false,
            };
            let index = requests.iter().position(amends).expect("the batch amends it");
            return Err(BatchRefusal::at(index, Rejection::BatchConflict));
        }
        Ok(precheck.wanted())
    }

    /// Returns the need of the whole batch. Live orders that it cancels make room for those that it
    /// places.
    fn wanted(&self) -> Need {
        let credits = Credits(self.credits.0.max(0));
        let cancelled = u32::try_from(self.cancelled.len()).expect("a batch is small");
        Need { credits, room: Room { orders: self.resting.saturating_sub(cancelled), held: credits } }
    }

    fn admit_cancel(&mut self, request: &BatchRequest) -> Result<(), Rejection> {
        let BatchRequest::Cancel(order) = *request else { return Ok(()) };
        let order = cancel::resolve(self.state, self.account, order)?;
        let (market, resting) = cancel::check(self.state, self.account, order)?;
        self.cancelled.push((market.listing.market, resting));
        self.freed.push(Freed::by(market, &resting, true));
        self.credits -= resting.held();
        self.admit_target(order)
    }

    fn admit_target(&mut self, order: OrderId) -> Result<(), Rejection> {
        if self.targets.insert(order) { Ok(()) } else { Err(Rejection::BatchConflict) }
    }

    fn admit_amend(&mut self, request: &BatchRequest) -> Result<(), Rejection> {
        let BatchRequest::Amend { order, price, quantity } = *request else { return Ok(()) };
        let order = cancel::resolve(self.state, self.account, order)?;
        self.admit_target(order)?;
        let amendment = Amendment { account: self.account, order, price, quantity };
        let (market, resting, change) = amend::check(self.state, &amendment, false)?;
        // The order holds what it asks for before it moves to where it holds less.
        self.credits += match change.raised {
            Credits::ZERO => resting.owner.hold(change.limit, change.quantity - resting.filled()) - resting.held(),
            raised => raised,
        };
        self.freed.push(Freed::by(market, &resting, false));
        self.amended.push((market.listing.market, resting));
        if change.in_place {
            return Ok(());
        }
        // The size to which a reduce-only order is cut when it runs is not known yet.
        let most = if resting.owner.reduce_only { quantity.unwrap_or(change.quantity) } else { change.quantity };
        let entering = Entering::amended(market, &resting, change.limit, most);
        if self.meets(market, &entering) {
            return Err(Rejection::BatchConflict);
        }
        self.admit_entering(market, entering)?;
        self.free_own(market, &entering, resting.owner.self_trade);
        Ok(())
    }

    fn admit_place(&mut self, request: &BatchRequest) -> Result<(), Rejection> {
        let BatchRequest::Place(order) = request else { return Ok(()) };
        let now = self.state.facts.time;
        let market = order::check_listing(self.state, order, now)?;
        order::check_room(self.state, order, self.state.orders() - self.cancelled.len() + self.resting as usize)?;
        self.check_group(order)?;
        order::check_times(order, now)?;
        // A triggered group removes more than the precheck has looked at.
        if self.triggers {
            return Err(Rejection::BatchConflict);
        }
        let entering = Entering::placed(order);
        let post_only = order.terms.post_only();
        if post_only != PostOnly::Off && self.meets(market, &entering) {
            let alone = order::limit_to_rest(market, order, now);
            return Err(alone.err().unwrap_or(Rejection::BatchConflict));
        }
        if order.terms.time_in_force() == TimeInForce::Fok && !self.fills_whole(market, order, &entering) {
            return Err(Rejection::BatchConflict);
        }
        self.note_filling(market, order, &entering);
        self.credits += order.hold();
        self.resting += u32::from(order.terms.time_in_force().rests());
        self.admit_entering(market, entering)?;
        self.free_own(market, &entering, order.instructions.self_trade);
        Ok(())
    }

    /// As [`groups::check`], counting the orders of its group that the batch cancels and places.
    fn check_group(&self, order: &NewOrder) -> Result<(), Rejection> {
        groups::check_among(self.state, order, |group| {
            let gone = self.cancelled.iter().filter(|(_, order)| order.owner.group == Some(group)).count();
            let come = self.entering.iter().filter(|entering| entering.comes_to(group)).count();
            self.state.count_group_orders(self.account, group) - gone + come
        })
    }

    /// Notes what an order may fill of its account's groups: of its own, and of the groups of
    /// orders with which it may trade.
    fn note_filling(&mut self, market: MarketView<'_>, order: &NewOrder, entering: &Entering) {
        if !self.meets(market, entering) {
            return;
        }
        let mut filled = BTreeSet::from_iter(entering.group);
        if order.instructions.self_trade == SelfTrade::Allow {
            let reached = self.crossing(market, entering).take(ORDER_FILLS_MAX + self.cancelled.len() + 1);
            let own = reached.filter(|order| order.owner.account == self.account);
            filled.extend(own.filter_map(|order| order.owner.group));
            filled.extend(self.others(entering).filter_map(|other| other.group));
        }
        for group in filled {
            let filling = self.filling.entry(group).or_default();
            *filling = filling.saturating_add(entering.takes);
            let left = groups::left(self.state, (self.account, group), self.state.facts.time);
            self.triggers |= *filling >= left;
        }
    }

    /// Notes the contracts of its account's own sells that an order may end on its way into the
    /// book.
    fn free_own(&mut self, market: MarketView<'_>, entering: &Entering, self_trade: SelfTrade) {
        if !self.ends_own(market, entering, self_trade) {
            return;
        }
        let contract = match entering.side {
            BookSide::Bid => Contract::Yes,
            BookSide::Ask => Contract::No,
        };
        let position = market.position(self.account);
        let reserved = position.held(contract) - position.free(contract);
        let (_, given) = self.given(entering, contract);
        self.freed.push(Freed { market: entering.market, contract, at_least: 0, at_most: reserved + given });
    }

    /// Returns true if the order may remove orders of its own account from the other side: expired
    /// ones always, live ones if its self-trade prevention does that.
    fn ends_own(&self, market: MarketView<'_>, entering: &Entering, self_trade: SelfTrade) -> bool {
        let ends_live = matches!(self_trade, SelfTrade::CancelOldest | SelfTrade::CancelBoth);
        let own = |order: &MarketOrder| order.owner.account == self.account;
        let ends = |order: &MarketOrder| ends_live || order.has_expired(self.state.facts.time);
        // The batch's cancels clear its way, so it reaches that much farther.
        let reached = self.crossing(market, entering).take(ORDER_FILLS_MAX + self.cancelled.len() + 1);
        let mut reached = reached.filter(|order| !self.cancels(order.id));
        reached.any(|order| own(&order) && ends(&order)) || ends_live && self.crosses_another(entering)
    }

    /// Returns the first amended reduce-only order whose allowance depends on what the batch
    /// cancels or amends before it: a sell, or another reduce-only order.
    fn amended_and_shrunk(&self) -> Option<OrderId> {
        let depends = |(market, order): &&(MarketId, MarketOrder)| {
            let mut others = self.cancelled.iter().chain(&self.amended);
            order.shrinks()
                && others.any(|(at, other)| {
                    let matters = other.owner.entry.side() == Side::Sell || other.shrinks();
                    at == market && other.id != order.id && matters
                })
        };
        self.amended.iter().find(depends).map(|(_, order)| order.id)
    }

    /// Returns true if the order would meet a resting order or one of the batch.
    fn meets(&self, market: MarketView<'_>, entering: &Entering) -> bool {
        let live = |order: &MarketOrder| !order.has_expired(self.state.facts.time);
        let mut crossing = self.crossing(market, entering).enumerate();
        // After more expired orders than one order may remove, the next one counts as live.
        crossing.any(|(nth, order)| nth >= ORDER_FILLS_MAX || live(&order) && !self.cancels(order.id))
            || self.crosses_another(entering)
    }

    /// Returns the resting orders at prices that the order takes, best first.
    fn crossing<'b>(
        &self,
        market: MarketView<'b>,
        entering: &'b Entering,
    ) -> impl Iterator<Item = MarketOrder> + use<'a, 'b> {
        let queue = market.queue(entering.side.opposite());
        queue.take_while(|order| taker::crosses(entering.side, entering.limit, order.book_price()))
    }

    /// Returns true if the order crosses the price of another order of the batch.
    fn crosses_another(&self, entering: &Entering) -> bool {
        let crosses = |price| taker::crosses(entering.side, entering.limit, price);
        self.others(entering).any(|other| other.side != entering.side && crosses(other.limit))
    }

    fn cancels(&self, order: OrderId) -> bool {
        self.cancelled.iter().any(|(_, gone)| gone.id == order)
    }

    /// Returns the other orders of the batch that enter the same market.
    fn others(&self, entering: &Entering) -> impl Iterator<Item = &Entering> {
        let market = entering.market;
        self.entering.iter().filter(move |other| other.market == market)
    }

    /// Returns true if the order fills completely, whatever else the batch does: nothing else of
    /// the batch touches its market or matches before it.
    fn fills_whole(&self, market: MarketView<'_>, order: &NewOrder, entering: &Entering) -> bool {
        let id = self.state.next_order_id();
        let now = self.state.facts.time;
        let fok = matching::incoming(self.state, market, id, order, (entering.limit, now));
        let first = self.entering.is_empty() && !self.freed.iter().any(|freed| freed.market == entering.market);
        first && fok.fills(self.state, market, now, self.room) == FillOrKill::Whole
    }

    fn admit_entering(&mut self, market: MarketView<'_>, entering: Entering) -> Result<(), Rejection> {
        let same = |other: &&Entering| other.contract == entering.contract;
        match entering {
            Entering { reduces: false, .. } => self.admit_sale(market, &entering)?,
            Entering { amends: false, .. } => self.admit_reducing(market, &entering)?,
            // An amended reduce-only order accepts what it has.
            Entering { reduces: true, amends: true, .. } => {}
        }
        if market.limits != MarketLimits::NONE {
            let Entering { contract, before, after, .. } = entering;
            let wanted = limits::ExposureChange { account: self.account, contract, before, after };
            limits::check_exposure(market, &wanted, &self.exposure(market, &entering))?;
            // A buy by budget before it may buy as much as the position limit allows.
            if entering.buys && self.others(&entering).filter(same).any(|other| other.by_budget) {
                return Err(Rejection::BatchConflict);
            }
        }
        self.entering.push(entering);
        Ok(())
    }

    /// Checks that a sell has all its contracts, whatever else the batch does.
    fn admit_sale(&self, market: MarketView<'_>, entering: &Entering) -> Result<(), Rejection> {
        let contract = entering.contract;
        let (free, redeemed) = self.free(market, entering, contract);
        let (given, at_most) = self.given(entering, contract);
        if entering.gives > 0 && free < given + entering.gives {
            return Err(Rejection::PositionInsufficient);
        }
        if entering.gives > 0 && free - redeemed < at_most + entering.gives {
            return Err(Rejection::BatchConflict);
        }
        Ok(())
    }

    /// Checks that a reduce-only order has something to reduce, whatever else the batch does.
    fn admit_reducing(&self, market: MarketView<'_>, entering: &Entering) -> Result<(), Rejection> {
        let contract = if entering.buys { entering.contract.other() } else { entering.contract };
        let (free, redeemed) = self.free(market, entering, contract);
        let (given, at_most) = self.given(entering, contract);
        let (id, bought) = (entering.market, contract.other());
        let resting = self.state.lookup.reducing(id, self.account, bought).map_or(0, |all| all.contracts);
        let gone = |(at, order): &&(MarketId, MarketOrder)| {
            *at == id && order.shrinks() && order.owner.entry.contract() == bought
        };
        let gone = self.cancelled.iter().filter(gone);
        let taken = resting - gone.clone().map(|(_, order)| u64::from(order.remaining)).sum::<u64>();
        if free <= given + taken {
            return Err(Rejection::NothingToReduce);
        }
        if free - redeemed <= at_most + taken {
            return Err(Rejection::BatchConflict);
        }
        let shrinks = |other: &&Entering| other.reduces && other.buys && other.after.live_orders > 0;
        let come = self.others(entering).filter(shrinks).filter(|other| !other.amends && other.contract == bought);
        let there = reduce::count(self.state, id, self.account, bought) - gone.count();
        if entering.buys && entering.after.live_orders > 0 && there + come.count() >= REDUCE_ONLY_MAX {
            return Err(Rejection::ReduceOnlyLimit);
        }
        Ok(())
    }

    /// Returns the contracts of one kind given by sells of the batch that enter before: the certain
    /// number, and the most.
    fn given(&self, entering: &Entering, contract: Contract) -> (u64, u64) {
        let sells = self.others(entering).filter(|other| other.contract == contract);
        sells.fold((0, 0), |(sure, most), other| {
            (sure + if other.reduces { 0 } else { other.gives }, most + other.gives)
        })
    }

    /// Returns the total exposure of the account's live orders with this one, after the batch's
    /// cancels and with all orders that enter before.
    fn exposure(&self, market: MarketView<'_>, entering: &Entering) -> Exposure {
        let mut exposure = limits::exposure(self.state, market, self.account);
        for (_, gone) in self.cancelled.iter().filter(|(id, _)| *id == entering.market) {
            exposure.subtract(&Exposure::of_live(gone));
        }
        for other in self.others(entering).chain([entering]) {
            exposure.subtract(&other.before);
            exposure.add(&other.after);
        }
        exposure
    }

    /// Returns the contracts of one kind that are free to sell once the batch's cancels are done,
    /// and how many of them may be redeemed with contracts of the other kind that the batch frees
    /// or buys before.
    fn free(&self, market: MarketView<'_>, entering: &Entering, contract: Contract) -> (u64, u64) {
        let here = |freed: &&Freed| freed.market == entering.market;
        let (same, other): (Vec<&Freed>, Vec<&Freed>) =
            self.freed.iter().filter(here).partition(|freed| freed.contract == contract);
        let free = market.position(self.account).free(contract) + same.iter().map(|freed| freed.at_least).sum::<u64>();
        let buys = self.others(entering).filter(|other| other.contract != contract && other.buys);
        let others = market.position(self.account).free(contract.other())
            + other.iter().map(|freed| freed.at_most).sum::<u64>()
            + buys.map(|buy| buy.takes).sum::<u64>();
        (free, others.min(free))
    }
}

impl Entering {
    /// Returns true if the order may come to rest as one more order of this group.
    fn comes_to(&self, group: GroupId) -> bool {
        self.group == Some(group) && !self.amends && self.after.live_orders > 0
    }

    fn placed(order: &NewOrder) -> Self {
        let contracts = u64::from(order.terms.contracts().contracts());
        let limits::ExposureChange { contract, before, after, .. } = order::wanted(order, order.terms.contracts());
        Self {
            market: order.market,
            side: order.entry.book_side(),
            limit: order.entry.book_price(order.terms.limit()),
            contract,
            buys: order.entry.side() == Side::Buy,
            by_budget: matches!(order.terms, Terms::Budget { .. }),
            gives: if order.entry.side() == Side::Sell { contracts } else { 0 },
            reduces: order.instructions.reduce_only,
            amends: false,
            takes: takes(order),
            group: order.instructions.group,
            before,
            after,
        }
    }

    fn amended(market: MarketView<'_>, resting: &MarketOrder, limit: Price, quantity: Quantity) -> Self {
        let metadata = &resting.owner;
        let remaining = quantity - resting.filled();
        let more = amend::more_contracts(resting, remaining);
        let limits::ExposureChange { contract, before, after, .. } =
            limits::ExposureChange::amended(resting, limit, remaining);
        Self {
            market: market.listing.market,
            side: metadata.entry.book_side(),
            limit,
            contract,
            buys: metadata.entry.side() == Side::Buy,
            by_budget: false,
            gives: if metadata.entry.side() == Side::Sell { more } else { 0 },
            reduces: metadata.reduce_only,
            amends: true,
            takes: u64::from(remaining.contracts()),
            group: metadata.group,
            before,
            after,
        }
    }
}
