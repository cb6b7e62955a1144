//! Order groups: the contracts that an account's orders may fill in a window. Every fill is kept
//! with its time, on its own shard and on its account's home shard; sums are counted at each use.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::CancelReason;
use schemas::limits::{ACCOUNT_GROUPS_MAX, GROUP_ORDERS_MAX};
use schemas::{
    AccountId, Contract, Event, GroupAct, GroupId, GroupLimits, GroupNow, MarketId, NewOrder, OrderId,
    PurseInstruction, Quantity, Rejection, Shard, Timestamp, TriggerCause,
};

use super::matching::Meeting;
use super::{Answer, Model, Order};

/// The account and the number of a group.
pub type GroupOf = (AccountId, GroupId);

/// Number of parts of a window. A fill stops counting at the end of a part.
const PARTS: u64 = 50;

#[derive(Clone)]
pub struct OrderGroup {
    pub limits: GroupLimits,
    pub generation: u64,
    /// Shards where the group takes no orders. Between commands these are all shards or none.
    pub triggered: BTreeSet<Shard>,
    /// Times and quantities of fills, as each shard counts them.
    fills: BTreeMap<Shard, Vec<(Timestamp, u64)>>,
}

impl OrderGroup {
    fn new(limits: GroupLimits, generation: u64) -> Self {
        Self { limits, generation, triggered: BTreeSet::new(), fills: BTreeMap::new() }
    }

    /// Returns the contracts filled in the window, as a shard counts them.
    pub fn filled(&self, at: Shard, now: Timestamp) -> u64 {
        let part = u64::from(self.limits.window_s()) * 1_000 / PARTS;
        let counts = |(time, _): &&(Timestamp, u64)| now.0 / part - time.0 / part <= PARTS;
        self.fills.get(&at).into_iter().flatten().filter(counts).map(|(_, contracts)| contracts).sum()
    }

    pub fn left(&self, at: Shard, now: Timestamp) -> u64 {
        if self.triggered.contains(&at) {
            return 0;
        }
        u64::from(self.limits.contracts()).saturating_sub(self.filled(at, now))
    }

    fn fill(&mut self, at: Shard, now: Timestamp, contracts: u64) {
        self.fills.entry(at).or_default().push((now, contracts));
    }

    fn change(&mut self, limits: GroupLimits, now: Timestamp) {
        if limits.window_s() != self.limits.window_s() {
            let shards: Vec<Shard> = self.fills.keys().copied().collect();
            for at in shards {
                let filled = self.filled(at, now);
                self.fills.insert(at, vec![(now, filled)]);
            }
        }
        self.limits = limits;
    }
}

impl Order {
    pub fn in_group(&self) -> Option<GroupOf> {
        Some((self.account, self.group?))
    }
}

/// Different groups of two orders.
pub(super) fn groups_of(one: &Order, other: &Order) -> BTreeSet<GroupOf> {
    [one, other].into_iter().filter_map(Order::in_group).collect()
}

/// Returns the additional work of meeting an order that belongs to a group.
pub(super) fn counts(order: &Order) -> usize {
    if order.group.is_some() { 2 } else { 0 }
}

impl Model {
    pub(super) fn act_on_group(&mut self, account: AccountId, group: GroupId, act: GroupAct) {
        let (answer, of, at, now) = (self.answer_act((account, group), act), (account, group), self.at, self.now);
        if !self.answer(answer) {
            return;
        }
        let others: Vec<Shard> = self.account(account).purses.iter().copied().filter(|shard| *shard != at).collect();
        match act {
            GroupAct::Make(limits) => self.begin_group(of, limits),
            GroupAct::Reset => self.begin_group(of, self.order_groups[&of].limits),
            GroupAct::Change(limits) => {
                let known = self.group_mut(of);
                known.change(limits, now);
                if known.triggered.is_empty() && known.left(at, now) == 0 {
                    known.triggered.insert(at);
                    self.tell(Event::GroupTriggered { account, group, cause: TriggerCause::Filled });
                    self.end_group(of);
                    // The other shards receive the act with the new limits.
                    for shard in others {
                        self.group_mut(of).triggered.insert(shard);
                        self.on(shard, |model| model.end_group(of));
                    }
                }
            }
            GroupAct::Trigger => {
                self.group_mut(of).triggered.insert(at);
                self.end_group(of);
                self.trigger_elsewhere(of, &others);
            }
            GroupAct::Delete => {
                self.order_groups.remove(&of);
                self.end_group(of);
                for shard in others {
                    self.on(shard, |model| {
                        model.tell(Event::GroupDeleted { account, group });
                        model.end_group(of);
                    });
                }
            }
        }
        let now = self.order_groups.get(&of).map(|known| GroupNow {
            limits: known.limits,
            generation: known.generation,
            triggered: !known.triggered.is_empty(),
        });
        self.completed.push((account, PurseInstruction::Group { group, now }));
    }

