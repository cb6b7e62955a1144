//! Lists every kind of event by name, for tests that must reach each of them.

use schemas::Event;

/// Names every kind of event. The match is exhaustive, so that a new kind must be added here.
macro_rules! kinds {
    ($($kind:ident)*) => {
        pub const KINDS: &[&str] = &[$(stringify!($kind)),*];

        pub fn kind(event: &Event) -> &'static str {
            match event {
                $(Event::$kind { .. } => stringify!($kind),)*
                Event::Unknown { .. } => panic!("the core never writes it"),
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
    MarketArchived CameWith MarketEventCreated MarketEdited MarketAddedTo YesClaimed YesReleased YesHeld YesAnswered
    ApiKeyEnds ApiKeyExpired GroupSet GroupFilled GroupTriggered GroupReported GroupDeleted AdminSet AdminRevoked
}
