//! Markets: their listing and their states.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::about::{About, MarketAddition, MarketEdit};
use crate::ids::{AdminId, MarketId};
use crate::money::{Credits, FeeRate, TICKS_PER_CREDIT};
use crate::text::Ticker;
use crate::time::Timestamp;

wire_enum! {
    /// The state of a market.
    MarketState: u8 {
        /// Listed; not yet traded. It opens at its opening time, if it has one.
        Created = 0, "CREATED";
        /// Takes orders.
        Open = 1, "OPEN";
        /// Accepts no orders, no amendments and no cancels of single orders. Orders keep their
        /// queue priority, unless they are set to be cancelled on a pause. Mass cancels, dead-man
        /// switches and time still apply.
        Paused = 2, "PAUSED";
        /// Trading was ended by an admin or by the expiry; live orders are cancelled. Waits for its
        /// answer.
        Closed = 3, "CLOSED";
        /// Answered; positions are paid out.
        Resolved = 4, "RESOLVED";
        /// Voided: every contract pays half a credit.
        Voided = 5, "VOIDED";
        /// Like PAUSED, but accepts cancels, and amendments that only reduce.
        CancelOnly = 6, "CANCEL_ONLY";
        /// An answer is proposed. It waits for a second admin, then for the end of the dispute
        /// window.
        Resolving = 7, "RESOLVING";
    }
}

impl MarketState {
    /// Returns true until trading has ended for good.
    pub const fn trades_later(self) -> bool {
        matches!(self, Self::Created | Self::Open | Self::Paused | Self::CancelOnly)
    }

    /// Returns true if the market pays out.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Resolved | Self::Voided)
    }

    /// Returns true if the market accepts cancels and reductions from clients.
    pub const fn takes_cancels(self) -> bool {
        !matches!(self, Self::Paused)
    }
}

/// A state change that an admin makes.
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
/// A market in an exclusive market event is confirmed as YES only if it has the event's YES. After
/// the window the market becomes RESOLVED or VOIDED automatically; without a window at once.
/// `Resolve` within the window changes the answer: it needs a new confirmation and a new window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Transition {
    /// Starts trading.
    Open,
    /// Stops trading temporarily.
    Pause {
        /// Whether clients may still cancel and reduce.
        cancel_only: bool,
    },
    /// Resumes trading after a pause.
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
        /// The answer as this admin saw it. If it differs, it is not confirmed.
        answer: ResolutionAnswer,
    },
}

impl Transition {
    /// Returns the state after the transition; `None` if it is not allowed from `from`.
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
    /// No answer: every contract pays half a credit.
    Void,
}

impl ResolutionAnswer {
    /// Returns true if a YES pays the whole credit.
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Value(YesValue::YES))
    }

    /// Returns what a YES pays.
    pub const fn yes_value(self) -> YesValue {
        match self {
            Self::Value(value) => value,
            Self::Void => YesValue::HALF,
        }
    }

    /// Returns the state of the market when it pays out.
    pub const fn final_state(self) -> MarketState {
        match self {
            Self::Value(_) => MarketState::Resolved,
            Self::Void => MarketState::Voided,
        }
    }
}

/// An answer before its payout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Resolution {
    /// The answer.
    pub answer: ResolutionAnswer,
    /// The admin who proposed it.
    pub proposed_by: AdminId,
    /// The confirmation, with the start of the payouts; `None` until confirmed.
    pub confirmed: Option<Confirmation>,
}

/// A second admin's confirmation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Confirmation {
    /// The second admin; not the one who proposed.
    pub by: AdminId,
    /// The end of the dispute window.
    pub payout: Timestamp,
}

/// What one YES contract pays in the end, in ticks; a NO pays the rest of the credit. Invariant:
/// 0..=10,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct YesValue(u16);

checked_decode!(YesValue(u16));

impl YesValue {
    /// The answer is yes.
    pub const YES: Self = Self(TICKS_PER_CREDIT);
    /// The answer is no.
    pub const NO: Self = Self(0);
    /// The value in a voided market: both contracts pay the same.
    pub const HALF: Self = Self(TICKS_PER_CREDIT / 2);

