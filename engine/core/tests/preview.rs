//! Previews of orders: every rule that an order breaks, the bounds, and that a preview changes
//! nothing. `differential.rs` shows that each order that it tries then does what its preview said.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use engine_core::{CommandContext, OrderEffect, QueueCount, ShardState};
use schemas::event::CancelReason;
use schemas::limits::ORDER_FILLS_MAX;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AdminId, ApiKey, ApiKeyId, Cause, ClientId, Command, CommandId, Credits, Entry, Event, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, NewOrder, PostOnly, Price, Quantity, Rejection, Scopes, Shard,
    Status, Terms, TimeInForce, Timestamp, Transition,
};

const NOW: u64 = 1_000_000;

struct Exchange {
    state: ShardState,
    offset: u64,
    market: MarketId,
}

impl Exchange {
    /// One shard with accounts 1 to 3 that have credits, and an open market with ticks of 0.01 and
    /// fees of 2 %.
    fn new() -> Self {
        let market = MarketId::of(&"RAIN".parse().unwrap());
        let state = ShardState::new(Shard::new(0).unwrap(), ShardMap::new(1).unwrap());
        let mut exchange = Self { state, offset: 0, market };
        let by = AdminId(1);
        for account in (1..=3).map(AccountId) {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [1; 32], Scopes::READ_TRADE);
            exchange.run(Command::OpenAccount { account, key });
            exchange.run(Command::Deposit { account, amount: Credits::whole(1_000), client_id: None, by });
        }
        let listing = Listing {
            market,
            ticker: "RAIN".parse().unwrap(),
            about: About::plain("Will it rain?", "YES if it does.", "tests").unwrap().into(),
            opens: None,
            expiry: Timestamp(10 * NOW),
            tick: 100,
            maker_fee: FeeRate::ZERO,
            taker_fee: FeeRate::new(20_000).unwrap(),
            dispute_window_ms: 0,
            limits: MarketLimits::NONE,
        };
        exchange.run(Command::CreateMarket { listing, by });
        exchange.run(Command::ChangeMarket { market, by, transition: Transition::Open });
        exchange
    }

    fn run(&mut self, command: Command) -> Vec<Event> {
        self.offset += 1;
        let cause = Cause { offset: self.offset, id: CommandId(self.offset.into()) };
        let mut events = Vec::new();
        self.state.handle(CommandContext { cause, time: Timestamp(NOW) }, &command, &mut events);
        events
    }

    fn limit(&self, account: u64, entry: Entry, ticks: u16, quantity: u32) -> NewOrder {
        let terms = Terms::Limit {
            price: Price::new(ticks).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::Off,
        };
        let (account, fee_rate) = (AccountId(account), FeeRate::new(20_000).unwrap());
        let (client_id, instructions) = (None, Instructions::default());
        NewOrder { account, market: self.market, entry, terms, fee_rate, client_id, instructions }
    }

    fn place(&mut self, account: u64, entry: Entry, ticks: u16, quantity: u32) {
        let order = self.limit(account, entry, ticks, quantity);
        let events = self.run(Command::PlaceOrder(order));
        assert!(matches!(events[0], Event::OrderPlaced(_)), "{events:?}");
    }

    #[track_caller]
    fn breaks(&self, order: &NewOrder, expected: &[Rejection]) {
        let preview = self.state.preview(order, Timestamp(NOW));
        assert_eq!(preview.breaks, expected);
        assert_eq!(preview.does.is_some(), expected.is_empty());
    }

    fn does(&self, order: &NewOrder) -> OrderEffect {
        let preview = self.state.preview(order, Timestamp(NOW));
        preview.does.unwrap_or_else(|| panic!("refused: {:?}", preview.breaks))
    }
}

