//! Actions of admins, and deposits that needed a second admin.

use schemas::event::Event;
use schemas::{AccountId, AdminId, Credits, ProposalId};

use super::Fold;

/// A proposed deposit, as in the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedProposal {
    /// The account that would receive the credits.
    pub account: AccountId,
    /// The amount.
    pub amount: Credits,
    /// The admin who proposed it.
    pub by: AdminId,
    /// The status.
    pub status: String,
    /// The admin who confirmed or dropped it.
    pub ended_by: Option<AdminId>,
}

impl Fold {
    pub(super) fn admins(&mut self, event: &Event) {
        if let Some((act, admin, amount)) = act(event) {
            let (count, sum) = self.admin_acts.entry((act.to_owned(), admin)).or_default();
            *count += 1;
            *sum += amount;
        }
        match event {
            Event::DepositProposed { proposal, account, amount, by, .. } => {
                let (account, amount, by) = (*account, *amount, *by);
                let proposed = ExpectedProposal { account, amount, by, status: "OPEN".to_owned(), ended_by: None };
                let again = self.proposals.insert(*proposal, proposed).is_some();
                self.faults.check(!again, || format!("deposit {proposal} was proposed twice"));
            }
            Event::Deposited { account, amount, by, seconded: Some(word), .. } => {
                let as_proposed = self.proposals.get(&word.proposal).is_some_and(|proposed| {
                    (proposed.account, proposed.amount, proposed.by) == (*account, *amount, *by) && word.by != *by
                });
                self.faults.check(as_proposed, || format!("I-10: deposit {} was not confirmed by two", word.proposal));
                self.end(word.proposal, "CONFIRMED", Some(word.by));
            }
            Event::DepositDropped { proposal, by, .. } => {
                self.end(*proposal, if by.is_some() { "DROPPED" } else { "EXPIRED" }, *by);
            }
            _ => {}
        }
    }

    fn end(&mut self, id: ProposalId, status: &str, ended_by: Option<AdminId>) {
        match self.proposals.get_mut(&id).filter(|proposed| proposed.status == "OPEN") {
            Some(proposed) => (proposed.status, proposed.ended_by) = (status.to_owned(), ended_by),
            None => self.faults.add(|| format!("deposit {id} ended and did not wait")),
        }
    }
}

/// Returns an admin's action and its credits.
fn act(event: &Event) -> Option<(&'static str, AdminId, Credits)> {
    let none = Credits::ZERO;
    Some(match event {
        Event::Deposited { amount, seconded: Some(word), .. } => ("DEPOSIT_CONFIRMED", word.by, *amount),
        Event::Deposited { amount, by, .. } => ("DEPOSIT", *by, *amount),
        Event::DepositProposed { amount, by, .. } => ("DEPOSIT_PROPOSED", *by, *amount),
        Event::DepositDropped { by, .. } => ("DEPOSIT_DROPPED", (*by)?, none),
        Event::Withdrawn { amount, by, .. } => ("WITHDRAWAL", *by, *amount),
        Event::AccountFrozen { by, .. } => ("ACCOUNT_FROZEN", *by, none),
        Event::AccountUnfrozen { by, .. } => ("ACCOUNT_UNFROZEN", *by, none),
        Event::AccountLimited { by, .. } => ("ACCOUNT_LIMITED", *by, none),
        Event::MarketCreated { by, .. } => ("MARKET_CREATED", *by, none),
        Event::MarketChanged { by, .. } => ("MARKET_CHANGED", (*by)?, none),
        Event::MarketLimited { by, .. } => ("MARKET_LIMITED", *by, none),
        Event::MarketEventCreated { by, .. } => ("MARKET_EVENT_CREATED", *by, none),
        Event::MarketEdited { by, .. } => ("MARKET_EDITED", *by, none),
        Event::MarketAddedTo { by, .. } => ("MARKET_ADDED_TO", *by, none),
        Event::AdminSet { by, .. } => ("ADMIN_SET", *by, none),
        Event::AdminRevoked { by, .. } => ("ADMIN_REVOKED", *by, none),
        _ => return None,
    })
}
