//! Order groups: once the orders of an account's group have filled a number of contracts in a
//! rolling window, all of its resting orders end, and none is accepted until the account resets the
//! group.
//!
//! ```text
//! account's home ─ Instruct, Groups ─▶ other shards of the account ─ GroupFilled ─▶ *account's home*
//! ```
//!
//! | what happens                                    | result                                                              |
//! |-------------------------------------------------|---------------------------------------------------------------------|
//! | an order of a group would fill                  | it takes at most what the shard's window leaves                     |
//! | a fill takes the last of that                   | the group is triggered: none of its orders trades on this shard any |
//! |                                                 | more, and all that rest end in the same outcome, with the taker's rest |
//! | an order that waited for its purse has its turn | it is checked against the group as it is then                       |
//! | a group has filled or was triggered elsewhere   | its home is notified at the end of the command, and adds up         |
//! | the home's sum reaches the limit                | the group is triggered at home, and the home notifies all shards    |
//! | the account asks                                | the home does it, and notifies all shards                           |
//!
//! So on each shard a window never fills more than the limit (I-13). A group whose orders rest on
//! several shards can fill more in total only while messages are in flight, and never more than the
//! limit on each shard.
//!
//! A generation counts the creations and resets of an account's groups. A message about another
//! generation is too late and has no effect.

use std::collections::BTreeMap;

use schemas::event::CancelReason;
use schemas::limits::{ACCOUNT_GROUPS_MAX, GROUP_COUNTS, GROUP_ORDERS_MAX, INSTRUCTIONS_MAX};
use schemas::{
    AccountId, Contract, Event, GroupAct, GroupId, GroupNow, MarketId, Message, NewOrder, OrderId, PurseInstruction,
    Quantity, Rejection, Shard, Side, Timestamp, TriggerCause,
};

use super::{CommandRun, DecisionContext, account, message, reduce};
use crate::state::{Group, MarketOrder, ShardState};

/// The account and the group's id.
type GroupKey = (AccountId, GroupId);