    fn answer_act(&self, (account, group): GroupOf, act: GroupAct) -> Answer {
        let found = self.account_here(account)?;
        let safe = matches!(act, GroupAct::Trigger | GroupAct::Delete);
        if found.frozen && !safe {
            return Err(Rejection::AccountFrozen);
        }
        let generation = self.generations.get(&account).copied().unwrap_or_default();
        let known = self.order_groups.get(&(account, group));
        match (act, known) {
            (GroupAct::Make(_), Some(_)) => Err(Rejection::GroupExists),
            (GroupAct::Make(limits), None) => {
                if self.order_groups.keys().filter(|(of, _)| *of == account).count() >= ACCOUNT_GROUPS_MAX {
                    return Err(Rejection::GroupsLimit);
                }
                Ok(Event::GroupSet { account, group, limits, generation: generation + 1, anew: true })
            }
            (_, None) => Err(Rejection::GroupUnknown),
            (GroupAct::Change(limits), Some(known)) => {
                Ok(Event::GroupSet { account, group, limits, generation: known.generation, anew: false })
            }
            (GroupAct::Reset, Some(known)) => {
                Ok(Event::GroupSet { account, group, limits: known.limits, generation: generation + 1, anew: true })
            }
            (GroupAct::Trigger, Some(_)) => {
                Ok(Event::GroupTriggered { account, group, cause: TriggerCause::Requested })
            }
            (GroupAct::Delete, Some(_)) => Ok(Event::GroupDeleted { account, group }),
        }
    }

    fn begin_group(&mut self, of: GroupOf, limits: GroupLimits) {
        let generation = self.generations.entry(of.0).or_default();
        *generation += 1;
        self.order_groups.insert(of, OrderGroup::new(limits, *generation));
    }

    fn group_mut(&mut self, of: GroupOf) -> &mut OrderGroup {
        self.order_groups.get_mut(&of).expect("the group is known")
    }

