//! Parses texts and numbers of requests into the log's types, and checks every bound that a client
//! can break. Pure.

use std::str::FromStr;

use schemas::Timestamp;
use schemas::limits::{
    AMOUNT_MAX, DEAD_MAN_MAX_S, DISPUTE_WINDOW_MAX_MS, FEE_RATE_MAX, GROUP_CONTRACTS_MAX, GROUP_WINDOW_MAX_S,
    QUANTITY_MAX, TIME_MAX, WALLET_MAX,
};
use schemas::market::YesValue;
use schemas::money::{DecimalError, TICKS_PER_CREDIT};
use schemas::text::{self, Clarification, KeyName, Label, Question, Rules, Ticker};
use schemas::{
    AccountId, AdminId, ApiKeyId, ClientId, CommandId, Credits, FeeRate, GroupId, Listing, MarketId, OrderId, Price,
    ProposalId, Quantity, ResolutionAnswer,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The fault of a value: a stable code and a description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueFault {
    /// `missing`, `type`, `form`, `out-of-range` or `conflict`.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl ValueFault {
    /// The value is absent.
    pub fn missing(detail: &str) -> Self {
        Self { code: "missing", detail: detail.to_owned() }
    }

    /// The JSON type is wrong.
    pub fn kind(wanted: &str) -> Self {
        Self { code: "type", detail: format!("must be {wanted}") }
    }

    /// The text does not have the required form.
    pub fn form(wanted: &str) -> Self {
        Self { code: "form", detail: format!("must be {wanted}") }
    }

    /// The value is too small or too large.
    pub fn range(wanted: &str) -> Self {
        Self { code: "out-of-range", detail: format!("must be {wanted}") }
    }

    /// The value conflicts with another field.
    pub fn conflict(detail: &str) -> Self {
        Self { code: "conflict", detail: detail.to_owned() }
    }
}

type Parsed<T> = Result<T, ValueFault>;

fn decimal<T: FromStr<Err = DecimalError>>(text: &str, range: &str) -> Parsed<T> {
    text.parse().map_err(|error| match error {
        DecimalError::Form { places } => ValueFault::form(&format!("a decimal number with at most {places} places")),
        DecimalError::Range => ValueFault::range(range),
    })
}

/// Parses a price of a contract.
pub fn price(text: &str) -> Parsed<Price> {
    decimal(text, "0.0001 to 0.9999")
}

/// Parses an amount of credits to move or to spend.
pub fn amount(text: &str) -> Parsed<Credits> {
    const RANGE: &str = "0.000001 to 1000000000";
    let credits: Credits = decimal(text, RANGE)?;
    if credits > Credits::ZERO && credits.micros() <= AMOUNT_MAX { Ok(credits) } else { Err(ValueFault::range(RANGE)) }
}

/// Parses a fee rate.
pub fn fee_rate(text: &str) -> Parsed<FeeRate> {
    const RANGE: &str = "0 to 0.2";
    const _: () = assert!(FEE_RATE_MAX == 200_000);
    let millionths: Credits = decimal(text, RANGE)?;
    u32::try_from(millionths.micros()).ok().and_then(FeeRate::new).ok_or_else(|| ValueFault::range(RANGE))
}

/// Parses a tick size, in ticks of 1/10,000 credit.
pub fn tick_size(text: &str) -> Parsed<u16> {
    let ticks = price(text)?.ticks();
    if Listing::tick_is_valid(ticks) {
        Ok(ticks)
    } else {
        Err(ValueFault::range("a decimal that divides 1, at most 0.5"))
    }
}

/// Parses the answer to a market's question: YES, NO, VOID, or the value of a YES contract.
pub fn answer(text: &str) -> Parsed<ResolutionAnswer> {
    match text {
        "YES" => Ok(ResolutionAnswer::Value(YesValue::YES)),
        "NO" => Ok(ResolutionAnswer::Value(YesValue::NO)),
        "VOID" => Ok(ResolutionAnswer::Void),
        _ => yes_value(text).map(ResolutionAnswer::Value),
    }
}

/// Parses the final value of a YES contract.
fn yes_value(text: &str) -> Parsed<YesValue> {
    const FORM: &str = "YES, NO, VOID or a decimal number with at most 4 places";
    const RANGE: &str = "0 to 1";
    let credits: Credits = text.parse().map_err(|error| match error {
        DecimalError::Form { .. } => ValueFault::form(FORM),
        DecimalError::Range => ValueFault::range(RANGE),
    })?;
    if credits.micros() % 100 != 0 {
        return Err(ValueFault::form(FORM));
    }
    let value = u16::try_from(credits.micros() / 100).ok().filter(|&ticks| ticks <= TICKS_PER_CREDIT);
    value.and_then(YesValue::new).ok_or_else(|| ValueFault::range(RANGE))
}

/// Parses a limit in credits; 0 allows nothing.
pub fn credits_limit(text: &str) -> Parsed<Credits> {
    const _: () = assert!(WALLET_MAX == 10_000_000_000 * 1_000_000);
    const RANGE: &str = "0 to 10000000000";
    let credits: Credits = decimal(text, RANGE)?;
    if credits.micros() <= WALLET_MAX { Ok(credits) } else { Err(ValueFault::range(RANGE)) }
}

/// Parses a limit of a number of orders; 0 allows none.
pub fn orders_limit(number: u64) -> Parsed<u32> {
    u32::try_from(number).map_err(|_| ValueFault::range(&format!("0 to {}", u32::MAX)))
}

/// Parses a limit of a number of contracts; 0 allows none.
pub fn contracts_limit(number: u64) -> Parsed<u64> {
    const MAX: u64 = i64::MAX as u64;
    if number <= MAX { Ok(number) } else { Err(ValueFault::range(&format!("0 to {MAX}"))) }
}

/// Parses a vocabulary number.
pub fn vocabulary(number: u64) -> Parsed<u16> {
    let range = || ValueFault::range(&format!("1 to {}", u16::MAX));
    u16::try_from(number).ok().filter(|number| *number > 0).ok_or_else(range)
}

/// Parses a dispute window, in milliseconds.
pub fn dispute_window(number: u64) -> Parsed<u64> {
    let range = || ValueFault::range(&format!("0 to {DISPUTE_WINDOW_MAX_MS}"));
    if number <= DISPUTE_WINDOW_MAX_MS { Ok(number) } else { Err(range()) }
}

/// Parses the time-out of a dead-man switch, in seconds.
pub fn timeout_s(number: u64) -> Parsed<u32> {
    let seconds = u32::try_from(number).ok().filter(|seconds| (1..=DEAD_MAN_MAX_S).contains(seconds));
    seconds.ok_or_else(|| ValueFault::range(&format!("1 to {DEAD_MAN_MAX_S}")))
}

/// Parses the number of contracts of an order.
pub fn quantity(number: u64) -> Parsed<Quantity> {
    const _: () = assert!(QUANTITY_MAX == 1_000_000);
    let quantity = u32::try_from(number).ok().and_then(Quantity::new).filter(|quantity| !quantity.is_zero());
    quantity.ok_or_else(|| ValueFault::range("1 to 1000000"))
}

/// Parses the ticker of an existing market.
pub fn ticker(text: &str) -> Parsed<Ticker> {
    text.parse().map_err(|_| ValueFault::form("1 to 32 characters of A-Z, 0-9 and -"))
}

/// Parses the ticker of a new market, which must not look like a market id.
pub fn new_ticker(text: &str) -> Parsed<Ticker> {
    ticker(text)
        .ok()
        .filter(Ticker::has_letter)
        .ok_or_else(|| ValueFault::form("1 to 32 characters of A-Z, 0-9 and -, with at least one letter"))
}

/// Parses a market's question.
pub fn question(text: &str) -> Parsed<Question> {
    text.parse().map_err(|_| ValueFault::form("1 to 500 bytes of text without control or invisible characters"))
}

/// Parses a market's rules.
pub fn rules(text: &str) -> Parsed<Rules> {
    text.parse().map_err(|_| {
        ValueFault::form("1 to 10000 bytes of text, with line ends, without other control characters or invisible ones")
    })
}

/// Parses an addition to a market's rules.
pub fn clarification(text: &str) -> Parsed<Clarification> {
    text.parse().map_err(|_| {
        ValueFault::form("1 to 2000 bytes of text, with line ends, without other control characters or invisible ones")
    })
}

/// Parses a category, a tag, or the name of a market event.
pub fn label(text: &str) -> Parsed<Label> {
    text.parse().map_err(|_| ValueFault::form("1 to 32 characters of a-z, 0-9 and -"))
}

/// Parses the name of a new market event, which must not look like an id.
pub fn new_event_name(text: &str) -> Parsed<Label> {
    label(text)
        .ok()
        .filter(Label::has_letter)
        .ok_or_else(|| ValueFault::form("1 to 32 characters of a-z, 0-9 and -, with at least one letter"))
}

/// Parses a point in time.
pub fn time(text: &str) -> Parsed<Timestamp> {
    const FORM: &str = "a time like 2026-12-31T12:00:00Z, from 1970 to 9999-12-31T23:59:59.999Z";
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| ValueFault::form(FORM))?;
    let millis = time.unix_timestamp_nanos() / 1_000_000;
    let time = u64::try_from(millis).ok().map(Timestamp).filter(|&time| time <= TIME_MAX);
    time.ok_or_else(|| ValueFault::range(FORM))
}

