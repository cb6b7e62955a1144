//! The result of one command, and of each request of a batch, as an outcome contains it. Pure.
//!
//!   tail ─▶ pending ─▶ *command result* ─▶ answers, batch

use std::ops::Range;
use std::sync::Arc;

use schemas::answers::parts;
use schemas::event::FirstOutcome;
use schemas::ids::LogPosition;
use schemas::{ClientId, CommandId, Event, MarketId, Outcome, Rejection, Shard};

/// The result of a command that a request waits for.
#[derive(Clone, Debug)]
pub struct CommandResult {
    /// The shard whose outcome contains it.
    pub shard: Shard,
    /// The outcome, which may contain results of other commands as well.
    pub outcome: Arc<Outcome>,
    /// The command whose result this is.
    pub command: CommandId,
    /// The command that was sent: the same one, or one that repeats it.
    pub asked: CommandId,
    /// The range of the outcome's events that belong to the command.
    pub events: Range<usize>,
}

impl CommandResult {
    /// Returns the log position of the outcome.
    pub fn at(&self) -> LogPosition {
        LogPosition { shard: self.shard, sequence: self.outcome.sequence }
    }

    /// Returns true if the command was not sent by this request but is repeated by it.
    pub fn is_repeat(&self) -> bool {
        self.command != self.asked
    }

    /// Returns all events of the command.
    pub fn told(&self) -> ResultPart<'_> {
        ResultPart { settled: self, events: &self.outcome.events[self.events.clone()] }
    }

    /// Returns the events of each request of a batch, with its index. Events before the first
    /// request have no index.
    pub fn requests(&self) -> impl Iterator<Item = (Option<usize>, ResultPart<'_>)> {
        let mut rest = Some((None, self.told().events));
        std::iter::from_fn(move || {
            let (place, events) = rest.take()?;
            let next = events.iter().enumerate().find_map(|(at, event)| match event {
                Event::BatchItem { index } => Some((at, usize::from(*index))),
                _ => None,
            });
            let Some((end, index)) = next else { return Some((place, ResultPart { settled: self, events })) };
            rest = Some((Some(index), &events[end + 1..]));
            Some((place, ResultPart { settled: self, events: &events[..end] }))
        })
    }

    /// Returns the events of the order with this name, or of the whole batch it was sent in.
    pub fn of_order(&self, (market, client_id): OrderName) -> Option<ResultPart<'_>> {
        let named = |event: &Event| match event {
            Event::OrderPlaced(placed) => (placed.order.market, placed.order.client_id) == (market, Some(client_id)),
            // Another request used the same name for a different order.
            Event::OrderRejected { code: Rejection::ClientIdReused, .. } => false,
            Event::OrderRejected { order, .. } => (order.market, order.client_id) == (market, Some(client_id)),
            _ => false,
        };
        let refused = |event: &Event| matches!(event, Event::Rejected { .. });
        self.requests().find_map(|(place, told)| {
            let found = told.events.iter().any(|event| named(event) || place.is_none() && refused(event));
            found.then_some(told)
        })
    }
}

/// Splits an outcome into commands: each command id with the range of its events.
pub fn places(outcome: &Outcome) -> impl Iterator<Item = (CommandId, Range<usize>)> {
    parts(outcome).map(|part| (part.command, part.at..part.at + part.events.len()))
}

/// An order's name within its account.
pub type OrderName = (MarketId, ClientId);

/// The events that answer one request: all events of a command, or those of one request of a batch.
#[derive(Clone, Copy, Debug)]
pub struct ResultPart<'a> {
    /// The whole result.
    pub settled: &'a CommandResult,
    /// The events of the request.
    pub events: &'a [Event],
}

impl ResultPart<'_> {
    /// Returns `Some` if any event matches.
    pub fn says(&self, wanted: impl Fn(&Event) -> bool) -> Option<()> {
        self.events.iter().any(wanted).then_some(())
    }

    /// Returns the parked command that this request repeats, if it does: its result answers this
    /// request too.
    pub fn repeats(&self) -> Option<CommandId> {
        repeated(self.events).next()
    }
}

/// Returns the parked commands that requests in these events repeat.
pub fn repeated(events: &[Event]) -> impl Iterator<Item = CommandId> {
    events.iter().filter_map(|event| match event {
        Event::ClientIdRepeated { first: FirstOutcome::Parked { command }, .. } => Some(*command),
        _ => None,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::view::tests::{SHARD, outcome, placed};
    use schemas::event::OrderPlaced;
    use schemas::{AccountId, Entry, OrderId, OrderRef, Parked, ParkedRequest, Timestamp};

    const ACCOUNT: AccountId = AccountId(1);

    /// All events of the command that caused `outcome`.
    pub fn settled(shard: Shard, outcome: Outcome) -> CommandResult {
        let id = outcome.cause.id;
        settled_of(shard, outcome, id, id)
    }

    /// All events of `command` in `outcome`, for the request that sent `asked`.
    pub fn settled_of(shard: Shard, outcome: Outcome, asked: CommandId, command: CommandId) -> CommandResult {
        let (_, events) = places(&outcome).find(|(of, _)| *of == command).expect("something is told of it");
        CommandResult { shard, outcome: Arc::new(outcome), command, asked, events }
    }

    /// `placed`, with a client id.
    pub fn named(id: u64, client_id: u128) -> OrderPlaced {
        let mut placed = placed(id, Entry::BuyYes, 5_000, 10, 0);
        placed.order.client_id = Some(ClientId(client_id));
        placed
    }

    pub fn resumed(command: u128) -> Event {
        Event::Resumed { account: ACCOUNT, ticket: 3, command: CommandId(command) }
    }

    /// A request is parked, with its command.
    pub fn parked(command: u128, placed: &OrderPlaced) -> Event {
        let (ticket, index, deadline) = (3, None, Timestamp(9));
        let (command, request) = (CommandId(command), ParkedRequest::Place(placed.order));
        Event::Parked(Box::new(Parked { account: ACCOUNT, ticket, command, index, deadline, request }))
    }

    /// A request is answered by the result of `command`.
    pub fn repeats(command: u128, client_id: u128) -> Event {
        let first = FirstOutcome::Parked { command: CommandId(command) };
        Event::ClientIdRepeated { account: ACCOUNT, client_id: ClientId(client_id), first }
    }

    #[test]
    fn requests_of_a_batch_are_told_apart_by_their_place() {
        let (account, order, code) = (ACCOUNT, OrderId(9), Rejection::OrderUnknown);
        let refused = Event::CancelRejected { account, order: OrderRef::Id(order), code };
        let events = vec![
            Event::StateHashed { hash: schemas::StateHash { way: 1, sum: 0 } },
            Event::BatchItem { index: 1 },
            refused,
            Event::BatchItem { index: 0 },
            resumed(5),
            Event::BatchItem { index: 4 },
        ];
        let settled = settled(SHARD, outcome(7, events));
        let places: Vec<_> = settled.requests().map(|(place, told)| (place, told.events.len())).collect();
        assert_eq!(places, [(None, 1), (Some(1), 1), (Some(0), 0)]);
    }
}
