//! Ids, money, orders and markets of which the values consist.

use std::sync::Arc;

use schemas::account::{AccountLimits, Scopes};
use schemas::event::{Party, Trade};
use schemas::market::{Confirmation, Resolution, YesValue};
use schemas::*;

pub const CLIENT_ID: ClientId = ClientId(0x1111_2222_3333_4444_5555_6666_7777_8888);
pub const ACCOUNT: AccountId = AccountId(0x0a0b_0c0d_0e0f_0102);
pub const OTHER: AccountId = AccountId(0x1a1b_1c1d_1e1f_1112);
pub const OTHER_MARKET: MarketId = MarketId(0x0706_0504_6a6b_6c6d);
pub const PROPOSAL: ProposalId = ProposalId(0x0302_0100_5a5b_5c5d);
pub const ADMIN: AdminId = AdminId(0x3a3b_3c3d_3e3f_3132);
pub const SECOND_ADMIN: AdminId = AdminId(0x4a4b_4c4d_4e4f_4142);
pub const AMOUNT: Credits = Credits(12_345_678_901);
pub const TICKET: u64 = 0x6a6b_6c6d_6e6f_6162;
pub const EXPIRES: Timestamp = Timestamp(1_798_000_000_789);

pub fn shard(number: u16) -> Shard {
    Shard::new(number).expect("below the limit")
}

pub fn price(ticks: u16) -> Price {
    Price::new(ticks).expect("a price")
}

pub fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).expect("a quantity")
}

pub fn rate(millionths: u32) -> FeeRate {
    FeeRate::new(millionths).expect("a rate")
}

pub fn market() -> MarketId {
    MarketId::of(&"RAIN-2026".parse().expect("a ticker"))
}

pub fn order_id() -> OrderId {
    OrderId::compose(shard(3), 0x0001_2345_6789)
}

pub fn group() -> GroupId {
    GroupId::new(0x7172).expect("a group")
}

pub fn group_limits() -> GroupLimits {
    GroupLimits::new(0x0102_0304, 0x35).expect("limits")
}

pub fn group_now() -> GroupNow {
    GroupNow { limits: group_limits(), generation: 0x0102_0304_0506, triggered: true }
}

pub fn group_acts() -> Vec<GroupAct> {
    let limits = group_limits();
    let values =
        vec![GroupAct::Make(limits), GroupAct::Change(limits), GroupAct::Trigger, GroupAct::Reset, GroupAct::Delete];
    super::all_of(super::GROUP_ACTS, values)
}

pub fn counting_up() -> [u8; 32] {
    let mut next = 0..;
    std::array::from_fn(|_| next.next().expect("32 numbers"))
}

pub fn key() -> ApiKey {
    ApiKey::with_secret(ApiKeyId(0x2a2b_2c2d_2e2f_2122), counting_up(), Scopes::READ_TRADE)
}

pub fn some_admin(expires: Option<Timestamp>) -> Admin {
    Admin {
        id: AdminId(0x3a3b_3c3d_3e3f),
        proof: KeyProof::Secret(counting_up()),
        // Bits of a later build with those of this one.
        roles: AdminRoles::from_bits(0x9d),
        expires,
        name: expires.map(|_| "night shift".parse().expect("a name")),
    }
}

pub fn wanted_admin(expires: Option<Timestamp>) -> WantedAdmin {
    let Admin { id, proof, roles, expires, name } = some_admin(expires);
    WantedAdmin { id, proof: expires.map(|_| proof), roles, expires, name }
}

pub fn bound_key() -> ApiKey {
    let markets = KeyMarkets::new(vec![MarketId(0x3132), MarketId(0x3334_3536)]);
    let terms = KeyTerms { name: Some("quoter".parse().expect("a name")), markets, notional: Some(AMOUNT) };
    ApiKey {
        id: ApiKeyId(0x2a2b_2c2d_2e2f_2123),
        proof: KeyProof::Ed25519(counting_up()),
        // Bits of a later build with those of this one.
        scopes: Scopes::from_bits(0x9d),
        expires: Some(Timestamp(0x0190_4142_4344)),
        terms: Some(Box::new(terms)),
    }
}

pub fn part() -> PartInfo {
    PartInfo {
        id: PartId(0x0190_eeee_0000_7222_8333_4444_5555_6666),
        kind: PartKind::Projections,
        reads: 0x0203,
        build: build(),
    }
}

pub fn build() -> Build {
    Build { major: 0x0405, minor: 0x0607, patch: 0x0809 }
}

pub fn listing() -> Listing {
    Listing {
        market: market(),
        ticker: "RAIN-2026".parse().expect("a ticker"),
        about: Arc::new(about()),
        opens: Some(Timestamp(1_798_761_500_001)),
        expiry: Timestamp(1_798_761_600_000),
        tick: 100,
        maker_fee: rate(10_000),
        taker_fee: rate(70_000),
        dispute_window_ms: 7_200_001,
        limits: market_limits(),
    }
}

pub fn about() -> About {
    About {
        sources: sources(),
        tags: tags(),
        event: Some(market_event().id),
        ..About::plain("Will it rain in 2026? ☂", "YES if it rains.\nElse NO.", "weather").expect("texts")
    }
}

