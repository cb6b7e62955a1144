//! No request waits longer than ten seconds, whichever shard does not answer.

use expect_test::expect;

use crate::script::check;

/// The home shard is down for longer than an order waits. What it lends later stays in the purse
/// and pays for the next order.
#[test]
fn an_order_is_not_parked_for_longer_than_ten_seconds() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         cut 0
         a buy R yes 2 @ 0.5
         wait 9s
         tick
         wait 1s
         tick
         mend 0
         a buy R yes 10 @ 0.5",
        expect![[r#"
            > cut 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > wait 9s
            > tick
            > wait 1s
            > tick
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order refused, funding-timeout
            > mend 0
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
            > a buy R yes 10 @ 0.5
                1 | a: order #1 ACTIVE 0/10
            a: 4.50 on 0 (home); 0.50 + 5.00 held on 1
        "#]],
    );
}

/// One ask is in flight. The next order waits for its answer, too.
#[test]
fn the_next_order_is_parked_behind_an_ask_that_is_too_late() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         cut 0
         a buy R yes 2 @ 0.5
         wait 10s
         tick
         a buy R yes 8 @ 0.5
         mend 0",
        expect![[r#"
            > cut 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > wait 10s
            > tick
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order refused, funding-timeout
            > a buy R yes 8 @ 0.5
                1 | a: parked
            > mend 0
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 8 @ 0.5"
                1 | a: order #1 ACTIVE 0/8
            a: 4.50 on 0 (home); 1.50 + 4.00 held on 1
        "#]],
    );
}

/// Shard 1 is down with 4.50 that the claim needs. The home shard refuses the claim in time; the
/// order was refused just before.
#[test]
fn a_claim_does_not_wait_for_longer_than_ten_seconds() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         cut 1
         a buy S yes 14 @ 0.5
         a withdraw 8
         wait 10s
         tick
         mend 1
         a withdraw 8",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > cut 1
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 2 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1: give back 2.50
            > a withdraw 8
                0 | a: the withdrawal waits
            > wait 10s
            > tick
                0 | a: the claim of 2 is decided
                0 | a: refuses what 2 asks for, funding-timeout
                0 | a: answer to "a withdraw 8"
                0 | refused, funding-timeout
                2 | a: home refuses, funding-timeout
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order refused, funding-timeout
            > mend 1
                1 | a: sends 2.50 to 0
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
            > a withdraw 8
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 1.00
                1 | a: sends 1.00 to 0
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 8"
                0 | a: withdraws 8.00
            a: 0.00 on 0 (home); 1.00 + 1.00 held on 1
        "#]],
    );
}

/// The second withdrawal is the oldest when the first is refused: the credits of shard 1 are
/// recalled for it.
#[test]
fn a_claim_that_waited_behind_another_has_its_own_ten_seconds() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         cut 1
         a withdraw 8
         wait 6s
         a withdraw 7
         wait 4s
         tick
         mend 1",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > cut 1
            > a withdraw 8
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 3.50
            > wait 6s
            > a withdraw 7
                0 | a: the withdrawal waits
            > wait 4s
            > tick
                0 | a: answer to "a withdraw 8"
                0 | refused, funding-timeout
                0 | a: tells 1: give back 2.50
            > mend 1
                1 | a: sends 3.50 to 0
                1 | a: sends 1.00 to 0
                0 | a: has 3.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 7"
                0 | a: withdraws 7.00
                0 | a: has 1.00 from 1
                0 | a: 1 has carried it out
            a: 2.00 on 0 (home); 0.00 + 1.00 held on 1
        "#]],
    );
}

#[test]
fn a_batch_that_waits_too_long_is_refused_whole() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         cut 0
         a all buy R yes 2 @ 0.5 ; sell R yes 1 @ 0.5 ; buy R no 2 @ 0.4
         a all buy R yes 2 @ 0.5 ; buy R no 2 @ 0.4
         wait 10s
         tick",
        expect![[r#"
            > cut 0
            > a all buy R yes 2 @ 0.5 ; sell R yes 1 @ 0.5 ; buy R no 2 @ 0.4
                1 | request 0
                1 | a: order refused, batch-refused
                1 | request 1
                1 | a: order refused, position-insufficient
                1 | request 2
                1 | a: order refused, batch-refused
            > a all buy R yes 2 @ 0.5 ; buy R no 2 @ 0.4
                1 | a: parked
                1 | a: asks home for 1.80 and room for 2 orders, 1.80 held
            > wait 10s
            > tick
                1 | a: answer to "a all buy R yes 2 @ 0.5 ; buy R no 2 @ 0.4"
                1 | request 0
                1 | a: order refused, funding-timeout
                1 | request 1
                1 | a: order refused, funding-timeout
            a: 10.00 on 0 (home)
            from 1 to 0: a asks for 1.80 and room for 2 orders, 1.80 held
        "#]],
    );
}
