//! An all-or-nothing batch is carried out whole or not at all: where its account lives, and where its markets do.

use schemas::message::EnteredRequest;
use schemas::{Command, Event, Message, Outcome, Request};

use super::history::{History, takes_in};
use crate::cluster::Cluster;

/// What an outcome says of a batch.
struct Told<'a> {
    outcome: &'a Outcome,
    /// How many requests it has.
    requests: usize,
    /// How many of them are orders.
    orders: usize,
}

/// Panics if part of a batch was done and part was not.
pub fn check(cluster: &Cluster, history: &History) {
    for (command, outcome) in history.commands(cluster) {
        match command {
            Command::Batch { all_or_nothing: true, requests, .. } => {
                let orders = requests.iter().filter(|request| matches!(request, Request::Place(_))).count();
                check_home(&Told { outcome, requests: requests.len(), orders });
            }
            Command::Receive { message: Message::Batch { requests, .. }, .. } if takes_in(outcome) => {
                let place = |request: &&EnteredRequest| matches!(request, EnteredRequest::Place { .. });
                let told = Told { outcome, requests: requests.len(), orders: requests.iter().filter(place).count() };
                told.assert_whole();
                told.assert_placed();
            }
            _ => {}
        }
    }
}

fn check_home(told: &Told<'_>) {
    let items = told.count(|event| matches!(event, Event::BatchItem { .. }));
    let entered = told.count(|event| matches!(event, Event::OrderEntered { .. }));
    let repeated = told.count(|event| matches!(event, Event::ClientIdRepeated { .. }));
    let others = told.count(|event| !matches!(event, Event::StateHashed { .. }));
    let refused_unread = items == 0 && told.refused() == 1 && others == 1;
    if refused_unread {
        return;
    }
    assert!(entered == 0 || entered == told.orders, "{entered} of {} orders entered: {}", told.orders, told.events());
    if repeated > 0 {
        let answered = repeated == told.orders && entered == 0;
        assert!(answered, "a batch was repeated in part: {}", told.events());
    } else if items > 0 {
        told.assert_whole();
        if entered > 0 {
            told.assert_placed();
        }
    } else {
        let passed_on = |event: &Event| matches!(event, Event::Sent { message: Message::Batch { .. }, .. });
        assert!(told.count(passed_on) == 1, "a batch was lost: {}", told.events());
        assert!(entered == told.orders, "a batch went on without its orders: {}", told.events());
    }
}

impl Told<'_> {
    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.outcome.events.iter().filter(|event| is(event)).count()
    }

    fn refused(&self) -> usize {
        self.count(|event| {
            matches!(
                event,
                Event::Rejected { .. }
                    | Event::OrderRejected { .. }
                    | Event::CancelRejected { .. }
                    | Event::AmendRejected { .. }
            )
        })
    }

    fn events(&self) -> String {
        format!("{:?}", self.outcome.events)
    }

    /// Each request has its answer, and all or none are refused.
    fn assert_whole(&self) {
        let items = self.count(|event| matches!(event, Event::BatchItem { .. }));
        let (refused, requests) = (self.refused(), self.requests);
        assert!(items == requests, "{items} of {requests} requests were answered: {}", self.events());
        assert!(refused == 0 || refused == requests, "{refused} of {requests} refused: {}", self.events());
    }

    /// Every order became one, or was refused with the rest.
    fn assert_placed(&self) {
        let placed = self.count(|event| matches!(event, Event::OrderPlaced(_)));
        let expected = if self.refused() == 0 { self.orders } else { 0 };
        assert!(placed == expected, "{placed} of {expected} orders were placed: {}", self.events());
    }
}
