//! Parks requests until their account's purse has what they lack: parked, requested from the home,
//! decided later. (A purse is an account's balance on one shard.)
//!
//! ```text
//! market's shard ─ Ask ─▶ account's home ─ Fund ─▶ *market's shard*
//! ```
//!
//! | a request that comes                                    | what happens                        |
//! |---------------------------------------------------------|-------------------------------------|
//! | would be refused whatever its purse had                 | it is refused                       |
//! | cancels, or only takes contracts off in place           | it is carried out                   |
//! | while another of its account is parked here             | it is parked behind it              |
//! | lacks something                                         | it is parked, and the home is asked |
//! | any other                                               | it is carried out                   |
//!
//! The same rules apply to a parked request when its turn comes. At most one ask of a purse is open
//! at a time, for the oldest request.

use schemas::limits::{PARKED_MAX, PARKED_MAX_MS};
use schemas::{
    AccountId, Amendment, CommandId, Credits, Event, Message, Need, NewOrder, OrderRef, Parked, ParkedRequest,
    Rejection, Room, Timestamp,
};

use super::batch::BatchRefusal;
use super::{CommandRun, amend, claims, message, order};
use crate::state::{OpenAsk, ShardState, weight};

impl CommandRun<'_> {
    /// Parks a request for what its purse lacks, or refuses it if it could never get that.
    pub(super) fn park_for(&mut self, account: AccountId, need: Need, request: ParkedRequest) {
        let alone = !self.frees_later && !queues(self.state, account);
        match claims::hopeless(self.state, account, need).filter(|_| alone) {
            Some(code) => self.refuse_request(account, &request, super::batch::for_lack(&request, code)),
            None => self.park(account, request),
        }
    }

    /// Parks a request, or refuses it if too many are parked or its home cannot be asked.
    fn park(&mut self, account: AccountId, request: ParkedRequest) {
        if let Err(code) = check_park(self.state, account, weight(&request)) {
            self.refuse_request(account, &request, BatchRefusal::all(code));
            return;
        }
        let parked = self.parked(account, request);
        self.step(|_, context| context.events.push(Event::Parked(Box::new(parked))));
    }

    /// Returns a request of the current command in parked form.
    pub(super) fn parked(&self, account: AccountId, request: ParkedRequest) -> Parked {
        Parked {
            account,
            ticket: self.state.facts.tickets + 1,
            command: self.state.answering,
            index: self.index,
            deadline: Timestamp(self.state.facts.time.0.saturating_add(PARKED_MAX_MS)),
            request,
        }
    }

    /// Tries parked requests of stirred accounts, until about [`PARKED_MAX`] are decided in one
    /// command.
    #[inline(never)]
    pub(super) fn decide_parked(&mut self) {
        while self.state.decided < PARKED_MAX {
            let Some(account) = self.state.stirred.pop_first() else { return };
            self.answer_ended(account);
            self.advance_claims(account);
            self.try_parked(account);
        }
    }

    /// Answers requests that something else has ended.
    fn answer_ended(&mut self, account: AccountId) {
        while let Some((parked, code)) = first_ended(self.state, account) {
            self.refuse_parked(&parked, code);
        }
    }

    /// Decides parked requests of an account in order, until one lacks something.
    pub(super) fn try_parked(&mut self, account: AccountId) {
        while let Some(parked) = self.state.waiting(account).and_then(|waiting| waiting.requests.front().cloned()) {
            if self.state.decided >= PARKED_MAX {
                break;
            }
            match look(self.state, account, &parked.request, self.context.room) {
                Err(refused) => {
                    self.resumed(&parked);
                    self.refuse_request(account, &parked.request, refused);
                }
                Ok(need) if need.is_nothing() => {
                    self.resumed(&parked);
                    self.carry_out_parked(account, &parked.request);
                }
                Ok(need) => match claims::hopeless(self.state, account, need) {
                    Some(code) => {
                        self.resumed(&parked);
                        self.refuse_request(account, &parked.request, super::batch::for_lack(&parked.request, code));
                    }
                    None => {
                        self.ask(account, need);
                        break;
                    }
                },
            }
        }
    }

    /// Marks the following events as the answer to a parked request.
    pub(super) fn resumed(&mut self, parked: &Parked) {
        let Parked { account, ticket, command, index, .. } = *parked;
        self.step(|_, context| {
            context.events.push(Event::Resumed { account, ticket, command });
            context.events.extend(index.map(|index| Event::BatchItem { index }));
        });
    }

    /// Ends a parked request with a refusal.
    pub(super) fn refuse_parked(&mut self, parked: &Parked, code: Rejection) {
        self.resumed(parked);
        self.refuse_request(parked.account, &parked.request, BatchRefusal::all(code));
    }

    fn carry_out_parked(&mut self, account: AccountId, request: &ParkedRequest) {
        match request {
            ParkedRequest::Place(order) => self.take_in(order),
            ParkedRequest::Amend { order, price, quantity } => {
                let amendment = Amendment { account, order: *order, price: *price, quantity: *quantity };
                self.change(&amendment);
            }
            ParkedRequest::Batch(requests) => self.carry_out(account, requests),
            claim => unreachable!("{claim:?} waits at home"),
        }
    }

    pub(super) fn refuse_request(&mut self, account: AccountId, request: &ParkedRequest, refused: BatchRefusal) {
        match request {
            ParkedRequest::Place(order) => self.reject_order(order, refused.first()),
            ParkedRequest::Amend { order, .. } => self.reject_amend(account, OrderRef::Id(*order), refused.first()),
            ParkedRequest::Batch(requests) => self.refuse_requests(account, requests, refused),
            ParkedRequest::Withdraw { .. } | ParkedRequest::Transfer { .. } => {
                let code = refused.first();
                self.step(|_, context| context.events.push(Event::Rejected { code }));
            }
            ParkedRequest::Fund { shard, .. } => self.fund_nothing(account, *shard, refused.first()),
        }
    }

    /// Asks the home for what the oldest parked request lacks, unless it was asked already.
    fn ask(&mut self, account: AccountId, need: Need) {
        if self.state.waiting(account).is_none_or(|waiting| waiting.asked.is_some()) {
            return;
        }
        let home = self.state.map.of_account(account);
        let here = home == self.state.shard;
        self.step(|state, context| {
            let given_back = if here {
                Room::ZERO
            } else {
                state.purse(account).map_or(Room::ZERO, crate::state::Purse::sealed_room)
            };
            context.events.push(Event::Asked { account, need, given_back });
            if !here {
                context.events.push(message::send(state, home, Message::Ask { account, need, given_back }));
            }
        });
        if here {
            self.claim(account, ParkedRequest::Fund { shard: home, need });
        }
    }

    /// Handles the home's answer to an ask.
    pub(super) fn funded(&mut self, account: AccountId, lent: Option<NewLoan>, refused: Option<Rejection>) {
        let asked = self.state.waiting(account).and_then(|waiting| waiting.asked);
        self.step(|_, context| {
            context.events.extend(lent.map(|NewLoan { from, credits, room }| Event::PurseReceived {
                account,
                from,
                credits,
                room,
            }));
            context.events.push(Event::AskAnswered { account, refused });
        });
        if let Some(code) = refused {
            self.refuse_asked(account, asked, code);
        }
        self.state.stirred.insert(account);
    }

    /// Refuses the oldest request with the home's code, unless it is another request than the one
    /// asked for, or lacks less by now.
    fn refuse_asked(&mut self, account: AccountId, asked: Option<OpenAsk>, code: Rejection) {
        let (Some(waiting), Some(asked)) = (self.state.waiting(account), asked) else { return };
        let oldest = waiting.requests.front().filter(|oldest| oldest.ticket == asked.ticket);
        let Some(parked) = oldest.cloned() else { return };
        let lacking = look(self.state, account, &parked.request, self.context.room);
        // The home checks its own purse again before it refuses. A recall brings credits there, so
        // the purse may lack less than it asked for, and still more than it has.
        let here = self.state.is_home(account);
        let refused = |need: Need| !need.is_nothing() && (here || lacks_as_much(need, asked.need, code));
        if lacking.is_ok_and(refused) {
            let refused = super::batch::for_lack(&parked.request, code);
            self.resumed(&parked);
            self.refuse_request(account, &parked.request, refused);
        }
    }

    /// Refuses requests that were not decided in time, about `room` of them.
    pub(super) fn refuse_late(&mut self, room: usize) {
        let mut done = 0;
        while done < room {
            let Some((deadline, account, ticket)) = self.state.lookup.parked.first().copied() else { break };
            if deadline > self.state.facts.time {
                break;
            }
            let all = self.state.waiting(account).expect("what is parked waits").all();
            let parked = all.into_iter().find(|parked| parked.ticket == ticket).expect("it is parked").clone();
            self.refuse_parked(&parked, Rejection::FundingTimeout);
            done += weight(&parked.request);
        }
    }

    /// Ends parked orders of an account, in one market or in all. They are answered at the end of
    /// the command.
    pub(super) fn cancel_parked(&mut self, account: AccountId, market: Option<schemas::MarketId>) {
        let ended: Vec<(u64, CommandId)> = {
            let Some(waiting) = self.state.waiting(account) else { return };
            let market_of = |order| self.state.live_order(order).map(|(market, _)| market.listing.market);
            let meant = |parked: &&Parked| market.is_none_or(|market| parked.request.concerns(market, market_of));
            let ended = waiting.requests.iter().filter(|parked| !waiting.ended.contains_key(&parked.ticket));
            ended.filter(meant).map(|parked| (parked.ticket, parked.command)).collect()
        };
        self.step(|_, context| {
            let events = ended.iter().map(|&(ticket, command)| Event::ParkedCancelled { account, ticket, command });
            context.events.extend(events);
        });
    }
}

