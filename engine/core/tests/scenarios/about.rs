//! Descriptions of markets: edited before the first trade, extended afterwards; and markets that
//! open by themselves.

use expect_test::expect;
use schemas::limits::MARKET_EVENTS_MAX;
use schemas::{AdminId, Command, Event, MarketEvent, MarketEventId, Rejection};

use crate::script::{Scenario, check};

#[test]
fn a_description_is_edited_before_the_first_trade_and_then_only_extended() {
    check(
        "deposit alice 10
         deposit bob 10
         edit rules NO if it does not rain.
         alice buy yes 5 @ 0.6
         edit tags rain 2026
         add tags rain
         add tags storm
         bob buy no 5 @ 0.4
         edit question Snow?
         edit expiry 900000
         add tags storm
         add tags hail
         add source https://rain.example
         add source https://rain.example
         add clarification Hail is no rain.
         alice sell yes 5 @ 0.5
         bob sell no 5 @ 0.5
         edit rules YES if it snows.
         close
         add clarification Nor is snow.
         resolve yes by 1
         confirm yes by 2
         add clarification Too late.",
        expect![[r#"
            > edit rules NO if it does not rain.
                market edited
            > alice buy yes 5 @ 0.6
                order #1 ACTIVE 0/5
            > edit tags rain 2026
                market edited
            > add tags rain
                refused: addition-repeated
            > add tags storm
                market added to
            > bob buy no 5 @ 0.4
                order #2 FILLED 5/5
                trade 5 @ 0.6000 MINT bob with alice
            > edit question Snow?
                refused: market-traded
            > edit expiry 900000
                refused: market-traded
            > add tags storm
                refused: addition-repeated
            > add tags hail
                market added to
            > add source https://rain.example
                market added to
            > add source https://rain.example
                refused: addition-repeated
            > add clarification Hail is no rain.
                market added to
            > alice sell yes 5 @ 0.5
                order #3 ACTIVE 0/5
            > bob sell no 5 @ 0.5
                order #4 FILLED 5/5
                trade 5 @ 0.5000 BURN bob with alice
            > edit rules YES if it snows.
                refused: market-traded
            > close
                market CLOSED
            > add clarification Nor is snow.
                market added to
            > resolve yes by 1
                market RESOLVING
            > confirm yes by 2
                market RESOLVED
                market settled
            > add clarification Too late.
                refused: market-ended
            alice: 9.500000 + 0.000000 held
            bob: 10.500000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_market_opens_by_itself_and_closes_by_itself() {
    check(
        "market opens 1000
         deposit alice 10
         alice buy yes 1 @ 0.5
         tick
         edit opens 5000
         wait 1000
         tick
         wait 4000
         edit rules NO if it does not rain.
         tick
         alice buy yes 1 @ 0.5
         edit opens never
         edit expiry 6000
         wait 1000
         tick
         edit rules YES if it rains.",
        expect![[r#"
            > alice buy yes 1 @ 0.5
                refused: market-not-open
            > tick
            > edit opens 5000
                market edited
            > tick
            > edit rules NO if it does not rain.
                market edited
            > tick
                market OPEN
            > alice buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > edit opens never
                refused: market-opened
            > edit expiry 6000
                market edited
            > tick
                market CLOSED
                cancelled 1 of alice: MARKET_ENDED
            > edit rules YES if it rains.
                refused: market-ended
            alice: 10.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn an_opening_time_lies_between_now_and_the_closing_time() {
    check(
        "market opens 5000
         edit opens 1
         edit opens 1000000
         edit expiry 5000
         edit expiry 1
         edit nothing
         add nothing
         edit opens never
         edit expiry 5000
         open
         edit opens 4000
         wait 6000
         edit rules YES if it rains.",
        expect![[r#"
            > edit opens 1
                refused: opening-invalid
            > edit opens 1000000
                refused: opening-invalid
            > edit expiry 5000
                refused: opening-invalid
            > edit expiry 1
                refused: expiry-in-past
            > edit nothing
                refused: edit-empty
            > add nothing
                refused: edit-empty
            > edit opens never
                market edited
            > edit expiry 5000
                market edited
            > open
                market OPEN
            > edit opens 4000
                refused: market-opened
            > edit rules YES if it rains.
                refused: market-ended
        "#]],
    );
}

/// An admin opens the market early; at its opening time nothing happens. The other market has
/// passed both times before any command came.
#[test]
fn a_market_that_is_open_or_past_its_expiry_does_not_open_by_time() {
    check(
        "market opens 5000
         open
         pause
         wait 6000
         tick
         resume",
        expect![[r#"
            > open
                market OPEN
            > pause
                market PAUSED
            > tick
            > resume
                market OPEN
        "#]],
    );
    check(
        "market opens 5000
         wait 2000000
         tick
         tick",
        expect![[r#"
            > tick
                market CLOSED
            > tick
        "#]],
    );
}

#[test]
fn a_market_event_is_created_once_by_its_name() {
    let mut scenario = Scenario::new();
    let event = |id: MarketEventId, name: &str| {
        let event = MarketEvent { id, name: name.parse().unwrap(), title: "Who?".parse().unwrap(), exclusive: true };
        Command::CreateMarketEvent { event: Box::new(event), by: AdminId(1) }
    };
    let named = |name: &str| event(MarketEventId::of(&name.parse().unwrap()), name);
    let refused = |code| [Event::Rejected { code }];
    assert_eq!(scenario.handle(&event(MarketEventId(1), "final")), refused(Rejection::MarketEventIdMismatch));
    assert!(matches!(scenario.handle(&named("final"))[..], [Event::MarketEventCreated { .. }]));
    assert_eq!(scenario.handle(&named("final")), refused(Rejection::MarketEventExists));
}

#[test]
fn a_shard_has_a_limit_of_market_events() {
    let mut scenario = Scenario::new();
    let mut create = |number: usize| {
        let name: schemas::text::Label = format!("event-{number}").parse().unwrap();
        let id = MarketEventId::of(&name);
        let event = Box::new(MarketEvent { id, name, title: "Who?".parse().unwrap(), exclusive: false });
        scenario.quickly(&Command::CreateMarketEvent { event, by: AdminId(1) }).remove(0)
    };
    for number in 0..MARKET_EVENTS_MAX {
        assert!(matches!(create(number), Event::MarketEventCreated { .. }));
    }
    assert_eq!(create(MARKET_EVENTS_MAX), Event::Rejected { code: Rejection::MarketEventsLimit });
}
