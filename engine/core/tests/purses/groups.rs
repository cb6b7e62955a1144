//! Groups with orders on several shards: each shard counts its own fills, the home shard adds them
//! up, and messages are delayed.

use expect_test::expect;

use crate::script::check;

#[test]
fn the_home_adds_up_what_fills_on_other_shards() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         m buy R no 6 @ 0.5
         m buy S no 6 @ 0.5
         a buy R yes 1 @ 0.5 group 1
         a group 1 reset
         a buy R yes 1 @ 0.5 group 1",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > m buy R no 6 @ 0.5
                1 | m: order #3 FILLED 6/6
                1 | m: trades 6 @ 0.5000 with a, MINT
                1 | a: group 1 fills 6, now 6
                1 | a: spends 3.00
                1 | m: spends 3.00
                1 | a: reports group 1
                0 | a: group 1 fills 6, now 6, says 1
            > m buy S no 6 @ 0.5
                2 | m: parked
                2 | m: asks home for 3.00 and room for 1 order, 3.00 held
                1 | m: sends 50.00 and all room to 2
                2 | m: has 50.00 and all room from 1
                2 | m: answer to "m buy S no 6 @ 0.5"
                2 | m: order #4 FILLED 6/6
                2 | m: trades 6 @ 0.5000 with a, MINT
                2 | a: group 1 fills 6, now 6
                2 | a: spends 3.00
                2 | m: spends 3.00
                2 | a: reports group 1
                0 | a: group 1 fills 6, now 12, says 2
                0 | a: group 1 is triggered, FILLED
                1 | a: group 1 is triggered, ELSEWHERE
                1 | a: BUY_YES 4 @ 0.5000 cancelled, GROUP
                1 | a: gets back 2.00
                2 | a: group 1 is triggered, ELSEWHERE
                2 | a: BUY_YES 4 @ 0.5000 cancelled, GROUP
                2 | a: gets back 2.00
            > a buy R yes 1 @ 0.5 group 1
                1 | a: order refused, group-triggered
            > a group 1 reset
                0 | a: group 1 has 10 in 60 s (2)
                0 | a: tells 1, 2: group 1 has 10 in 60 s (2)
                1 | a: group 1 has 10 in 60 s (2)
                2 | a: group 1 has 10 in 60 s (2)
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: answer to "a group 1 reset"
                0 | a: done everywhere: group 1 has 10 in 60 s (2)
            > a buy R yes 1 @ 0.5 group 1
                1 | a: order #5 ACTIVE 0/1
            a: 21.25 on 0 (home); 49.00 + 0.50 held on 1; 23.25 on 2
            m: 47.00 on 1 (home); 47.00 on 2
        "#]],
    );
}

#[test]
fn a_group_that_one_shard_fills_ends_on_all_shards() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         m buy R no 20 @ 0.5",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > m buy R no 20 @ 0.5
                1 | m: order #3 PARTIALLY_FILLED 10/20
                1 | m: trades 10 @ 0.5000 with a, MINT
                1 | a: group 1 fills 10, now 10
                1 | a: group 1 is triggered, FILLED
                1 | a: spends 5.00
                1 | m: spends 5.00
                1 | a: reports group 1
                0 | a: group 1 fills 10, now 10, says 1
                0 | a: group 1 is triggered, ELSEWHERE
                2 | a: group 1 is triggered, ELSEWHERE
                2 | a: BUY_YES 10 @ 0.5000 cancelled, GROUP
                2 | a: gets back 5.00
            a: 21.25 on 0 (home); 47.50 on 1; 26.25 on 2
            m: 90.00 + 5.00 held on 1 (home)
        "#]],
    );
}

