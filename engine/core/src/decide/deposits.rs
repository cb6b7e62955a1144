//! Deposits: what an admin makes alone, and what waits for a second one.
//!
//! | a deposit                                                  | event             | then                                       |
//! |------------------------------------------------------------|-------------------|--------------------------------------------|
//! | within what its admin may make alone                       | `Deposited`       |                                            |
//! | above that                                                 | `DepositProposed` | waits for 8 hours at most                  |
//! | that waits, and another admin confirms account and amount  | `Deposited`       | the event names both admins                |
//! | that waits, and any admin drops it, or its time comes      | `DepositDropped`  | nothing was moved, its name is free again  |
//!
//! A deposit above the limit is not refused, because its admin has done nothing wrong. Limits of
//! wallet and shard are checked both when it is proposed and when it is confirmed: balances may
//! have grown in between.

use schemas::event::FirstOutcome;
use schemas::limits::{DEPOSIT_PROPOSAL_MS, DEPOSIT_PROPOSALS_MAX, SHARD_CREDITS_MAX};
use schemas::{AccountId, AdminId, ClientId, Credits, Event, ProposalId, Rejection, Seconded, Timestamp};

use super::CommandRun;
use super::account::{check_movement, known};
use crate::state::{Proposed, ShardState};

impl CommandRun<'_> {
    pub(super) fn deposit(&mut self, account: AccountId, amount: Credits, client_id: Option<ClientId>, by: AdminId) {
        self.answer(|state| {
            let first = FirstOutcome::Deposit { amount };
            if let Some(repeat) = check_movement(state, account, amount, client_id, first)? {
                return Ok(repeat);
            }
            check_room(state, account, amount)?;
            let now = state.facts.time;
            if state.facts.deposits.may_be_alone(by, amount, now) {
                return Ok(Event::Deposited { account, amount, client_id, by, seconded: None });
            }
            let expires = Timestamp(now.0 + DEPOSIT_PROPOSAL_MS);
            propose(state, Proposed { account, amount, client_id, by, expires })
        });
    }

    pub(super) fn confirm_deposit(&mut self, id: ProposalId, account: AccountId, amount: Credits, by: AdminId) {
        self.answer(|state| {
            let proposed = waiting(state, id)?;
            if proposed.by == by {
                return Err(Rejection::SecondAdminRequired);
            }
            if (proposed.account, proposed.amount) != (account, amount) {
                return Err(Rejection::DepositMismatch);
            }
            check_room(state, account, amount)?;
            let Proposed { client_id, by: first, .. } = *proposed;
            let seconded = Some(Seconded { proposal: id, by });
            Ok(Event::Deposited { account, amount, client_id, by: first, seconded })
        });
    }

    pub(super) fn drop_deposit(&mut self, id: ProposalId, by: AdminId) {
        self.answer(|state| {
            let account = waiting(state, id)?.account;
            Ok(Event::DepositDropped { proposal: id, account, by: Some(by) })
        });
    }

    /// Drops deposits that were not confirmed in time. Returns how many.
    pub(super) fn drop_late_deposits(&mut self) -> usize {
        self.step(|state, context| {
            let now = state.facts.time;
            let late = state.facts.deposits.open.iter().take_while(|(_, proposed)| proposed.expires <= now);
            let dropped = |(id, proposed): (&ProposalId, &Proposed)| Event::DepositDropped {
                proposal: *id,
                account: proposed.account,
                by: None,
            };
            let before = context.events.len();
            context.events.extend(late.map(dropped));
            context.events.len() - before
        })
    }
}

fn propose(state: &ShardState, proposed: Proposed) -> Result<Event, Rejection> {
    let deposits = &state.facts.deposits;
    if deposits.open.len() >= DEPOSIT_PROPOSALS_MAX {
        return Err(Rejection::DepositProposalLimit);
    }
    let proposal = ProposalId::compose(state.shard, deposits.proposed + 1);
    let Proposed { account, amount, client_id, by, expires } = proposed;
    Ok(Event::DepositProposed { proposal, account, amount, client_id, by, expires })
}

/// Returns a proposed deposit that waits and has not expired.
fn waiting(state: &ShardState, id: ProposalId) -> Result<&Proposed, Rejection> {
    let deposits = &state.facts.deposits;
    if id.shard() != state.shard {
        return Err(Rejection::WrongShard);
    }
    if !(1..=deposits.proposed).contains(&id.counter()) {
        return Err(Rejection::DepositUnknown);
    }
    let open = deposits.open.get(&id).filter(|proposed| proposed.expires > state.facts.time);
    open.ok_or(Rejection::DepositEnded)
}

/// Checks the maximum of a wallet, and of all accounts of a shard together.
fn check_room(state: &ShardState, account: AccountId, amount: Credits) -> Result<(), Rejection> {
    let holder = known(state, account)?;
    if state.exceeds_wallet(account, holder, amount) {
        return Err(Rejection::WalletLimit);
    }
    let shard = state.facts.deposited + amount;
    if shard.0 > SHARD_CREDITS_MAX { Err(Rejection::ShardCreditsLimit) } else { Ok(()) }
}
