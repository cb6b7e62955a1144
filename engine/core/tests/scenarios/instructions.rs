//! Options of an order besides its price and quantity.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_fill_or_kill_fills_whole_or_leaves_no_trace() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 3 @ 0.5
         a buy no 3 @ 0.4
         t buy yes 7 @ 0.6 fok
         t buy yes 6 @ 0.5 fok
         t buy yes 6 @ 0.6 fok",
        expect![[r#"
            > a buy no 3 @ 0.5
                order #1 ACTIVE 0/3
            > a buy no 3 @ 0.4
                order #2 ACTIVE 0/3
            > t buy yes 7 @ 0.6 fok
                order #3 CANCELLED 0/7 TIME_IN_FORCE
            > t buy yes 6 @ 0.5 fok
                order #4 CANCELLED 0/6 TIME_IN_FORCE
            > t buy yes 6 @ 0.6 fok
                order #5 FILLED 6/6
                trade 3 @ 0.5000 MINT t with a
                trade 3 @ 0.6000 MINT t with a
            a: 7.300000 + 0.000000 held, 6 NO
            t: 6.700000 + 0.000000 held, 6 YES
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_post_only_order_never_takes() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 3 @ 0.5
         t buy yes 2 @ 0.5 post
         t buy yes 2 @ 0.4999 post
         t buy yes 2 @ 0.7 reprice
         a buy no 1 @ 0.9 reprice
         t buy yes 1 @ 0.5 ioc post",
        expect![[r#"
            > a buy no 3 @ 0.5
                order #1 ACTIVE 0/3
            > t buy yes 2 @ 0.5 post
                refused: post-only-would-take
            > t buy yes 2 @ 0.4999 post
                order #2 ACTIVE 0/2
            > t buy yes 2 @ 0.7 reprice
                order #3 ACTIVE 0/2 moved to 0.4999
            > a buy no 1 @ 0.9 reprice
                order #4 ACTIVE 0/1 moved to 0.5000
            > t buy yes 1 @ 0.5 ioc post
                refused: post-only-immediate
            a: 7.930000 + 2.070000 held
            t: 7.930400 + 2.069600 held
            BID 2 @ 0.4999 BUY_YES t
            BID 2 @ 0.4999 BUY_YES t
            ASK 3 @ 0.5000 BUY_NO a
            ASK 1 @ 0.5000 BUY_NO a
        "#]],
    );
}

#[test]
fn a_post_only_order_with_no_price_left_is_refused() {
    check(
        "market tick 5000 maker 0 taker 0
         deposit a 10
         deposit t 10
         a buy no 1 @ 0.5
         t buy yes 1 @ 0.5 reprice",
        expect![[r#"
            > a buy no 1 @ 0.5
                order #1 ACTIVE 0/1
            > t buy yes 1 @ 0.5 reprice
                refused: post-only-would-take
            a: 9.482500 + 0.517500 held
            t: 10.000000 + 0.000000 held
            ASK 1 @ 0.5000 BUY_NO a
        "#]],
    );
}

#[test]
fn an_order_good_till_a_date_expires_by_itself_and_never_trades_after() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 3 @ 0.5 gtd 1000
         a buy no 3 @ 0.5
         a buy no 1 @ 0.6 gtd 3
         wait 1000
         a cancel #1
         t buy yes 4 @ 0.5
         tick",
        expect![[r#"
            > a buy no 3 @ 0.5 gtd 1000
                order #1 ACTIVE 0/3
            > a buy no 3 @ 0.5
                order #2 ACTIVE 0/3
            > a buy no 1 @ 0.6 gtd 3
                refused: expiry-in-past
            > a cancel #1
                refused: order-expired
            > t buy yes 4 @ 0.5
                order #3 PARTIALLY_FILLED 3/4
                cancelled 3 of a: EXPIRED
                trade 3 @ 0.5000 MINT t with a
            > tick
            a: 8.500000 + 0.000000 held, 3 NO
            t: 7.982500 + 0.517500 held, 3 YES
            BID 1 @ 0.5000 BUY_YES t
            collateral 3.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_order_expires_without_meeting_another() {
    check(
        "deposit a 10
         a buy no 3 @ 0.5 gtd 1000
         tick
         wait 1000
         tick",
        expect![[r#"
            > a buy no 3 @ 0.5 gtd 1000
                order #1 ACTIVE 0/3
            > tick
            > tick
                cancelled 3 of a: EXPIRED
            a: 10.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn an_expired_order_does_not_block_a_post_only_order() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 3 @ 0.5 gtd 1000
         wait 1000
         t buy yes 2 @ 0.6 post",
        expect![[r#"
            > a buy no 3 @ 0.5 gtd 1000
                order #1 ACTIVE 0/3
            > t buy yes 2 @ 0.6 post
                order #2 ACTIVE 0/2
                cancelled 3 of a: EXPIRED
            a: 10.000000 + 0.000000 held
            t: 8.766400 + 1.233600 held
            BID 2 @ 0.6000 BUY_YES t
        "#]],
    );
}

#[test]
fn an_order_past_its_deadline_is_refused() {
    check(
        "deposit a 10
         wait 1000
         a buy yes 1 @ 0.5 deadline 900
         a buy yes 1 @ 0.5 deadline 2000",
        expect![[r#"
            > a buy yes 1 @ 0.5 deadline 900
                refused: deadline-passed
            > a buy yes 1 @ 0.5 deadline 2000
                order #1 ACTIVE 0/1
            a: 9.482500 + 0.517500 held
            BID 1 @ 0.5000 BUY_YES a
        "#]],
    );
}

#[test]
fn self_trade_cancels_the_newest() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 1 @ 0.5
         a buy no 2 @ 0.5
         b buy no 5 @ 0.5
         a buy yes 6 @ 0.5",
        expect![[r#"
            > b buy no 1 @ 0.5
                order #1 ACTIVE 0/1
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > b buy no 5 @ 0.5
                order #3 ACTIVE 0/5
            > a buy yes 6 @ 0.5
                order #4 CANCELLED 1/6 SELF_TRADE
                trade 1 @ 0.5000 MINT a with b
            a: 8.465000 + 1.035000 held, 1 YES
            b: 6.912500 + 2.587500 held, 1 NO
            ASK 2 @ 0.5000 BUY_NO a
            ASK 5 @ 0.5000 BUY_NO b
            collateral 1.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn self_trade_cancels_the_oldest() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 1 @ 0.5
         a buy no 2 @ 0.5
         b buy no 5 @ 0.5
         a buy yes 6 @ 0.5 stp cancel_oldest",
        expect![[r#"
            > b buy no 1 @ 0.5
                order #1 ACTIVE 0/1
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > b buy no 5 @ 0.5
                order #3 ACTIVE 0/5
            > a buy yes 6 @ 0.5 stp cancel_oldest
                order #4 FILLED 6/6
                trade 1 @ 0.5000 MINT a with b
                cancelled 2 of a: SELF_TRADE
                trade 5 @ 0.5000 MINT a with b
            a: 7.000000 + 0.000000 held, 6 YES
            b: 7.000000 + 0.000000 held, 6 NO
            collateral 6.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn self_trade_cancels_both() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 1 @ 0.5
         a buy no 2 @ 0.5
         b buy no 5 @ 0.5
         a buy yes 6 @ 0.5 stp cancel_both",
        expect![[r#"
            > b buy no 1 @ 0.5
                order #1 ACTIVE 0/1
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > b buy no 5 @ 0.5
                order #3 ACTIVE 0/5
            > a buy yes 6 @ 0.5 stp cancel_both
                order #4 CANCELLED 1/6 SELF_TRADE
                trade 1 @ 0.5000 MINT a with b
                cancelled 2 of a: SELF_TRADE
            a: 9.500000 + 0.000000 held, 1 YES
            b: 6.912500 + 2.587500 held, 1 NO
            ASK 5 @ 0.5000 BUY_NO b
            collateral 1.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn self_trade_decrements_both() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 1 @ 0.5
         a buy no 2 @ 0.5
         b buy no 1 @ 0.5
         a buy yes 9 @ 0.5 stp decrement
         b buy no 2 @ 0.6
         b buy yes 4 @ 0.5 stp decrement
         a buy no 3 @ 0.5 stp decrement
         a amend #5 quantity 8",
        expect![[r#"
            > b buy no 1 @ 0.5
                order #1 ACTIVE 0/1
            > a buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > b buy no 1 @ 0.5
                order #3 ACTIVE 0/1
            > a buy yes 9 @ 0.5 stp decrement
                order #4 PARTIALLY_FILLED 2/7
                trade 1 @ 0.5000 MINT a with b
                cancelled 2 of a: SELF_TRADE
                trade 1 @ 0.5000 MINT a with b
            > b buy no 2 @ 0.6
                order #5 FILLED 2/2
                trade 2 @ 0.5000 MINT b with a
            > b buy yes 4 @ 0.5 stp decrement
                order #6 ACTIVE 0/4
            > a buy no 3 @ 0.5 stp decrement
                order #7 CANCELLED 0/0 SELF_TRADE
                cancelled 3 of a: SELF_TRADE
            > a amend #5 quantity 8
                refused: order-unknown
            a: 8.000000 + 0.000000 held, 4 YES
            b: 5.930000 + 2.070000 held, 4 NO
            BID 4 @ 0.5000 BUY_YES b
            collateral 4.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_fill_or_kill_does_not_count_its_own_accounts_orders() {
    check(
        "deposit a 10
         deposit b 10
         a buy no 2 @ 0.5
         b buy no 2 @ 0.5
         a buy yes 3 @ 0.5 fok stp cancel_oldest
         a buy yes 2 @ 0.5 fok stp cancel_newest
         a buy yes 2 @ 0.5 fok stp cancel_oldest",
        expect![[r#"
            > a buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > b buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > a buy yes 3 @ 0.5 fok stp cancel_oldest
                order #3 CANCELLED 0/3 SELF_TRADE
            > a buy yes 2 @ 0.5 fok stp cancel_newest
                order #4 CANCELLED 0/2 SELF_TRADE
            > a buy yes 2 @ 0.5 fok stp cancel_oldest
                order #5 FILLED 2/2
                cancelled 2 of a: SELF_TRADE
                trade 2 @ 0.5000 MINT a with b
            a: 9.000000 + 0.000000 held, 2 YES
            b: 9.000000 + 0.000000 held, 2 NO
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_meets_its_own_accounts_orders() {
    check(
        "deposit a 10
         deposit b 20
         a buy no 2 @ 0.5
         b buy no 20 @ 0.5
         a buy yes budget 3 stp decrement",
        expect![[r#"
            > a buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > b buy no 20 @ 0.5
                order #2 ACTIVE 0/20
            > a buy yes budget 3 stp decrement
                order #3 FILLED 4/4
                cancelled 2 of a: SELF_TRADE
                trade 4 @ 0.5000 MINT a with b
            a: 8.000000 + 0.000000 held, 4 YES
            b: 9.720000 + 8.280000 held, 4 NO
            ASK 16 @ 0.5000 BUY_NO b
            collateral 4.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_that_loses_to_its_own_order_does_not_pass_over_it() {
    check(
        "market tick 1 maker 0 taker 70000
         deposit a 10
         deposit b 10
         a buy yes 7 @ 0.5
         b buy yes 1 @ 0.5
         a buy no budget 3.0175 stp decrement",
        expect![[r#"
            > a buy yes 7 @ 0.5
                order #1 ACTIVE 0/7
            > b buy yes 1 @ 0.5
                order #2 ACTIVE 0/1
            > a buy no budget 3.0175 stp decrement
                order #3 CANCELLED 0/0 SELF_TRADE
                order #1 loses 5: SELF_TRADE
            a: 8.965000 + 1.035000 held
            b: 9.482500 + 0.517500 held
            BID 2 @ 0.5000 BUY_YES a
            BID 1 @ 0.5000 BUY_YES b
        "#]],
    );
}

/// In one case there would be enough without the account's own orders; in the other there would
/// not.
#[test]
fn a_fill_or_kill_reports_if_only_own_orders_prevent_it() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 2 @ 0.5
         a buy no 2 @ 0.45
         a buy yes 4 @ 0.6 fok stp cancel_newest
         a buy yes 4 @ 0.6 fok stp cancel_oldest
         a buy yes 4 @ 0.6 fok stp cancel_both
         a buy yes 4 @ 0.6 fok stp decrement
         a buy yes 5 @ 0.6 fok
         a buy yes 5 @ 0.6 fok stp cancel_oldest
         a buy yes 4 @ 0.5 fok
         a buy yes 2 @ 0.6 fok
         b buy no 1 @ 0.4
         b buy no 1 @ 0.4
         a buy yes 2 @ 0.6 fok stp cancel_newest
         a buy yes 2 @ 0.6 fok stp cancel_oldest",
        expect![[r#"
            > b buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > a buy no 2 @ 0.45
                order #2 ACTIVE 0/2
            > a buy yes 4 @ 0.6 fok stp cancel_newest
                order #3 CANCELLED 0/4 SELF_TRADE
            > a buy yes 4 @ 0.6 fok stp cancel_oldest
                order #4 CANCELLED 0/4 SELF_TRADE
            > a buy yes 4 @ 0.6 fok stp cancel_both
                order #5 CANCELLED 0/4 SELF_TRADE
            > a buy yes 4 @ 0.6 fok stp decrement
                order #6 CANCELLED 0/4 SELF_TRADE
            > a buy yes 5 @ 0.6 fok
                order #7 CANCELLED 0/5 TIME_IN_FORCE
            > a buy yes 5 @ 0.6 fok stp cancel_oldest
                order #8 CANCELLED 0/5 TIME_IN_FORCE
            > a buy yes 4 @ 0.5 fok
                order #9 CANCELLED 0/4 TIME_IN_FORCE
            > a buy yes 2 @ 0.6 fok
                order #10 FILLED 2/2
                trade 2 @ 0.5000 MINT a with b
            > b buy no 1 @ 0.4
                order #11 ACTIVE 0/1
            > b buy no 1 @ 0.4
                order #12 ACTIVE 0/1
            > a buy yes 2 @ 0.6 fok stp cancel_newest
                order #13 CANCELLED 0/2 SELF_TRADE
            > a buy yes 2 @ 0.6 fok stp cancel_oldest
                order #14 FILLED 2/2
                cancelled 2 of a: SELF_TRADE
                trade 1 @ 0.6000 MINT a with b
                trade 1 @ 0.6000 MINT a with b
            a: 7.800000 + 0.000000 held, 4 YES
            b: 8.200000 + 0.000000 held, 4 NO
            collateral 4.000000, fees 0.000000
        "#]],
    );
}
