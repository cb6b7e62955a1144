//! Prechecks whether an all-or-nothing batch can be carried out whole, whatever its own requests
//! change on the way. It looks only at the state before the batch.
//!
//! | a request                   | is refused as a conflict if                                                           |
//! |-----------------------------|---------------------------------------------------------------------------------------|
//! | any                         | it is about another shard                                                             |
//! | cancel, amendment           | its order is the target of another one                                                |
//! | amendment                   | it would meet an order that the batch leaves or adds                                  |
//! | post-only order             | it would meet such an order                                                           |
//! | fill-or-kill                | it is not the batch's first to enter, something touches its market, or it cannot fill |
//! | order or amendment to buy   | the market is limited, and a budget before it may use up the position                 |
//! | order or amendment to sell  | its contracts may be redeemed before, with others that the batch frees, ends or gains |
//! | order                       | one before it may trigger a group of its account                                      |
//! | reduce-only order           | nothing may be left to reduce when its turn comes                                     |
//! | amended reduce-only buy     | the batch cancels or amends a sell, or another reduce-only buy, in its market         |
//!
//! The account's credits and room are checked for the whole batch: what it releases pays for what
//! it holds.

use std::collections::{BTreeMap, BTreeSet};

use schemas::limits::{ORDER_FILLS_MAX, REDUCE_ONLY_MAX};
use schemas::{
    AccountId, Amendment, BatchRequest, BookSide, Contract, GroupId, MarketId, NewOrder, OrderId, OrderRef, PostOnly,
    Rejection, SelfTrade, Terms, TimeInForce,
};

use super::batch::Refused;
use super::limits::{Swap, Weight};
use super::means::Wants;
use super::{Answer, Market, Model, Order, orders};

/// The effects of the batch, as far as the precheck has gone.
#[derive(Default)]
struct Plan {
    targets: Vec<OrderId>,
    cancelled: Vec<(MarketId, Order)>,
    /// Orders as they were before their amendments.
    amended: Vec<(MarketId, Order)>,
    entering: Vec<Entering>,
    /// Contracts of the account's own sells that orders of the batch may end when they meet them.
    ended: Vec<(MarketId, Contract, u64)>,
    wants: Wants,
    /// Contracts that may fill in each of the account's groups.
    filling: BTreeMap<GroupId, u64>,
    /// Orders that may trigger a group.
    triggers: bool,
}

/// An order that enters a market, or enters it again.
#[derive(Clone, Copy)]
struct Entering {
    market: MarketId,
    order: Order,
    /// Contracts that a sell needs beyond those that it had.
    gives: u64,
    /// Contracts that the order may buy.
    takes: u64,
    by_budget: bool,
    reduces: bool,
    rests: bool,
    gone: Option<Weight>,
    come: Weight,
}

impl Model {
    pub(super) fn try_batch(&self, account: AccountId, requests: &[BatchRequest]) -> Result<(), Refused> {
        let mut plan = Plan::default();
        for (index, request) in requests.iter().enumerate() {
            self.try_name(account, &requests[..index], request).map_err(|code| (index, code))?;
        }
        // A request that is repeated with its client id is carried out once.
        let once = |(index, request): &(usize, &BatchRequest)| {
            !requests[..*index].iter().any(|other| same_name(other, request))
        };
        let numbered = || requests.iter().enumerate().filter(once);
        for (index, request) in numbered() {
            self.try_alone(account, request).map_err(|code| (index, code))?;
        }
        for (index, request) in numbered() {
            if let BatchRequest::Cancel(order) = *request {
                self.try_cancel(&mut plan, account, order).map_err(|code| (index, code))?;
            }
        }
        for (index, request) in numbered() {
            if let BatchRequest::Amend { order, price, quantity } = *request {
                let order = self.meant(account, order).map_err(|code| (index, code))?;
                let amendment = Amendment { account, order, price, quantity };
                self.try_amend(&mut plan, &amendment).map_err(|code| (index, code))?;
            }
        }
        for (index, request) in numbered() {
            if let BatchRequest::Place(order) = request {
                self.try_place(&mut plan, order).map_err(|code| (index, code))?;
            }
        }
        for (index, request) in numbered() {
            if let BatchRequest::Amend { order, .. } = *request {
                let order = self.meant(account, order).map_err(|code| (index, code))?;
                plan.check_amended(order).map_err(|code| (index, code))?;
            }
        }
        self.check_means(account, &plan.wants).map_err(|code| (blamed(requests, code), code))
    }

