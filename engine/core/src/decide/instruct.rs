//! Instructions from an account's home to every shard where the account has a purse, and how those
//! carry them out.

use std::collections::BTreeSet;

use schemas::event::CancelReason;
use schemas::limits::INSTRUCTIONS_MAX;
use schemas::{
    AccountId, AccountLimits, AdminId, Credits, Event, MarketId, Message, Need, PurseInstruction, Rejection, Returned,
    Room, Shard,
};

use super::{CommandRun, account, cancel, message};
use crate::state::{Purse, ShardState};

impl CommandRun<'_> {
    /// A repeat sends the instructions again, because the caller wants to be sure.
    pub(super) fn freeze_account(&mut self, account: AccountId, by: AdminId) {
        let known = self.answer(|state| {
            check_admin_instruction(state, account)?;
            Ok(Event::AccountFrozen { account, by })
        });
        if known {
            self.instruct_all(account, PurseInstruction::Freeze { by });
            self.refuse_all(account, Rejection::AccountFrozen);
        }
    }

    pub(super) fn unfreeze_account(&mut self, account: AccountId, by: AdminId) {
        let known = self.answer(|state| {
            check_admin_instruction(state, account)?;
            Ok(Event::AccountUnfrozen { account, by })
        });
        if known {
            self.instruct_all(account, PurseInstruction::Unfreeze { by });
        }
    }

    pub(super) fn limit_account(&mut self, account: AccountId, limits: AccountLimits, by: AdminId) {
        let known = self.answer(|state| {
            check_admin_instruction(state, account)?;
            Ok(Event::AccountLimited { account, limits, by })
        });
        if known {
            self.instruct_all(account, PurseInstruction::Limit { limits, by });
        }
    }

    /// Everywhere: instructions from the home reach each shard after everything that the home sent
    /// there before.
    pub(super) fn mass_cancel_everywhere(&mut self, account: AccountId, reason: CancelReason) {
        let mut shards = purse_shards(self.state, account);
        let takes_long = cancel::takes_long(self.state, account);
        if takes_long {
            shards.insert(self.state.shard);
        }
        let instruction = PurseInstruction::MassCancel(reason);
        let ticket = self.state.facts.tickets + 1;
        let completed = shards.is_empty();
        if !completed {
            self.instruct(account, instruction, shards.into_iter().collect());
        }
        self.mass_cancel_here(account, None, reason, takes_long.then_some(ticket));
        if completed {
            self.complete(account, instruction);
        }
    }

    /// Home: instructs all other shards, or reports at once that all have done it.
    pub(super) fn instruct_all(&mut self, account: AccountId, instruction: PurseInstruction) {
        let shards: Vec<Shard> = purse_shards(self.state, account).into_iter().collect();
        if shards.is_empty() {
            self.complete(account, instruction);
        } else {
            self.instruct(account, instruction, shards);
        }
    }

    fn complete(&mut self, account: AccountId, instruction: PurseInstruction) {
        self.step(|_, context| context.events.push(Event::InstructionCompleted { account, instruction }));
    }

    /// Home: instructs these shards; the home's own shard acts directly.
    pub(super) fn instruct(&mut self, account: AccountId, instruction: PurseInstruction, shards: Vec<Shard>) {
        self.step(|state, context| {
            let ticket = state.facts.tickets + 1;
            let others = shards.iter().filter(|shard| **shard != state.shard);
            let tell = |to: &Shard| message::send(state, *to, Message::Instruct { account, ticket, instruction });
            let sent: Vec<Event> = others.map(tell).collect();
            context.events.push(Event::Instructed { account, ticket, instruction, shards });
            context.events.extend(sent);
        });
    }

    /// Away from home: carries out an instruction, and answers.
    pub(super) fn obey(&mut self, home: Shard, account: AccountId, ticket: u64, instruction: PurseInstruction) {
        match instruction {
            PurseInstruction::Recall(want) => {
                let (credits, room, more) = give_back(self.state.purse(account), want);
                self.return_home(home, Returned { account, credits, room, ticket: Some(ticket), more });
            }
            PurseInstruction::Freeze { .. } => {
                self.freeze_purse(account, true);
                self.done(home, account, ticket);
                self.refuse_all(account, Rejection::AccountFrozen);
            }
            PurseInstruction::Unfreeze { .. } => {
                self.freeze_purse(account, false);
                self.done(home, account, ticket);
            }
            PurseInstruction::Limit { .. } => {
                let room = self.state.purse(account).map_or(Room::ZERO, Purse::free_room);
                if self.state.purse(account).is_some() {
                    self.step(|_, context| context.events.push(Event::PurseLimited { account, given_back: room }));
                }
                let credits = Credits::ZERO;
                self.answer_home(home, Returned { account, credits, room, ticket: Some(ticket), more: false });
            }
            PurseInstruction::MassCancel(reason) => {
                let takes_long = cancel::takes_long(self.state, account);
                self.mass_cancel_here(account, None, reason, takes_long.then_some(ticket));
                if !takes_long {
                    self.done(home, account, ticket);
                }
            }
            PurseInstruction::Group { group, now } => {
                self.obey_group(account, group, now);
                self.done(home, account, ticket);
            }
        }
    }

    fn freeze_purse(&mut self, account: AccountId, frozen: bool) {
        if self.state.purse(account).is_some() {
            self.step(|_, context| context.events.push(Event::PurseFrozen { account, frozen }));
        }
    }

    /// Answers the instructions of a mass cancel that took several commands.
    pub(super) fn done_at_last(&mut self, account: AccountId, tickets: &[u64]) {
        let home = self.state.map.of_account(account);
        for &ticket in tickets {
            if home == self.state.shard {
                self.note_obedience(account, ticket, home, false);
            } else {
                self.done(home, account, ticket);
            }
        }
    }

    fn done(&mut self, home: Shard, account: AccountId, ticket: u64) {
        let (credits, room, ticket, more) = (Credits::ZERO, Room::ZERO, Some(ticket), false);
        self.answer_home(home, Returned { account, credits, room, ticket, more });
    }

    fn answer_home(&mut self, home: Shard, returned: Returned) {
        self.tell(home, Message::Return(vec![returned]));
    }

    /// Takes what is returned out of the purse, and sends it home.
    fn return_home(&mut self, home: Shard, returned: Returned) {
        let Returned { account, credits, room, .. } = returned;
        self.step(|state, context| {
            if credits != Credits::ZERO || !room.is_zero() {
                context.events.push(Event::PurseSent { account, to: home, credits, room });
            }
            context.events.push(message::send(state, home, Message::Return(vec![returned])));
        });
    }

    /// Refuses every waiting request of an account here.
    fn refuse_all(&mut self, account: AccountId, code: Rejection) {
        while let Some(parked) = self.state.waiting(account).and_then(|waiting| waiting.all().next().cloned()) {
            self.refuse_parked(&parked, code);
        }
    }

    /// Away from home: sends the free credits of these purses home, in one message to each home.
    pub(super) fn send_home(&mut self, accounts: &[AccountId]) {
        self.step(|state, context| {
            let mut homes: std::collections::BTreeMap<Shard, Vec<Returned>> = std::collections::BTreeMap::new();
            for &account in accounts {
                let (home, room) = (state.map.of_account(account), Room::ZERO);
                let credits = state.purse(account).map_or(Credits::ZERO, |purse| purse.available);
                // While the home is full, they stay.
                if home == state.shard || credits == Credits::ZERO || state.is_full(home) {
                    continue;
                }
                context.events.push(Event::PurseSent { account, to: home, credits, room });
                let returned = Returned { account, credits, room, ticket: None, more: false };
                homes.entry(home).or_default().push(returned);
            }
            let tell = |(home, returned)| message::send(state, home, Message::Return(returned));
            context.events.extend(homes.into_iter().map(tell));
        });
    }

    /// In one market: on its shard.
    pub(super) fn mass_cancel_in(&mut self, account: AccountId, market: MarketId) {
        let known = self.answer(|state| {
            super::market::known(state, market)?;
            Ok(Event::MassCancelRequested { account, market: Some(market) })
        });
        if known {
            self.mass_cancel_here(account, Some(market), CancelReason::MassCancel, None);
        }
    }

    /// Everywhere: from the account's home.
    pub(super) fn mass_cancel_all(&mut self, account: AccountId) {
        let known = self.answer(|state| {
            check_mass_cancel(state, account)?;
            Ok(Event::MassCancelRequested { account, market: None })
        });
        if known {
            self.mass_cancel_everywhere(account, CancelReason::MassCancel);
        }
    }
}

