//! The phases of markets, and their ends.

use expect_test::expect;
use schemas::limits::MARKET_KEPT_MS;
use schemas::market::YesValue;
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, Command, Credits, Entry, Event, Listing, Rejection, ResolutionAnswer, Scopes,
    Timestamp, Transition,
};

use crate::script::{Scenario, check, limit_order};

#[test]
fn a_pause_keeps_orders_and_their_queue_priority() {
    check(
        "deposit alice 10
         alice buy yes 1 @ 0.5
         alice buy yes 2 @ 0.5
         pause
         alice cancel #1
         alice amend #2 quantity 1
         cancel_only
         alice amend #2 price 0.6
         alice amend #2 quantity 1
         alice cancel #1
         resume",
        expect![[r#"
            > alice buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > alice buy yes 2 @ 0.5
                order #2 ACTIVE 0/2
            > pause
                market PAUSED
            > alice cancel #1
                refused: market-not-open
            > alice amend #2 quantity 1
                refused: market-not-open
            > cancel_only
                market CANCEL_ONLY
            > alice amend #2 price 0.6
                refused: market-not-open
            > alice amend #2 quantity 1
                order #2 amended: ACTIVE 0/1 @ 0.5000 in its place
            > alice cancel #1
                cancelled 1 of alice: REQUESTED
            > resume
                market OPEN
            alice: 9.482500 + 0.517500 held
            BID 1 @ 0.5000 BUY_YES alice
        "#]],
    );
}

#[test]
fn a_close_cancels_orders_and_a_resolution_pays_once() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 10 @ 0.6
         bob buy no 10 @ 0.4
         alice sell yes 5 @ 0.9
         bob buy yes 1 @ 0.2
         close
         resolve yes by 1
         confirm yes by 2
         resolve no by 1
         close",
        expect![[r#"
            > alice buy yes 10 @ 0.6
                order #1 ACTIVE 0/10
            > bob buy no 10 @ 0.4
                order #2 FILLED 10/10
                trade 10 @ 0.6000 MINT bob with alice
            > alice sell yes 5 @ 0.9
                order #3 ACTIVE 0/5
            > bob buy yes 1 @ 0.2
                order #4 ACTIVE 0/1
            > close
                market CLOSED
                cancelled 1 of bob: MARKET_ENDED
                cancelled 5 of alice: MARKET_ENDED
            > resolve yes by 1
                market RESOLVING
            > confirm yes by 2
                market RESOLVED
                alice is paid 10.000000 for 10 YES, 0 NO
                bob is paid 0.000000 for 0 YES, 10 NO
                market settled
            > resolve no by 1
                refused: transition-invalid
            > close
                refused: transition-invalid
            alice: 14.000000 + 0.000000 held
            bob: 6.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_void_pays_half_for_every_contract() {
    check(
        "deposit alice 10
         deposit bob 10
         alice buy yes 5 @ 0.6
         bob buy no 5 @ 0.4
         alice sell yes 5 @ 0.9
         close
         resolve void by 1
         confirm void by 2",
        expect![[r#"
            > alice buy yes 5 @ 0.6
                order #1 ACTIVE 0/5
            > bob buy no 5 @ 0.4
                order #2 FILLED 5/5
                trade 5 @ 0.6000 MINT bob with alice
            > alice sell yes 5 @ 0.9
                order #3 ACTIVE 0/5
            > close
                market CLOSED
                cancelled 5 of alice: MARKET_ENDED
            > resolve void by 1
                market RESOLVING
            > confirm void by 2
                market VOIDED
                alice is paid 2.500000 for 5 YES, 0 NO
                bob is paid 2.500000 for 0 YES, 5 NO
                market settled
            alice: 9.500000 + 0.000000 held
            bob: 10.500000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_market_with_many_holders_pays_each_once_in_slices() {
    const HOLDERS: u64 = 2_500;
    let mut scenario = Scenario::new();
    let market = scenario.market();
    let house = scenario.account("house");
    scenario.handle(&Command::Deposit {
        account: house,
        amount: Credits::whole(10_000),
        client_id: None,
        by: AdminId(1),
    });
    for account in (100..100 + HOLDERS).map(AccountId) {
        let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ);
        scenario.handle(&Command::OpenAccount { account, key });
        scenario.handle(&Command::Deposit { account, amount: Credits::whole(1), client_id: None, by: AdminId(1) });
        for (who, entry) in [(account, Entry::BuyYes), (house, Entry::BuyNo)] {
            let command = limit_order(who, market, entry, "1", 5_000);
            scenario.handle(&command);
        }
    }
    let answer = ResolutionAnswer::Value(YesValue::YES);
    let change = |by, transition| Command::ChangeMarket { market, by: AdminId(by), transition };
    scenario.handle(&change(1, Transition::Close));
    scenario.handle(&change(1, Transition::Resolve { answer }));
    let mut events = scenario.handle(&change(2, Transition::Confirm { answer }));
    let mut slices = 1;
    while scenario.state.next_due().is_some_and(|due| due <= scenario.state.time()) {
        let slice = scenario.handle(&Command::AdvanceTime);
        assert!(slice.len() <= 2 * schemas::limits::SWEEP_MAX + 1, "a slice of {} events", slice.len());
        events.extend(slice);
        slices += 1;
        assert!(slices < 10, "the payout does not end");
    }
    let paid = events.iter().filter(|event| matches!(event, Event::PaidOut { .. })).count() as u64;
    assert_eq!((paid, slices), (HOLDERS + 1, 3));
    assert!(matches!(events.iter().rfind(|e| !matches!(e, Event::Settled(_))), Some(Event::MarketSettled { .. })));
    for account in (100..100 + HOLDERS).map(AccountId) {
        assert_eq!(scenario.state.purse(account).unwrap().available, Credits(1_500_000));
    }
    assert_eq!(scenario.state.market(market).unwrap().collateral, Credits::ZERO);
}

#[test]
fn a_market_closes_by_itself_at_its_expiry() {
    let mut scenario = Scenario::new();
    let alice = scenario.account("alice");
    scenario.handle(&Command::Deposit { account: alice, amount: Credits::whole(1), client_id: None, by: AdminId(1) });
    let market = scenario.market();
    let command = limit_order(alice, market, Entry::BuyYes, "1", 5_000);
    scenario.handle(&command);
    assert_eq!(scenario.state.next_due(), Some(schemas::Timestamp(1_000_000)));
    let place = engine_core::CommandContext {
        cause: schemas::Cause { offset: 1_000, id: schemas::CommandId(1) },
        time: schemas::Timestamp(1_000_000),
    };
    let mut events = Vec::new();
    // The log's time decides, not the timer: an order in the same millisecond is too late.
    scenario.state.handle(place, &command, &mut events);
    assert!(matches!(events[0], Event::OrderRejected { code: schemas::Rejection::MarketNotOpen, .. }), "{events:?}");
    events.clear();
    scenario.state.handle(place, &Command::AdvanceTime, &mut events);
    assert!(matches!(events[0], Event::MarketChanged { state: schemas::MarketState::Closed, .. }));
    assert!(matches!(events[1], Event::OrderCancelled { .. }));
    assert_eq!(scenario.state.purse(alice).unwrap().available, Credits::whole(1));
    assert_eq!(scenario.state.next_due(), None);
}

#[test]
fn an_answer_needs_two_admins_and_can_be_amended_until_its_window_ends() {
    check(
        "market dispute 5000
         deposit alice 10
         deposit bob 10
         alice buy yes 5 @ 0.6
         bob buy no 5 @ 0.4
         resolve yes by 1
         close
         confirm yes by 2
         resolve yes by 1
         confirm yes by 1
         confirm no by 2
         confirm yes by 2
         confirm yes by 3
         tick
         wait 4000
         resolve 2500 by 3
         wait 5000
         tick
         confirm 2500 by 1
         wait 4000
         tick
         wait 1000
         tick
         resolve no by 2",
        expect![[r#"
            > alice buy yes 5 @ 0.6
                order #1 ACTIVE 0/5
            > bob buy no 5 @ 0.4
                order #2 FILLED 5/5
                trade 5 @ 0.6000 MINT bob with alice
            > resolve yes by 1
                refused: transition-invalid
            > close
                market CLOSED
            > confirm yes by 2
                refused: transition-invalid
            > resolve yes by 1
                market RESOLVING
            > confirm yes by 1
                refused: second-admin-required
            > confirm no by 2
                refused: answer-mismatch
            > confirm yes by 2
                market RESOLVING
            > confirm yes by 3
                refused: transition-invalid
            > tick
            > resolve 2500 by 3
                market RESOLVING
            > tick
            > confirm 2500 by 1
                market RESOLVING
            > tick
            > tick
                market RESOLVED
                alice is paid 1.250000 for 5 YES, 0 NO
                bob is paid 3.750000 for 0 YES, 5 NO
                market settled
            > resolve no by 2
                refused: transition-invalid
            alice: 8.250000 + 0.000000 held
            bob: 11.750000 + 0.000000 held
        "#]],
    );
}

#[test]
fn orders_that_ask_for_it_are_cancelled_by_a_pause() {
    check(
        "deposit alice 10
         alice buy yes 1 @ 0.5 pausable
         alice buy yes 2 @ 0.5
         alice buy no 1 @ 0.3 pausable
         pause
         resume
         alice buy yes 1 @ 0.4 pausable
         cancel_only",
        expect![[r#"
            > alice buy yes 1 @ 0.5 pausable
                order #1 ACTIVE 0/1
            > alice buy yes 2 @ 0.5
                order #2 ACTIVE 0/2
            > alice buy no 1 @ 0.3 pausable
                order #3 ACTIVE 0/1
            > pause
                market PAUSED
                cancelled 1 of alice: MARKET_PAUSED
                cancelled 1 of alice: MARKET_PAUSED
            > resume
                market OPEN
            > alice buy yes 1 @ 0.4 pausable
                order #4 ACTIVE 0/1
            > cancel_only
                market CANCEL_ONLY
                cancelled 1 of alice: MARKET_PAUSED
            alice: 8.965000 + 1.035000 held
            BID 2 @ 0.5000 BUY_YES alice
        "#]],
    );
}

/// A pause releases more orders than one command may end: trading resumes only when all of them
/// have ended.
#[test]
fn a_market_does_not_resume_while_orders_wait_for_their_cancel() {
    let mut scenario = Scenario::new();
    let alice = scenario.account("alice");
    let market = scenario.market();
    scenario.handle(&Command::Deposit {
        account: alice,
        amount: Credits::whole(10_000),
        client_id: None,
        by: AdminId(1),
    });
    for _ in 0..2 * schemas::limits::SWEEP_MAX + 1 {
        let Command::PlaceOrder(order) = limit_order(alice, market, Entry::BuyYes, "1", 5_000) else { return };
        let instructions = schemas::Instructions { cancel_on_pause: true, ..order.instructions };
        scenario.handle(&Command::PlaceOrder(schemas::NewOrder { instructions, ..order }));
    }
    let change = |transition| Command::ChangeMarket { market, by: AdminId(1), transition };
    let mut cancelled = ends(&scenario.handle(&change(Transition::Pause { cancel_only: false })));
    let refused = Event::Rejected { code: schemas::Rejection::MarketSweeping };
    while cancelled <= 2 * schemas::limits::SWEEP_MAX {
        assert_eq!(scenario.handle(&change(Transition::Resume)), std::slice::from_ref(&refused));
        cancelled += ends(&scenario.handle(&Command::AdvanceTime));
    }
    assert!(matches!(scenario.handle(&change(Transition::Resume))[..], [Event::MarketChanged { .. }]));
    assert_eq!(scenario.state.purse(alice).unwrap().available, Credits::whole(10_000));
}

fn ends(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::OrderCancelled { .. })).count()
}

/// A week after its last payout; its fees, and the use of its ticker, remain.
#[test]
fn a_market_that_was_paid_out_long_ago_is_archived() {
    let mut scenario = Scenario::new();
    let market = scenario.market();
    let listing = scenario.listing(1, 0, 0, 0);
    let who = scenario.account("alice");
    let change = |by, transition| Command::ChangeMarket { market, by: AdminId(by), transition };
    scenario.handle(&change(1, Transition::Close));
    scenario.handle(&change(1, Transition::Resolve { answer: ResolutionAnswer::Void }));
    scenario.handle(&change(2, Transition::Confirm { answer: ResolutionAnswer::Void }));
    assert_eq!(scenario.state.next_due(), Some(Timestamp(scenario.state.time().0 + MARKET_KEPT_MS)));
    scenario.wait(MARKET_KEPT_MS - 2);
    assert_eq!(scenario.handle(&Command::AdvanceTime), []);
    let archived = scenario.handle(&Command::AdvanceTime);
    assert!(matches!(archived[..], [Event::MarketArchived { market: told, .. }] if told == market), "{archived:?}");
    assert!(scenario.state.market(market).is_none() && scenario.state.next_due().is_none());
    let listing = Listing { expiry: Timestamp(scenario.state.time().0 + 1_000), ..listing };
    for command in [
        Command::CreateMarket { listing, by: AdminId(1) },
        change(1, Transition::Open),
        Command::MassCancel { account: who, market: Some(market) },
    ] {
        assert_eq!(scenario.handle(&command), [Event::Rejected { code: Rejection::MarketArchived }], "{command:?}");
    }
    let refused = scenario.handle(&limit_order(who, market, Entry::BuyYes, "1", 5_000));
    assert!(matches!(refused[..], [Event::OrderRejected { code: Rejection::MarketArchived, .. }]), "{refused:?}");
}
