//! Reads one shard's log event by event: which claims wait on the home shard, which shards were
//! recalled for them, and what was refused.

use std::collections::{BTreeMap, BTreeSet};

use engine_core::{CommandContext, ShardState};
use schemas::{
    AccountId, Command, CommandId, Credits, Event, Message, Need, NewOrder, Outcome, ParkedRequest, PurseInstruction,
    Rejection, Returned, Shard,
};

use super::facts::{Facts, RefusedClaim, RefusedOrder};
use crate::cluster::Cluster;
use crate::oracle::history::History;
use crate::seen::Seen;

pub struct FundsWalk<'a> {
    cluster: &'a Cluster,
    history: &'a History,
    state: ShardState,
    asked: BTreeMap<CommandId, (&'a Command, u64)>,
    /// The last recall for the oldest claim of an account.
    recalls: BTreeMap<AccountId, SeenRecall>,
    facts: &'a mut Facts,
}

struct SeenRecall {
    ticket: u64,
    shards: BTreeSet<Shard>,
    /// The shards that have not answered.
    waiting: BTreeSet<Shard>,
}

/// The part that is read: the command that it answers.
struct Part<'a> {
    command: Option<&'a Command>,
    claim: Option<Claim>,
}

/// A claim that is decided, with the last recall for it.
struct Claim {
    request: ParkedRequest,
    recall: Option<SeenRecall>,
}

impl<'a> FundsWalk<'a> {
    pub(super) fn new(cluster: &'a Cluster, history: &'a History, facts: &'a mut Facts) -> Self {
        let state = ShardState::new(history.shard, cluster.map);
        Self { cluster, history, state, asked: history.asked(), recalls: BTreeMap::new(), facts }
    }

    pub(super) fn read(mut self) {
        for (command, outcome) in self.history.decided() {
            self.read_outcome(command, outcome);
        }
    }

    fn read_outcome(&mut self, command: Option<&'a Command>, outcome: &Outcome) {
        let place = CommandContext { cause: outcome.cause, time: outcome.time };
        let mut part = Part { command, claim: None };
        let mut refused_by_home = BTreeSet::new();
        for event in &outcome.events {
            self.see_purse(event);
            if let Event::Resumed { account, ticket, command } = event {
                let command = self.asked.get(command).map(|(command, _)| *command);
                part = Part { command, claim: self.take(*account, *ticket) };
            }
            self.state.follow(place, std::slice::from_ref(event));
            match event {
                Event::Instructed { account, ticket, instruction: PurseInstruction::Recall(_), shards } => {
                    self.recall(*account, *ticket, shards);
                }
                Event::Obeyed { account, ticket, shard, .. } => self.obey(*account, *ticket, *shard),
                Event::AskAnswered { account, refused: Some(code) } => {
                    refused_by_home.insert((*account, *code));
                    self.answer_own_ask(*account, *code, &mut part);
                }
                Event::Sent { message: Message::Return(all), .. } => self.note_left(all),
                Event::Sent { to, number, message: Message::Fund { account, credits, room, refused } } => {
                    let available = self.state.purse(*account).map_or(Credits::ZERO, |purse| purse.available);
                    self.facts.homes.insert((self.state.shard(), *to, *number), available);
                    let lent = Need { credits: *credits, room: *room };
                    self.answer_ask(*to, *account, lent, *refused, &mut part);
                }
                Event::Rejected { code: Rejection::FundsInsufficient } => self.refuse_movement(&mut part),
                Event::OrderRejected { order, code: Rejection::FundsInsufficient, .. } => {
                    let by_home = refused_by_home.contains(&(order.account, Rejection::FundsInsufficient));
                    self.refuse_order(order, &part, command.filter(|_| by_home));
                }
                _ => {}
            }
        }
    }

    fn see_purse(&self, event: &Event) {
        if let Event::PurseReceived { account, .. } = event
            && self.state.purse(*account).is_none()
        {
            self.cluster.saw(Seen::PurseMade);
        }
    }

    /// Removes and returns a claim that is decided, in its current form: what its purse returned in
    /// the meantime is added to it.
    fn take(&mut self, account: AccountId, ticket: u64) -> Option<Claim> {
        let mut claims = self.state.parked().filter(|parked| parked.account == account && parked.request.is_claim());
        let oldest = claims.next()?;
        let claim = if oldest.ticket == ticket { oldest } else { claims.find(|claim| claim.ticket == ticket)? };
        let request = claim.request.clone();
        // A recall serves only the oldest claim.
        let recall = if oldest.ticket == ticket { self.recalls.remove(&account) } else { None };
        Some(Claim { request, recall })
    }

    fn recall(&mut self, account: AccountId, ticket: u64, shards: &[Shard]) {
        let shards: BTreeSet<Shard> = shards.iter().copied().collect();
        let recall = SeenRecall { ticket, waiting: shards.clone(), shards };
        let again = self.recalls.insert(account, recall).is_some();
        self.cluster.saw(if again { Seen::RecalledAgain } else { Seen::Recalled });
    }

    fn obey(&mut self, account: AccountId, ticket: u64, shard: Shard) {
        if let Some(recall) = self.recalls.get_mut(&account).filter(|recall| recall.ticket == ticket) {
            recall.waiting.remove(&shard);
        }
    }