    /// A client id of another order, before or in this batch.
    fn try_name(&self, account: AccountId, before: &[BatchRequest], request: &BatchRequest) -> Answer<()> {
        let BatchRequest::Place(order) = request else { return Ok(()) };
        // The same request again is a repeat, not another order with the same client id.
        let twice = before.iter().any(|other| same_name(other, request) && other != request);
        match () {
            () if order.account != account => Err(Rejection::AccountMismatch),
            () if twice || self.seen_order(order, &[]).is_some() => Err(Rejection::ClientIdReused),
            () => Ok(()),
        }
    }

    /// Checks each request alone, before its market is looked at.
    fn try_alone(&self, account: AccountId, request: &BatchRequest) -> Answer<()> {
        let checked = match *request {
            BatchRequest::Place(order) => self.try_order_alone(&order),
            BatchRequest::Cancel(order) => self.meant(account, order).map(drop),
            BatchRequest::Amend { order, .. } => self.meant_to_amend(account, order).map(drop),
        };
        checked.map_err(|code| if code == Rejection::WrongShard { Rejection::BatchConflict } else { code })
    }

    fn try_order_alone(&self, order: &NewOrder) -> Answer<()> {
        self.check_terms(order)?;
        self.check_purse(order.account)?;
        self.check_deadline(order)?;
        self.check_shard(order.market)
    }

    fn try_cancel(&self, plan: &mut Plan, account: AccountId, order: OrderRef) -> Answer<()> {
        let id = self.meant(account, order)?;
        let market = self.may_cancel(account, id)?;
        plan.aim_at(id)?;
        let order = *self.market(market).order(id).expect("it may be cancelled");
        plan.wants.frees += order.hold();
        plan.wants.ends += 1;
        plan.cancelled.push((market, order));
        Ok(())
    }

    fn try_amend(&self, plan: &mut Plan, amendment: &Amendment) -> Answer<()> {
        plan.aim_at(amendment.order)?;
        let change = self.check_change(amendment, false)?;
        plan.wants.needs += change.needs;
        plan.wants.frees += change.frees;
        let (market, old) = (change.market, change.order);
        plan.amended.push((market, old));
        let most = amendment.quantity.filter(|_| old.reduce_only).unwrap_or(change.quantity);
        if change.reduces {
            return Ok(());
        }
        let order = Order { price: change.price, quantity: most, ..old };
        let (left, before) = (u64::from(order.left().contracts()), u64::from(old.left().contracts()));
        let entering = Entering {
            market,
            order,
            gives: if old.sells() { left.saturating_sub(before) } else { 0 },
            takes: if old.sells() { 0 } else { left },
            by_budget: false,
            reduces: old.reduce_only,
            rests: true,
            gone: Some(Weight::of_resting(&old)),
            come: Weight::of_resting(&order),
        };
        if self.meets(plan, &entering) {
            return Err(Rejection::BatchConflict);
        }
        self.try_enter(plan, entering)?;
        self.note_ended(plan, &entering);
        Ok(())
    }

