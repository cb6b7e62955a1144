//! Effects of markets and time on purses: fills, payouts, and the return of free credits.

use expect_test::expect;

use crate::script::check;

/// Both home shards are other shards. Neither receives a message about the fill.
#[test]
fn a_fill_is_settled_in_the_purses_of_both_sides_on_the_markets_shard() {
    check(
        3,
        "account a home 0 has 10
         account b home 2 has 10
         market R on 1
         a buy R yes 10 @ 0.6
         b buy R no 4 @ 0.5
         b buy R no 6 @ 0.4",
        expect![[r#"
            > a buy R yes 10 @ 0.6
                1 | a: parked
                1 | a: asks home for 6.00 and room for 1 order, 6.00 held
                0 | a: sends 8.00 and all room to 1
                1 | a: has 8.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.6"
                1 | a: order #1 ACTIVE 0/10
            > b buy R no 4 @ 0.5
                1 | b: parked
                1 | b: asks home for 2.00 and room for 1 order, 2.00 held
                2 | b: sends 6.00 and all room to 1
                1 | b: has 6.00 and all room from 2
                1 | b: answer to "b buy R no 4 @ 0.5"
                1 | b: order #2 FILLED 4/4
                1 | b: trades 4 @ 0.6000 with a, MINT
                1 | a: spends 2.40
                1 | b: spends 1.60, gets back 0.40
            > b buy R no 6 @ 0.4
                1 | b: order #3 FILLED 6/6
                1 | b: trades 6 @ 0.6000 with a, MINT
                1 | a: spends 3.60
                1 | b: spends 2.40
            a: 2.00 on 0 (home); 2.00 on 1
            b: 2.00 on 1; 4.00 on 2 (home)
        "#]],
    );
}

/// The second order holds 2.50 that came from the home shard, and returns them at once.
#[test]
fn two_orders_of_one_account_meet() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 5 @ 0.5
         a buy R no 5 @ 0.5
         a buy R no 2 @ 0.5 stp decrement
         a buy R no 3 @ 0.5 stp cancel_both",
        expect![[r#"
            > a buy R yes 5 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.50 and room for 1 order, 2.50 held
                0 | a: sends 6.25 and all room to 1
                1 | a: has 6.25 and all room from 0
                1 | a: answer to "a buy R yes 5 @ 0.5"
                1 | a: order #1 ACTIVE 0/5
            > a buy R no 5 @ 0.5
                1 | a: order #2 CANCELLED 0/5, SELF_TRADE
                1 | a: gets back 2.50
            > a buy R no 2 @ 0.5 stp decrement
                1 | a: order #3 CANCELLED 0/0, SELF_TRADE
                1 | a: order #1 loses 2, SELF_TRADE
                1 | a: gets back 1.00 (2 times)
            > a buy R no 3 @ 0.5 stp cancel_both
                1 | a: order #4 CANCELLED 0/3, SELF_TRADE
                1 | a: BUY_YES 3 @ 0.5000 cancelled, SELF_TRADE
                1 | a: gets back 1.50 (2 times)
            a: 3.75 on 0 (home); 6.25 on 1
        "#]],
    );
}

#[test]
fn a_payout_returns_home_if_no_order_is_live_on_the_shard() {
    check(
        3,
        "account a home 0 has 10
         account b home 1 has 10
         market R on 1
         market S on 1
         a buy R yes 10 @ 0.4
         b buy R no 10 @ 0.6
         close R
         resolve R yes",
        expect![[r#"
            > a buy R yes 10 @ 0.4
                1 | a: parked
                1 | a: asks home for 4.00 and room for 1 order, 4.00 held
                0 | a: sends 7.00 and all room to 1
                1 | a: has 7.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.4"
                1 | a: order #1 ACTIVE 0/10
            > b buy R no 10 @ 0.6
                1 | b: order #2 FILLED 10/10
                1 | b: trades 10 @ 0.4000 with a, MINT
                1 | a: spends 4.00
                1 | b: spends 6.00
            > close R
                1 | R: CLOSED
            > resolve R yes
                1 | R: RESOLVING
                1 | R: RESOLVED
                1 | a: is paid 10.00 for 10 YES, 0 NO
                1 | b: is paid 0.00 for 0 YES, 10 NO
                1 | R: all is paid out
                1 | a: receives 10.00
                1 | a: sends 13.00 to 0
                0 | a: has 13.00 from 1
            a: 16.00 on 0 (home); 0.00 on 1
            b: 4.00 on 1 (home)
        "#]],
    );
}

#[test]
fn a_payout_stays_on_a_shard_with_a_live_order() {
    check(
        2,
        "account a home 0 has 10
         account b home 1 has 10
         market R on 1
         market S on 1
         a buy R yes 10 @ 0.4
         b buy R no 10 @ 0.6
         a buy S yes 1 @ 0.1
         close R
         resolve R yes
         a buy S yes 10 @ 0.95",
        expect![[r#"
            > a buy R yes 10 @ 0.4
                1 | a: parked
                1 | a: asks home for 4.00 and room for 1 order, 4.00 held
                0 | a: sends 7.00 and all room to 1
                1 | a: has 7.00 and all room from 0
                1 | a: answer to "a buy R yes 10 @ 0.4"
                1 | a: order #1 ACTIVE 0/10
            > b buy R no 10 @ 0.6
                1 | b: order #2 FILLED 10/10
                1 | b: trades 10 @ 0.4000 with a, MINT
                1 | a: spends 4.00
                1 | b: spends 6.00
            > a buy S yes 1 @ 0.1
                1 | a: order #3 ACTIVE 0/1
            > close R
                1 | R: CLOSED
            > resolve R yes
                1 | R: RESOLVING
                1 | R: RESOLVED
                1 | a: is paid 10.00 for 10 YES, 0 NO
                1 | b: is paid 0.00 for 0 YES, 10 NO
                1 | R: all is paid out
                1 | a: receives 10.00
            > a buy S yes 10 @ 0.95
                1 | a: order #4 ACTIVE 0/10
            a: 3.00 on 0 (home); 3.40 + 9.60 held on 1
            b: 4.00 on 1 (home)
        "#]],
    );
}

/// The time of a purse's last change is known to the minute. A live order does not keep free
/// credits from returning home; they are lent again on demand.
#[test]
fn free_credits_of_an_idle_purse_return_home_after_ten_minutes() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         wait 10min
         tick
         wait 1min
         tick
         a buy R yes 4 @ 0.5",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > wait 10min
            > tick
            > wait 1min
            > tick
                1 | a: sends 4.00 to 0
                0 | a: has 4.00 from 1
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00
                0 | a: sends 5.00 to 1
                1 | a: has 5.00 from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #2 ACTIVE 0/4
            a: 3.00 on 0 (home); 3.00 + 4.00 held on 1
        "#]],
    );
}

/// The cancel after five minutes is a change: the ten minutes start there.
#[test]
fn a_purse_that_changes_is_not_idle() {
    check(
        2,
        "account a home 0 has 10
         market R on 1
         a buy R yes 4 @ 0.5
         wait 5min
         a cancel #1
         wait 6min
         tick
         wait 6min
         tick",
        expect![[r#"
            > a buy R yes 4 @ 0.5
                1 | a: parked
                1 | a: asks home for 2.00 and room for 1 order, 2.00 held
                0 | a: sends 6.00 and all room to 1
                1 | a: has 6.00 and all room from 0
                1 | a: answer to "a buy R yes 4 @ 0.5"
                1 | a: order #1 ACTIVE 0/4
            > wait 5min
            > a cancel #1
                1 | a: BUY_YES 4 @ 0.5000 cancelled, REQUESTED
                1 | a: gets back 2.00
            > wait 6min
            > tick
            > wait 6min
            > tick
                1 | a: sends 6.00 to 0
                0 | a: has 6.00 from 1
            a: 10.00 on 0 (home); 0.00 on 1
        "#]],
    );
}
