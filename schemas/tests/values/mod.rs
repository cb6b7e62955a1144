//! At least one value of every variant that the log can contain, with fields that all differ from
//! each other.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

mod commands;
mod events;
mod messages;
mod parts;
mod purses;

use schemas::event::{CancelReason, FirstOutcome, TradeKind};
use schemas::record::Cause;
use schemas::text::Reason;
use schemas::*;

pub use commands::commands;
pub use events::events;
pub use messages::messages;
pub use parts::{came_with, times_in_force};
use parts::{settlement, shard, trade};

/// Lists the variants of an enum, with a match that stops compiling when one is added and not
/// listed.
macro_rules! variants {
    ($names:ident: $type:ident { $($variant:ident),+ $(,)? }) => {
        pub const $names: &[&str] = &[$(stringify!($variant)),+];

        impl Named for $type {
            fn name(&self) -> &'static str {
                match self { $($type::$variant { .. } => stringify!($variant),)+ }
            }
        }
    };
    ($names:ident: $type:ident { $($variant:ident),+ $(,)? } and $never:ident) => {
        pub const $names: &[&str] = &[$(stringify!($variant)),+];

        impl Named for $type {
            fn name(&self) -> &'static str {
                match self {
                    $($type::$variant { .. } => stringify!($variant),)+
                    $type::$never { .. } => panic!("it is never written"),
                }
            }
        }
    };
}

trait Named {
    fn name(&self) -> &'static str;
}

variants!(COMMANDS: Command {
    OpenAccount, AddApiKey, RevokeApiKey, Deposit, Withdraw, CreateMarket, ChangeMarket, PlaceOrder, CancelOrder,
    Receive, Acknowledge, AdvanceTime, AmendOrder, MassCancel, SetDeadManSwitch, Batch, FreezeAccount, UnfreezeAccount,
    LimitAccount, LimitMarket, Transfer, ConfirmDeposit, DropDeposit, Announce, Leave, RaiseVocabulary,
    CreateMarketEvent, EditMarket, AddToMarket, RotateApiKey, ActOnGroup, SetAdmin, RevokeAdmin,
});

variants!(EVENTS: Event {
    Rejected, AccountOpened, ApiKeyAdded, ApiKeyRevoked, Deposited, Withdrawn, OrderPlaced, OrderRejected, Traded,
    OrderCancelled, PairsRedeemed, Settled, MarketCreated, MarketChanged, PaidOut, MarketSettled, Sent, Received,
    MessageSkipped, Acknowledged, ClientIdRepeated, StateHashed, CancelRejected, HoldRaised, OrderAmended,
    AmendRejected, OrderReduced, MassCancelRequested, MassCancelOpened, MassCancelClosed, DeadManSwitchSet,
    DeadManSwitchFired, BatchItem, AccountFrozen, AccountUnfrozen, AccountLimited, MarketLimited, TransferSent,
    TransferReceived, TransferReturned, Parked, Resumed, ParkedCancelled, Asked, AskAnswered, PurseSent, PurseReceived,
    PurseFrozen, PurseLimited, Instructed, Obeyed, InstructionCompleted, TransferCompleted,
    DepositProposed, DepositDropped, PartAnnounced, PartLeft, VocabularyRaised, MarketArchived, CameWith,
    MarketEventCreated, MarketEdited, MarketAddedTo, YesClaimed, YesReleased, YesHeld, YesAnswered,
    ApiKeyEnds, ApiKeyExpired, GroupSet, GroupFilled, GroupTriggered, GroupReported, GroupDeleted,
    AdminSet, AdminRevoked,
} and Unknown);

