//! A home shard recalls from the account's other purses what it lacks for a claim.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_home_shard_that_lacks_credits_recalls_them_from_other_purses() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 14 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 2 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 7.00 and all room to 2
                2 | a: has 7.00 and all room from 0
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order #2 ACTIVE 0/14
            a: 0.00 on 0 (home); 2.00 + 1.00 held on 1; 0.00 + 7.00 held on 2
        "#]],
    );
}

/// The home shard lacks 0.50 and gets half of the 4.50 that are free, so that it need not recall
/// again soon.
#[test]
fn a_recalled_purse_gives_at_least_half_of_what_is_free() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 10 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 10 @ 0.5
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: the claim of 2 waits, 5.00 and room for 1 order, 5.00 held
                0 | a: tells 1: give back 0.50
                1 | a: sends 2.25 to 0
                0 | a: has 2.25 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 5.875 and all room to 2
                2 | a: has 5.875 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5"
                2 | a: order #2 ACTIVE 0/10
            a: 0.875 on 0 (home); 2.25 + 1.00 held on 1; 0.875 + 5.00 held on 2
        "#]],
    );
}

#[test]
fn an_order_for_more_than_all_purses_have_is_refused_and_nothing_is_held() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 20 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 20 @ 0.5
                2 | a: parked
                2 | a: asks home for 10.00 and room for 1 order, 10.00 held
                0 | a: the claim of 2 waits, 10.00 and room for 1 order, 10.00 held
                0 | a: tells 1: give back 5.50
                1 | a: sends 4.50 to 0
                0 | a: has 4.50 from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, funds-insufficient
                2 | a: home refuses, funds-insufficient
                2 | a: answer to "a buy S yes 20 @ 0.5"
                2 | a: order refused, funds-insufficient
            a: 9.00 on 0 (home); 0.00 + 1.00 held on 1
        "#]],
    );
}

/// 7.00 are needed. No purse has more than 4.50.
#[test]
fn an_order_may_need_more_than_any_one_purse_has() {
    check(
        4,
        "account a home 0 has 12
         market R on 1
         market S on 2
         market T on 3
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         a buy T yes 14 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 6.50 and all room to 1
                1 | a: has 6.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 2 @ 0.5
                2 | a: parked
                2 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 3.25 and all room to 2
                2 | a: has 3.25 and all room from 0
                2 | a: answer to "a buy S yes 2 @ 0.5"
                2 | a: order #2 ACTIVE 0/2
            > a buy T yes 14 @ 0.5
                3 | a: parked
                3 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 3 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1, 2: give back 4.75
                1 | a: sends 4.75 to 0
                2 | a: sends 2.25 to 0
                0 | a: has 4.75 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 3 is decided
                0 | a: sends 7.00 and all room to 3
                3 | a: has 7.00 and all room from 0
                3 | a: answer to "a buy T yes 14 @ 0.5"
                3 | a: order #3 ACTIVE 0/14
                0 | a: has 2.25 from 2
                0 | a: 2 has carried it out
            a: 2.25 on 0 (home); 0.75 + 1.00 held on 1; 0.00 + 1.00 held on 2; 0.00 + 7.00 held on 3
        "#]],
    );
}

#[test]
fn an_order_on_the_home_recalls_too() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         market H on 0
         a buy R yes 2 @ 0.5
         a buy H yes 18 @ 0.5
         a buy H yes 1 @ 0.5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a buy H yes 18 @ 0.5
                0 | a: parked
                0 | a: asks home for 4.50
                0 | a: the claim of 0 waits, 4.50
                0 | a: tells 1: give back 4.50
                1 | a: sends 4.50 to 0
                0 | a: has 4.50 from 1
                0 | a: 1 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: answer to "a buy H yes 18 @ 0.5"
                0 | a: order #2 ACTIVE 0/18
            > a buy H yes 1 @ 0.5
                0 | a: parked
                0 | a: asks home for 0.50
                0 | a: the claim of 0 waits, 0.50
                0 | a: tells 1: give back 0.50
                0 | a: 1 has carried it out
                0 | a: the claim of 0 is decided
                0 | a: home refuses, funds-insufficient
                0 | a: answer to "a buy H yes 1 @ 0.5"
                0 | a: order refused, funds-insufficient
            a: 0.00 + 9.00 held on 0 (home); 0.00 + 1.00 held on 1
        "#]],
    );
}