/// Parses a decimal id. The log's 64-bit ids are positive and fit a signed column.
fn id64(text: &str) -> Option<u64> {
    text::decimal(text).filter(|&id| i64::try_from(id).is_ok())
}

const ID: &str = "an id: a decimal number in a string";

/// Parses an account id, which is not 0.
pub fn account_id(text: &str) -> Parsed<AccountId> {
    id64(text).filter(|&id| id != 0).map(AccountId).ok_or_else(|| ValueFault::form(ID))
}

/// Parses the display name of a key or an admin.
pub fn key_name(text: &str) -> Parsed<KeyName> {
    text.parse().map_err(|_| ValueFault::form("1 to 64 bytes without control or invisible characters"))
}

/// Parses an admin id, which is not 0.
pub fn admin_id(text: &str) -> Parsed<AdminId> {
    id64(text).filter(|&id| id != 0).map(AdminId).ok_or_else(|| ValueFault::form(ID))
}

/// Parses a market id.
pub fn market_id(text: &str) -> Parsed<MarketId> {
    id64(text).map(MarketId).ok_or_else(|| ValueFault::form(ID))
}

/// Parses an order id.
pub fn order_id(text: &str) -> Parsed<OrderId> {
    id64(text).map(OrderId).ok_or_else(|| ValueFault::form(ID))
}

