//! Ending orders: by client id, by mass cancel, by dead-man switch.

use expect_test::expect;

use schemas::limits::SWEEP_MAX;
use schemas::{AdminId, Command, Credits, Entry, Event};

use crate::script::{Scenario, check, limit_order};

#[test]
fn an_order_is_cancelled_by_its_client_id() {
    check(
        "deposit a 10
         a buy yes 2 @ 0.4 as mine
         a cancel as mine
         a cancel as mine
         a cancel as other",
        expect![[r#"
            > a buy yes 2 @ 0.4 as mine
                order #1 ACTIVE 0/2
            > a cancel as mine
                cancelled 2 of a: REQUESTED
            > a cancel as mine
                refused: order-cancelled
            > a cancel as other
                refused: order-unknown
            a: 10.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_mass_cancel_ends_all_orders_of_one_account() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 2 @ 0.4
         b buy yes 2 @ 0.4
         a buy yes 2 @ 0.45
         a buy no 1 @ 0.5
         pause
         a cancel all
         a cancel all",
        expect![[r#"
            > a buy yes 2 @ 0.4
                order #1 ACTIVE 0/2
            > b buy yes 2 @ 0.4
                order #2 ACTIVE 0/2
            > a buy yes 2 @ 0.45
                order #3 ACTIVE 0/2
            > a buy no 1 @ 0.5
                order #4 ACTIVE 0/1
            > pause
                market PAUSED
            > a cancel all
                all orders are to be cancelled
                cancelled 2 of a: MASS_CANCEL
                cancelled 2 of a: MASS_CANCEL
                cancelled 1 of a: MASS_CANCEL
            > a cancel all
                all orders are to be cancelled
            a: 10.000000 + 0.000000 held
            b: 9.166400 + 0.833600 held
            BID 2 @ 0.4000 BUY_YES b
        "#]],
    );
}

#[test]
fn a_dead_man_switch_fires_unless_it_is_set_again() {
    check(
        "deposit a 10
         a buy yes 2 @ 0.4
         a switch 0
         a switch 90000
         a switch 2
         wait 1500
         a switch 2
         wait 1500
         tick
         wait 600
         tick
         a buy yes 2 @ 0.4
         a switch 1
         a switch off
         wait 5000
         tick",
        expect![[r#"
            > a buy yes 2 @ 0.4
                order #1 ACTIVE 0/2
            > a switch 0
                refused: timeout-out-of-range
            > a switch 90000
                refused: timeout-out-of-range
            > a switch 2
                switch Some(Timestamp(2008))
            > a switch 2
                switch Some(Timestamp(3509))
            > tick
            > tick
                the switch of a fires
                cancelled 2 of a: DEAD_MAN_SWITCH
            > a buy yes 2 @ 0.4
                order #2 ACTIVE 0/2
            > a switch 1
                switch Some(Timestamp(4613))
            > a switch off
                switch None
            > tick
            a: 9.166400 + 0.833600 held
            BID 2 @ 0.4000 BUY_YES a
        "#]],
    );
}

/// A mass cancel of more orders than one command may end continues with time, and spares orders
/// that came later.
#[test]
fn a_mass_cancel_continues_with_time_and_spares_later_orders() {
    let mut scenario = Scenario::new();
    let (alice, market) = (scenario.account("alice"), scenario.market());
    scenario.handle(&Command::Deposit {
        account: alice,
        amount: Credits::whole(10_000),
        client_id: None,
        by: AdminId(1),
    });
    for _ in 0..2 * SWEEP_MAX + 1 {
        scenario.handle(&limit_order(alice, market, Entry::BuyYes, "1", 5_000));
    }
    let ends = |events: Vec<Event>| events.iter().filter(|e| matches!(e, Event::OrderCancelled { .. })).count();
    assert_eq!(ends(scenario.handle(&Command::MassCancel { account: alice, market: Some(market) })), SWEEP_MAX);
    scenario.handle(&limit_order(alice, market, Entry::BuyYes, "1", 5_000));
    assert_eq!(ends(scenario.handle(&Command::AdvanceTime)), SWEEP_MAX);
    assert_eq!(ends(scenario.handle(&Command::AdvanceTime)), 1);
    assert_eq!(scenario.state.market(market).unwrap().orders(schemas::BookSide::Bid).count(), 1);
    assert_eq!(ends(scenario.handle(&Command::AdvanceTime)), 0);
}

#[test]
fn a_late_cancel_gets_the_orders_end_and_other_accounts_get_nothing() {
    check(
        "deposit a 10
         deposit b 10
         a buy yes 2 @ 0.4 as filled
         b buy no 2 @ 0.6
         a buy yes 2 @ 0.4 gtd 20
         a buy yes 2 @ 0.4 ioc
         wait 20
         a cancel as filled
         a cancel #1
         a amend #1 quantity 1
         b amend #2 quantity 1
         a amend #3 quantity 1
         tick
         a cancel #3
         a cancel #4
         b cancel #1
         b cancel #3
         a cancel #9
         a batch cancel #1 ; cancel #9
         a all cancel #1 ; buy yes 1 @ 0.1",
        expect![[r#"
            > a buy yes 2 @ 0.4 as filled
                order #1 ACTIVE 0/2
            > b buy no 2 @ 0.6
                order #2 FILLED 2/2
                trade 2 @ 0.4000 MINT b with a
            > a buy yes 2 @ 0.4 gtd 20
                order #3 ACTIVE 0/2
            > a buy yes 2 @ 0.4 ioc
                order #4 CANCELLED 0/2 TIME_IN_FORCE
            > a cancel as filled
                refused: order-filled
            > a cancel #1
                refused: order-filled
            > a amend #1 quantity 1
                refused: order-filled
            > b amend #2 quantity 1
                refused: order-filled
            > a amend #3 quantity 1
                refused: order-expired
            > tick
                cancelled 2 of a: EXPIRED
            > a cancel #3
                refused: order-expired
            > a cancel #4
                refused: order-cancelled
            > b cancel #1
                refused: order-unknown
            > b cancel #3
                refused: order-unknown
            > a cancel #9
                refused: order-unknown
            > a batch cancel #1 ; cancel #9
                request 0
                refused: order-filled
                request 1
                refused: order-unknown
            > a all cancel #1 ; buy yes 1 @ 0.1
                request 0
                refused: order-filled
                request 1
                refused: batch-refused
            a: 9.200000 + 0.000000 held, 2 YES
            b: 8.800000 + 0.000000 held, 2 NO
            collateral 2.000000, fees 0.000000
        "#]],
    );
}