/// Messages are in flight.
#[test]
fn no_more_than_the_limit_fills_on_each_shard() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         hold 1 0
         hold 2 0
         m buy R no 20 @ 0.5
         m buy S no 20 @ 0.5
         a buy R yes 1 @ 0.5 group 1
         deliver",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > hold 1 0
            > hold 2 0
            > m buy R no 20 @ 0.5
                1 | m: order #3 PARTIALLY_FILLED 10/20
                1 | m: trades 10 @ 0.5000 with a, MINT
                1 | a: group 1 fills 10, now 10
                1 | a: group 1 is triggered, FILLED
                1 | a: spends 5.00
                1 | m: spends 5.00
                1 | a: reports group 1
            > m buy S no 20 @ 0.5
                2 | m: parked
                2 | m: asks home for 10.00 and room for 1 order, 10.00 held
                1 | m: sends 50.00 and all room to 2
                2 | m: has 50.00 and all room from 1
                2 | m: answer to "m buy S no 20 @ 0.5"
                2 | m: order #4 PARTIALLY_FILLED 10/20
                2 | m: trades 10 @ 0.5000 with a, MINT
                2 | a: group 1 fills 10, now 10
                2 | a: group 1 is triggered, FILLED
                2 | a: spends 5.00
                2 | m: spends 5.00
                2 | a: reports group 1
            > a buy R yes 1 @ 0.5 group 1
                1 | a: order refused, group-triggered
            > deliver
                0 | a: group 1 fills 10, now 10, says 1
                0 | a: group 1 is triggered, ELSEWHERE
            a: 21.25 on 0 (home); 47.50 on 1; 21.25 on 2
            m: 40.00 + 5.00 held on 1 (home); 40.00 + 5.00 held on 2
        "#]],
    );
}

#[test]
fn a_message_of_another_generation_has_no_effect() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         hold 1 0
         hold 0 2
         m buy R no 20 @ 0.5
         a group 1 reset
         deliver 1 0
         m buy S no 2 @ 0.5
         a group 1 trigger
         a group 1 reset
         deliver
         a buy R yes 1 @ 0.5 group 1
         a buy S yes 1 @ 0.5 group 1",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > hold 1 0
            > hold 0 2
            > m buy R no 20 @ 0.5
                1 | m: order #3 PARTIALLY_FILLED 10/20
                1 | m: trades 10 @ 0.5000 with a, MINT
                1 | a: group 1 fills 10, now 10
                1 | a: group 1 is triggered, FILLED
                1 | a: spends 5.00
                1 | m: spends 5.00
                1 | a: reports group 1
            > a group 1 reset
                0 | a: group 1 has 10 in 60 s (2)
                0 | a: tells 1, 2: group 1 has 10 in 60 s (2)
                1 | a: group 1 has 10 in 60 s (2)
            > deliver 1 0
                0 | a: 1 has carried it out
            > m buy S no 2 @ 0.5
                2 | m: parked
                2 | m: asks home for 1.00 and room for 1 order, 1.00 held
                1 | m: sends 45.50 and all room to 2
                2 | m: has 45.50 and all room from 1
                2 | m: answer to "m buy S no 2 @ 0.5"
                2 | m: order #4 FILLED 2/2
                2 | m: trades 2 @ 0.5000 with a, MINT
                2 | a: group 1 fills 2, now 2
                2 | a: spends 1.00
                2 | m: spends 1.00
                2 | a: reports group 1
            > a group 1 trigger
                0 | a: group 1 is triggered, REQUESTED
                0 | a: tells 1, 2: group 1 is triggered
                1 | a: group 1 is triggered, ELSEWHERE
                0 | a: 1 has carried it out
            > a group 1 reset
                0 | a: group 1 has 10 in 60 s (3)
                0 | a: tells 1, 2: group 1 has 10 in 60 s (3)
                1 | a: group 1 has 10 in 60 s (3)
                0 | a: 1 has carried it out
            > deliver
                2 | a: group 1 has 10 in 60 s (2)
                2 | a: group 1 is triggered, ELSEWHERE
                2 | a: BUY_YES 8 @ 0.5000 cancelled, GROUP
                2 | a: gets back 4.00
                2 | a: group 1 has 10 in 60 s (3)
                0 | a: 2 has carried it out
                0 | a: answer to "a group 1 reset"
                0 | a: done everywhere: group 1 has 10 in 60 s (2)
                0 | a: 2 has carried it out
                0 | a: answer to "a group 1 trigger"
                0 | a: done everywhere: group 1 is triggered
                0 | a: 2 has carried it out
                0 | a: answer to "a group 1 reset"
                0 | a: done everywhere: group 1 has 10 in 60 s (3)
            > a buy R yes 1 @ 0.5 group 1
                1 | a: order #5 FILLED 1/1
                1 | a: trades 1 @ 0.5000 with m, MINT
                1 | a: group 1 fills 1, now 1
                1 | m: spends 0.50
                1 | a: spends 0.50
                1 | a: reports group 1
                0 | a: group 1 fills 1, now 1, says 1
            > a buy S yes 1 @ 0.5 group 1
                2 | a: order #6 ACTIVE 0/1
            a: 21.25 on 0 (home); 47.00 on 1; 24.75 + 0.50 held on 2
            m: 44.50 + 4.50 held on 1 (home); 44.50 on 2
        "#]],
    );
}

