//! Many requests in one command.

use expect_test::expect;

use crate::script::check;

#[test]
fn each_request_of_a_batch_has_its_own_answer() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 2 @ 0.5
         a buy yes 1 @ 0.3
         a batch buy yes 2 @ 0.5 ; cancel #2 ; cancel #2 ; buy yes 100 @ 0.5 ; buy yes 1 @ 0.2 ; amend #2 quantity 2",
        expect![[r#"
            > b buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > a buy yes 1 @ 0.3
                order #2 ACTIVE 0/1
            > a batch buy yes 2 @ 0.5 ; cancel #2 ; cancel #2 ; buy yes 100 @ 0.5 ; buy yes 1 @ 0.2 ; amend #2 quantity 2
                request 0
                order #3 FILLED 2/2
                trade 2 @ 0.5000 MINT a with b
                request 1
                cancelled 1 of a: REQUESTED
                request 2
                refused: order-cancelled
                request 3
                parked
                request 4
                parked
                request 5
                refused: order-cancelled
                what was parked:
                request 3
                refused: funds-insufficient
                what was parked:
                request 4
                order #4 ACTIVE 0/1
            a: 8.788800 + 0.211200 held, 2 YES
            b: 9.000000 + 0.000000 held, 2 NO
            BID 1 @ 0.2000 BUY_YES a
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_does_nothing_if_one_request_is_refused() {
    check(
        "deposit a 10
         a buy yes 1 @ 0.3
         a all buy yes 2 @ 0.5 as one ; cancel #1 ; buy yes 100 @ 0.5 ; cancel #7",
        expect![[r#"
            > a buy yes 1 @ 0.3
                order #1 ACTIVE 0/1
            > a all buy yes 2 @ 0.5 as one ; cancel #1 ; buy yes 100 @ 0.5 ; cancel #7
                request 0
                refused: batch-refused
                request 1
                refused: batch-refused
                request 2
                refused: batch-refused
                request 3
                refused: order-unknown
            a: 9.685300 + 0.314700 held
            BID 1 @ 0.3000 BUY_YES a
        "#]],
    );
}

#[test]
fn all_or_nothing_requotes() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 1 @ 0.4
         a buy yes 1 @ 0.3 post
         a buy no 1 @ 0.3 post
         a all buy yes 1 @ 0.35 post as x ; cancel #2 ; amend #3 price 0.2 ; buy no 1 @ 0.45 post
         a all buy yes 1 @ 0.35 post as x",
        expect![[r#"
            > b buy no 1 @ 0.4
                order #1 ACTIVE 0/1
            > a buy yes 1 @ 0.3 post
                order #2 ACTIVE 0/1
            > a buy no 1 @ 0.3 post
                order #3 ACTIVE 0/1
            > a all buy yes 1 @ 0.35 post as x ; cancel #2 ; amend #3 price 0.2 ; buy no 1 @ 0.45 post
                request 1
                cancelled 1 of a: REQUESTED
                request 2
                order #3 amended: ACTIVE 0/1 @ 0.8000 at the end of its queue
                request 0
                order #4 ACTIVE 0/1
                request 3
                order #5 ACTIVE 0/1
            > a all buy yes 1 @ 0.35 post as x
                request 0
                as before: Order { id: OrderId(4) }
            a: 8.955550 + 1.044450 held
            b: 9.583200 + 0.416800 held
            BID 1 @ 0.3500 BUY_YES a
            ASK 1 @ 0.5500 BUY_NO a
            ASK 1 @ 0.6000 BUY_NO b
            ASK 1 @ 0.8000 BUY_NO a
        "#]],
    );
}

#[test]
fn all_or_nothing_refuses_requests_that_depend_on_the_batch_itself() {
    check(
        "deposit a 10
         deposit b 10
         b buy no 2 @ 0.5
         a buy yes 1 @ 0.3
         a all cancel #2 ; amend #2 quantity 2
         a all buy yes 1 @ 0.5 ; buy yes 1 @ 0.5 fok
         a all buy no 1 @ 0.6 ; buy yes 1 @ 0.45 post
         a all amend #2 price 0.5
         a all amend #2 price 0.4
         a all buy yes 1 @ 0.5 post
         a all buy yes 2 @ 0.5 fok ; buy yes 1 @ 0.4",
        expect![[r#"
            > b buy no 2 @ 0.5
                order #1 ACTIVE 0/2
            > a buy yes 1 @ 0.3
                order #2 ACTIVE 0/1
            > a all cancel #2 ; amend #2 quantity 2
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            > a all buy yes 1 @ 0.5 ; buy yes 1 @ 0.5 fok
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            > a all buy no 1 @ 0.6 ; buy yes 1 @ 0.45 post
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            > a all amend #2 price 0.5
                request 0
                refused: batch-conflict
            > a all amend #2 price 0.4
                request 0
                order #2 amended: ACTIVE 0/1 @ 0.4000 at the end of its queue
            > a all buy yes 1 @ 0.5 post
                request 0
                refused: post-only-would-take
            > a all buy yes 2 @ 0.5 fok ; buy yes 1 @ 0.4
                request 0
                order #3 FILLED 2/2
                trade 2 @ 0.5000 MINT a with b
                request 1
                order #4 ACTIVE 0/1
            a: 8.166400 + 0.833600 held, 2 YES
            b: 9.000000 + 0.000000 held, 2 NO
            BID 1 @ 0.4000 BUY_YES a
            BID 1 @ 0.4000 BUY_YES a
            collateral 2.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_counts_credits_and_contracts_together() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 4 @ 0.5
         b buy no 4 @ 0.5
         a all sell yes 3 @ 0.9 ; sell yes 2 @ 0.8
         a all buy yes 10 @ 0.5 ; buy yes 10 @ 0.5
         a all sell yes 3 @ 0.9 ; sell yes 1 @ 0.8",
        expect![[r#"
            > a buy yes 4 @ 0.5
                order #1 ACTIVE 0/4
            > b buy no 4 @ 0.5
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT b with a
            > a all sell yes 3 @ 0.9 ; sell yes 2 @ 0.8
                request 0
                refused: batch-refused
                request 1
                refused: position-insufficient
            > a all buy yes 10 @ 0.5 ; buy yes 10 @ 0.5
                request 0
                refused: funds-insufficient
                request 1
                refused: batch-refused
            > a all sell yes 3 @ 0.9 ; sell yes 1 @ 0.8
                request 0
                order #3 ACTIVE 0/3
                request 1
                order #4 ACTIVE 0/1
            a: 8.000000 + 0.000000 held, 4 YES (4 reserved)
            b: 8.000000 + 0.000000 held, 4 NO
            ASK 1 @ 0.8000 SELL_YES a
            ASK 3 @ 0.9000 SELL_YES a
            collateral 4.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_moves_a_sell() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 5 @ 0.5
         b buy no 5 @ 0.5
         a sell yes 3 @ 0.9
         a all sell yes 5 @ 0.8 ; cancel #3",
        expect![[r#"
            > a buy yes 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy no 5 @ 0.5
                order #2 FILLED 5/5
                trade 5 @ 0.5000 MINT b with a
            > a sell yes 3 @ 0.9
                order #3 ACTIVE 0/3
            > a all sell yes 5 @ 0.8 ; cancel #3
                request 1
                cancelled 3 of a: REQUESTED
                request 0
                order #4 ACTIVE 0/5
            a: 7.500000 + 0.000000 held, 5 YES (5 reserved)
            b: 7.500000 + 0.000000 held, 5 NO
            ASK 5 @ 0.8000 SELL_YES a
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_is_checked_against_lowered_limits() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 5 @ 0.5
         b buy no 5 @ 0.5
         a buy yes 1 @ 0.3
         limit market orders 0 notional 9 position 99
         a all sell yes 1 @ 0.9 ; cancel #3",
        expect![[r#"
            > a buy yes 5 @ 0.5
                order #1 ACTIVE 0/5
            > b buy no 5 @ 0.5
                order #2 FILLED 5/5
                trade 5 @ 0.5000 MINT b with a
            > a buy yes 1 @ 0.3
                order #3 ACTIVE 0/1
            > limit market orders 0 notional 9 position 99
                MarketLimited { market: MarketId(1234329560869061990), limits: MarketLimits { live_orders: 0, notional: Credits(9000000), position: 99 }, by: AdminId(1) }
            > a all sell yes 1 @ 0.9 ; cancel #3
                request 0
                refused: live-order-limit
                request 1
                refused: batch-refused
            a: 7.185300 + 0.314700 held, 5 YES
            b: 7.500000 + 0.000000 held, 5 NO
            BID 1 @ 0.3000 BUY_YES a
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_counts_a_budget_as_the_most_that_it_may_buy() {
    check(
        "deposit a 10
         deposit b 10
         limit market orders 9 notional 99 position 3
         b buy no 3 @ 0.5
         a all buy yes budget 5 ; buy yes 1 @ 0.4",
        expect![[r#"
            > limit market orders 9 notional 99 position 3
                MarketLimited { market: MarketId(1234329560869061990), limits: MarketLimits { live_orders: 9, notional: Credits(99000000), position: 3 }, by: AdminId(1) }
            > b buy no 3 @ 0.5
                order #1 ACTIVE 0/3
            > a all buy yes budget 5 ; buy yes 1 @ 0.4
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            a: 10.000000 + 0.000000 held
            b: 8.447500 + 1.552500 held
            ASK 3 @ 0.5000 BUY_NO b
        "#]],
    );
}

/// The same order twice with one client id is one order; two different orders with one client id
/// are refused.
#[test]
fn a_client_id_twice_in_a_batch_has_the_same_answers_in_both_modes() {
    check(
        "deposit a 10
         a batch buy yes 2 @ 0.4 as x ; buy yes 2 @ 0.4 as x ; buy yes 1 @ 0.3 as y
         a cancel all
         a all buy yes 2 @ 0.4 as v ; buy yes 2 @ 0.4 as v ; buy yes 1 @ 0.3 as w
         a all buy yes 2 @ 0.4 as v ; buy yes 2 @ 0.4 as v ; buy yes 1 @ 0.3 as w
         a batch buy yes 2 @ 0.4 as p ; buy yes 3 @ 0.4 as p
         a all buy yes 2 @ 0.4 as q ; buy yes 3 @ 0.4 as q
         a all buy yes 90 @ 0.4 as r ; buy yes 90 @ 0.4 as r",
        expect![[r#"
            > a batch buy yes 2 @ 0.4 as x ; buy yes 2 @ 0.4 as x ; buy yes 1 @ 0.3 as y
                request 0
                order #1 ACTIVE 0/2
                request 1
                as before: Order { id: OrderId(1) }
                request 2
                order #2 ACTIVE 0/1
            > a cancel all
                all orders are to be cancelled
                cancelled 2 of a: MASS_CANCEL
                cancelled 1 of a: MASS_CANCEL
            > a all buy yes 2 @ 0.4 as v ; buy yes 2 @ 0.4 as v ; buy yes 1 @ 0.3 as w
                request 0
                order #3 ACTIVE 0/2
                request 1
                as before: Order { id: OrderId(3) }
                request 2
                order #4 ACTIVE 0/1
            > a all buy yes 2 @ 0.4 as v ; buy yes 2 @ 0.4 as v ; buy yes 1 @ 0.3 as w
                request 0
                as before: Order { id: OrderId(3) }
                request 1
                as before: Order { id: OrderId(3) }
                request 2
                as before: Order { id: OrderId(4) }
            > a batch buy yes 2 @ 0.4 as p ; buy yes 3 @ 0.4 as p
                request 0
                order #5 ACTIVE 0/2
                request 1
                refused: client-id-reused
            > a all buy yes 2 @ 0.4 as q ; buy yes 3 @ 0.4 as q
                request 0
                refused: batch-refused
                request 1
                refused: client-id-reused
            > a all buy yes 90 @ 0.4 as r ; buy yes 90 @ 0.4 as r
                request 0
                refused: funds-insufficient
                request 1
                as before: OrderRejected { id: OrderId(9), code: FundsInsufficient }
            a: 8.018100 + 1.981900 held
            BID 2 @ 0.4000 BUY_YES a
            BID 2 @ 0.4000 BUY_YES a
            BID 1 @ 0.3000 BUY_YES a
        "#]],
    );
}

#[test]
fn an_order_of_a_batch_may_end_own_sells_whose_contracts_are_redeemed() {
    check(
        "deposit a 100
         deposit m 100
         deposit t 100
         m buy no 10 @ 0.5
         a buy yes 10 @ 0.5
         a sell yes 10 @ 0.9
         a buy no 10 @ 0.5
         t buy yes 10 @ 0.5
         a sell no 10 @ 0.5
         a cancel #3
         a all buy no 1 @ 0.5 stp cancel_oldest ; sell yes 9 @ 0.9
         a all buy no 1 @ 0.5 ; sell yes 9 @ 0.9",
        expect![[r#"
            > m buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 10 @ 0.5
                order #2 FILLED 10/10
                trade 10 @ 0.5000 MINT a with m
            > a sell yes 10 @ 0.9
                order #3 ACTIVE 0/10
            > a buy no 10 @ 0.5
                order #4 ACTIVE 0/10
            > t buy yes 10 @ 0.5
                order #5 FILLED 10/10
                trade 10 @ 0.5000 MINT t with a
            > a sell no 10 @ 0.5
                order #6 ACTIVE 0/10
            > a cancel #3
                cancelled 10 of a: REQUESTED
            > a all buy no 1 @ 0.5 stp cancel_oldest ; sell yes 9 @ 0.9
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            > a all buy no 1 @ 0.5 ; sell yes 9 @ 0.9
                request 0
                order #7 CANCELLED 0/1 SELF_TRADE
                request 1
                order #8 ACTIVE 0/9
            a: 90.000000 + 0.000000 held, 10 YES (9 reserved), 10 NO (10 reserved)
            m: 95.000000 + 0.000000 held, 10 NO
            t: 95.000000 + 0.000000 held, 10 YES
            BID 10 @ 0.5000 SELL_NO a
            ASK 9 @ 0.9000 SELL_YES a
            collateral 20.000000, fees 0.000000
        "#]],
    );
}
