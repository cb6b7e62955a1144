//! How far each account's orders and credits have changed on each shard, so that a read shows what
//! the account was told before. Pure.
//!
//! Every gateway folds every shard, so it knows this of all accounts, whichever gateway answered
//! them. Accounts without a recent change are forgotten together: for them, all shards count as
//! changed at the last change of any of these. Changes before the view's start are unknown here: no
//! read model is served from before that ([`crate::fresh`]).

use std::collections::{BTreeSet, HashMap};

use schemas::effects::{position_changes, purse_change};
use schemas::ids::LogPosition;
use schemas::{AccountId, Event, Shard};

use super::accounts::{account_of_group, accounts_of};

/// Accounts of one generation; there are two.
const GENERATION: usize = 65_536;

/// The last changes of accounts.
#[derive(Debug, Default)]
pub struct Touched {
    newer: HashMap<AccountId, Vec<LogPosition>>,
    older: HashMap<AccountId, Vec<LogPosition>>,
    forgotten: Vec<LogPosition>,
}

impl Touched {
    /// Folds an outcome.
    pub fn apply(&mut self, shard: Shard, sequence: u64, events: &[Event]) {
        let accounts: BTreeSet<AccountId> = events.iter().flat_map(touched).collect();
        for account in accounts {
            self.touch(account, LogPosition { shard, sequence });
        }
    }

    fn touch(&mut self, account: AccountId, at: LogPosition) {
        if self.newer.len() == GENERATION && !self.newer.contains_key(&account) {
            let forgotten = std::mem::replace(&mut self.older, std::mem::take(&mut self.newer));
            forgotten.into_values().flatten().for_each(|at| raise(&mut self.forgotten, at));
        }
        raise(self.newer.entry(account).or_default(), at);
    }

    /// Returns the positions that a read of the account must have reached.
    pub fn of(&self, account: AccountId) -> Vec<LogPosition> {
        let mut wanted = self.forgotten.clone();
        let kept = [&self.older, &self.newer].into_iter().filter_map(|kept| kept.get(&account)).flatten();
        kept.for_each(|at| raise(&mut wanted, *at));
        wanted
    }
}

/// Raises a shard's position to a later one.
pub fn raise(positions: &mut Vec<LogPosition>, at: LogPosition) {
    match positions.iter_mut().find(|known| known.shard == at.shard) {
        Some(known) => known.sequence = known.sequence.max(at.sequence),
        None => positions.push(at),
    }
}

/// Returns the accounts whose readable data an event changes.
fn touched(event: &Event) -> impl Iterator<Item = AccountId> {
    let account = match event {
        Event::AccountFrozen { account, .. }
        | Event::AccountUnfrozen { account, .. }
        | Event::AccountLimited { account, .. }
        | Event::DeadManSwitchSet { account, .. }
        | Event::DeadManSwitchFired { account } => Some(*account),
        _ => account_of_group(event),
    };
    let purse = purse_change(event).map(|change| change.account);
    let positions = position_changes(event).map(|change| change.account);
    accounts_of(event).chain(account).chain(purse).chain(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, placed, trade};
    use schemas::Entry;

    const OTHER: Shard = Shard::new(1).unwrap();

    fn at(shard: Shard, sequence: u64) -> LogPosition {
        LogPosition { shard, sequence }
    }

    #[test]
    fn both_sides_of_a_trade_are_touched_and_nobody_else() {
        let (maker, taker) = (placed(1, Entry::BuyYes, 5_500, 10, 0), placed(2, Entry::BuyNo, 4_500, 4, 4));
        let mut touched = Touched::default();
        touched.apply(SHARD, 5, &[Event::OrderPlaced(maker)]);
        touched.apply(SHARD, 7, &[Event::OrderPlaced(taker), trade(9, &maker, &taker, 4, 6)]);
        touched.apply(OTHER, 3, &[Event::OrderPlaced(taker)]);
        assert_eq!(touched.of(AccountId(1)), [at(SHARD, 7)]);
        assert_eq!(touched.of(AccountId(2)), [at(SHARD, 7), at(OTHER, 3)]);
        assert_eq!(touched.of(AccountId(3)), []);
    }

    #[test]
    fn what_is_kept_is_bounded_and_who_is_forgotten_waits_for_more_and_never_for_less() {
        let mut touched = Touched::default();
        let accounts = 3 * GENERATION as u64;
        for account in 0..accounts {
            touched.touch(AccountId(account), at(SHARD, account + 1));
        }
        assert!(touched.newer.len() + touched.older.len() <= 2 * GENERATION);
        for account in 0..accounts {
            assert!(touched.of(AccountId(account))[0].sequence > account, "{account}");
        }
        assert_eq!(touched.of(AccountId(accounts - 1)), [at(SHARD, accounts)]);
    }
}
