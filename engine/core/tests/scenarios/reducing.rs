//! Reduce-only orders. In all scenarios, `a` has bought YES from `m`, who has the NO.

use expect_test::expect;

use crate::script::check;

const BOUGHT: &str = "deposit a 100
     deposit m 100
     deposit t 100
     m buy no 10 @ 0.5
     a buy yes 10 @ 0.5";

#[track_caller]
fn check_from(script: &str, expected: expect_test::Expect) {
    // The events before are compared as well; they are the same each time.
    check(&format!("{BOUGHT}\n{script}"), expected);
}

#[test]
fn a_sell_is_cut_to_the_position_and_refused_without_one() {
    check_from(
        "a sell yes 15 @ 0.7 reducing
         a sell yes 1 @ 0.7 reducing
         a sell yes 1 @ 0.7
         m sell yes 1 @ 0.7 reducing
         t sell no 1 @ 0.7 reducing ioc",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a sell yes 15 @ 0.7 reducing
                order #3 ACTIVE 0/10 REDUCE_ONLY
            > a sell yes 1 @ 0.7 reducing
                refused: nothing-to-reduce
            > a sell yes 1 @ 0.7
                refused: position-insufficient
            > m sell yes 1 @ 0.7 reducing
                refused: nothing-to-reduce
            > t sell no 1 @ 0.7 reducing ioc
                refused: nothing-to-reduce
            a: 95.000000 + 0.000000 held, 10 YES (10 reserved)
            m: 95.000000 + 0.000000 held, 10 NO
            t: 100.000000 + 0.000000 held
            ASK 10 @ 0.7000 SELL_YES a
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_buy_of_the_other_contract_is_cut_to_the_position() {
    check_from(
        "a buy no 1000 @ 0.4 reducing
         a sell yes 5 @ 0.7 reducing
         t sell no 1 @ 0.4 ioc
         t buy yes 4 @ 0.6",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 1000 @ 0.4 reducing
                order #3 ACTIVE 0/10 REDUCE_ONLY
            > a sell yes 5 @ 0.7 reducing
                refused: nothing-to-reduce
            > t sell no 1 @ 0.4 ioc
                refused: position-insufficient
            > t buy yes 4 @ 0.6
                order #4 FILLED 4/4
                trade 4 @ 0.6000 MINT t with a
                a redeems 4 pairs
            a: 94.899200 + 2.500800 held, 6 YES
            m: 95.000000 + 0.000000 held, 10 NO
            t: 97.600000 + 0.000000 held, 4 YES
            ASK 6 @ 0.6000 BUY_NO a
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn contracts_beyond_the_position_are_cancelled_with_their_own_reason() {
    check_from(
        "t buy yes 20 @ 0.6
         a buy no 15 @ 0.4 reducing ioc
         a buy no 15 @ 0.4 reducing",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > t buy yes 20 @ 0.6
                order #3 ACTIVE 0/20
            > a buy no 15 @ 0.4 reducing ioc
                order #4 FILLED 10/10 REDUCE_ONLY
                trade 10 @ 0.6000 MINT a with t
                a redeems 10 pairs
            > a buy no 15 @ 0.4 reducing
                refused: nothing-to-reduce
            a: 101.000000 + 0.000000 held
            m: 95.000000 + 0.000000 held, 10 NO
            t: 87.832000 + 6.168000 held, 10 YES
            BID 10 @ 0.6000 BUY_YES t
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_fill_or_kill_for_more_than_is_held_is_killed() {
    check_from(
        "t buy yes 20 @ 0.6
         a buy no 15 @ 0.4 reducing fok
         a buy no 10 @ 0.4 reducing fok",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > t buy yes 20 @ 0.6
                order #3 ACTIVE 0/20
            > a buy no 15 @ 0.4 reducing fok
                order #4 CANCELLED 0/10 REDUCE_ONLY
            > a buy no 10 @ 0.4 reducing fok
                order #5 FILLED 10/10
                trade 10 @ 0.6000 MINT a with t
                a redeems 10 pairs
            a: 101.000000 + 0.000000 held
            m: 95.000000 + 0.000000 held, 10 NO
            t: 87.832000 + 6.168000 held, 10 YES
            BID 10 @ 0.6000 BUY_YES t
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_budget_buys_no_more_than_reduces() {
    check_from(
        "t buy yes 20 @ 0.6
         a buy no budget 50 reducing",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > t buy yes 20 @ 0.6
                order #3 ACTIVE 0/20
            > a buy no budget 50 reducing
                order #4 FILLED 10/10 REDUCE_ONLY
                trade 10 @ 0.6000 MINT a with t
                a redeems 10 pairs
            a: 101.000000 + 0.000000 held
            m: 95.000000 + 0.000000 held, 10 NO
            t: 87.832000 + 6.168000 held, 10 YES
            BID 10 @ 0.6000 BUY_YES t
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn the_youngest_order_shrinks_when_another_order_sells() {
    check_from(
        "a buy no 4 @ 0.4 reducing
         a buy no 4 @ 0.3 reducing
         t buy yes 5 @ 0.5
         a sell yes 5 @ 0.5
         a sell yes 3 @ 0.9
         a sell yes 2 @ 0.9",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 4 @ 0.4 reducing
                order #3 ACTIVE 0/4
            > a buy no 4 @ 0.3 reducing
                order #4 ACTIVE 0/4
            > t buy yes 5 @ 0.5
                order #5 ACTIVE 0/5
            > a sell yes 5 @ 0.5
                order #6 FILLED 5/5
                trade 5 @ 0.5000 TRANSFER_YES a with t
                order #4 loses 3: REDUCE_ONLY
            > a sell yes 3 @ 0.9
                order #7 ACTIVE 0/3
                cancelled 1 of a: REDUCE_ONLY
                order #3 loses 2: REDUCE_ONLY
            > a sell yes 2 @ 0.9
                order #8 ACTIVE 0/2
                cancelled 2 of a: REDUCE_ONLY
            a: 97.500000 + 0.000000 held, 5 YES (5 reserved)
            m: 95.000000 + 0.000000 held, 10 NO
            t: 97.500000 + 0.000000 held, 5 YES
            ASK 3 @ 0.9000 SELL_YES a
            ASK 2 @ 0.9000 SELL_YES a
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_order_shrinks_when_pairs_are_redeemed() {
    check_from(
        "a buy no 9 @ 0.4 reducing
         a buy no 3 @ 0.45
         t buy yes 3 @ 0.55
         t buy no 4 @ 0.5
         m sell no 4 @ 0.5
         a buy no 2 @ 0.45 ioc",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 9 @ 0.4 reducing
                order #3 ACTIVE 0/9
            > a buy no 3 @ 0.45
                order #4 ACTIVE 0/3
            > t buy yes 3 @ 0.55
                order #5 FILLED 3/3
                trade 3 @ 0.5500 MINT t with a
                a redeems 3 pairs
                order #3 loses 2: REDUCE_ONLY
            > t buy no 4 @ 0.5
                order #6 ACTIVE 0/4
            > m sell no 4 @ 0.5
                order #7 FILLED 4/4
                trade 4 @ 0.5000 TRANSFER_NO m with t
                t redeems 3 pairs
            > a buy no 2 @ 0.45 ioc
                order #8 CANCELLED 0/2 TIME_IN_FORCE
            a: 93.732400 + 2.917600 held, 7 YES
            m: 97.000000 + 0.000000 held, 6 NO
            t: 99.350000 + 0.000000 held, 1 NO
            ASK 7 @ 0.6000 BUY_NO a
            collateral 7.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_order_shrinks_when_a_sell_of_the_other_contract_ends() {
    check_from(
        "a sell yes 10 @ 0.9
         a buy no 4 @ 0.5
         t buy yes 4 @ 0.5
         a sell no 4 @ 0.8
         a cancel #3
         a buy no 8 @ 0.3 reducing
         a cancel #6
         a cancel #7",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a sell yes 10 @ 0.9
                order #3 ACTIVE 0/10
            > a buy no 4 @ 0.5
                order #4 ACTIVE 0/4
            > t buy yes 4 @ 0.5
                order #5 FILLED 4/4
                trade 4 @ 0.5000 MINT t with a
            > a sell no 4 @ 0.8
                order #6 ACTIVE 0/4
            > a cancel #3
                cancelled 10 of a: REQUESTED
            > a buy no 8 @ 0.3 reducing
                order #7 ACTIVE 0/8
            > a cancel #6
                cancelled 4 of a: REQUESTED
                a redeems 4 pairs
                order #7 loses 2: REDUCE_ONLY
            > a cancel #7
                cancelled 6 of a: REQUESTED
            a: 97.000000 + 0.000000 held, 6 YES
            m: 95.000000 + 0.000000 held, 10 NO
            t: 98.000000 + 0.000000 held, 4 YES
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_taker_of_both_orders_fills_at_most_the_position() {
    check_from(
        "a buy no 8 @ 0.4 reducing
         a buy no 6 @ 0.45
         t buy yes 30 @ 0.7",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 8 @ 0.4 reducing
                order #3 ACTIVE 0/8
            > a buy no 6 @ 0.45
                order #4 ACTIVE 0/6
            > t buy yes 30 @ 0.7
                order #5 PARTIALLY_FILLED 10/30
                trade 6 @ 0.5500 MINT t with a
                order #3 loses 4: REDUCE_ONLY
                trade 4 @ 0.6000 MINT t with a
                a redeems 10 pairs
            a: 100.700000 + 0.000000 held
            m: 95.000000 + 0.000000 held, 10 NO
            t: 80.006000 + 14.294000 held, 10 YES
            BID 20 @ 0.7000 BUY_YES t
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amendment_is_cut_like_an_order() {
    check_from(
        "a buy no 4 @ 0.4 reducing
         a buy no 4 @ 0.3 reducing
         a amend #3 quantity 9
         a amend #4 price 0.35
         a amend #4 quantity 1
         a sell yes 2 @ 0.9 reducing
         a amend #5 quantity 50",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 4 @ 0.4 reducing
                order #3 ACTIVE 0/4
            > a buy no 4 @ 0.3 reducing
                order #4 ACTIVE 0/4
            > a amend #3 quantity 9
                order #3 amended: ACTIVE 0/6 @ 0.6000 at the end of its queue REDUCE_ONLY
            > a amend #4 price 0.35
                order #4 amended: ACTIVE 0/4 @ 0.6500 at the end of its queue
            > a amend #4 quantity 1
                order #4 amended: ACTIVE 0/1 @ 0.6500 in its place
            > a sell yes 2 @ 0.9 reducing
                order #5 ACTIVE 0/2
            > a amend #5 quantity 50
                order #5 amended: ACTIVE 0/3 @ 0.9000 at the end of its queue REDUCE_ONLY
            a: 92.133275 + 2.866725 held, 10 YES (3 reserved)
            m: 95.000000 + 0.000000 held, 10 NO
            t: 100.000000 + 0.000000 held
            ASK 6 @ 0.6000 BUY_NO a
            ASK 1 @ 0.6500 BUY_NO a
            ASK 3 @ 0.9000 SELL_YES a
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_buy_that_ends_an_own_sell_has_less_to_reduce() {
    check_from(
        "a sell yes 10 @ 0.9
         a buy no 4 @ 0.5
         t buy yes 4 @ 0.5
         a sell no 4 @ 0.55
         a cancel #3
         t buy yes 20 @ 0.4
         a buy no 9 @ 0.6 reducing stp cancel_oldest",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a sell yes 10 @ 0.9
                order #3 ACTIVE 0/10
            > a buy no 4 @ 0.5
                order #4 ACTIVE 0/4
            > t buy yes 4 @ 0.5
                order #5 FILLED 4/4
                trade 4 @ 0.5000 MINT t with a
            > a sell no 4 @ 0.55
                order #6 ACTIVE 0/4
            > a cancel #3
                cancelled 10 of a: REQUESTED
            > t buy yes 20 @ 0.4
                order #7 ACTIVE 0/20
            > a buy no 9 @ 0.6 reducing stp cancel_oldest
                order #8 FILLED 6/6 REDUCE_ONLY
                cancelled 4 of a: SELF_TRADE
                trade 6 @ 0.4000 MINT a with t
                a redeems 10 pairs
            a: 99.400000 + 0.000000 held
            m: 95.000000 + 0.000000 held, 10 NO
            t: 89.764800 + 5.835200 held, 10 YES
            BID 14 @ 0.4000 BUY_YES t
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn orders_of_a_market_that_ends_do_not_shrink_first() {
    check_from(
        "a buy no 9 @ 0.4 reducing
         a sell yes 1 @ 0.9
         close
         tick
         resolve yes by 1
         confirm yes by 2
         tick
         tick",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a buy no 9 @ 0.4 reducing
                order #3 ACTIVE 0/9
            > a sell yes 1 @ 0.9
                order #4 ACTIVE 0/1
            > close
                market CLOSED
                cancelled 9 of a: MARKET_ENDED
                cancelled 1 of a: MARKET_ENDED
            > tick
            > resolve yes by 1
                market RESOLVING
            > confirm yes by 2
                market RESOLVED
                m is paid 0.000000 for 0 YES, 10 NO
                a is paid 10.000000 for 10 YES, 0 NO
                market settled
            > tick
            > tick
            a: 105.000000 + 0.000000 held
            m: 95.000000 + 0.000000 held
            t: 100.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_batch_that_is_all_or_nothing_is_carried_out_whole() {
    check_from(
        "a all buy no 6 @ 0.4 reducing ; sell yes 4 @ 0.9
         a all cancel #3 ; sell yes 6 @ 0.9
         a all amend #4 quantity 2 ; buy no 9 @ 0.4 reducing
         a all sell yes 6 @ 0.9 ; buy no 1 @ 0.4 reducing
         a all cancel #4 ; sell yes 9 @ 0.9 reducing ; buy no 3 @ 0.1 reducing
         a all cancel #4 ; sell yes 9 @ 0.9 reducing ; sell yes 2 @ 0.8",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a all buy no 6 @ 0.4 reducing ; sell yes 4 @ 0.9
                request 0
                order #3 ACTIVE 0/6
                request 1
                order #4 ACTIVE 0/4
            > a all cancel #3 ; sell yes 6 @ 0.9
                request 0
                cancelled 6 of a: REQUESTED
                request 1
                order #5 ACTIVE 0/6
            > a all amend #4 quantity 2 ; buy no 9 @ 0.4 reducing
                request 0
                refused: batch-refused
                request 1
                refused: nothing-to-reduce
            > a all sell yes 6 @ 0.9 ; buy no 1 @ 0.4 reducing
                request 0
                refused: position-insufficient
                request 1
                refused: batch-refused
            > a all cancel #4 ; sell yes 9 @ 0.9 reducing ; buy no 3 @ 0.1 reducing
                request 0
                refused: batch-refused
                request 1
                refused: batch-refused
                request 2
                refused: batch-conflict
            > a all cancel #4 ; sell yes 9 @ 0.9 reducing ; sell yes 2 @ 0.8
                request 0
                refused: batch-refused
                request 1
                refused: batch-refused
                request 2
                refused: batch-conflict
            a: 95.000000 + 0.000000 held, 10 YES (10 reserved)
            m: 95.000000 + 0.000000 held, 10 NO
            t: 100.000000 + 0.000000 held
            ASK 4 @ 0.9000 SELL_YES a
            ASK 6 @ 0.9000 SELL_YES a
            collateral 10.000000, fees 0.000000
        "#]],
    );
}
