//! Decides which events a command causes. All branching between commands is here; each kind of
//! command has its own file.
//!
//! A decision reads `&ShardState` and yields events; [`ShardState::apply`] applies them. A command
//! may take several steps (take an order in, match it, redeem pairs, settle purses): each step
//! decides, then applies, and all events go into one outcome. A refusal is an event like any other.
//! Checks run in the order of their codes.

mod about;
mod account;
mod admins;
mod amend;
mod batch;
mod cancel;
mod claims;
mod deposits;
mod groups;
mod instruct;
mod keys;
mod lending;
mod limits;
mod market;
mod matching;
mod message;
mod order;
mod parking;
mod precheck;
mod preview;
mod reduce;
mod settle;
mod sweep;
mod taker;
mod transfer;
mod vocabulary;
mod yes;

use schemas::limits::{ORDER_FILLS_MAX, TIME_MAX};
use schemas::{Command, CommandRecord, Event, MarketId, Rejection, Settlement, Timestamp};

use crate::CommandContext;
use crate::state::ShardState;
pub(crate) use account::movement_fingerprint;
pub use lending::{Lending, Recall};
pub(crate) use order::fingerprint;
pub(crate) use parking::asks_for;
pub use preview::{OrderEffect, Preview, PriceFill, PurseEffect};

impl ShardState {
    /// Decides and applies one command; appends its events, in order, to `events`.
    pub fn handle(&mut self, place: CommandContext, command: &Command, events: &mut Vec<Event>) {
        self.decide(place, events, |run| run.take(command));
    }

    /// As [`ShardState::handle`], for a command record: the outcome keeps the origin that the
    /// record carries.
    pub(crate) fn handle_record(&mut self, place: CommandContext, record: &CommandRecord, events: &mut Vec<Event>) {
        self.decide(place, events, |run| {
            if let Some(origin) = &record.origin {
                run.step(|_, context| context.events.push(Event::CameWith(origin.clone())));
            }
            run.take(&record.command);
        });
    }

    /// Decides and applies the outcome of a record that is not a valid command: a refusal.
    pub fn refuse(&mut self, place: CommandContext, code: Rejection, events: &mut Vec<Event>) {
        self.decide(place, events, |run| run.refuse_alone(code));
    }

    fn decide(&mut self, place: CommandContext, events: &mut Vec<Event>, first: impl FnOnce(&mut CommandRun<'_>)) {
        self.begin(&place);
        let mut settlements = std::mem::take(&mut self.settlements);
        let room = ORDER_FILLS_MAX;
        let now = self.facts.time;
        let context = DecisionContext { events, settlements: &mut settlements, room, now };
        let mut run = CommandRun { state: self, index: None, frees_later: false, context };
        first(&mut run);
        // Most commands leave no parked request to try.
        if !run.state.stirred.is_empty() {
            run.decide_parked();
        }
        if !run.state.lookup.unreported.is_empty() {
            run.report_groups();
        }
        let told = settlements.is_empty() && self.paired.is_empty() && self.shrinking.is_empty();
        let told = told && self.ending.is_empty();
        debug_assert!(told, "a run ends with nothing left to tell");
        self.settlements = settlements;
        self.end();
    }

    /// Applies the events of an outcome that was decided before, here or by another writer.
    pub fn follow(&mut self, place: CommandContext, events: &[Event]) {
        self.begin(&place);
        for event in events {
            self.apply(event);
        }
        // The outcome in the log already includes the redemptions, the reductions, and the orders
        // that ended with their group.
        self.paired.clear();
        self.shrinking.clear();
        self.ending.clear();
        self.end();
    }
}

/// One command while it is decided and applied.
struct CommandRun<'a> {
    state: &'a mut ShardState,
    /// The index of the current request in its batch; `None` if the command is not a batch.
    index: Option<u16>,
    /// A later request of the batch may free what the current one lacks.
    frees_later: bool,
    context: DecisionContext<'a>,
}

/// The decision context: what the decisions of one command have produced so far.
struct DecisionContext<'a> {
    /// Events of the command. Those of the current step are not applied yet.
    events: &'a mut Vec<Event>,
    /// What the command does to purses; the last step emits it as events.
    settlements: &'a mut Vec<Settlement>,
    /// The time of the command.
    now: Timestamp,
    /// How many more resting orders matching may fill, cancel or reduce.
    room: usize,
}

