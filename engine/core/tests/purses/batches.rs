//! Many requests in one command: they use the credits that they free themselves, and ask for what
//! is lacking.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_quote_moves_with_the_credits_that_it_had() {
    check(
        2,
        "account a home 0 has 5
         market R on 1
         a buy R yes 10 @ 0.5
         a batch cancel #1 ; buy R yes 10 @ 0.495",
        expect![[r#"
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 5.00 and all room to 1
                1 | a: has 5.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #1 ACTIVE 0/10
            > a batch cancel #1 ; buy R yes 10 @ 0.495
                1 | request 0
                1 | a: BUY_YES 10 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 5.00
                1 | request 1
                1 | a: order #2 ACTIVE 0/10
            a: 0.00 on 0 (home); 0.05 + 4.95 held on 1
        "#]],
    );
}

#[test]
fn a_quote_moves_with_the_credits_that_it_had_all_or_nothing() {
    check(
        2,
        "account a home 0 has 5
         market R on 1
         a buy R yes 10 @ 0.5
         a all cancel #1 ; buy R yes 10 @ 0.495",
        expect![[r#"
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 5.00 and all room to 1
                1 | a: has 5.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #1 ACTIVE 0/10
            > a all cancel #1 ; buy R yes 10 @ 0.495
                1 | request 0
                1 | a: BUY_YES 10 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 5.00
                1 | request 1
                1 | a: order #2 ACTIVE 0/10
            a: 0.00 on 0 (home); 0.05 + 4.95 held on 1
        "#]],
    );
}

/// The order is parked until the later cancel has freed what it lacks. No message is needed.
#[test]
fn a_quote_moves_with_the_place_before_the_cancel() {
    check(
        2,
        "account a home 0 has 5
         market R on 1
         a buy R yes 10 @ 0.5
         a batch buy R yes 10 @ 0.495 ; cancel #1
         a all buy R yes 10 @ 0.5 ; cancel #2",
        expect![[r#"
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 5.00 and all room to 1
                1 | a: has 5.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #1 ACTIVE 0/10
            > a batch buy R yes 10 @ 0.495 ; cancel #1
                1 | request 0
                1 | a: parked
                1 | request 1
                1 | a: BUY_YES 10 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 5.00
                1 | a: answer to "a batch buy R yes 10 @ 0.495 ; cancel #1"
                1 | request 0
                1 | a: order #2 ACTIVE 0/10
            > a all buy R yes 10 @ 0.5 ; cancel #2
                1 | request 1
                1 | a: BUY_YES 10 @ 0.4950 cancelled, REQUESTED
                1 | a: gets back 4.95
                1 | request 0
                1 | a: order #3 ACTIVE 0/10
            a: 0.00 on 0 (home); 0.00 + 5.00 held on 1
        "#]],
    );
}

#[test]
fn a_quote_moves_on_the_accounts_home() {
    check(
        2,
        "account a home 0 has 5
         market H on 0
         a buy H yes 10 @ 0.5
         a batch buy H yes 10 @ 0.495 ; cancel #1
         a all buy H yes 10 @ 0.5 ; cancel #2",
        expect![[r#"
            > a buy H yes 10 @ 0.5
                0 | a: order #1 ACTIVE 0/10
            > a batch buy H yes 10 @ 0.495 ; cancel #1
                0 | request 0
                0 | a: parked
                0 | request 1
                0 | a: BUY_YES 10 @ 0.5000 cancelled, REQUESTED
                0 | a: gets back 5.00
                0 | a: answer to "a batch buy H yes 10 @ 0.495 ; cancel #1"
                0 | request 0
                0 | a: order #2 ACTIVE 0/10
            > a all buy H yes 10 @ 0.5 ; cancel #2
                0 | request 1
                0 | a: BUY_YES 10 @ 0.4950 cancelled, REQUESTED
                0 | a: gets back 4.95
                0 | request 0
                0 | a: order #3 ACTIVE 0/10
            a: 0.00 + 5.00 held on 0 (home)
        "#]],
    );
}

/// The cancel frees 1.00 of the 5.00 that the order needs. The home shard is asked for the rest, as
/// if the cancel had come first.
#[test]
fn a_cancel_behind_an_order_may_free_too_little() {
    check(
        2,
        "account a home 0 has 5
         market R on 1
         a buy R yes 2 @ 0.5
         a batch buy R yes 10 @ 0.5 ; cancel #1
         a batch buy R yes 10 @ 0.5 ; cancel #2 ; buy R yes 1 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 3.00 and all room to 1
                1 | a: has 3.00 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a batch buy R yes 10 @ 0.5 ; cancel #1
                1 | request 0
                1 | a: parked
                1 | request 1
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
                1 | a: asks home for 2.00
                0 | a: sends 2.00 to 1
                1 | a: has 2.00 from 0
                1 | a: answer to "a batch buy R yes 10 @ 0.5 ; cancel #1"
                1 | request 0
                1 | a: order #2 ACTIVE 0/10
            > a batch buy R yes 10 @ 0.5 ; cancel #2 ; buy R yes 1 @ 0.5
                1 | request 0
                1 | a: parked
                1 | request 1
                1 | a: BUY_YES 10 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 5.00
                1 | request 2
                1 | a: parked
                1 | a: answer to "a batch buy R yes 10 @ 0.5 ; cancel #2 ; buy R yes 1 @ 0.5"
                1 | request 0
                1 | a: order #3 ACTIVE 0/10
                1 | a: asks home for 0.50
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a batch buy R yes 10 @ 0.5 ; cancel #2 ; buy R yes 1 @ 0.5"
                1 | request 2
                1 | a: order refused, funds-insufficient
            a: 0.00 on 0 (home); 0.00 + 5.00 held on 1
        "#]],
    );
}

#[test]
fn a_batch_one_by_one_is_parked_one_by_one() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a batch buy R yes 2 @ 0.5 ; buy R yes 30 @ 0.5 ; buy R yes 4 @ 0.5",
        expect![[r#"
            > a batch buy R yes 2 @ 0.5 ; buy R yes 30 @ 0.5 ; buy R yes 4 @ 0.5
                1 | request 0
                1 | a: parked
                1 | request 1
                1 | a: parked
                1 | request 2
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a batch buy R yes 2 @ 0.5 ; buy R yes 30 @ 0.5 ; buy R yes 4 @ 0.5"
                1 | request 0
                1 | a: order #1 ACTIVE 0/2
                1 | a: asks home for 10.50
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a batch buy R yes 2 @ 0.5 ; buy R yes 30 @ 0.5 ; buy R yes 4 @ 0.5"
                1 | request 1
                1 | a: order refused, funds-insufficient
                1 | a: answer to "a batch buy R yes 2 @ 0.5 ; buy R yes 30 @ 0.5 ; buy R yes 4 @ 0.5"
                1 | request 2
                1 | a: order #2 ACTIVE 0/4
            a: 4.50 on 0 (home); 2.50 + 3.00 held on 1
        "#]],
    );
}

#[test]
fn a_parked_batch_is_carried_out_whole() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a all buy R yes 2 @ 0.5 ; buy R yes 4 @ 0.5 ; buy R no 4 @ 0.4",
        expect![[r#"
            > a all buy R yes 2 @ 0.5 ; buy R yes 4 @ 0.5 ; buy R no 4 @ 0.4
                1 | a: parked
                1 | a: asks home for 4.60 and room for 3 orders, 4.60 held
                0 | a: sends 7.30 and all room to 1
                1 | a: has 7.30 and all room from 0
                1 | a: answer to "a all buy R yes 2 @ 0.5 ; buy R yes 4 @ 0.5 ; buy R no 4 @ 0.4"
                1 | request 0
                1 | a: order #1 ACTIVE 0/2
                1 | request 1
                1 | a: order #2 ACTIVE 0/4
                1 | request 2
                1 | a: order #3 ACTIVE 0/4
            a: 2.70 on 0 (home); 2.70 + 4.60 held on 1
        "#]],
    );
}

/// The second order is the reason. The other orders, which are small, are refused with it.
#[test]
fn a_parked_batch_is_refused_whole() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy S yes 2 @ 0.5
         a all buy R yes 4 @ 0.5 ; buy R yes 20 @ 0.5 ; buy R no 1 @ 0.4",
        expect![[r#"
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 2
                2 | a: has 5.50 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #1 ACTIVE 0/2
            > a all buy R yes 4 @ 0.5 ; buy R yes 20 @ 0.5 ; buy R no 1 @ 0.4
                1 | a: parked
                1 | a: asks home for 12.40 and room for 3 orders, 12.40 held
                0 | a: the claim of 1 waits, 12.40 and room for 3 orders, 12.40 held
                0 | a: tells 2: give back 7.90
                2 | a: sends 4.50 to 0
                0 | a: has 4.50 from 2
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a all buy R yes 4 @ 0.5 ; buy R yes 20 @ 0.5 ; buy R no 1 @ 0.4"
                1 | request 0
                1 | a: order refused, batch-refused
                1 | request 1
                1 | a: order refused, funds-insufficient
                1 | request 2
                1 | a: order refused, batch-refused
            a: 9.00 on 0 (home); 0.00 + 1.00 held on 2
        "#]],
    );
}

/// The order that the batch cancels has ended before the batch is decided.
#[test]
fn a_parked_batch_is_checked_again_when_it_is_decided() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a all cancel #1 ; buy R yes 18 @ 0.5
         a cancel #1
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
            > a all cancel #1 ; buy R yes 18 @ 0.5
                1 | a: parked
                1 | a: asks home for 3.50
            > a cancel #1
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
                1 | a: answer to "a all cancel #1 ; buy R yes 18 @ 0.5"
                1 | request 0
                1 | a: cancel refused, order-cancelled
                1 | request 1
                1 | a: order refused, batch-refused
            > deliver
                0 | a: sends 4.00 to 1
                1 | a: has 4.00 from 0
            a: 0.50 on 0 (home); 9.50 on 1
        "#]],
    );
}

#[test]
fn a_repeat_of_a_parked_batch_has_its_answers() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
         a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
         deliver",
        expect![[r#"
            > hold 1 0
            > a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
                1 | a: parked
                1 | a: asks home for 3.00 and room for 2 orders, 3.00 held
            > a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8
                1 | request 0
                1 | a: repeats what is parked, "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
                1 | request 1
                1 | a: repeats what is parked, "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
            > deliver
                0 | a: sends 6.50 and all room to 1
                1 | a: has 6.50 and all room from 0
                1 | a: answer to "a all buy R yes 2 @ 0.5 as 7 ; buy R yes 4 @ 0.5 as 8"
                1 | request 0
                1 | a: order #1 ACTIVE 0/2
                1 | request 1
                1 | a: order #2 ACTIVE 0/4
            a: 3.50 on 0 (home); 3.50 + 3.00 held on 1
        "#]],
    );
}
