//! Credits and an account's limits.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_transfer_moves_credits() {
    check(
        "deposit a 10
         deposit b 1
         transfer a b 4
         transfer a b 7
         transfer a a 1
         transfer a b 0",
        expect![[r#"
            > transfer a b 4
                sent 4.000000
                b receives 4.000000
            > transfer a b 7
                refused: funds-insufficient
            > transfer a a 1
                refused: transfer-to-self
            > transfer a b 0
                refused: amount-out-of-range
            a: 6.000000 + 0.000000 held
            b: 5.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_frozen_account_only_cancels_and_receives() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 2 @ 0.4
         freeze a
         freeze a
         a buy yes 1 @ 0.4
         a amend #1 quantity 1
         transfer a b 1
         transfer b a 1
         a cancel #1
         unfreeze a
         a buy yes 1 @ 0.4",
        expect![[r#"
            > a buy yes 2 @ 0.4
                order #1 ACTIVE 0/2
            > freeze a
                AccountFrozen { account: AccountId(1), by: AdminId(1) }
            > freeze a
                AccountFrozen { account: AccountId(1), by: AdminId(1) }
            > a buy yes 1 @ 0.4
                refused: account-frozen
            > a amend #1 quantity 1
                refused: account-frozen
            > transfer a b 1
                refused: account-frozen
            > transfer b a 1
                sent 1.000000
                a receives 1.000000
            > a cancel #1
                cancelled 2 of a: REQUESTED
            > unfreeze a
                AccountUnfrozen { account: AccountId(1), by: AdminId(1) }
            > a buy yes 1 @ 0.4
                order #2 ACTIVE 0/1
            a: 10.583200 + 0.416800 held
            b: 9.000000 + 0.000000 held
            BID 1 @ 0.4000 BUY_YES a
        "#]],
    );
}

#[test]
fn an_account_is_limited_in_all_markets_together() {
    check(
        "deposit a 10
         limit a orders 2 held 1.5
         a buy yes 1 @ 0.9
         a buy yes 1 @ 0.8
         a buy yes 1 @ 0.4
         a buy yes 1 @ 0.1
         a cancel #1
         a amend #2 price 0.9
         a buy yes 1 @ 0.1",
        expect![[r#"
            > limit a orders 2 held 1.5
                AccountLimited { account: AccountId(1), limits: AccountLimits { live_orders: 2, held: Credits(1500000) }, by: AdminId(1) }
            > a buy yes 1 @ 0.9
                order #1 ACTIVE 0/1
            > a buy yes 1 @ 0.8
                refused: notional-limit
            > a buy yes 1 @ 0.4
                order #2 ACTIVE 0/1
            > a buy yes 1 @ 0.1
                refused: live-order-limit
            > a cancel #1
                cancelled 1 of a: REQUESTED
            > a amend #2 price 0.9
                order #2 amended: ACTIVE 0/1 @ 0.9000 at the end of its queue
            > a buy yes 1 @ 0.1
                order #3 ACTIVE 0/1
            a: 8.987400 + 1.012600 held
            BID 1 @ 0.9000 BUY_YES a
            BID 1 @ 0.1000 BUY_YES a
        "#]],
    );
}

#[test]
fn each_account_is_limited_in_a_market() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 1 @ 0.5
         limit market orders 2 notional 2 position 4
         a buy yes 1 @ 0.6
         a buy yes 1 @ 0.1
         a buy yes 2 @ 0.6 ioc
         a amend #1 quantity 2
         a amend #1 quantity 3
         a cancel #2
         b buy yes 5 @ 0.2
         b buy no 2 @ 0.5
         b buy no 2 @ 0.4
         b buy no 1 @ 0.1 ioc
         b buy yes budget 5",
        expect![[r#"
            > a buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > limit market orders 2 notional 2 position 4
                MarketLimited { market: MarketId(1234329560869061990), limits: MarketLimits { live_orders: 2, notional: Credits(2000000), position: 4 }, by: AdminId(1) }
            > a buy yes 1 @ 0.6
                order #2 ACTIVE 0/1
            > a buy yes 1 @ 0.1
                refused: live-order-limit
            > a buy yes 2 @ 0.6 ioc
                refused: notional-limit
            > a amend #1 quantity 2
                order #1 amended: ACTIVE 0/2 @ 0.5000 at the end of its queue
            > a amend #1 quantity 3
                refused: notional-limit
            > a cancel #2
                cancelled 1 of a: REQUESTED
            > b buy yes 5 @ 0.2
                refused: position-limit
            > b buy no 2 @ 0.5
                order #3 FILLED 2/2
                trade 2 @ 0.5000 MINT b with a
            > b buy no 2 @ 0.4
                order #4 ACTIVE 0/2
            > b buy no 1 @ 0.1 ioc
                refused: position-limit
            > b buy yes budget 5
                refused: notional-limit
            a: 9.000000 + 0.000000 held, 2 YES
            b: 8.166400 + 0.833600 held, 2 NO
            ASK 2 @ 0.6000 BUY_NO b
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_buys_no_more_than_the_position_limit() {
    check(
        "deposit a 10
         deposit b 10
         limit market orders 9 notional 9 position 4
         b buy no 4 @ 0.5
         a buy yes budget 5
         a buy yes budget 5",
        expect![[r#"
            > limit market orders 9 notional 9 position 4
                MarketLimited { market: MarketId(1234329560869061990), limits: MarketLimits { live_orders: 9, notional: Credits(9000000), position: 4 }, by: AdminId(1) }
            > b buy no 4 @ 0.5
                order #1 ACTIVE 0/4
            > a buy yes budget 5
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT a with b
            > a buy yes budget 5
                refused: position-limit
            a: 8.000000 + 0.000000 held, 4 YES
            b: 8.000000 + 0.000000 held, 4 NO
            collateral 4.000000, fees 0.000000
        "#]],
    );
}
