//! Parked requests whose expiry, market or account ends before they are decided.

use expect_test::expect;

use crate::script::check;

/// The ask is still in flight when the freeze comes. The home shard refuses it as well.
#[test]
fn a_freeze_refuses_parked_requests_at_once() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy R yes 14 @ 0.5
         a freeze
         deliver
         a buy R yes 1 @ 0.5
         a cancel #1
         a unfreeze
         a buy R yes 1 @ 0.5",
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
            > a freeze
                0 | a: frozen
                0 | a: tells 1: freeze
                1 | a: purse frozen
                1 | a: answer to "a buy R yes 14 @ 0.5"
                1 | a: order refused, account-frozen
            > deliver
                0 | a: refuses what 1 asks for, account-frozen
                1 | a: home refuses, account-frozen
                0 | a: 1 has carried it out
                0 | a: answer to "a freeze"
                0 | a: done everywhere: freeze
            > a buy R yes 1 @ 0.5
                1 | a: order refused, account-frozen
            > a cancel #1
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
            > a unfreeze
                0 | a: unfrozen
                0 | a: tells 1: unfreeze
                1 | a: purse unfrozen
                0 | a: 1 has carried it out
                0 | a: answer to "a unfreeze"
                0 | a: done everywhere: unfreeze
            > a buy R yes 1 @ 0.5
                1 | a: order #2 ACTIVE 0/1
            a: 4.50 on 0 (home); 5.00 + 0.50 held on 1
        "#]],
    );
}

/// The shard of the first order receives no instruction: it has no purse, and the home shard does
/// not know the order.
#[test]
fn a_frozen_account_gets_no_purse() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5
         a freeze
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a freeze
                0 | a: frozen
                0 | a: done everywhere: freeze
            > deliver
                0 | a: refuses what 1 asks for, account-frozen
                1 | a: home refuses, account-frozen
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order refused, account-frozen
            a: 10.00 on 0 (home), frozen
        "#]],
    );
}

#[test]
fn a_freeze_refuses_claims_that_wait_at_home() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         hold 1 0
         a withdraw 8
         a buy S yes 4 @ 0.5
         a freeze
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
            > a withdraw 8
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 3.50
                1 | a: sends 3.50 to 0
            > a buy S yes 4 @ 0.5
                2 | a: parked
                2 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: the claim of 2 waits, 2.00 and room for 1 order, 2.00 held
            > a freeze
                0 | a: frozen
                0 | a: tells 1, 2: freeze
                0 | a: answer to "a withdraw 8"
                0 | refused, account-frozen
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, account-frozen
                1 | a: purse frozen
                2 | a: answer to "a buy S yes 4 @ 0.5"
                2 | a: order refused, account-frozen
                2 | a: home refuses, account-frozen
                0 | a: 2 has carried it out
            > deliver
                0 | a: has 3.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: 1 has carried it out
                0 | a: answer to "a freeze"
                0 | a: done everywhere: freeze
            a: 8.00 on 0 (home), frozen; 1.00 + 1.00 held on 1, frozen
        "#]],
    );
}

/// Credits that arrive for it stay in the purse.
#[test]
fn a_market_that_closes_refuses_its_parked_requests() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5
         close R
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > close R
                1 | R: CLOSED
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order refused, market-not-open
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}

#[test]
fn an_order_whose_expiry_passes_while_it_is_parked_is_refused() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5 gtd 5s
         wait 6s
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5 gtd 5s
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > wait 6s
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5 gtd 5s"
                1 | a: order refused, expiry-in-past
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}

#[test]
fn an_order_whose_deadline_passes_while_it_is_parked_is_refused() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5 deadline 5s
         wait 6s
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5 deadline 5s
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > wait 6s
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5 deadline 5s"
                1 | a: order refused, deadline-passed
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}

/// The order ends while its amendment is parked.
#[test]
fn an_amendment_of_an_order_that_has_ended_is_refused() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         hold 1 0
         a amend #1 quantity 20
         a cancel #1
         deliver",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > hold 1 0
            > a amend #1 quantity 20
                1 | a: parked
                1 | a: asks home for 4.00
            > a cancel #1
                1 | a: BUY_YES 4 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 2.00
                1 | a: answer to "a amend #1 quantity 20"
                1 | a: amendment refused, order-cancelled
            > deliver
                0 | a: sends 4.00 to 1
                1 | a: has 4.00 from 0
            a: 0.00 on 0 (home); 10.00 on 1
        "#]],
    );
}