/// A shard without a purse of the account does not know its groups: an order waits for them
/// together with its credits.
#[test]
fn a_purse_comes_with_its_groups() {
    check(
        3,
        "account a home 0 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a group 2 make 10 in 60
         a group 2 trigger
         a buy R yes 1 @ 0.5 group 1
         a buy S yes 1 @ 0.5 group 2
         a buy S yes 1 @ 0.5 group 3
         a buy S yes 1 @ 0.5 group 1
         a all buy S yes 1 @ 0.5 group 1 ; buy S yes 1 @ 0.5 group 2",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a group 2 make 10 in 60
                0 | a: group 2 has 10 in 60 s (2)
                0 | a: done everywhere: group 2 has 10 in 60 s (2)
            > a group 2 trigger
                0 | a: group 2 is triggered, REQUESTED
                0 | a: done everywhere: group 2 is triggered
            > a buy R yes 1 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 0.50 and room for 1 order, 0.50 held
                0 | a: sends 50.25 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: group 2 has 10 in 60 s (2)
                1 | a: group 2 is triggered, ELSEWHERE
                1 | a: has 50.25 and all room from 0
                1 | a: answer to "a buy R yes 1 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/1
            > a buy S yes 1 @ 0.5 group 2
                2 | a: parked
                2 | a: asks home for 0.50 and room for 1 order, 0.50 held
                0 | a: sends 25.125 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: group 2 has 10 in 60 s (2)
                2 | a: group 2 is triggered, ELSEWHERE
                2 | a: has 25.125 and all room from 0
                2 | a: answer to "a buy S yes 1 @ 0.5 group 2"
                2 | a: order refused, group-triggered
            > a buy S yes 1 @ 0.5 group 3
                2 | a: order refused, group-unknown
            > a buy S yes 1 @ 0.5 group 1
                2 | a: order #2 ACTIVE 0/1
            > a all buy S yes 1 @ 0.5 group 1 ; buy S yes 1 @ 0.5 group 2
                2 | request 0
                2 | a: order refused, batch-refused
                2 | request 1
                2 | a: order refused, group-triggered
            a: 24.625 on 0 (home); 49.75 + 0.50 held on 1; 24.625 + 0.50 held on 2
        "#]],
    );
}

