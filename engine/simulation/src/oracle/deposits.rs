//! Checks I-10 from the log alone: the limits of deposits by one admin, and the second admin for
//! all others.

use std::collections::BTreeMap;

use schemas::limits::{DAY_MS, DEPOSIT_ALONE_MAX, DEPOSIT_PROPOSALS_MAX, DEPOSITS_ALONE_A_DAY_MAX};
use schemas::{AccountId, AdminId, Credits, Event, ProposalId, Seconded, Timestamp};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// Panics unless each deposit of a shard has the admins that it needs.
pub fn check(cluster: &Cluster, history: &History) {
    let mut deposits = DepositsOracle { cluster, open: BTreeMap::new(), alone: BTreeMap::new() };
    for (outcome, _) in &history.outcomes {
        outcome.events.iter().for_each(|event| deposits.read(outcome.time, event));
    }
}

struct DepositsOracle<'a> {
    cluster: &'a Cluster,
    /// Waiting proposals: account, amount, proposer, expiry.
    open: BTreeMap<ProposalId, (AccountId, Credits, AdminId, Timestamp)>,
    /// What each admin has deposited alone on each day.
    alone: BTreeMap<(AdminId, u64), Credits>,
}

impl DepositsOracle<'_> {
    fn read(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::Deposited { amount, by, seconded: None, .. } => self.add(time, *amount, *by),
            Event::Deposited { account, amount, by, seconded: Some(word), .. } => {
                self.confirm(time, (*account, *amount, *by), *word);
            }
            Event::DepositProposed { proposal, account, amount, by, expires, .. } => {
                let before = self.open.insert(*proposal, (*account, *amount, *by, *expires));
                assert!(before.is_none(), "deposit {proposal} is proposed twice");
                assert!(self.open.len() <= DEPOSIT_PROPOSALS_MAX, "{} deposits wait", self.open.len());
                self.cluster.saw(Seen::DepositProposed);
            }
            Event::DepositDropped { proposal, by, .. } => {
                let ended = self.open.remove(proposal);
                assert!(ended.is_some(), "deposit {proposal} is dropped and did not wait");
                let in_time = ended.is_some_and(|(.., expires)| by.is_some() == (expires > time));
                assert!(in_time, "deposit {proposal} is dropped by {by:?} at {time:?}");
                self.cluster.saw(if by.is_some() { Seen::DepositDropped } else { Seen::DepositExpired });
            }
            _ => {}
        }
    }

    fn add(&mut self, time: Timestamp, amount: Credits, by: AdminId) {
        let sum = self.alone.entry((by, time.0 / DAY_MS)).or_default();
        *sum += amount;
        let within = amount.0 <= DEPOSIT_ALONE_MAX && sum.0 <= DEPOSITS_ALONE_A_DAY_MAX;
        assert!(within, "I-10: {by} deposits {amount} alone, {sum} in a day");
    }

    fn confirm(&mut self, time: Timestamp, deposit: (AccountId, Credits, AdminId), word: Seconded) {
        let Seconded { proposal, by } = word;
        let Some((account, amount, first, expires)) = self.open.remove(&proposal) else {
            panic!("I-10: {proposal} is confirmed and does not wait: {deposit:?}");
        };
        assert!(first != by, "I-10: {by} confirms the own deposit {proposal}");
        assert!(deposit == (account, amount, first), "I-10: {proposal} is confirmed as {deposit:?}");
        assert!(expires > time, "I-10: {proposal} is confirmed too late");
        self.cluster.saw(Seen::DepositConfirmed);
    }
}
