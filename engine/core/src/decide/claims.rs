//! The account's home: claims on its credits and room, by its other purses, withdrawals and
//! transfers. (A purse is an account's balance on one shard; room is its remaining order
//! allowance.)
//!
//! The first row that matches decides:
//!
//! | a claim                                           | what happens                                              |
//! |---------------------------------------------------|-----------------------------------------------------------|
//! | comes while others wait, and the oldest is not late | it waits behind them                                    |
//! | needs no more than the home has                   | it is granted; a purse also gets a float, if none waits   |
//! | comes while others wait, and the oldest is late   | it waits behind them                                      |
//! | is the oldest; no other purse could give anything | it is refused                                             |
//! | comes, and a shard with a purse is full           | it is refused: `ShardUnavailable`                         |
//! | is the oldest; a shard with a purse is full       | it waits until there is room there, or until its deadline |
//! | is the oldest; no recall is open                  | every other shard with a purse is asked to return credits |
//! | is the oldest; its recall came back, and a purse has more, or the home has lent some meanwhile | another recall |
//! | is the oldest; its recall came back with all there was | it is refused                                        |
//!
//! So a claim is refused only after every purse was asked while it was the oldest. A claim is late
//! when its recall has taken a second: some shard does not answer, and that delays only claims that
//! need its answer. (If later claims could always pass, two purses could take the same credits from
//! each other again and again.)

use schemas::limits::{PARKED_MAX, RECALL_PATIENCE_MS, SWEEP_MAX};
use schemas::{
    AccountId, Credits, Event, Message, Need, Parked, ParkedRequest, PurseInstruction, Rejection, Returned, Room, Shard,
};

use super::batch::BatchRefusal;
use super::parking;
use super::transfer::Transfer;
use super::{CommandRun, message};
use crate::state::{AccountQueue, Purse, ShardState};