/// Parses the id of a proposed deposit.
pub fn proposal_id(text: &str) -> Parsed<ProposalId> {
    id64(text).map(ProposalId).ok_or_else(|| ValueFault::form(ID))
}

/// Parses the number of an order group.
pub fn group(number: u64) -> Parsed<GroupId> {
    let group = u16::try_from(number).ok().and_then(GroupId::new);
    group.ok_or_else(|| ValueFault::range("1 to 65535"))
}

/// Parses the same in a path or a query.
pub fn group_segment(text: &str) -> Parsed<GroupId> {
    let number = text::decimal(text);
    group(number.ok_or_else(|| ValueFault::range("1 to 65535"))?)
}

/// Parses the number of contracts that trigger a group.
pub fn group_contracts(number: u64) -> Parsed<u32> {
    let contracts = u32::try_from(number).ok().filter(|contracts| (1..=GROUP_CONTRACTS_MAX).contains(contracts));
    contracts.ok_or_else(|| ValueFault::range(&format!("1 to {GROUP_CONTRACTS_MAX}")))
}

/// Parses a group's window, in seconds.
pub fn group_window_s(number: u64) -> Parsed<u8> {
    let seconds = u8::try_from(number).ok().filter(|seconds| (1..=GROUP_WINDOW_MAX_S).contains(seconds));
    seconds.ok_or_else(|| ValueFault::range(&format!("1 to {GROUP_WINDOW_MAX_S}")))
}

/// Parses a key id: 16 hexadecimal digits.
pub fn key_id(text: &str) -> Parsed<ApiKeyId> {
    let hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.map(ApiKeyId).ok_or_else(|| ValueFault::form("16 hex digits"))
}

