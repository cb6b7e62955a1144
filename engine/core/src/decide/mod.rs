//! Decides what a command leads to: the parent of all branching, one file a kind of command.
//!
//! A decision reads `&State` and yields events; [`State::apply`] makes them true. A command may take several steps (take an
//! order in, match it, redeem pairs, settle wallets): each decides, then applies, and all events go into one outcome.
//! A refusal is an event like any other. Checks stand in the order of their codes.

mod account;
mod market;
mod matching;
mod message;
mod order;
mod settle;
mod sweep;

use schemas::message::Settlement;
use schemas::{AccountId, Command, Event, MarketId, Rejection};

use crate::Place;
use crate::state::State;
pub(crate) use order::fingerprint;

impl State {
    /// Decides and applies one command; appends its events, in order, to `events`.
    pub fn handle(&mut self, place: Place, command: &Command, events: &mut Vec<Event>) {
        self.advance_clock(&place);
        let mut turn = Turn { state: self, place, events, settlements: Vec::new() };
        turn.dispatch(command);
    }

    /// The outcome of a record that is no command.
    pub fn refuse(&mut self, place: Place, code: Rejection, events: &mut Vec<Event>) {
        self.advance_clock(&place);
        events.push(Event::Rejected { code });
    }

    /// Makes the events of an outcome true, decided here before or by another writer.
    pub fn follow(&mut self, place: Place, events: &[Event]) {
        self.advance_clock(&place);
        for event in events {
            self.apply(&place, event);
        }
    }
}

/// One command on its way through the law.
struct Turn<'a> {
    state: &'a mut State,
    place: Place,
    events: &'a mut Vec<Event>,
    /// What the steps so far do to wallets; told to the accounts' homes by the last step.
    settlements: Vec<Settlement>,
}

impl Turn<'_> {
    fn dispatch(&mut self, command: &Command) {
        match command {
            Command::OpenAccount { account, key } => self.open_account(*account, key),
            Command::AddApiKey { account, key } => self.add_api_key(*account, key),
            Command::RevokeApiKey { account, key } => self.revoke_api_key(*account, *key),
            Command::Deposit { account, amount, client_id } => self.deposit(*account, *amount, *client_id),
            Command::Withdraw { account, amount, client_id } => self.withdraw(*account, *amount, *client_id),
            Command::CreateMarket(listing) => self.create_market(listing),
            Command::ChangeMarket { market, transition } => self.change_market(*market, *transition),
            Command::PlaceOrder(order) => self.place_order(order),
            Command::CancelOrder { account, order } => self.cancel_order(*account, *order),
            Command::Receive { from, number, message } => self.receive(*from, *number, message),
            Command::Acknowledge { to, number } => self.acknowledge(*to, *number),
            Command::AdvanceTime => self.advance_time(),
        }
    }

    /// Decides one step, then makes it true.
    fn step<R>(&mut self, decide: impl FnOnce(&State, &mut Vec<Event>, &mut Vec<Settlement>) -> R) -> R {
        let from = self.events.len();
        let result = decide(self.state, self.events, &mut self.settlements);
        for event in &self.events[from..] {
            self.state.apply(&self.place, event);
        }
        result
    }

    /// The step of a command that is one event or refused.
    fn answer(&mut self, decide: impl FnOnce(&State) -> Result<Event, Rejection>) {
        self.step(|state, events, _| {
            events.push(decide(state).unwrap_or_else(|code| Event::Rejected { code }));
        });
    }

    /// The last steps of whatever touched a market: pairs of `accounts` become credits, wallets are settled.
    fn finish(&mut self, market: MarketId, accounts: Vec<AccountId>) {
        self.step(|state, events, settlements| settle::redeem(state, market, accounts, events, settlements));
        self.settle();
        self.state.assert_market(market);
    }

    fn settle(&mut self) {
        let settlements = std::mem::take(&mut self.settlements);
        self.step(|state, events, _| settle::tell_homes(state, settlements, events));
    }
}
