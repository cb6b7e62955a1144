//! A shard that receives nothing. Other shards keep messages for it up to a bound; a request that
//! would add one is refused before anything is held or parked.

use expect_test::expect;

use crate::script::check;

#[test]
fn transfers_are_refused_but_freezes_and_cancels_are_sent() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         acknowledge
         outboxes 1
         hold 0 1
         a transfer b 1 as 1
         a transfer b 1 as 2
         a transfer b 1 as 1
         a limit orders 3 held 5
         a cancel all
         a withdraw 1
         deliver
         acknowledge
         a transfer b 1 as 2
         a freeze",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > outboxes 1
            > hold 0 1
            > a transfer b 1 as 1
                0 | a: gives 1.00 to b
            > a transfer b 1 as 2
                0 | refused, shard-unavailable
            > a transfer b 1 as 1
                0 | a: repeats what is parked, "a transfer b 1 as 1"
            > a limit orders 3 held 5
                0 | a: is limited to room for 3 orders, 5.00 held
                0 | a: tells 1: new limits
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1: cancel all, MASS_CANCEL
            > a withdraw 1
                0 | a: withdraws 1.00
            > deliver
                1 | b: has 1.00 from a
                1 | a: purse sealed, returns all room
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                0 | a: b has the 1.00
                0 | a: has all room from 1
                0 | a: 1 has carried it out
                0 | a: answer to "a limit orders 3 held 5"
                0 | a: done everywhere: new limits
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 4 }
                1 | Acknowledged { to: Shard(0), number: 4 }
            > a transfer b 1 as 2
                0 | a: gives 1.00 to b
                1 | b: has 1.00 from a
                0 | a: b has the 1.00
            > a freeze
                0 | a: frozen
                0 | a: tells 1: freeze
                1 | a: purse frozen
                0 | a: 1 has carried it out
                0 | a: answer to "a freeze"
                0 | a: done everywhere: freeze
            a: 1.50 on 0 (home), room for 2 orders, 4.00 held, frozen; 5.50 on 1, room for 1 order, 1.00 held, frozen, sealed
            b: 12.00 on 1 (home)
        "#]],
    );
}

/// The home shard is not asked, and nothing is parked.
#[test]
fn orders_that_need_an_ask_are_refused_and_others_are_not() {
    check(
        2,
        "account a home 0 has 10
         account b home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         acknowledge
         outboxes 1
         hold 1 0
         b buy R no 2 @ 0.5
         a buy R yes 1 @ 0.5
         a buy R yes 12 @ 0.5 as 3
         deliver
         acknowledge
         a buy R yes 12 @ 0.5 as 3",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > outboxes 1
            > hold 1 0
            > b buy R no 2 @ 0.5
                1 | b: parked
                1 | b: asks home for 1.00 and room for 1 order, 1.00 held
            > a buy R yes 1 @ 0.5
                1 | a: order #2 ACTIVE 0/1
            > a buy R yes 12 @ 0.5 as 3
                1 | a: order refused, shard-unavailable
            > deliver
                0 | b: sends 5.50 and all room to 1
                1 | b: has 5.50 and all room from 0
                1 | b: answer to "b buy R no 2 @ 0.5"
                1 | b: order #3 FILLED 2/2
                1 | b: trades 2 @ 0.5000 with a, MINT
                1 | a: spends 1.00
                1 | b: spends 1.00
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 2 }
                1 | Acknowledged { to: Shard(0), number: 2 }
            > a buy R yes 12 @ 0.5 as 3
                1 | a: parked
                1 | a: asks home for 2.00
                0 | a: sends 3.25 to 1
                1 | a: has 3.25 from 0
                1 | a: answer to "a buy R yes 12 @ 0.5 as 3"
                1 | a: order #4 ACTIVE 0/12
            a: 1.25 on 0 (home); 1.25 + 6.50 held on 1
            b: 4.50 on 0 (home); 4.50 on 1
        "#]],
    );
}

/// A claim that needs credits of a full shard is refused. An earlier claim waits, and continues
/// when there is space.
#[test]
fn claims_that_need_a_recall_are_refused_or_wait() {
    check(
        3,
        "account a home 0 has 10
         account b home 1 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         acknowledge
         outboxes 1
         hold 0 1
         a transfer b 1
         a withdraw 4
         a buy S yes 14 @ 0.5
         deliver
         acknowledge
         a withdraw 4",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > outboxes 1
            > hold 0 1
            > a transfer b 1
                0 | a: gives 1.00 to b
            > a withdraw 4
                0 | refused, shard-unavailable
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: refuses what 2 asks for, shard-unavailable
                2 | a: home refuses, shard-unavailable
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order refused, shard-unavailable
            > deliver
                1 | b: has 1.00 from a
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 2 }
                0 | Acknowledged { to: Shard(2), number: 1 }
                2 | Acknowledged { to: Shard(0), number: 1 }
            > a withdraw 4
                0 | a: the withdrawal waits
                0 | a: tells 1: give back 0.50
                1 | a: sends 2.25 to 0
                0 | a: has 2.25 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: answer to "a withdraw 4"
                0 | a: withdraws 4.00
            a: 1.75 on 0 (home); 2.25 + 1.00 held on 1
            b: 11.00 on 1 (home)
        "#]],
    );
}

/// A dead-man switch fires; on all other shards at once.
#[test]
fn switches_fire_for_a_shard_that_is_full() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         acknowledge
         outboxes 1
         hold 0 1
         a transfer b 1
         a switch 5
         wait 6s
         tick
         deliver
         acknowledge
         tick",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > outboxes 1
            > hold 0 1
            > a transfer b 1
                0 | a: gives 1.00 to b
            > a switch 5
                0 | a: switch set
            > wait 6s
            > tick
                0 | a: switch fires
                0 | a: tells 1: cancel all, DEAD_MAN_SWITCH
            > deliver
                1 | b: has 1.00 from a
                1 | a: BUY_YES 2 @ 0.5000 cancelled, DEAD_MAN_SWITCH
                1 | a: gets back 1.00
                0 | a: 1 has carried it out
                0 | a: answer to "tick"
                0 | a: done everywhere: cancel all, DEAD_MAN_SWITCH
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 3 }
                1 | Acknowledged { to: Shard(0), number: 2 }
            > tick
            a: 3.50 on 0 (home); 5.50 on 1
            b: 11.00 on 1 (home)
        "#]],
    );
}

/// Messages of cancels and freezes pass the bound; the number of such acts under way is limited.
#[test]
fn a_switch_is_not_set_while_too_many_mass_cancels_are_under_way() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         acknowledge
         hold 0 1
         times 16 a cancel all
         a switch 5
         a cancel all
         deliver
         a switch 5",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > hold 0 1
            > times 16 a cancel all
            > a switch 5
                0 | refused, parked-limit
            > a cancel all
                0 | refused, parked-limit
            > deliver
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            > a switch 5
                0 | a: switch set
            a: 4.50 on 0 (home); 5.50 on 1
        "#]],
    );
}