fn uuid(text: &str) -> Parsed<u128> {
    // One form only, so that the same id is the same text in every log and table.
    let id = (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten();
    id.map(|id| id.as_u128()).ok_or_else(|| ValueFault::form("a UUID"))
}

/// Parses a client id.
pub fn client_id(text: &str) -> Parsed<ClientId> {
    uuid(text).map(ClientId)
}

/// Parses a command id.
pub fn command_id(text: &str) -> Parsed<CommandId> {
    uuid(text).map(CommandId)
}

/// Parses one of a type's known names.
pub fn name<T: FromStr>(names: &'static str) -> impl Fn(&str) -> Parsed<T> {
    move |text| text.parse().map_err(|_| ValueFault::form(&format!("one of {names}")))
}

/// Parses the length of a page.
pub fn page_limit(text: &str) -> Parsed<usize> {
    bounded(text, PAGE_MAX)
}

/// Parses the depth of a book.
pub fn depth(text: &str) -> Parsed<usize> {
    bounded(text, DEPTH_MAX)
}

/// The most rows of a page.
pub const PAGE_MAX: usize = 100;
/// The default number of rows of a page.
pub const PAGE_DEFAULT: usize = 50;
/// The most levels of a book that a request can ask for.
pub const DEPTH_MAX: usize = 1_000;

/// Parses a number from 1 to `max`.
pub fn bounded(text: &str, max: usize) -> Parsed<usize> {
    let number = text::decimal(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|n| (1..=max).contains(n)).ok_or_else(|| ValueFault::range(&format!("1 to {max}")))
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
    fn an_answer_is_a_word_or_what_a_yes_pays() {
        let pays = |ticks| Ok(ResolutionAnswer::Value(YesValue::new(ticks).unwrap()));
        assert_eq!((answer("YES"), answer("NO"), answer("VOID")), (pays(10_000), pays(0), Ok(ResolutionAnswer::Void)));
        assert_eq!((answer("0"), answer("1.0000"), answer("0.25")), (pays(0), pays(10_000), pays(2_500)));
        assert_eq!((code(answer("1.0001")), code(answer("99999999999999999999"))), ("out-of-range", "out-of-range"));
        for text in ["0.00001", "yes", "", "-1", "0.0000001"] {
            assert_eq!(code(answer(text)), "form", "{text}");
        }
    }

    #[test]
    fn limits_may_be_nothing_and_are_bounded() {
        assert_eq!(credits_limit("0"), Ok(Credits::ZERO));
        assert_eq!(code(credits_limit("10000000000.000001")), "out-of-range");
        assert_eq!((orders_limit(0), code(orders_limit(1 << 32))), (Ok(0), "out-of-range"));
        assert_eq!((contracts_limit(0), code(contracts_limit(u64::MAX))), (Ok(0), "out-of-range"));
        assert_eq!(dispute_window(DISPUTE_WINDOW_MAX_MS), Ok(DISPUTE_WINDOW_MAX_MS));
        assert_eq!(code(dispute_window(DISPUTE_WINDOW_MAX_MS + 1)), "out-of-range");
        assert_eq!(
            (timeout_s(1), code(timeout_s(0)), code(timeout_s(86_401))),
            (Ok(1), "out-of-range", "out-of-range")
        );
    }

    #[test]
    fn groups_have_16_bits_and_bounded_limits() {
        assert_eq!((group(1).map(GroupId::number), group(65_535).map(GroupId::number)), (Ok(1), Ok(65_535)));
        assert_eq!((code(group(0)), code(group(65_536))), ("out-of-range", "out-of-range"));
        assert_eq!(group_segment("7"), group(7));
        for text in ["0", "65536", "-1", "+1", "", "x", "7.0", "07"] {
            assert_eq!(code(group_segment(text)), "out-of-range", "{text}");
        }
        assert_eq!((group_contracts(1_000_000_000), group_window_s(60)), (Ok(1_000_000_000), Ok(60)));
        for number in [0, 1_000_000_001, 1 << 40] {
            assert_eq!(code(group_contracts(number)), "out-of-range", "{number}");
        }
        assert_eq!((code(group_window_s(0)), code(group_window_s(61))), ("out-of-range", "out-of-range"));
    }

    #[test]
    fn ids_fit_a_signed_column() {
        assert_eq!(order_id("9223372036854775807"), Ok(OrderId(i64::MAX as u64)));
        for text in ["9223372036854775808", "-1", "+1", "1.0", "", "0x1", "١", "01", "00"] {
            assert_eq!(code(order_id(text)), "form", "{text}");
        }
        assert_eq!(code(account_id("0")), "form");
    }

    #[test]
    fn a_new_name_is_no_id_and_a_text_hides_nothing() {
        assert!(ticker("7").is_ok() && new_ticker("RAIN-7").is_ok() && new_event_name("cup-26").is_ok());
        assert_eq!(
            (code(new_ticker("7")), code(new_ticker("7-7")), code(new_event_name("26"))),
            ("form", "form", "form")
        );
        let text = "Rain\u{202e}?";
        assert_eq!((code(question(text)), code(rules(text)), code(clarification(text))), ("form", "form", "form"));
        assert_eq!(code(key_name(text)), "form");
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
        assert_eq!(time("9999-12-31T23:59:59.999Z"), Ok(TIME_MAX));
        for text in ["9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999-23:59"] {
            assert_eq!(code(time(text)), "out-of-range", "{text}");
        }
        assert_eq!(code(time("tomorrow")), "form");
        assert_eq!(code(quantity(0)), "out-of-range");
        assert_eq!(code(quantity(1_000_001)), "out-of-range");
        assert_eq!(tick_size("0.01"), Ok(100));
        assert_eq!(code(tick_size("0.0003")), "out-of-range");
        assert_eq!(key_id("00000000000000ff"), Ok(ApiKeyId(255)));
        assert_eq!(code(key_id("00000000000000FF")), "form");
        assert_eq!(page_limit("100"), Ok(100));
        for text in ["0", "101", "-1", "+1", "x", "", "007"] {
            assert_eq!(code(page_limit(text)), "out-of-range", "{text}");
        }
    }
}
