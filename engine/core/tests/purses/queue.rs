//! Requests of one account on one shard are decided in the order of arrival; only requests that
//! free credits or room pass a parked one.

use expect_test::expect;

use crate::script::check;

/// The purse could pay for the third order, but it came after the second.
#[test]
fn orders_behind_a_parked_one_wait_for_it() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy R yes 14 @ 0.5
         a buy R yes 1 @ 0.5
         a buy R yes 4 @ 0.4
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
            > a buy R yes 1 @ 0.5
                1 | a: parked
            > a buy R yes 4 @ 0.4
                1 | a: parked
            > deliver
                0 | a: sends 3.50 to 1
                1 | a: has 3.50 from 0
                1 | a: answer to "a buy R yes 14 @ 0.5"
                1 | a: order #2 ACTIVE 0/14
                1 | a: answer to "a buy R yes 1 @ 0.5"
                1 | a: order #3 ACTIVE 0/1
                1 | a: asks home for 1.10
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a buy R yes 4 @ 0.4"
                1 | a: order refused, funds-insufficient
            a: 1.00 on 0 (home); 0.50 + 8.50 held on 1
        "#]],
    );
}

/// A sell needs no credits, and the amendment needs other credits than the parked order waits for.
/// Both came later.
#[test]
fn sells_and_amendments_wait_behind_a_parked_order() {
    check(
        2,
        "account a home 0 has 20
         account b home 1 has 20
         market R on 1
         b buy R no 4 @ 0.5
         a buy R yes 4 @ 0.5
         a buy R yes 2 @ 0.1
         hold 1 0
         a buy R yes 30 @ 0.5
         a sell R yes 4 @ 0.6
         a amend #3 quantity 3
         deliver",
        expect![[r#"
            > b buy R no 4 @ 0.5
                1 | b: order #1 ACTIVE 0/4
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 11.00 and all room to 1
                1 | a: has 11.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #2 FILLED 4/4
                1 | a: trades 4 @ 0.5000 with b, MINT
                1 | b: spends 2.00
                1 | a: spends 2.00
            > a buy R yes 2 @ 0.1
                1 | a: order #3 ACTIVE 0/2
            > hold 1 0
            > a buy R yes 30 @ 0.5
                1 | a: parked
                1 | a: asks home for 6.20
            > a sell R yes 4 @ 0.6
                1 | a: parked
            > a amend #3 quantity 3
                1 | a: parked
            > deliver
                0 | a: sends 7.60 to 1
                1 | a: has 7.60 from 0
                1 | a: answer to "a buy R yes 30 @ 0.5"
                1 | a: order #4 ACTIVE 0/30
                1 | a: answer to "a sell R yes 4 @ 0.6"
                1 | a: order #5 ACTIVE 0/4
                1 | a: answer to "a amend #3 quantity 3"
                1 | a: 0.10 more held
                1 | a: order #3 ACTIVE 0/3 @ 0.1000
            a: 1.40 on 0 (home); 1.30 + 15.30 held on 1
            b: 18.00 on 1 (home)
        "#]],
    );
}

/// A request that would be refused whatever the purse had is not parked.
#[test]
fn a_request_that_is_refused_in_any_case_is_not_parked() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5
         a sell R yes 1 @ 0.6
         a buy R yes 0 @ 0.6
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a sell R yes 1 @ 0.6
                1 | a: order refused, position-insufficient
            > a buy R yes 0 @ 0.6
                1 | a: order refused, quantity-is-zero
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            a: 4.50 on 0 (home); 4.50 + 1.00 held on 1
        "#]],
    );
}

/// The purse has 3.00 free and lacks 2.00 for the parked order. The reduction frees 1.00, the
/// cancel the rest.
#[test]
fn cancels_and_reductions_pass_and_pay_for_the_parked_order() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         a buy R yes 4 @ 0.25
         hold 1 0
         a buy R yes 10 @ 0.5
         a amend #1 quantity 2
         a cancel #2
         deliver",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > a buy R yes 4 @ 0.25
                1 | a: order #2 ACTIVE 0/4
            > hold 1 0
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00
            > a amend #1 quantity 2
                1 | a: order #1 ACTIVE 0/2 @ 0.5000, in place
                1 | a: gets back 1.00
            > a cancel #2
                1 | a: BUY_YES 4 @ 0.2500 cancelled, REQUESTED
                1 | a: gets back 1.00
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #3 ACTIVE 0/10
            > deliver
                0 | a: sends 3.00 to 1
                1 | a: has 3.00 from 0
            a: 1.00 on 0 (home); 3.00 + 6.00 held on 1
        "#]],
    );
}

