//! Schemas of single values: ids, prices, credits, times and names. The log's types have no schema
//! of their own; a field names its schema by `#[schema(value_type = …)]`.

use std::borrow::Cow;

use schemas::event::TradeKind;
use schemas::limits::{AMOUNT_MAX, QUANTITY_MAX, WALLET_MAX};
use schemas::{AdminRoles, BookSide, Contract, MarketState, PostOnly, Scopes, SelfTrade, Side, Status, TimeInForce};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Schema, SchemaFormat, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

fn string(about: &str, pattern: &str, example: &str) -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    schema.pattern(Some(pattern)).examples([json!(example)]).build()
}

fn formatted(about: &str, format: &str, example: &str) -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    schema.format(Some(SchemaFormat::Custom(format.to_owned()))).examples([json!(example)]).build()
}

fn names<T: AsRef<str>>(about: &str, names: impl IntoIterator<Item = T>) -> Object {
    let names = names.into_iter().map(|name| Value::from(name.as_ref()));
    ObjectBuilder::new().schema_type(Type::String).description(Some(about)).enum_values(Some(names)).build()
}

fn integer(about: &str, range: std::ops::RangeInclusive<u64>, example: u64) -> Object {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).description(Some(about));
    let schema = schema.minimum(Some(*range.start())).maximum(Some(*range.end()));
    schema.examples([json!(example)]).build()
}

