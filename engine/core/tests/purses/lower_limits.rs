//! Limits that are lowered below the current use.

use expect_test::expect;
use schemas::Rejection;

use crate::script::{check, check_refused};

/// Two live orders stay. There is no room for a third on any shard until one has ended.
#[test]
fn limits_lowered_below_the_use_end_no_orders() {
    check(
        3,
        "account a home 0 has 100
         market R on 1
         market S on 2
         a buy R yes 1 @ 0.1
         a buy R yes 1 @ 0.2
         a buy S yes 1 @ 0.1
         a limit orders 2 held 1
         a buy R yes 1 @ 0.3
         a cancel #1
         a buy S yes 1 @ 0.3
         a cancel #2
         a buy S yes 1 @ 0.4",
        expect![[r#"
            > a buy R yes 1 @ 0.1
                1 | a: parked
                1 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 50.05 and all room to 1
                1 | a: has 50.05 and all room from 0
                1 | a: answer to "a buy R yes 1 @ 0.1"
                1 | a: order #1 ACTIVE 0/1
            > a buy R yes 1 @ 0.2
                1 | a: order #2 ACTIVE 0/1
            > a buy S yes 1 @ 0.1
                2 | a: parked
                2 | a: asks home for 0.10 and room for 1 order, 0.10 held
                0 | a: sends 25.025 and all room to 2
                2 | a: has 25.025 and all room from 0
                2 | a: answer to "a buy S yes 1 @ 0.1"
                2 | a: order #3 ACTIVE 0/1
            > a limit orders 2 held 1
                0 | a: is limited to room for 2 orders, 1.00 held
                0 | a: tells 1, 2: new limits
                1 | a: purse sealed, returns all room
                2 | a: purse sealed, returns all room
                0 | a: has all room from 1
                0 | a: 1 has carried it out
                0 | a: has all room from 2
                0 | a: 2 has carried it out
                0 | a: answer to "a limit orders 2 held 1"
                0 | a: done everywhere: new limits
            > a buy R yes 1 @ 0.3
                1 | a: parked
                1 | a: asks home for room for 1 order, 0.30 held
                0 | a: the claim of 1 waits, room for 1 order, 0.30 held
                0 | a: tells 2: give back room for 1 order
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, live-order-limit
                1 | a: home refuses, live-order-limit
                1 | a: answer to "a buy R yes 1 @ 0.3"
                1 | a: order refused, live-order-limit
            > a cancel #1
                1 | a: BUY_YES 1 @ 0.1000 cancelled, REQUESTED
                1 | a: gets back 0.10
            > a buy S yes 1 @ 0.3
                2 | a: parked
                2 | a: asks home for room for 1 order, 0.30 held
                0 | a: the claim of 2 waits, room for 1 order, 0.30 held
                0 | a: tells 1: give back room for 1 order
                1 | a: sends room for 1 order, 0.10 held to 0
                0 | a: has room for 1 order, 0.10 held from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, live-order-limit
                2 | a: home refuses, live-order-limit
                2 | a: answer to "a buy S yes 1 @ 0.3"
                2 | a: order refused, live-order-limit
            > a cancel #2
                1 | a: BUY_YES 1 @ 0.2000 cancelled, REQUESTED
                1 | a: gets back 0.20
            > a buy S yes 1 @ 0.4
                2 | a: parked
                2 | a: asks home for room for 1 order, 0.40 held
                0 | a: the claim of 2 waits, room for 1 order, 0.40 held
                0 | a: tells 1: give back room for 1 order
                1 | a: sends room for 1 order, 0.20 held to 0
                0 | a: has room for 1 order, 0.20 held from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: sends room for 1 order, 0.65 held to 2
                2 | a: has room for 1 order, 0.65 held from 0
                2 | a: answer to "a buy S yes 1 @ 0.4"
                2 | a: order #4 ACTIVE 0/1
            a: 24.925 on 0 (home), room for 0.25 held; 50.05 on 1, no room, sealed; 24.525 + 0.50 held on 2, room for 2 orders, 0.75 held
        "#]],
    );
}

/// The purse on shard 1 receives the limits too late: its order is placed with room that the
/// account no longer has.
#[test]
fn a_purse_that_has_not_received_lower_limits_keeps_the_higher_ones() {
    check(
        2,
        "account a home 0 has 100
         market R on 1
         market H on 0
         a limit orders 4 held any
         a buy R yes 1 @ 0.1
         hold 0 1
         a limit orders 1 held any
         a buy R yes 1 @ 0.2
         a buy H yes 1 @ 0.3
         deliver
         a buy H yes 1 @ 0.3",
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
            > hold 0 1
            > a limit orders 1 held any
                0 | a: is limited to room for 1 order, any held
                0 | a: tells 1: new limits
            > a buy R yes 1 @ 0.2
                1 | a: order #2 ACTIVE 0/1
            > a buy H yes 1 @ 0.3
                0 | a: parked
                0 | a: asks home for room for 1 order
                0 | a: the claim of 0 waits, room for 1 order
                0 | a: tells 1: give back room for 1 order
            > deliver
                1 | a: purse sealed, returns room for any held
                0 | a: has room for any held from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a limit orders 1 held any"
                0 | a: done everywhere: new limits
                0 | a: 1 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: home refuses, live-order-limit
                0 | a: answer to "a buy H yes 1 @ 0.3"
                0 | a: order refused, live-order-limit
            > a buy H yes 1 @ 0.3
                0 | a: parked
                0 | a: asks home for room for 1 order
                0 | a: the claim of 0 waits, room for 1 order
                0 | a: tells 1: give back room for 1 order
                0 | a: 1 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: home refuses, live-order-limit
                0 | a: answer to "a buy H yes 1 @ 0.3"
                0 | a: order refused, live-order-limit
            a: 49.95 on 0 (home), room for any held; 49.75 + 0.30 held on 1, room for 2 orders, 0.30 held, sealed
        "#]],
    );
}

/// Two orders are live where one is allowed. An order that cannot rest asks for held credits only,
/// and gets them. This does not bring back the room of the cancelled order.
#[test]
fn room_that_becomes_free_beyond_lowered_limits_is_lost() {
    check_refused(
        2,
        "account a home 0 has 100
         market R on 1
         a buy R yes 1 @ 0.1
         a buy R yes 1 @ 0.2
         a limit orders 1 held any
         a buy R yes 1 @ 0.3 ioc
         a cancel #1
         a buy R yes 1 @ 0.4",
        Rejection::LiveOrderLimit,
    );
}

/// The ask for credits is in flight when the limits are lowered. Its answer brings no room back
/// either.
#[test]
fn credits_that_were_asked_for_before_limits_were_lowered_bring_no_room() {
    check_refused(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         a buy R yes 2 @ 0.4
         hold 1 0
         a buy R yes 14 @ 0.5
         a limit orders 1 held any
         deliver
         a cancel #1
         a buy R yes 1 @ 0.1",
        Rejection::LiveOrderLimit,
    );
}

/// The same for held credits: 1.40 are held where 1.00 is allowed. The sell needs room for an order
/// only.
#[test]
fn credits_held_beyond_lowered_limits_cannot_be_held_again() {
    check_refused(
        2,
        "account a home 0 has 100
         account b home 1 has 100
         market R on 1
         b buy R no 1 @ 0.5
         a buy R yes 1 @ 0.5
         a buy R yes 1 @ 0.5
         a buy R yes 1 @ 0.9
         a limit orders any held 1
         a sell R yes 1 @ 0.99
         a cancel #4
         a buy R yes 1 @ 0.6",
        Rejection::NotionalLimit,
    );
}
