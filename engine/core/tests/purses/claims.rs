//! The order in which several claims of one account are decided.

use expect_test::expect;

use crate::script::check;

#[test]
fn two_shards_that_ask_at_once_are_answered_in_order() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         hold 1 0
         hold 2 0
         a buy R yes 16 @ 0.5
         a buy S yes 16 @ 0.5
         deliver 2 0
         deliver 1 0",
        expect![[r#"
            > hold 1 0
            > hold 2 0
            > a buy R yes 16 @ 0.5
                1 | a: parked
                1 | a: asks home for 8.00 and room for 1 order, 8.00 held
            > a buy S yes 16 @ 0.5
                2 | a: parked
                2 | a: asks home for 8.00 and room for 1 order, 8.00 held
            > deliver 2 0
                0 | a: sends 9.00 and all room to 2
                2 | a: has 9.00 and all room from 0
                2 | a: answer to "a buy S yes 16 @ 0.5"
                2 | a: order #1 ACTIVE 0/16
            > deliver 1 0
                0 | a: the claim of 1 waits, 8.00 and room for 1 order, 8.00 held
                0 | a: tells 2: give back 7.00
                2 | a: sends 1.00 to 0
                0 | a: has 1.00 from 2
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a buy R yes 16 @ 0.5"
                1 | a: order refused, funds-insufficient
            a: 2.00 on 0 (home); 0.00 + 8.00 held on 2
        "#]],
    );
}

/// Both claims wait for what shard 3 returns. The first claim is paid; the purse that it went to is
/// then recalled for the second.
#[test]
fn claims_wait_in_order() {
    check(
        4,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market T on 3
         a buy T yes 2 @ 0.5
         hold 3 0
         a buy R yes 10 @ 0.5
         a buy S yes 12 @ 0.5
         deliver",
        expect![[r#"
            > a buy T yes 2 @ 0.5
                3 | a: parked
                3 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 3
                3 | a: has 5.50 and all room from 0
                3 | a: answer to "a buy T yes 2 @ 0.5"
                3 | a: order #1 ACTIVE 0/2
            > hold 3 0
            > a buy R yes 10 @ 0.5
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: the claim of 1 waits, 5.00 and room for 1 order, 5.00 held
                0 | a: tells 3: give back 0.50
                3 | a: sends 2.25 to 0
            > a buy S yes 12 @ 0.5
                2 | a: parked
                2 | a: asks home for 6.00 and room for 1 order, 6.00 held
                0 | a: the claim of 2 waits, 6.00 and room for 1 order, 6.00 held
            > deliver
                0 | a: has 2.25 from 3
                0 | a: 3 has carried it out, and has more
                0 | a: the claim of 1 is decided
                0 | a: sends 5.00 and all room to 1
                0 | a: tells 1, 3: give back 4.25
                1 | a: has 5.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5"
                1 | a: order #2 ACTIVE 0/10
                3 | a: sends 2.25 to 0
                0 | a: 1 has carried it out
                0 | a: has 2.25 from 3
                0 | a: 3 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, funds-insufficient
                2 | a: home refuses, funds-insufficient
                2 | a: answer to "a buy S yes 12 @ 0.5"
                2 | a: order refused, funds-insufficient
            a: 4.00 on 0 (home); 0.00 + 5.00 held on 1; 0.00 + 1.00 held on 3
        "#]],
    );
}

/// The later claim passes once the recall has taken a second. The waiting claim then lacks that
/// amount: all purses are recalled again.
#[test]
fn a_later_claim_that_the_home_can_pay_passes_one_that_is_late() {
    check(
        4,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market T on 3
         a buy T yes 2 @ 0.5
         hold 3 0
         a buy R yes 17 @ 0.5
         wait 1s
         a buy S yes 1 @ 0.5
         deliver",
        expect![[r#"
            > a buy T yes 2 @ 0.5
                3 | a: parked
                3 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 3
                3 | a: has 5.50 and all room from 0
                3 | a: answer to "a buy T yes 2 @ 0.5"
                3 | a: order #1 ACTIVE 0/2
            > hold 3 0
            > a buy R yes 17 @ 0.5
                1 | a: parked
                1 | a: asks home for 8.50 and room for 1 order, 8.50 held
                0 | a: the claim of 1 waits, 8.50 and room for 1 order, 8.50 held
                0 | a: tells 3: give back 4.00
                3 | a: sends 4.00 to 0
            > wait 1s
            > a buy S yes 1 @ 0.5
                2 | a: parked
                2 | a: asks home for 0.50 and room for 1 order, 0.50 held
                0 | a: sends 0.50 and all room to 2
                2 | a: has 0.50 and all room from 0
                2 | a: answer to "a buy S yes 1 @ 0.5"
                2 | a: order #2 ACTIVE 0/1
            > deliver
                0 | a: has 4.00 from 3
                0 | a: 3 has carried it out, and has more
                0 | a: tells 2, 3: give back 0.50
                3 | a: sends 0.50 to 0
                0 | a: 2 has carried it out
                0 | a: has 0.50 from 3
                0 | a: 3 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: sends 8.50 and all room to 1
                1 | a: has 8.50 and all room from 0
                1 | a: answer to "a buy R yes 17 @ 0.5"
                1 | a: order #3 ACTIVE 0/17
            a: 0.00 on 0 (home); 0.00 + 8.50 held on 1; 0.00 + 0.50 held on 2; 0.00 + 1.00 held on 3
        "#]],
    );
}

/// Both withdrawals need the credits of shard 1. The transfer, which the home shard can pay, does
/// not wait once the recall has taken a second.
#[test]
fn movements_that_need_a_recall_wait_for_each_other() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a withdraw 7
         a withdraw 4.6
         wait 1s
         a transfer b 1
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
            > a withdraw 7
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
            > a withdraw 4.6
                0 | a: the withdrawal waits
            > wait 1s
            > a transfer b 1
                0 | a: gives 1.00 to b
                1 | b: has 1.00 from a
            > deliver
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: tells 1: give back 1.00
                1 | a: sends 1.00 to 0
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 7"
                0 | a: withdraws 7.00
                0 | a: tells 1: give back 4.60
                1 | a: sends 1.00 to 0
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a withdraw 4.6"
                0 | refused, funds-insufficient
            a: 1.00 on 0 (home); 0.00 + 1.00 held on 1
            b: 1.00 on 1 (home)
        "#]],
    );
}

/// The transfer and the second withdrawal take the credits that the first withdrawal lacks in the
/// end.
#[test]
fn a_late_withdrawal_does_not_block_later_ones() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a withdraw 8
         wait 1s
         a transfer b 1
         a withdraw 1
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
            > wait 1s
            > a transfer b 1
                0 | a: gives 1.00 to b
                1 | b: has 1.00 from a
            > a withdraw 1
                0 | a: withdraws 1.00
            > deliver
                0 | a: has 3.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: tells 1: give back 2.00
                1 | a: sends 1.00 to 0
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a withdraw 8"
                0 | refused, funds-insufficient
            a: 7.00 on 0 (home); 0.00 + 1.00 held on 1
            b: 1.00 on 1 (home)
        "#]],
    );
}