/// Defines types that stand for a schema: its name, and an expression that builds it.
macro_rules! scalars {
    ($($(#[$doc:meta])* $type:ident = $name:literal: $schema:expr;)*) => {$(
        $(#[$doc])*
        pub struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                Schema::Object($schema).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

/// An id of 63 bits in decimal.
const ID: &str = "^(0|[1-9][0-9]{0,18})$";
/// The same, without 0.
const ID_ABOVE_0: &str = "^[1-9][0-9]{0,18}$";
const UUID: &str = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";

scalars! {
    /// An account's id.
    AccountIdText = "AccountId": string("An account's id, in decimal.", ID_ABOVE_0, "4611686018427387905");
    /// An admin's id.
    AdminIdText = "AdminId": string("An admin's id, in decimal.", ID_ABOVE_0, "1");
    /// A market's id.
    MarketIdText = "MarketId": string("A market's id, in decimal. It follows from the ticker.", ID, "8183649204186142213");
    /// A market event's id.
    MarketEventIdText = "MarketEventId":
        string("A market event's id, in decimal. It follows from the name.", ID, "520184362093618442");
    /// An order's id.
    OrderIdText = "OrderId": string("An order's id, in decimal. It contains its shard.", ID, "144115188075855873");
    /// A trade's id.
    TradeIdText = "TradeId": string("A trade's id, in decimal. It contains its shard.", ID, "144115188075855874");
    /// The id of a proposed deposit.
    ProposalIdText = "ProposalId": string("The id of a proposed deposit, in decimal.", ID, "144115188075855875");
    /// A command's id.
    CommandIdText = "CommandId":
        string("The id of a command on the log: a UUID.", UUID, "01980c5e-7a32-7d40-9f1b-3c5d0e6f7a81");
    /// A client's own id.
    ClientIdText = "ClientId": string(
        "The client's own id: a UUID. The same id is the same order or movement, which is carried out once.",
        UUID,
        "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11",
    );
    /// A key's id.
    KeyIdText = "ApiKeyId": string("An API key's id: 16 hex digits in lower case.", "^[0-9a-f]{16}$", "7f3a90c1d25be846");
    /// An Ed25519 public key.
    PublicKeyText = "PublicKey": string(
        "An Ed25519 public key: 32 bytes in base64, standard alphabet, padded. Weak keys are refused.",
        "^[A-Za-z0-9+/]{43}=$",
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    );
    /// A log position.
    LogPositionText = "LogPosition": string(
        "A log position: a shard and the sequence of an outcome on it.",
        "^(0|[1-9][0-9]{0,4}):(0|[1-9][0-9]{0,19})$",
        "2:41",
    );
    /// A rounded price of a level of a book.
    LevelPriceText = "LevelPrice": string(
        "A price of a book's level in credits: 0.0001 to 0.9999; with `tick` also 0.0000 and 1.0000.",
        r"^(0\.[0-9]{4}|1\.0000)$",
        "0.5500",
    );
    /// A price.
    PriceText = "Price": string(
        "A price of one contract in credits: 0.0001 to 0.9999, at most 4 decimal places; answers have 4.",
        r"^0\.(?!0+$)[0-9]{1,4}$",
        "0.5500",
    );
    /// A tick size or another price difference.
    TicksText = "TickSize": string(
        "A tick size in credits: a decimal that divides 1, at most 0.5. Prices of limit orders are multiples of it.",
        r"^0\.(?!0+$)[0-5][0-9]{0,3}$",
        "0.0100",
    );
    /// An amount of credits.
    CreditsText = "Credits": string(
        "An amount of credits, at most 6 decimal places; answers have 6.",
        r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,6})?$",
        "12.500000",
    );
    /// A signed amount of credits.
    SignedCreditsText = "SignedCredits": string(
        "An amount of credits that may be negative, with 6 decimal places.",
        r"^-?(0|[1-9][0-9]{0,12})\.[0-9]{6}$",
        "-1.250000",
    );
    /// An amount to move or to spend.
    AmountText = "Amount": string(
        &format!("Credits to move or to spend: 0.000001 to {}, at most 6 decimal places.", AMOUNT_MAX / 1_000_000),
        r"^(?!0+(\.0+)?$)((0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?|1000000000(\.0{1,6})?)$",
        "12.5",
    );
    /// A limit in credits.
    CreditsLimitText = "CreditsLimit": string(
        &format!("A limit in credits: 0 to {}, at most 6 decimal places.", WALLET_MAX / 1_000_000),
        r"^((0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?|10000000000(\.0{1,6})?)$",
        "5000",
    );
    /// A fee rate.
    FeeRateText = "FeeRate": string(
        "A fee rate: 0 to 0.2, at most 6 decimal places. The fee of a fill is rate × quantity × price × (1 − price).",
        r"^0(\.[01][0-9]{0,5}|\.20{0,5})?$",
        "0.070000",
    );
    /// A point in time.
    TimeText = "Time": formatted(
        "RFC 3339, from 1970 to 9999. Answers are in UTC with milliseconds, by the log's time.",
        "date-time",
        "2026-12-31T12:00:00.000Z",
    );
    /// A market's ticker.
    TickerText = "Ticker": string(
        "A market's ticker: 1 to 32 characters of A-Z, 0-9 and -, with at least one letter.",
        "^(?=.*[A-Z])[A-Z0-9-]{1,32}$",
        "RAIN-TOMORROW",
    );
    /// A category, a tag or the name of a market event.
    LabelText = "Label": string("1 to 32 characters of a-z, 0-9 and -.", "^[a-z0-9-]{1,32}$", "weather");
    /// The name of a market event.
    EventNameText = "EventName": string(
        "The name of a market event: 1 to 32 characters of a-z, 0-9 and -, with at least one letter.",
        "^(?=.*[a-z])[a-z0-9-]{1,32}$",
        "cup-final",
    );
    /// The answer to a market's question.
    AnswerValueText = "ResolutionAnswer": string(
        "YES, NO, VOID (each contract pays half a credit), or the payout of a YES contract: 0 to 1 credit, at most 4 \
         decimal places.",
        r"^(YES|NO|VOID|0(\.[0-9]{1,4})?|1(\.0{1,4})?)$",
        "YES",
    );
    /// The stable code of a refusal.
    CodeText = "Code": string("A stable code, as in problems.", "^[a-z][a-z0-9-]*$", "funds-insufficient");
    /// Why an order ended with a remainder.
    CancelReasonText = "CancelReason": string(
        "Why the order ended with a remainder. A gateway that does not know the reason shows UNKNOWN_ and its number.",
        "^[A-Z][A-Z0-9_]*$",
        "REQUESTED",
    );
    /// A number of contracts of an order.
    QuantityNumber = "Quantity":
        integer(&format!("Whole contracts: 1 to {QUANTITY_MAX}."), 1..=u64::from(QUANTITY_MAX), 10);
    /// A number of contracts.
    ContractsNumber = "Contracts": integer("Whole contracts.", 0..=9_007_199_254_740_991, 10);
    /// A number of contracts that can exceed safe integers.
    ContractsText = "ContractsText": string("Whole contracts, in decimal.", "^[0-9]{1,20}$", "123456");
    /// The number of an order group.
    GroupNumber = "GroupId": integer("The number of an order group of the account.", 1..=65_535, 7);
    /// YES or NO.
    ContractName = "Contract": names("The contract.", [Contract::Yes.name(), Contract::No.name()]);
    /// BUY or SELL.
    SideName = "Side": names("Whether the contract is bought or sold.", [Side::Buy.name(), Side::Sell.name()]);
    /// BID or ASK.
    BookSideName = "BookSide":
        names("The side of the book, in YES.", [BookSide::Bid.name(), BookSide::Ask.name()]);
    /// LIMIT or MARKET.
    TypeName = "OrderType": names("The type of the order.", ["LIMIT", "MARKET"]);
    /// Time in force.
    TimeInForceName = "TimeInForce": names(
        "How long the order lives: GTC until cancelled, GTD until `expires_at`, IOC only now, FOK completely now or not \
         at all.",
        TimeInForce::NAMES,
    );
    /// Post-only mode.
    PostOnlyName = "PostOnly": names(
        "What happens to an order that would take: OFF it takes, REJECT it is refused, REPRICE it rests one tick away.",
        [PostOnly::Off, PostOnly::Reject, PostOnly::Reprice].map(PostOnly::name),
    );
    /// Self-trade prevention.
    SelfTradeName = "SelfTrade": names(
        "What happens when the order would trade with one of its own account.",
        SelfTrade::ALL.iter().map(|mode| mode.name()),
    );
    /// Status of an order.
    StatusName = "OrderStatus": names("The status of an order.", Status::ALL.iter().map(|status| status.name()));
    /// State of a market.
    MarketStateName = "MarketState":
        names("The state of a market.", MarketState::ALL.iter().map(|state| state.name()));
    /// Kind of a trade.
    TradeKindName = "TradeKind": names(
        "Whether the trade created, transferred or destroyed contracts.",
        TradeKind::ALL.iter().map(|kind| kind.name()),
    );
    /// A key's right.
    ScopeName = "Scope": names("A right of an API key.", Scopes::ALL.names());
    /// An admin's role.
    RoleName = "Role": names("A role of an admin.", AdminRoles::ALL.names());
}
