//! Order groups: their limits, and what has filled on this shard.

use bincode::{Decode, Encode};
use schemas::limits::GROUP_WINDOW_PARTS;
use schemas::{AccountId, GroupId, GroupLimits, GroupNow, OrderId, Timestamp};

use super::{Few, MarketOrder, ShardState};

/// Length of one part of a window, in milliseconds for each second of the window.
const PART_MS_A_SECOND: u64 = 1_000 / GROUP_WINDOW_PARTS;

/// An account's groups, as far as a shard knows them.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Groups {
    /// Number of group creations and resets, as far as this shard knows.
    pub generations: u64,
    pub(crate) all: Few<GroupId, Group>,
}

impl Groups {
    /// Returns all groups, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.all.iter().map(|(id, group)| (*id, group))
    }

    /// Returns the number of groups.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns true if there are no groups.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// A group of an account's orders, as a shard knows it.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Group {
    /// The group's limits.
    pub limits: GroupLimits,
    /// The number of the creation or reset (of the account's groups) that this group is from.
    pub generation: u64,
    /// The group accepts no orders until it is reset.
    pub triggered: bool,
    /// What has filled here; at home, also what other shards have reported.
    pub(crate) window: Window,
    /// Away from home: contracts that have filled and were not reported.
    pub(crate) unreported: u64,
    /// Away from home: the group was triggered here, and that was not reported.
    pub(crate) trigger_unreported: bool,
}

impl Group {
    /// Returns a group as it is after its creation or reset.
    pub fn new(limits: GroupLimits, generation: u64) -> Self {
        let (window, triggered, unreported, trigger_unreported) = (Window::default(), false, 0, false);
        Self { limits, generation, triggered, window, unreported, trigger_unreported }
    }

    /// Returns the contracts that have filled in the window, as counted here.
    pub fn filled(&self, now: Timestamp) -> u64 {
        self.window.sum(self.limits.window_s(), now)
    }

    /// Returns the contracts that may still fill, as counted here. Filling the last of them
    /// triggers the group.
    pub fn left(&self, now: Timestamp) -> u64 {
        if self.triggered { 0 } else { u64::from(self.limits.contracts()).saturating_sub(self.filled(now)) }
    }

    /// Returns the group as it is reported to other shards.
    pub fn now(&self) -> GroupNow {
        GroupNow { limits: self.limits, generation: self.generation, triggered: self.triggered }
    }

    /// Returns true if the home must be notified of what happened here.
    pub fn is_unreported(&self) -> bool {
        self.unreported > 0 || self.trigger_unreported
    }

    /// Changes the limits. Fills keep counting; with another window they count as if they had
    /// happened now, so that none is forgotten too early.
    pub fn limit(&mut self, limits: GroupLimits, now: Timestamp) {
        if limits.window_s() != self.limits.window_s() {
            let filled = self.filled(now);
            self.window = Window::default();
            self.window.count(limits.window_s(), now, filled);
        }
        self.limits = limits;
    }

    /// Counts a fill.
    pub fn count(&mut self, contracts: u64, now: Timestamp) {
        self.window.count(self.limits.window_s(), now, contracts);
    }
}

/// Contracts that filled recently: the sum for each part of the window, oldest first. A part is a
/// fiftieth of the window, and begins at a whole number of parts since time 0.
///
/// A fill counts until its part is more than a window old: for the whole window, and at most for
/// one part more. So there are never more than [`GROUP_WINDOW_PARTS`] + 1 parts.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Window(pub(crate) Vec<(u64, u64)>);

impl Window {
    fn count(&mut self, window_s: u8, now: Timestamp, contracts: u64) {
        if contracts == 0 {
            return;
        }
        let present = part(window_s, now);
        self.0.retain(|(part, _)| part + GROUP_WINDOW_PARTS >= present);
        match self.0.last_mut().filter(|(part, _)| *part == present) {
            Some((_, sum)) => *sum = sum.saturating_add(contracts),
            None => self.0.push((present, contracts)),
        }
    }