#[test]
fn a_parked_order_ends_with_its_group() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         hold 0 1
         a buy R yes 90 @ 0.9 group 1
         a group 1 trigger
         deliver",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > hold 0 1
            > a buy R yes 90 @ 0.9 group 1
                1 | a: parked
                1 | a: asks home for 33.50
                0 | a: the claim of 1 waits, 33.50
                0 | a: tells 2: give back 12.25
                2 | a: sends 12.25 to 0
                0 | a: has 12.25 from 2
                0 | a: 2 has carried it out, and has more
                0 | a: the claim of 1 is decided
                0 | a: sends 33.50 to 1
            > a group 1 trigger
                0 | a: group 1 is triggered, REQUESTED
                0 | a: tells 1, 2: group 1 is triggered
                2 | a: group 1 is triggered, ELSEWHERE
                2 | a: BUY_YES 10 @ 0.5000 cancelled, GROUP
                2 | a: gets back 5.00
                0 | a: 2 has carried it out
            > deliver
                1 | a: has 33.50 from 0
                1 | a: answer to "a buy R yes 90 @ 0.9 group 1"
                1 | a: order #3 ACTIVE 0/90
                1 | a: group 1 is triggered, ELSEWHERE
                1 | a: BUY_YES 10 @ 0.5000 cancelled, GROUP
                1 | a: BUY_YES 90 @ 0.9000 cancelled, GROUP
                1 | a: gets back 5.00
                1 | a: gets back 81.00
                0 | a: 1 has carried it out
                0 | a: answer to "a group 1 trigger"
                0 | a: done everywhere: group 1 is triggered
            a: 0.00 on 0 (home); 86.00 on 1; 14.00 on 2
            m: 100.00 on 1 (home)
        "#]],
    );
}

#[test]
fn a_home_shard_that_is_down_receives_the_trigger_later() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy R yes 2 @ 0.4 group 1
         acknowledge
         outboxes 1
         hold 1 0
         m buy R no 3 @ 0.5
         m buy R no 3 @ 0.5
         m buy R no 9 @ 0.5
         deliver
         acknowledge
         deliver",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy R yes 2 @ 0.4 group 1
                1 | a: order #2 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 2 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > outboxes 1
            > hold 1 0
            > m buy R no 3 @ 0.5
                1 | m: order #3 FILLED 3/3
                1 | m: trades 3 @ 0.5000 with a, MINT
                1 | a: group 1 fills 3, now 3
                1 | a: spends 1.50
                1 | m: spends 1.50
                1 | a: reports group 1
            > m buy R no 3 @ 0.5
                1 | m: order #4 FILLED 3/3
                1 | m: trades 3 @ 0.5000 with a, MINT
                1 | a: group 1 fills 3, now 6
                1 | a: spends 1.50
                1 | m: spends 1.50
            > m buy R no 9 @ 0.5
                1 | m: order #5 PARTIALLY_FILLED 4/9
                1 | m: trades 4 @ 0.5000 with a, MINT
                1 | a: group 1 fills 4, now 10
                1 | a: group 1 is triggered, FILLED
                1 | a: spends 2.00
                1 | m: spends 2.00
                1 | a: BUY_YES 2 @ 0.4000 cancelled, GROUP
                1 | a: gets back 0.80
            > deliver
                0 | a: group 1 fills 3, now 3, says 1
            > acknowledge
                1 | Acknowledged { to: Shard(0), number: 2 }
                1 | a: reports group 1
                0 | a: group 1 fills 7, now 10, says 1
                0 | a: group 1 is triggered, ELSEWHERE
            > deliver
            a: 47.50 on 0 (home); 47.50 on 1
            m: 92.50 + 2.50 held on 1 (home)
        "#]],
    );
}