impl CommandRun<'_> {
    /// Handles an ask of a purse on another shard.
    pub(super) fn answer_ask(&mut self, from: Shard, account: AccountId, need: Need, given_back: Room) {
        let refused = match self.state.account(account) {
            None => Some(Rejection::AccountUnknown),
            Some(known) => known.frozen.then_some(Rejection::AccountFrozen),
        };
        if !given_back.is_zero() {
            let credits = Credits::ZERO;
            self.step(|_, context| {
                context.events.push(Event::PurseReceived { account, from, credits, room: given_back });
            });
        }
        match refused {
            Some(code) => self.fund_nothing(account, from, code),
            None => self.claim(account, ParkedRequest::Fund { shard: from, need }),
        }
    }

    /// Decides a claim at once, or queues it until other purses have returned what it needs.
    pub(super) fn claim(&mut self, account: AccountId, request: ParkedRequest) {
        let lack = lack(self.state, account, &request, self.context.room);
        let waiting = self.state.waiting(account);
        if lack.is_nothing()
            && waiting.is_none_or(|waiting| waiting.claims.is_empty() || is_late(self.state, account, waiting))
        {
            return match is_under_way_once_granted(self.state, &request) && self.has_too_many_movements(account) {
                true => self.refuse_request(account, &request, BatchRefusal::all(Rejection::ParkedLimit)),
                false => self.grant(account, &request),
            };
        }
        let first = waiting.is_none_or(|waiting| waiting.claims.is_empty());
        if first && lenders(self.state, account, &request).next().is_none() {
            return self.refuse_claim(account, &request, lack);
        }
        if self.is_held_up(account, &request) {
            return self.refuse_request(account, &request, BatchRefusal::all(Rejection::ShardUnavailable));
        }
        let movement = !matches!(request, ParkedRequest::Fund { .. });
        if movement && self.has_too_many_movements(account) {
            return self.refuse_request(account, &request, BatchRefusal::all(Rejection::ParkedLimit));
        }
        let mut parked = self.parked(account, request);
        // A purse's request is answered on its own shard.
        parked.index = None;
        self.step(|_, context| context.events.push(Event::Parked(Box::new(parked))));
        self.advance_claims(account);
    }

    fn has_too_many_movements(&self, account: AccountId) -> bool {
        self.state.movements(account) >= PARKED_MAX
    }

    /// Returns true if a shard that would be asked to return credits is full.
    fn is_held_up(&self, account: AccountId, request: &ParkedRequest) -> bool {
        lenders(self.state, account, request).any(|to| self.state.is_full(to))
    }

    /// Retries claims after a full shard has space again, for the first accounts for which anything
    /// waits. The other claims are retried when anything else changes for them, or refused in time.
    pub(super) fn stir_claims(&mut self) {
        let held_up = |waiting: &AccountQueue| waiting.recall.is_none() && !waiting.claims.is_empty();
        let some = self.state.facts.waiting.iter().take(SWEEP_MAX).filter(|(_, waiting)| held_up(waiting));
        let some: Vec<AccountId> = some.map(|(account, _)| *account).collect();
        self.state.stirred.extend(some);
    }

    /// Decides claims that can be decided, oldest first, and starts a recall for the first that
    /// cannot.
    pub(super) fn advance_claims(&mut self, account: AccountId) {
        while let Some(claim) = oldest_claim(self.state, account) {
            let lack = lack(self.state, account, &claim.request, self.context.room);
            if lack.is_nothing() {
                self.resumed(&claim);
                self.grant(account, &claim.request);
                continue;
            }
            if self.state.waiting(account).is_some_and(|waiting| waiting.recall.is_some()) {
                return;
            }
            let lenders: Vec<Shard> = lenders(self.state, account, &claim.request).collect();
            if lenders.iter().any(|to| self.state.is_full(*to)) {
                return;
            }
            if !lenders.is_empty() {
                return self.instruct(account, PurseInstruction::Recall(lack), lenders);
            }
            self.resumed(&claim);
            self.refuse_claim(account, &claim.request, lack);
        }
    }

    /// Handles a finished recall: every purse has returned what it had of what the oldest claim
    /// wanted.
    fn recalled(&mut self, account: AccountId, want: Need, more: bool) {
        if let (Some(claim), false) = (oldest_claim(self.state, account), more) {
            let lack = lack(self.state, account, &claim.request, self.context.room);
            if !lack.is_nothing() && was_asked(want, lack) {
                self.resumed(&claim);
                self.refuse_claim(account, &claim.request, lack);
            }
        }
        self.advance_claims(account);
    }

    fn grant(&mut self, account: AccountId, request: &ParkedRequest) {
        match *request {
            ParkedRequest::Fund { shard, .. } if shard == self.state.shard => {
                self.funded(account, None, None);
                // Try it before the next claim is granted what this one needs.
                self.try_parked(account);
            }
            ParkedRequest::Fund { shard, need } => {
                self.tell_groups(account, shard);
                self.step(|state, context| {
                    let credits = credits_for(state, account, need.credits);
                    let room = room_for(state, account, shard, need.room);
                    context.events.push(Event::PurseSent { account, to: shard, credits, room });
                    let fund = Message::Fund { account, credits, room, refused: None };
                    context.events.push(message::send(state, shard, fund));
                });
            }
            ParkedRequest::Withdraw { amount, client_id, by } => {
                self.step(|_, context| context.events.push(Event::Withdrawn { account, amount, client_id, by }));
            }
            ParkedRequest::Transfer { to, amount, client_id } => {
                self.send_transfer(Transfer { from: account, to, amount, client_id });
            }
            ParkedRequest::Place(_) | ParkedRequest::Amend { .. } | ParkedRequest::Batch(_) => {
                unreachable!("it waits at its market")
            }
        }
    }

    fn refuse_claim(&mut self, account: AccountId, request: &ParkedRequest, lack: Need) {
        self.refuse_request(account, request, BatchRefusal::all(code_for(lack)));
    }

    /// Answers an ask with a refusal.
    pub(super) fn fund_nothing(&mut self, account: AccountId, shard: Shard, code: Rejection) {
        if shard == self.state.shard {
            return self.funded(account, None, Some(code));
        }
        let (credits, room, refused) = (Credits::ZERO, Room::ZERO, Some(code));
        self.tell(shard, Message::Fund { account, credits, room, refused });
    }

    /// Receives what purses elsewhere return, and their confirmations of instructions.
    pub(super) fn take_returned(&mut self, from: Shard, all: &[Returned]) {
        for returned in all {
            let Returned { account, credits, room, ticket, more } = *returned;
            let pending = ticket.and_then(|ticket| self.state.facts.instructions.get(&(account, ticket)));
            let told = pending.is_some_and(|pending| pending.shards.contains(&from));
            self.step(|_, context| {
                if credits != Credits::ZERO || !room.is_zero() {
                    context.events.push(Event::PurseReceived { account, from, credits, room });
                }
            });
            match ticket.filter(|_| told) {
                Some(ticket) => self.note_obedience(account, ticket, from, more),
                None => {
                    self.state.stirred.insert(account);
                }
            }
        }
    }

    /// Records that a shard has carried an instruction out; the last one completes it.
    pub(super) fn note_obedience(&mut self, account: AccountId, ticket: u64, shard: Shard, more: bool) {
        let pending = &self.state.facts.instructions[&(account, ticket)];
        let (command, instruction) = (pending.command, pending.instruction);
        let more_anywhere = pending.more || more;
        let last = pending.shards.len() == 1;
        let current = self.state.waiting(account).is_some_and(|waiting| waiting.recall == Some(ticket));
        self.step(|_, context| context.events.push(Event::Obeyed { account, ticket, shard, more }));
        match instruction {
            PurseInstruction::Recall(want) if last && current => self.recalled(account, want, more_anywhere),
            PurseInstruction::Recall(_) => self.advance_claims(account),
            _ if last => {
                self.step(|_, context| {
                    context.events.push(Event::Resumed { account, ticket, command });
                    context.events.push(Event::InstructionCompleted { account, instruction });
                });
                self.state.stirred.insert(account);
            }
            _ => {}
        }
    }
}