    fn try_place(&self, plan: &mut Plan, order: &NewOrder) -> Answer<()> {
        let market = self.check_listed(order)?;
        self.check_books(order, self.resting_at(order.market) - plan.wants.ends + plan.wants.rests)?;
        self.check_group(order, |of| {
            let gone = plan.cancelled.iter().filter(|(_, order)| order.in_group() == Some(of)).count();
            let comes = |other: &&Entering| other.order.in_group() == Some(of) && other.gone.is_none() && other.rests;
            self.orders_in(of) - gone + plan.entering.iter().filter(comes).count()
        })?;
        self.check_deadline(order)?;
        if plan.triggers {
            return Err(Rejection::BatchConflict);
        }
        let asked = match order.terms {
            Terms::Budget { .. } => u64::from(schemas::limits::QUANTITY_MAX),
            Terms::Limit { .. } | Terms::Market { .. } => u64::from(orders::asked(&order.terms).contracts()),
        };
        let resting = orders::as_resting(OrderId(0), order);
        let entering = Entering {
            market: order.market,
            order: resting,
            gives: if resting.sells() { asked } else { 0 },
            takes: if resting.sells() { 0 } else { asked },
            by_budget: matches!(order.terms, Terms::Budget { .. }),
            reduces: resting.reduce_only,
            rests: order.terms.time_in_force().rests(),
            gone: None,
            come: Weight::of_new(order),
        };
        if resting.post_only != PostOnly::Off && self.meets(plan, &entering) {
            return Err(self.price_to_rest(market, &resting).err().unwrap_or(Rejection::BatchConflict));
        }
        let kills = order.terms.time_in_force() == TimeInForce::Fok;
        let alone = plan.entering.is_empty() && plan.touched(order.market).next().is_none();
        let cut = resting.reduce_only
            && market.reducible(order.account, resting.reduces()) < u64::from(resting.quantity.contracts());
        let exceeds = self.exceeds_group(&resting);
        let undisturbed = alone && !cut && !exceeds;
        if kills && !(undisturbed && self.fills_whole(order.market, &resting)) {
            return Err(Rejection::BatchConflict);
        }
        self.note_filling(plan, &entering, asked);
        plan.wants.needs += order.hold();
        plan.wants.rests += usize::from(order.terms.time_in_force().rests());
        self.try_enter(plan, entering)?;
        self.note_ended(plan, &entering);
        Ok(())
    }

    /// Notes the contracts that may fill in the account's groups: those of the order, and of the
    /// orders that it may trade with.
    fn note_filling(&self, plan: &mut Plan, entering: &Entering, asked: u64) {
        let order = &entering.order;
        if !self.meets(plan, entering) {
            return;
        }
        let mut groups: BTreeSet<GroupId> = order.group.into_iter().collect();
        if order.self_trade == SelfTrade::Allow {
            let there = self.market(entering.market).on_side(order.side().opposite());
            let most = ORDER_FILLS_MAX + plan.cancelled.len() + 1;
            let reached = there.take_while(|other| order.reaches(other.price)).take(most);
            groups.extend(reached.filter(|other| other.account == order.account).filter_map(|other| other.group));
            groups.extend(plan.entering_at(entering.market).filter_map(|other| other.order.group));
        }
        for group in groups {
            let filling = plan.filling.entry(group).or_default();
            *filling += asked;
            plan.triggers |= *filling >= self.left_of((order.account, group));
        }
    }

    /// Notes the account's own sells that leave the book when the order arrives: expired ones, and
    /// live ones by self-trade prevention. All contracts that the account has in sells of that kind
    /// may be among them.
    fn note_ended(&self, plan: &mut Plan, entering: &Entering) {
        let Entering { market, order, .. } = entering;
        let ends_live = [SelfTrade::CancelOldest, SelfTrade::CancelBoth].contains(&order.self_trade);
        let kept = |other: &&Order| !plan.cancelled.iter().any(|(_, gone)| gone.id == other.id);
        let there =
            self.market(*market).on_side(order.side().opposite()).take_while(|other| order.reaches(other.price));
        let most = ORDER_FILLS_MAX + plan.cancelled.len() + 1;
        let own = there.take(most).filter(kept).filter(|other| other.account == order.account);
        let brings_one =
            plan.entering_at(*market).any(|o| o.order.side() != order.side() && order.reaches(o.order.price));
        if own.into_iter().any(|other| ends_live || other.is_gone(self.now)) || ends_live && brings_one {
            let across = if order.side() == BookSide::Bid { Contract::Yes } else { Contract::No };
            let brought = plan.entering_at(*market).filter(|o| o.order.sells() && o.order.entry.contract() == across);
            let brought: u64 = brought.map(|other| other.gives).sum();
            let reserved = self.market(*market).reserved(order.account, across);
            plan.ended.push((*market, across, reserved + brought));
        }
    }