impl CommandRun<'_> {
    /// Dispatches the command, after the check of its times that applies to every command.
    fn take(&mut self, command: &Command) {
        if command.latest_time() > Some(TIME_MAX) {
            self.refuse_alone(Rejection::TimeOutOfRange);
        } else {
            self.dispatch(command);
        }
    }

    fn dispatch(&mut self, command: &Command) {
        match command {
            Command::OpenAccount { account, key } => self.open_account(*account, key),
            Command::AddApiKey { account, key, by } => self.add_api_key(*account, key, *by),
            Command::RevokeApiKey { account, key, by } => self.revoke_api_key(*account, *key, *by),
            Command::Deposit { account, amount, client_id, by } => self.deposit(*account, *amount, *client_id, *by),
            Command::Withdraw { account, amount, client_id, by } => self.withdraw(*account, *amount, *client_id, *by),
            Command::CreateMarket { listing, by } => self.create_market(listing, *by),
            Command::ChangeMarket { market, by, transition } => self.change_market(*market, *by, *transition),
            Command::PlaceOrder(order) => self.place_order(order),
            Command::CancelOrder { account, order } => self.cancel_order(*account, *order),
            Command::Receive { from, number, message } => self.receive(*from, *number, message),
            Command::Acknowledge { to, number } => self.acknowledge(*to, *number),
            Command::AdvanceTime => self.advance_time(),
            Command::AmendOrder { account, order, price, quantity } => {
                self.amend_order(*account, *order, *price, *quantity);
            }
            Command::MassCancel { account, market: Some(market) } => self.mass_cancel_in(*account, *market),
            Command::MassCancel { account, market: None } => self.mass_cancel_all(*account),
            Command::SetDeadManSwitch { account, timeout_s } => self.set_dead_man_switch(*account, *timeout_s),
            Command::Batch { account, all_or_nothing, requests } => self.batch(*account, *all_or_nothing, requests),
            Command::FreezeAccount { account, by } => self.freeze_account(*account, *by),
            Command::UnfreezeAccount { account, by } => self.unfreeze_account(*account, *by),
            Command::LimitAccount { account, limits, by } => self.limit_account(*account, *limits, *by),
            Command::LimitMarket { market, limits, by } => self.limit_market(*market, *limits, *by),
            Command::ConfirmDeposit { proposal, account, amount, by } => {
                self.confirm_deposit(*proposal, *account, *amount, *by);
            }
            Command::DropDeposit { proposal, by } => self.drop_deposit(*proposal, *by),
            Command::Transfer { from, to, amount, client_id } => {
                self.transfer(transfer::Transfer { from: *from, to: *to, amount: *amount, client_id: *client_id });
            }
            Command::Announce(part) => self.announce(part),
            Command::Leave { part } => self.leave(*part),
            Command::RaiseVocabulary { to, by } => self.raise_vocabulary(*to, *by),
            Command::CreateMarketEvent { event, by } => self.create_market_event(event, *by),
            Command::EditMarket { market, edit, by } => self.edit_market(*market, edit, *by),
            Command::AddToMarket { market, addition, by } => self.add_to_market(*market, addition, *by),
            Command::RotateApiKey { account, old, key, grace_ms, by } => {
                self.rotate_api_key(*account, *old, key, *grace_ms, *by);
            }
            Command::ActOnGroup { account, group, act } => self.act_on_group(*account, *group, *act),
            Command::SetAdmin { admin, by } => self.set_admin(admin, *by),
            Command::RevokeAdmin { admin, by } => self.revoke_admin(*admin, *by),
        }
    }

    /// Decides one step, then applies its events.
    fn step<R>(&mut self, decide: impl FnOnce(&ShardState, &mut DecisionContext<'_>) -> R) -> R {
        let from = self.context.events.len();
        let result = decide(self.state, &mut self.context);
        for event in &self.context.events[from..] {
            self.state.apply(event);
        }
        result
    }

    /// Runs a step that yields either one event or a refusal. Returns false if it was refused.
    fn answer(&mut self, decide: impl FnOnce(&ShardState) -> Result<Event, Rejection>) -> bool {
        self.step(|state, context| {
            let decided = decide(state);
            let accepted = decided.is_ok();
            context.events.push(decided.unwrap_or_else(|code| Event::Rejected { code }));
            accepted
        })
    }

    /// Runs the last steps after anything that traded in a market or brought an order into it.
    fn finish(&mut self, market: MarketId) {
        self.give_back(market);
        if !self.state.ending.is_empty() {
            self.end_groups();
        }
        self.state.assert_market(market);
    }

    /// Redeems pairs, reduces reduce-only orders, and settles purses. Orders that only leave cannot
    /// break an invariant of the market. Returns how many orders were reduced.
    fn give_back(&mut self, market: MarketId) -> usize {
        if !self.state.paired.is_empty() {
            self.redeem(market);
        }
        let shrunk = if self.state.shrinking.is_empty() { 0 } else { self.shrink(market) };
        self.settle();
        shrunk
    }

    fn settle(&mut self) {
        if !self.context.settlements.is_empty() {
            self.step(|_, context| settle::settle(context));
        }
    }
}
