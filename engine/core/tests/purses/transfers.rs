//! A transfer's client id refers to its result, whatever the receiver's home shard. While it is
//! under way, a repeat has the same answer.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_repeat_of_a_received_transfer_is_answered_as_received() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         hold 0 1
         a transfer b 4 as 7
         a transfer b 4 as 7
         a transfer b 5 as 7
         deliver 0 1
         a transfer b 4 as 7
         a transfer b 5 as 7
         a withdraw 4 as 7
         a deposit 4 as 7",
        expect![[r#"
            > hold 0 1
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
            > a transfer b 4 as 7
                0 | a: repeats what is parked, "a transfer b 4 as 7"
            > a transfer b 5 as 7
                0 | refused, client-id-reused
            > deliver 0 1
                1 | b: has 4.00 from a
                0 | a: b has the 4.00
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            > a transfer b 5 as 7
                0 | refused, client-id-reused
            > a withdraw 4 as 7
                0 | refused, client-id-reused
            > a deposit 4 as 7
                0 | refused, client-id-reused
            a: 6.00 on 0 (home)
            b: 4.00 on 1 (home)
        "#]],
    );
}

/// The message of the receiver's home shard arrives after the repeats.
#[test]
fn a_transfer_is_under_way_until_its_senders_home_shard_knows_its_end() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         hold 1 0
         a transfer b 4 as 7
         a transfer b 4 as 7
         a withdraw 4 as 7
         deliver
         a transfer b 4 as 7
         a withdraw 4 as 7",
        expect![[r#"
            > hold 1 0
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
                1 | b: has 4.00 from a
            > a transfer b 4 as 7
                0 | a: repeats what is parked, "a transfer b 4 as 7"
            > a withdraw 4 as 7
                0 | refused, client-id-reused
            > deliver
                0 | a: b has the 4.00
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            > a withdraw 4 as 7
                0 | refused, client-id-reused
            a: 6.00 on 0 (home)
            b: 4.00 on 1 (home)
        "#]],
    );
}