impl CommandRun<'_> {
    /// Home: carries out an account's request about one of its groups.
    pub(super) fn act_on_group(&mut self, account: AccountId, group: GroupId, act: GroupAct) {
        if !self.answer(|state| answer(state, account, group, act)) {
            return;
        }
        self.trigger_if_reached((account, group));
        self.end_groups();
        let now = self.state.group(account, group).map(Group::now);
        self.instruct_all(account, PurseInstruction::Group { group, now });
    }

    /// Away from home: applies the home's instruction about a group. An account without a purse
    /// here gets its groups with the purse.
    pub(super) fn obey_group(&mut self, account: AccountId, group: GroupId, now: Option<GroupNow>) {
        match now {
            _ if self.state.purse(account).is_none() => {}
            Some(now) => self.set_group((account, group), now),
            None if self.state.group(account, group).is_some() => {
                self.step(|_, context| context.events.push(Event::GroupDeleted { account, group }));
                self.end_groups();
            }
            None => {}
        }
    }

    /// Away from home: applies the home's report about some groups.
    pub(super) fn take_groups(&mut self, account: AccountId, groups: &[(GroupId, GroupNow)]) {
        for &(group, now) in groups {
            self.set_group((account, group), now);
        }
    }

    fn set_group(&mut self, (account, group): GroupKey, now: GroupNow) {
        let GroupNow { limits, generation, triggered } = now;
        self.step(|state, context| {
            let known = state.group(account, group);
            let same = known.filter(|known| known.generation == generation);
            if same.is_none_or(|known| known.limits != limits) {
                context.events.push(Event::GroupSet { account, group, limits, generation, anew: same.is_none() });
            }
            if triggered && same.is_none_or(|known| !known.triggered) {
                context.events.push(Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere });
            }
        });
        self.trigger_if_reached((account, group));
        self.end_groups();
    }

    /// Home: adds what a group has filled on another shard.
    pub(super) fn take_filled(
        &mut self,
        from: Shard,
        (account, group): GroupKey,
        (generation, contracts, triggered): Report,
    ) {
        self.step(|state, context| {
            let known = state.group(account, group);
            let Some(known) = known.filter(|known| known.generation == generation && !known.triggered) else { return };
            if contracts > 0 {
                let filled = known.filled(context.now).saturating_add(contracts);
                let reported_by = Some(from);
                context.events.push(Event::GroupFilled { account, group, contracts, filled, reported_by });
            }
            if triggered {
                context.events.push(Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere });
            }
        });
        self.trigger_if_reached((account, group));
        self.end_groups();
    }

    fn trigger_if_reached(&mut self, (account, group): GroupKey) {
        self.step(|state, context| {
            let known = state.group(account, group);
            if known.is_some_and(|known| !known.triggered && known.left(context.now) == 0) {
                context.events.push(Event::GroupTriggered { account, group, cause: TriggerCause::Filled });
            }
        });
    }

    /// Ends the orders of groups that were triggered or deleted. Their homes notify the other
    /// shards of what those do not know yet.
    pub(super) fn end_groups(&mut self) {
        for (key, cause) in std::mem::take(&mut self.state.ending) {
            let orders = in_order(self.state, key);
            self.end_orders(&orders, CancelReason::Group);
            let tells = !matches!(cause, None | Some(TriggerCause::Requested));
            if tells && self.state.is_home(key.0) {
                self.tell_group(key);
            }
        }
    }

    fn tell_group(&mut self, (account, group): GroupKey) {
        self.step(|state, context| {
            let Some(now) = state.group(account, group).map(Group::now) else { return };
            for to in told(state, account) {
                let message = Message::Groups { account, groups: vec![(group, now)] };
                context.events.push(message::send(state, to, message));
            }
        });
    }

    /// Home: sends an account's groups to a shard that is about to get a purse of the account.
    pub(super) fn tell_groups(&mut self, account: AccountId, to: Shard) {
        if self.state.account(account).is_some_and(|known| known.lent.contains_key(&to)) {
            return;
        }
        self.step(|state, context| {
            let Some(groups) = state.groups(account).filter(|groups| !groups.is_empty()) else { return };
            let groups = groups.iter().map(|(id, group)| (id, group.now())).collect();
            context.events.push(message::send(state, to, Message::Groups { account, groups }));
        });
    }

    /// Away from home: sends what groups have filled here to their homes. Reports to a full home
    /// wait until it receives something.
    #[cold]
    pub(super) fn report_groups(&mut self) {
        let mut after = None;
        while let Some((home, account, group)) = next_unreported(self.state, after) {
            after = Some((home, account, group));
            if self.state.is_full(home) {
                // All other reports to this home wait as well.
                after = Some((home, AccountId(u64::MAX), GroupId::new(u16::MAX).expect("it is not 0")));
                continue;
            }
            self.step(|state, context| {
                let group_here = state.group(account, group).expect("what is not reported is there");
                let Group { generation, unreported: contracts, trigger_unreported: triggered, .. } = *group_here;
                context.events.push(Event::GroupReported { account, group });
                let message = Message::GroupFilled { account, group, generation, contracts, triggered };
                context.events.push(message::send(state, home, message));
            });
        }
    }
}

/// Generation, contracts, whether the group was triggered.
type Report = (u64, u64, bool);

fn next_unreported(
    state: &ShardState,
    after: Option<(Shard, AccountId, GroupId)>,
) -> Option<(Shard, AccountId, GroupId)> {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, Excluded);
    state.lookup.unreported.range((from, Unbounded)).next().copied()
}

