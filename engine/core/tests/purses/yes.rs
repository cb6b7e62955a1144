//! Which market of an exclusive market event is YES. The event's home shard decides, whatever the
//! markets' shards.

use expect_test::expect;

use crate::script::check;

/// Two markets on different shards; neither is the event's home shard.
const TWO: &str = "event E on 0
    market R on 1 in E
    market S on 2 in E
    close R
    close S
    ";

fn check_two(script: &str, expected: expect_test::Expect) {
    check(3, &format!("{TWO}{script}"), expected);
}

#[test]
fn the_first_that_claims_it_can_be_yes() {
    check_two(
        "propose R yes by 1
         propose S yes by 1
         confirm S yes by 2
         confirm R yes by 2
         wait 10s
         tick
         propose S yes by 1
         confirm S yes by 2
         propose S no by 1
         confirm S no by 2",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                2 | S: CLOSED
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
                0 | R holds YES
                1 | R: can be YES
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (1)
                2 | S: YES is taken by R
            > confirm S yes by 2
                2 | refused, yes-taken
            > confirm R yes by 2
                1 | R: RESOLVING
            > wait 10s
            > tick
                1 | R: RESOLVED
                1 | R: all is paid out
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (2)
                2 | S: YES is taken by R
            > confirm S yes by 2
                2 | refused, yes-taken
            > propose S no by 1
                2 | S: RESOLVING
            > confirm S no by 2
                2 | S: RESOLVING
        "#]],
    );
}

#[test]
fn nothing_is_confirmed_before_the_home_has_answered() {
    check_two(
        "hold 1 0
         propose R yes by 1
         propose S yes by 1
         confirm R yes by 2
         deliver
         confirm R yes by 2
         confirm S yes by 2",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                2 | S: CLOSED
            > hold 1 0
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (1)
                0 | S holds YES
                2 | S: can be YES
            > confirm R yes by 2
                1 | refused, yes-pending
            > deliver
                1 | R: YES is taken by S
            > confirm R yes by 2
                1 | refused, yes-taken
            > confirm S yes by 2
                2 | S: RESOLVING
        "#]],
    );
}

/// An answer that is amended within its dispute window lets another market claim YES.
#[test]
fn a_market_that_is_no_longer_yes_lets_another_be_yes() {
    check_two(
        "propose R yes by 1
         confirm R yes by 2
         propose S yes by 1
         propose R no by 1
         confirm S yes by 2
         propose S yes by 1
         confirm S yes by 2
         propose R yes by 1
         confirm R yes by 2",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                2 | S: CLOSED
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
                0 | R holds YES
                1 | R: can be YES
            > confirm R yes by 2
                1 | R: RESOLVING
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (1)
                2 | S: YES is taken by R
            > propose R no by 1
                1 | R: RESOLVING
                1 | R: releases YES
                0 | nobody holds YES
            > confirm S yes by 2
                2 | refused, yes-taken
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (2)
                0 | S holds YES
                2 | S: can be YES
            > confirm S yes by 2
                2 | S: RESOLVING
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (2)
                1 | R: YES is taken by S
            > confirm R yes by 2
                1 | refused, yes-taken
        "#]],
    );
}

/// The answer to a claim that was released and then claimed again does not answer the second claim.
#[test]
fn a_late_answer_does_not_answer_the_next_claim() {
    check_two(
        "hold 0 1
         propose R yes by 1
         propose R void by 1
         propose S yes by 1
         propose R yes by 1
         kill 1
         kill 0
         deliver
         confirm R yes by 2",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                2 | S: CLOSED
            > hold 0 1
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
                0 | R holds YES
            > propose R void by 1
                1 | R: RESOLVING
                1 | R: releases YES
                0 | nobody holds YES
            > propose S yes by 1
                2 | S: RESOLVING
                2 | S: claims YES (1)
                0 | S holds YES
                2 | S: can be YES
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (2)
            > kill 1
                0 | had message 1 from 1 before
                0 | had message 2 from 1 before
                0 | had message 3 from 1 before
            > kill 0
                2 | had message 1 from 0 before
            > deliver
                1 | R: YES is taken by S
            > confirm R yes by 2
                1 | refused, yes-taken
        "#]],
    );
}

#[test]
fn a_proposal_is_refused_while_the_events_home_is_full() {
    check_two(
        "outboxes 1
         hold 1 0
         propose R yes by 1
         propose R no by 1
         propose R void by 2
         deliver
         acknowledge
         propose R no by 1",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                2 | S: CLOSED
            > outboxes 1
            > hold 1 0
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
            > propose R no by 1
                1 | refused, shard-unavailable
            > propose R void by 2
                1 | refused, shard-unavailable
            > deliver
                0 | R holds YES
                1 | R: can be YES
            > acknowledge
                0 | Acknowledged { to: Shard(1), number: 1 }
                1 | Acknowledged { to: Shard(0), number: 1 }
            > propose R no by 1
                1 | R: RESOLVING
                1 | R: releases YES
                0 | nobody holds YES
        "#]],
    );
}

#[test]
fn in_an_event_that_is_not_exclusive_each_can_be_yes() {
    check(
        2,
        "open event E on 0
         market R on 1 in E
         market S on 0 in E
         close R
         close S
         propose R yes by 1
         propose S yes by 1
         confirm R yes by 2
         confirm S yes by 2",
        expect![[r#"
            > close R
                1 | R: CLOSED
            > close S
                0 | S: CLOSED
            > propose R yes by 1
                1 | R: RESOLVING
                1 | R: claims YES (1)
                1 | R: can be YES
            > propose S yes by 1
                0 | S: RESOLVING
                0 | S: claims YES (1)
                0 | S: can be YES
            > confirm R yes by 2
                1 | R: RESOLVING
            > confirm S yes by 2
                0 | S: RESOLVING
        "#]],
    );
}
