//! Texts and numbers of requests, turned into the log's types. Pure; every bound that a client can break is here.

use std::str::FromStr;

use schemas::Timestamp;
use schemas::limits::{AMOUNT_MAX, FEE_RATE_MAX, QUANTITY_MAX};
use schemas::market::YesValue;
use schemas::money::{DecimalError, TICKS_PER_CREDIT};
use schemas::text::{Question, Ticker};
use schemas::{
    AccountId, ApiKeyId, ClientId, CommandId, Credits, FeeRate, Listing, MarketId, OrderId, Price, Quantity,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is wrong with a value: a stable code and words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// `type`, `form`, `out-of-range` or `conflict`.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

impl Fault {
    /// The JSON type is another one.
    pub fn kind(wanted: &str) -> Self {
        Self { code: "type", detail: format!("must be {wanted}") }
    }

    /// The text has not the form that is asked for.
    pub fn form(wanted: &str) -> Self {
        Self { code: "form", detail: format!("must be {wanted}") }
    }

    /// The value is too small or too large.
    pub fn range(wanted: &str) -> Self {
        Self { code: "out-of-range", detail: format!("must be {wanted}") }
    }

    /// The value is fine alone, but not beside another one.
    pub fn conflict(detail: &str) -> Self {
        Self { code: "conflict", detail: detail.to_owned() }
    }
}

type Parsed<T> = Result<T, Fault>;

fn decimal<T: FromStr<Err = DecimalError>>(text: &str, range: &str) -> Parsed<T> {
    text.parse().map_err(|error| match error {
        DecimalError::Form { places } => Fault::form(&format!("a decimal number with at most {places} places")),
        DecimalError::Range => Fault::range(range),
    })
}

/// A price of a contract.
pub fn price(text: &str) -> Parsed<Price> {
    decimal(text, "0.0001 to 0.9999")
}

/// An amount of credits to move or to spend.
pub fn amount(text: &str) -> Parsed<Credits> {
    const RANGE: &str = "0.000001 to 1000000000";
    let credits: Credits = decimal(text, RANGE)?;
    if credits > Credits::ZERO && credits.micros() <= AMOUNT_MAX { Ok(credits) } else { Err(Fault::range(RANGE)) }
}

/// A fee rate.
pub fn fee_rate(text: &str) -> Parsed<FeeRate> {
    const RANGE: &str = "0 to 0.2";
    const _: () = assert!(FEE_RATE_MAX == 200_000);
    let millionths: Credits = decimal(text, RANGE)?;
    u32::try_from(millionths.micros()).ok().and_then(FeeRate::new).ok_or_else(|| Fault::range(RANGE))
}

/// A tick size, in ticks of 1/10,000 credit.
pub fn tick_size(text: &str) -> Parsed<u16> {
    let ticks = price(text)?.ticks();
    if Listing::tick_is_valid(ticks) { Ok(ticks) } else { Err(Fault::range("a divisor of a credit, at most 0.5")) }
}

/// What a YES pays in the end.
pub fn yes_value(text: &str) -> Parsed<YesValue> {
    match text {
        "0" => return Ok(YesValue::NO),
        "1" => return Ok(YesValue::YES),
        _ => {}
    }
    let credits: Credits = decimal(text, "0 to 1")?;
    let ticks = credits.micros() / 100;
    let exact = credits.micros() % 100 == 0;
    let value = u16::try_from(ticks).ok().filter(|&ticks| ticks <= TICKS_PER_CREDIT).and_then(YesValue::new);
    match (value, exact) {
        (_, false) => Err(Fault::form("a decimal number with at most 4 places")),
        (Some(value), true) => Ok(value),
        (None, true) => Err(Fault::range("0 to 1")),
    }
}

/// The number of contracts of an order.
pub fn quantity(number: u64) -> Parsed<Quantity> {
    const _: () = assert!(QUANTITY_MAX == 1_000_000);
    let quantity = u32::try_from(number).ok().and_then(Quantity::new).filter(|quantity| !quantity.is_zero());
    quantity.ok_or_else(|| Fault::range("1 to 1000000"))
}

/// A short name of a market.
pub fn ticker(text: &str) -> Parsed<Ticker> {
    text.parse().map_err(|_| Fault::form("1 to 32 of A-Z, 0-9 and -"))
}

/// What a market asks.
pub fn question(text: &str) -> Parsed<Question> {
    text.parse().map_err(|_| Fault::form("1 to 500 bytes of text without control characters"))
}

/// A point in time.
pub fn time(text: &str) -> Parsed<Timestamp> {
    const FORM: &str = "a time like 2026-12-31T12:00:00Z, from 1970 on";
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Fault::form(FORM))?;
    let millis = time.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).map(Timestamp).map_err(|_| Fault::range(FORM))
}

/// A decimal id. The log's 64-bit ids are positive and fit a signed column.
fn id64(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&id: &u64| i64::try_from(id).is_ok())
}

const ID: &str = "an id: a decimal number in a string";

/// An account's id; 0 names none.
pub fn account_id(text: &str) -> Parsed<AccountId> {
    id64(text).filter(|&id| id != 0).map(AccountId).ok_or_else(|| Fault::form(ID))
}