pub fn sources() -> Sources {
    Sources::new(vec!["https://rain.example/2026".parse().expect("a source")]).expect("one")
}

pub fn tags() -> Tags {
    Tags::new(vec!["rain".parse().expect("a label"), "2026".parse().expect("a label")]).expect("two")
}

pub fn market_event() -> MarketEvent {
    let name = "weather-of-2026".parse().expect("a label");
    let title = "Which weather has 2026?".parse().expect("a title");
    MarketEvent { id: MarketEventId::of(&name), name, title, exclusive: true }
}

/// One that replaces everything, one that removes what can be removed, and an empty one.
pub fn market_edits() -> [MarketEdit; 3] {
    let about = about();
    let all = MarketEdit {
        question: Some(about.question),
        rules: Some(about.rules),
        sources: Some(about.sources),
        category: Some(about.category),
        tags: Some(about.tags),
        event: Some(about.event),
        opens: Some(listing().opens),
        expiry: Some(EXPIRES),
    };
    let taken = MarketEdit { event: Some(None), opens: Some(None), ..MarketEdit::default() };
    [all, taken, MarketEdit::default()]
}

/// One that adds everything, and an empty one.
pub fn market_additions() -> [MarketAddition; 2] {
    let clarification = Some("Hail is no rain.\nSnow neither.".parse().expect("a text"));
    [MarketAddition { clarification, sources: sources(), tags: tags() }, MarketAddition::default()]
}

pub fn market_limits() -> MarketLimits {
    MarketLimits { live_orders: 200, notional: Credits(50_000_002), position: 30_003 }
}

pub fn account_limits() -> AccountLimits {
    AccountLimits { live_orders: 1_000, held: Credits(70_000_004) }
}

pub fn answer() -> ResolutionAnswer {
    ResolutionAnswer::Value(YesValue::YES)
}

/// Proposed, and confirmed by a second admin if `confirmed`.
pub fn resolution(answer: ResolutionAnswer, confirmed: bool) -> Resolution {
    let confirmation = Confirmation { by: SECOND_ADMIN, payout: Timestamp(1_798_768_800_001) };
    Resolution { answer, proposed_by: ADMIN, confirmed: confirmed.then_some(confirmation) }
}

pub fn limit(time_in_force: TimeInForce) -> Terms {
    Terms::Limit { price: price(6_000), quantity: quantity(258), time_in_force, post_only: PostOnly::Off }
}

/// An order with unusual instructions.
pub fn new_order(entry: Entry, terms: Terms) -> NewOrder {
    NewOrder {
        account: ACCOUNT,
        market: market(),
        entry,
        terms,
        fee_rate: rate(70_000),
        client_id: Some(CLIENT_ID),
        instructions: Instructions {
            self_trade: SelfTrade::CancelBoth,
            deadline: Some(Timestamp(1_763_856_001_234)),
            cancel_on_pause: true,
            reduce_only: true,
            group: Some(group()),
        },
    }
}

pub fn settlement(reason: SettlementReason) -> Settlement {
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

pub fn trade() -> Trade {
    Trade {
        id: TradeId::compose(shard(3), 0x0000_0102_0304),
        market: market(),
        price: price(6_001),
        quantity: quantity(7),
        maker: Party { order: OrderId(5), account: OTHER, entry: Entry::BuyNo, fee: Credits(101) },
        taker: Party { order: order_id(), account: ACCOUNT, entry: Entry::BuyYes, fee: Credits(202) },
        maker_remaining: quantity(9),
    }
}

pub fn times_in_force() -> [TimeInForce; 4] {
    [TimeInForce::Gtc, TimeInForce::Gtd { expires: EXPIRES }, TimeInForce::Ioc, TimeInForce::Fok]
}

/// Every kind of terms, with every time in force and every post-only setting.
pub fn all_terms() -> Vec<Terms> {
    let post_only = |post_only| Terms::Limit {
        price: price(6_000),
        quantity: quantity(258),
        time_in_force: TimeInForce::Gtc,
        post_only,
    };
    let times = super::all_of(super::TIMES_IN_FORCE, times_in_force().to_vec());
    let mut terms: Vec<Terms> = times.into_iter().map(limit).collect();
    terms.extend([PostOnly::Reject, PostOnly::Reprice].map(post_only));
    terms.push(Terms::Market { quantity: quantity(258), worst_price: price(6_500) });
    terms.push(Terms::Budget { budget: Credits(99_000_001) });
    super::all_of(super::TERMS, terms)
}

pub fn all_answers() -> Vec<ResolutionAnswer> {
    super::all_of(super::ANSWERS, vec![answer(), ResolutionAnswer::Void])
}

pub fn named_order() -> OrderRef {
    OrderRef::ClientId { market: market(), client_id: CLIENT_ID }
}

pub fn all_order_refs() -> Vec<OrderRef> {
    super::all_of(super::ORDER_REFS, vec![OrderRef::Id(order_id()), named_order()])
}

pub fn came_with() -> Origin {
    Origin {
        trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a traceparent")),
        idempotency_key: IdempotencyKey::new("8e03978e-40d5-43dd-bc93-6894a57f9324".to_owned()),
    }
}
