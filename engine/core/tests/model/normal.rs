//! The core's events in the model's form: without purses, waiting and messages between shards,
//! shard by shard.

use std::collections::BTreeMap;

use schemas::event::{CancelReason, FirstOutcome};
use schemas::shard_map::ShardMap;
use schemas::{AccountId, CommandId, Event, GroupId, MarketId, Parked, ParkedRequest, Shard, TriggerCause};

use super::law::Decided;

/// Events by shard, in the order in which they happened.
pub type Told = BTreeMap<Shard, Vec<Event>>;

/// A parked request of a batch appears where it is decided, as if it had come only then.
pub fn normal(map: ShardMap, events: &[(Shard, Event)]) -> Told {
    let events = &without_what_homes_say(map, events);
    let (mut told, mut waiting) = (Told::new(), Waiting::new());
    for (at, event) in events {
        let here = told.entry(*at).or_default();
        match event {
            Event::Parked(parked) => park(&mut waiting, *at, parked, here),
            Event::Resumed { ticket, command, .. } => {
                if let Some((of, index)) = waiting.remove(&(*at, *ticket)) {
                    assert_eq!(*command, of, "the command that is answered");
                    here.extend(index.map(|index| Event::BatchItem { index }));
                }
            }
            Event::BatchItem { .. } if here.last() == Some(event) => {}
            event if is_hidden(event) => {}
            event => here.push(anonymous(event.clone())),
        }
    }
    assert!(waiting.is_empty(), "parked and never resumed: {waiting:?}");
    told.values_mut().for_each(|events| {
        sort_payouts(events);
        sort_triggers(events);
    });
    told.retain(|_, events| !events.is_empty());
    told
}

/// The command of each parked request and its index in the batch, by shard and ticket.
type Waiting = BTreeMap<(Shard, u64), (CommandId, Option<u16>)>;

/// A purse's ask is not a command, so it does not count.
fn park(waiting: &mut Waiting, at: Shard, parked: &Parked, told: &mut Vec<Event>) {
    if matches!(parked.request, ParkedRequest::Fund { .. }) {
        return;
    }
    let before = waiting.insert((at, parked.ticket), (parked.command, parked.index));
    assert!(before.is_none(), "two requests with one ticket");
    if let Some(index) = parked.index {
        assert_eq!(told.pop(), Some(Event::BatchItem { index }), "only a request whose turn has come is parked");
    }
}

/// The order of payouts of positions is not specified.
fn sort_payouts(events: &mut [Event]) {
    for payouts in events.chunk_by_mut(|a, b| payout(a).is_some() && payout(b).is_some()) {
        payouts.sort_by_key(payout);
    }
}

/// Returns the requests of the batch in the order of their decisions, and the triggers of groups
/// that the shard received.
pub fn decided(told: &Told, at: Shard) -> Vec<Decided> {
    let items = told.get(&at).into_iter().flatten().filter_map(|event| match event {
        Event::BatchItem { index } => Some(Decided::Request(*index)),
        Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere } => {
            Some(Decided::Group((*account, *group)))
        }
        _ => None,
    });
    items.collect()
}

/// Messages of limits of groups to shards other than the home shard are compared as states. They
/// may contain the trigger of the group.
fn without_what_homes_say(map: ShardMap, events: &[(Shard, Event)]) -> Vec<(Shard, Event)> {
    let (mut left, mut set, mut reported) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (at, event) in events {
        match event {
            Event::GroupSet { account, group, .. } if map.of_account(*account) != *at => {
                set.insert(*at, (*account, *group));
            }
            Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere }
                if set.remove(at) == Some((*account, *group)) => {}
            // The home shard's sums of other shards' fills are compared as states, too.
            Event::GroupFilled { reported_by: Some(_), account, group, .. } => {
                set.remove(at);
                reported.insert(*at, (*account, *group));
            }
            Event::GroupTriggered { account, group, cause: TriggerCause::Filled }
                if reported.get(at) == Some(&(*account, *group)) =>
            {
                let cause = TriggerCause::Elsewhere;
                left.push((*at, Event::GroupTriggered { account: *account, group: *group, cause }));
            }
            event => {
                set.remove(at);
                left.push((*at, event.clone()));
            }
        }
    }
    left
}

/// Events that belong together: the trigger of a group by a message of another shard, or none, and
/// its results.
type Block = (Option<(AccountId, GroupId)>, Vec<Event>);

/// The order of triggers by messages of different accounts' home shards is not specified.
fn sort_triggers(events: &mut Vec<Event>) {
    let mut blocks: Vec<Block> = Vec::new();
    for event in events.drain(..) {
        match (&event, blocks.last_mut()) {
            (Event::GroupTriggered { account, group, cause: TriggerCause::Elsewhere }, _) => {
                blocks.push((Some((*account, *group)), vec![event]));
            }
            (_, Some((Some(_), block))) if follows_a_trigger(&event) => block.push(event),
            (_, Some((None, block))) => block.push(event),
            _ => blocks.push((None, vec![event])),
        }
    }
    for together in blocks.chunk_by_mut(|a, b| a.0.is_some() && b.0.is_some()) {
        together.sort_by_key(|(group, _)| *group);
    }
    events.extend(blocks.into_iter().flat_map(|(_, block)| block));
}

fn follows_a_trigger(event: &Event) -> bool {
    match event {
        Event::OrderCancelled { reason, .. } | Event::OrderReduced { reason, .. } => {
            [CancelReason::Group, CancelReason::ReduceOnly, CancelReason::Expired].contains(reason)
        }
        Event::PairsRedeemed { .. } => true,
        _ => false,
    }
}

fn is_hidden(event: &Event) -> bool {
    matches!(
        event,
        Event::Sent { .. }
            | Event::Received { .. }
            | Event::MessageSkipped { .. }
            | Event::Acknowledged { .. }
            | Event::Settled(_)
            | Event::ParkedCancelled { .. }
            | Event::Asked { .. }
            | Event::AskAnswered { .. }
            | Event::PurseSent { .. }
            | Event::PurseReceived { .. }
            | Event::PurseFrozen { .. }
            | Event::PurseLimited { .. }
            | Event::Instructed { .. }
            | Event::Obeyed { .. }
            | Event::InstructionCompleted { .. }
            | Event::GroupReported { .. }
    )
}

/// Removes the ids of commands and instructions, which the model does not know.
fn anonymous(event: Event) -> Event {
    match event {
        Event::MassCancelOpened { account, market, reason, up_to, .. } => {
            Event::MassCancelOpened { account, market, reason, up_to, ticket: None }
        }
        Event::ClientIdRepeated { account, client_id, first: FirstOutcome::Parked { .. } } => {
            Event::ClientIdRepeated { account, client_id, first: FirstOutcome::Parked { command: CommandId(0) } }
        }
        event => event,
    }
}

fn payout(event: &Event) -> Option<(MarketId, AccountId)> {
    match event {
        Event::PaidOut { market, account, .. } => Some((*market, *account)),
        _ => None,
    }
}