#[test]
fn a_shard_that_is_killed_reports_again() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         hold 1 0
         snapshot 1
         m buy R no 6 @ 0.5
         kill 1
         m buy R no 4 @ 0.5
         kill 1
         deliver",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > hold 1 0
            > snapshot 1
            > m buy R no 6 @ 0.5
                1 | m: order #3 FILLED 6/6
                1 | m: trades 6 @ 0.5000 with a, MINT
                1 | a: group 1 fills 6, now 6
                1 | a: spends 3.00
                1 | m: spends 3.00
                1 | a: reports group 1
            > kill 1
            > m buy R no 4 @ 0.5
                1 | m: order #4 FILLED 4/4
                1 | m: trades 4 @ 0.5000 with a, MINT
                1 | a: group 1 fills 4, now 10
                1 | a: group 1 is triggered, FILLED
                1 | a: spends 2.00
                1 | m: spends 2.00
                1 | a: reports group 1
            > kill 1
            > deliver
                0 | had message 1 from 1 before
                0 | a: group 1 fills 6, now 6, says 1
                0 | a: group 1 fills 4, now 10, says 1
                0 | a: group 1 is triggered, ELSEWHERE
                2 | a: group 1 is triggered, ELSEWHERE
                2 | a: BUY_YES 10 @ 0.5000 cancelled, GROUP
                2 | a: gets back 5.00
            a: 21.25 on 0 (home); 47.50 on 1; 26.25 on 2
            m: 95.00 on 1 (home)
        "#]],
    );
}

#[test]
fn an_act_is_answered_when_all_shards_have_it() {
    check(
        3,
        "account a home 0 has 100
         account m home 1 has 100
         market R on 1
         market S on 2
         a group 1 make 10 in 60
         a buy R yes 10 @ 0.5 group 1
         a buy S yes 10 @ 0.5 group 1
         hold 0 1
         a group 1 change 20 in 30
         m buy R no 3 @ 0.5
         deliver
         a group 1 delete",
        expect![[r#"
            > a group 1 make 10 in 60
                0 | a: group 1 has 10 in 60 s (1)
                0 | a: done everywhere: group 1 has 10 in 60 s (1)
            > a buy R yes 10 @ 0.5 group 1
                1 | a: parked
                1 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 52.50 and all room to 1
                1 | a: group 1 has 10 in 60 s (1)
                1 | a: has 52.50 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.5 group 1"
                1 | a: order #1 ACTIVE 0/10
            > a buy S yes 10 @ 0.5 group 1
                2 | a: parked
                2 | a: asks home for 5.00 and room for 1 order, 5.00 held
                0 | a: sends 26.25 and all room to 2
                2 | a: group 1 has 10 in 60 s (1)
                2 | a: has 26.25 and all room from 0
                2 | a: answer to "a buy S yes 10 @ 0.5 group 1"
                2 | a: order #2 ACTIVE 0/10
            > hold 0 1
            > a group 1 change 20 in 30
                0 | a: group 1 has 20 in 30 s (1)
                0 | a: tells 1, 2: group 1 has 20 in 30 s (1)
                2 | a: group 1 has 20 in 30 s (1)
                0 | a: 2 has carried it out
            > m buy R no 3 @ 0.5
                1 | m: order #3 FILLED 3/3
                1 | m: trades 3 @ 0.5000 with a, MINT
                1 | a: group 1 fills 3, now 3
                1 | a: spends 1.50
                1 | m: spends 1.50
                1 | a: reports group 1
                0 | a: group 1 fills 3, now 3, says 1
            > deliver
                1 | a: group 1 has 20 in 30 s (1)
                0 | a: 1 has carried it out
                0 | a: answer to "a group 1 change 20 in 30"
                0 | a: done everywhere: group 1 has 20 in 30 s (1)
            > a group 1 delete
                0 | a: group 1 is deleted
                0 | a: tells 1, 2: group 1 is deleted
                1 | a: group 1 is deleted
                1 | a: BUY_YES 7 @ 0.5000 cancelled, GROUP
                1 | a: gets back 3.50
                2 | a: group 1 is deleted
                2 | a: BUY_YES 10 @ 0.5000 cancelled, GROUP
                2 | a: gets back 5.00
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: answer to "a group 1 delete"
                0 | a: done everywhere: group 1 is deleted
            a: 21.25 on 0 (home); 51.00 on 1; 26.25 on 2
            m: 98.50 on 1 (home)
        "#]],
    );
}
