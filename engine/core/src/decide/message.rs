//! Messages between shards: sending, receiving exactly once and in order, acknowledging.
//!
//! For a shard that receives nothing, [`OUTBOX_MAX`](schemas::limits::OUTBOX_MAX) messages are
//! kept; then it is *full*. The cause of each message, and what happens if the receiver is full:
//!
//! | message                                    | comes with                         | if the receiver is full                             |
//! |--------------------------------------------|------------------------------------|-----------------------------------------------------|
//! | `Ask`                                      | a request that is parked           | the request is refused before: `ShardUnavailable`   |
//! | `Transfer`                                 | a transfer                         | the transfer is refused before                      |
//! | `ClaimYes`, `ReleaseYes`                   | a proposed answer                  | the proposal is refused before                      |
//! | `Instruct` of admins, mass cancels,        | the command, or time               | goes, since it makes things safe where it arrives:  |
//! | dead-man switches                          |                                    | at most `INSTRUCTIONS_MAX` of each kind an account  |
//! | `Instruct` of a group                      | the command                        | goes: `INSTRUCTIONS_MAX` an account, and one for    |
//! |                                            |                                    | the trigger of each group                           |
//! | `Groups` of a trigger                      | fills                              | goes: one for each making or reset of a group       |
//! | `Groups` for a new purse                   | `Fund`                             | goes as that does                                   |
//! | `GroupFilled`                              | fills                              | waits; what fills meanwhile is told with it         |
//! | `Instruct { Recall }`                      | a claim                            | a claim that comes is refused, one that waits waits |
//! | `Return` of a purse that rests, or payouts | time                               | the credits stay                                    |
//! | `Ask` for the next that is parked          | requests that were parked before   | goes: one for each account that has any, at a time  |
//! | `Transfer` that waited for a recall        | claims that waited before          | goes: `PARKED_MAX` an account, within 10 seconds    |
//! | `Fund`, `Return` with a ticket,            | a message of the receiver          | goes: one for each message of the receiver's        |
//! | `TransferEnded`, `YesAnswered`             |                                    | own outbox, which is bounded in the same way        |

use schemas::{Event, Message, Rejection, Shard};

use super::CommandRun;
use super::parking::NewLoan;
use super::transfer::Transfer;
use crate::state::ShardState;

/// Returns the event that sends a message. At most one a step to each shard, because its number
/// comes from the state.
pub fn send(state: &ShardState, to: Shard, message: Message) -> Event {
    let last = state.facts.outboxes.get(&to).map_or(0, |outbox| outbox.last);
    Event::Sent { to, number: last + 1, message }
}

impl CommandRun<'_> {
    /// Runs a step that sends one message to another shard.
    pub(super) fn tell(&mut self, to: Shard, message: Message) {
        self.step(|state, context| context.events.push(send(state, to, message)));
    }

    /// | number         | means                          | do                                  |
    /// |----------------|--------------------------------|-------------------------------------|
    /// | the next       | a new effect                   | take it in                          |
    /// | lower          | had before                     | skip; the relay acknowledges again  |
    /// | higher         | one is missing in between      | skip; the sender's relay tries again |
    pub(super) fn receive(&mut self, from: Shard, number: u64, message: &Message) {
        let taken_in = self.step(|state, context| {
            if from == state.shard || from.number() >= state.map.shards() {
                context.events.push(Event::Rejected { code: Rejection::MessageInvalid });
                return false;
            }
            let expected = state.received_from(from) + 1;
            context.events.push(if number == expected {
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
            Message::Ask { account, need, given_back } => self.answer_ask(from, *account, *need, *given_back),
            Message::Fund { account, credits, room, refused } => {
                let lent = NewLoan { from, credits: *credits, room: *room };
                self.funded(*account, refused.is_none().then_some(lent), *refused);
            }
            Message::Instruct { account, ticket, instruction } => self.obey(from, *account, *ticket, *instruction),
            Message::Return(returned) => self.take_returned(from, returned),
            Message::Transfer { from: giver, to, amount, client_id } => {
                self.receive_transfer(from, Transfer { from: *giver, to: *to, amount: *amount, client_id: *client_id });
            }
            Message::TransferEnded { from: giver, to, amount, client_id, refused } => {
                let transfer = Transfer { from: *giver, to: *to, amount: *amount, client_id: *client_id };
                self.end_transfer(transfer, *refused);
            }
            Message::ClaimYes { event, market, claim } => self.answer_claim(from, *event, *market, *claim),
            Message::ReleaseYes { event, market } => self.let_go_yes(*event, *market),
            Message::YesAnswered { market, claim, taken_by } => self.yes_answered(*market, *claim, *taken_by),
            Message::Groups { account, groups } => self.take_groups(*account, groups),
            Message::GroupFilled { account, group, generation, contracts, triggered } => {
                self.take_filled(from, (*account, *group), (*generation, *contracts, *triggered));
            }
        }
    }

    pub(super) fn acknowledge(&mut self, to: Shard, number: u64) {
        let was_full = self.state.is_full(to);
        self.step(|state, context| {
            let (first, last) = state.facts.outboxes.get(&to).map_or((1, 0), |outbox| (outbox.first(), outbox.last));
            if number > last {
                context.events.push(Event::Rejected { code: Rejection::MessageInvalid });
            } else if number >= first {
                context.events.push(Event::Acknowledged { to, number });
            }
        });
        if was_full && !self.state.is_full(to) {
            self.stir_claims();
        }
    }
}
