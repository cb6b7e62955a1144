//! Credits, prices, quantities and fees. Integers only; this is the only module that creates money.
//!
//! One tick (1/10,000 credit) times one contract is 100 micro-credits, so every notional is exact.
//! Only fees are rounded.

use bincode::{Decode, Encode};

use crate::limits::{FEE_RATE_MAX, QUANTITY_MAX};

/// Ticks in one credit, which is also the joint value of a YES and a NO of one market.
pub const TICKS_PER_CREDIT: u16 = 10_000;

/// Micro-credits in one credit.
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

const MICROS_PER_TICK: i64 = 100;

/// An amount of credits in micro-credits (1/1,000,000). May be negative where it is a difference.
///
/// Text form: a decimal string with up to six places (`12.5`, `0.000001`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
pub struct Credits(pub i64);

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// Returns whole credits. Fails to compile or panics on overflow: for constants and tests.
    #[inline]
    pub const fn whole(credits: i64) -> Self {
        Self(credits * MICROS_PER_CREDIT)
    }

    /// Returns the credits that `pairs` pairs of YES and NO are worth.
    #[inline]
    pub fn of_pairs(pairs: u64) -> Self {
        Self(i64::try_from(pairs).expect("pairs are bounded by the credits that minted them") * MICROS_PER_CREDIT)
    }

    /// Returns the amount in micro-credits.
    #[inline]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

// Every purse, fee and collateral has a limit far below i64 (`limits`), so overflow is a broken
// invariant, not bad input: these operators panic on it in every build instead of wrapping.
impl std::ops::Add for Credits {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("credits overflow"))
    }
}

impl std::ops::Sub for Credits {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("credits overflow"))
    }
}

impl std::ops::Neg for Credits {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl std::ops::AddAssign for Credits {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Credits {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Credits {
    #[inline]
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |sum, credits| sum + credits)
    }
}

/// The price of one contract, in ticks of 1/10,000 credit. Invariant: 1..=9,999.
///
/// Text form: a decimal string with up to four places (`0.6`, printed `0.6000`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Price(u16);

checked_decode!(Price(u16));

impl Price {
    /// The lowest price.
    pub const MIN: Self = Self(1);
    /// The highest price.
    pub const MAX: Self = Self(TICKS_PER_CREDIT - 1);

    /// Returns `None` outside 1..=9,999.
    #[inline]
    pub const fn new(ticks: u16) -> Option<Self> {
        if ticks >= Self::MIN.0 && ticks <= Self::MAX.0 { Some(Self(ticks)) } else { None }
    }

    /// Returns the price in ticks of 1/10,000 credit.
    #[inline]
    pub const fn ticks(self) -> u16 {
        self.0
    }

    /// Returns the price of the other contract: YES at p is NO at 1 − p.
    #[must_use]
    #[inline]
    pub const fn complement(self) -> Self {
        Self(TICKS_PER_CREDIT - self.0)
    }

    /// Returns the cost of `quantity` contracts at this price. Cannot overflow: u16 × u32 × 100
    /// fits i64.
    #[inline]
    pub const fn cost(self, quantity: Quantity) -> Credits {
        Credits(self.0 as i64 * quantity.0 as i64 * MICROS_PER_TICK)
    }
}

/// A number of whole contracts in an order or a trade. Invariant: 0..=1,000,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Quantity(u32);

checked_decode!(Quantity(u32));

impl Quantity {
    /// No contracts.
    pub const ZERO: Self = Self(0);

    /// Returns `None` above 1,000,000.
    #[inline]
    pub const fn new(contracts: u32) -> Option<Self> {
        if contracts <= QUANTITY_MAX { Some(Self(contracts)) } else { None }
    }

    /// Returns the number of contracts.
    #[inline]
    pub const fn contracts(self) -> u32 {
        self.0
    }

    /// Returns true for no contracts.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

// Sums and differences within one order never exceed the order: anything else is a broken
// invariant.
impl std::ops::Add for Quantity {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self::new(self.0 + other.0).expect("a quantity above one order's limit")
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("a negative quantity"))
    }
}

/// The fee rate of a fill, in millionths of `quantity × p × (1 − p)`. Invariant: at most 200,000
/// (20 %).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FeeRate(u32);

checked_decode!(FeeRate(u32));

impl FeeRate {
    /// No fee.
    pub const ZERO: Self = Self(0);

    /// Returns `None` above 200,000 millionths.
    #[inline]
    pub const fn new(millionths: u32) -> Option<Self> {
        if millionths <= FEE_RATE_MAX { Some(Self(millionths)) } else { None }
    }

    /// Returns the rate in millionths.
    #[inline]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Returns the fee of one fill: `ceil(rate × quantity × p × (1 − p))` in micro-credits, with p
    /// as a fraction of a credit. The same for YES at p and NO at 1 − p. Cannot overflow
    /// (`limits`).
    #[inline]
    pub const fn fee(self, price: Price, quantity: Quantity) -> Credits {
        // rate/10^6 × quantity × p/10^4 × (10^4 − p)/10^4 credits = product / 10^8 micro-credits.
        let product = self.0 as u64 * quantity.0 as u64 * price.ticks() as u64 * price.complement().ticks() as u64;
        #[allow(clippy::cast_possible_wrap, reason = "below 2^64 / 10^8")]
        Credits(product.div_ceil(100_000_000) as i64)
    }