/// The order on shard 1 came first.
#[test]
fn an_order_and_a_withdrawal_claim_in_order() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy S yes 2 @ 0.5
         hold 2 0
         a buy R yes 12 @ 0.5
         a withdraw 5
         deliver",
        expect![[r#"
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 2
                2 | a: has 5.50 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #1 ACTIVE 0/2
            > hold 2 0
            > a buy R yes 12 @ 0.5
                1 | a: parked
                1 | a: asks home for 6.00 and room for 1 order, 6.00 held
                0 | a: the claim of 1 waits, 6.00 and room for 1 order, 6.00 held
                0 | a: tells 2: give back 1.50
                2 | a: sends 2.25 to 0
            > a withdraw 5
                0 | a: the withdrawal waits
            > deliver
                0 | a: has 2.25 from 2
                0 | a: 2 has carried it out, and has more
                0 | a: the claim of 1 is decided
                0 | a: sends 6.00 and all room to 1
                0 | a: tells 1, 2: give back 4.25
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 12 @ 0.5"
                1 | a: order #2 ACTIVE 0/12
                2 | a: sends 2.25 to 0
                0 | a: 1 has carried it out
                0 | a: has 2.25 from 2
                0 | a: 2 has carried it out
                0 | a: answer to "a withdraw 5"
                0 | refused, funds-insufficient
            a: 3.00 on 0 (home); 0.00 + 6.00 held on 1; 0.00 + 1.00 held on 2
        "#]],
    );
}