/// Account b's payment for contracts that a sells is what the parked order lacks.
#[test]
fn a_fill_pays_for_a_parked_order() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 20
         market R on 1
         a buy R yes 8 @ 0.5
         b buy R no 8 @ 0.5
         a sell R yes 8 @ 0.75
         hold 1 0
         a buy R yes 10 @ 0.5
         b buy R yes 8 @ 0.75
         deliver",
        expect![[r#"
            > a buy R yes 8 @ 0.5
                1 | a: parked
                1 | a: asks home for 4.00 and room for 1 order, 4.00 held
                0 | a: sends 7.00 and all room to 1
                1 | a: has 7.00 and all room from 0
                1 | a: answer to "a buy R yes 8 @ 0.5"
                1 | a: order #1 ACTIVE 0/8
            > b buy R no 8 @ 0.5
                1 | b: order #2 FILLED 8/8
                1 | b: trades 8 @ 0.5000 with a, MINT
                1 | a: spends 4.00
                1 | b: spends 4.00
            > a sell R yes 8 @ 0.75
                1 | a: order #3 ACTIVE 0/8
            > hold 1 0
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00
            > b buy R yes 8 @ 0.75
                1 | b: order #4 FILLED 8/8
                1 | b: trades 8 @ 0.7500 with a, TRANSFER_YES
                1 | b: redeems 8 pairs
                1 | a: receives 6.00
                1 | b: spends 6.00
                1 | b: receives 8.00
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #5 ACTIVE 0/10
            > deliver
                0 | a: sends 2.50 to 1
                1 | a: has 2.50 from 0
            a: 0.50 on 0 (home); 6.50 + 5.00 held on 1
            b: 18.00 on 1 (home)
        "#]],
    );
}

#[test]
fn a_cancel_makes_room_for_a_parked_order() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a limit orders 1 held any
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy R yes 2 @ 0.4
         a cancel #1
         deliver",
        expect![[r#"
            > a limit orders 1 held any
                0 | a: is limited to room for 1 order, any held
                0 | a: done everywhere: new limits
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and room for 1 order, any held to 1
                1 | a: has 5.50 and room for 1 order, any held from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > hold 1 0
            > a buy R yes 2 @ 0.4
                1 | a: parked
                1 | a: asks home for room for 1 order
            > a cancel #1
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
                1 | a: answer to "a buy R yes 2 @ 0.4"
                1 | a: order #2 ACTIVE 0/2
            > deliver
                0 | a: refuses what 1 asks for, live-order-limit
                1 | a: home refuses, live-order-limit
            a: 4.50 on 0 (home), room for any held; 4.70 + 0.80 held on 1, room for 1 order, any held
        "#]],
    );
}

/// A batch counts as many requests as it has.
#[test]
fn an_account_has_two_hundred_parked_requests_at_most() {
    check(
        2,
        "account a home 0 has 100
         market R on 1
         hold 1 0
         times 199 a buy R yes 1 @ 0.01
         a all buy R yes 1 @ 0.02 ; buy R yes 1 @ 0.03
         a buy R yes 1 @ 0.04
         a buy R yes 1 @ 0.05
         quietly deliver
         a buy R yes 1 @ 0.06",
        expect![[r#"
            > hold 1 0
            > times 199 a buy R yes 1 @ 0.01
            > a all buy R yes 1 @ 0.02 ; buy R yes 1 @ 0.03
                1 | request 0
                1 | a: order refused, parked-limit
                1 | request 1
                1 | a: order refused, parked-limit
            > a buy R yes 1 @ 0.04
                1 | a: parked
            > a buy R yes 1 @ 0.05
                1 | a: order refused, parked-limit
            > quietly deliver
            > a buy R yes 1 @ 0.06
                1 | a: order #201 ACTIVE 0/1
            a: 49.995 on 0 (home); 47.915 + 2.09 held on 1
        "#]],
    );
}
