//! Which answers clients wait for: one to each request of a command, however long it is parked. A
//! request that repeats a parked one, or a pending transfer, gets the answer of that one's command.

use std::collections::{BTreeMap, BTreeSet};

use schemas::answers::CommandEvents;
use schemas::event::FirstOutcome;
use schemas::{ClientId, Command, CommandId, Event, MarketId};

use crate::answers;

#[derive(Default)]
pub struct OpenRequests {
    /// The unanswered requests of each command, by index.
    open: BTreeMap<CommandId, BTreeSet<usize>>,
    /// Requests that also wait for the answer to a command.
    repeats: BTreeMap<CommandId, Vec<Repeat>>,
}

/// A request that repeats a parked one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Repeat {
    command: CommandId,
    place: usize,
    /// The market of its order; `None` if it moves credits.
    market: Option<MarketId>,
    client_id: ClientId,
}

impl OpenRequests {
    /// Records that a command was sent, perhaps again.
    pub fn sent(&mut self, id: CommandId, command: &Command) {
        self.open.entry(id).or_insert_with(|| (0..answers::wanted(command)).collect());
    }

    /// Handles a part of an outcome. Returns the commands that now have all their answers.
    pub fn hear(&mut self, command: &Command, part: &CommandEvents<'_>) -> Vec<CommandId> {
        let mut answered = Vec::new();
        for (place, event) in answers::given(command, part.events) {
            match event {
                Event::ClientIdRepeated { client_id, first: FirstOutcome::Parked { command: first }, .. } => {
                    let market = answers::order_at(command, place).map(|order| order.market);
                    self.join(*first, Repeat { command: part.command, place, market, client_id: *client_id });
                }
                _ => answered.push((part.command, place)),
            }
        }
        let repeats = self.repeats.get(&part.command).into_iter().flatten();
        let told = repeats.filter(|repeat| part.events.iter().any(|event| repeat.is_told(event)));
        answered.extend(told.map(|repeat| (repeat.command, repeat.place)));
        answered.into_iter().filter_map(|(id, place)| self.close(id, place)).collect()
    }

    fn join(&mut self, first: CommandId, repeat: Repeat) {
        let repeats = self.repeats.entry(first).or_default();
        if !repeats.contains(&repeat) {
            repeats.push(repeat);
        }
    }

    /// Closes a request. Returns its command if that was the last open request.
    fn close(&mut self, id: CommandId, place: usize) -> Option<CommandId> {
        let open = self.open.get_mut(&id)?;
        (open.remove(&place) && open.is_empty()).then_some(id)
    }
}

impl Repeat {
    /// Returns true if the event is the result of the request that this one repeats.
    fn is_told(&self, event: &Event) -> bool {
        let named = |market, client_id| (self.market, Some(self.client_id)) == (Some(market), client_id);
        match event {
            Event::OrderPlaced(placed) => named(placed.order.market, placed.order.client_id),
            Event::OrderRejected { order, .. } => named(order.market, order.client_id),
            Event::Withdrawn { .. }
            | Event::TransferReceived { .. }
            | Event::TransferCompleted { .. }
            | Event::TransferReturned { .. }
            | Event::Rejected { .. } => self.market.is_none(),
            _ => false,
        }
    }
}
