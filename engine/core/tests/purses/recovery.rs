//! A shard's engine dies between two messages. Another continues with its log and sends the
//! unacknowledged messages again; receivers skip the numbers that they have.

use expect_test::expect;

use crate::script::check;

/// The home shard has granted a claim and dies before the answer is delivered.
#[test]
fn a_home_that_is_killed_sends_its_answer_again() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         snapshot 0
         hold 0 1
         a buy R yes 2 @ 0.5
         kill 0
         deliver
         kill 0
         a buy R yes 2 @ 0.5",
        expect![[r#"
            > snapshot 0
            > hold 0 1
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
            > kill 0
            > deliver
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > kill 0
                1 | had message 1 from 0 before
            > a buy R yes 2 @ 0.5
                1 | a: order #2 ACTIVE 0/2
            a: 4.50 on 0 (home); 3.50 + 2.00 held on 1
        "#]],
    );
}

/// The home shard dies while a claim waits for what shard 1 returns, and a withdrawal waits behind
/// it.
#[test]
fn a_home_that_is_killed_continues_its_claims() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         snapshot 0
         hold 1 0
         a buy S yes 14 @ 0.5
         a withdraw 1
         kill 0
         deliver",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > snapshot 0
            > hold 1 0
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 2 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
            > a withdraw 1
                0 | a: the withdrawal waits
            > kill 0
                1 | had message 1 from 0 before
                1 | had message 2 from 0 before
            > deliver
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 7.00 and all room to 2
                0 | a: tells 1, 2: give back 1.00
                1 | a: sends 1.00 to 0
                2 | a: has 7.00 and all room from 0
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order #2 ACTIVE 0/14
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 1"
                0 | a: withdraws 1.00
                0 | a: 2 has carried it out
            a: 0.00 on 0 (home); 1.00 + 1.00 held on 1; 0.00 + 7.00 held on 2
        "#]],
    );
}

#[test]
fn a_market_that_is_killed_keeps_its_parked_requests() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5
         a buy R yes 4 @ 0.5
         snapshot 1
         a buy R yes 6 @ 0.5
         kill 1
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a buy R yes 4 @ 0.5
                1 | a: parked
            > snapshot 1
            > a buy R yes 6 @ 0.5
                1 | a: parked
            > kill 1
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #2 ACTIVE 0/4
                1 | a: asks home for 0.50
                0 | a: sends 2.50 to 1
                1 | a: has 2.50 from 0
                1 | a: answer to "a buy R yes 6 @ 0.5"
                1 | a: order #3 ACTIVE 0/6
            a: 2.00 on 0 (home); 2.00 + 6.00 held on 1
        "#]],
    );
}

/// Without a snapshot the whole log is followed.
#[test]
fn a_home_that_is_killed_continues_its_instructions() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         hold 2 0
         a cancel all
         kill 0
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
            > hold 2 0
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1, 2: cancel all, MASS_CANCEL
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                2 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                2 | a: gets back 1.00
                0 | a: 1 has carried it out
            > kill 0
                1 | had message 1 from 0 before
                1 | had message 2 from 0 before
                2 | had message 1 from 0 before
                2 | had message 2 from 0 before
            > deliver
                0 | a: 2 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 1.75 on 0 (home); 5.50 on 1; 2.75 on 2
        "#]],
    );
}