/// When the answer to the first recall arrives, the home shard has spent 6.00 of its credits: it
/// recalls once more.
#[test]
fn a_purse_that_has_more_is_recalled_again() {
    check(
        3,
        "account a home 0 has 20
         market R on 1
         market S on 2
         market H on 0
         a buy R yes 4 @ 0.5
         hold 1 0
         a buy S yes 20 @ 0.5
         a buy H yes 12 @ 0.5
         deliver",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 11.00 and all room to 1
                1 | a: has 11.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > hold 1 0
            > a buy S yes 20 @ 0.5
                2 | a: parked
                2 | a: asks home for 10.00 and room for 1 order, 10.00 held
                0 | a: the claim of 2 waits, 10.00 and room for 1 order, 10.00 held
                0 | a: tells 1: give back 1.00
                1 | a: sends 4.50 to 0
            > a buy H yes 12 @ 0.5
                0 | a: order #2 ACTIVE 0/12
            > deliver
                0 | a: has 4.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 10.00 and all room to 2
                2 | a: has 10.00 and all room from 0
                2 | a: answer to "a buy S yes 20 @ 0.5"
                2 | a: order #3 ACTIVE 0/20
            a: 0.00 + 6.00 held on 0 (home); 2.00 + 2.00 held on 1; 0.00 + 10.00 held on 2
        "#]],
    );
}

/// The purse on shard 3 gave everything; the one on shard 2 did not, because 0.50 were lent to it
/// after the recall.
#[test]
fn a_purse_that_got_credits_during_the_recall_is_recalled_too() {
    check(
        4,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market T on 3
         a buy T yes 2 @ 0.5
         hold 3 0
         a buy R yes 18 @ 0.5
         wait 1s
         a buy S yes 1 @ 0.5
         a cancel #2
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
            > a buy R yes 18 @ 0.5
                1 | a: parked
                1 | a: asks home for 9.00 and room for 1 order, 9.00 held
                0 | a: the claim of 1 waits, 9.00 and room for 1 order, 9.00 held
                0 | a: tells 3: give back 4.50
                3 | a: sends 4.50 to 0
            > wait 1s
            > a buy S yes 1 @ 0.5
                2 | a: parked
                2 | a: asks home for 0.50 and room for 1 order, 0.50 held
                0 | a: sends 0.50 and all room to 2
                2 | a: has 0.50 and all room from 0
                2 | a: answer to "a buy S yes 1 @ 0.5"
                2 | a: order #2 ACTIVE 0/1
            > a cancel #2
                2 | a: BUY_YES 1 @ 0.5000 cancelled, REQUESTED
                2 | a: gets back 0.50
            > deliver
                0 | a: has 4.50 from 3
                0 | a: 3 has carried it out
                0 | a: tells 2, 3: give back 0.50
                2 | a: sends 0.50 to 0
                0 | a: has 0.50 from 2
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: sends 9.00 and all room to 1
                1 | a: has 9.00 and all room from 0
                1 | a: answer to "a buy R yes 18 @ 0.5"
                1 | a: order #3 ACTIVE 0/18
                0 | a: 3 has carried it out
            a: 0.00 on 0 (home); 0.00 + 9.00 held on 1; 0.00 on 2; 0.00 + 1.00 held on 3
        "#]],
    );
}

/// The recall for the order on shard 2 takes 9.75 from the purse on shard 1 after that purse has
/// asked for the 1.00 that it lacks. Once answered, it lacks more and asks again.
#[test]
fn a_purse_whose_claim_waits_returns_its_free_credits() {
    check(
        3,
        "account a home 0 has 40
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a withdraw 19
         hold 0 1
         a buy S yes 10 @ 0.5
         a buy R yes 41 @ 0.5
         deliver",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 20.50 and all room to 1
                1 | a: has 20.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > a withdraw 19
                0 | a: withdraws 19.00
            > hold 0 1
            > a buy S yes 10 @ 0.5
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: the claim of 2 waits, 5.00 and room for 1 order, 5.00 held
                0 | a: tells 1: give back 4.50
            > a buy R yes 41 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00
                0 | a: the claim of 1 waits, 1.00
            > deliver
                1 | a: sends 9.75 to 0
                0 | a: has 9.75 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 5.00 and all room to 2
                0 | a: tells 2: give back 5.50
                2 | a: has 5.00 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5"
                2 | a: order #2 ACTIVE 0/10
                0 | a: 2 has carried it out
                0 | a: the claim of 1 is decided
                0 | a: refuses what 1 asks for, funds-insufficient
                1 | a: home refuses, funds-insufficient
                1 | a: answer to "a buy R yes 41 @ 0.5"
                1 | a: order refused, funds-insufficient
            a: 5.25 on 0 (home); 9.75 + 1.00 held on 1; 0.00 + 5.00 held on 2
        "#]],
    );
}
