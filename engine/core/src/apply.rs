//! Applies an event to the state. Never decides and never fails: recovery, standbys and auditors
//! run only this.
//!
//! Architecture invariant: the only code that changes a [`ShardState`]. The meaning of an event
//! never changes.
//!
//! A panic here is a broken invariant (`Invariant`), never an input: continuing would make every
//! further number wrong, so stopping the shard is the smaller loss.

use std::ops::RangeInclusive;

use schemas::effects::{self, MarketChange, PositionChange, PurseChange};
use schemas::event::{FirstOutcome, OrderAmended, OrderPlaced, Trade};
use schemas::limits::{PARKED_MAX, SWEEP_MAX};
use schemas::market::Resolution;
use schemas::{
    AccountId, AccountLimits, ApiKey, ApiKeyId, ClientId, Contract, Credits, Entry, Event, GroupId, GroupLimits,
    Listing, MarketEdit, MarketId, MarketLimits, MarketState, Need, NewOrder, OrderId, Parked, Price, ProposalId,
    PurseInstruction, Quantity, Rejection, Room, Shard, Side, Status, Timestamp, TriggerCause,
};

use crate::CommandContext;
use crate::book::BookKey;
use crate::decide::{asks_for, fingerprint, movement_fingerprint};
use crate::invariants::Invariant;
use crate::state::{
    Account, AccountQueue, Exposure, Group, KnownMarketEvent, Listed, Market, MarketOrder, MarketView, MassCancel,
    Meaning, OpenAsk, OpenTransfer, PendingInstruction, Position, Proposed, Purse, RequestName, ShardState, Table,
    TableObserver, YesClaim, step_of, weight,
};

/// Number of accounts whose parked requests one command tries only because an earlier command left
/// them untried.
const UNTRIED_MAX: usize = SWEEP_MAX;

/// The price range of every market's book.
pub const PRICES: RangeInclusive<u32> = Price::MIN.ticks() as u32..=Price::MAX.ticks() as u32;

impl ShardState {
    /// Applies one event.
    // Order events are a thousand times as frequent as all others: keep the stack frame of the
    // others off this path.
    #[inline]
    pub fn apply(&mut self, event: &Event) {
        self.unhashed += 1;
        match event {
            Event::OrderPlaced(placed) => self.place(placed),
            Event::Traded(trade) => self.trade(trade),
            Event::OrderCancelled { order, account, market, entry, quantity, reason, .. } => {
                self.change_purse(&PurseChange::live(*account, -1));
                self.take_off(*market, *account, *order, *entry, *quantity);
                self.facts.ended_orders.add(*order, *account, reason.status());
            }
            Event::Settled(settlement) => self.change_purse(&PurseChange::settled(settlement)),
            _ => self.apply_rare(event),
        }
    }

