//! Checks the client ids of deposits, withdrawals and transfers on their account's home shard: a
//! repeat gets the result of the first, or its answer while that is parked or pending; for another
//! movement the id is refused. In the end nothing is pending.

use std::collections::BTreeMap;

use schemas::answers::parts;
use schemas::event::FirstOutcome;
use schemas::limits::CLIENT_ID_WINDOW_MS;
use schemas::{
    AccountId, ClientId, Command, CommandId, Event, Outcome, Parked, ParkedRequest, ProposalId, Rejection, Timestamp,
};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// Panics unless client ids keep these rules.
pub fn check(cluster: &Cluster, history: &History) {
    let mut names = Names { cluster, history, standing: BTreeMap::new(), waiting: BTreeMap::new() };
    for (command, outcome) in history.decided() {
        if let Some((name, movement)) = command.and_then(named) {
            names.assert_answered(name, movement, outcome);
        }
        names.read(outcome);
    }
    let left = names.standing.iter().find(|(_, standing)| matches!(standing.end, MovementEnd::Open(_)));
    assert!(left.is_none(), "shard {}: never ended: {left:?}", history.shard);
}

type Name = (AccountId, ClientId);

#[derive(Clone, Copy, Debug)]
struct Standing {
    movement: FirstOutcome,
    end: MovementEnd,
}

#[derive(Clone, Copy, Debug)]
enum MovementEnd {
    /// Parked or pending, with this command.
    Open(CommandId),
    /// It waits for a second admin.
    Proposed(ProposalId),
    /// Ended, with this result and time.
    Came(FirstOutcome, Timestamp),
}

struct Names<'a> {
    cluster: &'a Cluster,
    history: &'a History,
    standing: BTreeMap<Name, Standing>,
    /// The client ids of waiting claims, by account and ticket.
    waiting: BTreeMap<(AccountId, u64), Name>,
}