/// Returns the home's answer to an account's request about a group.
fn answer(state: &ShardState, account: AccountId, group: GroupId, act: GroupAct) -> Result<Event, Rejection> {
    match act {
        // These requests reduce risk, so a frozen account may make them, too.
        GroupAct::Trigger | GroupAct::Delete => account::known(state, account)?,
        GroupAct::Make(_) | GroupAct::Change(_) | GroupAct::Reset => account::active(state, account)?,
    };
    let known = state.group(account, group);
    let groups = state.groups(account);
    let next = groups.map_or(0, |groups| groups.generations) + 1;
    let set = |limits, generation, anew| Event::GroupSet { account, group, limits, generation, anew };
    let event = match (act, known) {
        (GroupAct::Make(_), Some(_)) => Err(Rejection::GroupExists),
        (GroupAct::Make(limits), None) => Ok(set(limits, next, true)),
        (_, None) => Err(Rejection::GroupUnknown),
        (GroupAct::Change(limits), Some(known)) => Ok(set(limits, known.generation, false)),
        (GroupAct::Reset, Some(known)) => Ok(set(known.limits, next, true)),
        (GroupAct::Trigger, Some(_)) => Ok(Event::GroupTriggered { account, group, cause: TriggerCause::Requested }),
        (GroupAct::Delete, Some(_)) => Ok(Event::GroupDeleted { account, group }),
    }?;
    if known.is_none() && groups.is_some_and(|groups| groups.len() >= ACCOUNT_GROUPS_MAX) {
        return Err(Rejection::GroupsLimit);
    }
    // Triggering a group is always allowed, once in each generation.
    let safe = act == GroupAct::Trigger && known.is_some_and(|known| !known.triggered);
    if !safe {
        check_under_way(state, account)?;
    }
    Ok(event)
}

/// Checks that an account does not have too many group changes in flight to its shards.
fn check_under_way(state: &ShardState, account: AccountId) -> Result<(), Rejection> {
    let pending = state.facts.instructions.range((account, 0)..=(account, u64::MAX));
    let told = pending.filter(|(_, pending)| matches!(pending.instruction, PurseInstruction::Group { .. })).count();
    if told < INSTRUCTIONS_MAX { Ok(()) } else { Err(Rejection::ParkedLimit) }
}

/// Returns the other shards that are notified of an account's groups.
fn told(state: &ShardState, account: AccountId) -> impl Iterator<Item = Shard> {
    let lent = state.account(account).into_iter().flat_map(|account| account.lent.keys().copied());
    lent.filter(|to| *to != state.shard)
}

/// Returns a group's orders here: market by market in the order of their books, oldest first in
/// each.
fn in_order(state: &ShardState, (account, group): GroupKey) -> Vec<(MarketId, OrderId)> {
    let mut all: Vec<_> = state
        .group_orders(account, group)
        .map(|order| {
            let (market, _) = state.live_order(order).expect("an order of a group rests");
            (market.book, market.listing.market, order)
        })
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, market, order)| (market, order)).collect()
}

/// Checks an order against its group. An account without a purse here gets its groups with the
/// purse.
pub(super) fn check(state: &ShardState, order: &NewOrder) -> Result<(), Rejection> {
    check_among(state, order, |group| state.count_group_orders(order.account, group))
}

/// As [`check`], for an order that may come to rest among this many others of its group.
pub(super) fn check_among(
    state: &ShardState,
    order: &NewOrder,
    others: impl FnOnce(GroupId) -> usize,
) -> Result<(), Rejection> {
    let Some(group) = order.instructions.group else { return Ok(()) };
    if state.purse(order.account).is_none() {
        return Ok(());
    }
    let known = state.group(order.account, group).ok_or(Rejection::GroupUnknown)?;
    if known.triggered {
        return Err(Rejection::GroupTriggered);
    }
    let full = order.terms.time_in_force().rests() && others(group) >= GROUP_ORDERS_MAX;
    if full { Err(Rejection::GroupOrdersLimit) } else { Ok(()) }
}

/// Returns the contracts that a group may still fill here; unknown, and so unlimited, for an
/// account without a purse here.
pub(super) fn left(state: &ShardState, (account, group): GroupKey, now: Timestamp) -> u64 {
    match state.group(account, group) {
        Some(group) => group.left(now),
        None if state.purse(account).is_none() => u64::MAX,
        None => 0,
    }
}