    /// Tells other shards that the group is triggered; shards that know it already have ended its
    /// orders.
    fn trigger_elsewhere(&mut self, of: GroupOf, shards: &[Shard]) {
        for shard in shards {
            if self.group_mut(of).triggered.insert(*shard) {
                self.on(*shard, |model| {
                    let (account, group) = of;
                    model.tell(Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere });
                    model.end_group(of);
                });
            }
        }
    }

    /// Ends all orders of the group that rest here.
    fn end_group(&mut self, of: GroupOf) {
        let orders = self.orders_here(of.0, None);
        let in_group = |(market, order): &(MarketId, OrderId)| {
            self.market(*market).order(*order).is_some_and(|order| order.in_group() == Some(of))
        };
        let orders: Vec<_> = orders.into_iter().filter(in_group).collect();
        self.end_some(orders.into_iter(), CancelReason::Group);
    }

    /// Ends the orders of groups that fills have triggered here.
    pub(super) fn end_groups(&mut self) {
        for of in std::mem::take(&mut self.ending) {
            self.end_group(of);
        }
    }

    /// All messages about fills and triggers have arrived.
    pub(super) fn tell_homes(&mut self) {
        let all: Vec<GroupOf> = self.order_groups.keys().copied().collect();
        for of in all {
            self.tell_home(of);
        }
    }

    /// The core reports that the home shard has enough fills of this group.
    pub(super) fn told_of(&mut self, of: GroupOf) {
        let (home, now) = (self.home(of.0), self.now);
        let known = self.group_mut(of);
        assert!(known.filled(home, now) >= known.limits.contracts().into(), "{of:?} is triggered too early");
        self.tell_home(of);
    }

    fn tell_home(&mut self, of: GroupOf) {
        let (home, now) = (self.home(of.0), self.now);
        let purses: Vec<Shard> = self.account(of.0).purses.iter().copied().collect();
        let known = self.group_mut(of);
        let anywhere = !known.triggered.is_empty();
        if anywhere || known.left(home, now) == 0 {
            let before: Vec<Shard> = purses.iter().copied().filter(|shard| *shard == home).collect();
            self.trigger_elsewhere(of, &before);
            let others: Vec<Shard> = purses.into_iter().filter(|shard| *shard != home).collect();
            self.trigger_elsewhere(of, &others);
        }
    }

    /// Returns why the group of an order refuses it. A shard where the account has no purse does
    /// not know its groups.
    pub(super) fn check_group(&self, order: &NewOrder, others: impl FnOnce(GroupOf) -> usize) -> Answer<()> {
        let Some(group) = order.instructions.group.filter(|_| self.has_purse(order.account)) else { return Ok(()) };
        let of = (order.account, group);
        let known = self.order_groups.get(&of).ok_or(Rejection::GroupUnknown)?;
        if known.triggered.contains(&self.at) {
            return Err(Rejection::GroupTriggered);
        }
        let full = order.terms.time_in_force().rests() && others(of) >= GROUP_ORDERS_MAX;
        if full { Err(Rejection::GroupOrdersLimit) } else { Ok(()) }
    }

    /// Returns true if the account had no purse here. A new purse comes with the account's groups.
    pub(super) fn get_purse(&mut self, account: AccountId) -> bool {
        let at = self.at;
        let groups =
            self.order_groups.iter_mut().filter(|((of, _), group)| *of == account && !group.triggered.is_empty());
        groups.for_each(|(_, group)| _ = group.triggered.insert(at));
        self.account_mut(account).purses.insert(at)
    }

    pub(super) fn has_purse(&self, account: AccountId) -> bool {
        self.accounts.get(&account).is_some_and(|found| found.purses.contains(&self.at))
    }

    pub(super) fn orders_in(&self, of: GroupOf) -> usize {
        self.markets_at(self.at).flat_map(|market| &market.orders).filter(|order| order.in_group() == Some(of)).count()
    }

    pub(super) fn left_of(&self, of: GroupOf) -> u64 {
        if self.has_purse(of.0) { self.order_groups[&of].left(self.at, self.now) } else { u64::MAX }
    }

    /// Returns the work of triggering each group.
    pub(super) fn count_endings(&self) -> BTreeMap<GroupOf, usize> {
        let mut all = BTreeMap::new();
        for &of in self.order_groups.keys() {
            let markets = self.markets_at(self.at);
            let ends = markets.map(|market| {
                let own = || market.of_account(of.0).filter(|order| order.in_group() == Some(of));
                let sells = |contract: &Contract| own().any(|o| o.sells() && o.entry.contract() == *contract);
                let sold = [Contract::Yes, Contract::No].into_iter().filter(sells);
                let shrink = sold.map(|contract| market.shrinking(of.0, contract.other()).len());
                own().count() + shrink.sum::<usize>()
            });
            let ends: usize = ends.sum();
            let tells = if self.home(of.0) == self.at { self.account(of.0).purses.len() - 1 } else { 0 };
            all.insert(of, ends + tells);
        }
        all
    }

    /// Returns the contracts that a trade may have within the groups of both orders.
    pub(super) fn within_groups(&self, one: &Order, other: &Order, quantity: Quantity) -> Quantity {
        let left = groups_of(one, other).into_iter().map(|of| self.left_of(of)).min();
        left.map_or(quantity, |left| super::reduce::smaller(quantity, left))
    }

    /// Counts the work of the groups that such a trade triggers.
    pub(super) fn count_triggered(&self, one: &Order, other: &Order, quantity: Quantity, meeting: &Meeting) -> usize {
        let triggered = groups_of(one, other)
            .into_iter()
            .filter(|of| !quantity.is_zero() && self.left_of(*of) == u64::from(quantity.contracts()));
        triggered.map(|of| meeting.endings[&of]).sum()
    }

    pub(super) fn fill_groups(&mut self, one: &Order, other: &Order, quantity: Quantity, meeting: &mut Meeting) {
        let (at, now, contracts) = (self.at, self.now, u64::from(quantity.contracts()));
        for of in groups_of(one, other) {
            let home = self.home(of.0);
            let known = self.group_mut(of);
            known.fill(at, now, contracts);
            if home != at {
                known.fill(home, now, contracts);
            }
            *meeting.filled_of.entry(of).or_default() += contracts;
        }
    }

    /// After an order's trades.
    pub(super) fn tell_filled(&mut self, meeting: &Meeting) {
        let (at, now) = (self.at, self.now);
        for (&of, &contracts) in &meeting.filled_of {
            let known = self.group_mut(of);
            let (filled, left) = (known.filled(at, now), known.left(at, now));
            let (account, group) = of;
            self.tell(Event::GroupFilled { account, group, contracts, filled, reported_by: None });
            if left == 0 {
                self.group_mut(of).triggered.insert(at);
                self.tell(Event::GroupTriggered { account, group, cause: TriggerCause::Filled });
                self.ending.push(of);
            }
        }
    }
}