    #[inline(never)]
    fn apply_rare(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(_) | Event::Traded(_) | Event::OrderCancelled { .. } | Event::Settled(_) => {
                unreachable!("see `apply`")
            }
            Event::Unknown { .. }
            | Event::CameWith(_)
            | Event::Rejected { .. }
            | Event::MessageSkipped { .. }
            | Event::ClientIdRepeated { .. }
            | Event::StateHashed { .. }
            | Event::CancelRejected { .. }
            | Event::AmendRejected { .. }
            | Event::MassCancelRequested { .. }
            | Event::BatchItem { .. }
            | Event::InstructionCompleted { .. } => {}
            Event::HoldRaised { .. } => self.change_purse_by(event),
            Event::AccountOpened { account } => self.open_account(*account),
            Event::ApiKeyAdded { account, key, .. } => self.add_key(*account, key),
            Event::ApiKeyRevoked { account, key, .. } | Event::ApiKeyExpired { account, key } => {
                self.end_key(*account, *key);
            }
            Event::ApiKeyEnds { account, key, expires } => {
                if let Some(ended) = self.end_key(*account, *key) {
                    self.add_key(*account, &ApiKey { expires: Some(*expires), ..ended });
                }
            }
            Event::Deposited { account, amount, client_id, by, seconded } => {
                self.change_purse_by(event);
                match seconded {
                    None => self.facts.deposits.add_alone(*by, *amount, self.facts.time),
                    Some(seconded) => self.end_proposal(seconded.proposal),
                }
                self.facts.deposited += *amount;
                self.remember_movement(*account, *client_id, FirstOutcome::Deposit { amount: *amount });
            }
            Event::Withdrawn { account, amount, client_id, .. } => {
                self.change_purse_by(event);
                self.facts.deposited -= *amount;
                self.remember_movement(*account, *client_id, FirstOutcome::Withdrawal { amount: *amount });
            }
            Event::DepositProposed { proposal, account, amount, client_id, by, expires } => {
                let (account, amount, client_id, by, expires) = (*account, *amount, *client_id, *by, *expires);
                let deposits = &mut self.facts.deposits;
                deposits.proposed = proposal.counter();
                deposits.open.insert(*proposal, Proposed { account, amount, client_id, by, expires });
            }
            Event::DepositDropped { proposal, .. } => self.end_proposal(*proposal),
            Event::OrderRejected { id, order, code } => self.reject(*id, order, *code),
            Event::OrderReduced { order, account, market, entry, quantity, .. } => {
                self.take_off(*market, *account, *order, *entry, *quantity);
            }
            Event::OrderAmended(amended) => {
                self.change_purse_by(event);
                self.change_market(amended.market, event);
                self.amend(amended);
            }
            Event::PairsRedeemed { market, .. } | Event::PaidOut { market, .. } => {
                self.change_market(*market, event);
                self.refresh_lookup(*market);
            }
            Event::MarketSettled { market } => {
                self.market_mut(*market).settled = Some(self.facts.time);
                self.lookup_market(*market);
                self.schedule(*market);
            }
            Event::MarketArchived { market, .. } => self.leave(*market),
            Event::MarketCreated { listing, .. } => self.list(listing),
            Event::MarketEdited { market, edit, .. } => self.edit(*market, edit),
            Event::MarketAddedTo { market, addition, .. } => self.market_mut(*market).listing.add(addition),
            Event::MarketEventCreated { event, .. } => {
                let known = KnownMarketEvent { exclusive: event.exclusive, yes: None };
                assert!(self.facts.market_events.insert(event.id, known), "market event {} created twice", event.id);
            }
            Event::YesClaimed { market, claim, .. } => {
                let market = self.market_mut(*market);
                (market.claims, market.yes_claim) = (*claim, Some(YesClaim::Asked));
            }
            Event::YesReleased { market, .. } => self.market_mut(*market).yes_claim = None,
            Event::YesHeld { event, market } => {
                let known = self.facts.market_events.get_mut(*event);
                known.unwrap_or_else(|| panic!("market event {event} lives here")).yes = *market;
            }
            Event::YesAnswered { market, taken_by, .. } => {
                let claim = taken_by.map_or(YesClaim::Granted, YesClaim::Taken);
                self.market_mut(*market).yes_claim = Some(claim);
            }
            Event::MarketChanged { market, state, resolution, .. } => self.move_on(*market, *state, *resolution),
            Event::MarketLimited { market, limits, .. } => {
                self.market_mut(*market).limits = *limits;
                self.limit_exposures(*market);
            }
            Event::Sent { to, number, message } => {
                let origin = self.answering;
                self.facts.outboxes.entry(*to).or_default().push(*number, origin, message.clone());
            }
            Event::Received { from, number } => self.receive(*from, *number),
            Event::Acknowledged { to, number } => {
                self.facts.outboxes.entry(*to).or_default().acknowledge(*number);
            }
            Event::AccountFrozen { account, .. } => self.freeze(*account, true),
            Event::AccountUnfrozen { account, .. } => self.freeze(*account, false),
            Event::AccountLimited { account, limits, .. } => self.limit_account(*account, *limits),
            Event::DeadManSwitchSet { account, due } => self.set_dead_man_switch(*account, *due),
            Event::DeadManSwitchFired { account } => self.set_dead_man_switch(*account, None),
            Event::MassCancelOpened { account, market, reason, up_to, ticket } => {
                let tickets = Vec::new();
                let rest = MassCancel { reason: *reason, up_to: *up_to, tickets };
                let rest = self.facts.mass_cancels.entry((*account, *market)).or_insert(rest);
                (rest.reason, rest.up_to) = (*reason, *up_to);
                rest.tickets.extend(*ticket);
            }
            Event::MassCancelClosed { account, market } => {
                self.facts.mass_cancels.remove(&(*account, *market));
            }
            Event::TransferSent { from, to, amount, client_id } => {
                self.change_purse_by(event);
                if let Some(client_id) = client_id {
                    let transfer = OpenTransfer { command: self.answering, to: *to, amount: *amount };
                    self.facts.transfers.begin((*from, *client_id), transfer);
                }
            }
            Event::TransferReceived { from, client_id, .. } => {
                self.change_purse_by(event);
                if self.is_home(*from) {
                    self.end_transfer(*from, *client_id, Meaning::Movement);
                }
            }
            Event::TransferReturned { from, client_id, code, .. } => {
                self.change_purse_by(event);
                self.end_transfer(*from, *client_id, Meaning::RefusedMovement(*code));
            }
            Event::TransferCompleted { from, client_id, .. } => {
                self.end_transfer(*from, Some(*client_id), Meaning::Movement);
            }
            Event::Parked(parked) => self.park(parked),
            Event::Resumed { account, ticket, command } => {
                self.answering = *command;
                self.resume(*account, *ticket);
            }
            Event::ParkedCancelled { account, ticket, .. } => {
                self.waiting_mut(*account).ended.insert(*ticket, Rejection::CancelledWhileParked);
                self.stirred.insert(*account);
            }
            Event::Asked { account, need, given_back } => self.ask(*account, *need, *given_back),
            Event::AskAnswered { account, .. } => {
                self.waiting_mut(*account).asked = None;
                self.forget_waiting(*account);
            }
            Event::PurseSent { account, to, credits, room } => self.send_purse(event, *account, *to, *credits, *room),
            Event::PurseReceived { account, from, credits, room } => {
                self.receive_purse(event, *account, *from, *credits, *room);
            }
            Event::PurseFrozen { account, frozen } => self.purse_mut(*account).frozen = *frozen,
            Event::PurseLimited { account, given_back } => {
                let purse = self.purse_mut(*account);
                purse.room = purse.room - *given_back;
                purse.sealed = crate::state::Sealed { orders: true, held: true };
            }
            Event::Instructed { account, ticket, instruction, shards } => {
                let shards = shards.iter().copied().collect();
                let (command, since) = (self.answering, self.facts.time);
                let pending = PendingInstruction { command, instruction: *instruction, shards, since, more: false };
                self.instruct(*account, *ticket, pending);
            }
            Event::Obeyed { account, ticket, shard, more } => self.obey(*account, *ticket, *shard, *more),
            Event::GroupSet { account, group, limits, generation, anew } => {
                let fresh = anew.then(|| Group::new(*limits, *generation));
                self.set_group(*account, *group, *limits, fresh);
            }
            Event::AdminSet { admin, .. } => drop(self.facts.admins.insert(admin.id, (**admin).clone())),
            Event::AdminRevoked { admin, .. } => drop(self.facts.admins.remove(admin)),
            Event::GroupFilled { account, group, contracts, .. } => {
                let (home, now) = (self.is_home(*account), self.facts.time);
                let known = self.group_mut(*account, *group);
                known.count(*contracts, now);
                if !home {
                    known.unreported = known.unreported.saturating_add(*contracts);
                }
                self.lookup_group(*account, *group);
            }
            Event::GroupTriggered { account, group, cause } => self.trigger(*account, *group, *cause),
            Event::GroupReported { account, group } => {
                let known = self.group_mut(*account, *group);
                (known.unreported, known.trigger_unreported) = (0, false);
                self.lookup_group(*account, *group);
            }
            Event::GroupDeleted { account, group } => {
                if let Some(groups) = self.facts.groups.get_mut(*account) {
                    groups.all.remove(group);
                }
                self.lookup_group(*account, *group);
                self.ending.push(((*account, *group), None));
            }
            Event::PartAnnounced { part, .. } => self.facts.parts.announce(*part, self.facts.time),
            Event::PartLeft { part } => self.facts.parts.leave(*part),
            Event::VocabularyRaised { to, install, .. } => {
                (self.facts.vocabulary, self.facts.install) = (*to, *install);
                self.facts.parts.drop_silent(self.facts.time);
            }
        }
    }

    /// Begins an outcome. Time never decreases, whatever the broker's clock does.
    pub(crate) fn begin(&mut self, place: &CommandContext) {
        self.answering = place.cause.id;
        self.facts.time = self.facts.time.max(place.time);
        self.step = step_of(self.facts.time);
        let books = &self.facts.books;
        self.facts.client_ids.advance(self.facts.time, |order| books.get(order).is_some());
        self.decided = 0;
        if let Some(from) = self.facts.untried {
            self.stir_untried(from);
        }
    }

    #[cold]
    fn stir_untried(&mut self, from: AccountId) {
        let mut waiting = self.facts.waiting.range(from..).map(|(account, _)| *account);
        self.stirred.extend(waiting.by_ref().take(UNTRIED_MAX));
        self.untried_next = waiting.next();
    }

    /// Ends an outcome. What remains to try follows from the outcome alone, so every leader
    /// continues in the same way.
    pub(crate) fn end(&mut self) {
        if !self.stirred.is_empty() {
            self.stirred.clear();
        }
        let next = self.untried_next.take();
        self.facts.untried = if self.decided >= PARKED_MAX { Some(AccountId(0)) } else { next };
        self.hash_some();
    }

    /// Applies an event to the one purse that it changes, if any.
    fn change_purse_by(&mut self, event: &Event) {
        if let Some(change) = effects::purse_change(event) {
            self.change_purse(&change);
        }
    }

    #[inline]
    fn change_purse(&mut self, change: &PurseChange) {
        let step = self.step;
        let purse = self.purse_mut(change.account);
        let rested = purse.rests_at();
        purse.available += change.available;
        purse.held += change.held;
        if change.live_orders != 0 {
            purse.live_orders =
                purse.live_orders.checked_add_signed(change.live_orders).unwrap_or_else(|| miscounted(change));
        }
        purse.changed = step;
        if (purse.available.0 | purse.held.0) < 0 {
            overdrawn(change.account, purse);
        }
        let rests = purse.rests_at();
        if rested != rests {
            self.reschedule_purse(change.account, rested, rests);
        }
        if !self.facts.waiting.is_empty() {
            self.stir(change);
        }
    }

    /// Updates the schedule of when a purse away from home has rested long enough.
    fn reschedule_purse(&mut self, account: AccountId, before: Option<u32>, after: Option<u32>) {
        if self.is_home(account) {
            return;
        }
        if let Some(step) = before {
            self.lookup.resting_purses.remove(&(step, account));
        }
        if let Some(step) = after {
            self.lookup.resting_purses.insert((step, account));
        }
    }

    /// Marks the account as stirred: what was freed may be what a parked request waits for.
    #[cold]
    fn stir(&mut self, change: &PurseChange) {
        let freed = change.available.0 > 0 || change.held.0 < 0 || change.live_orders < 0;
        if freed && self.facts.waiting.contains_key(&change.account) {
            self.stirred.insert(change.account);
        }
    }

    fn send_purse(&mut self, event: &Event, account: AccountId, to: Shard, credits: Credits, room: Room) {
        self.change_purse_by(event);
        if self.is_home(account) {
            let lent = self.account_mut(account).lent.get_or_default(to);
            lent.credits += credits;
            lent.room = lent.room + room;
            self.keep_room(account);
            self.disturb_recall(account);
        } else {
            let purse = self.purse_mut(account);
            purse.room = purse.room - room;
            if let Some(waiting) = self.facts.waiting.get_mut(&account) {
                waiting.asks_more(credits, room);
            }
        }
    }

    /// Reopens a recall that a purse has answered: the purse may have something again.
    fn disturb_recall(&mut self, account: AccountId) {
        let recall = self.facts.waiting.get(&account).and_then(|waiting| waiting.recall);
        let pending = recall.and_then(|ticket| self.facts.instructions.get_mut(&(account, ticket)));
        if let Some(pending) = pending {
            pending.more = true;
        }
    }

    /// Receives credits and room. At home: what another purse returns, or room of the account's
    /// limits for the purse here. Elsewhere: what the home lends; the first loan creates the purse.
    fn receive_purse(&mut self, event: &Event, account: AccountId, from: Shard, credits: Credits, room: Room) {
        self.facts.purses.get_or_default(account);
        self.change_purse_by(event);
        if self.is_home(account) && from != self.shard {
            let lent = self.account_mut(account).lent.get_or_default(from);
            lent.credits -= credits;
            lent.room = lent.room - room;
            self.keep_room(account);
            if let Some(waiting) = self.facts.waiting.get_mut(&account) {
                waiting.claims_more(from, credits, room);
            }
        } else {
            let purse = self.purse_mut(account);
            purse.room = purse.room + room;
            purse.sealed.orders &= room.orders == 0;
            purse.sealed.held &= room.held == Credits::ZERO;
        }
        if self.facts.waiting.contains_key(&account) {
            self.stirred.insert(account);
        }
    }

    /// Gives the home's purse all the room that is not lent.
    fn keep_room(&mut self, account: AccountId) {
        let room = self.account_mut(account).unlent();
        self.purse_mut(account).room = room;
    }

    fn freeze(&mut self, account: AccountId, frozen: bool) {
        self.account_mut(account).frozen = frozen;
        self.purse_mut(account).frozen = frozen;
    }

    fn limit_account(&mut self, account: AccountId, limits: AccountLimits) {
        self.account_mut(account).limits = limits;
        self.keep_room(account);
        if self.facts.waiting.contains_key(&account) {
            self.stirred.insert(account);
        }
    }

    fn park(&mut self, parked: &Parked) {
        self.facts.tickets = parked.ticket;
        let account = parked.account;
        self.lookup.parked.insert((parked.deadline, account, parked.ticket));
        let waiting = self.facts.waiting.entry(account).or_default();
        if parked.request.is_claim() {
            waiting.claims.push_back(parked.clone());
        } else {
            waiting.requests.push_back(parked.clone());
            self.stirred.insert(account);
        }
        // A purse with waiting requests does not rest.
        if let Some(purse) = self.facts.purses.get_mut(account) {
            let rested = purse.rests_at();
            purse.changed = self.step;
            let rests = purse.rests_at();
            self.reschedule_purse(account, rested, rests);
        }
    }

    /// Removes a parked request or an instruction that is decided.
    fn resume(&mut self, account: AccountId, ticket: u64) {
        if self.facts.instructions.remove(&(account, ticket)).is_some() {
            return;
        }
        let parked = self.waiting_mut(account).remove(ticket);
        let parked = parked.unwrap_or_else(|| panic!("request {ticket} of {account} is parked"));
        self.decided += weight(&parked.request);
        self.lookup.parked.remove(&(parked.deadline, account, ticket));
        self.forget_waiting(account);
        // The next request in the queue may be decided, too.
        if self.facts.waiting.contains_key(&account) {
            self.stirred.insert(account);
        }
    }

    fn ask(&mut self, account: AccountId, need: Need, given_back: Room) {
        self.decided += 1;
        let waiting = self.waiting_mut(account);
        waiting.asked = waiting.requests.front().map(|parked| OpenAsk { ticket: parked.ticket, need });
        if !given_back.is_zero() {
            let purse = self.purse_mut(account);
            purse.room = purse.room - given_back;
        }
    }

    fn instruct(&mut self, account: AccountId, ticket: u64, pending: PendingInstruction) {
        self.facts.tickets = ticket;
        if matches!(pending.instruction, PurseInstruction::Recall(_)) {
            self.waiting_mut(account).recall = Some(ticket);
            self.decided += 1;
        }
        self.facts.instructions.insert((account, ticket), pending);
    }

    /// Records the answer of one shard to an instruction. The last answer to a recall ends it;
    /// other instructions end with `Resumed`.
    fn obey(&mut self, account: AccountId, ticket: u64, shard: Shard, more: bool) {
        let Some(pending) = self.facts.instructions.get_mut(&(account, ticket)) else { return };
        pending.shards.remove(&shard);
        pending.more |= more;
        let over = pending.shards.is_empty() && matches!(pending.instruction, PurseInstruction::Recall(_));
        if !over {
            return;
        }
        self.facts.instructions.remove(&(account, ticket));
        if let Some(waiting) = self.facts.waiting.get_mut(&account).filter(|w| w.recall == Some(ticket)) {
            waiting.recall = None;
            self.forget_waiting(account);
        }
    }

    fn waiting_mut(&mut self, account: AccountId) -> &mut AccountQueue {
        self.facts.waiting.entry(account).or_default()
    }

    fn forget_waiting(&mut self, account: AccountId) {
        if self.facts.waiting.get(&account).is_some_and(AccountQueue::is_over) {
            self.facts.waiting.remove(&account);
            self.stirred.remove(&account);
        }
    }

    /// Applies an event to the positions of its market and to the market's sums.
    fn change_market(&mut self, id: MarketId, event: &Event) {
        for change in effects::position_changes(event) {
            self.change_position(id, &change);
        }
        if let Some(change) = effects::market_change(event) {
            self.market_mut(id).change(&change);
        }
    }

    fn change_position(&mut self, id: MarketId, change: &PositionChange) {
        if self.market_mut(id).change_position(change) {
            self.paired.push(change.account);
        }
        if !self.lookup.reducing.is_empty() {
            self.note_shrinking(id, change.account);
        }
    }

    /// Notes an account whose position may now be smaller than what its reduce-only buys would
    /// take.
    #[cold]
    fn note_shrinking(&mut self, market: MarketId, account: AccountId) {
        let reduces = |bought: &Contract| self.lookup.reducing(market, account, *bought).is_some();
        if Contract::ALL.iter().any(reduces) {
            self.shrinking.push(account);
        }
    }

    /// Applies a trade: contracts move, the market's sums change, and the maker gives first.
    fn trade(&mut self, trade: &Trade) {
        self.facts.trades += 1;
        let id = trade.market;
        for change in PositionChange::traded(trade) {
            self.change_position(id, &change);
        }
        let market = self.market_mut(id);
        market.traded = true;
        market.change(&MarketChange::traded(trade));
        let (book, maker) = (market.book, &trade.maker);
        let (slot, filled) =
            self.facts.books.take_first_slot(book, maker.entry.book_side(), trade.quantity.contracts());
        let agrees = filled.id == maker.order && filled.contracts() - trade.quantity == trade.maker_remaining;
        assert!(agrees, "{}: maker {} is {filled:?}", Invariant::LevelsAddUp, maker.order);
        self.lookup.order_loses(id, &filled, trade.quantity);
        if trade.maker_remaining.is_zero() {
            self.change_purse(&PurseChange::live(maker.account, -1));
            self.disown(&filled, book, slot);
            self.facts.ended_orders.add(maker.order, maker.account, Status::Filled);
        } else {
            self.lookup.order_hashes.changes(slot);
        }
    }

    fn open_account(&mut self, id: AccountId) {
        assert!(self.facts.accounts.insert(id, Account::default()), "account {id} opened twice");
        self.facts.purses.insert(id, Purse { room: Room::ALL, ..Purse::default() });
    }

    fn reject(&mut self, id: OrderId, order: &NewOrder, code: Rejection) {
        self.facts.orders += 1;
        // Refusals give no more client ids to an account that has used its allowance up. Nor does a
        // client id stand for an order refused with its batch while another request under it is
        // parked.
        let takes = order.client_id.is_some()
            && !code.leaves_client_id_free()
            && !self.facts.client_ids.are_used_up(order.account);
        if takes && asks_for(self, order).is_none() {
            self.remember_order(order, Meaning::Refused(id, code));
        }
    }

    #[inline]
    fn remember_order(&mut self, order: &NewOrder, meaning: Meaning) {
        if let Some(name) = RequestName::of_order(order) {
            self.facts.client_ids.remember(name, meaning, fingerprint(order));
        }
    }

    /// Removes a proposed deposit that no longer waits.
    fn end_proposal(&mut self, id: ProposalId) {
        let ended = self.facts.deposits.open.remove(&id);
        assert!(ended.is_some(), "{}: proposal {id} does not wait", Invariant::DepositsHaveTheirAdmins);
    }

    fn remember_movement(&mut self, account: AccountId, client_id: Option<ClientId>, first: FirstOutcome) {
        if let Some(client_id) = client_id {
            let name = RequestName { account, market: None, client_id };
            self.facts.client_ids.remember(name, Meaning::Movement, movement_fingerprint(&first));
        }
    }

    /// Ends a transfer that has a client id; the client id then stands for its result.
    fn end_transfer(&mut self, from: AccountId, client_id: Option<ClientId>, meaning: Meaning) {
        if let Some(client_id) = client_id {
            let OpenTransfer { to, amount, .. } = self.facts.transfers.end((from, client_id));
            let fingerprint = movement_fingerprint(&FirstOutcome::Transfer { to, amount });
            self.facts.client_ids.remember(
                RequestName { account: from, market: None, client_id },
                meaning,
                fingerprint,
            );
        }
    }

    /// Holds what the order needs, records its client id, and rests it.
    fn place(&mut self, placed: &OrderPlaced) {
        let order = &placed.order;
        self.facts.orders += 1;
        self.change_purse(&PurseChange::placed(placed));
        self.remember_order(order, Meaning::Order(placed.id));
        if !placed.status.is_live() {
            return self.facts.ended_orders.add(placed.id, order.account, placed.status);
        }
        if order.entry.side() == Side::Sell {
            self.change_position(order.market, &PositionChange::placed(placed));
        }
        let (book, slot) = self.rest(order.market, MarketOrder::placed(placed));
        let account = self.purse_place(order.account);
        self.lookup.own_orders.append(account, book, slot);
    }

    #[inline]
    fn rest(&mut self, market: MarketId, resting: MarketOrder) -> (BookKey, u32) {
        let book = self.market_mut(market).book;
        let slot = self.facts.books.rest(book, resting);
        self.lookup.order_hashes.comes(slot);
        self.lookup.order_rests(market, &resting);
        (book, slot)
    }

    /// Forgets an order that rested in this slot.
    #[inline]
    fn disown(&mut self, order: &MarketOrder, book: BookKey, slot: u32) {
        let account = self.purse_place(order.owner.account);
        self.lookup.own_orders.remove(account, book, slot);
        self.lookup.order_hashes.goes(slot);
        self.facts.client_ids.order_ended(order.id);
    }

    /// Takes contracts off a resting order without a trade, and frees them if the order sells.
    fn take_off(&mut self, market: MarketId, account: AccountId, order: OrderId, entry: Entry, quantity: Quantity) {
        if entry.side() == Side::Sell {
            let freed = -i64::from(quantity.contracts());
            self.change_position(market, &PositionChange::reserved(market, account, entry, freed));
        }
        self.reduce(market, order, quantity);
        self.refresh_lookup(market);
    }

    /// Reduces a resting order: all of its contracts end it; fewer leave it in its place.
    fn reduce(&mut self, market: MarketId, order: OrderId, quantity: Quantity) {
        let book = self.market_mut(market).book;
        let books = &mut self.facts.books;
        let gone = || panic!("{}: order {order} ended twice", Invariant::LevelsAddUp);
        let (slot, before) = books.take_from_slot(order, quantity.contracts()).unwrap_or_else(gone);
        if before.contracts() > quantity {
            books.owner_at(slot).quantity = before.owner.quantity - quantity;
            self.lookup.order_hashes.changes(slot);
        } else {
            self.disown(&before, book, slot);
        }
        self.lookup.order_loses(market, &before, quantity);
    }

    fn amend(&mut self, amended: &OrderAmended) {
        let OrderAmended { order, market, .. } = *amended;
        if amended.in_place {
            self.reduce(market, order, amended.old_remaining - amended.resting());
            return;
        }
        let books = &mut self.facts.books;
        let slot = books.slot(order).unwrap_or_else(|| panic!("{}: order {order} is gone", Invariant::LevelsAddUp));
        let before = books.order(slot);
        self.lookup.order_loses(market, &before, before.contracts());
        if amended.status.is_live() {
            // The order keeps its slot, and so its place among its account's orders.
            books.move_to(slot, amended.price.ticks().into(), amended.resting().contracts());
            books.owner_at(slot).quantity = amended.quantity;
            self.lookup.order_hashes.changes(slot);
            self.lookup.order_rests(market, &books.order(slot));
        } else {
            let (book, _) = books.remove(order).expect("it has a slot");
            self.disown(&before, book, slot);
            self.facts.ended_orders.add(order, before.owner.account, amended.status);
        }
    }

    fn list(&mut self, listing: &Listing) {
        let book = self.facts.books.add_with(PRICES);
        let market = Market {
            listing: Listed::of(listing),
            state: MarketState::Created,
            limits: listing.limits,
            settled: None,
            resolution: None,
            traded: false,
            claims: 0,
            yes_claim: None,
            collateral: Credits::ZERO,
            fees: Credits::ZERO,
            yes: 0,
            no: 0,
            positions: Table::default(),
            book,
        };
        self.lookup.market_places.put(book, self.facts.markets.len());
        assert!(self.facts.markets.insert(listing.market, market), "market {} listed twice", listing.market);
        self.limit_exposures(listing.market);
        self.schedule(listing.market);
    }

    /// Changes a market's details, and with them perhaps when its phase next changes.
    fn edit(&mut self, id: MarketId, edit: &MarketEdit) {
        if let Some(time) = self.market(id).and_then(|market| market.moves_on()) {
            self.lookup.market_times.remove(&(time, id));
        }
        self.market_mut(id).listing.edit(edit);
        self.schedule(id);
    }

    /// Removes a market from the state. The last market of the table moves to its place.
    fn leave(&mut self, id: MarketId) {
        let time = self.market(id).and_then(|market| market.moves_on());
        time.map(|time| self.lookup.market_times.remove(&(time, id)));
        let place = self.facts.markets.place(id).unwrap_or_else(|| panic!("market {id} lives here"));
        let market = self.facts.markets.remove(id).expect("it has a place");
        let empty = market.collateral == Credits::ZERO && self.facts.books.is_empty(market.book);
        assert!(empty, "{}: market {id} is archived", Invariant::CollateralCoversPairs);
        if let Some(moved) = self.facts.markets.nth(place) {
            self.lookup.market_places.put(moved.book, place);
        }
        self.facts.books.close(market.book);
        self.lookup.market_places.vacate(market.book);
        self.lookup.exposures.remove(&id);
        self.facts.archive.add(id, market.fees);
    }

    fn move_on(&mut self, id: MarketId, state: MarketState, resolution: Option<Resolution>) {
        if let Some(time) = self.market(id).and_then(|market| market.moves_on()) {
            self.lookup.market_times.remove(&(time, id));
        }
        let market = self.market_mut(id);
        market.state = state;
        market.resolution = resolution;
        self.schedule(id);
        self.lookup_market(id);
    }

    /// Starts counting accounts' live orders in a market with a limit, and only there: counting
    /// costs memory for every account.
    pub(crate) fn limit_exposures(&mut self, id: MarketId) {
        let market = self.facts.markets.get(id).expect("the event names a market that is here");
        if market.limits == MarketLimits::NONE {
            self.lookup.exposures.remove(&id);
            return;
        }
        let mut exposures: Table<AccountId, Exposure> = Table::default();
        for order in (MarketView { market, books: &self.facts.books }).all_orders() {
            exposures.get_or_default(order.owner.account).add(&Exposure::of_live(&order));
        }
        self.lookup.exposures.insert(id, exposures);
    }

    fn set_dead_man_switch(&mut self, id: AccountId, due: Option<Timestamp>) {
        let before = std::mem::replace(&mut self.account_mut(id).dead_man_due, due);
        if let Some(before) = before {
            self.lookup.dead_man_switches.remove(&(before, id));
        }
        if let Some(due) = due {
            self.lookup.dead_man_switches.insert((due, id));
        }
    }

    fn add_key(&mut self, id: AccountId, key: &ApiKey) {
        self.account_mut(id).keys.insert(key.id, key.clone());
        if let Some(expires) = key.expires {
            self.lookup.key_expiries.insert((expires, id, key.id));
        }
    }

    fn end_key(&mut self, id: AccountId, key: ApiKeyId) -> Option<ApiKey> {
        let keys = &mut self.account_mut(id).keys;
        let ended = keys.get(&key)?.clone();
        keys.remove(&key);
        if let Some(expires) = ended.expires {
            self.lookup.key_expiries.remove(&(expires, id, key));
        }
        Some(ended)
    }

    /// Sets a group: a fresh one (created or reset), or other limits for an existing one.
    fn set_group(&mut self, account: AccountId, id: GroupId, limits: GroupLimits, fresh: Option<Group>) {
        match fresh {
            Some(fresh) => {
                let groups = self.facts.groups.get_or_default(account);
                groups.generations = groups.generations.max(fresh.generation);
                groups.all.insert(id, fresh);
            }
            None => {
                let now = self.facts.time;
                self.group_mut(account, id).limit(limits, now);
            }
        }
        self.lookup_group(account, id);
    }

    /// Triggers a group. The home is not notified of what it ordered or was asked itself.
    fn trigger(&mut self, account: AccountId, id: GroupId, cause: TriggerCause) {
        let home = self.is_home(account);
        let known = self.group_mut(account, id);
        known.triggered = true;
        if cause == TriggerCause::Elsewhere {
            (known.unreported, known.trigger_unreported) = (0, false);
        } else {
            known.trigger_unreported = !home;
        }
        self.lookup_group(account, id);
        self.ending.push(((account, id), Some(cause)));
    }

    /// Notes whether a group's home must be notified of it.
    pub(crate) fn lookup_group(&mut self, account: AccountId, id: GroupId) {
        let key = (self.map.of_account(account), account, id);
        if self.group(account, id).is_some_and(Group::is_unreported) {
            self.lookup.unreported.insert(key);
        } else {
            self.lookup.unreported.remove(&key);
        }
    }

    fn group_mut(&mut self, account: AccountId, id: GroupId) -> &mut Group {
        let groups = self.facts.groups.get_mut(account);
        let known = groups.and_then(|groups| groups.all.get_mut(&id));
        known.unwrap_or_else(|| panic!("{}: {account} has no group {id}", Invariant::GroupsHold))
    }

    fn receive(&mut self, from: Shard, number: u64) {
        let inbox = self.facts.inboxes.entry(from).or_default();
        assert_eq!(number, inbox.last + 1, "{}: message from shard {from}", Invariant::MessagesAreDense);
        inbox.last = number;
    }

    /// Updates the look-ups for a market that is swept: whether more of it is left to sweep.
    fn refresh_lookup(&mut self, market: MarketId) {
        if self.lookup.sweeping.contains(&market) {
            self.lookup_market(market);
        }
    }

    /// Updates the look-ups for one market.
    pub(crate) fn lookup_market(&mut self, id: MarketId) {
        let market = self.market(id).expect("the event names a market that is here");
        let paused = matches!(market.state, MarketState::Paused | MarketState::CancelOnly);
        let pausing = paused && self.lookup.paused_orders(id).next().is_some();
        if market.ends_orders() || market.pays_out() || pausing {
            self.lookup.sweeping.insert(id);
        } else {
            self.lookup.sweeping.remove(&id);
        }
    }

    /// Notes when a market's phase next changes by time.
    pub(crate) fn schedule(&mut self, id: MarketId) {
        if let Some(time) = self.market(id).and_then(|market| market.moves_on()) {
            self.lookup.market_times.insert((time, id));
        }
    }

    #[inline]
    fn purse_mut(&mut self, id: AccountId) -> &mut Purse {
        self.facts.purses.get_mut(id).unwrap_or_else(|| panic!("account {id} has a purse here"))
    }

    #[inline]
    fn purse_place(&self, id: AccountId) -> usize {
        self.facts.purses.place(id).unwrap_or_else(|| panic!("account {id} has a purse here"))
    }

    #[inline]
    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        self.facts.accounts.get_mut(id).unwrap_or_else(|| panic!("account {id} lives here"))
    }

    #[inline]
    fn market_mut(&mut self, id: MarketId) -> &mut Market {
        self.facts.markets.get_mut(id).unwrap_or_else(|| panic!("market {id} lives here"))
    }
}

