//! One value at least of every variant that the log can hold, with fields that are all different from each other.

#![allow(dead_code, reason = "each test binary uses a part")]

use schemas::account::Scopes;
use schemas::event::{CancelReason, FirstOutcome, OrderPlaced, Party, Trade, TradeKind};
use schemas::market::YesValue;
use schemas::message::{Settlement, SettlementReason};
use schemas::record::Cause;
use schemas::*;

/// Lists the variants of an enum, with a match that stops compiling when one is added and not listed.
macro_rules! variants {
    ($names:ident: $type:ident { $($variant:ident),+ $(,)? }) => {
        pub const $names: &[&str] = &[$(stringify!($variant)),+];

        impl Named for $type {
            fn name(&self) -> &'static str {
                match self { $($type::$variant { .. } => stringify!($variant),)+ }
            }
        }
    };
}

trait Named {
    fn name(&self) -> &'static str;
}

variants!(COMMANDS: Command {
    OpenAccount, AddApiKey, RevokeApiKey, Deposit, Withdraw, CreateMarket, ChangeMarket, PlaceOrder, CancelOrder,
    Receive, Acknowledge, AdvanceTime,
});

variants!(EVENTS: Event {
    Rejected, AccountOpened, ApiKeyAdded, ApiKeyRevoked, Deposited, Withdrawn, OrderFunded, OrderPlaced, OrderRejected,
    Traded, OrderCancelled, PairsRedeemed, Settled, MarketCreated, MarketChanged, PaidOut, MarketSettled, Sent,
    Received, MessageSkipped, Acknowledged, ClientIdRepeated, StateHashed,
});

variants!(MESSAGES: Message { PlaceOrder, Settle });
variants!(TERMS: Terms { Limit, Market, Budget });
variants!(TRANSITIONS: Transition { Open, Pause, Resume, Close, Resolve, Void });
variants!(FIRST_OUTCOMES: FirstOutcome { Order, OrderRejected, Deposit, Withdrawal });

pub const COMMAND_ID: CommandId = CommandId(0x0190_a0b1_c2d3_74e5_86f7_0123_4567_89ab);
const CLIENT_ID: ClientId = ClientId(0x1111_2222_3333_4444_5555_6666_7777_8888);
const ACCOUNT: AccountId = AccountId(0x0a0b_0c0d_0e0f_0102);
const MAKER: AccountId = AccountId(0x1a1b_1c1d_1e1f_1112);
const AMOUNT: Credits = Credits(12_345_678_901);

fn shard(number: u16) -> Shard {
    Shard::new(number).expect("below the limit")
}

fn price(ticks: u16) -> Price {
    Price::new(ticks).expect("a price")
}

fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).expect("a quantity")
}

fn rate(millionths: u32) -> FeeRate {
    FeeRate::new(millionths).expect("a rate")
}

fn market() -> MarketId {
    MarketId::of(&"RAIN-2026".parse().expect("a ticker"))
}

fn order_id() -> OrderId {
    OrderId::compose(shard(3), shard(1), 0x0001_2345_6789)
}

fn counting_up() -> [u8; 32] {
    let mut next = 0..;
    std::array::from_fn(|_| next.next().expect("32 numbers"))
}

fn key() -> ApiKey {
    ApiKey { id: ApiKeyId(0x2a2b_2c2d_2e2f_2122), hash: counting_up(), scopes: Scopes::READ_TRADE }
}

fn listing() -> Listing {
    Listing {
        market: market(),
        ticker: "RAIN-2026".parse().expect("a ticker"),
        question: "Will it rain in 2026? ☂".parse().expect("a question"),
        expiry: Timestamp(1_798_761_600_000),
        tick: 100,
        maker_fee: rate(10_000),
        taker_fee: rate(70_000),
    }
}

fn limit(time_in_force: TimeInForce) -> Terms {
    Terms::Limit { price: price(6_000), quantity: quantity(258), time_in_force }
}

fn new_order(entry: Entry, terms: Terms) -> NewOrder {
    NewOrder { account: ACCOUNT, market: market(), entry, terms, fee_rate: rate(70_000), client_id: Some(CLIENT_ID) }
}

fn settlement(reason: SettlementReason) -> Settlement {
    Settlement {
        account: ACCOUNT,
        market: market(),
        order: Some(order_id()),
        reason,
        spent: Credits(600_001),
        released: Credits(70_002),
        received: Credits(5_003),
    }
}

fn trade() -> Trade {
    Trade {
        id: TradeId::compose(shard(3), 0x0000_0102_0304),
        market: market(),
        price: price(6_001),
        quantity: quantity(7),
        maker: Party { order: OrderId(5), account: MAKER, entry: Entry::BuyNo, fee: Credits(101) },
        taker: Party { order: order_id(), account: ACCOUNT, entry: Entry::BuyYes, fee: Credits(202) },
        maker_remaining: quantity(9),
    }
}

fn all_terms() -> Vec<Terms> {
    vec![
        limit(TimeInForce::Gtc),
        limit(TimeInForce::Ioc),
        Terms::Market { quantity: quantity(258), worst_price: price(6_500) },
        Terms::Budget { budget: Credits(99_000_001) },
    ]
}

fn all_transitions() -> Vec<Transition> {
    use Transition as T;
    vec![T::Open, T::Pause, T::Resume, T::Close, T::Resolve { yes_value: YesValue::YES }, T::Void]
}

