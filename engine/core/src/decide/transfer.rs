//! Transfers of credits between accounts. Between shards they travel as a message, and come back if
//! they cannot be received.
//!
//! ```text
//! sender's home ─ Transfer ─▶ receiver's home ─ TransferEnded ─▶ sender's home
//! ```
//!
//! | a transfer                       | at the sender's home                                       | at the receiver's  |
//! |----------------------------------|------------------------------------------------------------|--------------------|
//! | cannot be sent                   | `Rejected`                                                 |                    |
//! | is received on the same shard    | `TransferSent`, `TransferReceived`                         |                    |
//! | cannot be received there         | `TransferSent`, `TransferReturned`                         |                    |
//! | is received on another shard     | `TransferSent`; later `TransferCompleted`, if it has a name | `TransferReceived` |
//! | cannot be received there         | `TransferSent`; later `TransferReturned`                   |                    |
//!
//! A transfer that cannot be sent leaves no trace: its client id may be used again. For all others,
//! the client id stands for the transfer and its result.

use schemas::event::FirstOutcome;
use schemas::{AccountId, ClientId, Credits, Event, Message, ParkedRequest, Rejection, Shard};

use super::{CommandRun, account, message};
use crate::state::ShardState;

/// What is moved.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub from: AccountId,
    pub to: AccountId,
    pub amount: Credits,
    pub client_id: Option<ClientId>,
}

impl CommandRun<'_> {
    /// Sender's home: requests a transfer.
    pub(super) fn transfer(&mut self, transfer: Transfer) {
        let Transfer { from, to, amount, client_id } = transfer;
        let admitted = check_transfer(self.state, transfer);
        self.move_out(from, admitted, ParkedRequest::Transfer { to, amount, client_id });
    }

    /// Sender's home: sends the transfer, once the credits are there.
    pub(super) fn send_transfer(&mut self, transfer: Transfer) {
        let Transfer { from, to, amount, client_id } = transfer;
        self.step(|state, context| {
            let home = state.map.of_account(to);
            context.events.push(Event::TransferSent { from, to, amount, client_id });
            context.events.push(if home != state.shard {
                message::send(state, home, Message::Transfer { from, to, amount, client_id })
            } else {
                match check_receiver(state, to, amount) {
                    Ok(()) => Event::TransferReceived { from, to, amount, client_id },
                    Err(code) => Event::TransferReturned { from, to, amount, client_id, code },
                }
            });
        });
    }

    /// Receiver's home: receives a transfer, and reports the result if the sender's home needs it.
    pub(super) fn receive_transfer(&mut self, sender: Shard, transfer: Transfer) {
        let Transfer { from, to, amount, client_id } = transfer;
        self.step(|state, context| {
            let refused = check_receiver(state, to, amount).err();
            if refused.is_none() {
                context.events.push(Event::TransferReceived { from, to, amount, client_id });
            }
            if refused.is_some() || client_id.is_some() {
                let ended = Message::TransferEnded { from, to, amount, client_id, refused };
                context.events.push(message::send(state, sender, ended));
            }
        });
    }

    /// Sender's home: the receiver has the credits, or they are back.
    pub(super) fn end_transfer(&mut self, transfer: Transfer, refused: Option<Rejection>) {
        let Transfer { from, to, amount, client_id } = transfer;
        self.step(|_, context| {
            context.events.extend(match (refused, client_id) {
                (Some(code), _) => Some(Event::TransferReturned { from, to, amount, client_id, code }),
                (None, Some(client_id)) => Some(Event::TransferCompleted { from, to, amount, client_id }),
                (None, None) => None,
            });
        });
    }
}

/// Checks a transfer; `Some` is the answer to a repeat.
fn check_transfer(state: &ShardState, transfer: Transfer) -> Result<Option<Event>, Rejection> {
    let Transfer { from, to, amount, client_id } = transfer;
    if from == to {
        return Err(Rejection::TransferToSelf);
    }
    let admitted = account::admit(state, from, amount, client_id, FirstOutcome::Transfer { to, amount })?;
    match admitted.is_none() && state.is_full(state.map.of_account(to)) {
        true => Err(Rejection::ShardUnavailable),
        false => Ok(admitted),
    }
}

/// Checks the receiver, which may be frozen.
fn check_receiver(state: &ShardState, to: AccountId, amount: Credits) -> Result<(), Rejection> {
    let account = account::known(state, to)?;
    if state.exceeds_wallet(to, account, amount) { Err(Rejection::WalletLimit) } else { Ok(()) }
}
