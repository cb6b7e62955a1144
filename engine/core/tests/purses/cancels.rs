//! Parked requests can be cancelled.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_parked_order_is_cancelled_by_its_client_id() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5 as 7
         a buy R yes 4 @ 0.5 as 8
         a cancel R as 7
         a cancel R as 7
         deliver
         a cancel R as 8
         a buy R yes 2 @ 0.5 as 7",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5 as 7
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a buy R yes 4 @ 0.5 as 8
                1 | a: parked
            > a cancel R as 7
                1 | a: ends parked requests, "a buy R yes 2 @ 0.5 as 7"
                1 | a: answer to "a buy R yes 2 @ 0.5 as 7"
                1 | a: order refused, cancelled-while-parked
            > a cancel R as 7
                1 | a: cancel refused, order-unknown
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5 as 8"
                1 | a: order #1 ACTIVE 0/4
            > a cancel R as 8
                1 | a: BUY_YES 4 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 2.00
            > a buy R yes 2 @ 0.5 as 7
                1 | a: repeats an order that was refused, cancelled-while-parked
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}

#[test]
fn a_parked_batch_is_cancelled_by_the_client_id_of_one_of_its_orders() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
         a buy R yes 4 @ 0.5 as 8
         a cancel R as 8
         deliver",
        expect![[r#"
            > hold 1 0
            > a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
                1 | a: parked
                1 | a: asks home for 3.00 and room for 2 orders, 3.00 held
            > a buy R yes 4 @ 0.5 as 8
                1 | a: repeats what is parked, "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
            > a cancel R as 8
                1 | a: ends parked requests, "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
                1 | a: answer to "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
                1 | request 0
                1 | a: order refused, cancelled-while-parked
                1 | request 1
                1 | a: order refused, cancelled-while-parked
            > deliver
                0 | a: sends 6.50 and all room to 1
                1 | a: has 6.50 and all room from 0
            a: 3.50 on 0 (home); 6.50 on 1
        "#]],
    );
}

#[test]
fn a_mass_cancel_in_a_market_ends_its_parked_requests() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         market S on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy R yes 14 @ 0.5
         a buy S yes 2 @ 0.5
         a amend #1 quantity 20
         a cancel all in R
         deliver",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > hold 1 0
            > a buy R yes 14 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.50
            > a buy S yes 2 @ 0.5
                1 | a: parked
            > a amend #1 quantity 20
                1 | a: parked
            > a cancel all in R
                1 | a: asks to cancel all in R
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                1 | a: ends parked requests, "a buy R yes 14 @ 0.5"
                1 | a: answer to "a buy R yes 14 @ 0.5"
                1 | a: order refused, cancelled-while-parked
                1 | a: answer to "a buy S yes 2 @ 0.5"
                1 | a: order #2 ACTIVE 0/2
                1 | a: answer to "a amend #1 quantity 20"
                1 | a: amendment refused, order-cancelled
            > deliver
                0 | a: sends 3.50 to 1
                1 | a: has 3.50 from 0
            a: 1.00 on 0 (home); 8.00 + 1.00 held on 1
        "#]],
    );
}

/// The ask for the cancelled order is still in flight. The credits lent for it stay in the purse.
#[test]
fn a_mass_cancel_in_all_markets_ends_all_parked_requests() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         hold 1 0
         a buy R yes 14 @ 0.5
         a cancel all
         deliver",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 2.75 and all room to 2
                2 | a: has 2.75 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #2 ACTIVE 0/2
            > hold 1 0
            > a buy R yes 14 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.50
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1, 2: cancel all, MASS_CANCEL
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                1 | a: ends parked requests, "a buy R yes 14 @ 0.5"
                1 | a: answer to "a buy R yes 14 @ 0.5"
                1 | a: order refused, cancelled-while-parked
                2 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                2 | a: gets back 1.00
                0 | a: 2 has carried it out
            > deliver
                0 | a: the claim of 1 waits, 2.50
                0 | a: tells 2: give back 0.75
                2 | a: sends 1.375 to 0
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: has 1.375 from 2
                0 | a: 2 has carried it out, and has more
                0 | a: the claim of 1 is decided
                0 | a: sends 2.8125 to 1
                1 | a: has 2.8125 from 0
            a: 0.3125 on 0 (home); 8.3125 on 1; 1.375 on 2
        "#]],
    );
}

/// The order is parked and answered within one command.
#[test]
fn a_batch_cancels_its_own_parked_order() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a batch buy R yes 2 @ 0.5 as 7 ; cancel R as 7 ; buy R yes 4 @ 0.5",
        expect![[r#"
            > a batch buy R yes 2 @ 0.5 as 7 ; cancel R as 7 ; buy R yes 4 @ 0.5
                1 | request 0
                1 | a: parked
                1 | request 1
                1 | a: ends parked requests, "a batch buy R yes 2 @ 0.5 as 7 ; cancel R as 7 ; buy R yes 4 @ 0.5"
                1 | request 2
                1 | a: parked
                1 | a: answer to "a batch buy R yes 2 @ 0.5 as 7 ; cancel R as 7 ; buy R yes 4 @ 0.5"
                1 | request 0
                1 | a: order refused, cancelled-while-parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a batch buy R yes 2 @ 0.5 as 7 ; cancel R as 7 ; buy R yes 4 @ 0.5"
                1 | request 2
                1 | a: order #1 ACTIVE 0/4
            a: 4.00 on 0 (home); 4.00 + 2.00 held on 1
        "#]],
    );
}
