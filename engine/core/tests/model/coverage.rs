//! What a run has seen. A law that is never tried is not tested.

use std::collections::BTreeMap;

use schemas::event::CancelReason;
use schemas::{Event, Rejection};

/// Names every kind of event, so that a new one must be thought of here.
macro_rules! kinds {
    ($($kind:ident)*) => {
        const KINDS: &[&str] = &[$(stringify!($kind)),*];

        fn kind(event: &Event) -> &'static str {
            match event { $(Event::$kind { .. } => stringify!($kind),)* }
        }
    };
}

kinds! {
    Rejected AccountOpened ApiKeyAdded ApiKeyRevoked Deposited Withdrawn OrderEntered OrderPlaced OrderRejected Traded
    OrderCancelled PairsRedeemed Settled MarketCreated MarketChanged PaidOut MarketSettled Sent Received MessageSkipped
    Acknowledged ClientIdRepeated StateHashed CancelRejected HoldRaised OrderAmended AmendRejected OrderReduced
    MassCancelRequested MassCancelOpened MassCancelClosed DeadManSwitchSet DeadManSwitchFired BatchItem AccountFrozen
    AccountUnfrozen AccountLimited MarketLimited TransferSent TransferReceived TransferReturned
}

/// The leading process tells it now and then; it is no answer to a command.
const NOT_DECIDED: &str = "StateHashed";

/// How often what was seen.
#[derive(Default, Debug)]
pub struct Coverage {
    pub commands: u64,
    kinds: BTreeMap<&'static str, u64>,
    rejections: BTreeMap<Rejection, u64>,
    cancels: BTreeMap<CancelReason, u64>,
}

impl Coverage {
    pub fn see(&mut self, events: &[Event]) {
        for event in events {
            *self.kinds.entry(kind(event)).or_default() += 1;
            match event {
                Event::Rejected { code }
                | Event::OrderRejected { code, .. }
                | Event::CancelRejected { code, .. }
                | Event::AmendRejected { code, .. }
                | Event::TransferReturned { code, .. } => {
                    *self.rejections.entry(*code).or_default() += 1;
                }
                Event::OrderCancelled { reason, .. } => {
                    *self.cancels.entry(*reason).or_default() += 1;
                }
                Event::OrderPlaced(placed) => self.see_cancel(placed.cancel_reason),
                Event::OrderAmended(amended) => self.see_cancel(amended.cancel_reason),
                _ => {}
            }
        }
    }

    fn see_cancel(&mut self, reason: Option<CancelReason>) {
        if let Some(reason) = reason {
            *self.cancels.entry(reason).or_default() += 1;
        }
    }

    /// What was never seen.
    pub fn missing(&self) -> Vec<String> {
        let kinds = KINDS.iter().filter(|kind| **kind != NOT_DECIDED && !self.kinds.contains_key(*kind));
        let rejections = Rejection::ALL.iter().filter(|code| !self.rejections.contains_key(code));
        let cancels = CancelReason::ALL.iter().filter(|reason| !self.cancels.contains_key(reason));
        let kinds = kinds.map(|kind| (*kind).to_owned());
        kinds.chain(rejections.map(ToString::to_string)).chain(cancels.map(ToString::to_string)).collect()
    }
}
