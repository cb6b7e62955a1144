//! Checks I-13 from the logs alone: on no shard do a group's orders fill more than its limit in a
//! window, none trades once the group is triggered, none is triggered too early, and a home shard
//! adds up the reports of its account's other shards.

use std::collections::{BTreeMap, BTreeSet};

use engine_core::ShardState;
use schemas::event::Trade;
use schemas::limits::GROUP_WINDOW_PARTS;
use schemas::{AccountId, Event, GroupId, GroupLimits, GroupNow, Message, OrderId, Outcome, Shard, TriggerCause};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// The account and the group.
type GroupKey = (AccountId, GroupId);

/// Contracts by shard, group and generation.
type GroupSums = BTreeMap<(Shard, GroupKey, u64), u64>;

/// Panics unless all shards enforced their groups, and home shards received all required reports.
pub fn check(cluster: &Cluster, histories: &[History]) {
    let (mut filled, mut sent, mut reported) = (GroupSums::new(), GroupSums::new(), GroupSums::new());
    let mut homes = BTreeMap::new();
    for history in histories {
        let (orders, groups) = (BTreeMap::new(), BTreeMap::new());
        let mut reader = GroupsOracle {
            cluster,
            shard: history.shard,
            orders,
            groups,
            sums: [GroupSums::new(), GroupSums::new(), GroupSums::new()],
        };
        for (outcome, _) in &history.outcomes {
            reader.read(outcome);
        }
        let [filled_here, sent_here, reported_here] = reader.sums;
        filled.extend(filled_here);
        sent.extend(sent_here);
        // Keyed by the reporting shard, so home shards do not share any.
        reported.extend(reported_here);
        homes.extend(
            reader.groups.into_iter().filter(|((account, _), _)| cluster.map.of_account(*account) == history.shard),
        );
    }
    for (which, contracts) in &reported {
        assert!(sent.get(which) >= Some(contracts), "I-13: {which:?}: {contracts} are counted that were not reported");
    }
    let away = |(shard, (account, _), _): &(Shard, GroupKey, u64)| cluster.map.of_account(*account) != *shard;
    for (which, contracts) in filled.iter().filter(|(which, _)| away(which)) {
        let (_, key, generation) = which;
        let goes_on = homes.get(key).is_some_and(|home| home.generation == *generation && !home.triggered);
        let all = [sent.get(which), reported.get(which)];
        assert!(!goes_on || all == [Some(contracts); 2], "I-13: {which:?}: of {contracts} the home has heard {all:?}");
    }
}

/// Panics unless every shard with a purse of an account has the same groups as the home shard. For
/// the states at the end.
pub fn check_agreed<'a>(states: impl Iterator<Item = &'a ShardState> + Clone) {
    let known = |state: &ShardState, account| -> Vec<(GroupId, GroupNow)> {
        let groups = state.groups(account).into_iter().flat_map(|groups| groups.iter());
        groups.map(|(id, group)| (id, group.now())).collect()
    };
    for home in states.clone() {
        for (account, _) in home.accounts() {
            let at_home = known(home, account);
            for away in states.clone().filter(|away| away.purse(account).is_some()) {
                let (shard, there) = (away.shard(), known(away, account));
                assert_eq!(there, at_home, "I-13: groups of {account} on shard {shard}, and at home");
            }
        }
    }
}

struct GroupsOracle<'a> {
    cluster: &'a Cluster,
    shard: Shard,
    /// Orders that belong to a group.
    orders: BTreeMap<OrderId, GroupKey>,
    groups: BTreeMap<GroupKey, Known>,
    /// What has filled here, what was reported from here, what others have reported here.
    sums: [GroupSums; 3],
}

struct Known {
    limits: GroupLimits,
    generation: u64,
    triggered: bool,
    /// The times and amounts of fills: those that certainly count, and those that may count for a
    /// part of the window longer.
    certain: Fills,
    possible: Fills,
    /// Filled in this outcome, and not yet in an event.
    unsaid: u64,
    /// Filled, and not yet reported to the home shard.
    unreported: u64,
}

#[derive(Default)]
struct Fills(Vec<(u64, u64)>);

impl Fills {
    fn within(&self, now: u64, age: u64) -> u64 {
        self.0.iter().filter(|(at, _)| now - at <= age).map(|(_, contracts)| contracts).sum()
    }
}

impl Known {
    fn certain(&self, now: u64) -> u64 {
        self.certain.within(now, window(self.limits))
    }

    fn possible(&self, now: u64) -> u64 {
        let window = window(self.limits);
        self.possible.within(now, window + window / GROUP_WINDOW_PARTS)
    }

    fn fill(&mut self, now: u64, contracts: u64) {
        self.certain.0.push((now, contracts));
        self.possible.0.push((now, contracts));
    }

    /// If the window changes, everything that counts is treated as filled now.
    fn limit(&mut self, limits: GroupLimits, now: u64) {
        if limits.window_s() != self.limits.window_s() {
            let (certain, possible) = (self.certain(now), self.possible(now));
            (self.certain, self.possible) = (Fills(vec![(now, certain)]), Fills(vec![(now, possible)]));
        }
        self.limits = limits;
    }
}

/// Milliseconds.
fn window(limits: GroupLimits) -> u64 {
    u64::from(limits.window_s()) * 1_000
}

