//! Deposits of a shard's accounts that wait for a second admin, and what each admin has deposited alone today.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use schemas::limits::{DAY_MS, DEPOSIT_ALONE_MAX, DEPOSITING_ADMINS_MAX, DEPOSITS_ALONE_A_DAY_MAX};
use schemas::{AccountId, AdminId, ClientId, Credits, ProposalId, Timestamp};

/// A deposit that waits. It is no credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Proposed {
    /// Whose credits it would be.
    pub account: AccountId,
    /// How much.
    pub amount: Credits,
    /// The client's own name for it.
    pub client_id: Option<ClientId>,
    /// Who proposed it.
    pub by: AdminId,
    /// It can be confirmed until then.
    pub expires: Timestamp,
}

/// What waits for a second admin, and what was deposited without one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Deposits {
    /// Counter of the last proposal.
    pub proposed: u64,
    /// What waits. All wait as long, so the first is due first.
    pub open: BTreeMap<ProposalId, Proposed>,
    /// The day (UTC, since 1970) that `alone` is about.
    pub day: u64,
    /// What each admin has deposited alone on that day. That of days before is forgotten with the first such deposit of
    /// a day.
    pub alone: BTreeMap<AdminId, Credits>,
}

impl Deposits {
    /// True if an admin may deposit this much now without a second one.
    ///
    /// | the admin                                       | may                                                     |
    /// |-------------------------------------------------|---------------------------------------------------------|
    /// | has deposited alone today                       | what keeps the deposit and the day's sum within limits  |
    /// | has not, and fewer than the most have           | the same                                                |
    /// | has not, and as many as are counted have        | nothing: nobody could say how much it was               |
    pub fn may_be_alone(&self, by: AdminId, amount: Credits, now: Timestamp) -> bool {
        let today = day_of(now) == self.day;
        let sum = self.alone.get(&by).copied().filter(|_| today);
        let counted = sum.is_some() || !today || self.alone.len() < DEPOSITING_ADMINS_MAX;
        let sum = sum.unwrap_or_default();
        counted && amount.0 <= DEPOSIT_ALONE_MAX && sum.0 <= DEPOSITS_ALONE_A_DAY_MAX - amount.0
    }

    pub(crate) fn add_alone(&mut self, by: AdminId, amount: Credits, now: Timestamp) {
        let day = day_of(now);
        if day != self.day {
            self.alone.clear();
            self.day = day;
        }
        *self.alone.entry(by).or_default() += amount;
    }

    /// What waits under a client's name.
    pub fn named(&self, account: AccountId, client_id: ClientId) -> Option<(ProposalId, &Proposed)> {
        let mut open = self.open.iter().map(|(id, proposed)| (*id, proposed));
        open.find(|(_, proposed)| (proposed.account, proposed.client_id) == (account, Some(client_id)))
    }
}

fn day_of(time: Timestamp) -> u64 {
    time.0 / DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(DAY_MS / 2);
    const MOST: Credits = Credits(DEPOSIT_ALONE_MAX);

    #[test]
    fn one_deposit_and_the_sum_of_a_day_are_limited() {
        let (mut deposits, admin) = (Deposits::default(), AdminId(1));
        assert!(!deposits.may_be_alone(admin, MOST + Credits(1), NOON));
        for _ in 0..DEPOSITS_ALONE_A_DAY_MAX / DEPOSIT_ALONE_MAX {
            assert!(deposits.may_be_alone(admin, MOST, NOON));
            deposits.add_alone(admin, MOST, NOON);
        }
        assert!(!deposits.may_be_alone(admin, Credits(1), NOON), "splitting does not help");
        assert!(!deposits.may_be_alone(admin, Credits(1), Timestamp(DAY_MS - 1)));
        assert!(deposits.may_be_alone(AdminId(2), MOST, NOON), "each admin has its own sum");
        assert!(deposits.may_be_alone(admin, MOST, Timestamp(DAY_MS)), "and each day");
        deposits.add_alone(admin, Credits(1), Timestamp(DAY_MS));
        assert_eq!((deposits.day, deposits.alone.len(), deposits.alone[&admin]), (1, 1, Credits(1)));
    }

    #[test]
    fn more_admins_than_are_counted_deposit_nothing_alone() {
        let mut deposits = Deposits::default();
        for admin in 0..DEPOSITING_ADMINS_MAX as u64 {
            assert!(deposits.may_be_alone(AdminId(admin), Credits(1), NOON));
            deposits.add_alone(AdminId(admin), Credits(1), NOON);
        }
        let one_more = AdminId(DEPOSITING_ADMINS_MAX as u64);
        assert!(!deposits.may_be_alone(one_more, Credits(1), NOON));
        assert!(deposits.may_be_alone(AdminId(0), Credits(1), NOON));
        assert!(deposits.may_be_alone(one_more, Credits(1), Timestamp(DAY_MS)), "tomorrow it is counted");
    }
}