    /// True if it would meet an order that the batch leaves unchanged, or that it adds.
    fn meets(&self, plan: &Plan, entering: &Entering) -> bool {
        let order = &entering.order;
        let cancelled = |id: OrderId| plan.cancelled.iter().any(|(_, gone)| gone.id == id);
        let there = self.market(entering.market).on_side(order.side().opposite());
        let mut brought = plan.entering_at(entering.market).filter(|other| other.order.side() != order.side());
        // An order is in the way, or too many are in front to know.
        let mut reached = there.filter(|other| order.reaches(other.price)).enumerate();
        reached.any(|(nth, other)| nth >= ORDER_FILLS_MAX || !other.is_gone(self.now) && !cancelled(other.id))
            || brought.any(|other| order.reaches(other.order.price))
    }

    /// Returns the contracts of a kind that one more order could deliver, in the best and in the
    /// worst result of the rest of the batch.
    fn may_give(&self, plan: &Plan, market: &Market, order: &Order, contract: Contract) -> (u64, u64) {
        let id = market.id();
        let free = market.free(order.account, contract) + plan.freed_for_sure(id, contract);
        let others = market.free(order.account, contract.other()) + plan.redeemable(id, contract);
        let sells = |reducing: bool| {
            let same = plan.entering_at(id).filter(move |o| o.order.entry.contract() == contract);
            same.filter(move |o| reducing || !o.reduces).map(|o| o.gives).sum::<u64>()
        };
        (free.saturating_sub(sells(false)), free.saturating_sub(free.min(others) + sells(true)))
    }

    fn try_reduce(&self, plan: &Plan, market: &Market, entering: &Entering) -> Answer<()> {
        let order = &entering.order;
        let (most, least) = self.may_give(plan, market, order, order.reduces());
        let stays = |other: &&&Order| !plan.cancelled.iter().any(|(_, gone)| gone.id == other.id);
        let there = market.shrinking(order.account, order.reduces());
        let stay: Vec<_> = there.iter().filter(stays).collect();
        let taken = stay.iter().map(|other| u64::from(other.left().contracts())).sum::<u64>();
        if most <= taken {
            return Err(Rejection::NothingToReduce);
        }
        if least <= taken {
            return Err(Rejection::BatchConflict);
        }
        let rest = |other: &&Entering| other.order.shrinks() && other.gone.is_none() && other.rests;
        let come = plan.entering_at(market.id()).filter(rest).filter(|other| other.order.reduces() == order.reduces());
        if order.shrinks() && entering.rests && stay.len() + come.count() >= REDUCE_ONLY_MAX {
            return Err(Rejection::ReduceOnlyLimit);
        }
        Ok(())
    }

    /// Checks the contracts to deliver and the market's limits.
    fn try_enter(&self, plan: &mut Plan, entering: Entering) -> Answer<()> {
        let Entering { market: id, order, gives, .. } = entering;
        let market: &Market = self.market(id);
        let contract = order.entry.contract();
        if entering.reduces && entering.gone.is_none() {
            self.try_reduce(plan, market, &entering)?;
        } else if gives > 0 && !entering.reduces {
            let (most, least) = self.may_give(plan, market, &order, contract);
            if most < gives {
                return Err(Rejection::PositionInsufficient);
            }
            if least < gives {
                return Err(Rejection::BatchConflict);
            }
        }
        let cancelled = plan.cancelled.iter().filter(|(at, _)| *at == id).map(|(_, order)| Weight::of_resting(order));
        let changed = plan.entering_at(id).filter_map(|other| other.gone);
        let come = plan.entering_at(id).map(|other| other.come);
        let others = Swap { gone: cancelled.chain(changed).collect(), come: come.collect() };
        let own = Swap { gone: entering.gone.into_iter().collect(), come: vec![entering.come] };
        market.check_limits(order.account, contract, &own, &others)?;
        let same = |other: &&Entering| other.order.entry.contract() == contract;
        let budget_before = plan.entering_at(id).filter(same).any(|other| other.by_budget);
        if market.limits != schemas::MarketLimits::NONE && !order.sells() && budget_before {
            return Err(Rejection::BatchConflict);
        }
        plan.entering.push(entering);
        Ok(())
    }
}

