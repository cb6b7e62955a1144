//! Requests of accounts about order groups, and the choice of an order's group.

use schemas::{AccountId, Command, GroupAct, GroupId, GroupLimits};

use super::{Population, RoutedCommand, small};
use crate::random::Random;

/// The number of groups of an account. Few, so that orders reach their limits.
const GROUPS: u32 = 2;

/// The largest limit, in contracts. Orders are small as well.
const CONTRACTS_MAX: u32 = 8;

/// The longest window, in seconds: shorter than a run.
const WINDOW_MAX_S: u32 = 20;

impl Population {
    /// Returns the commands that create the groups which the account's orders may name from the
    /// start.
    pub fn make_groups(&self, account: AccountId, random: &mut Random) -> Vec<RoutedCommand> {
        let make = |number| {
            let act = GroupAct::Make(limits(random));
            self.at_account(account, Command::ActOnGroup { account, group: numbered(number), act }, None)
        };
        (1..=GROUPS).map(make).collect()
    }

    /// Returns an action, mostly one that a triggered group needs.
    pub fn act_on_group(&self, account: AccountId, random: &mut Random) -> RoutedCommand {
        let act = match random.below(10) {
            0..3 => GroupAct::Make(limits(random)),
            3 | 4 => GroupAct::Change(limits(random)),
            5 => GroupAct::Trigger,
            6 if random.one_in(2) => GroupAct::Delete,
            _ => GroupAct::Reset,
        };
        self.at_account(account, Command::ActOnGroup { account, group: some_group(random), act }, None)
    }
}

/// Returns the group of an order, if it names one.
pub fn of_order(random: &mut Random) -> Option<GroupId> {
    random.one_in(4).then(|| some_group(random))
}

fn some_group(random: &mut Random) -> GroupId {
    numbered(1 + small(random, GROUPS))
}

fn numbered(number: u32) -> GroupId {
    u16::try_from(number).ok().and_then(GroupId::new).expect("small, and not 0")
}

fn limits(random: &mut Random) -> GroupLimits {
    let (contracts, window_s) = (1 + small(random, CONTRACTS_MAX), 1 + small(random, WINDOW_MAX_S));
    let window_s = u8::try_from(window_s).expect("small");
    GroupLimits::new(contracts, window_s).expect("within their ranges")
}
