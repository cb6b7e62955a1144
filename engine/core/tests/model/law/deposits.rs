//! Deposits by one admin alone, or proposed by one admin and confirmed by another.

use std::collections::BTreeSet;

use schemas::event::FirstOutcome;
use schemas::limits::{
    DAY_MS, DEPOSIT_ALONE_MAX, DEPOSIT_PROPOSAL_MS, DEPOSIT_PROPOSALS_MAX, DEPOSITING_ADMINS_MAX,
    DEPOSITS_ALONE_A_DAY_MAX, SHARD_CREDITS_MAX,
};
use schemas::{AccountId, AdminId, ClientId, Credits, Event, ProposalId, Rejection, Seconded, Shard, Timestamp};

use super::{Answer, Model};

/// A proposed deposit.
#[derive(Clone, Copy)]
pub struct Proposal {
    pub id: ProposalId,
    pub account: AccountId,
    pub amount: Credits,
    pub name: Option<ClientId>,
    pub by: AdminId,
    pub expires: Timestamp,
    pub open: bool,
}

/// A deposit that an admin made alone.
pub struct Alone {
    shard: Shard,
    by: AdminId,
    day: u64,
    amount: Credits,
}

impl Model {
    pub(super) fn deposit(&mut self, account: AccountId, amount: Credits, name: Option<ClientId>, by: AdminId) {
        let checked = self.check_amount(account, amount).and_then(|_| {
            if let Some(seen) = self.seen(account, name, FirstOutcome::Deposit { amount }) {
                return seen;
            }
            self.check_room(account, amount)?;
            if self.may_be_alone(by, amount) {
                return Ok(Event::Deposited { account, amount, client_id: name, by, seconded: None });
            }
            if self.open_at(self.at).len() >= DEPOSIT_PROPOSALS_MAX {
                return Err(Rejection::DepositProposalLimit);
            }
            let earlier = self.proposals.iter().filter(|proposal| proposal.id.shard() == self.at).count();
            let proposal = ProposalId::compose(self.at, earlier as u64 + 1);
            let expires = Timestamp(self.now.0 + DEPOSIT_PROPOSAL_MS);
            Ok(Event::DepositProposed { proposal, account, amount, client_id: name, by, expires })
        });
        match checked {
            Ok(Event::Deposited { .. }) => {
                let (shard, day) = (self.at, self.now.0 / DAY_MS);
                self.alone.push(Alone { shard, by, day, amount });
                self.come_in(account, amount, name);
            }
            Ok(Event::DepositProposed { proposal: id, expires, .. }) => {
                self.proposals.push(Proposal { id, account, amount, name, by, expires, open: true });
            }
            _ => {}
        }
        self.answer(checked);
    }

    pub(super) fn confirm_deposit(&mut self, id: ProposalId, account: AccountId, amount: Credits, by: AdminId) {
        let checked = self.waiting_deposit(id).and_then(|proposal| match () {
            () if proposal.by == by => Err(Rejection::SecondAdminRequired),
            () if proposal.account != account || proposal.amount != amount => Err(Rejection::DepositMismatch),
            () => self.check_room(account, amount).map(|()| proposal),
        });
        let seconded = Some(Seconded { proposal: id, by });
        if let Ok(Proposal { name, .. }) = checked {
            self.close(id);
            self.come_in(account, amount, name);
        }
        self.answer(checked.map(|Proposal { name, by, .. }| Event::Deposited {
            account,
            amount,
            client_id: name,
            by,
            seconded,
        }));
    }

    pub(super) fn drop_deposit(&mut self, id: ProposalId, by: AdminId) {
        let dropped = self.waiting_deposit(id);
        if dropped.is_ok() {
            self.close(id);
        }
        let told = |proposal: Proposal| Event::DepositDropped { proposal: id, account: proposal.account, by: Some(by) };
        self.answer(dropped.map(told));
    }

    /// Drops proposals that nobody has confirmed in time. Returns how many.
    pub(super) fn drop_late_deposits(&mut self) -> usize {
        let mut late = self.open_at(self.at);
        late.retain(|proposal| proposal.expires <= self.now);
        for Proposal { id, account, .. } in &late {
            self.close(*id);
            self.tell(Event::DepositDropped { proposal: *id, account: *account, by: None });
        }
        late.len()
    }

    /// Returns the proposed deposits on a shard, oldest first.
    pub fn open_at(&self, at: Shard) -> Vec<Proposal> {
        let here = self.proposals.iter().filter(|proposal| proposal.open && proposal.id.shard() == at);
        here.copied().collect()
    }

    /// Returns today's deposits of each admin alone on a shard.
    pub fn sum_alone(&self, at: Shard, by: AdminId) -> Credits {
        self.alone_today(at).filter(|alone| alone.by == by).map(|alone| alone.amount).sum()
    }

    fn alone_today(&self, at: Shard) -> impl Iterator<Item = &Alone> {
        let today = self.now.0 / DAY_MS;
        self.alone.iter().filter(move |alone| (alone.shard, alone.day) == (at, today))
    }

    fn may_be_alone(&self, by: AdminId, amount: Credits) -> bool {
        let admins: BTreeSet<AdminId> = self.alone_today(self.at).map(|alone| alone.by).collect();
        let counted = admins.contains(&by) || admins.len() < DEPOSITING_ADMINS_MAX;
        let sum = self.sum_alone(self.at, by) + amount;
        counted && amount.0 <= DEPOSIT_ALONE_MAX && sum.0 <= DEPOSITS_ALONE_A_DAY_MAX
    }

    fn check_room(&self, account: AccountId, amount: Credits) -> Answer<()> {
        let in_shard = self.deposited.get(&self.at).copied().unwrap_or_default();
        match () {
            () if self.is_too_much(account, amount) => Err(Rejection::WalletLimit),
            () if (in_shard + amount).0 > SHARD_CREDITS_MAX => Err(Rejection::ShardCreditsLimit),
            () => Ok(()),
        }
    }

    fn waiting_deposit(&self, id: ProposalId) -> Answer<Proposal> {
        if id.shard() != self.at {
            return Err(Rejection::WrongShard);
        }
        let known = self.proposals.iter().find(|proposal| proposal.id == id).ok_or(Rejection::DepositUnknown)?;
        let waits = known.open && known.expires > self.now;
        if waits { Ok(*known) } else { Err(Rejection::DepositEnded) }
    }

    fn close(&mut self, id: ProposalId) {
        self.proposals.iter_mut().find(|proposal| proposal.id == id).expect("it is known").open = false;
    }

    fn come_in(&mut self, account: AccountId, amount: Credits, name: Option<ClientId>) {
        self.account_mut(account).available += amount;
        *self.deposited.entry(self.at).or_default() += amount;
        let first = FirstOutcome::Deposit { amount };
        self.remember(account, name, first, first);
    }
}
