//! Credits from one account to another. Between shards they travel as a message, and come back if they cannot be received.

use schemas::event::FirstOutcome;
use schemas::{AccountId, ClientId, Credits, Event, Message, ParkedRequest, Rejection, Shard};

use super::{Turn, account, message};
use crate::state::State;

impl Turn<'_> {
    /// Sender's home.
    pub(super) fn transfer(&mut self, from: AccountId, to: AccountId, amount: Credits, client_id: Option<ClientId>) {
        let admitted = check_transfer(self.state, from, to, amount, client_id);
        self.move_out(from, admitted, ParkedRequest::Transfer { to, amount, client_id });
    }

    /// Sender's home, once the credits are there.
    pub(super) fn send_transfer(
        &mut self,
        from: AccountId,
        to: AccountId,
        amount: Credits,
        client_id: Option<ClientId>,
    ) {
        self.step(|state, draft| {
            let home = state.map.of_account(to);
            let here = home == state.shard;
            if let (true, Err(code)) = (here, check_receiver(state, to, amount)) {
                return draft.events.push(Event::Rejected { code });
            }
            draft.events.push(Event::TransferSent { from, to, amount, client_id });
            draft.events.push(if here {
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

/// What the sender's home can refuse, but for its credits. `Some` is the answer to a repeat.
fn check_transfer(
    state: &State,
    from: AccountId,
    to: AccountId,
    amount: Credits,
    client_id: Option<ClientId>,
) -> Result<Option<Event>, Rejection> {
    if from == to {
        return Err(Rejection::TransferToSelf);
    }
    let first = FirstOutcome::Transfer { to, amount };
    if let Some(repeat) = account::check_movement(state, from, amount, client_id, first)? {
        return Ok(Some(repeat));
    }
    account::active(state, from)?;
    Ok(None)
}

/// A frozen account may receive.
fn check_receiver(state: &State, to: AccountId, amount: Credits) -> Result<(), Rejection> {
    let account = account::known(state, to)?;
    if state.exceeds_wallet(to, account, amount) { Err(Rejection::WalletLimit) } else { Ok(()) }
}
