//! What the system did in a run, counted from its events: a simulation proves nothing about what it never reaches.

use schemas::event::CancelReason;
use schemas::{Command, Event, Message, Outcome, Rejection};

use super::history::{History, takes_in};
use crate::cluster::Cluster;
use crate::seen::Seen;

pub fn note(cluster: &Cluster, history: &History) {
    history.events().filter_map(of_event).for_each(|seen| cluster.saw(seen));
    for (command, outcome) in history.commands(cluster) {
        of_command(&command, outcome).into_iter().for_each(|seen| cluster.saw(seen));
    }
}

fn of_event(event: &Event) -> Option<Seen> {
    Some(match event {
        Event::Received { .. } => Seen::MessageTakenIn,
        Event::MessageSkipped { number, expected, .. } if number < expected => Seen::MessageRepeated,
        Event::MessageSkipped { .. } => Seen::MessageEarly,
        Event::ClientIdRepeated { .. } => Seen::ClientIdRepeated,
        Event::Rejected { code: Rejection::Undecodable } => Seen::GarbageRefused,
        Event::OrderRejected { code: Rejection::ClientIdReused, .. } => Seen::ClientIdReused,
        Event::OrderRejected { .. } => Seen::OrderRejected,
        Event::OrderCancelled { reason, .. } => match reason {
            CancelReason::Expired => Seen::OrderExpired,
            CancelReason::MassCancel => Seen::OrderMassCancelled,
            CancelReason::DeadManSwitch => Seen::OrderSwitchedOff,
            CancelReason::MarketPaused => Seen::OrderPaused,
            CancelReason::SelfTrade => Seen::SelfTradePrevented,
            _ => Seen::OrderCancelled,
        },
        Event::OrderReduced { .. } => Seen::SelfTradePrevented,
        Event::OrderAmended(_) => Seen::OrderAmended,
        Event::AmendRejected { .. } => Seen::AmendRejected,
        Event::HoldRaised { .. } => Seen::HoldRaised,
        Event::MassCancelRequested { .. } => Seen::MassCancel,
        Event::DeadManSwitchFired { .. } => Seen::DeadManSwitchFired,
        Event::AccountFrozen { .. } => Seen::AccountFrozen,
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

fn of_command(command: &Command, outcome: &Outcome) -> Option<Seen> {
    let any = |is: fn(&Event) -> bool| outcome.events.iter().any(is);
    match command {
        Command::Receive { message, .. } if takes_in(outcome) => match message {
            Message::AmendOrder { raised: Some(_), .. } => {
                any(|event| matches!(event, Event::AmendRejected { .. })).then_some(Seen::HoldReturned)
            }
            Message::Batch { .. } => whole(outcome),
            _ => None,
        },
        Command::Batch { all_or_nothing: true, .. } if any(|event| matches!(event, Event::BatchItem { .. })) => {
            whole(outcome)
        }
        Command::Batch { all_or_nothing: false, .. } => Some(Seen::BatchOneByOne),
        _ => None,
    }
}

fn whole(outcome: &Outcome) -> Option<Seen> {
    let refused = |event: &Event| {
        matches!(event, Event::OrderRejected { .. } | Event::CancelRejected { .. } | Event::AmendRejected { .. })
    };
    let repeated = |event: &Event| matches!(event, Event::ClientIdRepeated { .. });
    let events = &outcome.events;
    if events.iter().any(repeated) {
        return None;
    }
    Some(if events.iter().any(refused) { Seen::BatchRefused } else { Seen::BatchCarriedOut })
}
