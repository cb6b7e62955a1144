//! Groups of orders. Every shard where an account has a purse tells of its groups, and only the account's home tells what
//! counts: who writes them leaves the others out.
//!
//! | event          | the group's row                                          |
//! |----------------|----------------------------------------------------------|
//! | GroupSet anew  | is there, with these limits, not triggered: made or reset |
//! | GroupSet       | has these limits                                         |
//! | GroupTriggered | is triggered, unless it was                              |
//! | GroupDeleted   | is gone                                                  |

use schemas::{AccountId, Event, GroupId, GroupLimits, TriggerCause};

use super::{LastChange, RowChanges};

/// What became of a group of an account's orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupDelta {
    /// There is no such group after the batch.
    pub deleted: bool,
    /// The generation that was made or reset last in this batch, and when; with it, nothing of before counts.
    pub anew: Option<(u64, LastChange)>,
    /// Its limits, if they were told.
    pub limits: Option<GroupLimits>,
    /// Why and when it was first triggered in this batch, since it was made or reset if it was.
    pub triggered: Option<(TriggerCause, LastChange)>,
    /// The last change.
    pub last: LastChange,
}

impl RowChanges {
    pub(super) fn fold_group(&mut self, at: LastChange, event: &Event) {
        match event {
            Event::GroupSet { account, group, limits, generation, anew } => {
                let delta = self.group(*account, *group, at);
                delta.limits = Some(*limits);
                if *anew {
                    (delta.deleted, delta.anew, delta.triggered) = (false, Some((*generation, at)), None);
                }
            }
            Event::GroupTriggered { account, group, cause } => {
                self.group(*account, *group, at).triggered.get_or_insert((*cause, at));
            }
            Event::GroupDeleted { account, group } => {
                let gone = GroupDelta { deleted: true, anew: None, limits: None, triggered: None, last: at };
                *self.group(*account, *group, at) = gone;
            }
            _ => {}
        }
    }

    fn group(&mut self, account: AccountId, group: GroupId, at: LastChange) -> &mut GroupDelta {
        let unchanged = GroupDelta { deleted: false, anew: None, limits: None, triggered: None, last: at };
        let delta = self.groups.entry((account, group)).or_insert(unchanged);
        delta.last = at;
        delta
    }
}