/// Checks that the account's home is here and that it does not have too many mass cancels open. Its
/// own mass cancels do not keep an admin from freezing it.
pub(super) fn check_mass_cancel(state: &ShardState, account: AccountId) -> Result<(), Rejection> {
    check_instructions(state, account, |instruction| matches!(instruction, PurseInstruction::MassCancel(_)))
}

/// Checks that the account's home is here and that admins do not have too many instructions about
/// it open.
fn check_admin_instruction(state: &ShardState, account: AccountId) -> Result<(), Rejection> {
    check_instructions(state, account, |instruction| {
        matches!(
            instruction,
            PurseInstruction::Freeze { .. } | PurseInstruction::Unfreeze { .. } | PurseInstruction::Limit { .. }
        )
    })
}

fn check_instructions(
    state: &ShardState,
    account: AccountId,
    counts: impl Fn(&PurseInstruction) -> bool,
) -> Result<(), Rejection> {
    account::known(state, account)?;
    let pending = state.facts.instructions.range((account, 0)..=(account, u64::MAX));
    let told = pending.filter(|(_, pending)| counts(&pending.instruction)).count();
    if told < INSTRUCTIONS_MAX { Ok(()) } else { Err(Rejection::ParkedLimit) }
}

/// Returns the other shards where the account has a purse, or will have one if its claim is
/// granted.
fn purse_shards(state: &ShardState, account: AccountId) -> BTreeSet<Shard> {
    let lent = state.account(account).into_iter().flat_map(|account| account.lent.keys().copied());
    let claims = state.waiting(account).into_iter().flat_map(|waiting| &waiting.claims);
    let claimants = claims.filter_map(|claim| match claim.request {
        schemas::ParkedRequest::Fund { shard, .. } => Some(shard),
        _ => None,
    });
    lent.chain(claimants).filter(|shard| *shard != state.shard).collect()
}

/// Returns what a purse gives back: of each kind what is wanted if it is free, and at least half of
/// what is free. The flag is true if more stays free.
fn give_back(purse: Option<&Purse>, want: Need) -> (Credits, Room, bool) {
    let Some(purse) = purse else { return (Credits::ZERO, Room::ZERO, false) };
    let free = purse.free_room();
    let some = |free: i64, want: i64| if want > 0 { want.min(free).max(free / 2) } else { 0 };
    let credits = some(purse.available.0, want.credits.0);
    let orders = some(free.orders.into(), want.room.orders.into());
    let orders = u32::try_from(orders).expect("at most what is free");
    // A sealed purse cannot use its free room.
    let sealed = purse.sealed_room();
    let room =
        Room { orders: orders.max(sealed.orders), held: Credits(some(free.held.0, want.room.held.0)).max(sealed.held) };
    let left = |want: i64, free: i64, gave: i64| want > 0 && free > gave;
    let more = left(want.credits.0, purse.available.0, credits)
        || left(want.room.orders.into(), free.orders.into(), room.orders.into())
        || left(want.room.held.0, free.held.0, room.held.0);
    (Credits(credits), room, more)
}