    fn note_left(&mut self, all: &[Returned]) {
        for Returned { account, ticket, .. } in all {
            let purse = self.state.purse(*account);
            let free = purse.map(|purse| Need { credits: purse.available, room: purse.free_room() });
            if let Some(ticket) = ticket {
                self.facts.left.insert((self.state.shard(), *account, *ticket), free.unwrap_or_default());
            }
        }
    }

    /// A home shard answers another shard's ask: with all of it, or nothing.
    fn answer_ask(
        &mut self,
        to: Shard,
        account: AccountId,
        lent: Need,
        refused: Option<Rejection>,
        part: &mut Part<'_>,
    ) {
        let claim = part.take_ask(to);
        let need = match (&claim, part.command) {
            (Some(Claim { request: ParkedRequest::Fund { need, .. }, .. }), _)
            | (None, Some(Command::Receive { message: Message::Ask { need, .. }, .. })) => *need,
            _ => panic!("shard {}: {to} is lent {lent:?} and did not ask", self.state.shard()),
        };
        let recall = claim.and_then(|claim| claim.recall);
        if let Some(code) = refused {
            return self.refuse(account, code, Some(to), Some(need.credits), recall);
        }
        let Need { credits, room } = need;
        let enough = lent.credits >= credits && lent.room.orders >= room.orders && lent.room.held >= room.held;
        assert!(enough, "{account} asks for {need:?} on shard {to} and is lent {lent:?}");
        if lent.credits > credits {
            self.cluster.saw(Seen::FloatLent);
        }
        if recall.is_some() {
            self.cluster.saw(Seen::FundedAfterRecall);
        }
    }

    /// A home shard refuses what its own purse asks for. Only the core knows how much that is.
    fn answer_own_ask(&mut self, account: AccountId, code: Rejection, part: &mut Part<'_>) {
        let here = self.state.shard();
        if self.cluster.map.of_account(account) == here {
            let recall = part.take_ask(here).and_then(|claim| claim.recall);
            self.refuse(account, code, Some(here), None, recall);
        }
    }

    fn refuse_movement(&mut self, part: &mut Part<'_>) {
        let (Some(Command::Withdraw { account, amount, .. }) | Some(Command::Transfer { from: account, amount, .. })) =
            part.command
        else {
            panic!("shard {}: {:?} takes no credits out", self.state.shard(), part.command)
        };
        let recall = part.claim.take().and_then(|claim| claim.recall);
        self.refuse(*account, Rejection::FundsInsufficient, None, Some(*amount), recall);
    }

    /// A home shard refuses a claim: all other purses have nothing left, and it has not enough
    /// itself.
    fn refuse(
        &mut self,
        account: AccountId,
        code: Rejection,
        claimant: Option<Shard>,
        needed: Option<Credits>,
        recall: Option<SeenRecall>,
    ) {
        let for_credits = code == Rejection::FundsInsufficient;
        if !for_credits && !matches!(code, Rejection::LiveOrderLimit | Rejection::NotionalLimit) {
            return;
        }
        if let (true, Some(needed), Some(purse)) = (for_credits, needed, self.state.purse(account)) {
            let available = purse.available;
            assert!(available < needed, "a claim of {account} on {needed} was refused, and its home has {available}");
        }
        let known = self.state.account(account).into_iter().flat_map(|account| account.lent.keys().copied());
        let others: BTreeSet<Shard> = known.filter(|shard| Some(*shard) != claimant).collect();
        self.cluster.saw(match (for_credits, others.is_empty()) {
            (false, _) => Seen::RoomRefused,
            (true, false) => Seen::RefusedAfterRecall,
            (true, true) => Seen::RefusedAtOnce,
        });
        if others.is_empty() {
            return;
        }
        let Some(SeenRecall { ticket, shards, waiting }) = recall else {
            panic!("a claim of {account} was refused ({}), and nobody was asked to give back", code.name())
        };
        assert!(waiting.is_empty(), "a claim of {account} was refused before {waiting:?} have answered");
        assert!(shards == others, "a claim of {account} was refused: {shards:?} were asked of {others:?}");
        self.facts.claims.push(RefusedClaim { account, code, ticket, shards });
    }

    /// An order that is refused alone needs more than its purse has; `by` is the home shard's
    /// answer, if it had to be asked.
    fn refuse_order(&mut self, order: &NewOrder, part: &Part<'_>, by: Option<&Command>) {
        if matches!(part.command, Some(Command::Batch { all_or_nothing: true, .. })) {
            return;
        }
        let (account, shard, hold) = (order.account, self.state.shard(), order.hold());
        let available = self.state.purse(account).map_or(Credits::ZERO, |purse| purse.available);
        assert!(available < hold, "shard {shard}: {account} was refused {hold} and has {available}");
        let home = self.cluster.map.of_account(account);
        match by {
            Some(Command::Receive { from, number, .. }) if home != shard => {
                self.facts.orders.push(RefusedOrder { account, hold, available, by: (*from, shard, *number) });
            }
            None => {
                let has_no_other = self.state.account(account).is_some_and(|known| known.lent.is_empty());
                assert!(has_no_other, "shard {shard}: {account} was refused {hold} and its home was not asked");
            }
            Some(_) => assert!(home == shard, "shard {shard}: {account} was refused {hold}, and not by its home"),
        }
    }
}

impl Part<'_> {
    /// Returns the claim that is decided, if it belongs to a purse on this shard.
    fn take_ask(&mut self, by: Shard) -> Option<Claim> {
        self.claim.take_if(|claim| matches!(claim.request, ParkedRequest::Fund { shard, .. } if shard == by))
    }
}