impl Names<'_> {
    fn assert_answered(&self, name: Name, movement: FirstOutcome, outcome: &Outcome) {
        let own = parts(outcome).next().expect("an outcome has a first part");
        let told = own.events.iter().find_map(|event| match event {
            Event::ClientIdRepeated { first, .. } => Some(Ok(*first)),
            Event::Rejected { code } => Some(Err(*code)),
            _ => None,
        });
        let shard = self.history.shard;
        let Some(Standing { movement: before, end }) = self.standing.get(&name).copied() else {
            let first = !matches!(told, Some(Ok(_) | Err(Rejection::ClientIdReused)));
            assert!(first, "shard {shard}: {name:?} stands for nothing, and {movement:?} is told {told:?}");
            return;
        };
        let first = match end {
            MovementEnd::Open(command) => FirstOutcome::Parked { command },
            MovementEnd::Proposed(proposal) => {
                let FirstOutcome::Deposit { amount } = before else { panic!("{before:?} is proposed") };
                FirstOutcome::DepositProposed { proposal, amount }
            }
            // The id may be forgotten by now.
            MovementEnd::Came(_, time) if time.0 + CLIENT_ID_WINDOW_MS <= outcome.time.0 => return,
            MovementEnd::Came(first, _) => first,
        };
        let same = movement == before;
        let as_it_must = match told {
            Some(Ok(told)) => same && told == first,
            Some(Err(code)) => !same && (code == Rejection::ClientIdReused || is_of_itself(code)),
            None => false,
        };
        assert!(as_it_must, "shard {shard}: {name:?} is {before:?}, {first:?}; {movement:?} is told {told:?}");
        self.saw(first, same);
    }

    fn saw(&self, first: FirstOutcome, same: bool) {
        let seen = match (first, same) {
            (FirstOutcome::Transfer { .. }, true) => Seen::ReceivedTransferRepeated,
            (FirstOutcome::TransferRefused { .. }, true) => Seen::ReturnedTransferRepeated,
            (FirstOutcome::Parked { .. }, true) => Seen::MovementRepeatedUnderWay,
            (FirstOutcome::DepositProposed { .. }, true) => Seen::ProposalRepeated,
            (FirstOutcome::Transfer { .. }, false) => Seen::ReceivedTransferReused,
            (FirstOutcome::TransferRefused { .. }, false) => Seen::ReturnedTransferReused,
            (FirstOutcome::Parked { .. }, false) => Seen::MovementReusedUnderWay,
            _ => return,
        };
        self.cluster.saw(seen);
    }

    fn read(&mut self, outcome: &Outcome) {
        for part in parts(outcome) {
            for event in part.events {
                self.note(event, part.command, outcome.time);
            }
        }
        // A claim that was resumed and not granted leaves nothing.
        for event in &outcome.events {
            if let Event::Resumed { account, ticket, command } = event
                && let Some(name) = self.waiting.remove(&(*account, *ticket))
            {
                let refused = parts(outcome).any(|part| {
                    part.command == *command && part.events.iter().any(|event| matches!(event, Event::Rejected { .. }))
                });
                if refused {
                    self.standing.remove(&name);
                }
            }
        }
    }

    fn note(&mut self, event: &Event, command: CommandId, time: Timestamp) {
        let (account, client_id, movement, end) = match event {
            Event::DepositProposed { proposal, account, amount, client_id, .. } => {
                (*account, *client_id, FirstOutcome::Deposit { amount: *amount }, MovementEnd::Proposed(*proposal))
            }
            // Nothing is left of a dropped deposit.
            Event::DepositDropped { proposal, .. } => {
                return self
                    .standing
                    .retain(|_, standing| !matches!(standing.end, MovementEnd::Proposed(id) if id == *proposal));
            }
            Event::Parked(parked) => {
                let Some((name, movement)) = waits(parked) else { return };
                self.waiting.insert((parked.account, parked.ticket), name);
                (name.0, Some(name.1), movement, MovementEnd::Open(parked.command))
            }
            Event::Deposited { account, amount, client_id, .. } => {
                let movement = FirstOutcome::Deposit { amount: *amount };
                (*account, *client_id, movement, MovementEnd::Came(movement, time))
            }
            Event::Withdrawn { account, amount, client_id, .. } => {
                let movement = FirstOutcome::Withdrawal { amount: *amount };
                (*account, *client_id, movement, MovementEnd::Came(movement, time))
            }
            Event::TransferSent { from, to, amount, client_id } => {
                (*from, *client_id, FirstOutcome::Transfer { to: *to, amount: *amount }, MovementEnd::Open(command))
            }
            Event::TransferReceived { from, to, amount, client_id }
                if self.cluster.map.of_account(*from) == self.history.shard =>
            {
                let movement = FirstOutcome::Transfer { to: *to, amount: *amount };
                (*from, *client_id, movement, MovementEnd::Came(movement, time))
            }
            Event::TransferCompleted { from, to, amount, client_id } => {
                self.cluster.saw(Seen::TransferCompleted);
                let movement = FirstOutcome::Transfer { to: *to, amount: *amount };
                (*from, Some(*client_id), movement, MovementEnd::Came(movement, time))
            }
            Event::TransferReturned { from, to, amount, client_id, code } => {
                let (to, amount, code) = (*to, *amount, *code);
                let came = FirstOutcome::TransferRefused { to, amount, code };
                (*from, *client_id, FirstOutcome::Transfer { to, amount }, MovementEnd::Came(came, time))
            }
            _ => return,
        };
        if let Some(client_id) = client_id {
            self.standing.insert((account, client_id), Standing { movement, end });
        }
    }
}

/// Returns a movement's client id, and its result if it is made.
fn named(command: &Command) -> Option<(Name, FirstOutcome)> {
    Some(match *command {
        Command::Deposit { account, amount, client_id, .. } => {
            ((account, client_id?), FirstOutcome::Deposit { amount })
        }
        Command::Withdraw { account, amount, client_id, .. } => {
            ((account, client_id?), FirstOutcome::Withdrawal { amount })
        }
        Command::Transfer { from, to, amount, client_id } => {
            ((from, client_id?), FirstOutcome::Transfer { to, amount })
        }
        _ => return None,
    })
}

fn waits(parked: &Parked) -> Option<(Name, FirstOutcome)> {
    let account = parked.account;
    Some(match parked.request {
        ParkedRequest::Withdraw { amount, client_id, .. } => {
            ((account, client_id?), FirstOutcome::Withdrawal { amount })
        }
        ParkedRequest::Transfer { to, amount, client_id } => {
            ((account, client_id?), FirstOutcome::Transfer { to, amount })
        }
        _ => return None,
    })
}

/// Returns true for reasons for which a movement is refused before its client id is checked.
fn is_of_itself(code: Rejection) -> bool {
    matches!(code, Rejection::TransferToSelf | Rejection::AmountOutOfRange)
}
