//! Credits from one account to another. Between shards they travel as a message, and come back if they cannot be received.

use schemas::event::FirstOutcome;
use schemas::limits::WALLET_MAX;
use schemas::{AccountId, ClientId, Credits, Event, Message, Rejection, Shard};

use super::{Turn, account, message};
use crate::state::State;

impl Turn<'_> {
    /// Sender's home.
    pub(super) fn transfer(&mut self, from: AccountId, to: AccountId, amount: Credits, client_id: Option<ClientId>) {
        let sent = self.answer(|state| {
            if from == to {
                return Err(Rejection::TransferToSelf);
            }
            let first = FirstOutcome::Transfer { to, amount };
            if let Some(repeat) = account::check_movement(state, from, amount, client_id, first)? {
                return Ok(repeat);
            }
            if account::active(state, from)?.available < amount {
                return Err(Rejection::FundsInsufficient);
            }
            if state.map.of_account(to) == state.shard {
                check_receiver(state, to, amount)?;
            }
            Ok(Event::TransferSent { from, to, amount, client_id })
        });
        if !sent || !matches!(self.draft.events.last(), Some(Event::TransferSent { .. })) {
            return;
        }
        self.step(|state, draft| {
            let home = state.map.of_account(to);
            draft.events.push(if home == state.shard {
                Event::TransferReceived { from, to, amount }
            } else {
                message::send(state, home, Message::Transfer { from, to, amount })
            });
        });
    }

    /// Receiver's home.
    pub(super) fn receive_transfer(&mut self, sender: Shard, from: AccountId, to: AccountId, amount: Credits) {
        self.step(|state, draft| {
            draft.events.push(match check_receiver(state, to, amount) {
                Ok(()) => Event::TransferReceived { from, to, amount },
                Err(code) => message::send(state, sender, Message::ReturnTransfer { from, to, amount, code }),
            });
        });
    }

    /// Sender's home: they are back.
    pub(super) fn take_back(&mut self, from: AccountId, to: AccountId, amount: Credits, code: Rejection) {
        self.step(|_, draft| draft.events.push(Event::TransferReturned { from, to, amount, code }));
    }
}

/// A frozen account may receive.
fn check_receiver(state: &State, to: AccountId, amount: Credits) -> Result<(), Rejection> {
    let account = account::known(state, to)?;
    let full = account.available.0 + account.held.0 > WALLET_MAX - amount.0;
    if full { Err(Rejection::WalletLimit) } else { Ok(()) }
}
