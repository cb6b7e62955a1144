//! Checks that an all-or-nothing batch is executed completely or not at all, at once or after it
//! was parked.

use schemas::answers::{CommandEvents, parts};
use schemas::{BatchRequest, Command, Event, ParkedRequest, Rejection};

use super::history::History;
use crate::answers;

/// Refusals after which a client may send the same order again.
const PUT_OFF: [Rejection; 4] =
    [Rejection::FundingTimeout, Rejection::ParkedLimit, Rejection::ClientIdLimit, Rejection::ShardUnavailable];

/// Panics if only a part of a batch was executed.
pub fn check(history: &History) {
    let asked = history.asked();
    for part in history.outcomes.iter().flat_map(|(outcome, _)| parts(outcome)) {
        if let Some((Command::Batch { all_or_nothing: true, requests, .. }, _)) = asked.get(&part.command) {
            BatchReport { part, requests }.check();
        }
    }
}

/// A part of an outcome that belongs to a batch.
struct BatchReport<'a> {
    part: CommandEvents<'a>,
    requests: &'a [BatchRequest],
}

impl BatchReport<'_> {
    /// Messages carry the batch's id to other commands of its shard, whose parts contain nothing
    /// about it.
    fn check(&self) {
        let items = self.count(|event| matches!(event, Event::BatchItem { .. }));
        if items == 0 {
            let parked = self.count(is_parked);
            let refused_unread = self.count(answers::refuses) == 1 && self.part.events.len() <= 2;
            assert!(parked == 1 || refused_unread || self.count(answers::refuses) == 0, "{:?}", self.part.events);
            return;
        }
        let (refused, requests) = (self.count(answers::refuses), self.requests.len());
        assert!(items == requests, "{items} of {requests} requests were answered: {:?}", self.part.events);
        // Orders that occur twice in the batch are repeats within it.
        let (repeated, twice) = (self.count(|event| matches!(event, Event::ClientIdRepeated { .. })), self.twice());
        if repeated > twice {
            let answered = repeated == self.orders() && refused == requests - repeated;
            assert!(answered, "a batch was repeated in part: {:?}", self.part.events);
            return;
        }
        let whole = refused == 0 && repeated == twice || refused + repeated == requests;
        assert!(whole, "{refused} of {requests} refused: {:?}", self.part.events);
        // If the client may send one of them again under the same name, it may send all of them.
        let late = self.count(|event| answers::refusal(event).is_some_and(|code| PUT_OFF.contains(&code)));
        assert!(late == 0 || late == requests, "{late} of {requests} may be sent again: {:?}", self.part.events);
        let placed = self.count(|event| matches!(event, Event::OrderPlaced(_)));
        let expected = if refused == 0 { self.orders() - twice } else { 0 };
        assert!(placed == expected, "{placed} of {expected} orders were placed: {:?}", self.part.events);
    }

    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.part.events.iter().filter(|event| is(event)).count()
    }

    /// Returns the number of orders whose name occurs a second time.
    fn twice(&self) -> usize {
        let named = |request: &BatchRequest| match request {
            BatchRequest::Place(order) => order.client_id.map(|client_id| (order.account, order.market, client_id)),
            BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
        };
        let earlier = |at: usize| self.requests[..at].iter().filter_map(named);
        let again = |at: &usize| named(&self.requests[*at]).is_some_and(|name| earlier(*at).any(|other| other == name));
        (0..self.requests.len()).filter(again).count()
    }

    fn orders(&self) -> usize {
        self.requests.iter().filter(|request| matches!(request, BatchRequest::Place(_))).count()
    }
}

fn is_parked(event: &Event) -> bool {
    matches!(event, Event::Parked(parked) if matches!(parked.request, ParkedRequest::Batch(_)))
}