    /// Returns `None` above 10,000.
    pub const fn new(ticks: u16) -> Option<Self> {
        if ticks <= TICKS_PER_CREDIT { Some(Self(ticks)) } else { None }
    }

    /// Returns the ticks that a YES pays.
    pub const fn ticks(self) -> u16 {
        self.0
    }

    /// Returns what `yes` YES and `no` NO contracts pay together. Exact.
    pub fn payout(self, yes: u64, no: u64) -> Credits {
        let ticks = u128::from(yes) * u128::from(self.0) + u128::from(no) * u128::from(TICKS_PER_CREDIT - self.0);
        Credits(i64::try_from(ticks * 100).expect("a payout is bounded by the collateral"))
    }
}

growing! {
    /// The data that a market is created with.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Listing {
        /// Must be [`MarketId::of`] the ticker.
        pub market: MarketId,
        /// Short name, unique.
        pub ticker: Ticker,
        /// Its description.
        pub about: Arc<About>,
        /// When it opens automatically, unless an admin has opened it before; `None`: only an admin
        /// opens it.
        pub opens: Option<Timestamp>,
        /// When it closes automatically.
        pub expiry: Timestamp,
        /// The tick size: limit prices must be a multiple of this many ticks. 1..=5,000, a divisor
        /// of 10,000, so that both p and 1 − p are multiples.
        pub tick: u16,
        /// The fee rate of the resting order.
        pub maker_fee: FeeRate,
        /// The fee rate of the incoming order.
        pub taker_fee: FeeRate,
        /// How long, in milliseconds, a confirmed answer can still be changed before it is paid
        /// out. At most [`DISPUTE_WINDOW_MAX_MS`](crate::limits::DISPUTE_WINDOW_MAX_MS); 0 pays at
        /// once.
        pub dispute_window_ms: u64,
        /// The limits of each account in this market.
        pub limits: MarketLimits,
    }
}

growing! {
    /// Limits of one account in one market.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MarketLimits {
        /// The number of live orders.
        pub live_orders: u32,
        /// The value of its live orders at their own limits, buys and sells together.
        pub notional: Credits,
        /// Contracts of one kind, YES or NO: held plus wanted by live buys.
        pub position: u64,
    }
}

impl MarketLimits {
    /// No limits.
    pub const NONE: Self = Self { live_orders: u32::MAX, notional: Credits(i64::MAX), position: u64::MAX };
}

impl Listing {
    /// Returns true if this tick size is allowed.
    pub const fn tick_is_valid(tick: u16) -> bool {
        tick >= 1 && tick < TICKS_PER_CREDIT && TICKS_PER_CREDIT.is_multiple_of(tick)
    }
}

/// Applies the events of a market's life to its listing, for every reader that shows it.
impl Listing {
    /// Applies an edit.
    pub fn edit(&mut self, edit: &MarketEdit) {
        let MarketEdit { question, rules, sources, category, tags, event, opens, expiry } = edit.clone();
        let about = Arc::make_mut(&mut self.about);
        about.question = question.unwrap_or_else(|| about.question.clone());
        about.rules = rules.unwrap_or_else(|| about.rules.clone());
        about.sources = sources.unwrap_or_else(|| about.sources.clone());
        about.category = category.unwrap_or_else(|| about.category.clone());
        about.tags = tags.unwrap_or_else(|| about.tags.clone());
        about.event = event.unwrap_or(about.event);
        self.opens = opens.unwrap_or(self.opens);
        self.expiry = expiry.unwrap_or(self.expiry);
    }

    /// Adds sources and tags. Returns `None` and changes nothing if the market would have too many,
    /// or one twice; no engine writes such an addition. (A clarification is kept outside the
    /// listing, with its time.)
    #[must_use]
    pub fn add(&mut self, addition: &MarketAddition) -> Option<()> {
        let (sources, tags) = (self.about.sources.with(&addition.sources)?, self.about.tags.with(&addition.tags)?);
        let about = Arc::make_mut(&mut self.about);
        (about.sources, about.tags) = (sources, tags);
        Some(())
    }
}
