//! Markets: what is listed and how it lives.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::about::About;
use crate::ids::{AdminId, MarketId};
use crate::money::{Credits, FeeRate, TICKS_PER_CREDIT};
use crate::text::Ticker;
use crate::time::Timestamp;

wire_enum! {
    /// Where a market stands.
    MarketState: u8 {
        /// Listed; not traded yet. It opens at its opening time, if it has one.
        Created = 0, "CREATED";
        /// Takes orders.
        Open = 1, "OPEN";
        /// Takes no orders, no amendments and no cancels of single orders. Orders keep their place, unless they asked to be
        /// cancelled on a pause. Mass cancels, dead-man switches and time go on.
        Paused = 2, "PAUSED";
        /// Traded no more, by an admin or by its expiry; live orders are cancelled. Waits for its answer.
        Closed = 3, "CLOSED";
        /// Answered; positions are paid out.
        Resolved = 4, "RESOLVED";
        /// Given up: every contract pays half a credit.
        Voided = 5, "VOIDED";
        /// As PAUSED, but takes cancels, and amendments that only reduce.
        CancelOnly = 6, "CANCEL_ONLY";
        /// An answer is proposed. It waits for a second admin, then for the end of the dispute window.
        Resolving = 7, "RESOLVING";
    }
}

impl MarketState {
    /// True until trading has ended for good.
    pub const fn trades_later(self) -> bool {
        matches!(self, Self::Created | Self::Open | Self::Paused | Self::CancelOnly)
    }

    /// True if the market pays out.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Resolved | Self::Voided)
    }

    /// True if the market takes cancels and reductions from its clients.
    pub const fn takes_cancels(self) -> bool {
        !matches!(self, Self::Paused)
    }
}

/// What an admin does to a market.
///
/// | transition  | from                                  | to                                          |
/// |-------------|---------------------------------------|---------------------------------------------|
/// | Open        | CREATED                               | OPEN, also before the opening time          |
/// | Pause       | OPEN, CANCEL_ONLY                     | PAUSED                                      |
/// | Pause, cancel only | OPEN, PAUSED                   | CANCEL_ONLY                                 |
/// | Resume      | PAUSED, CANCEL_ONLY                   | OPEN, once no order waits for its cancel     |
/// | Close       | CREATED, OPEN, PAUSED, CANCEL_ONLY    | CLOSED                                      |
/// | Resolve     | CLOSED, RESOLVING                     | RESOLVING, with this answer, not confirmed   |
/// | Confirm     | RESOLVING, not confirmed              | RESOLVING until the dispute window is over   |
///
/// A market in an exclusive market event is confirmed as YES only if it holds the event's YES.
/// After the window the market is RESOLVED or VOIDED by itself; without a window at once. `Resolve` within the window amends
/// the answer: it needs a confirmation and a window of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Transition {
    /// Starts trading.
    Open,
    /// Stops trading for a while.
    Pause {
        /// Whether clients may still cancel and reduce.
        cancel_only: bool,
    },
    /// Goes on after a pause.
    Resume,
    /// Ends trading.
    Close,
    /// Proposes the answer.
    Resolve {
        /// The answer.
        answer: ResolutionAnswer,
    },
    /// Confirms the answer that another admin proposed.
    Confirm {
        /// The answer as this admin saw it; another one is not confirmed.
        answer: ResolutionAnswer,
    },
}

impl Transition {
    /// Where the market stands afterwards; `None` if it cannot go there from `from`.
    pub const fn target(self, from: MarketState) -> Option<MarketState> {
        use MarketState as S;
        match (self, from) {
            (Self::Open, S::Created) | (Self::Resume, S::Paused | S::CancelOnly) => Some(S::Open),
            (Self::Pause { cancel_only: false }, S::Open | S::CancelOnly) => Some(S::Paused),
            (Self::Pause { cancel_only: true }, S::Open | S::Paused) => Some(S::CancelOnly),
            (Self::Close, S::Created | S::Open | S::Paused | S::CancelOnly) => Some(S::Closed),
            (Self::Resolve { .. }, S::Closed | S::Resolving) | (Self::Confirm { .. }, S::Resolving) => {
                Some(S::Resolving)
            }
            _ => None,
        }
    }
}