/// What an account's home lends.
#[derive(Clone, Copy)]
pub(super) struct NewLoan {
    pub from: schemas::Shard,
    pub credits: Credits,
    pub room: Room,
}

/// Checks whether a request of this weight may be parked.
pub(super) fn check_park(state: &ShardState, account: AccountId, weight: usize) -> Result<(), Rejection> {
    let parked = state.waiting(account).map_or(0, crate::state::AccountQueue::weight);
    if parked + weight > PARKED_MAX {
        return Err(Rejection::ParkedLimit);
    }
    if state.is_full(state.map.of_account(account)) {
        return Err(Rejection::ShardUnavailable);
    }
    Ok(())
}

/// Returns true if requests of the account are parked here.
pub(super) fn queues(state: &ShardState, account: AccountId) -> bool {
    state.waiting(account).is_some_and(|waiting| !waiting.requests.is_empty())
}

/// Finds a parked request by the client id of its order.
pub(super) fn named(state: &ShardState, account: AccountId, order: &OrderRef) -> Option<(u64, CommandId)> {
    let OrderRef::ClientId { market, client_id } = *order else { return None };
    let waiting = state.waiting(account)?;
    let named = |parked: &&Parked| {
        parked.request.order_named(market, client_id).is_some() && !waiting.ended.contains_key(&parked.ticket)
    };
    waiting.requests.iter().find(named).map(|parked| (parked.ticket, parked.command))
}

