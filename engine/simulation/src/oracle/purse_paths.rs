//! Counts what purses did in a run from one shard's events: what was asked for, lent and returned,
//! and the results of waiting requests.

use std::collections::BTreeMap;

use schemas::{AccountId, Credits, Event, Message, Need, Outcome, Parked, ParkedRequest, Rejection, Room, Shard};

use super::history::History;
use crate::answers;
use crate::cluster::Cluster;
use crate::seen::Seen;

pub fn note(cluster: &Cluster, history: &History) {
    let (parked, asked) = (BTreeMap::new(), BTreeMap::new());
    let mut paths = Paths { cluster, shard: history.shard, parked, asked };
    history.outcomes.iter().for_each(|(outcome, _)| paths.read(outcome));
}

struct Paths<'a> {
    cluster: &'a Cluster,
    shard: Shard,
    /// The waiting requests, by account and ticket.
    parked: BTreeMap<(AccountId, u64), Parked>,
    /// The request for which each account's home shard was last asked.
    asked: BTreeMap<AccountId, u64>,
}

impl Paths<'_> {
    fn read(&mut self, outcome: &Outcome) {
        let (mut resumed, mut paid_out) = (None, false);
        for event in &outcome.events {
            match event {
                Event::Parked(parked) => self.park(parked),
                Event::Resumed { account, ticket, .. } => resumed = Some(self.parked.remove(&(*account, *ticket))),
                Event::Asked { account, need, given_back } => self.ask(*account, *need, *given_back),
                Event::AskAnswered { account, refused: None } if self.oldest(*account).is_none() => {
                    self.cluster.saw(Seen::FundedLate);
                }
                Event::PaidOut { .. } => paid_out = true,
                Event::Sent { message: Message::Return(all), .. } if all.iter().any(|one| one.ticket.is_none()) => {
                    self.cluster.saw(if paid_out { Seen::PayoutSentHome } else { Seen::CreditsRested });
                }
                Event::InstructionCompleted { .. } => {
                    let later = matches!(resumed, Some(None));
                    self.cluster.saw(if later { Seen::CompletedLater } else { Seen::CompletedAtOnce });
                }
                _ => {}
            }
            if let Some(Some(parked)) = &resumed {
                self.resume(outcome, event, parked);
            }
        }
    }

    /// Returns the oldest request of an account that waits for what its purse here lacks.
    fn oldest(&self, account: AccountId) -> Option<u64> {
        let all = self.parked.range((account, 0)..=(account, u64::MAX));
        all.filter(|(_, parked)| !parked.request.is_claim()).map(|((_, ticket), _)| *ticket).next()
    }

    fn park(&mut self, parked: &Parked) {
        self.cluster.saw(match parked.request {
            ParkedRequest::Place(_) => Seen::OrderParked,
            ParkedRequest::Amend { .. } => Seen::AmendmentParked,
            ParkedRequest::Batch(_) => Seen::BatchParked,
            ParkedRequest::Fund { .. } | ParkedRequest::Withdraw { .. } | ParkedRequest::Transfer { .. } => {
                Seen::ClaimParked
            }
        });
        if !parked.request.is_claim() && self.oldest(parked.account).is_some() {
            self.cluster.saw(Seen::ParkedBehind);
        }
        self.parked.insert((parked.account, parked.ticket), parked.clone());
    }

    fn ask(&mut self, account: AccountId, need: Need, given_back: Room) {
        self.cluster.saw(if need.credits > Credits::ZERO { Seen::CreditsAsked } else { Seen::RoomAsked });
        if !given_back.is_zero() {
            self.cluster.saw(Seen::RoomGivenBack);
        }
        if self.cluster.map.of_account(account) == self.shard {
            self.cluster.saw(Seen::AskedAtHome);
        }
        if let Some(oldest) = self.oldest(account)
            && self.asked.insert(account, oldest) == Some(oldest)
        {
            self.cluster.saw(Seen::AskedAgain);
        }
    }

    /// Counts an event that may answer a waiting request.
    fn resume(&self, outcome: &Outcome, event: &Event, parked: &Parked) {
        let is_claim = parked.request.is_claim();
        let code = match event {
            Event::Sent { message: Message::Fund { refused, .. }, .. } => *refused,
            _ => answers::refusal(event),
        };
        let seen = match (event, &parked.request) {
            (Event::OrderPlaced(_), ParkedRequest::Place(_)) => Some(Seen::ParkedPlaced),
            (Event::OrderAmended(_), ParkedRequest::Amend { .. }) => Some(Seen::ParkedAmended),
            (Event::OrderPlaced(_), ParkedRequest::Batch(_)) => Some(Seen::ParkedBatchCarriedOut),
            (Event::Withdrawn { .. }, ParkedRequest::Withdraw { .. }) => Some(Seen::WithdrawnAfterRecall),
            (Event::TransferSent { .. }, ParkedRequest::Transfer { .. }) => Some(Seen::TransferredAfterRecall),
            _ => match code {
                Some(Rejection::FundingTimeout) if is_claim => Some(Seen::ClaimTimeout),
                Some(Rejection::FundingTimeout) => Some(Seen::FundingTimeout),
                Some(Rejection::CancelledWhileParked) => Some(Seen::CancelledWhileParked),
                Some(Rejection::MarketNotOpen) => Some(Seen::ClosedWhileParked),
                Some(Rejection::AccountFrozen) => Some(Seen::FrozenWhileParked),
                _ => None,
            },
        };
        seen.into_iter().for_each(|seen| self.cluster.saw(seen));
        if seen == Some(Seen::FundingTimeout) && self.cluster.was_another_down(self.shard, outcome.time.0) {
            self.cluster.saw(Seen::FundingTimeoutDown);
        }
    }
}
