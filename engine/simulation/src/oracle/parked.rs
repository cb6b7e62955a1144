//! Checks waiting requests on one shard: they are decided in order of arrival, and in time; their
//! account's home shard is asked as long as anything waits for it, once at a time; nothing waits in
//! the end. Only a claim on what the home shard has overtakes others, when the recall for these is
//! late.
//!
//! (One command tries a limited number of parked requests. No run has as many.)

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::limits::{PARKED_MAX_MS, RECALL_PATIENCE_MS};
use schemas::{AccountId, Command, Event, Message, Outcome, Parked, PurseInstruction, Rejection, Shard, Timestamp};

use super::history::History;
use crate::answers;

/// Panics unless parked requests and claims were handled correctly.
pub fn check(history: &History) {
    let (requests, claims, asked) = (Queues::new(), Queues::new(), BTreeSet::new());
    let recalled = BTreeMap::new();
    let mut waiting = Waiting { shard: history.shard, requests, claims, asked, recalled, tickets: 0 };
    for (command, outcome) in history.decided() {
        waiting.read(outcome);
        if matches!(command, Some(Command::AdvanceTime)) {
            waiting.assert_in_time(outcome.time);
        }
        waiting.assert_asked();
    }
    waiting.assert_over();
}

/// The waiting requests by account, oldest first.
type Queues = BTreeMap<AccountId, VecDeque<Parked>>;

struct Waiting {
    shard: Shard,
    requests: Queues,
    claims: Queues,
    /// Accounts whose home shard is being asked.
    asked: BTreeSet<AccountId>,
    /// When the purses of an account were last recalled.
    recalled: BTreeMap<AccountId, Timestamp>,
    /// The highest ticket.
    tickets: u64,
}

/// The parked request that a part of an outcome answers.
struct Resumed {
    parked: Parked,
    /// True if it was the oldest of its queue.
    was_first: bool,
}

impl Waiting {
    fn read(&mut self, outcome: &Outcome) {
        let (mut resumed, mut home_was_late) = (None, false);
        for event in &outcome.events {
            match event {
                Event::Resumed { account, ticket, .. } => resumed = self.take(*account, *ticket),
                Event::AskAnswered { refused: Some(Rejection::FundingTimeout), .. } => home_was_late = true,
                _ => {}
            }
            self.note(event, outcome.time);
            self.assert_in_turn(event, resumed.as_ref(), outcome);
            if let Some(Resumed { parked, .. }) = resumed.as_ref().filter(|_| refused_late(event) && !home_was_late) {
                let Parked { deadline, ticket, .. } = parked;
                assert!(*deadline <= outcome.time, "shard {}: {ticket} is late before its time", self.shard);
            }
        }
    }

    fn note(&mut self, event: &Event, time: Timestamp) {
        let shard = self.shard;
        match event {
            Event::Parked(parked) => self.park(parked, time),
            Event::Instructed { account, instruction: PurseInstruction::Recall(_), .. } => {
                self.recalled.insert(*account, time);
            }
            Event::Asked { account, .. } => {
                assert!(self.asked.insert(*account), "shard {shard}: the home of {account} is asked twice at a time");
            }
            Event::AskAnswered { account, .. } => {
                assert!(self.asked.remove(account), "shard {shard}: the home of {account} answers nobody");
            }
            _ => {}
        }
    }

    fn assert_in_turn(&self, event: &Event, resumed: Option<&Resumed>, outcome: &Outcome) {
        let Some((account, is_claim)) = decides(event) else { return };
        let in_turn = match resumed {
            Some(resumed) => resumed.was_first,
            None => self.may_pass(account, outcome.time, is_claim),
        };
        assert!(in_turn, "shard {}: decided before its turn: {event:?} in {:?}", self.shard, outcome.events);
    }

    fn park(&mut self, parked: &Parked, time: Timestamp) {
        let (shard, ticket) = (self.shard, parked.ticket);
        assert!(ticket > self.tickets, "shard {shard}: ticket {ticket} after {}", self.tickets);
        assert_eq!(parked.deadline.0, time.0 + PARKED_MAX_MS, "shard {shard}: deadline of {ticket}");
        self.tickets = ticket;
        let queues = if parked.request.is_claim() { &mut self.claims } else { &mut self.requests };
        queues.entry(parked.account).or_default().push_back(parked.clone());
    }

    /// Removes and returns the request that is answered next. The ticket of an instruction matches
    /// no request.
    fn take(&mut self, account: AccountId, ticket: u64) -> Option<Resumed> {
        [&mut self.requests, &mut self.claims].into_iter().find_map(|queues| {
            let queue = queues.get_mut(&account)?;
            let at = queue.iter().position(|parked| parked.ticket == ticket)?;
            Some(Resumed { parked: queue.remove(at)?, was_first: at == 0 })
        })
    }

    /// Returns whether a request decided on arrival overtakes nothing, or may: a claim may, if the
    /// recall for the waiting ones takes long.
    fn may_pass(&self, account: AccountId, time: Timestamp, is_claim: bool) -> bool {
        let queues = if is_claim { &self.claims } else { &self.requests };
        let late = |since: &Timestamp| is_claim && since.0 + RECALL_PATIENCE_MS <= time.0;
        queues.get(&account).is_none_or(VecDeque::is_empty) || self.recalled.get(&account).is_some_and(late)
    }

    fn all(&self) -> impl Iterator<Item = &Parked> {
        self.requests.values().chain(self.claims.values()).flatten()
    }

    fn assert_in_time(&self, time: Timestamp) {
        let late = self.all().find(|parked| parked.deadline <= time);
        assert!(late.is_none(), "shard {}: at {time} this is still parked: {late:?}", self.shard);
    }

    fn assert_asked(&self) {
        let waits = self.requests.iter().filter(|(_, queue)| !queue.is_empty()).map(|(account, _)| account);
        let forgotten = waits.filter(|account| !self.asked.contains(account)).min();
        assert!(forgotten.is_none(), "shard {}: requests of {forgotten:?} wait and nobody is asked", self.shard);
    }

    fn assert_over(&self) {
        let left = self.all().next();
        assert!(left.is_none(), "shard {}: never decided: {left:?}", self.shard);
        assert!(self.asked.is_empty(), "shard {}: never answered: {:?}", self.shard, self.asked);
    }
}

/// If the event decides a request that must not overtake another, returns its account, and whether
/// it is a claim.
fn decides(event: &Event) -> Option<(AccountId, bool)> {
    match event {
        Event::OrderPlaced(placed) => Some((placed.order.account, false)),
        Event::OrderAmended(amended) if !amended.in_place => Some((amended.account, false)),
        Event::Withdrawn { account, .. }
        | Event::TransferSent { from: account, .. }
        | Event::Sent { message: Message::Fund { account, refused: None, .. }, .. } => Some((*account, true)),
        _ => None,
    }
}

/// Returns true if the event refuses something because it was too late.
fn refused_late(event: &Event) -> bool {
    let code = match event {
        Event::Sent { message: Message::Fund { refused, .. }, .. } => *refused,
        _ => answers::refusal(event),
    };
    code == Some(Rejection::FundingTimeout)
}