fn all_first_outcomes() -> Vec<FirstOutcome> {
    vec![
        FirstOutcome::Order { id: order_id() },
        FirstOutcome::OrderRejected { id: order_id(), code: Rejection::FundsInsufficient },
        FirstOutcome::Deposit { amount: AMOUNT },
        FirstOutcome::Withdrawal { amount: AMOUNT },
    ]
}

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

pub fn messages() -> Vec<(String, Message)> {
    named(vec![
        Message::PlaceOrder { id: order_id(), order: new_order(Entry::BuyYes, limit(TimeInForce::Gtc)) },
        Message::Settle(vec![
            settlement(SettlementReason::Trade),
            Settlement { order: None, ..settlement(SettlementReason::Payout) },
        ]),
        Message::Settle(Vec::new()),
    ])
}

pub fn commands() -> Vec<(String, Command)> {
    let mut values = vec![
        Command::OpenAccount { account: ACCOUNT, key: key() },
        Command::AddApiKey { account: ACCOUNT, key: key() },
        Command::RevokeApiKey { account: ACCOUNT, key: key().id },
        Command::Deposit { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID) },
        Command::Deposit { account: ACCOUNT, amount: AMOUNT, client_id: None },
        Command::Withdraw { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID) },
        Command::CreateMarket(listing()),
        Command::CancelOrder { account: ACCOUNT, order: order_id() },
        Command::Acknowledge { to: shard(2), number: 0x0102_0304_0506_0708 },
        Command::AdvanceTime,
    ];
    let transitions = all_of(TRANSITIONS, all_transitions());
    values.extend(transitions.into_iter().map(|transition| Command::ChangeMarket { market: market(), transition }));
    let terms = all_of(TERMS, all_terms());
    values.extend(terms.into_iter().map(|terms| Command::PlaceOrder(new_order(Entry::BuyNo, terms))));
    values.push(Command::PlaceOrder(NewOrder { client_id: None, ..new_order(Entry::SellYes, all_terms()[0]) }));
    let receive = |(_, message)| Command::Receive { from: shard(1), number: 0x0807_0605_0403_0201, message };
    values.extend(messages().into_iter().map(receive));
    named(values)
}

pub fn events() -> Vec<(String, Event)> {
    let mut values = vec![
        Event::Rejected { code: Rejection::OrderUnknown },
        Event::AccountOpened { account: ACCOUNT },
        Event::ApiKeyAdded { account: ACCOUNT, key: key() },
        Event::ApiKeyRevoked { account: ACCOUNT, key: key().id },
        Event::Deposited { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID) },
        Event::Withdrawn { account: ACCOUNT, amount: AMOUNT, client_id: None },
        Event::OrderFunded {
            id: order_id(),
            order: new_order(Entry::BuyYes, limit(TimeInForce::Gtc)),
            held: Credits(159_099_876),
        },
        Event::OrderPlaced(OrderPlaced {
            id: order_id(),
            order: new_order(Entry::SellNo, limit(TimeInForce::Gtc)),
            quantity: quantity(258),
            filled: quantity(7),
            status: Status::PartiallyFilled,
        }),
        Event::OrderRejected {
            id: order_id(),
            order: new_order(Entry::SellYes, limit(TimeInForce::Ioc)),
            code: Rejection::PositionInsufficient,
        },
        Event::Traded(trade()),
        Event::OrderCancelled {
            order: order_id(),
            account: ACCOUNT,
            market: market(),
            entry: Entry::SellNo,
            price: price(4_000),
            quantity: quantity(251),
            reason: CancelReason::MarketEnded,
        },
        Event::PairsRedeemed { market: market(), account: ACCOUNT, pairs: 0x0102_0304 },
        Event::Settled(settlement(SettlementReason::Release)),
        Event::Settled(Settlement { order: None, ..settlement(SettlementReason::Redemption) }),
        Event::MarketCreated(listing()),
        Event::MarketChanged { market: market(), state: MarketState::Open, yes_value: None },
        Event::MarketChanged { market: market(), state: MarketState::Resolved, yes_value: Some(YesValue::YES) },
        Event::PaidOut { market: market(), account: ACCOUNT, yes: 11, no: 22, credits: Credits::whole(11) },
        Event::MarketSettled { market: market() },
        Event::Received { from: shard(2), number: 44 },
        Event::MessageSkipped { from: shard(2), number: 46, expected: 45 },
        Event::Acknowledged { to: shard(1), number: 43 },
        Event::StateHashed { hash: counting_up().map(|byte| 0xff - byte) },
    ];
    let sent = |(_, message)| Event::Sent { to: shard(1), number: 43, message };
    values.extend(messages().into_iter().map(sent));
    let repeated = |first| Event::ClientIdRepeated { account: ACCOUNT, client_id: CLIENT_ID, first };
    values.extend(all_of(FIRST_OUTCOMES, all_first_outcomes()).into_iter().map(repeated));
    named(values)
}

pub fn term() -> Term {
    Term { shard: shard(3), shards: 4, engine: EngineId(0x0190_ffff_0000_7111_8222_3333_4444_5555), attempt: 6 }
}

pub fn outcome() -> Outcome {
    // A fixed few, not all: the golden bytes of this record must not change when a variant is added.
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
        TimeInForce,
        Status,
        BookSide,
        Entry,
        MarketState,
        SettlementReason,
        CancelReason,
        TradeKind,
        Rejection
    )
    .concat()
}