#[test]
fn a_repeat_of_a_transfer_that_came_back_is_answered_with_the_reason() {
    check(
        2,
        "account a home 0 has 10
         account c home 0 has 0
         stranger b home 1
         hold 0 1
         a transfer b 4 as 7
         a transfer b 4 as 7
         a transfer c 4 as 7
         deliver
         a transfer b 4 as 7
         a transfer b 5 as 7
         a transfer c 4 as 7
         a deposit 4 as 7",
        expect![[r#"
            > hold 0 1
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
            > a transfer b 4 as 7
                0 | a: repeats what is parked, "a transfer b 4 as 7"
            > a transfer c 4 as 7
                0 | refused, client-id-reused
            > deliver
                0 | a: has 4.00 back from b, account-unknown
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00 that came back, account-unknown
            > a transfer b 5 as 7
                0 | refused, client-id-reused
            > a transfer c 4 as 7
                0 | refused, client-id-reused
            > a deposit 4 as 7
                0 | refused, client-id-reused
            a: 10.00 on 0 (home)
            b: no purse
            c: 0.00 on 0 (home)
        "#]],
    );
}

#[test]
fn the_answers_are_the_same_on_one_home_shard() {
    check(
        1,
        "account a home 0 has 10
         account b home 0 has 0
         stranger c home 0
         a transfer b 4 as 7
         a transfer b 4 as 7
         a transfer b 5 as 7
         a transfer c 4 as 8
         a transfer c 4 as 8
         a transfer b 4 as 8
         a withdraw 4 as 8",
        expect![[r#"
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
                0 | b: has 4.00 from a
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            > a transfer b 5 as 7
                0 | refused, client-id-reused
            > a transfer c 4 as 8
                0 | a: gives 4.00 to c
                0 | a: has 4.00 back from c, account-unknown
            > a transfer c 4 as 8
                0 | a: repeats a transfer of 4.00 that came back, account-unknown
            > a transfer b 4 as 8
                0 | refused, client-id-reused
            > a withdraw 4 as 8
                0 | refused, client-id-reused
            a: 6.00 on 0 (home)
            b: 4.00 on 0 (home)
            c: no purse
        "#]],
    );
}

/// Nothing was moved: the client id may be used again for any request.
#[test]
fn the_client_id_of_a_transfer_that_cannot_be_sent_is_free() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         a transfer b 11 as 7
         a transfer a 1 as 7
         a freeze
         a transfer b 4 as 7
         a unfreeze
         a transfer b 4 as 7
         a transfer b 4 as 7",
        expect![[r#"
            > a transfer b 11 as 7
                0 | refused, funds-insufficient
            > a transfer a 1 as 7
                0 | refused, transfer-to-self
            > a freeze
                0 | a: frozen
                0 | a: done everywhere: freeze
            > a transfer b 4 as 7
                0 | refused, account-frozen
            > a unfreeze
                0 | a: unfrozen
                0 | a: done everywhere: unfreeze
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
                1 | b: has 4.00 from a
                0 | a: b has the 4.00
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            a: 6.00 on 0 (home)
            b: 4.00 on 1 (home)
        "#]],
    );
}

/// A transfer that waits for a recall and then comes back: all requests with its client id have one
/// answer.
#[test]
fn a_transfer_that_waits_and_then_comes_back_has_one_answer() {
    check(
        3,
        "account a home 0 has 10
         stranger b home 2
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a transfer b 9 as 7
         a transfer b 9 as 7
         hold 2 0
         deliver 1 0
         a transfer b 9 as 7
         deliver
         a transfer b 9 as 7",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > hold 1 0
            > a transfer b 9 as 7
                0 | a: the transfer waits
                0 | a: tells 1: give back 4.50
                1 | a: sends 4.50 to 0
            > a transfer b 9 as 7
                0 | a: repeats what is parked, "a transfer b 9 as 7"
            > hold 2 0
            > deliver 1 0
                0 | a: has 4.50 from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a transfer b 9 as 7"
                0 | a: gives 9.00 to b
            > a transfer b 9 as 7
                0 | a: repeats what is parked, "a transfer b 9 as 7"
            > deliver
                0 | a: has 9.00 back from b, account-unknown
            > a transfer b 9 as 7
                0 | a: repeats a transfer of 9.00 that came back, account-unknown
            a: 9.00 on 0 (home); 0.00 + 1.00 held on 1
            b: no purse
        "#]],
    );
}

#[test]
fn a_transfer_without_a_client_id_gets_no_notice_of_receipt() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         hold 1 0
         a transfer b 4
         a transfer b 4",
        expect![[r#"
            > hold 1 0
            > a transfer b 4
                0 | a: gives 4.00 to b
                1 | b: has 4.00 from a
            > a transfer b 4
                0 | a: gives 4.00 to b
                1 | b: has 4.00 from a
            a: 2.00 on 0 (home)
            b: 8.00 on 1 (home)
        "#]],
    );
}

#[test]
fn two_hundred_movements_of_an_account_are_under_way_at_most() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         account c home 0 has 0
         hold 0 1
         times 200 a transfer b 0.01 as #
         a transfer b 0.01 as 200
         a transfer b 0.01 as 199
         a transfer b 0.01
         a transfer c 0.01 as 201
         a withdraw 0.01 as 202
         quietly deliver
         a transfer b 0.01 as 200",
        expect![[r#"
            > hold 0 1
            > times 200 a transfer b 0.01 as #
            > a transfer b 0.01 as 200
                0 | refused, parked-limit
            > a transfer b 0.01 as 199
                0 | a: repeats what is parked, "a transfer b 0.01 as 199"
            > a transfer b 0.01
                0 | a: gives 0.01 to b
            > a transfer c 0.01 as 201
                0 | a: gives 0.01 to c
                0 | c: has 0.01 from a
            > a withdraw 0.01 as 202
                0 | a: withdraws 0.01
            > quietly deliver
            > a transfer b 0.01 as 200
                0 | a: gives 0.01 to b
                1 | b: has 0.01 from a
                0 | a: b has the 0.01
            a: 7.96 on 0 (home)
            b: 2.02 on 1 (home)
            c: 0.01 on 0 (home)
        "#]],
    );
}

/// A frozen account cannot move credits, but gets the result of an earlier transfer.
#[test]
fn a_frozen_account_gets_the_answer_to_a_repeat() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         a transfer b 4 as 7
         a withdraw 1 as 8
         a freeze
         a transfer b 4 as 7
         a withdraw 1 as 8
         a withdraw 1 as 9",
        expect![[r#"
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
                1 | b: has 4.00 from a
                0 | a: b has the 4.00
            > a withdraw 1 as 8
                0 | a: withdraws 1.00
            > a freeze
                0 | a: frozen
                0 | a: done everywhere: freeze
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            > a withdraw 1 as 8
                0 | a: repeats a withdrawal of 1.00
            > a withdraw 1 as 9
                0 | refused, account-frozen
            a: 5.00 on 0 (home), frozen
            b: 4.00 on 1 (home)
        "#]],
    );
}

/// The state of the sender's home shard, with its client ids, survives its engine.
#[test]
fn a_home_that_is_killed_knows_the_transfers_under_way() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         stranger c home 1
         hold 0 1
         a transfer b 4 as 7
         snapshot 0
         a transfer c 4 as 8
         kill 0
         a transfer b 4 as 7
         a transfer c 4 as 8
         deliver
         kill 0
         a transfer b 4 as 7
         a transfer c 4 as 8",
        expect![[r#"
            > hold 0 1
            > a transfer b 4 as 7
                0 | a: gives 4.00 to b
            > snapshot 0
            > a transfer c 4 as 8
                0 | a: gives 4.00 to c
            > kill 0
            > a transfer b 4 as 7
                0 | a: repeats what is parked, "a transfer b 4 as 7"
            > a transfer c 4 as 8
                0 | a: repeats what is parked, "a transfer c 4 as 8"
            > deliver
                1 | b: has 4.00 from a
                0 | a: b has the 4.00
                0 | a: has 4.00 back from c, account-unknown
            > kill 0
                1 | had message 1 from 0 before
                1 | had message 2 from 0 before
            > a transfer b 4 as 7
                0 | a: repeats a transfer of 4.00
            > a transfer c 4 as 8
                0 | a: repeats a transfer of 4.00 that came back, account-unknown
            a: 6.00 on 0 (home)
            b: 4.00 on 1 (home)
            c: no purse
        "#]],
    );
}
