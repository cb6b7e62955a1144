//! Order groups on one shard: fills in a window, and the trigger of a group.

use expect_test::expect;

use crate::script::check;

/// The taker continues with the orders behind the group's.
#[test]
fn a_fill_takes_the_rest_of_the_window_and_ends_the_group() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 10 in 5
         a buy yes 6 @ 0.5 group 1
         a buy yes 6 @ 0.5 group 1
         a buy yes 6 @ 0.4 group 1
         a buy yes 6 @ 0.4
         b buy no 20 @ 0.6
         a buy yes 1 @ 0.4 group 1
         a group 1 reset
         a buy yes 1 @ 0.4 group 1",
        expect![[r#"
            > a group 1 make 10 in 5
                group 1 has 10 in 5 s (1)
            > a buy yes 6 @ 0.5 group 1
                order #1 ACTIVE 0/6
            > a buy yes 6 @ 0.5 group 1
                order #2 ACTIVE 0/6
            > a buy yes 6 @ 0.4 group 1
                order #3 ACTIVE 0/6
            > a buy yes 6 @ 0.4
                order #4 ACTIVE 0/6
            > b buy no 20 @ 0.6
                order #5 PARTIALLY_FILLED 16/20
                trade 6 @ 0.5000 MINT b with a
                trade 4 @ 0.5000 MINT b with a
                cancelled 2 of a: GROUP
                cancelled 6 of a: GROUP
                trade 6 @ 0.4000 MINT b with a
                group 1 of a fills 10, now 10
                group 1 of a is triggered: FILLED
            > a buy yes 1 @ 0.4 group 1
                refused: group-triggered
            > a group 1 reset
                group 1 has 10 in 5 s (2)
            > a buy yes 1 @ 0.4 group 1
                order #6 FILLED 1/1
                trade 1 @ 0.4000 MINT a with b
                group 1 of a fills 1, now 1
            a: 92.200000 + 0.000000 held, 17 YES
            b: 88.949600 + 1.850400 held, 17 NO
            ASK 3 @ 0.4000 BUY_NO b
            collateral 17.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_taker_stops_where_its_group_ends() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 4 in 5
         b buy no 10 @ 0.5
         a buy yes 1 @ 0.3 group 1
         a buy yes 6 @ 0.5 group 1
         a group 1 reset
         a buy yes 6 @ 0.5 ioc group 1
         a group 1 reset
         a buy yes 5 @ 0.5 fok group 1
         a buy yes 2 @ 0.5 fok group 1",
        expect![[r#"
            > a group 1 make 4 in 5
                group 1 has 4 in 5 s (1)
            > b buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 1 @ 0.3 group 1
                order #2 ACTIVE 0/1
            > a buy yes 6 @ 0.5 group 1
                order #3 CANCELLED 4/6 GROUP
                trade 4 @ 0.5000 MINT a with b
                group 1 of a fills 4, now 4
                group 1 of a is triggered: FILLED
                cancelled 1 of a: GROUP
            > a group 1 reset
                group 1 has 4 in 5 s (2)
            > a buy yes 6 @ 0.5 ioc group 1
                order #4 CANCELLED 4/6 GROUP
                trade 4 @ 0.5000 MINT a with b
                group 1 of a fills 4, now 4
                group 1 of a is triggered: FILLED
            > a group 1 reset
                group 1 has 4 in 5 s (3)
            > a buy yes 5 @ 0.5 fok group 1
                order #5 CANCELLED 0/5 GROUP
            > a buy yes 2 @ 0.5 fok group 1
                order #6 FILLED 2/2
                trade 2 @ 0.5000 MINT a with b
                group 1 of a fills 2, now 2
            a: 95.000000 + 0.000000 held, 10 YES
            b: 95.000000 + 0.000000 held, 10 NO
            collateral 10.000000, fees 0.000000
        "#]],
    );
}

/// A part of 5 s is 100 ms: a fill counts for 5 s, and for less than 100 ms more.
#[test]
fn a_window_rolls() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 10 in 5
         wait 300
         b buy no 50 @ 0.5
         a buy yes 6 @ 0.5 group 1
         wait 5000
         a buy yes 3 @ 0.5 group 1
         wait 200
         a buy yes 6 @ 0.5 group 1
         a buy yes 1 @ 0.5 group 1",
        expect![[r#"
            > a group 1 make 10 in 5
                group 1 has 10 in 5 s (1)
            > b buy no 50 @ 0.5
                order #1 ACTIVE 0/50
            > a buy yes 6 @ 0.5 group 1
                order #2 FILLED 6/6
                trade 6 @ 0.5000 MINT a with b
                group 1 of a fills 6, now 6
            > a buy yes 3 @ 0.5 group 1
                order #3 FILLED 3/3
                trade 3 @ 0.5000 MINT a with b
                group 1 of a fills 3, now 9
            > a buy yes 6 @ 0.5 group 1
                order #4 FILLED 6/6
                trade 6 @ 0.5000 MINT a with b
                group 1 of a fills 6, now 9
            > a buy yes 1 @ 0.5 group 1
                order #5 FILLED 1/1
                trade 1 @ 0.5000 MINT a with b
                group 1 of a fills 1, now 10
                group 1 of a is triggered: FILLED
            a: 92.000000 + 0.000000 held, 16 YES
            b: 74.405000 + 17.595000 held, 16 NO
            ASK 34 @ 0.5000 BUY_NO b
            collateral 16.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn an_amendment_that_takes_fills_its_group() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 5 in 5
         b buy no 10 @ 0.5
         a buy yes 8 @ 0.4 group 1
         a buy yes 1 @ 0.3 group 1
         a amend #2 price 0.5",
        expect![[r#"
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (1)
            > b buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a buy yes 8 @ 0.4 group 1
                order #2 ACTIVE 0/8
            > a buy yes 1 @ 0.3 group 1
                order #3 ACTIVE 0/1
            > a amend #2 price 0.5
                order #2 amended: CANCELLED 5/8 @ 0.5000 at the end of its queue GROUP
                trade 5 @ 0.5000 MINT a with b
                group 1 of a fills 5, now 5
                group 1 of a is triggered: FILLED
                cancelled 1 of a: GROUP
            a: 97.500000 + 0.000000 held, 5 YES
            b: 94.912500 + 2.587500 held, 5 NO
            ASK 5 @ 0.5000 BUY_NO b
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_trade_between_orders_of_a_group_counts_once() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 5 in 5
         a buy no 3 @ 0.5 group 1
         a buy yes 3 @ 0.5 stp allow group 1
         a buy no 3 @ 0.5 group 1
         a buy yes 3 @ 0.5 stp allow group 1",
        expect![[r#"
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (1)
            > a buy no 3 @ 0.5 group 1
                order #1 ACTIVE 0/3
            > a buy yes 3 @ 0.5 stp allow group 1
                order #2 FILLED 3/3
                trade 3 @ 0.5000 MINT a with a
                group 1 of a fills 3, now 3
                a redeems 3 pairs
            > a buy no 3 @ 0.5 group 1
                order #3 ACTIVE 0/3
            > a buy yes 3 @ 0.5 stp allow group 1
                order #4 CANCELLED 2/3 GROUP
                trade 2 @ 0.5000 MINT a with a
                cancelled 1 of a: GROUP
                group 1 of a fills 2, now 5
                group 1 of a is triggered: FILLED
                a redeems 2 pairs
            a: 100.000000 + 0.000000 held
            b: 100.000000 + 0.000000 held
        "#]],
    );
}

/// Self-trade prevention, cancels, and the shrinking of reduce-only orders.
#[test]
fn removed_contracts_do_not_count_as_fills() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 2 in 5
         a buy no 3 @ 0.5 group 1
         a buy yes 9 @ 0.5 stp decrement group 1
         a cancel #2
         a buy yes 3 @ 0.4 group 1
         a cancel all
         a buy yes 3 @ 0.4 group 1",
        expect![[r#"
            > a group 1 make 2 in 5
                group 1 has 2 in 5 s (1)
            > a buy no 3 @ 0.5 group 1
                order #1 ACTIVE 0/3
            > a buy yes 9 @ 0.5 stp decrement group 1
                order #2 ACTIVE 0/6
                cancelled 3 of a: SELF_TRADE
            > a cancel #2
                cancelled 6 of a: REQUESTED
            > a buy yes 3 @ 0.4 group 1
                order #3 ACTIVE 0/3
            > a cancel all
                all orders are to be cancelled
                cancelled 3 of a: MASS_CANCEL
            > a buy yes 3 @ 0.4 group 1
                order #4 ACTIVE 0/3
            a: 98.749600 + 1.250400 held
            b: 100.000000 + 0.000000 held
            BID 3 @ 0.4000 BUY_YES a
        "#]],
    );
}

#[test]
fn an_account_triggers_resets_and_deletes_its_group() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 reset
         a group 1 make 5 in 5
         a group 1 make 6 in 5
         a buy yes 3 @ 0.4 group 2
         a buy yes 3 @ 0.4 group 1
         a group 1 trigger
         a group 1 trigger
         a buy yes 3 @ 0.4 group 1
         a group 1 change 9 in 9
         a group 1 reset
         a buy yes 3 @ 0.4 group 1
         a group 1 delete
         a buy yes 3 @ 0.4 group 1
         a group 1 make 5 in 5
         a buy yes 3 @ 0.4 group 1",
        expect![[r#"
            > a group 1 reset
                refused: group-unknown
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (1)
            > a group 1 make 6 in 5
                refused: group-exists
            > a buy yes 3 @ 0.4 group 2
                refused: group-unknown
            > a buy yes 3 @ 0.4 group 1
                order #1 ACTIVE 0/3
            > a group 1 trigger
                group 1 of a is triggered: REQUESTED
                cancelled 3 of a: GROUP
            > a group 1 trigger
                group 1 of a is triggered: REQUESTED
            > a buy yes 3 @ 0.4 group 1
                refused: group-triggered
            > a group 1 change 9 in 9
                group 1 has 9 in 9 s (1)
            > a group 1 reset
                group 1 has 9 in 9 s (2)
            > a buy yes 3 @ 0.4 group 1
                order #2 ACTIVE 0/3
            > a group 1 delete
                group 1 is deleted
                cancelled 3 of a: GROUP
            > a buy yes 3 @ 0.4 group 1
                refused: group-unknown
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (3)
            > a buy yes 3 @ 0.4 group 1
                order #3 ACTIVE 0/3
            a: 98.749600 + 1.250400 held
            b: 100.000000 + 0.000000 held
            BID 3 @ 0.4000 BUY_YES a
        "#]],
    );
}

/// With another window, earlier fills count as if they were made now.
#[test]
fn a_limit_below_the_fills_triggers_the_group() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 10 in 5
         b buy no 50 @ 0.5
         a buy yes 4 @ 0.5 group 1
         wait 3000
         a group 1 change 10 in 4
         wait 3900
         a buy yes 1 @ 0.3 group 1
         a group 1 change 4 in 4",
        expect![[r#"
            > a group 1 make 10 in 5
                group 1 has 10 in 5 s (1)
            > b buy no 50 @ 0.5
                order #1 ACTIVE 0/50
            > a buy yes 4 @ 0.5 group 1
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT a with b
                group 1 of a fills 4, now 4
            > a group 1 change 10 in 4
                group 1 has 10 in 4 s (1)
            > a buy yes 1 @ 0.3 group 1
                order #3 ACTIVE 0/1
            > a group 1 change 4 in 4
                group 1 has 4 in 4 s (1)
                group 1 of a is triggered: FILLED
                cancelled 1 of a: GROUP
            a: 98.000000 + 0.000000 held, 4 YES
            b: 74.195000 + 23.805000 held, 4 NO
            ASK 46 @ 0.5000 BUY_NO b
            collateral 4.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn all_or_nothing_is_refused_if_a_group_could_be_triggered_within() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 5 in 5
         b buy no 10 @ 0.5
         a all buy yes 5 @ 0.5 group 1 ; buy yes 1 @ 0.3
         a all buy yes 4 @ 0.5 group 1 ; buy yes 1 @ 0.3 group 1
         a all buy yes 1 @ 0.3 group 1 ; buy yes 1 @ 0.5 group 1
         a batch buy yes 1 @ 0.3 group 1 ; buy yes 1 @ 0.3",
        expect![[r#"
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (1)
            > b buy no 10 @ 0.5
                order #1 ACTIVE 0/10
            > a all buy yes 5 @ 0.5 group 1 ; buy yes 1 @ 0.3
                request 0
                refused: batch-refused
                request 1
                refused: batch-conflict
            > a all buy yes 4 @ 0.5 group 1 ; buy yes 1 @ 0.3 group 1
                request 0
                order #2 FILLED 4/4
                trade 4 @ 0.5000 MINT a with b
                group 1 of a fills 4, now 4
                request 1
                order #3 ACTIVE 0/1
            > a all buy yes 1 @ 0.3 group 1 ; buy yes 1 @ 0.5 group 1
                request 0
                order #4 ACTIVE 0/1
                request 1
                order #5 FILLED 1/1
                trade 1 @ 0.5000 MINT a with b
                group 1 of a fills 1, now 5
                group 1 of a is triggered: FILLED
                cancelled 1 of a: GROUP
                cancelled 1 of a: GROUP
            > a batch buy yes 1 @ 0.3 group 1 ; buy yes 1 @ 0.3
                request 0
                refused: group-triggered
                request 1
                order #6 ACTIVE 0/1
            a: 97.185300 + 0.314700 held, 5 YES
            b: 94.912500 + 2.587500 held, 5 NO
            BID 1 @ 0.3000 BUY_YES a
            ASK 5 @ 0.5000 BUY_NO b
            collateral 5.000000, fees 0.000000
        "#]],
    );
}

#[test]
fn a_frozen_account_can_only_end_its_groups() {
    check(
        "deposit a 100
         deposit b 100
         a group 1 make 5 in 5
         a buy yes 1 @ 0.3 group 1
         freeze a
         a group 2 make 5 in 5
         a group 1 change 6 in 6
         a group 1 trigger
         a group 1 reset
         a group 1 delete",
        expect![[r#"
            > a group 1 make 5 in 5
                group 1 has 5 in 5 s (1)
            > a buy yes 1 @ 0.3 group 1
                order #1 ACTIVE 0/1
            > freeze a
                AccountFrozen { account: AccountId(1), by: AdminId(1) }
            > a group 2 make 5 in 5
                refused: account-frozen
            > a group 1 change 6 in 6
                refused: account-frozen
            > a group 1 trigger
                group 1 of a is triggered: REQUESTED
                cancelled 1 of a: GROUP
            > a group 1 reset
                refused: account-frozen
            > a group 1 delete
                group 1 is deleted
            a: 100.000000 + 0.000000 held
            b: 100.000000 + 0.000000 held
        "#]],
    );
}