/// The answer to a market's question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ResolutionAnswer {
    /// A YES pays this, a NO the rest of the credit: 1, 0 or a fraction.
    Value(YesValue),
    /// There is none: every contract pays half a credit.
    Void,
}

impl ResolutionAnswer {
    /// True if a YES pays the whole credit.
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Value(YesValue::YES))
    }

    /// What a YES pays.
    pub const fn yes_value(self) -> YesValue {
        match self {
            Self::Value(value) => value,
            Self::Void => YesValue::HALF,
        }
    }

    /// Where the market stands once it pays out.
    pub const fn final_state(self) -> MarketState {
        match self {
            Self::Value(_) => MarketState::Resolved,
            Self::Void => MarketState::Voided,
        }
    }
}

/// An answer on its way to being paid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Resolution {
    /// The answer.
    pub answer: ResolutionAnswer,
    /// Who proposed it.
    pub proposed_by: AdminId,
    /// Who confirmed it, and when payouts begin; `None` until somebody did.
    pub confirmed: Option<Confirmation>,
}

/// A second admin's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Confirmation {
    /// Not the one who proposed.
    pub by: AdminId,
    /// The end of the dispute window.
    pub payout: Timestamp,
}

/// What one YES contract pays in the end, in ticks; a NO pays the rest of the credit. Invariant: 0..=10,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct YesValue(u16);

checked_decode!(YesValue(u16));

impl YesValue {
    /// The answer is yes.
    pub const YES: Self = Self(TICKS_PER_CREDIT);
    /// The answer is no.
    pub const NO: Self = Self(0);
    /// What a voided market pays: both contracts the same.
    pub const HALF: Self = Self(TICKS_PER_CREDIT / 2);

    /// `None` above 10,000.
    pub const fn new(ticks: u16) -> Option<Self> {
        if ticks <= TICKS_PER_CREDIT { Some(Self(ticks)) } else { None }
    }

    /// Ticks that a YES pays.
    pub const fn ticks(self) -> u16 {
        self.0
    }

    /// What `yes` YES and `no` NO contracts pay together. Exact.
    pub fn payout(self, yes: u64, no: u64) -> Credits {
        let ticks = u128::from(yes) * u128::from(self.0) + u128::from(no) * u128::from(TICKS_PER_CREDIT - self.0);
        Credits(i64::try_from(ticks * 100).expect("a payout is bounded by the collateral"))
    }
}

growing! {
    /// What a market is created with.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Listing {
        /// Must be [`MarketId::of`] the ticker.
        pub market: MarketId,
        /// Short name, unique.
        pub ticker: Ticker,
        /// What it is about.
        pub about: Arc<About>,
        /// When it opens by itself, unless an admin has opened it before; `None`: only an admin opens it.
        pub opens: Option<Timestamp>,
        /// When it closes by itself.
        pub expiry: Timestamp,
        /// Limit prices must be a multiple of this many ticks. 1..=5,000, a divisor of 10,000, so that p and 1 − p both
        /// fit.
        pub tick: u16,
        /// The rate of the order that was resting.
        pub maker_fee: FeeRate,
        /// The rate of the order that came in.
        pub taker_fee: FeeRate,
        /// How long, in milliseconds, a confirmed answer can still be amended before it is paid out. At most
        /// [`DISPUTE_WINDOW_MAX_MS`](crate::limits::DISPUTE_WINDOW_MAX_MS); 0 pays at once.
        pub dispute_window_ms: u64,
        /// What each account may have here.
        pub limits: MarketLimits,
    }
}

growing! {
    /// What one account may have in one market.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MarketLimits {
        /// Live orders.
        pub live_orders: u32,
        /// What its live orders are worth at their own limits, buys and sells together.
        pub notional: Credits,
        /// Contracts of one kind, YES or NO: held and wanted by live buys together.
        pub position: u64,
    }
}

impl MarketLimits {
    /// No limits.
    pub const NONE: Self = Self { live_orders: u32::MAX, notional: Credits(i64::MAX), position: u64::MAX };
}

impl Listing {
    /// True if ticks of this size are allowed.
    pub const fn tick_is_valid(tick: u16) -> bool {
        tick >= 1 && tick < TICKS_PER_CREDIT && TICKS_PER_CREDIT.is_multiple_of(tick)
    }
}