impl Market {
    /// Changes a position. Returns true if the account now holds pairs.
    fn change_position(&mut self, change: &PositionChange) -> bool {
        let position = self.positions.get_or_default(change.account);
        let add = |value: u64, difference: i64| {
            value.checked_add_signed(difference).unwrap_or_else(|| {
                panic!("{}: position of {} by {change:?}", Invariant::NothingIsNegative, change.account)
            })
        };
        position.yes = add(position.yes, change.yes);
        position.no = add(position.no, change.no);
        position.yes_reserved = add(position.yes_reserved, change.yes_reserved);
        position.no_reserved = add(position.no_reserved, change.no_reserved);
        let covered = position.yes >= position.yes_reserved && position.no >= position.no_reserved;
        assert!(covered, "{}: {} reserves {position:?}", Invariant::NothingIsNegative, change.account);
        if *position == Position::default() {
            self.positions.remove(change.account);
            return false;
        }
        position.pairs() > 0
    }

    fn change(&mut self, change: &MarketChange) {
        let add = |value: u64, difference: i64| {
            value
                .checked_add_signed(difference)
                .unwrap_or_else(|| panic!("{}: market by {change:?}", Invariant::NothingIsNegative))
        };
        self.collateral += change.collateral;
        self.fees += change.fees;
        self.yes = add(self.yes, change.yes);
        self.no = add(self.no, change.no);
    }
}

#[cold]
fn miscounted(change: &PurseChange) -> u32 {
    panic!("{}: {} by {change:?}", Invariant::LiveOrdersAreCounted, change.account)
}

#[cold]
fn overdrawn(account: AccountId, purse: &Purse) -> ! {
    panic!("{}: purse of {account} is {purse:?}", Invariant::NothingIsNegative)
}
