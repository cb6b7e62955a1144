//! Messages between shards: sending, taking in exactly once and in order, forgetting.

use schemas::{Event, Message, Rejection, Shard};

use super::Turn;
use crate::state::State;

/// The event that promises a message. At most one a step to each shard, since its number comes from the state.
pub fn send(state: &State, to: Shard, message: Message) -> Event {
    let last = state.facts.outboxes.get(&to).map_or(0, |outbox| outbox.last);
    Event::Sent { to, number: last + 1, message }
}

impl Turn<'_> {
    /// The step that is one message to another shard.
    pub(super) fn tell(&mut self, to: Shard, message: Message) {
        self.step(|state, draft| draft.events.push(send(state, to, message)));
    }

    /// | number         | means                          | do                                  |
    /// |----------------|--------------------------------|-------------------------------------|
    /// | the next       | a new effect                   | take it in                          |
    /// | lower          | had before                     | skip; the relay acknowledges again  |
    /// | higher         | one is missing in between      | skip; the sender's relay tries again |
    pub(super) fn receive(&mut self, from: Shard, number: u64, message: &Message) {
        let taken_in = self.step(|state, draft| {
            if from == state.shard || from.number() >= state.map.shards() {
                draft.events.push(Event::Rejected { code: Rejection::MessageInvalid });
                return false;
            }
            let expected = state.received_from(from) + 1;
            draft.events.push(if number == expected {
                Event::Received { from, number }
            } else {
                Event::MessageSkipped { from, number, expected }
            });
            number == expected
        });
        if !taken_in {
            return;
        }
        match message {
            Message::PlaceOrder { id, order } => self.enter_market(*id, order),
            Message::CancelOrder { account, order } => self.cancel_here(*account, *order),
            Message::AmendOrder { amendment, raised } => self.amend_here(*amendment, *raised),
            Message::RaiseHold { amendment, raise } => self.raise_hold(*amendment, *raise, from),
            Message::MassCancel { account, market, reason } => self.mass_cancel_here(*account, *market, *reason),
            Message::Batch { account, requests } => self.carry_out(*account, requests),
            Message::Transfer { from: giver, to, amount } => self.receive_transfer(from, *giver, *to, *amount),
            Message::ReturnTransfer { from: giver, to, amount, code } => self.take_back(*giver, *to, *amount, *code),
            Message::Settle(settlements) => {
                self.draft.settlements.extend_from_slice(settlements);
                self.settle();
            }
        }
    }

    pub(super) fn acknowledge(&mut self, to: Shard, number: u64) {
        self.step(|state, draft| {
            let (first, last) = state.facts.outboxes.get(&to).map_or((1, 0), |outbox| (outbox.first(), outbox.last));
            if number > last {
                draft.events.push(Event::Rejected { code: Rejection::MessageInvalid });
            } else if number >= first {
                draft.events.push(Event::Acknowledged { to, number });
            }
        });
    }
}
