//! Which events answer which command: clients wait for them, and the oracles count them.
//!
//! A part of an outcome belongs to one command ([`schemas::answers`]). It may contain no answer:
//! the request was parked, or its account's home shard was asked.

use schemas::event::CancelReason;
use schemas::limits::BATCH_MAX;
use schemas::{AccountId, BatchRequest, ClientId, Command, Event, MarketId, NewOrder, Rejection};

/// A client's id for a request: for an order within its account and market, for a movement of
/// credits within its account.
pub type ClientName = (AccountId, Option<MarketId>, ClientId);

/// Returns how many answers a command has: one, or one for each request of its batch.
pub fn wanted(command: &Command) -> usize {
    match command {
        Command::Batch { requests, .. } if (1..=BATCH_MAX).contains(&requests.len()) => requests.len(),
        Command::Receive { .. }
        | Command::Acknowledge { .. }
        | Command::AdvanceTime
        | Command::Announce(_)
        | Command::Leave { .. } => 0,
        _ => 1,
    }
}

/// Returns true if another shard than the one that received the command may answer it.
pub fn is_told_elsewhere(command: &Command) -> bool {
    matches!(command, Command::Transfer { .. })
}

/// Returns the answers to a command among the events of one of its parts, each with the index of
/// its request in the batch.
pub fn given<'a>(command: &Command, events: &'a [Event]) -> Vec<(usize, &'a Event)> {
    let Command::Batch { requests, .. } = command else {
        return events.iter().filter(|event| answers(command, event)).map(|event| (0, event)).collect();
    };
    let mut place = None;
    let mut given = Vec::new();
    for event in events {
        match (event, place) {
            (Event::BatchItem { index }, _) => place = Some(usize::from(*index)),
            (_, Some(at)) if answers_request(&requests[at], event) => given.push((at, event)),
            // Refused as a whole: a batch has no such size.
            (Event::Rejected { .. }, None) => given.push((0, event)),
            _ => {}
        }
    }
    given
}

/// Returns the order at this index of a command.
pub fn order_at(command: &Command, place: usize) -> Option<&NewOrder> {
    match command {
        Command::PlaceOrder(order) => Some(order),
        Command::Batch { requests, .. } => match requests.get(place)? {
            BatchRequest::Place(order) => Some(order),
            BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
        },
        _ => None,
    }
}

/// Returns the reason if the event refuses a request or a command.
pub fn refusal(event: &Event) -> Option<Rejection> {
    match event {
        Event::Rejected { code }
        | Event::OrderRejected { code, .. }
        | Event::CancelRejected { code, .. }
        | Event::AmendRejected { code, .. } => Some(*code),
        _ => None,
    }
}

/// Returns true if the event refuses a request or a command.
pub fn refuses(event: &Event) -> bool {
    refusal(event).is_some()
}

/// For an admin's command, an event is an answer only if it names that admin.
fn answers(command: &Command, event: &Event) -> bool {
    match command {
        Command::PlaceOrder(_) => places(event),
        Command::CancelOrder { .. } => cancels(event),
        Command::AmendOrder { .. } => amends(event),
        Command::Batch { .. }
        | Command::Receive { .. }
        | Command::Acknowledge { .. }
        | Command::AdvanceTime
        | Command::Announce(_)
        | Command::Leave { .. } => false,
        _ if matches!(event, Event::Rejected { .. }) => true,
        Command::OpenAccount { .. } => matches!(event, Event::AccountOpened { .. }),
        Command::AddApiKey { by, .. } | Command::RotateApiKey { by, .. } => {
            matches!(event, Event::ApiKeyAdded { by: told, .. } if told == by)
        }
        Command::RevokeApiKey { by, .. } => matches!(event, Event::ApiKeyRevoked { by: told, .. } if told == by),
        Command::ConfirmDeposit { by, .. } => {
            matches!(event, Event::Deposited { seconded: Some(told), .. } if told.by == *by)
        }
        Command::DropDeposit { by, .. } => {
            matches!(event, Event::DepositDropped { by: Some(told), .. } if told == by)
        }
        Command::Deposit { by, .. } => {
            let told = match event {
                Event::Deposited { by: told, seconded: None, .. } | Event::DepositProposed { by: told, .. } => {
                    told == by
                }
                _ => false,
            };
            told || repeats(event)
        }
        Command::Withdraw { by, .. } => {
            matches!(event, Event::Withdrawn { by: told, .. } if told == by) || repeats(event)
        }
        // On the receiver's shard, or here if it was returned.
        Command::Transfer { .. } => matches!(
            event,
            Event::TransferReceived { .. } | Event::TransferReturned { .. } | Event::ClientIdRepeated { .. }
        ),
        Command::CreateMarket { by, .. } => matches!(event, Event::MarketCreated { by: told, .. } if told == by),
        Command::ChangeMarket { by, .. } => {
            matches!(event, Event::MarketChanged { by: Some(told), .. } if told == by)
        }
        Command::CreateMarketEvent { by, .. } => {
            matches!(event, Event::MarketEventCreated { by: told, .. } if told == by)
        }
        Command::EditMarket { by, .. } => matches!(event, Event::MarketEdited { by: told, .. } if told == by),
        Command::AddToMarket { by, .. } => matches!(event, Event::MarketAddedTo { by: told, .. } if told == by),
        Command::LimitMarket { by, .. } => matches!(event, Event::MarketLimited { by: told, .. } if told == by),
        Command::SetAdmin { by, .. } => matches!(event, Event::AdminSet { by: told, .. } if told == by),
        Command::RevokeAdmin { by, .. } => matches!(event, Event::AdminRevoked { by: told, .. } if told == by),
        Command::RaiseVocabulary { .. } => matches!(event, Event::VocabularyRaised { by: Some(_), .. }),
        Command::SetDeadManSwitch { .. } => matches!(event, Event::DeadManSwitchSet { .. }),
        Command::MassCancel { market: Some(_), .. } => matches!(event, Event::MassCancelRequested { .. }),
        // When every shard has done so.
        Command::MassCancel { market: None, .. }
        | Command::FreezeAccount { .. }
        | Command::UnfreezeAccount { .. }
        | Command::ActOnGroup { .. }
        | Command::LimitAccount { .. } => matches!(event, Event::InstructionCompleted { .. }),
    }
}

fn repeats(event: &Event) -> bool {
    matches!(event, Event::ClientIdRepeated { .. })
}

fn answers_request(request: &BatchRequest, event: &Event) -> bool {
    match request {
        // An order of another account is reported as unknown.
        BatchRequest::Place(_) => places(event) || matches!(event, Event::Rejected { .. }),
        BatchRequest::Cancel(_) => cancels(event),
        BatchRequest::Amend { .. } => amends(event),
    }
}

fn places(event: &Event) -> bool {
    matches!(event, Event::OrderPlaced(_) | Event::OrderRejected { .. } | Event::ClientIdRepeated { .. })
}

fn cancels(event: &Event) -> bool {
    matches!(
        event,
        Event::OrderCancelled { reason: CancelReason::Requested, .. }
            | Event::ParkedCancelled { .. }
            | Event::CancelRejected { .. }
    )
}

fn amends(event: &Event) -> bool {
    matches!(event, Event::OrderAmended(_) | Event::AmendRejected { .. })
}
