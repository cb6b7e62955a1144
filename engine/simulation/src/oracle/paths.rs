//! Counts what the system did in a run from its events: a simulation proves nothing about what it
//! never reaches.

use schemas::answers::parts;
use schemas::event::{CancelReason, FirstOutcome};
use schemas::{Command, Event, Rejection};

use super::history::History;
use crate::answers;
use crate::cluster::Cluster;
use crate::seen::Seen;

pub fn note(cluster: &Cluster, history: &History) {
    history.events().filter_map(of_event).for_each(|seen| cluster.saw(seen));
    let asked = history.asked();
    for part in history.outcomes.iter().flat_map(|(outcome, _)| parts(outcome)) {
        if let Some((Command::Batch { all_or_nothing, .. }, _)) = asked.get(&part.command) {
            of_batch(*all_or_nothing, part.events).into_iter().for_each(|seen| cluster.saw(seen));
        }
    }
}

fn of_event(event: &Event) -> Option<Seen> {
    Some(match event {
        Event::Received { .. } => Seen::MessageTakenIn,
        Event::MessageSkipped { number, expected, .. } if number < expected => Seen::MessageRepeated,
        Event::MessageSkipped { .. } => Seen::MessageEarly,
        Event::ClientIdRepeated { first: FirstOutcome::Parked { .. }, .. } => Seen::ParkedRepeated,
        Event::ClientIdRepeated { .. } => Seen::ClientIdRepeated,
        Event::Rejected { code: Rejection::Undecodable } => Seen::GarbageRefused,
        Event::OrderRejected { code: Rejection::ClientIdReused, .. } => Seen::ClientIdReused,
        Event::OrderRejected { code: Rejection::NothingToReduce, .. } => Seen::NothingToReduce,
        Event::OrderRejected { code: Rejection::GroupTriggered, .. } => Seen::GroupClosed,
        Event::OrderRejected { .. } => Seen::OrderRejected,
        Event::OrderCancelled { reason, .. } => match reason {
            CancelReason::Expired => Seen::OrderExpired,
            CancelReason::MassCancel => Seen::OrderMassCancelled,
            CancelReason::DeadManSwitch => Seen::OrderSwitchedOff,
            CancelReason::MarketPaused => Seen::OrderPaused,
            CancelReason::SelfTrade => Seen::SelfTradePrevented,
            CancelReason::ReduceOnly => Seen::ReducingEnded,
            CancelReason::Group => Seen::GroupOrderEnded,
            _ => Seen::OrderCancelled,
        },
        Event::OrderReduced { reason: CancelReason::ReduceOnly, .. } => Seen::ReducingShrunk,
        Event::OrderReduced { .. } => Seen::SelfTradePrevented,
        Event::OrderPlaced(placed) if placed.cancel_reason == Some(CancelReason::ReduceOnly) => Seen::ReducingCut,
        Event::OrderPlaced(placed) if placed.cancel_reason == Some(CancelReason::Group) => Seen::GroupTakerStopped,
        Event::OrderAmended(_) => Seen::OrderAmended,
        Event::AmendRejected { .. } => Seen::AmendRejected,
        Event::HoldRaised { .. } => Seen::HoldRaised,
        Event::MassCancelRequested { .. } => Seen::MassCancel,
        Event::DeadManSwitchFired { .. } => Seen::DeadManSwitchFired,
        Event::AccountFrozen { .. } => Seen::AccountFrozen,
        Event::PurseFrozen { frozen: true, .. } => Seen::PurseFrozen,
        Event::PurseLimited { .. } => Seen::PurseSealed,
        Event::TransferReceived { .. } => Seen::TransferReceived,
        Event::TransferReturned { .. } => Seen::TransferReturned,
        Event::Traded(_) => Seen::Traded,
        Event::PairsRedeemed { .. } => Seen::PairsRedeemed,
        Event::MarketChanged { state, by: None, .. } if state.is_final() => Seen::WindowEnded,
        Event::MarketChanged { by: None, .. } => Seen::MarketExpired,
        Event::PaidOut { .. } => Seen::PaidOut,
        Event::StateHashed { .. } => Seen::StateHashed,
        _ => return None,
    })
}

/// Returns `None` if the part does not answer the batch.
fn of_batch(all_or_nothing: bool, events: &[Event]) -> Option<Seen> {
    if !events.iter().any(|event| matches!(event, Event::BatchItem { .. })) {
        return None;
    }
    if !all_or_nothing {
        return Some(Seen::BatchOneByOne);
    }
    if events.iter().any(|event| matches!(event, Event::ClientIdRepeated { .. })) {
        return None;
    }
    Some(if events.iter().any(answers::refuses) { Seen::BatchRefused } else { Seen::BatchCarriedOut })
}
