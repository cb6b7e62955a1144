//! Instructions that an account's home shard sends to every shard where the account has a purse:
//! freezes, mass cancels, dead-man switches.

use expect_test::expect;

use crate::script::check;

/// Shard 2 is down. The command is answered once shard 2 has carried it out, too.
#[test]
fn a_mass_cancel_is_answered_when_all_shards_have_carried_it_out() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market H on 0
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         a buy H yes 2 @ 0.5
         cut 2
         a cancel all
         mend 2",
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
            > a buy H yes 2 @ 0.5
                0 | a: order #3 ACTIVE 0/2
            > cut 2
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1, 2: cancel all, MASS_CANCEL
                0 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                0 | a: gets back 1.00
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                0 | a: 1 has carried it out
            > mend 2
                2 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                2 | a: gets back 1.00
                0 | a: 2 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 1.75 on 0 (home); 5.50 on 1; 2.75 on 2
        "#]],
    );
}

#[test]
fn a_mass_cancel_of_an_account_with_one_purse_is_answered_at_once() {
    check(
        2,
        "account a home 0 has 10
         market H on 0
         a buy H yes 2 @ 0.5
         a cancel all",
        expect![[r#"
            > a buy H yes 2 @ 0.5
                0 | a: order #1 ACTIVE 0/2
            > a cancel all
                0 | a: asks to cancel all
                0 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                0 | a: gets back 1.00
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 10.00 on 0 (home)
        "#]],
    );
}

/// The claim is not granted yet, so the home shard does not know a purse on shard 2. It sends the
/// instruction there all the same.
#[test]
fn a_shard_whose_claim_waits_receives_the_instruction() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         hold 1 0
         a buy S yes 14 @ 0.5
         a cancel all
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
            > a buy S yes 14 @ 0.5
                2 | a: parked
                2 | a: asks home for 7.00 and room for 1 order, 7.00 held
                0 | a: the claim of 2 waits, 7.00 and room for 1 order, 7.00 held
                0 | a: tells 1: give back 2.50
                1 | a: sends 2.50 to 0
            > a cancel all
                0 | a: asks to cancel all
                0 | a: tells 1, 2: cancel all, MASS_CANCEL
                1 | a: BUY_YES 2 @ 0.5000 cancelled, MASS_CANCEL
                1 | a: gets back 1.00
                2 | a: ends parked requests, "a buy S yes 14 @ 0.5"
                2 | a: answer to "a buy S yes 14 @ 0.5"
                2 | a: order refused, cancelled-while-parked
                0 | a: 2 has carried it out
            > deliver
                0 | a: has 2.50 from 1
                0 | a: 1 has carried it out, and has more
                0 | a: the claim of 2 is decided
                0 | a: sends 7.00 and all room to 2
                2 | a: has 7.00 and all room from 0
                0 | a: 1 has carried it out
                0 | a: answer to "a cancel all"
                0 | a: done everywhere: cancel all, MASS_CANCEL
            a: 0.00 on 0 (home); 3.00 on 1; 7.00 on 2
        "#]],
    );
}

/// There is no purse yet, and the home shard does not know the order: it counts as a later order.
#[test]
fn a_shard_whose_first_ask_is_in_flight_receives_no_instruction() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         hold 1 0
         a buy R yes 2 @ 0.5
         a cancel all
         deliver",
        expect![[r#"
            > hold 1 0
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
            > a cancel all
                0 | a: asks to cancel all
                0 | a: done everywhere: cancel all, MASS_CANCEL
            > deliver
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            a: 4.50 on 0 (home); 4.50 + 1.00 held on 1
        "#]],
    );
}

#[test]
fn a_dead_man_switch_fires_on_all_shards() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         market H on 0
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         a buy H yes 2 @ 0.5
         a switch 5
         wait 3s
         a switch 5
         wait 3s
         tick
         wait 3s
         tick",
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
            > a buy H yes 2 @ 0.5
                0 | a: order #3 ACTIVE 0/2
            > a switch 5
                0 | a: switch set
            > wait 3s
            > a switch 5
                0 | a: switch set
            > wait 3s
            > tick
            > wait 3s
            > tick
                0 | a: switch fires
                0 | a: tells 1, 2: cancel all, DEAD_MAN_SWITCH
                0 | a: BUY_YES 2 @ 0.5000 cancelled, DEAD_MAN_SWITCH
                0 | a: gets back 1.00
                1 | a: BUY_YES 2 @ 0.5000 cancelled, DEAD_MAN_SWITCH
                1 | a: gets back 1.00
                2 | a: BUY_YES 2 @ 0.5000 cancelled, DEAD_MAN_SWITCH
                2 | a: gets back 1.00
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: answer to "tick"
                0 | a: done everywhere: cancel all, DEAD_MAN_SWITCH
            a: 1.75 on 0 (home); 5.50 on 1; 2.75 on 2
        "#]],
    );
}

/// Shard 2 is down and receives the freeze later.
#[test]
fn a_freeze_is_answered_when_all_shards_know() {
    check(
        3,
        "account a home 0 has 10
         market R on 1
         market S on 2
         a buy R yes 2 @ 0.5
         a buy S yes 2 @ 0.5
         cut 2
         a freeze
         a buy R yes 1 @ 0.5
         mend 2
         a unfreeze
         a buy R yes 1 @ 0.5",
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
            > cut 2
            > a freeze
                0 | a: frozen
                0 | a: tells 1, 2: freeze
                1 | a: purse frozen
                0 | a: 1 has carried it out
            > a buy R yes 1 @ 0.5
                1 | a: order refused, account-frozen
            > mend 2
                2 | a: purse frozen
                0 | a: 2 has carried it out
                0 | a: answer to "a freeze"
                0 | a: done everywhere: freeze
            > a unfreeze
                0 | a: unfrozen
                0 | a: tells 1, 2: unfreeze
                1 | a: purse unfrozen
                2 | a: purse unfrozen
                0 | a: 1 has carried it out
                0 | a: 2 has carried it out
                0 | a: answer to "a unfreeze"
                0 | a: done everywhere: unfreeze
            > a buy R yes 1 @ 0.5
                1 | a: order #3 ACTIVE 0/1
            a: 1.75 on 0 (home); 4.00 + 1.50 held on 1; 1.75 + 1.00 held on 2
        "#]],
    );
}

#[test]
fn sixteen_instructions_of_admins_and_sixteen_mass_cancels_are_under_way_at_most() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 2 @ 0.5
         cut 1
         times 8 a freeze
         times 8 a unfreeze
         a freeze
         times 16 a cancel all
         a cancel all
         quietly mend 1
         a freeze",
        expect![[r#"
            > a buy R yes 2 @ 0.5
                1 | a: parked
                1 | a: asks home for 1.00 and room for 1 order, 1.00 held
                0 | a: sends 5.50 and all room to 1
                1 | a: has 5.50 and all room from 0
                1 | a: answer to "a buy R yes 2 @ 0.5"
                1 | a: order #1 ACTIVE 0/2
            > cut 1
            > times 8 a freeze
            > times 8 a unfreeze
            > a freeze
                0 | refused, parked-limit
            > times 16 a cancel all
            > a cancel all
                0 | refused, parked-limit
            > quietly mend 1
            > a freeze
                0 | a: frozen
                0 | a: tells 1: freeze
                1 | a: purse frozen
                0 | a: 1 has carried it out
                0 | a: answer to "a freeze"
                0 | a: done everywhere: freeze
            a: 4.50 on 0 (home), frozen; 5.50 on 1, frozen
        "#]],
    );
}
