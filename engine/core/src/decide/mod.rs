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
use crate::state::{Scratch, State};
pub(crate) use order::fingerprint;

impl State {
    /// Decides and applies one command; appends its events, in order, to `events`.
    pub fn handle(&mut self, place: Place, command: &Command, events: &mut Vec<Event>) {
        self.advance_clock(&place);
        let Scratch { mut settlements, mut touched } = std::mem::take(&mut self.scratch);
        let draft = Draft { events, settlements: &mut settlements, touched: &mut touched };
        Turn { state: self, place, draft }.dispatch(command);
        debug_assert!(settlements.is_empty() && touched.is_empty(), "a turn ends with nothing left to tell");
        self.scratch = Scratch { settlements, touched };
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
    draft: Draft<'a>,
}

/// What the decisions of one command have come to so far.
struct Draft<'a> {
    /// Its events: those of the present step are not true yet.
    events: &'a mut Vec<Event>,
    /// What it does to wallets; told to the accounts' homes by the last step.
    settlements: &'a mut Vec<Settlement>,
    /// Accounts whose positions may now hold pairs.
    touched: &'a mut Vec<AccountId>,
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
    fn step<R>(&mut self, decide: impl FnOnce(&State, &mut Draft<'_>) -> R) -> R {
        let from = self.draft.events.len();
        let result = decide(self.state, &mut self.draft);
        for event in &self.draft.events[from..] {
            self.state.apply(&self.place, event);
        }
        result
    }

    /// The step of a command that is one event or refused. True unless it was refused.
    fn answer(&mut self, decide: impl FnOnce(&State) -> Result<Event, Rejection>) -> bool {
        self.step(|state, draft| {
            let decided = decide(state);
            let accepted = decided.is_ok();
            draft.events.push(decided.unwrap_or_else(|code| Event::Rejected { code }));
            accepted
        })
    }

    /// The last steps of whatever touched a market: pairs become credits, wallets are settled.
    fn finish(&mut self, market: MarketId) {
        self.step(|state, draft| settle::redeem(state, market, draft));
        self.settle();
        self.state.assert_market(market);
    }

    fn settle(&mut self) {
        self.step(settle::tell_homes);
    }
}
