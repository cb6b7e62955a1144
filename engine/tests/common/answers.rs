//! The answers to each command, wherever and however late: exactly one each.

use std::collections::HashMap;

use schemas::answers::parts;
use schemas::event::{CancelReason, FirstOutcome};
use schemas::{BatchRequest, Command, CommandId, Event, Outcome, Shard, TriggerCause};

/// All answers, by command.
#[derive(Default)]
pub struct Answers {
    told: HashMap<CommandId, Vec<Told>>,
}

/// One event that answers a command, or one request of a batch.
struct Told {
    at: Shard,
    /// The index of the request in its batch.
    item: Option<u16>,
    event: Event,
}

impl Answers {
    pub fn note(&mut self, at: Shard, outcome: &Outcome) {
        for part in parts(outcome) {
            let mut item = None;
            for event in part.events {
                match event {
                    Event::BatchItem { index } => item = Some(*index),
                    event if is_answer(event) => {
                        let told = Told { at, item, event: event.clone() };
                        self.told.entry(part.command).or_default().push(told);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Asserts that a command of a shard has one answer there, and one more for the work that other
    /// shards do for it.
    pub fn assert_one(&self, at: Shard, id: CommandId, command: &Command) {
        let told = self.told.get(&id).map_or(&[][..], Vec::as_slice);
        let show = || told.iter().map(|told| &told.event).collect::<Vec<_>>();
        let here = |told: &&Told| told.at == at;
        let count = told.iter().filter(here).filter(|told| answers(command, &told.event)).count();
        let wanted = match command {
            Command::Batch { requests, .. } if told.iter().any(|told| told.item.is_some()) => {
                self.assert_items(id, requests);
                requests.len()
            }
            _ => 1,
        };
        assert_eq!(count, wanted, "answers to {command:?} of {id}: {:?}", show());
        let accepted = told.iter().any(|told| accepts(command, &told.event));
        let followed = told.iter().filter(|told| follows(command, &told.event)).count();
        let wanted = usize::from(accepted && is_followed(command));
        assert_eq!(followed, wanted, "what follows {command:?} of {id}: {:?}", show());
        told.iter().for_each(|told| self.assert_first(&told.event));
    }

    fn assert_items(&self, id: CommandId, requests: &[BatchRequest]) {
        for (index, request) in (0..).zip(requests) {
            let own = self.told[&id].iter().filter(|told| told.item == Some(index));
            let own: Vec<&Event> = own.map(|told| &told.event).filter(|event| answers_item(request, event)).collect();
            assert_eq!(own.len(), 1, "answers to {request:?} of {id}: {own:?}");
        }
    }

    /// A repeat of a parked request refers to a command that has its answer.
    fn assert_first(&self, event: &Event) {
        if let Event::ClientIdRepeated { first: FirstOutcome::Parked { command }, .. } = event {
            assert!(self.told.contains_key(command), "command {command} was parked and is not answered");
        }
    }
}

/// Returns true for events that answer something, or report its completion.
fn is_answer(event: &Event) -> bool {
    matches!(
        event,
        Event::Rejected { .. }
            | Event::OrderPlaced(_)
            | Event::OrderRejected { .. }
            | Event::OrderCancelled { reason: CancelReason::Requested, .. }
            | Event::ParkedCancelled { .. }
            | Event::CancelRejected { .. }
            | Event::OrderAmended(_)
            | Event::AmendRejected { .. }
            | Event::ClientIdRepeated { .. }
            | Event::AccountOpened { .. }
            | Event::Deposited { .. }
            | Event::Withdrawn { .. }
            | Event::DepositProposed { .. }
            | Event::DepositDropped { by: Some(_), .. }
            | Event::TransferSent { .. }
            | Event::TransferReceived { .. }
            | Event::TransferReturned { .. }
            | Event::MarketCreated { .. }
            | Event::MarketChanged { by: Some(_), .. }
            | Event::MarketLimited { .. }
            | Event::MassCancelRequested { .. }
            | Event::DeadManSwitchSet { .. }
            | Event::AccountFrozen { .. }
            | Event::AccountUnfrozen { .. }
            | Event::AccountLimited { .. }
            | Event::GroupSet { .. }
            | Event::GroupTriggered { cause: TriggerCause::Requested, .. }
            | Event::GroupDeleted { .. }
            | Event::InstructionCompleted { .. }
    )
}

/// Returns true if the event answers the command, or one of its requests.
fn answers(command: &Command, event: &Event) -> bool {
    let refused = matches!(event, Event::Rejected { .. });
    let repeated = matches!(event, Event::ClientIdRepeated { .. });
    match command {
        Command::PlaceOrder(order) => answers_item(&BatchRequest::Place(*order), event),
        Command::CancelOrder { order, .. } => answers_item(&BatchRequest::Cancel(*order), event),
        Command::AmendOrder { order, price, quantity, .. } => {
            answers_item(&BatchRequest::Amend { order: *order, price: *price, quantity: *quantity }, event)
        }
        Command::Batch { requests, .. } => refused || requests.iter().any(|request| answers_item(request, event)),
        Command::Deposit { .. } | Command::Withdraw { .. } | Command::Transfer { .. } => {
            refused || repeated || accepts(command, event)
        }
        _ => refused || accepts(command, event),
    }
}

fn answers_item(request: &BatchRequest, event: &Event) -> bool {
    match (request, event) {
        (BatchRequest::Place(order), Event::OrderPlaced(placed)) => placed.order == *order,
        (BatchRequest::Place(order), Event::OrderRejected { order: refused, .. }) => refused == order,
        (BatchRequest::Place(order), Event::ClientIdRepeated { client_id, .. }) => order.client_id == Some(*client_id),
        (
            BatchRequest::Cancel(_),
            Event::OrderCancelled { .. } | Event::ParkedCancelled { .. } | Event::CancelRejected { .. },
        )
        | (BatchRequest::Amend { .. }, Event::OrderAmended(_) | Event::AmendRejected { .. }) => true,
        _ => false,
    }
}

/// Returns true if the event accepts the command on its account's or market's home shard.
fn accepts(command: &Command, event: &Event) -> bool {
    matches!(
        (command, event),
        (Command::OpenAccount { .. }, Event::AccountOpened { .. })
            | (Command::Deposit { .. }, Event::Deposited { seconded: None, .. } | Event::DepositProposed { .. })
            | (Command::ConfirmDeposit { .. }, Event::Deposited { seconded: Some(_), .. })
            | (Command::DropDeposit { .. }, Event::DepositDropped { .. })
            | (Command::Withdraw { .. }, Event::Withdrawn { .. })
            | (Command::Transfer { .. }, Event::TransferSent { .. })
            | (Command::CreateMarket { .. }, Event::MarketCreated { .. })
            | (Command::ChangeMarket { .. }, Event::MarketChanged { .. })
            | (Command::LimitMarket { .. }, Event::MarketLimited { .. })
            | (Command::MassCancel { .. }, Event::MassCancelRequested { .. })
            | (Command::SetDeadManSwitch { .. }, Event::DeadManSwitchSet { .. })
            | (Command::FreezeAccount { .. }, Event::AccountFrozen { .. })
            | (Command::UnfreezeAccount { .. }, Event::AccountUnfrozen { .. })
            | (Command::LimitAccount { .. }, Event::AccountLimited { .. })
            | (Command::ActOnGroup { .. }, Event::GroupSet { .. } | Event::GroupDeleted { .. })
            | (Command::ActOnGroup { .. }, Event::GroupTriggered { cause: TriggerCause::Requested, .. })
    )
}

/// Returns true if other shards do the work after the home shard accepts it, and report that.
fn is_followed(command: &Command) -> bool {
    matches!(
        command,
        Command::Transfer { .. }
            | Command::MassCancel { market: None, .. }
            | Command::FreezeAccount { .. }
            | Command::UnfreezeAccount { .. }
            | Command::LimitAccount { .. }
            | Command::ActOnGroup { .. }
    )
}

fn follows(command: &Command, event: &Event) -> bool {
    let ends_transfer = matches!(event, Event::TransferReceived { .. } | Event::TransferReturned { .. });
    let completes = matches!(event, Event::InstructionCompleted { .. });
    is_followed(command) && if matches!(command, Command::Transfer { .. }) { ends_transfer } else { completes }
}