/// Returns true if a recall asked for each component of what is lacking now. The home may have
/// spent, or its limits may have changed, since.
fn was_asked(want: Need, lack: Need) -> bool {
    let asked = |want: i64, lack: i64| want > 0 || lack == 0;
    asked(want.credits.0, lack.credits.0)
        && asked(want.room.orders.into(), lack.room.orders.into())
        && asked(want.room.held.0, lack.room.held.0)
}

/// Returns the refusal code for what is lacking.
pub(super) fn code_for(lack: Need) -> Rejection {
    if lack.credits.0 > 0 {
        Rejection::FundsInsufficient
    } else if lack.room.orders > 0 {
        Rejection::LiveOrderLimit
    } else {
        Rejection::NotionalLimit
    }
}

/// Returns why a purse at home can never get what it lacks: no other purse has anything to return,
/// and no other claim waits for the same.
pub(super) fn hopeless(state: &ShardState, account: AccountId, need: Need) -> Option<Rejection> {
    state.account(account).filter(|known| known.lent.is_empty())?;
    if state.waiting(account).is_some_and(|waiting| !waiting.claims.is_empty()) {
        return None;
    }
    (!need.is_nothing()).then(|| code_for(need))
}

/// Returns true if some shard is slow to return what the oldest claim needs.
pub(super) fn is_late(state: &ShardState, account: AccountId, waiting: &AccountQueue) -> bool {
    let recall = waiting.recall.and_then(|ticket| state.facts.instructions.get(&(account, ticket)));
    recall.is_some_and(|recall| recall.since.0 + RECALL_PATIENCE_MS <= state.facts.time.0)
}

fn oldest_claim(state: &ShardState, account: AccountId) -> Option<Parked> {
    state.waiting(account)?.claims.front().cloned()
}

/// Returns the other shards that may have something to return for a claim.
pub(super) fn lenders(state: &ShardState, account: AccountId, request: &ParkedRequest) -> impl Iterator<Item = Shard> {
    let claimant = match request {
        ParkedRequest::Fund { shard, .. } => Some(*shard),
        _ => None,
    };
    let known = state.account(account).into_iter().flat_map(|account| account.lent.keys().copied());
    known.filter(move |shard| Some(*shard) != claimant)
}

/// Returns true for a transfer that another shard completes. A transfer without a client id cannot
/// be repeated, so it is not recorded.
fn is_under_way_once_granted(state: &ShardState, request: &ParkedRequest) -> bool {
    matches!(*request, ParkedRequest::Transfer { to, client_id: Some(_), .. } if !state.is_home(to))
}

/// Returns what the home lacks for a claim.
fn lack(state: &ShardState, account: AccountId, request: &ParkedRequest, room: usize) -> Need {
    let Some(purse) = state.purse(account) else { return Need::NOTHING };
    let short = |credits: Credits| Credits((credits.0 - purse.available.0).max(0));
    match *request {
        // The purse on this shard checks its own balance.
        ParkedRequest::Fund { shard, .. } if shard == state.shard => parking::oldest_need(state, account, room),
        ParkedRequest::Fund { need, .. } => lack_of(purse, need),
        ParkedRequest::Withdraw { amount, .. } | ParkedRequest::Transfer { amount, .. } => Need::credits(short(amount)),
        ParkedRequest::Place(_) | ParkedRequest::Amend { .. } | ParkedRequest::Batch(_) => Need::NOTHING,
    }
}

/// Returns what the home's purse lacks of what another purse needs.
pub(super) fn lack_of(purse: &Purse, need: Need) -> Need {
    let short = Credits((need.credits.0 - purse.available.0).max(0));
    Need {
        credits: if need.credits.0 > 0 { short } else { Credits::ZERO },
        room: need.room.saturating_sub(purse.free_room()),
    }
}

/// Returns the credits that a purse is lent: its need, plus half of what is left unless another
/// claim waits for that.
fn credits_for(state: &ShardState, account: AccountId, need: Credits) -> Credits {
    let available = state.purse(account).map_or(0, |purse| purse.available.0);
    let wanted = state.waiting(account).is_some_and(|waiting| !waiting.claims.is_empty());
    match need.0 {
        0 => Credits::ZERO,
        need if wanted => Credits(need),
        need => Credits(need + (available - need) / 2),
    }
}

/// Returns the room that a purse is lent: all there can be without a limit, else its need plus half
/// of what is left.
fn room_for(state: &ShardState, account: AccountId, shard: Shard, need: Room) -> Room {
    let (Some(purse), Some(known)) = (state.purse(account), state.account(account)) else { return Room::ZERO };
    let has = known.lent.get(&shard).map_or(Room::ZERO, |lent| lent.room);
    let left = purse.free_room();
    let orders = match known.limits.live_orders {
        u32::MAX => Room::ALL.orders - has.orders,
        _ if need.orders > 0 => need.orders + (left.orders - need.orders) / 2,
        _ => 0,
    };
    let held = match known.limits.held.0 {
        i64::MAX => Room::ALL.held.0 - has.held.0,
        _ if need.held.0 > 0 => need.held.0 + (left.held.0 - need.held.0) / 2,
        _ => 0,
    };
    Room { orders, held: Credits(held) }
}