#[test]
fn a_preview_lists_all_broken_rules_in_the_order_of_the_checks() {
    let mut exchange = Exchange::new();
    let (market, by) = (exchange.market, AdminId(1));
    let limits = MarketLimits { live_orders: 1, notional: Credits::whole(10), position: 5 };
    exchange.place(2, Entry::BuyNo, 4_000, 5);
    exchange.place(1, Entry::BuyYes, 5_000, 5);
    exchange.run(Command::LimitMarket { market, limits, by });

    let fine = exchange.limit(3, Entry::BuyYes, 5_000, 5);
    exchange.breaks(&fine, &[]);
    let price = |ticks, quantity, time_in_force, post_only| Terms::Limit {
        price: Price::new(ticks).unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        time_in_force,
        post_only,
    };
    let gtd = TimeInForce::Gtd { expires: Timestamp(NOW) };
    let deadline = Some(Timestamp(NOW - 1));
    let buy = NewOrder {
        account: AccountId(1),
        terms: price(6_001, 20, gtd, PostOnly::Reject),
        fee_rate: FeeRate::ZERO,
        instructions: Instructions { deadline, ..Instructions::default() },
        ..fine
    };
    let mut all = vec![
        Rejection::ExpiryInPast,
        Rejection::PriceOffTick,
        Rejection::FeeRateTooLow,
        Rejection::DeadlinePassed,
        Rejection::PostOnlyWouldTake,
        Rejection::LiveOrderLimit,
        Rejection::NotionalLimit,
        Rejection::PositionLimit,
    ];
    exchange.breaks(&buy, &all);
    exchange.run(Command::ChangeMarket { market, by, transition: Transition::Pause { cancel_only: false } });
    exchange.run(Command::FreezeAccount { account: AccountId(1), by });
    all.splice(1..1, [Rejection::AccountFrozen, Rejection::MarketNotOpen]);
    exchange.breaks(&buy, &all);
    let sell = NewOrder {
        account: AccountId(3),
        entry: Entry::SellYes,
        terms: price(5_001, 0, TimeInForce::Ioc, PostOnly::Reject),
        ..fine
    };
    let all =
        [Rejection::QuantityIsZero, Rejection::PostOnlyImmediate, Rejection::MarketNotOpen, Rejection::PriceOffTick];
    exchange.breaks(&sell, &all);
    let sell = NewOrder { terms: price(5_000, 1, TimeInForce::Gtc, PostOnly::Off), ..sell };
    exchange.breaks(&sell, &[Rejection::MarketNotOpen, Rejection::PositionInsufficient]);
    let budget = NewOrder { terms: Terms::Budget { budget: Credits::ZERO }, account: AccountId(4), ..fine };
    let all = [Rejection::AmountOutOfRange, Rejection::MarketNotOpen, Rejection::AccountUnknown];
    exchange.breaks(&budget, &all);
    exchange.breaks(
        &NewOrder { market: MarketId(7), account: AccountId(4), ..fine },
        &[Rejection::MarketUnknown, Rejection::AccountUnknown],
    );
}

#[test]
fn an_orders_times_are_compared_with_now_and_not_with_the_last_command() {
    let exchange = Exchange::new();
    let mut order = exchange.limit(1, Entry::BuyYes, 5_000, 5);
    order.instructions.deadline = Some(Timestamp(NOW + 5));
    let breaks = |now| exchange.state.preview(&order, Timestamp(now)).breaks;
    assert_eq!((breaks(NOW - 7), breaks(NOW + 5)), (vec![], vec![]));
    assert_eq!(breaks(NOW + 6), [Rejection::DeadlinePassed]);
    assert_eq!(breaks(10 * NOW), [Rejection::MarketNotOpen, Rejection::DeadlinePassed]);
}

