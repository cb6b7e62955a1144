//! More orders of an account than one command may end.

use expect_test::expect;

use crate::script::check;

/// 1,205 orders on shard 1: the first thousand end at once, the rest with time. The mass cancel is
/// answered only after the last.
#[test]
fn a_mass_cancel_of_many_orders_is_answered_when_the_last_is_gone() {
    check(
        2,
        "account a home 0 has 100
         market R on 1
         times 1205 a buy R yes 1 @ 0.01
         a cancel all
         tick",
        expect![[r#"
            > times 1205 a buy R yes 1 @ 0.01
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1: cancel all, MASS_CANCEL
                1 | a: more to cancel than at once
                1 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL (1000 times)
                1 | a: gets back 0.01 (1000 times)
            > tick
                1 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL (205 times)
                1 | a: gets back 0.01 (205 times)
                1 | a: no more to cancel
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 49.995 on 0 (home); 50.005 on 1
        "#]],
    );
}

#[test]
fn a_mass_cancel_of_many_orders_on_the_home() {
    check(
        2,
        "account a home 0 has 100
         market H on 0
         times 1001 a buy H yes 1 @ 0.01
         a cancel all
         tick",
        expect![[r#"
            > times 1001 a buy H yes 1 @ 0.01
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 0: cancel all, MASS_CANCEL
                0 | a: more to cancel than at once
                0 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL (1000 times)
                0 | a: gets back 0.01 (1000 times)
            > tick
                0 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL
                0 | a: gets back 0.01
                0 | a: no more to cancel
                0 | a: 0 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 100.00 on 0 (home)
        "#]],
    );
}

/// Both are answered when the last order has ended. An order that came after the second mass cancel
/// stays.
#[test]
fn two_mass_cancels_of_many_orders_are_both_answered() {
    check(
        2,
        "account a home 0 has 100
         market R on 1
         times 1205 a buy R yes 1 @ 0.01
         a cancel all
         times 950 a buy R yes 1 @ 0.02
         a cancel all
         a buy R yes 1 @ 0.03
         tick",
        expect![[r#"
            > times 1205 a buy R yes 1 @ 0.01
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1: cancel all, MASS_CANCEL
                1 | a: more to cancel than at once
                1 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL (1000 times)
                1 | a: gets back 0.01 (1000 times)
            > times 950 a buy R yes 1 @ 0.02
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1: cancel all, MASS_CANCEL
                1 | a: more to cancel than at once
                1 | a: BUY_YES 1 @ 0.0100 cancelled, MASS_CANCEL (205 times)
                1 | a: BUY_YES 1 @ 0.0200 cancelled, MASS_CANCEL (795 times)
                1 | a: gets back 0.01 (205 times)
                1 | a: gets back 0.02 (795 times)
            > a buy R yes 1 @ 0.03
                1 | a: order #2156 ACTIVE 0/1
            > tick
                1 | a: BUY_YES 1 @ 0.0200 cancelled, MASS_CANCEL (155 times)
                1 | a: gets back 0.02 (155 times)
                1 | a: no more to cancel
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 49.995 on 0 (home); 49.975 + 0.03 held on 1
        "#]],
    );
}