variants!(MESSAGES: Message {
    Ask, Fund, Instruct, Return, Transfer, TransferEnded, ClaimYes, ReleaseYes, YesAnswered, Groups, GroupFilled,
});
variants!(REQUESTS: BatchRequest { Place, Cancel, Amend });
variants!(PARKED_REQUESTS: ParkedRequest { Place, Amend, Batch, Fund, Withdraw, Transfer });
variants!(INSTRUCTIONS: PurseInstruction { Recall, Freeze, Unfreeze, Limit, MassCancel, Group });
variants!(GROUP_ACTS: GroupAct { Make, Change, Trigger, Reset, Delete });
variants!(KEY_PROOFS: KeyProof { Secret, Ed25519 });
variants!(TERMS: Terms { Limit, Market, Budget });
variants!(TIMES_IN_FORCE: TimeInForce { Gtc, Gtd, Ioc, Fok });
variants!(ORDER_REFS: OrderRef { Id, ClientId });
variants!(TRANSITIONS: Transition { Open, Pause, Resume, Close, Resolve, Confirm });
variants!(ANSWERS: ResolutionAnswer { Value, Void });
variants!(FIRST_OUTCOMES: FirstOutcome { Order, OrderRejected, Deposit, Withdrawal, Transfer, Parked, TransferRefused, DepositProposed });

pub const COMMAND_ID: CommandId = CommandId(0x0190_a0b1_c2d3_74e5_86f7_0123_4567_89ab);

/// Names values after their variant; the second of a variant is `NAME/2`, and so on.
fn named<T: Named>(values: Vec<T>) -> Vec<(String, T)> {
    let mut seen = std::collections::BTreeMap::new();
    let name = |value: &T, seen: &mut std::collections::BTreeMap<&'static str, u32>| {
        let count = seen.entry(value.name()).or_insert(0);
        *count += 1;
        if *count == 1 { value.name().to_owned() } else { format!("{}/{count}", value.name()) }
    };
    values.into_iter().map(|value| (name(&value, &mut seen), value)).collect()
}

/// Fails if a variant of a type inside the others has no value.
fn all_of<T: Named>(variants: &[&str], values: Vec<T>) -> Vec<T> {
    for variant in variants {
        assert!(values.iter().any(|value| value.name() == *variant), "{variant} has no value");
    }
    values
}

pub fn term() -> Term {
    Term {
        shard: shard(3),
        shards: 4,
        engine: EngineId(0x0190_ffff_0000_7111_8222_3333_4444_5555),
        attempt: 6,
        vocabulary: 1,
        build: Build { major: 0, minor: 7, patch: 8 },
    }
}

pub fn leader_halted() -> LeaderHalted {
    let reason = Reason::of("at commands offset 5: panicked: a broken invariant");
    LeaderHalted { shard: shard(3), term: 16, engine: term().engine, reason }
}

pub fn quarantine(what: Quarantined) -> Quarantine {
    let (by, seconded, reason) = (AdminId(0x61), AdminId(0x62), Reason::of("nobody can read it"));
    Quarantine { shard: shard(3), what, by, seconded, reason }
}

pub fn outcome() -> Outcome {
    // A fixed few, not all: the golden bytes of this record must not change when a variant is
    // added.
    let events = vec![Event::Traded(trade()), Event::Settled(settlement(SettlementReason::Trade))];
    Outcome { cause: Cause { offset: 0x0a0b_0c0d, id: COMMAND_ID }, events, ..empty() }
}

pub fn empty() -> Outcome {
    let cause = Cause { offset: 17, id: CommandId(0) };
    Outcome { term: 16, sequence: 0x0102_0304_0506, time: Timestamp(1_763_856_000_123), cause, events: Vec::new() }
}

/// `TYPE CODE NAME` of every enum without fields.
pub fn codes() -> Vec<String> {
    macro_rules! all {
        ($($type:ident),+) => {
            [$($type::ALL.iter().map(|v| format!("{} {} {}", stringify!($type), v.code(), v.name())).collect::<Vec<_>>()),+]
        };
    }
    all!(
        Contract,
        Side,
        PostOnly,
        SelfTrade,
        Status,
        BookSide,
        Entry,
        MarketState,
        SettlementReason,
        CancelReason,
        TradeKind,
        Rejection,
        PartKind,
        TriggerCause
    )
    .concat()
}
