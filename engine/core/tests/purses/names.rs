//! Client ids of requests: they also refer to parked requests.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_repeat_of_a_parked_order_has_its_answer() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5 as 7
         a buy R yes 2 @ 0.5 as 7
         a buy R yes 3 @ 0.5 as 7
         deliver
         a buy R yes 2 @ 0.5 as 7
         a buy R yes 3 @ 0.5 as 7",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5 as 7
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a buy R yes 2 @ 0.5 as 7
                1 | a: repeats what is parked, "a buy R yes 2 @ 0.5 as 7"
            > a buy R yes 3 @ 0.5 as 7
                1 | a: order refused, client-id-reused
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5 as 7"
                1 | a: order #1 ACTIVE 0/2
            > a buy R yes 2 @ 0.5 as 7
                1 | a: repeats order #1
            > a buy R yes 3 @ 0.5 as 7
                1 | a: order refused, client-id-reused
            a: 4.50 on 0 (home); 4.50 + 1.00 held on 1
        "#]],
    );
}

#[test]
fn a_client_id_names_one_order_in_each_market() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         market S on 1
         a buy R yes 2 @ 0.5 as 7
         a buy S yes 2 @ 0.5 as 7
         a cancel S as 7
         a cancel S as 7
         a cancel R as 7",
        expect![[r#"
            > a buy R yes 2 @ 0.5 as 7
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5 as 7"
                1 | a: order #1 ACTIVE 0/2
            > a buy S yes 2 @ 0.5 as 7
                1 | a: order #2 ACTIVE 0/2
            > a cancel S as 7
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
            > a cancel S as 7
                1 | a: cancel refused, order-cancelled
            > a cancel R as 7
                1 | a: BUY_YES 2 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 1.00
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}

#[test]
fn a_waiting_movement_has_a_client_id() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 0
         market R on 1
         a buy R yes 2 @ 0.5
         hold 1 0
         a withdraw 8 as 7
         a withdraw 8 as 7
         a transfer b 8 as 7
         a deposit 8 as 7
         deliver
         a withdraw 8 as 7",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > hold 1 0
            > a withdraw 8 as 7
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 3.50
                1 | a: sends 3.50 to 0
            > a withdraw 8 as 7
                0 | a: repeats what is parked, "a withdraw 8 as 7"
            > a transfer b 8 as 7
                0 | refused, client-id-reused
            > a deposit 8 as 7
                0 | refused, client-id-reused
            > deliver
                0 | a: has 3.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 8 as 7"
                0 | a: withdraws 8.00
            > a withdraw 8 as 7
                0 | a: repeats a withdrawal of 8.00
            a: 0.00 on 0 (home); 1.00 + 1.00 held on 1
            b: 0.00 on 1 (home)
        "#]],
    );
}
