//! Groups of an account's orders: the events of its home shard, and those of other shards about
//! their copies.

use super::*;

/// Number of group ids per account.
const GROUPS: u64 = 4;

impl Exchange {
    pub(super) fn any_group(&mut self) -> GroupId {
        GroupId::new(1 + self.random.below(GROUPS) as u16).unwrap()
    }

    /// Performs an account's request about one of its groups, or the effect of another shard's
    /// reports.
    pub(super) fn act_on_group(&mut self) -> Vec<Told> {
        let (account, id) = (self.any_account(), self.any_group());
        let mut told = Telling::new(self.command(), self.home(account));
        self.counter += 1;
        let (limits, generation) = (self.any_limits(), self.counter);
        match self.groups.get(&(account, id)).copied() {
            None => self.set_group(&mut told, account, id, Group { limits, generation, triggered: None }),
            Some(group) => match self.random.below(5) {
                0 => self.set_group(&mut told, account, id, Group { limits, ..group }),
                1 => self.set_group(&mut told, account, id, Group { generation, triggered: None, ..group }),
                2 => self.delete_group(&mut told, account, id),
                _ => self.trigger_group(&mut told, account, id),
            },
        }
        // All in one outcome, as part of a later command.
        if self.random.below(3) == 0 && self.groups.contains_key(&(account, id)) {
            self.trigger_group(&mut told, account, id);
        }
        let now = self.groups.get(&(account, id)).map(|group| GroupNow {
            limits: group.limits,
            generation: group.generation,
            triggered: group.triggered.is_some(),
        });
        self.instruct(&mut told, account, PurseInstruction::Group { group: id, now });
        self.tell(told)
    }

    fn any_limits(&mut self) -> GroupLimits {
        GroupLimits::new(1 + self.random.below(500) as u32, 1 + self.random.below(60) as u8).unwrap()
    }

    fn set_group(&mut self, told: &mut Telling, account: AccountId, id: GroupId, group: Group) {
        let before = self.groups.insert((account, id), group);
        let anew = before.is_none_or(|before| before.generation != group.generation);
        let Group { limits, generation, .. } = group;
        told.events.push(Event::GroupSet { account, group: id, limits, generation, anew });
    }

    fn trigger_group(&mut self, told: &mut Telling, account: AccountId, id: GroupId) {
        let cause = TriggerCause::ALL[self.random.index(TriggerCause::ALL.len())];
        let group = self.groups.get_mut(&(account, id)).unwrap();
        group.triggered.get_or_insert(cause);
        told.events.push(Event::GroupFilled { account, group: id, contracts: 1, filled: 2, reported_by: None });
        told.events.push(Event::GroupTriggered { account, group: id, cause });
        self.end_group(told, account, id);
    }

    fn delete_group(&mut self, told: &mut Telling, account: AccountId, id: GroupId) {
        self.groups.remove(&(account, id));
        told.events.push(Event::GroupDeleted { account, group: id });
        self.end_group(told, account, id);
    }

    fn end_group(&mut self, told: &mut Telling, account: AccountId, id: GroupId) {
        let meant = |order: &NewOrder| order.account == account && order.instructions.group == Some(id);
        self.end_resting(told, CancelReason::Group, meant);
    }

    /// Another shard receives a group and records the same facts for its copy, with its own causes.
    pub(super) fn obey_group(&mut self, told: &mut Telling, account: AccountId, group: GroupId, now: Option<GroupNow>) {
        let copy = (told.shard, account, group);
        match now {
            Some(GroupNow { limits, generation, triggered }) => {
                let anew = self.copies.insert(copy, generation) != Some(generation);
                told.events.push(Event::GroupSet { account, group, limits, generation, anew });
                if triggered {
                    told.events.push(Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere });
                    told.events.push(Event::GroupReported { account, group });
                    self.end_group(told, account, group);
                }
            }
            None if self.copies.remove(&copy).is_some() => {
                told.events.push(Event::GroupDeleted { account, group });
                self.end_group(told, account, group);
            }
            None => {}
        }
    }
}
