//! A shard's books: their limits, and what archived markets leave.

use engine_core::{BooksMax, ShardState};
use schemas::limits::{MARKET_KEPT_MS, SWEEP_MAX};
use schemas::market::ResolutionAnswer;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AdminId, BatchRequest, Command, Credits, Entry, Event, FeeRate, Listing, MarketId, MarketLimits, OrderId,
    OrderRef, Rejection, TimeInForce, Timestamp, Transition,
};

use crate::script::{Scenario, limit_order};

fn create(scenario: &Scenario, ticker: &str) -> Command {
    let ticker: schemas::text::Ticker = ticker.parse().unwrap();
    let (market, expiry) = (MarketId::of(&ticker), Timestamp(scenario.state.time().0 + 1_000_000));
    let listing = Listing {
        market,
        ticker,
        about: About::plain("Rain?", "YES if it does.", "tests").unwrap().into(),
        opens: None,
        expiry,
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    };
    Command::CreateMarket { listing, by: AdminId(1) }
}

fn fund(scenario: &mut Scenario, name: &str) -> schemas::AccountId {
    let account = scenario.account(name);
    let amount = Credits::whole(100_000);
    scenario.handle(&Command::Deposit { account, amount, client_id: None, by: AdminId(1) });
    account
}

fn code(events: &[Event]) -> Option<Rejection> {
    match events {
        [Event::OrderRejected { code, .. } | Event::Rejected { code }] => Some(*code),
        _ => None,
    }
}

#[test]
fn full_books_refuse_resting_orders_and_nothing_else() {
    let mut scenario = Scenario::new();
    let (market, who) = (scenario.market(), fund(&mut scenario, "alice"));
    scenario.state = scenario.state.clone().with_books_max(BooksMax { orders: 2, markets: 9 });
    let order = |entry, ticks| limit_order(who, market, entry, "1", ticks);
    for ticks in [4_000, 4_001] {
        assert_eq!(code(&scenario.handle(&order(Entry::BuyYes, ticks))), None);
    }
    assert_eq!(code(&scenario.handle(&order(Entry::BuyYes, 4_002))), Some(Rejection::BooksFull));
    let Command::PlaceOrder(mut taker) = order(Entry::BuyNo, 6_001) else { unreachable!("an order") };
    taker.account = fund(&mut scenario, "bob");
    let schemas::Terms::Limit { time_in_force, .. } = &mut taker.terms else { unreachable!("a limit order") };
    *time_in_force = TimeInForce::Ioc;
    let traded = scenario.handle(&Command::PlaceOrder(taker));
    assert!(traded.iter().any(|event| matches!(event, Event::Traded(_))), "{traded:?}");
    assert_eq!(scenario.state.orders(), 1);
    assert_eq!(code(&scenario.handle(&order(Entry::BuyYes, 4_003))), None, "there is room again");
    let first = OrderRef::Id(OrderId::compose(scenario.state.shard(), 1));
    let cancelled = scenario.handle(&Command::CancelOrder { account: who, order: first });
    assert!(matches!(cancelled[..], [Event::OrderCancelled { .. }, ..]), "{cancelled:?}");
}

/// Two orders of a batch need two free places; otherwise the batch is refused.
#[test]
fn a_batch_that_does_not_fit_into_the_books_is_refused_whole() {
    let mut scenario = Scenario::new();
    let (market, who) = (scenario.market(), fund(&mut scenario, "alice"));
    scenario.state = scenario.state.clone().with_books_max(BooksMax { orders: 2, markets: 9 });
    scenario.handle(&limit_order(who, market, Entry::BuyYes, "1", 3_999));
    let place = |ticks| match limit_order(who, market, Entry::BuyYes, "1", ticks) {
        Command::PlaceOrder(order) => BatchRequest::Place(order),
        other => unreachable!("an order: {other:?}"),
    };
    let batch = |prices: &[u16]| Command::Batch {
        account: who,
        all_or_nothing: true,
        requests: prices.iter().map(|ticks| place(*ticks)).collect(),
    };
    let refused = scenario.handle(&batch(&[4_000, 4_001]));
    let full = |event: &Event| matches!(event, Event::OrderRejected { code: Rejection::BooksFull, .. });
    assert!(refused.iter().any(full), "{refused:?}");
    assert_eq!(scenario.state.orders(), 1);
    scenario.handle(&batch(&[4_000]));
    assert_eq!(scenario.state.orders(), 2);
}