impl GroupsOracle<'_> {
    fn read(&mut self, outcome: &Outcome) {
        let now = outcome.time.0;
        let unreported = self.groups.iter().filter(|(_, known)| known.unreported > 0);
        let before: BTreeSet<GroupKey> = unreported.map(|(key, _)| *key).collect();
        for event in &outcome.events {
            self.read_event(now, event, &before);
        }
        let unsaid = self.groups.iter().find(|(_, known)| known.unsaid > 0).map(|(key, _)| key);
        assert!(unsaid.is_none(), "I-13: {unsaid:?} has filled, and no event says so: {outcome:?}");
    }

    fn read_event(&mut self, now: u64, event: &Event, before: &BTreeSet<GroupKey>) {
        match event {
            Event::OrderPlaced(placed) => {
                if let Some(group) = placed.order.instructions.group {
                    self.orders.insert(placed.id, (placed.order.account, group));
                }
            }
            Event::Traded(trade) => self.trade(now, trade),
            Event::GroupSet { account, group, limits, generation, anew } => {
                self.set(now, (*account, *group), *limits, *generation, *anew);
            }
            Event::GroupFilled { account, group, contracts, filled, reported_by } => {
                self.count(now, (*account, *group), *contracts, *reported_by);
                let known = self.known((*account, *group));
                let (least, most) = (known.certain(now), known.possible(now));
                assert!(least <= *filled && *filled <= most, "I-13: {event:?}, and it is {least} to {most}");
            }
            Event::GroupTriggered { account, group, cause } => self.trigger(now, (*account, *group), *cause),
            Event::GroupReported { account, group } => {
                let key = (*account, *group);
                self.known(key).unreported = 0;
                if before.contains(&key) {
                    self.cluster.saw(Seen::GroupReportedLate);
                }
            }
            Event::GroupDeleted { account, group } => {
                self.groups.remove(&(*account, *group));
                self.cluster.saw(Seen::GroupDeleted);
            }
            Event::Sent { message: Message::GroupFilled { account, group, generation, contracts, .. }, .. } => {
                let which = (self.shard, (*account, *group), *generation);
                *self.sums[1].entry(which).or_default() += contracts;
            }
            _ => {}
        }
    }

    fn known(&mut self, key: GroupKey) -> &mut Known {
        let shard = self.shard;
        self.groups.get_mut(&key).unwrap_or_else(|| panic!("I-13: shard {shard} knows no group {key:?}"))
    }

    /// A trade between two orders of one group counts once.
    fn trade(&mut self, now: u64, trade: &Trade) {
        let contracts = u64::from(trade.quantity.contracts());
        let [maker, taker] = [trade.maker.order, trade.taker.order].map(|order| self.orders.get(&order).copied());
        for key in maker.into_iter().chain(taker.filter(|taker| Some(*taker) != maker)) {
            let known = self.known(key);
            assert!(!known.triggered, "I-13: an order of {key:?} trades, which is triggered: {trade:?}");
            let filled = known.certain(now) + contracts;
            assert!(filled <= known.limits.contracts().into(), "I-13: {key:?} fills {filled} of {:?}", known.limits);
            known.fill(now, contracts);
            known.unsaid += contracts;
        }
    }

    fn set(&mut self, now: u64, key: GroupKey, limits: GroupLimits, generation: u64, anew: bool) {
        if !anew {
            let known = self.known(key);
            assert_eq!(known.generation, generation, "I-13: {key:?} changes");
            known.limit(limits, now);
            self.cluster.saw(Seen::GroupChanged);
            return;
        }
        let (certain, possible) = (Fills::default(), Fills::default());
        let fresh = Known { limits, generation, triggered: false, certain, possible, unsaid: 0, unreported: 0 };
        let before = self.groups.insert(key, fresh);
        assert!(before.as_ref().is_none_or(|before| before.generation < generation), "I-13: {key:?} is made again");
        if before.is_some() {
            self.cluster.saw(Seen::GroupReset);
        }
    }

    fn count(&mut self, now: u64, key: GroupKey, contracts: u64, reported_by: Option<Shard>) {
        let (own, home) = (self.shard, self.cluster.map.of_account(key.0) == self.shard);
        let known = self.known(key);
        let generation = known.generation;
        if let Some(from) = reported_by {
            known.fill(now, contracts);
            *self.sums[2].entry((from, key, generation)).or_default() += contracts;
            self.cluster.saw(Seen::GroupAddedUp);
            return;
        }
        assert_eq!(known.unsaid, contracts, "I-13: what {key:?} fills");
        known.unsaid = 0;
        known.unreported += if home { 0 } else { contracts };
        *self.sums[0].entry((own, key, generation)).or_default() += contracts;
    }

    fn trigger(&mut self, now: u64, key: GroupKey, cause: TriggerCause) {
        let known = self.known(key);
        known.triggered = true;
        let (possible, limit) = (known.possible(now), known.limits.contracts());
        match cause {
            TriggerCause::Filled => {
                assert!(possible >= limit.into(), "I-13: {key:?} is triggered at {possible} of {limit}");
                self.cluster.saw(Seen::GroupFilledUp);
            }
            TriggerCause::Elsewhere => self.cluster.saw(Seen::GroupTriggeredElsewhere),
            TriggerCause::Requested => {}
        }
    }
}