/// Returns the request that is refused if a batch asks for more than its account has: the first of
/// the orders that need most of it, otherwise the first amendment.
fn blamed(requests: &[BatchRequest], code: Rejection) -> usize {
    let takes = |request: &BatchRequest| match request {
        BatchRequest::Place(order) if code == Rejection::LiveOrderLimit => {
            i64::from(order.terms.time_in_force().rests())
        }
        BatchRequest::Place(order) => order.hold().micros(),
        BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => 0,
    };
    let most = requests.iter().map(takes).max().expect("a batch has requests");
    let blamed = requests.iter().position(|request| match request {
        BatchRequest::Amend { .. } => most == 0,
        request => most > 0 && takes(request) == most,
    });
    blamed.expect("only orders and amendments need credits or room")
}

impl Plan {
    fn aim_at(&mut self, order: OrderId) -> Answer<()> {
        if self.targets.contains(&order) {
            return Err(Rejection::BatchConflict);
        }
        self.targets.push(order);
        Ok(())
    }

    /// The allowance of an amended reduce-only buy does not depend on the batch.
    fn check_amended(&self, order: OrderId) -> Answer<()> {
        let Some((market, _)) = self.amended.iter().find(|(_, o)| o.id == order && o.shrinks()) else { return Ok(()) };
        let mut others = self.touched(*market).filter(|other| other.id != order);
        if others.any(|other| other.sells() || other.shrinks()) { Err(Rejection::BatchConflict) } else { Ok(()) }
    }

    fn entering_at(&self, market: MarketId) -> impl Iterator<Item = &Entering> {
        self.entering.iter().filter(move |other| other.market == market)
    }

    /// Returns the orders of this market that the batch cancels or amends.
    fn touched(&self, market: MarketId) -> impl Iterator<Item = &Order> {
        self.cancelled.iter().chain(&self.amended).filter(move |(at, _)| *at == market).map(|(_, order)| order)
    }

    /// Returns the contracts of this kind that the batch's cancels release.
    fn freed_for_sure(&self, market: MarketId, contract: Contract) -> u64 {
        let cancelled = self.cancelled.iter().filter(|(at, _)| *at == market).map(|(_, order)| order);
        let freed = cancelled.filter(|order| order.sells() && order.entry.contract() == contract);
        freed.map(|order| u64::from(order.left().contracts())).sum()
    }

    /// Returns the contracts of the other kind that earlier requests may release or buy.
    fn redeemable(&self, market: MarketId, contract: Contract) -> u64 {
        let other_kind = |order: &Order| order.entry.contract() != contract;
        let freed = self.touched(market).filter(|order| order.sells() && other_kind(order));
        let gained = self.entering_at(market).filter(|other| !other.order.sells() && other_kind(&other.order));
        let ended = self.ended.iter().filter(|(at, other, _)| *at == market && *other != contract);
        freed.map(|order| u64::from(order.left().contracts())).sum::<u64>()
            + gained.map(|other| other.takes).sum::<u64>()
            + ended.map(|(.., most)| most).sum::<u64>()
    }
}

/// True if both are orders with the same client id.
pub(super) fn same_name(one: &BatchRequest, other: &BatchRequest) -> bool {
    match (one, other) {
        (BatchRequest::Place(one), BatchRequest::Place(other)) => {
            let name = |order: &NewOrder| (order.account, order.market, order.client_id);
            one.client_id.is_some() && name(one) == name(other)
        }
        _ => false,
    }
}
