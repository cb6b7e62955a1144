//! What the law says, case by case. Names follow `docs/invariants.md` and the list of what books get wrong.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod scenario;

use expect_test::expect;
use scenario::{Scenario, check, quantity_of};
use schemas::{
    AccountId, ApiKey, ApiKeyId, Command, Credits, Entry, Event, FeeRate, NewOrder, Price, Scopes, Terms, TimeInForce,
    Transition,
};

#[test]
fn two_buyers_mint_a_pair() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            alice: 4.000000 + 0.000000 held, 10 YES
            bob: 6.000000 + 0.000000 held, 10 NO
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn two_sellers_burn_a_pair() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         bob sell no 4 @ 0.45
         alice sell yes 4 @ 0.5",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > bob sell no 4 @ 0.45
                order #3 ACTIVE 0/4
            > alice sell yes 4 @ 0.5
                order #4 FILLED 4/4
                trade 4 @ 0.5500 BURN alice with bob
            alice: 6.200000 + 0.000000 held, 6 YES
            bob: 7.800000 + 0.000000 held, 6 NO
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn contracts_move_between_buyer_and_seller() {
    check(
        "deposit alice 10
         deposit bob 10
         deposit carol 10
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         carol buy yes 3 @ 0.7
         alice sell yes 3 @ 0.65
         carol buy no 2 @ 0.5
         bob sell no 2 @ 0.5",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > carol buy yes 3 @ 0.7
                order #3 ACTIVE 0/3
            > alice sell yes 3 @ 0.65
                order #4 FILLED 3/3
                trade 3 @ 0.7000 TRANSFER_YES alice with carol
            > carol buy no 2 @ 0.5
                order #5 ACTIVE 0/2
            > bob sell no 2 @ 0.5
                order #6 FILLED 2/2
                trade 2 @ 0.5000 TRANSFER_NO bob with carol
                carol redeems 2 pairs
            alice: 6.100000 + 0.000000 held, 7 YES
            bob: 7.000000 + 0.000000 held, 8 NO
            carol: 8.900000 + 0.000000 held, 1 YES
            collateral 8.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_trade_prints_at_the_makers_price_and_the_improvement_is_released() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 5 @ 0.3
         bob buy no 5 @ 0.9",
        expect![[r#"
            > alice buy yes 5 @ 0.3
                order #1 ACTIVE 0/5
            > bob buy no 5 @ 0.9
                order #2 FILLED 5/5
                trade 5 @ 0.3000 MINT bob with alice
            alice: 8.500000 + 0.000000 held, 5 YES
            bob: 6.500000 + 0.000000 held, 5 NO
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_sweep_takes_best_prices_first_then_first_come_and_the_rest_rests_at_its_limit() {
    check(
        "deposit a 10
         deposit b 10
         deposit c 10
         deposit t 20
         a buy no 2 @ 0.45
         b buy no 2 @ 0.5
         c buy no 2 @ 0.5
         a buy no 2 @ 0.4
         t buy yes 10 @ 0.55",
        expect![[r#"
            > a buy no 2 @ 0.45
                order #1 ACTIVE 0/2
            > b buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > c buy no 2 @ 0.5
                order #3 ACTIVE 0/2
            > a buy no 2 @ 0.4
                order #4 ACTIVE 0/2
            > t buy yes 10 @ 0.55
                order #5 PARTIALLY_FILLED 6/10
                trade 2 @ 0.5000 MINT t with b
                trade 2 @ 0.5000 MINT t with c
                trade 2 @ 0.5500 MINT t with a
            a: 8.266400 + 0.833600 held, 2 NO
            b: 9.000000 + 0.000000 held, 2 NO
            c: 9.000000 + 0.000000 held, 2 NO
            t: 14.630700 + 2.269300 held, 6 YES
            BID 4 @ 0.5500 BUY_YES t
            ASK 2 @ 0.6000 BUY_NO a
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_ioc_never_rests() {
    check(
        "deposit a 10
         deposit t 10
         t buy yes 5 @ 0.5 ioc
         a buy no 2 @ 0.5
         t buy yes 5 @ 0.5 ioc",
        expect![[r#"
            > t buy yes 5 @ 0.5 ioc
                order #1 CANCELLED 0/5
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > t buy yes 5 @ 0.5 ioc
                order #3 CANCELLED 2/5
                trade 2 @ 0.5000 MINT t with a
            a: 9.000000 + 0.000000 held, 2 NO
            t: 9.000000 + 0.000000 held, 2 YES
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_buys_what_it_can_with_fees_and_gives_the_rest_back() {
    check(
        "market tick 1 maker 0 taker 70000
         deposit a 10
         deposit t 10
         a buy no 3 @ 0.6
         a buy no 100 @ 0.05
         t buy yes budget 2",
        expect![[r#"
            > a buy no 3 @ 0.6
                order #1 ACTIVE 0/3
            > a buy no 100 @ 0.05
                order #2 ACTIVE 0/100
            > t buy yes budget 2
                order #3 FILLED 3/3
                trade 3 @ 0.4000 MINT t with a
            a: 2.867500 + 5.332500 held, 3 NO
            t: 8.749600 + 0.000000 held, 3 YES
            ASK 100 @ 0.9500 BUY_NO a
            collateral 3.000000, fees 0.050400
        "#]],
    );
}

#[test]
fn a_market_order_sells_what_finds_a_buyer() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 5 @ 0.5
         b buy no 5 @ 0.5
         b buy yes 2 @ 0.01
         a sell yes 5 @ market",
        expect![[r#"
            > a buy yes 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy no 5 @ 0.5
                order #2 FILLED 5/5
                trade 5 @ 0.5000 MINT b with a
            > b buy yes 2 @ 0.01
                order #3 ACTIVE 0/2
            > a sell yes 5 @ market
                order #4 CANCELLED 2/5
                trade 2 @ 0.0100 TRANSFER_YES a with b
                b redeems 2 pairs
            a: 7.520000 + 0.000000 held, 3 YES
            b: 9.480000 + 0.000000 held, 3 NO
            collateral 3.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn opposite_contracts_of_one_account_are_redeemed_at_once() {
    check(
        "deposit alice 10
         deposit bob 20
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         bob buy yes 4 @ 0.7
         alice buy no 4 @ 0.3",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > bob buy yes 4 @ 0.7
                order #3 ACTIVE 0/4
            > alice buy no 4 @ 0.3
                order #4 FILLED 4/4
                trade 4 @ 0.7000 MINT alice with bob
                alice redeems 4 pairs
                bob redeems 4 pairs
            alice: 6.800000 + 0.000000 held, 6 YES
            bob: 17.200000 + 0.000000 held, 6 NO
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn reserved_contracts_wait_for_their_order_before_they_are_redeemed() {
    check(
        "deposit alice 10
         deposit bob 20
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         alice sell yes 10 @ 0.9
         alice buy no 4 @ 0.3
         bob sell no 4 @ 0.3
         alice cancel #3",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > alice sell yes 10 @ 0.9
                order #3 ACTIVE 0/10
            > alice buy no 4 @ 0.3
                order #4 ACTIVE 0/4
            > bob sell no 4 @ 0.3
                order #5 FILLED 4/4
                trade 4 @ 0.7000 TRANSFER_NO bob with alice
            > alice cancel #3
                cancelled 10 of alice: REQUESTED
                alice redeems 4 pairs
            alice: 6.800000 + 0.000000 held, 6 YES
            bob: 17.200000 + 0.000000 held, 6 NO
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn fees_are_held_at_their_worst_and_collected_once_a_fill() {
    check(
        "market tick 1 maker 35000 taker 70000
         deposit alice 10
         deposit bob 10
         alice buy yes 3 @ 0.5
         bob buy no 1 @ 0.5",
        expect![[r#"
            > alice buy yes 3 @ 0.5
                order #1 ACTIVE 0/3
            > bob buy no 1 @ 0.5
                order #2 FILLED 1/1
                trade 1 @ 0.5000 MINT bob with alice
            alice: 8.456250 + 1.035000 held, 1 YES
            bob: 9.482500 + 0.000000 held, 1 NO
            BID 2 @ 0.5000 BUY_YES alice
            collateral 1.000000, fees 0.026250
        "#]],
    );
}

#[test]
fn an_account_may_meet_itself() {
    check(
        "deposit alice 10
         alice buy yes 4 @ 0.5
         alice buy no 4 @ 0.5",
        expect![[r#"
            > alice buy yes 4 @ 0.5
                order #1 ACTIVE 0/4
            > alice buy no 4 @ 0.5
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT alice with alice
                alice redeems 4 pairs
            alice: 10.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn refusals_change_nothing() {
    check(
        "market tick 100 maker 0 taker 0
         deposit alice 1
         deposit bob 1
         alice buy yes 0 @ 0.5
         alice buy yes 3 @ 0.5
         alice buy yes 1 @ 0.505
         alice sell yes 1 @ 0.5
         alice sell yes budget 1
         alice buy yes 1 @ 0.5
         bob cancel #1
         alice cancel #1
         alice cancel #1
         alice cancel #7
         pause
         pause
         alice buy yes 1 @ 0.5
         resume
         resolve yes",
        expect![[r#"
            > alice buy yes 0 @ 0.5
                refused: quantity-is-zero
            > alice buy yes 3 @ 0.5
                refused: funds-insufficient
            > alice buy yes 1 @ 0.505
                refused: price-off-tick
            > alice sell yes 1 @ 0.5
                refused: position-insufficient
            > alice sell yes budget 1
                refused: budget-on-sell
            > alice buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > bob cancel #1
                refused: order-unknown
            > alice cancel #1
                cancelled 1 of alice: REQUESTED
            > alice cancel #1
                refused: order-unknown
            > alice cancel #7
                refused: order-unknown
            > pause
                market PAUSED
            > pause
                refused: transition-invalid
            > alice buy yes 1 @ 0.5
                refused: market-not-open
            > resume
                market OPEN
            > resolve yes
                refused: transition-invalid
            alice: 1.000000 + 0.000000 held
            bob: 1.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_pause_keeps_orders_and_their_places_and_lets_them_be_cancelled() {
    check(
        "deposit alice 10
         alice buy yes 1 @ 0.5
         alice buy yes 2 @ 0.5
         pause
         alice cancel #1
         resume",
        expect![[r#"
            > alice buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > alice buy yes 2 @ 0.5
                order #2 ACTIVE 0/2
            > pause
                market PAUSED
            > alice cancel #1
                cancelled 1 of alice: REQUESTED
            > resume
                market OPEN
            alice: 8.965000 + 1.035000 held
            BID 2 @ 0.5000 BUY_YES alice
        "#]],
    );
}

#[test]
fn a_close_cancels_orders_and_a_resolution_pays_once() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         alice sell yes 5 @ 0.9
         bob buy yes 1 @ 0.2
         close
         resolve yes
         resolve no
         void",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > alice sell yes 5 @ 0.9
                order #3 ACTIVE 0/5
            > bob buy yes 1 @ 0.2
                order #4 ACTIVE 0/1
            > close
                market CLOSED
                cancelled 1 of bob: MARKET_ENDED
                cancelled 5 of alice: MARKET_ENDED
            > resolve yes
                market RESOLVED
                alice is paid 10.000000 for 10 YES, 0 NO
                bob is paid 0.000000 for 0 YES, 10 NO
                market settled
            > resolve no
                refused: transition-invalid
            > void
                refused: transition-invalid
            alice: 14.000000 + 0.000000 held
            bob: 6.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_void_pays_half_for_every_contract() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 5 @ 0.6
         bob buy no 5 @ 0.4
         alice sell yes 5 @ 0.9
         void",
        expect![[r#"
            > alice buy yes 5 @ 0.6
                order #1 ACTIVE 0/5
            > bob buy no 5 @ 0.4
                order #2 FILLED 5/5
                trade 5 @ 0.6000 MINT bob with alice
            > alice sell yes 5 @ 0.9
                order #3 ACTIVE 0/5
            > void
                market VOIDED
                cancelled 5 of alice: MARKET_ENDED
                alice is paid 2.500000 for 5 YES, 0 NO
                bob is paid 2.500000 for 0 YES, 5 NO
                market settled
            alice: 9.500000 + 0.000000 held
            bob: 10.500000 + 0.000000 held
        "#]],
    );
}

#[test]
fn prices_at_both_ends_of_the_domain_trade() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 1 @ 0.0001
         bob buy no 1 @ 0.9999
         alice buy yes 1 @ 0.9999
         bob buy no 1 @ 0.0001",
        expect![[r#"
            > alice buy yes 1 @ 0.0001
                order #1 ACTIVE 0/1
            > bob buy no 1 @ 0.9999
                order #2 FILLED 1/1
                trade 1 @ 0.0001 MINT bob with alice
            > alice buy yes 1 @ 0.9999
                order #3 ACTIVE 0/1
            > bob buy no 1 @ 0.0001
                order #4 FILLED 1/1
                trade 1 @ 0.9999 MINT bob with alice
            alice: 9.000000 + 0.000000 held, 2 YES
            bob: 9.000000 + 0.000000 held, 2 NO
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

fn order(account: AccountId, scenario: &mut Scenario, entry: Entry, quantity: &str, ticks: u16) -> Command {
    let (price, quantity) = (Price::new(ticks).unwrap(), quantity_of(quantity));
    let terms = Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc };
    Command::PlaceOrder(NewOrder {
        account,
        market: scenario.market(),
        entry,
        terms,
        fee_rate: FeeRate::ZERO,
        client_id: None,
    })
}

#[test]
fn one_order_fills_5000_resting_orders_in_their_order() {
    let mut scenario = Scenario::new();
    let (makers, taker) = (scenario.account("makers"), scenario.account("taker"));
    for account in [makers, taker] {
        scenario.handle(&Command::Deposit { account, amount: Credits::whole(5_000), client_id: None });
    }
    let mut resting = Vec::new();
    for _ in 0..5_000 {
        let command = order(makers, &mut scenario, Entry::BuyNo, "1", 5_000);
        for event in scenario.handle(&command) {
            if let Event::OrderPlaced(placed) = event {
                resting.push(placed.id);
            }
        }
    }
    let command = order(taker, &mut scenario, Entry::BuyYes, "5000", 5_000);
    let filled: Vec<_> = scenario
        .handle(&command)
        .iter()
        .filter_map(|event| match event {
            Event::Traded(trade) => Some(trade.maker.order),
            _ => None,
        })
        .collect();
    assert_eq!(filled, resting);
}

#[test]
fn a_market_with_many_holders_pays_each_once_in_slices() {
    const HOLDERS: u64 = 2_500;
    let mut scenario = Scenario::new();
    let market = scenario.market();
    let house = scenario.account("house");
    scenario.handle(&Command::Deposit { account: house, amount: Credits::whole(10_000), client_id: None });
    for account in (100..100 + HOLDERS).map(AccountId) {
        let key = ApiKey { id: ApiKeyId(account.0), hash: [0; 32], scopes: Scopes::READ };
        scenario.handle(&Command::OpenAccount { account, key });
        scenario.handle(&Command::Deposit { account, amount: Credits::whole(1), client_id: None });
        for (who, entry) in [(account, Entry::BuyYes), (house, Entry::BuyNo)] {
            let command = order(who, &mut scenario, entry, "1", 5_000);
            scenario.handle(&command);
        }
    }
    scenario.handle(&Command::ChangeMarket { market, transition: Transition::Close });
    let yes_value = schemas::market::YesValue::YES;
    let mut events = scenario.handle(&Command::ChangeMarket { market, transition: Transition::Resolve { yes_value } });
    let mut slices = 1;
    while scenario.state.next_due().is_some() {
        let slice = scenario.handle(&Command::AdvanceTime);
        assert!(slice.len() <= 2 * schemas::limits::SWEEP_MAX + 1, "a slice of {} events", slice.len());
        events.extend(slice);
        slices += 1;
        assert!(slices < 10, "the payout does not end");
    }
    let paid = events.iter().filter(|event| matches!(event, Event::PaidOut { .. })).count() as u64;
    assert_eq!((paid, slices), (HOLDERS + 1, 3));
    assert!(matches!(events.iter().rfind(|e| !matches!(e, Event::Settled(_))), Some(Event::MarketSettled { .. })));
    for account in (100..100 + HOLDERS).map(AccountId) {
        assert_eq!(scenario.state.account(account).unwrap().available, Credits(1_500_000));
    }
    assert_eq!(scenario.state.market(market).unwrap().collateral, Credits::ZERO);
}

#[test]
fn a_market_closes_by_itself_at_its_expiry() {
    let mut scenario = Scenario::new();
    let alice = scenario.account("alice");
    scenario.handle(&Command::Deposit { account: alice, amount: Credits::whole(1), client_id: None });
    let command = order(alice, &mut scenario, Entry::BuyYes, "1", 5_000);
    scenario.handle(&command);
    assert_eq!(scenario.state.next_due(), Some(schemas::Timestamp(1_000_000)));
    let market = scenario.market();
    let place = engine_core::Place {
        cause: schemas::Cause { offset: 1_000, id: schemas::CommandId(1) },
        time: schemas::Timestamp(1_000_000),
    };
    let mut events = Vec::new();
    // The clock of the log decides, not the timer: an order in the same millisecond is too late.
    scenario.state.handle(place, &order_at(alice, market), &mut events);
    assert!(matches!(events[1], Event::OrderRejected { code: schemas::Rejection::MarketNotOpen, .. }), "{events:?}");
    events.clear();
    scenario.state.handle(place, &Command::AdvanceTime, &mut events);
    assert!(matches!(events[0], Event::MarketChanged { state: schemas::MarketState::Closed, .. }));
    assert!(matches!(events[1], Event::OrderCancelled { .. }));
    assert_eq!(scenario.state.account(alice).unwrap().available, Credits::whole(1));
    assert_eq!(scenario.state.next_due(), None);
}

fn order_at(account: AccountId, market: schemas::MarketId) -> Command {
    let terms =
        Terms::Limit { price: Price::new(100).unwrap(), quantity: quantity_of("1"), time_in_force: TimeInForce::Gtc };
    let (entry, fee_rate) = (Entry::BuyYes, FeeRate::ZERO);
    Command::PlaceOrder(NewOrder { account, market, entry, terms, fee_rate, client_id: None })
}

#[test]
fn deposits_beyond_what_a_wallet_or_a_shard_may_have_are_refused() {
    use schemas::limits::{AMOUNT_MAX, SHARD_CREDITS_MAX, WALLET_MAX};
    let mut scenario = Scenario::new();
    let mut deposit = |name: &str| {
        let account = scenario.account(name);
        scenario.handle(&Command::Deposit { account, amount: Credits(AMOUNT_MAX), client_id: None })[0].clone()
    };
    let refused = Event::Rejected { code: schemas::Rejection::WalletLimit };
    let wallets = SHARD_CREDITS_MAX / WALLET_MAX;
    for wallet in 0..wallets {
        for _ in 0..WALLET_MAX / AMOUNT_MAX {
            assert!(matches!(deposit(&wallet.to_string()), Event::Deposited { .. }));
        }
        assert_eq!(deposit(&wallet.to_string()), refused);
    }
    assert_eq!(deposit("one more"), refused);
}
