//! Markets: what is listed and how it lives.

use bincode::{Decode, Encode};

use crate::ids::MarketId;
use crate::money::{FeeRate, TICKS_PER_CREDIT};
use crate::text::{Question, Ticker};
use crate::time::Timestamp;

wire_enum! {
    /// Where a market stands.
    MarketState: u8 {
        /// Listed; not traded yet.
        Created = 0, "CREATED";
        /// Takes orders.
        Open = 1, "OPEN";
        /// Takes cancels only; orders keep their place.
        Paused = 2, "PAUSED";
        /// Traded no more, by an admin or by its expiry; live orders are cancelled. Waits for its answer.
        Closed = 3, "CLOSED";
        /// Answered; positions are paid out.
        Resolved = 4, "RESOLVED";
        /// Given up: every contract pays half a credit.
        Voided = 5, "VOIDED";
    }
}

/// What an admin does to a market.
///
/// | transition | from                              | to       |
/// |------------|-----------------------------------|----------|
/// | Open       | CREATED                           | OPEN     |
/// | Pause      | OPEN                              | PAUSED   |
/// | Resume     | PAUSED                            | OPEN     |
/// | Close      | CREATED, OPEN, PAUSED             | CLOSED   |
/// | Resolve    | CLOSED                            | RESOLVED |
/// | Void       | CREATED, OPEN, PAUSED, CLOSED     | VOIDED   |
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Transition {
    /// Starts trading.
    Open,
    /// Stops trading for a while.
    Pause,
    /// Goes on after a pause.
    Resume,
    /// Ends trading.
    Close,
    /// Answers the question.
    Resolve {
        /// What a YES pays.
        yes_value: YesValue,
    },
    /// Gives the market up.
    Void,
}

impl Transition {
    /// Where the market stands afterwards; `None` if it cannot go there from `from`.
    pub const fn target(self, from: MarketState) -> Option<MarketState> {
        use MarketState as S;
        match (self, from) {
            (Self::Open, S::Created) | (Self::Resume, S::Paused) => Some(S::Open),
            (Self::Pause, S::Open) => Some(S::Paused),
            (Self::Close, S::Created | S::Open | S::Paused) => Some(S::Closed),
            (Self::Resolve { .. }, S::Closed) => Some(S::Resolved),
            (Self::Void, S::Created | S::Open | S::Paused | S::Closed) => Some(S::Voided),
            _ => None,
        }
    }
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
    pub fn payout(self, yes: u64, no: u64) -> crate::money::Credits {
        let ticks = u128::from(yes) * u128::from(self.0) + u128::from(no) * u128::from(TICKS_PER_CREDIT - self.0);
        crate::money::Credits(i64::try_from(ticks * 100).expect("a payout is bounded by the collateral"))
    }
}

/// What a market is created with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Listing {
    /// Must be [`MarketId::of`] the ticker.
    pub market: MarketId,
    /// Short name, unique.
    pub ticker: Ticker,
    /// What the market asks.
    pub question: Question,
    /// When it closes by itself.
    pub expiry: Timestamp,
    /// Limit prices must be a multiple of this many ticks. 1..=5,000, a divisor of 10,000, so that p and 1 − p both fit.
    pub tick: u16,
    /// The rate of the order that was resting.
    pub maker_fee: FeeRate,
    /// The rate of the order that came in.
    pub taker_fee: FeeRate,
}

impl Listing {
    /// True if ticks of this size are allowed.
    pub const fn tick_is_valid(tick: u16) -> bool {
        tick >= 1 && tick < TICKS_PER_CREDIT && TICKS_PER_CREDIT.is_multiple_of(tick)
    }
}
