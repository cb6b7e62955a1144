//! What clients were promised: what was acknowledged counts, once; what they were told is so; a client id acts once.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{AccountId, ClientId, Command, Event, OrderId, Rejection};

use super::history::History;
use crate::clients::Request;
use crate::simulation::Simulation;

pub fn check(simulation: &Simulation, histories: &[History]) {
    let acts = acts(histories);
    for request in &simulation.clients.requests {
        check_acknowledged(request, histories);
        check_acted(request, &acts);
    }
    check_told(simulation, histories);
}

/// An acknowledged command has its outcome. (That it has only one was checked: there are as many outcomes as commands.)
fn check_acknowledged(request: &Request, histories: &[History]) {
    let history = &histories[request.asked.shard.index()];
    for (offset, id) in &request.acknowledged {
        let outcome = usize::try_from(*offset).ok().and_then(|at| history.outcomes.get(at));
        let counts = outcome.is_some_and(|(outcome, _)| outcome.cause.id == *id);
        assert!(counts, "the acknowledged command {id} at {offset} of shard {} has no outcome", history.shard);
    }
}

/// However often it was sent: under each of its names something acted at most once, and just once if an order has that name. (A
/// refusal of an order is an act: a repeat is told of it.)
fn check_acted(request: &Request, acts: &Acts) {
    let orders = matches!(request.asked.command, Command::PlaceOrder(_) | Command::Batch { .. });
    for name in &request.asked.names {
        let times = acts.get(name).copied().unwrap_or(0);
        assert!(times <= 1, "client id {name:?} acted {times} times");
        assert!(times == 1 || !orders, "the order under client id {name:?} was answered and did nothing");
    }
}

/// No answer was taken back.
fn check_told(simulation: &Simulation, histories: &[History]) {
    for ((shard, offset), told) in &simulation.clients.gateway.told {
        let history = &histories[shard.index()];
        let found = usize::try_from(told.sequence - 1).ok().and_then(|at| history.outcomes.get(at));
        let stands = found.is_some_and(|(outcome, chain)| {
            (outcome.cause.offset, outcome.cause.id, *chain) == (*offset, told.id, told.chain)
        });
        assert!(stands, "what the client of command {} was told is not in the log of shard {shard}", told.id);
    }
}

/// How often something happened under each client id.
type Acts = BTreeMap<(AccountId, ClientId), u64>;

fn acts(histories: &[History]) -> Acts {
    let mut acts = Acts::new();
    for history in histories {
        // The market's home refuses orders too: those that have acted by their entry.
        let mut entered = BTreeSet::new();
        for event in history.events() {
            let (name, blameless) = match event {
                Event::Deposited { account, client_id, .. } | Event::Withdrawn { account, client_id, .. } => {
                    (client_id.map(|client_id| (*account, client_id)), false)
                }
                Event::TransferSent { from, client_id, .. } => (client_id.map(|client_id| (*from, client_id)), false),
                Event::OrderEntered { id, account, known_as, .. } => {
                    entered.insert(*id);
                    (known_as.map(|known_as| (*account, known_as.client_id)), false)
                }
                Event::OrderRejected { id, order, code } if is_entry(history, *id) && !entered.contains(id) => {
                    let stands = *code != Rejection::ClientIdReused;
                    let name = order.client_id.filter(|_| stands).map(|client_id| (order.account, client_id));
                    (name, *code == Rejection::BatchRefused)
                }
                _ => (None, false),
            };
            let Some(name) = name else { continue };
            let times = acts.entry(name).or_default();
            // Refused for another request's sake: what the name stood for before, it stands for still.
            if *times == 0 || !blameless {
                *times += 1;
            }
        }
    }
    acts
}

fn is_entry(history: &History, order: OrderId) -> bool {
    order.entry_shard() == history.shard
}