#[test]
fn fills_are_summed_by_price_and_end_at_the_limit_of_a_command() {
    let mut exchange = Exchange::new();
    let room = u32::try_from(ORDER_FILLS_MAX).unwrap();
    for _ in 0..room - 1 {
        exchange.place(2, Entry::BuyNo, 900, 1);
    }
    for _ in 0..10 {
        exchange.place(2, Entry::BuyNo, 800, 2);
    }
    let before = exchange.state.to_bytes();
    let order = exchange.limit(1, Entry::BuyYes, 9_300, 12_000);
    let does = exchange.does(&order);
    assert_eq!(exchange.state.to_bytes(), before, "asking changes nothing");
    let fills: Vec<_> = does.fills.iter().map(|fill| (fill.price.ticks(), fill.contracts.contracts())).collect();
    assert_eq!((fills, does.trades), (vec![(9_100, room - 1), (9_200, 2)], room));
    assert_eq!((does.placed.status, does.placed.cancel_reason), (Status::Cancelled, Some(CancelReason::MatchLimit)));
}

#[test]
fn the_sums_of_a_preview_agree() {
    let mut exchange = Exchange::new();
    exchange.place(2, Entry::BuyNo, 6_000, 10);
    exchange.place(2, Entry::BuyNo, 5_000, 10);
    // 10 at 0.40 and 5 at 0.50; 5 rest at 0.50, held with the largest fee, which is at a price of
    // one half.
    let does = exchange.does(&exchange.limit(1, Entry::BuyYes, 5_000, 15));
    assert_eq!((does.notional, does.fee), (Credits(6_500_000), Credits(48_000 + 25_000)));
    assert_eq!((does.if_yes, does.if_no), (Credits(15_000_000 - 6_573_000), Credits(-6_573_000)));
    assert_eq!((does.purse.available, does.purse.held, does.held), (Credits(-6_573_000), Credits::ZERO, Credits::ZERO));
    let does = exchange.does(&exchange.limit(1, Entry::BuyYes, 5_000, 25));
    assert_eq!((does.held, does.purse.held, does.purse.live_orders), (Credits(2_525_000), Credits(2_525_000), 1));
    // An account that holds NO and buys YES gets pairs, which are redeemed at once.
    exchange.place(1, Entry::BuyYes, 5_000, 20);
    let does = exchange.does(&exchange.limit(2, Entry::SellNo, 5_000, 5));
    assert_eq!(does.redeemed, 0);
    exchange.place(3, Entry::BuyNo, 5_000, 7);
    let does = exchange.does(&exchange.limit(2, Entry::BuyYes, 5_000, 7));
    assert_eq!((does.redeemed, does.purse.available), (7, Credits(7_000_000 - 3_500_000 - 35_000)));
}

#[test]
fn a_used_client_id_is_the_only_thing_that_a_preview_reports() {
    let mut exchange = Exchange::new();
    let named = NewOrder { client_id: Some(ClientId(9)), ..exchange.limit(1, Entry::BuyYes, 5_000, 5) };
    exchange.run(Command::PlaceOrder(named));
    let again = exchange.state.preview(&named, Timestamp(NOW));
    assert!(again.repeats.is_some() && again.does.is_none() && again.breaks.is_empty());
    let other = NewOrder { entry: Entry::BuyNo, ..named };
    exchange.breaks(&other, &[Rejection::ClientIdReused]);
}

#[test]
fn the_queue_of_another_accounts_order_is_not_shown() {
    let mut exchange = Exchange::new();
    exchange.place(1, Entry::BuyYes, 5_000, 5);
    exchange.place(2, Entry::BuyYes, 5_000, 6);
    let count = || QueueCount::of_at_most(usize::MAX);
    let place = |account, page| exchange.state.queued_orders(AccountId(account), None, page, &mut count());
    let first = schemas::OrderId(0);
    let [own] = place(2, (first, 10))[..] else { panic!("one order") };
    assert_eq!((own.ahead.contracts, own.ahead.orders, own.ahead.and_more), (5, 1, false));
    assert_eq!(exchange.state.queued_order(AccountId(1), own.order, &mut count()), None);
    assert_eq!(exchange.state.queued_order(AccountId(2), own.order, &mut count()), Some(own));
    assert!(place(2, (own.order, 10)).is_empty() && place(3, (first, 10)).is_empty());
}
