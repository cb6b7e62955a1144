//! Checks what clients were promised: acknowledged commands count, once; each command is answered,
//! once; answers are right; a client id acts once.

use std::collections::BTreeMap;

use schemas::answers::parts;
use schemas::{AccountId, Command, CommandId, Event, NewOrder, Parked, ParkedRequest, Rejection, Shard};

use super::history::History;
use crate::answers::{self, ClientName};
use crate::clients::ClientRequest;
use crate::simulation::Simulation;

pub fn check(simulation: &Simulation, histories: &[History]) {
    let acts = acts(histories);
    for request in &simulation.clients.requests {
        check_acknowledged(request, histories);
        check_acted(request, &acts);
    }
    check_told(simulation, histories);
    check_answered(histories);
    check_transfers(histories);
}

/// Each record of a command has its answer, or one for each of its requests, however long they were
/// parked. (Records with the same id cannot be distinguished.)
fn check_answered(histories: &[History]) {
    let asked = histories.iter().flat_map(|history| {
        let shard = history.shard;
        history.asked().into_iter().map(move |(id, (command, times))| (id, (command, times, shard)))
    });
    let asked: BTreeMap<CommandId, (&Command, u64, Shard)> = asked.collect();
    let mut given: BTreeMap<(CommandId, usize), u64> = BTreeMap::new();
    for history in histories {
        for part in history.outcomes.iter().flat_map(|(outcome, _)| parts(outcome)) {
            let Some((command, _, shard)) = asked.get(&part.command) else { continue };
            if *shard == history.shard || answers::is_told_elsewhere(command) {
                for (place, _) in answers::given(command, part.events) {
                    *given.entry((part.command, place)).or_default() += 1;
                }
            }
        }
    }
    for (id, (command, times, _)) in asked {
        for place in 0..answers::wanted(command) {
            let answers = given.remove(&(id, place)).unwrap_or(0);
            assert!(
                answers == times,
                "{answers} answers to request {place} of {times} times {command:?}: {:#?}",
                answers_to(id, histories)
            );
        }
    }
    assert!(given.is_empty(), "answers to nothing that was asked: {given:?}");
}

/// Returns all answers to a command, for examining a failure.
fn answers_to(id: CommandId, histories: &[History]) -> Vec<&[Event]> {
    let outcomes = histories.iter().flat_map(|history| &history.outcomes);
    let all = outcomes.flat_map(|(outcome, _)| parts(outcome));
    all.filter(|part| part.command == id).map(|part| part.events).collect()
}

/// What was sent to another account was received there, or returned.
fn check_transfers(histories: &[History]) {
    let mut under_way = BTreeMap::new();
    for event in histories.iter().flat_map(History::events) {
        let (transfer, change) = match event {
            Event::TransferSent { from, to, amount, .. } => ((*from, *to, *amount), 1),
            Event::TransferReceived { from, to, amount, .. } | Event::TransferReturned { from, to, amount, .. } => {
                ((*from, *to, *amount), -1)
            }
            _ => continue,
        };
        *under_way.entry(transfer).or_insert(0) += change;
    }
    let lost = under_way.iter().find(|(_, times)| **times != 0);
    assert!(lost.is_none(), "a transfer was lost, or came in twice: {lost:?}");
}

/// An acknowledged command has its outcome. (That it has only one is already checked: there are as
/// many outcomes as commands.)
fn check_acknowledged(request: &ClientRequest, histories: &[History]) {
    let history = &histories[request.asked.shard.index()];
    for (offset, id) in &request.acknowledged {
        let outcome = usize::try_from(*offset).ok().and_then(|at| history.outcomes.get(at));
        let counts = outcome.is_some_and(|(outcome, _)| outcome.cause.id == *id);
        assert!(counts, "the acknowledged command {id} at {offset} of shard {} has no outcome", history.shard);
    }
}

/// However often a request was sent: under each of its client ids at most one thing happened, and
/// exactly one if it names an order. (A refusal of an order counts: a repeat gets it again. The
/// only exception is a refusal after which the client is asked to try again later.)
fn check_acted(request: &ClientRequest, acts: &BTreeMap<(Shard, ClientName), Acts>) {
    let orders = matches!(request.asked.command, Command::PlaceOrder(_) | Command::Batch { .. });
    for name in &request.asked.names {
        let Acts { acted, put_off } = acts.get(&(request.asked.shard, *name)).copied().unwrap_or_default();
        assert!(acted <= 1, "client id {name:?} acted {acted} times");
        let told = acted == 1 || put_off > 0;
        assert!(told || !orders, "the order under client id {name:?} was answered and did nothing");
    }
}

/// No answer was withdrawn.
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

/// What happened under a client id.
#[derive(Clone, Copy, Default)]
struct Acts {
    acted: u64,
    /// Orders that the client may send again under the same id.
    put_off: u64,
}

fn acts(histories: &[History]) -> BTreeMap<(Shard, ClientName), Acts> {
    let mut acts: BTreeMap<_, Acts> = BTreeMap::new();
    for history in histories {
        // Client ids of parked orders, by account and ticket.
        let mut parked: BTreeMap<(AccountId, u64), Vec<ClientName>> = BTreeMap::new();
        for event in history.events() {
            match event {
                Event::Parked(request) => drop(parked.insert((request.account, request.ticket), names(request))),
                Event::Resumed { account, ticket, .. } => drop(parked.remove(&(*account, *ticket))),
                _ => {}
            }
            let Some((name, code)) = act(event) else { continue };
            let acts = acts.entry((history.shard, name)).or_default();
            match code {
                // What was sent to a wrong shard is refused there each time.
                Some(
                    Rejection::FundingTimeout
                    | Rejection::ParkedLimit
                    | Rejection::ClientIdLimit
                    | Rejection::ShardUnavailable
                    | Rejection::WrongShard,
                ) => acts.put_off += 1,
                // The client id stays assigned to its first use.
                Some(Rejection::ClientIdReused) => {}
                // It also stays assigned if another request caused the refusal.
                Some(Rejection::BatchRefused) if parked.values().flatten().any(|parked| *parked == name) => {}
                Some(Rejection::BatchRefused) => acts.acted = acts.acted.max(1),
                _ => acts.acted += 1,
            }
        }
    }
    acts
}

/// Returns the client ids of the orders that a parked request would place.
fn names(parked: &Parked) -> Vec<ClientName> {
    let named = |order: &NewOrder| Some((order.account, Some(order.market), order.client_id?));
    match &parked.request {
        ParkedRequest::Place(order) => named(order).into_iter().collect(),
        ParkedRequest::Batch(requests) => {
            let orders = requests.iter().filter_map(|request| match request {
                schemas::BatchRequest::Place(order) => named(order),
                schemas::BatchRequest::Cancel(_) | schemas::BatchRequest::Amend { .. } => None,
            });
            orders.collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the client id that an event acts under, and the reason if it is a refusal.
fn act(event: &Event) -> Option<(ClientName, Option<Rejection>)> {
    let (account, market, client_id, code) = match event {
        Event::Deposited { account, client_id, .. }
        | Event::Withdrawn { account, client_id, .. }
        | Event::TransferSent { from: account, client_id, .. } => (*account, None, *client_id, None),
        Event::OrderPlaced(placed) => (placed.order.account, Some(placed.order.market), placed.order.client_id, None),
        Event::OrderRejected { order, code, .. } => (order.account, Some(order.market), order.client_id, Some(*code)),
        _ => return None,
    };
    Some(((account, market, client_id?), code))
}
