//! The source of an order's credits: the purse on its market's shard, or the account's home shard.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_purse_on_the_accounts_home_pays_at_once() {
    check(
        2,
        "account a home 0 has 10
         market R on 0
         a buy R yes 10 @ 0.5",
        expect![[r#"
            > a buy R yes 10 @ 0.5
                0 | a: order #1 ACTIVE 0/10
            a: 5.00 + 5.00 held on 0 (home)
        "#]],
    );
}

/// The home shard has 8.00 beyond the need; half of it is lent as well, as the float.
#[test]
fn the_first_order_on_a_shard_asks_the_home_and_later_ones_are_paid_by_the_float() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         a buy R yes 8 @ 0.5",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > a buy R yes 8 @ 0.5
                1 | a: order #2 ACTIVE 0/8
            a: 4.00 on 0 (home); 0.00 + 6.00 held on 1
        "#]],
    );
}

/// The purse lacks 2.00 for the second order. It also gets a float, so the third order needs no
/// ask.
#[test]
fn an_order_asks_for_what_its_purse_lacks() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         a buy R yes 12 @ 0.5
         a buy R yes 2 @ 0.5",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > a buy R yes 12 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00
                0 | a: sends 3.00 to 1
                1 | a: has 3.00 from 0
                1 | a: answer to "a buy R yes 12 @ 0.5"
                1 | a: order #2 ACTIVE 0/12
            > a buy R yes 2 @ 0.5
                1 | a: order #3 ACTIVE 0/2
            a: 1.00 on 0 (home); 0.00 + 9.00 held on 1
        "#]],
    );
}

#[test]
fn an_id_without_an_account_is_refused_by_its_home() {
    check(
        2,
        "stranger a home 0
         stranger b home 1
         market R on 1
         a buy R yes 1 @ 0.5
         b buy R yes 1 @ 0.5
         a sell R yes 1 @ 0.5",
        expect![[r#"
            > a buy R yes 1 @ 0.5
                1 | a: parked
                1 | a: asks home for 0.50 and room for 1 order, 0.50 held
                0 | a: refuses what 1 asks for, account-unknown
                1 | a: home refuses, account-unknown
                1 | a: answer to "a buy R yes 1 @ 0.5"
                1 | a: order refused, account-unknown
            > b buy R yes 1 @ 0.5
                1 | b: order refused, account-unknown
            > a sell R yes 1 @ 0.5
                1 | a: order refused, position-insufficient
            a: no purse
            b: no purse
        "#]],
    );
}

/// When the order came, the account had 9.00 of the 10.00 that it needs. A later cancel frees the
/// rest before the refusal arrives, so the home shard is asked for the smaller amount.
#[test]
fn a_refusal_of_more_than_is_still_lacking_does_not_count() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         hold 0 1
         a buy R yes 20 @ 0.5
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
            > hold 0 1
            > a buy R yes 20 @ 0.5
                1 | a: parked
                1 | a: asks home for 5.50
                0 | a: refuses what 1 asks for, funds-insufficient
            > a cancel #1
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
            > deliver
                1 | a: home refuses, funds-insufficient
                1 | a: asks home for 4.50
                0 | a: sends 4.50 to 1
                1 | a: has 4.50 from 0
                1 | a: answer to "a buy R yes 20 @ 0.5"
                1 | a: order #2 ACTIVE 0/20
            a: 0.00 on 0 (home); 0.00 + 10.00 held on 1
        "#]],
    );
}

#[test]
fn a_deposit_pays_for_an_order_that_waits() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market H on 0
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy S yes 14 @ 0.5
         a buy H yes 10 @ 0.5
         a deposit 3
         a deposit 5
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
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 2 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
            > a buy H yes 10 @ 0.5
                0 | a: parked
                0 | a: asks home for 0.50
                0 | a: the claim of 0 waits, 0.50
            > a deposit 3
                0 | a: deposits 3.00
                0 | a: the claim of 2 is decided
                0 | a: sends 7.00 and all room to 2
                0 | a: tells 1, 2: give back 4.50
                1 | a: sends 2.00 to 0
                2 | a: has 7.00 and all room from 0
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order #2 ACTIVE 0/14
                0 | a: 2 has carried it out
            > a deposit 5
                0 | a: deposits 5.00
                0 | a: the claim of 0 is decided
                0 | a: answer to "a buy H yes 10 @ 0.5"
                0 | a: order #3 ACTIVE 0/10
            > deliver
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: has 2.00 from 1
                0 | a: 1 has carried it out
            a: 5.00 + 5.00 held on 0 (home); 0.00 + 1.00 held on 1; 0.00 + 7.00 held on 2
        "#]],
    );
}

#[test]
fn an_amendment_that_needs_credits_asks_the_home() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         a amend #1 quantity 10
         a amend #1 price 0.9
         a amend #1 price 0.95 quantity 20
         a amend #1 price 0.4",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > a amend #1 quantity 10
                1 | a: 3.00 more held
                1 | a: order #1 ACTIVE 0/10 @ 0.5000
            > a amend #1 price 0.9
                1 | a: parked
                1 | a: asks home for 3.00
                0 | a: sends 3.50 to 1
                1 | a: has 3.50 from 0
                1 | a: answer to "a amend #1 price 0.9"
                1 | a: 4.00 more held
                1 | a: order #1 ACTIVE 0/10 @ 0.9000
            > a amend #1 price 0.95 quantity 20
                1 | a: parked
                1 | a: asks home for 9.50
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a amend #1 price 0.95 quantity 20"
                1 | a: amendment refused, funds-insufficient
            > a amend #1 price 0.4
                1 | a: order #1 ACTIVE 0/10 @ 0.4000
                1 | a: gets back 5.00
            a: 0.50 on 0 (home); 5.50 + 4.00 held on 1
        "#]],
    );
}
