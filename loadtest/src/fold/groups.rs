//! Groups of orders, as recorded by their accounts' home shards. Other shards record copies, which
//! have no rows.

use schemas::event::Event;
use schemas::{AccountId, GroupId, GroupLimits, Shard, Timestamp, TriggerCause};

use super::{Fold, OutcomeContext};

/// A group of an account's orders, as in the table `order_groups`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpectedGroup {
    /// The group's limits.
    pub limits: GroupLimits,
    /// The creation or reset of a group of the account that it dates from.
    pub generation: u64,
    /// When it was created or reset.
    pub set_at: Timestamp,
    /// Why and when it was first triggered since then.
    pub triggered: Option<(TriggerCause, Timestamp)>,
    /// The account's home shard.
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
                self.faults
                    .check(known, || format!("group {group} of account {account} was deleted and never created"));
            }
            _ => {}
        }
    }

    /// Returns true on the account's home shard, where an account's opening precedes all its other
    /// events.
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
            None => self.faults.add(|| format!("group {group} of account {account} changed and was never created")),
        }
    }
}