/// Returns the cost of triggering a group: its orders, reduce-only buys that may shrink when one of
/// its sells ends, and shards that its home notifies.
fn counts_to_end(state: &ShardState, key: GroupKey) -> usize {
    let mut shrink: BTreeMap<(MarketId, Contract), usize> = BTreeMap::new();
    let mut orders = 0;
    for order in state.group_orders(key.0, key.1) {
        orders += 1;
        let (market, resting) = state.live_order(order).expect("an order of a group rests");
        if resting.owner.entry.side() == Side::Sell {
            let market = market.listing.market;
            // What it frees is redeemed with the other contract, which only buys of this one
            // reduce.
            let contract = resting.owner.entry.contract();
            shrink.insert((market, contract), reduce::count(state, market, key.0, contract));
        }
    }
    let tells = if state.is_home(key.0) { told(state, key.0).count() } else { 0 };
    orders + shrink.values().sum::<usize>() + tells
}

/// The groups to which one taker's fills belong. What they have filled changes with each fill; the
/// state changes only when everything is decided.
#[derive(Default)]
pub struct Met(BTreeMap<GroupKey, Filled>);

struct Filled {
    left: u64,
    filled: u64,
}

impl Met {
    /// Returns the cost of meeting this order besides the order itself.
    #[inline]
    pub fn counts(maker: &MarketOrder) -> usize {
        if maker.owner.group.is_some() { GROUP_COUNTS } else { 0 }
    }

    /// Returns true if the order's group was triggered by this taker's fills.
    #[inline]
    pub fn has_triggered(&self, maker: &MarketOrder) -> bool {
        self.is_triggered(maker.group())
    }

    /// Returns true if this group was triggered by this taker's fills.
    #[inline]
    pub fn is_triggered(&self, key: Option<GroupKey>) -> bool {
        key.is_some_and(|key| self.0.get(&key).is_some_and(|met| met.left == 0))
    }

    /// Caps a quantity at what the groups of both orders leave.
    #[inline]
    pub fn at_most(
        &mut self,
        state: &ShardState,
        keys: [Option<GroupKey>; 2],
        quantity: Quantity,
        now: Timestamp,
    ) -> Quantity {
        keys.into_iter().flatten().fold(quantity, |quantity, key| {
            let met = self.0.entry(key).or_insert_with(|| Filled { left: left(state, key, now), filled: 0 });
            reduce::at_most(quantity, met.left)
        })
    }

    /// Returns the cost of the groups that a trade of this many contracts would trigger.
    #[inline]
    pub fn counts_to_end(&self, state: &ShardState, keys: [Option<GroupKey>; 2], quantity: Quantity) -> usize {
        let triggers = |key: &GroupKey| !quantity.is_zero() && self.0[key].left == u64::from(quantity.contracts());
        different(keys).filter(triggers).map(|key| counts_to_end(state, key)).sum()
    }

    /// Records a trade between orders of these groups.
    #[inline]
    pub fn traded(&mut self, keys: [Option<GroupKey>; 2], quantity: Quantity) {
        for key in different(keys) {
            let met = self.0.get_mut(&key).expect("it was asked before");
            met.left -= u64::from(quantity.contracts());
            met.filled += u64::from(quantity.contracts());
        }
    }

    /// Emits what became of the groups, after the taker's trades.
    pub fn tell(&self, state: &ShardState, context: &mut DecisionContext<'_>) {
        for (&(account, group), met) in self.0.iter().filter(|(_, met)| met.filled > 0) {
            let contracts = met.filled;
            let before = state.group(account, group).map_or(0, |group| group.filled(context.now));
            let (filled, reported_by) = (before + contracts, None);
            context.events.push(Event::GroupFilled { account, group, contracts, filled, reported_by });
            if met.left == 0 {
                context.events.push(Event::GroupTriggered { account, group, cause: TriggerCause::Filled });
            }
        }
    }
}

/// Returns the groups of both orders of a trade; a common group once.
#[inline]
fn different([taker, maker]: [Option<GroupKey>; 2]) -> impl Iterator<Item = GroupKey> {
    taker.into_iter().chain(maker.filter(|maker| Some(*maker) != taker))
}
