//! Checks instructions of home shards to the shards with purses: all are instructed, each answers
//! once, and only then the command is answered. In the end all purses of an account agree whether
//! it is frozen.

use std::collections::{BTreeMap, BTreeSet};

use engine_core::ShardState;
use schemas::{AccountId, Event, Message, PurseInstruction, Shard};

use super::history::History;

/// Panics unless the instructions of a shard were handled correctly.
pub fn check(history: &History) {
    let mut home = Home { shard: history.shard, purses: BTreeMap::new(), pending: BTreeMap::new() };
    for (outcome, _) in &history.outcomes {
        let mut resumed = None;
        for event in &outcome.events {
            if let Event::Resumed { ticket, .. } = event {
                resumed = Some(*ticket);
            }
            home.read(event, resumed);
        }
    }
    let left = home.pending.first_key_value();
    assert!(left.is_none(), "shard {}: an instruction is never carried out: {left:?}", home.shard);
}

/// Panics unless all purses of an account agree with its home shard. For the states at the end.
pub fn check_frozen<'a>(states: impl Iterator<Item = &'a ShardState> + Clone) {
    let homes = states.clone().flat_map(ShardState::accounts);
    let frozen: BTreeMap<AccountId, bool> = homes.map(|(id, account)| (id, account.frozen)).collect();
    for state in states {
        for (id, purse) in state.purses() {
            let (shard, there) = (state.shard(), purse.frozen);
            assert!(
                frozen.get(&id) == Some(&there),
                "shard {shard}: the purse of {id} is frozen: {there}, its home differs"
            );
        }
    }
}

/// The instructions of a home shard.
struct Home {
    shard: Shard,
    /// Other shards with a purse of an account, including purses that are about to be created.
    purses: BTreeMap<AccountId, BTreeSet<Shard>>,
    /// The pending instructions by account and ticket.
    pending: BTreeMap<(AccountId, u64), Pending>,
}

#[derive(Debug)]
struct Pending {
    instruction: PurseInstruction,
    /// The shards that have not answered.
    shards: BTreeSet<Shard>,
}

impl Home {
    fn read(&mut self, event: &Event, resumed: Option<u64>) {
        match event {
            Event::Sent { to, message: Message::Fund { account, refused: None, .. }, .. } => {
                self.purses.entry(*account).or_default().insert(*to);
            }
            Event::Instructed { account, ticket, instruction, shards } => {
                self.tell(*account, *ticket, *instruction, shards);
            }
            Event::Obeyed { account, ticket, shard, .. } => self.obey(*account, *ticket, *shard),
            Event::InstructionCompleted { account, instruction } => self.complete(*account, *instruction, resumed),
            _ => {}
        }
    }

    /// Records an instruction. No shard is instructed twice. A recall leaves out the claiming
    /// shard; other instructions go to every shard.
    fn tell(&mut self, account: AccountId, ticket: u64, instruction: PurseInstruction, told: &[Shard]) {
        let shards: BTreeSet<Shard> = told.iter().copied().collect();
        assert!(
            shards.len() == told.len() && !told.is_empty(),
            "shard {}: told twice, or nobody: {told:?}",
            self.shard
        );
        let purses = self.purses.get(&account).cloned().unwrap_or_default();
        let left_out = purses.difference(&shards).count();
        let may_be = usize::from(matches!(instruction, PurseInstruction::Recall(_)));
        assert!(left_out <= may_be, "shard {}: {instruction:?} for {purses:?} goes to {told:?} alone", self.shard);
        let before = self.pending.insert((account, ticket), Pending { instruction, shards });
        assert!(before.is_none(), "shard {}: instruction {ticket} is given twice", self.shard);
    }

    /// Records an answer. A recall ends with its last answer.
    fn obey(&mut self, account: AccountId, ticket: u64, shard: Shard) {
        let pending = self.pending.get_mut(&(account, ticket));
        let first = pending.as_deref().is_some_and(|pending| pending.shards.contains(&shard));
        assert!(first, "shard {}: {shard} has carried out {ticket}, and was not to", self.shard);
        let Some(pending) = pending else { return };
        pending.shards.remove(&shard);
        if pending.shards.is_empty() && matches!(pending.instruction, PurseInstruction::Recall(_)) {
            self.pending.remove(&(account, ticket));
        }
    }

    fn complete(&mut self, account: AccountId, instruction: PurseInstruction, resumed: Option<u64>) {
        let pending = resumed.and_then(|ticket| self.pending.remove(&(account, ticket)));
        match pending {
            Some(pending) => {
                let Pending { instruction: told, shards } = pending;
                assert!(shards.is_empty(), "shard {}: completed before {shards:?} have answered", self.shard);
                assert!(told == instruction, "shard {}: told {told:?}, completed {instruction:?}", self.shard);
            }
            None => {
                let purses = self.purses.get(&account);
                assert!(purses.is_none(), "shard {}: completed at once, with purses on {purses:?}", self.shard);
            }
        }
    }
}
