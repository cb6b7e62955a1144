//! Withdrawals and transfers take credits from whichever purses have them.

use expect_test::expect;

use crate::script::check;

#[test]
fn credits_of_the_home_shard_are_withdrawn_at_once() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         a withdraw 4.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a withdraw 4.5
                0 | a: withdraws 4.50
            a: 0.00 on 0 (home); 4.50 + 1.00 held on 1
        "#]],
    );
}

#[test]
fn a_withdrawal_recalls_lent_credits() {
    check(
        3,
        "account a home 0 has 16
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         a withdraw 3.25
         a withdraw 10.75
         a withdraw 0.01",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 8.50 and all room to 1
                1 | a: has 8.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 4.25 and all room to 2
                2 | a: has 4.25 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #2 ACTIVE 0/2
            > a withdraw 3.25
                0 | a: withdraws 3.25
            > a withdraw 10.75
                0 | a: the withdrawal waits
                0 | a: tells 1, 2: give back 10.75
                1 | a: sends 7.50 to 0
                2 | a: sends 3.25 to 0
                0 | a: has 7.50 from 1
                0 | a: 1 has carried it out
                0 | a: has 3.25 from 2
                0 | a: 2 has carried it out
                0 | a: answer to "a withdraw 10.75"
                0 | a: withdraws 10.75
            > a withdraw 0.01
                0 | a: the withdrawal waits
                0 | a: tells 1, 2: give back 0.01
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: answer to "a withdraw 0.01"
                0 | refused, funds-insufficient
            a: 0.00 on 0 (home); 0.00 + 1.00 held on 1; 0.00 + 1.00 held on 2
        "#]],
    );
}

#[test]
fn a_withdrawal_of_too_much_is_refused_after_the_recall() {
    check(
        3,
        "account a home 0 has 16
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         a withdraw 14.01",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 8.50 and all room to 1
                1 | a: has 8.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 4.25 and all room to 2
                2 | a: has 4.25 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #2 ACTIVE 0/2
            > a withdraw 14.01
                0 | a: the withdrawal waits
                0 | a: tells 1, 2: give back 10.76
                1 | a: sends 7.50 to 0
                2 | a: sends 3.25 to 0
                0 | a: has 7.50 from 1
                0 | a: 1 has carried it out
                0 | a: has 3.25 from 2
                0 | a: 2 has carried it out
                0 | a: answer to "a withdraw 14.01"
                0 | refused, funds-insufficient
            a: 14.00 on 0 (home); 0.00 + 1.00 held on 1; 0.00 + 1.00 held on 2
        "#]],
    );
}

#[test]
fn an_account_without_other_purses_is_refused_at_once() {
    check(
        2,
        "account a home 0 has 10
         a withdraw 11",
        expect![[r#"
            > a withdraw 11
                0 | refused, funds-insufficient
            a: 10.00 on 0 (home)
        "#]],
    );
}

#[test]
fn a_transfer_recalls_lent_credits() {
    check(
        3,
        "account a home 0 has 10
         account b home 2 has 0
         market R on 1
         a buy R yes 2 @ 0.5
         a transfer b 9
         a transfer b 1",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a transfer b 9
                0 | a: the transfer waits
                0 | a: tells 1: give back 4.50
                1 | a: sends 4.50 to 0
                0 | a: has 4.50 from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a transfer b 9"
                0 | a: gives 9.00 to b
                2 | b: has 9.00 from a
            > a transfer b 1
                0 | a: the transfer waits
                0 | a: tells 1: give back 1.00
                0 | a: 1 has carried it out
                0 | a: answer to "a transfer b 1"
                0 | refused, funds-insufficient
            a: 0.00 on 0 (home); 0.00 + 1.00 held on 1
            b: 9.00 on 2 (home)
        "#]],
    );
}

#[test]
fn a_transfer_to_an_unknown_account_comes_back() {
    check(
        2,
        "account a home 0 has 10
         stranger b home 1
         a transfer b 4",
        expect![[r#"
            > a transfer b 4
                0 | a: gives 4.00 to b
                0 | a: has 4.00 back from b, account-unknown
            a: 10.00 on 0 (home)
            b: no purse
        "#]],
    );
}

#[test]
fn two_hundred_movements_of_an_account_wait_at_most() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         times 150 a withdraw 5
         times 50 a transfer b 5
         a withdraw 5
         a transfer b 5
         a withdraw 4
         quietly deliver
         a withdraw 1",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > hold 1 0
            > times 150 a withdraw 5
            > times 50 a transfer b 5
            > a withdraw 5
                0 | refused, parked-limit
            > a transfer b 5
                0 | refused, parked-limit
            > a withdraw 4
                0 | refused, parked-limit
            > quietly deliver
            > a withdraw 1
                0 | a: withdraws 1.00
            a: 3.00 on 0 (home); 0.00 + 1.00 held on 1
            b: 0.00 on 1 (home)
        "#]],
    );
}

/// A deposit may bring the credits that a withdrawal waits for.
#[test]
fn a_deposit_ends_the_wait() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a withdraw 8
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
            > a withdraw 8
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 3.50
                1 | a: sends 3.50 to 0
            > a deposit 5
                0 | a: deposits 5.00
                0 | a: answer to "a withdraw 8"
                0 | a: withdraws 8.00
            > deliver
                0 | a: has 3.50 from 1
                0 | a: 1 has carried it out, and has more
            a: 5.00 on 0 (home); 1.00 + 1.00 held on 1
        "#]],
    );
}