/// Returns true if a refusal of what was asked for also refuses what is lacking now.
fn lacks_as_much(now: Need, asked: Need, code: Rejection) -> bool {
    match code {
        Rejection::FundsInsufficient => now.credits >= asked.credits,
        Rejection::LiveOrderLimit => now.room.orders >= asked.room.orders,
        Rejection::NotionalLimit => now.room.held >= asked.room.held,
        _ => true,
    }
}

/// Returns the parked request for an order under this client id, and the order.
pub(crate) fn asks_for<'a>(state: &'a ShardState, order: &NewOrder) -> Option<(CommandId, &'a NewOrder)> {
    let client_id = order.client_id?;
    let requests = &state.waiting(order.account)?.requests;
    let named = |parked: &'a Parked| Some((parked.command, parked.request.order_named(order.market, client_id)?));
    requests.iter().find_map(named)
}

fn first_ended(state: &ShardState, account: AccountId) -> Option<(Parked, Rejection)> {
    let waiting = state.waiting(account)?;
    let (ticket, code) = waiting.ended.first_key_value()?;
    let parked = waiting.requests.iter().find(|parked| parked.ticket == *ticket).expect("it was parked when it ended");
    Some((parked.clone(), *code))
}

/// Returns what a request lacks, or why it is refused whatever its purse has.
fn look(state: &ShardState, account: AccountId, request: &ParkedRequest, room: usize) -> Result<Need, BatchRefusal> {
    match request {
        ParkedRequest::Place(order) => {
            order::check(state, order, state.facts.time).map(|(.., need)| need).map_err(BatchRefusal::all)
        }
        ParkedRequest::Amend { order, price, quantity } => {
            let amendment = Amendment { account, order: *order, price: *price, quantity: *quantity };
            amend::look(state, &amendment).map(|(_, need)| need).map_err(BatchRefusal::all)
        }
        ParkedRequest::Batch(requests) => super::batch::look(state, account, requests, room),
        claim => unreachable!("{claim:?} waits at home"),
    }
}

/// Returns what a purse lacks of `wanted`. An account without a purse lacks all of it, and the
/// purse itself.
#[inline]
pub(super) fn lacks(state: &ShardState, account: AccountId, wanted: Need) -> Result<Need, Rejection> {
    match state.purse(account) {
        Some(purse) if purse.covers(wanted) => Ok(Need::NOTHING),
        Some(purse) => Ok(purse.lacks(wanted)),
        None if state.is_home(account) => Err(Rejection::AccountUnknown),
        // Only a buy gets here, and it always needs credits.
        None => Ok(wanted),
    }
}

/// Returns what the oldest parked request of an account lacks here; nothing if none is parked, or
/// if it is refused when its turn comes.
pub(super) fn oldest_need(state: &ShardState, account: AccountId, room: usize) -> Need {
    let oldest = state.waiting(account).and_then(|waiting| waiting.requests.front());
    let need = oldest.and_then(|parked| look(state, account, &parked.request, room).ok());
    need.unwrap_or_default()
}
