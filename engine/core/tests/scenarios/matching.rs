//! Matching of orders.

use expect_test::expect;
use schemas::{AdminId, Command, Credits, Entry, Event};

use crate::script::{Scenario, check, limit_order};

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
fn a_trade_is_at_the_makers_price_and_the_improvement_is_released() {
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
fn a_sweep_takes_the_best_price_then_the_oldest_and_rests_at_its_limit() {
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
                order #1 CANCELLED 0/5 TIME_IN_FORCE
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > t buy yes 5 @ 0.5 ioc
                order #3 CANCELLED 2/5 TIME_IN_FORCE
                trade 2 @ 0.5000 MINT t with a
            a: 9.000000 + 0.000000 held, 2 NO
            t: 9.000000 + 0.000000 held, 2 YES
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_buys_the_most_with_fees_and_releases_the_rest() {
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
fn a_market_order_sells_as_much_as_buyers_want() {
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
                order #4 CANCELLED 2/5 TIME_IN_FORCE
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
fn fees_are_held_at_their_maximum_and_collected_per_fill() {
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
fn an_account_may_trade_with_itself_if_it_allows_it() {
    check(
        "deposit alice 10
         alice buy yes 4 @ 0.5
         alice buy no 4 @ 0.5 stp allow",
        expect![[r#"
            > alice buy yes 4 @ 0.5
                order #1 ACTIVE 0/4
            > alice buy no 4 @ 0.5 stp allow
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT alice with alice
                alice redeems 4 pairs
            alice: 10.000000 + 0.000000 held
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

#[test]
fn one_order_fills_5000_resting_orders_in_their_order() {
    let mut scenario = Scenario::new();
    let market = scenario.market();
    let (makers, taker) = (scenario.account("makers"), scenario.account("taker"));
    for account in [makers, taker] {
        scenario.handle(&Command::Deposit { account, amount: Credits::whole(5_000), client_id: None, by: AdminId(1) });
    }
    let mut resting = Vec::new();
    for _ in 0..5_000 {
        let command = limit_order(makers, market, Entry::BuyNo, "1", 5_000);
        for event in scenario.handle(&command) {
            if let Event::OrderPlaced(placed) = event {
                resting.push(placed.id);
            }
        }
    }
    let command = limit_order(taker, market, Entry::BuyYes, "5000", 5_000);
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