    /// Returns the maximum cost of one contract of a buy order at `limit`, fee included.
    ///
    /// Sufficient however the order fills: `e + fee(e)` increases with e (a rate is below 1), so no
    /// better price costs more; and n contracts in one fill round up once, not n times.
    #[inline]
    pub fn hold_per_contract(self, limit: Price) -> Credits {
        const ONE: Quantity = Quantity(1);
        limit.cost(ONE) + self.fee(limit, ONE)
    }

    /// Returns the credits that a buy order for `quantity` contracts at `limit` holds.
    #[inline]
    pub fn hold(self, limit: Price, quantity: Quantity) -> Credits {
        Credits(self.hold_per_contract(limit).0 * i64::from(quantity.0))
    }
}

/// A decimal text that is not a price or an amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `digits[.digits]`, or with more decimal places than the unit has.
    #[error("not a decimal number with at most {places} places")]
    Form {
        /// Decimal places of the unit.
        places: u32,
    },
    /// The number does not fit the type's range.
    #[error("out of range")]
    Range,
}

/// Parses `digits[.digits]` into units of 10^-places. No sign, no exponent, no white space.
fn parse_decimal(text: &str, places: u32) -> Result<i64, DecimalError> {
    let form = DecimalError::Form { places };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > places as usize {
        return Err(form);
    }
    let padded = format!("{whole}{fraction:0<width$}", width = places as usize);
    padded.parse().map_err(|_| DecimalError::Range)
}

impl std::str::FromStr for Credits {
    type Err = DecimalError;

    /// Rejects negative amounts: a user enters an amount, not a difference.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_decimal(text, 6).map(Self)
    }
}

impl std::fmt::Display for Credits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl std::str::FromStr for Price {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ticks = parse_decimal(text, 4)?;
        u16::try_from(ticks).ok().and_then(Self::new).ok_or(DecimalError::Range)
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0.{:04}", self.0)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(ticks: u16) -> Price {
        Price::new(ticks).unwrap()
    }

    fn quantity(contracts: u32) -> Quantity {
        Quantity::new(contracts).unwrap()
    }

    #[test]
    fn a_yes_and_a_no_cost_one_credit() {
        for ticks in 1..=9_999 {
            let p = price(ticks);
            assert_eq!(p.cost(quantity(7)) + p.complement().cost(quantity(7)), Credits::whole(7));
        }
    }

    #[test]
    fn fees_round_up_and_are_symmetric() {
        let rate = FeeRate::new(70_000).unwrap();
        // 0.07 × 10 × 0.5 × 0.5 = 0.175 credits.
        assert_eq!(rate.fee(price(5_000), quantity(10)), Credits(175_000));
        assert_eq!(rate.fee(price(1), quantity(1)), Credits(7));
        assert_eq!(FeeRate::new(1).unwrap().fee(price(1), quantity(1)), Credits(1));
        assert_eq!(FeeRate::ZERO.fee(price(1), quantity(1)), Credits::ZERO);
        for ticks in 1..=9_999 {
            assert_eq!(rate.fee(price(ticks), quantity(3)), rate.fee(price(ticks).complement(), quantity(3)));
        }
    }

    proptest! {
        #[test]
        fn a_hold_covers_every_way_to_fill(
            rate in 0..=FEE_RATE_MAX, limit in 1_u16..=9_999,
            fills in prop::collection::vec((1_u16..=9_999, 1_u32..=10_000), 1..20),
        ) {
            let rate = FeeRate::new(rate).unwrap();
            let total: u32 = fills.iter().map(|f| f.1).sum();
            let spent: Credits = fills.iter()
                .map(|&(ticks, n)| (price(ticks.min(limit)), quantity(n)))
                .map(|(e, n)| e.cost(n) + rate.fee(e, n))
                .sum();
            prop_assert!(spent <= rate.hold(price(limit), quantity(total)));
        }

        #[test]
        fn a_fee_never_exceeds_what_a_seller_receives(rate in 0..=FEE_RATE_MAX, e in 1_u16..=9_999, n in 1_u32..=QUANTITY_MAX) {
            prop_assert!(FeeRate::new(rate).unwrap().fee(price(e), quantity(n)) <= price(e).cost(quantity(n)));
        }

        #[test]
        fn texts_survive_a_round_trip(micros in 0..=i64::MAX, ticks in 1_u16..=9_999) {
            prop_assert_eq!(Credits(micros).to_string().parse(), Ok(Credits(micros)));
            prop_assert_eq!(price(ticks).to_string().parse(), Ok(price(ticks)));
        }
    }

    #[test]
    fn malformed_decimals_are_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0x1", " 1", "1 ", "1.1234567", "٣", "1_0", "1,5"] {
            assert_eq!(text.parse::<Credits>(), Err(DecimalError::Form { places: 6 }), "{text:?}");
        }
        assert_eq!("99999999999999999999".parse::<Credits>(), Err(DecimalError::Range));
        for text in ["0", "0.0000", "1", "1.0000", "2"] {
            assert_eq!(text.parse::<Price>(), Err(DecimalError::Range), "{text:?}");
        }
        assert_eq!("0.55".parse(), Ok(price(5_500)));
        assert_eq!("0.00005".parse::<Price>(), Err(DecimalError::Form { places: 4 }));
    }
}
