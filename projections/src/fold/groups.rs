//! Groups of orders.
//!
//! Every shard where an account has a purse records events of the account's groups. Only those of
//! the account's home shard count; the Postgres writer skips the others.
//!
//! | event             | effect on the group's row                                     |
//! |-------------------|---------------------------------------------------------------|
//! | GroupSet anew     | exists, with these limits, not triggered: created or reset    |
//! | GroupSet          | has these limits                                              |
//! | GroupTriggered    | is triggered, unless it was already                           |
//! | GroupDeleted      | is deleted                                                    |

use schemas::{AccountId, Event, GroupId, GroupLimits, TriggerCause};

use super::RowChanges;
use super::last_change::LastChange;

/// The changes of one group of an account's orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupDelta {
    /// True if the group does not exist after the batch.
    pub deleted: bool,
    /// The last generation created or reset in this batch, and when. If set, earlier state of the
    /// group is void.
    pub anew: Option<(u64, LastChange)>,
    /// The group's limits, if an event of this batch contains them.
    pub limits: Option<GroupLimits>,
    /// Why and when the group was first triggered in this batch, counted from its last reset if
    /// any.
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
