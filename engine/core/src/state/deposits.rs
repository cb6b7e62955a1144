//! Deposits that wait for a second admin, and each admin's sole deposits of today.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use schemas::limits::{DAY_MS, DEPOSIT_ALONE_MAX, DEPOSITING_ADMINS_MAX, DEPOSITS_ALONE_A_DAY_MAX};
use schemas::{AccountId, AdminId, ClientId, Credits, ProposalId, Timestamp};

/// A deposit that waits. It is not credited yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Proposed {
    /// The account to credit.
    pub account: AccountId,
    /// The amount.
    pub amount: Credits,
    /// The client id.
    pub client_id: Option<ClientId>,
    /// The admin who proposed it.
    pub by: AdminId,
    /// The time until which it can be confirmed.
    pub expires: Timestamp,
}

/// Deposits that wait for a second admin, and the sums of those made without one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Deposits {
    /// Counter of the last proposal.
    pub proposed: u64,
    /// Waiting deposits. All wait equally long, so the first is due first.
    pub open: BTreeMap<ProposalId, Proposed>,
    /// The day (UTC, days since 1970) of `alone`.
    pub day: u64,
    /// What each admin has deposited alone on that day. The first such deposit of a day clears the
    /// earlier ones.
    pub alone: BTreeMap<AdminId, Credits>,
}

impl Deposits {
    /// Returns true if an admin may deposit this amount now without a second admin.
    ///
    /// | the admin                                       | may                                                     |
    /// |-------------------------------------------------|---------------------------------------------------------|
    /// | has deposited alone today                       | what keeps the deposit and the day's sum within limits  |
    /// | has not, and fewer than the most have           | the same                                                |
    /// | has not, and as many as are counted have        | nothing: its sum could not be recorded                  |
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

    /// Returns the waiting deposit with a client id.
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
