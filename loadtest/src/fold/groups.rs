//! Groups of orders, as their accounts' homes tell them. Other shards tell of copies, which are no rows.

use schemas::event::Event;
use schemas::{AccountId, GroupId, GroupLimits, Shard, Timestamp, TriggerCause};

use super::{Fold, OutcomeContext};

/// A group of an account's orders, as a row of the table `order_groups` says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpectedGroup {
    /// What it may fill.
    pub limits: GroupLimits,
    /// Which making or reset of a group of the account it comes from.
    pub generation: u64,
    /// When it was made or reset.
    pub set_at: Timestamp,
    /// Why and when it was triggered first since then.
    pub triggered: Option<(TriggerCause, Timestamp)>,
    /// Its account's home.
    pub shard: Shard,
    /// The last outcome there that changed it.
    pub sequence: u64,
}

impl Fold {
    pub(super) fn groups(&mut self, event: &Event, place: OutcomeContext) {
        match event {
            Event::GroupSet { account, group, limits, generation, anew } if self.is_home(*account, place) => {
                let (limits, generation, shard, sequence) = (*limits, *generation, place.shard, place.sequence);
                if *anew {
                    let made =
                        ExpectedGroup { limits, generation, set_at: place.time, triggered: None, shard, sequence };
                    self.groups.insert((*account, *group), made);
                } else {
                    self.group(*account, *group, place, |known| known.limits = limits);
                }
            }
            Event::GroupTriggered { account, group, cause } if self.is_home(*account, place) => {
                self.group(*account, *group, place, |known| {
                    known.triggered.get_or_insert((*cause, place.time));
                });
            }
            Event::GroupDeleted { account, group } if self.is_home(*account, place) => {
                let known = self.groups.remove(&(*account, *group)).is_some();
                self.faults.check(known, || format!("group {group} of account {account} was deleted and never made"));
            }
            _ => {}
        }
    }

    /// An account is opened at its home before anything else is told of it there.
    fn is_home(&self, account: AccountId, place: OutcomeContext) -> bool {
        self.accounts.get(&account).is_some_and(|known| known.shard == place.shard)
    }

    fn group(
        &mut self,
        account: AccountId,
        group: GroupId,
        place: OutcomeContext,
        change: impl FnOnce(&mut ExpectedGroup),
    ) {
        match self.groups.get_mut(&(account, group)) {
            Some(known) => {
                known.sequence = place.sequence;
                change(known);
            }
            None => self.faults.add(|| format!("group {group} of account {account} changed and was never made")),
        }
    }
}