/// A market's id.
pub fn market_id(text: &str) -> Parsed<MarketId> {
    id64(text).map(MarketId).ok_or_else(|| Fault::form(ID))
}

/// An order's id.
pub fn order_id(text: &str) -> Parsed<OrderId> {
    id64(text).map(OrderId).ok_or_else(|| Fault::form(ID))
}

/// A key's id: 16 hex digits.
pub fn key_id(text: &str) -> Parsed<ApiKeyId> {
    let hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.map(ApiKeyId).ok_or_else(|| Fault::form("16 hex digits"))
}

fn uuid(text: &str) -> Parsed<u128> {
    // One spelling only, so that the same id is the same text in every log and table.
    let id = (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten();
    id.map(|id| id.as_u128()).ok_or_else(|| Fault::form("a UUID"))
}

/// A client's own id.
pub fn client_id(text: &str) -> Parsed<ClientId> {
    uuid(text).map(ClientId)
}

/// A command's id.
pub fn command_id(text: &str) -> Parsed<CommandId> {
    uuid(text).map(CommandId)
}

/// One of a type's known names.
pub fn name<T: FromStr>(names: &'static str) -> impl Fn(&str) -> Parsed<T> {
    move |text| text.parse().map_err(|_| Fault::form(&format!("one of {names}")))
}

/// A page's length.
pub fn page_limit(text: &str) -> Parsed<usize> {
    bounded(text, PAGE_MAX)
}

/// A book's depth.
pub fn depth(text: &str) -> Parsed<usize> {
    bounded(text, DEPTH_MAX)
}

/// Rows of a page at most.
pub const PAGE_MAX: usize = 100;
/// Rows of a page unless asked for.
pub const PAGE_DEFAULT: usize = 50;
/// Levels of a book that can be asked for.
pub const DEPTH_MAX: usize = 1_000;

fn bounded(text: &str, max: usize) -> Parsed<usize> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.filter(|n| (1..=max).contains(n)).ok_or_else(|| Fault::range(&format!("1 to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(parsed: Parsed<T>) -> &'static str {
        parsed.unwrap_err().code
    }

    #[test]
    fn amounts_are_positive_and_bounded() {
        assert_eq!(amount("0.000001"), Ok(Credits(1)));
        assert_eq!(amount("1000000000"), Ok(Credits(AMOUNT_MAX)));
        for text in ["0", "0.000000", "1000000000.000001", "99999999999999999999"] {
            assert_eq!(code(amount(text)), "out-of-range", "{text}");
        }
        for text in ["-1", "1e3", "", "1.0000001", "NaN", " 1"] {
            assert_eq!(code(amount(text)), "form", "{text}");
        }
    }

    #[test]
    fn a_fee_rate_is_at_most_a_fifth() {
        assert_eq!(fee_rate("0.2").map(FeeRate::millionths), Ok(200_000));
        assert_eq!(fee_rate("0"), Ok(FeeRate::ZERO));
        assert_eq!(code(fee_rate("0.200001")), "out-of-range");
        assert_eq!(code(fee_rate("9000000000")), "out-of-range");
    }

    #[test]
    fn a_yes_pays_between_nothing_and_a_credit() {
        assert_eq!(yes_value("0"), Ok(YesValue::NO));
        assert_eq!(yes_value("1.0000"), Ok(YesValue::YES));
        assert_eq!(yes_value("0.25").map(YesValue::ticks), Ok(2_500));
        assert_eq!(code(yes_value("1.0001")), "out-of-range");
        assert_eq!(code(yes_value("0.00001")), "form");
    }

    #[test]
    fn ids_fit_a_signed_column() {
        assert_eq!(order_id("9223372036854775807"), Ok(OrderId(i64::MAX as u64)));
        for text in ["9223372036854775808", "-1", "+1", "1.0", "", "0x1", "١"] {
            assert_eq!(code(order_id(text)), "form", "{text}");
        }
        assert_eq!(code(account_id("0")), "form");
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        assert!(client_id("8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11").is_ok());
        for text in ["8f14e45fceea467fa8f86f6c3d3f7a11", "{8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11}", "", "8f14e45f"] {
            assert_eq!(code(client_id(text)), "form", "{text}");
        }
    }

    #[test]
    fn times_quantities_ticks_keys_and_pages() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(Timestamp(1_000)));
        assert_eq!(time("1970-01-01T01:00:01.5+01:00"), Ok(Timestamp(1_500)));
        assert_eq!(code(time("1969-12-31T23:59:59Z")), "out-of-range");
        assert_eq!(code(time("tomorrow")), "form");
        assert_eq!(code(quantity(0)), "out-of-range");
        assert_eq!(code(quantity(1_000_001)), "out-of-range");
        assert_eq!(tick_size("0.01"), Ok(100));
        assert_eq!(code(tick_size("0.0003")), "out-of-range");
        assert_eq!(key_id("00000000000000ff"), Ok(ApiKeyId(255)));
        assert_eq!(code(key_id("00000000000000FF")), "form");
        assert_eq!(page_limit("100"), Ok(100));
        for text in ["0", "101", "-1", "+1", "x", ""] {
            assert_eq!(code(page_limit(text)), "out-of-range", "{text}");
        }
    }
}
