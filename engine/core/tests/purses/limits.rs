//! Limits of an account over all its purses: room is lent like credits.

use expect_test::expect;

use crate::script::check;

#[test]
fn live_orders_over_all_shards_are_never_more_than_the_limit() {
    check(
        3,
        "account a home 0 has 100
         market R on 1
         market S on 2
         market H on 0
         a limit orders 3 held any
         a buy R yes 1 @ 0.1
         a buy S yes 1 @ 0.1
         a buy H yes 1 @ 0.1
         a buy R yes 1 @ 0.2
         a buy S yes 1 @ 0.2
         a buy H yes 1 @ 0.2
         a cancel #1
         a buy S yes 1 @ 0.2",
        expect![[r#"
            > a limit orders 3 held any
                0 | a: is limited to room for 3 orders, any held
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.1
                1 | a: parked
                1 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 50.05 and room for 2 orders, any held to 1
                1 | a: has 50.05 and room for 2 orders, any held from 0
                1 | a: answer to "a buy R yes 1 @ 0.1"
                1 | a: order #1 ACTIVE 0/1
            > a buy S yes 1 @ 0.1
                2 | a: parked
                2 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 25.025 and room for 1 order, any held to 2
                2 | a: has 25.025 and room for 1 order, any held from 0
                2 | a: answer to "a buy S yes 1 @ 0.1"
                2 | a: order #2 ACTIVE 0/1
            > a buy H yes 1 @ 0.1
                0 | a: parked
                0 | a: asks home for room for 1 order
                0 | a: the claim of 0 waits, room for 1 order
                0 | a: tells 1, 2: give back room for 1 order
                1 | a: sends room for 1 order to 0
                0 | a: has room for 1 order from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: answer to "a buy H yes 1 @ 0.1"
                0 | a: order #3 ACTIVE 0/1
                0 | a: 2 has carried it out
            > a buy R yes 1 @ 0.2
                1 | a: parked
                1 | a: asks home for room for 1 order
                0 | a: the claim of 1 waits, room for 1 order
                0 | a: tells 2: give back room for 1 order
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, live-order-limit
                1 | a: home refuses, live-order-limit
                1 | a: answer to "a buy R yes 1 @ 0.2"
                1 | a: order refused, live-order-limit
            > a buy S yes 1 @ 0.2
                2 | a: parked
                2 | a: asks home for room for 1 order
                0 | a: the claim of 2 waits, room for 1 order
                0 | a: tells 1: give back room for 1 order
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, live-order-limit
                2 | a: home refuses, live-order-limit
                2 | a: answer to "a buy S yes 1 @ 0.2"
                2 | a: order refused, live-order-limit
            > a buy H yes 1 @ 0.2
                0 | a: parked
                0 | a: asks home for room for 1 order
                0 | a: the claim of 0 waits, room for 1 order
                0 | a: tells 1, 2: give back room for 1 order
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: home refuses, live-order-limit
                0 | a: answer to "a buy H yes 1 @ 0.2"
                0 | a: order refused, live-order-limit
            > a cancel #1
                1 | a: BUY_YES 1 @ 0.1000 cancelled, REQUESTED
                1 | a: gets back 0.10
            > a buy S yes 1 @ 0.2
                2 | a: parked
                2 | a: asks home for room for 1 order
                0 | a: the claim of 2 waits, room for 1 order
                0 | a: tells 1: give back room for 1 order
                1 | a: sends room for 1 order to 0
                0 | a: has room for 1 order from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: sends room for 1 order to 2
                2 | a: has room for 1 order from 0
                2 | a: answer to "a buy S yes 1 @ 0.2"
                2 | a: order #4 ACTIVE 0/1
            a: 24.825 + 0.10 held on 0 (home), room for 1 order, any held; 50.05 on 1, room for any held; 24.725 + 0.30 held on 2, room for 2 orders, any held
        "#]],
    );
}

/// An order that cannot rest needs no room for one.
#[test]
fn an_order_that_does_not_rest_needs_no_room() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a limit orders 1 held any
         a buy R yes 1 @ 0.1
         a buy R yes 1 @ 0.1
         a buy R yes 1 @ 0.1 ioc",
        expect![[r#"
            > a limit orders 1 held any
                0 | a: is limited to room for 1 order, any held
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.1
                1 | a: parked
                1 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 5.05 and room for 1 order, any held to 1
                1 | a: has 5.05 and room for 1 order, any held from 0
                1 | a: answer to "a buy R yes 1 @ 0.1"
                1 | a: order #1 ACTIVE 0/1
            > a buy R yes 1 @ 0.1
                1 | a: parked
                1 | a: asks home for room for 1 order
                0 | a: refuses what 1 asks for, live-order-limit
                1 | a: home refuses, live-order-limit
                1 | a: answer to "a buy R yes 1 @ 0.1"
                1 | a: order refused, live-order-limit
            > a buy R yes 1 @ 0.1 ioc
                1 | a: order #2 CANCELLED 0/1, TIME_IN_FORCE
                1 | a: gets back 0.10
            a: 4.95 on 0 (home), room for any held; 4.95 + 0.10 held on 1, room for 1 order, any held
        "#]],
    );
}

#[test]
fn held_credits_over_all_shards_are_never_more_than_the_limit() {
    check(
        3,
        "account a home 0 has 100
         market R on 1
         market S on 2
         a limit orders any held 5
         a buy R yes 4 @ 0.5
         a buy S yes 6 @ 0.5
         a buy R yes 1 @ 0.01
         a amend #1 price 0.51
         a amend #2 price 0.25
         a buy R yes 3 @ 0.5",
        expect![[r#"
            > a limit orders any held 5
                0 | a: is limited to room for any orders, 5.00 held
                0 | a: done everywhere: new limits
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 51.00 and room for any orders, 3.50 held to 1
                1 | a: has 51.00 and room for any orders, 3.50 held from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > a buy S yes 6 @ 0.5
                2 | a: parked
                2 | a: asks home for 3.00 and room for 1 order, 3.00 held
                0 | a: the claim of 2 waits, 3.00 and room for 1 order, 3.00 held
                0 | a: tells 1: give back room for 1.50 held
                1 | a: sends room for 1.50 held to 0
                0 | a: has room for 1.50 held from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: sends 26.00 and room for any orders, 3.00 held to 2
                2 | a: has 26.00 and room for any orders, 3.00 held from 0
                2 | a: answer to "a buy S yes 6 @ 0.5"
                2 | a: order #2 ACTIVE 0/6
            > a buy R yes 1 @ 0.01
                1 | a: parked
                1 | a: asks home for room for 0.01 held
                0 | a: the claim of 1 waits, room for 0.01 held
                0 | a: tells 2: give back room for 0.01 held
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, notional-limit
                1 | a: home refuses, notional-limit
                1 | a: answer to "a buy R yes 1 @ 0.01"
                1 | a: order refused, notional-limit
            > a amend #1 price 0.51
                1 | a: parked
                1 | a: asks home for room for 0.04 held
                0 | a: the claim of 1 waits, room for 0.04 held
                0 | a: tells 2: give back room for 0.04 held
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, notional-limit
                1 | a: home refuses, notional-limit
                1 | a: answer to "a amend #1 price 0.51"
                1 | a: amendment refused, notional-limit
            > a amend #2 price 0.25
                2 | a: order #2 ACTIVE 0/6 @ 0.2500
                2 | a: gets back 1.50
            > a buy R yes 3 @ 0.5
                1 | a: parked
                1 | a: asks home for room for 1.50 held
                0 | a: the claim of 1 waits, room for 1.50 held
                0 | a: tells 2: give back room for 1.50 held
                2 | a: sends room for 1.50 held to 0
                0 | a: has room for 1.50 held from 2
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: sends room for 1.50 held to 1
                1 | a: has room for 1.50 held from 0
                1 | a: answer to "a buy R yes 3 @ 0.5"
                1 | a: order #3 ACTIVE 0/3
            a: 23.00 on 0 (home), room for any orders; 47.50 + 3.50 held on 1, room for any orders, 3.50 held; 24.50 + 1.50 held on 2, room for any orders, 1.50 held
        "#]],
    );
}

/// A sealed purse returns what has become free with its next ask.
#[test]
fn limits_raised_again_are_lent_again() {
    check(
        2,
        "account a home 0 has 100
         market R on 1
         a limit orders 4 held any
         a buy R yes 1 @ 0.1
         a buy R yes 1 @ 0.2
         a limit orders 1 held any
         a buy R yes 1 @ 0.3
         a limit orders 4 held any
         a cancel #1
         a buy R yes 1 @ 0.4
         a limit orders any held any
         a buy R yes 1 @ 0.5",
        expect![[r#"
            > a limit orders 4 held any
                0 | a: is limited to room for 4 orders, any held
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.1
                1 | a: parked
                1 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 50.05 and room for 2 orders, any held to 1
                1 | a: has 50.05 and room for 2 orders, any held from 0
                1 | a: answer to "a buy R yes 1 @ 0.1"
                1 | a: order #1 ACTIVE 0/1
            > a buy R yes 1 @ 0.2
                1 | a: order #2 ACTIVE 0/1
            > a limit orders 1 held any
                0 | a: is limited to room for 1 order, any held
                0 | a: tells 1: new limits
                1 | a: purse sealed, returns room for any held
                0 | a: has room for any held from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a limit orders 1 held any"
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.3
                1 | a: parked
                1 | a: asks home for room for 1 order, 0.30 held
                0 | a: refuses what 1 asks for, live-order-limit
                1 | a: home refuses, live-order-limit
                1 | a: answer to "a buy R yes 1 @ 0.3"
                1 | a: order refused, live-order-limit
            > a limit orders 4 held any
                0 | a: is limited to room for 4 orders, any held
                0 | a: tells 1: new limits
                1 | a: purse sealed, returns no room
                0 | a: 1 has carried it out
                0 | a: answer to "a limit orders 4 held any"
                0 | a: done everywhere: new limits
            > a cancel #1
                1 | a: BUY_YES 1 @ 0.1000 cancelled, REQUESTED
                1 | a: gets back 0.10
            > a buy R yes 1 @ 0.4
                1 | a: parked
                1 | a: asks home for room for 1 order, 0.40 held, gives back room for 1 order, 0.10 held
                0 | a: has room for 1 order, 0.10 held from 1
                0 | a: sends room for 2 orders, any held to 1
                1 | a: has room for 2 orders, any held from 0
                1 | a: answer to "a buy R yes 1 @ 0.4"
                1 | a: order #3 ACTIVE 0/1
            > a limit orders any held any
                0 | a: is limited to all room
                0 | a: tells 1: new limits
                1 | a: purse sealed, returns room for 1 order, any held
                0 | a: has room for 1 order, any held from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a limit orders any held any"
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.5
                1 | a: parked
                1 | a: asks home for room for 1 order, 0.50 held
                0 | a: sends all room to 1
                1 | a: has all room from 0
                1 | a: answer to "a buy R yes 1 @ 0.5"
                1 | a: order #4 ACTIVE 0/1
            a: 49.95 on 0 (home); 48.95 + 1.10 held on 1
        "#]],
    );
}
