//! Which kinds of events the run reaches.

use std::collections::BTreeSet;

use schemas::Event;

/// Names every kind of event, so that a new one must be thought of here.
macro_rules! kinds {
    ($($kind:ident)*) => {
        const KINDS: &[&str] = &[$(stringify!($kind)),*];

        fn kind(event: &Event) -> &'static str {
            match event {
                $(Event::$kind { .. } => stringify!($kind),)*
                Event::Unknown { .. } => panic!("an engine never says it"),
            }
        }
    };
}

kinds! {
    Rejected AccountOpened ApiKeyAdded ApiKeyRevoked Deposited Withdrawn OrderPlaced OrderRejected Traded
    OrderCancelled PairsRedeemed Settled MarketCreated MarketChanged PaidOut MarketSettled Sent Received MessageSkipped
    Acknowledged ClientIdRepeated StateHashed CancelRejected HoldRaised OrderAmended AmendRejected OrderReduced
    MassCancelRequested MassCancelOpened MassCancelClosed DeadManSwitchSet DeadManSwitchFired BatchItem AccountFrozen
    AccountUnfrozen AccountLimited MarketLimited TransferSent TransferReceived TransferReturned Parked Resumed
    ParkedCancelled Asked AskAnswered PurseSent PurseReceived PurseFrozen PurseLimited Instructed Obeyed
    InstructionCompleted TransferCompleted DepositProposed DepositDropped PartAnnounced PartLeft VocabularyRaised
    MarketArchived
}

/// Kinds that none of these events is of.
pub fn missing<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<&'static str> {
    let reached: BTreeSet<_> = events.map(kind).collect();
    KINDS.iter().copied().filter(|kind| !reached.contains(kind)).collect()
}