    fn sum(&self, window_s: u8, now: Timestamp) -> u64 {
        let present = part(window_s, now);
        let counts = self.0.iter().filter(|(part, _)| part + GROUP_WINDOW_PARTS >= present);
        counts.fold(0, |sum, (_, contracts)| sum.saturating_add(*contracts))
    }
}

/// Returns the part of a window that contains a time.
fn part(window_s: u8, time: Timestamp) -> u64 {
    time.0 / (u64::from(window_s) * PART_MS_A_SECOND)
}

impl ShardState {
    /// Returns an account's groups, as far as this shard knows them.
    pub fn groups(&self, account: AccountId) -> Option<&Groups> {
        self.facts.groups.get(account)
    }

    /// Returns a group of an account's orders. Usually no account has any.
    #[inline]
    pub fn group(&self, account: AccountId, group: GroupId) -> Option<&Group> {
        self.facts.groups.get(account)?.all.get(&group)
    }

    /// Returns a group's orders that rest here.
    pub(crate) fn group_orders(&self, account: AccountId, group: GroupId) -> impl Iterator<Item = OrderId> {
        self.lookup.group_orders.get(&(account, group)).into_iter().flatten().copied()
    }

    /// Returns the number of a group's orders that rest here.
    pub(crate) fn count_group_orders(&self, account: AccountId, group: GroupId) -> usize {
        self.lookup.group_orders.get(&(account, group)).map_or(0, std::collections::BTreeSet::len)
    }
}

impl MarketOrder {
    /// Returns the order's group and account.
    #[inline]
    pub fn group(&self) -> Option<(AccountId, GroupId)> {
        self.owner.group.map(|group| (self.owner.account, group))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(window_s: u8) -> GroupLimits {
        GroupLimits::new(100, window_s).unwrap()
    }

    #[test]
    fn a_fill_counts_for_its_window_and_at_most_a_part_more() {
        // A part of a window of 10 seconds is 200 milliseconds.
        for (filled, gone) in [(10_000, 20_200), (10_199, 20_200), (10_200, 20_400)] {
            let mut group = Group::new(limits(10), 1);
            group.count(7, Timestamp(filled));
            assert_eq!(group.filled(Timestamp(gone - 1)), 7, "{filled}");
            assert_eq!(group.filled(Timestamp(gone)), 0, "{filled}");
        }
    }

    #[test]
    fn with_another_window_what_has_filled_fills_now() {
        let mut group = Group::new(limits(1), 1);
        group.count(3, Timestamp(5_000));
        group.count(4, Timestamp(5_900));
        group.limit(limits(2), Timestamp(5_950));
        assert_eq!(group.filled(Timestamp(7_950)), 7);
        assert_eq!(group.filled(Timestamp(8_000)), 0);
        // Setting the same window changes nothing.
        group.count(5, Timestamp(9_000));
        group.limit(GroupLimits::new(1, 2).unwrap(), Timestamp(10_900));
        assert_eq!((group.filled(Timestamp(10_999)), group.filled(Timestamp(11_040))), (5, 0));
    }

    proptest! {
        /// Compared with a list of all fills: nothing of the last window is missing, nothing that
        /// is older than a window and a part counts, and the memory is bounded.
        #[test]
        fn a_window_forgets_nothing_too_early(
            window_s in 1_u8..=60, fills in prop::collection::vec((0_u64..3_000, 1_u64..50), 1..200), later in 0_u64..70_000,
        ) {
            let (mut group, mut now, mut all) = (Group::new(limits(window_s), 1), 1_000_000, Vec::new());
            for (after, contracts) in fills {
                now += after;
                group.count(contracts, Timestamp(now));
                all.push((now, contracts));
                prop_assert!(group.window.0.len() as u64 <= GROUP_WINDOW_PARTS + 1);
            }
            now += later;
            let window = u64::from(window_s) * 1_000;
            let since = |age: u64| -> u64 { all.iter().filter(|(at, _)| now - at < age).map(|(_, n)| n).sum() };
            let counted = group.filled(Timestamp(now));
            prop_assert!(counted >= since(window + 1), "{counted} of {}", since(window + 1));
            prop_assert!(counted <= since(window + window / GROUP_WINDOW_PARTS), "{counted}");
        }
    }
}