#[test]
fn a_shard_has_a_limit_of_markets() {
    let mut scenario = Scenario::new();
    let market = scenario.market();
    scenario.state = scenario.state.clone().with_books_max(BooksMax { orders: 9, markets: 2 });
    let (second, third) = (create(&scenario, "SECOND"), create(&scenario, "THIRD"));
    assert_eq!(code(&scenario.handle(&second)), None);
    assert_eq!(code(&scenario.handle(&third)), Some(Rejection::BooksFull));
    assert_eq!(code(&scenario.handle(&second)), Some(Rejection::MarketExists), "codes in their order");
    archive(&mut scenario, market);
    let third = create(&scenario, "THIRD");
    assert_eq!(code(&scenario.handle(&third)), None);
}

/// Voids a market and pays it out, so that it leaves the state.
fn archive(scenario: &mut Scenario, market: MarketId) {
    let change = |by, transition| Command::ChangeMarket { market, by: AdminId(by), transition };
    if scenario.state.market(market).unwrap().state == schemas::MarketState::Created {
        scenario.handle(&change(1, Transition::Open));
    }
    scenario.handle(&change(1, Transition::Close));
    while scenario.state.market(market).unwrap().orders(schemas::BookSide::Bid).next().is_some() {
        scenario.handle(&Command::AdvanceTime);
    }
    scenario.handle(&change(1, Transition::Resolve { answer: ResolutionAnswer::Void }));
    scenario.handle(&change(2, Transition::Confirm { answer: ResolutionAnswer::Void }));
    scenario.wait(MARKET_KEPT_MS);
    scenario.handle(&Command::AdvanceTime);
    scenario.handle(&Command::AdvanceTime);
    assert!(scenario.state.market(market).is_none());
}

/// Many markets use their whole range of prices and are archived: each leaves only its id.
#[test]
fn a_market_that_is_archived_leaves_only_its_id_in_a_snapshot() {
    let mut scenario = Scenario::new();
    let first = scenario.market();
    let who = fund(&mut scenario, "alice");
    let mut bytes = Vec::new();
    for round in 0..4 {
        let command = create(&scenario, &format!("ROUND-{round}"));
        let Command::CreateMarket { listing, .. } = &command else { unreachable!("a listing") };
        let market = listing.market;
        assert_eq!(code(&scenario.handle(&command)), None);
        scenario.handle(&Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
        for ticks in (1..=9_999).step_by(500) {
            assert_eq!(code(&scenario.handle(&limit_order(who, market, Entry::BuyYes, "1", ticks))), None);
        }
        assert!(scenario.state.orders() < SWEEP_MAX);
        archive(&mut scenario, market);
        assert_eq!(scenario.state.orders(), 0);
        bytes.push(scenario.state.to_bytes().len());
    }
    let grown: Vec<_> = bytes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Its id (8 bytes), and the end of each of its 20 orders (24 bytes): account, id, status.
    let [each, ..] = grown[..] else { unreachable!("three of them") };
    assert!(grown.iter().all(|grown| *grown == each) && each < 8 + 20 * 24, "{grown:?}");
    assert!(scenario.state.market(first).is_some());
    let again = ShardState::from_bytes(scenario.state.shard(), ShardMap::new(1).unwrap(), &scenario.state.to_bytes());
    assert_eq!(again.unwrap().to_bytes(), scenario.state.to_bytes());
}
