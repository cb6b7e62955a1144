//! Changing live orders.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_smaller_quantity_keeps_the_queue_priority() {
    check(
        "deposit a 10
         deposit b 10
         deposit t 10
         a buy no 5 @ 0.5
         b buy no 5 @ 0.5
         a amend #1 quantity 2
         t buy yes 3 @ 0.5",
        expect![[r#"
            > a buy no 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy no 5 @ 0.5
                order #2 ACTIVE 0/5
            > a amend #1 quantity 2
                order #1 amended: ACTIVE 0/2 @ 0.5000 in its place
            > t buy yes 3 @ 0.5
                order #3 FILLED 3/3
                trade 2 @ 0.5000 MINT t with a
                trade 1 @ 0.5000 MINT t with b
            a: 9.000000 + 0.000000 held, 2 NO
            b: 7.430000 + 2.070000 held, 1 NO
            t: 8.500000 + 0.000000 held, 3 YES
            ASK 4 @ 0.5000 BUY_NO b
            collateral 3.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_larger_quantity_or_a_new_price_loses_the_queue_priority() {
    check(
        "deposit a 10
         deposit b 10
         deposit t 10
         a buy no 2 @ 0.5
         b buy no 2 @ 0.5
         a amend #1 quantity 3
         t buy yes 3 @ 0.5
         a amend #1 price 0.6
         b buy no 1 @ 0.6",
        expect![[r#"
            > a buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > b buy no 2 @ 0.5
                order #2 ACTIVE 0/2
            > a amend #1 quantity 3
                order #1 amended: ACTIVE 0/3 @ 0.5000 at the end of its queue
            > t buy yes 3 @ 0.5
                order #3 FILLED 3/3
                trade 2 @ 0.5000 MINT t with b
                trade 1 @ 0.5000 MINT t with a
            > a amend #1 price 0.6
                order #1 amended: PARTIALLY_FILLED 1/3 @ 0.4000 at the end of its queue
            > b buy no 1 @ 0.6
                order #4 ACTIVE 0/1
            a: 8.266400 + 1.233600 held, 1 NO
            b: 8.383200 + 0.616800 held, 2 NO
            t: 8.500000 + 0.000000 held, 3 YES
            ASK 2 @ 0.4000 BUY_NO a
            ASK 1 @ 0.4000 BUY_NO b
            collateral 3.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amended_quantity_includes_filled_contracts() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 5 @ 0.5
         t buy yes 2 @ 0.5
         a amend #1 quantity 2
         a amend #1 quantity 3
         a amend #1 quantity 6 price 0.4",
        expect![[r#"
            > a buy no 5 @ 0.5
                order #1 ACTIVE 0/5
            > t buy yes 2 @ 0.5
                order #2 FILLED 2/2
                trade 2 @ 0.5000 MINT t with a
            > a amend #1 quantity 2
                refused: quantity-filled
            > a amend #1 quantity 3
                order #1 amended: PARTIALLY_FILLED 2/3 @ 0.5000 in its place
            > a amend #1 quantity 6 price 0.4
                order #1 amended: PARTIALLY_FILLED 2/6 @ 0.6000 at the end of its queue
            a: 7.332800 + 1.667200 held, 2 NO
            t: 9.000000 + 0.000000 held, 2 YES
            ASK 4 @ 0.6000 BUY_NO a
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amendment_that_crosses_matches_at_the_makers_price() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 5 @ 0.5
         t buy yes 8 @ 0.3
         t amend #2 price 0.9",
        expect![[r#"
            > a buy no 5 @ 0.5
                order #1 ACTIVE 0/5
            > t buy yes 8 @ 0.3
                order #2 ACTIVE 0/8
            > t amend #2 price 0.9
                order #2 amended: PARTIALLY_FILLED 5/8 @ 0.9000 at the end of its queue
                trade 5 @ 0.5000 MINT t with a
            a: 7.500000 + 0.000000 held, 5 NO
            t: 4.781100 + 2.718900 held, 5 YES
            BID 3 @ 0.9000 BUY_YES t
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amendment_that_fails_leaves_the_order_as_it_was() {
    check(
        "market tick 100 maker 0 taker 0
         deposit a 3
         deposit b 10
         a buy yes 5 @ 0.5
         b buy yes 1 @ 0.5
         b amend #1 quantity 1
         a amend #1 price 0.7
         a amend #1 quantity 6
         a amend #1
         a amend #1 price 0.5 quantity 5
         a amend #1 price 0.505
         a amend #1 quantity 0
         a amend #9 quantity 1",
        expect![[r#"
            > a buy yes 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy yes 1 @ 0.5
                order #2 ACTIVE 0/1
            > b amend #1 quantity 1
                refused: order-unknown
            > a amend #1 price 0.7
                refused: funds-insufficient
            > a amend #1 quantity 6
                refused: funds-insufficient
            > a amend #1
                refused: amendment-empty
            > a amend #1 price 0.5 quantity 5
                refused: amendment-empty
            > a amend #1 price 0.505
                refused: price-off-tick
            > a amend #1 quantity 0
                refused: quantity-filled
            > a amend #9 quantity 1
                refused: order-unknown
            a: 0.412500 + 2.587500 held
            b: 9.482500 + 0.517500 held
            BID 5 @ 0.5000 BUY_YES a
            BID 1 @ 0.5000 BUY_YES b
        "#]],
    );
}

#[test]
fn an_amendment_uses_the_credits_that_its_order_holds() {
    check(
        "deposit a 5.2
         a buy yes 10 @ 0.5
         a amend #1 quantity 19 price 0.25
         a amend #1 quantity 10 price 0.5",
        expect![[r#"
            > a buy yes 10 @ 0.5
                order #1 ACTIVE 0/10
            > a amend #1 quantity 19 price 0.25
                order #1 amended: ACTIVE 0/19 @ 0.2500 at the end of its queue
            > a amend #1 quantity 10 price 0.5
                order #1 amended: ACTIVE 0/10 @ 0.5000 at the end of its queue
            a: 0.025000 + 5.175000 held
            BID 10 @ 0.5000 BUY_YES a
        "#]],
    );
}

#[test]
fn an_amended_sell_reserves_what_it_now_needs() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 5 @ 0.5
         b buy no 5 @ 0.5
         a sell yes 3 @ 0.9
         a amend #3 quantity 6
         a amend #3 quantity 5
         a amend #3 price 0.8 quantity 4",
        expect![[r#"
            > a buy yes 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy no 5 @ 0.5
                order #2 FILLED 5/5
                trade 5 @ 0.5000 MINT b with a
            > a sell yes 3 @ 0.9
                order #3 ACTIVE 0/3
            > a amend #3 quantity 6
                refused: position-insufficient
            > a amend #3 quantity 5
                order #3 amended: ACTIVE 0/5 @ 0.9000 at the end of its queue
            > a amend #3 price 0.8 quantity 4
                order #3 amended: ACTIVE 0/4 @ 0.8000 at the end of its queue
            a: 7.500000 + 0.000000 held, 5 YES (4 reserved)
            b: 7.500000 + 0.000000 held, 5 NO
            ASK 4 @ 0.8000 SELL_YES a
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amended_post_only_order_stays_post_only() {
    check(
        "deposit a 10
         deposit t 10
         a buy no 5 @ 0.5
         t buy yes 2 @ 0.4 post
         t buy yes 2 @ 0.4 reprice
         t amend #2 price 0.6
         t amend #3 price 0.6",
        expect![[r#"
            > a buy no 5 @ 0.5
                order #1 ACTIVE 0/5
            > t buy yes 2 @ 0.4 post
                order #2 ACTIVE 0/2
            > t buy yes 2 @ 0.4 reprice
                order #3 ACTIVE 0/2
            > t amend #2 price 0.6
                refused: post-only-would-take
            > t amend #3 price 0.6
                order #3 amended: ACTIVE 0/2 @ 0.4999 at the end of its queue
            a: 7.412500 + 2.587500 held
            t: 8.131600 + 1.868400 held
            BID 2 @ 0.4999 BUY_YES t
            BID 2 @ 0.4000 BUY_YES t
            ASK 5 @ 0.5000 BUY_NO a
        "#]],
    );
}

#[test]
fn an_amended_order_meets_its_own_account() {
    check(
        "deposit a 10
         a buy no 5 @ 0.5
         a buy yes 2 @ 0.4
         a amend #2 price 0.5",
        expect![[r#"
            > a buy no 5 @ 0.5
                order #1 ACTIVE 0/5
            > a buy yes 2 @ 0.4
                order #2 ACTIVE 0/2
            > a amend #2 price 0.5
                order #2 amended: CANCELLED 0/2 @ 0.5000 at the end of its queue SELF_TRADE
            a: 7.412500 + 2.587500 held
            ASK 5 @ 0.5000 BUY_NO a
        "#]],
    );
}
