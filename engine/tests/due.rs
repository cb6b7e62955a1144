//! What is due happens automatically, soon after its time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::engine::Engine;
use common::idle::IdleMember;
use common::load::{Client, World};
use common::logs::{assert_each_command_is_answered_once, drained, first};
use common::{SHARDS, TestLog, wait_for};
use engine::log::{Clock, SystemClock};
use schemas::event::CancelReason;
use schemas::limits::PARKED_MAX_MS;
use schemas::market::{Transition, YesValue};
use schemas::{
    AccountId, AdminId, Command, CommandId, Entry, Event, FeeRate, Instructions, MarketId, MarketState, NewOrder,
    Outcome, PostOnly, Price, Quantity, Rejection, ResolutionAnswer, Terms, TimeInForce, Timestamp,
};

const NEVER: Timestamp = Timestamp(4_000_000_000_000);
const LIMIT: Duration = Duration::from_secs(10);
const ANSWER: ResolutionAnswer = ResolutionAnswer::Value(YesValue::YES);

/// One second, and what a machine with other load may add.
const LATE_MS: u64 = 1_000;

fn buy(account: AccountId, market: MarketId, time_in_force: TimeInForce) -> Command {
    let terms = Terms::Limit {
        price: Price::new(5_000).unwrap(),
        quantity: Quantity::new(1).unwrap(),
        time_in_force,
        post_only: PostOnly::Off,
    };
    Command::PlaceOrder(NewOrder {
        account,
        market,
        entry: Entry::BuyYes,
        terms,
        fee_rate: FeeRate::new(10_000).unwrap(),
        client_id: None,
        instructions: Instructions::default(),
    })
}

fn cancelled(event: &Event, account: AccountId, why: CancelReason) -> bool {
    matches!(event, Event::OrderCancelled { account: whose, reason, .. } if (*whose, *reason) == (account, why))
}

/// Not before it is due by the log's own time, and not late.
fn assert_on_time(what: &str, outcome: &Outcome, due: Timestamp) {
    let late = outcome.time.as_millis().checked_sub(due.as_millis());
    println!("{what}: {late:?} ms after it was due");
    assert!(late.is_some_and(|late| late < LATE_MS), "{what}: {late:?} ms late");
}

#[test]
fn orders_expire_switches_fire_and_dispute_windows_end() {
    let log = TestLog::create("due");
    let folder = tempfile::tempdir().unwrap();
    let (client, world) = (Client::open(&log), World::new(log.args.shard_map(), NEVER));
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let mut asked: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
    client.flush();
    drained(&log, LIMIT);
    let now = || SystemClock::default().wall().as_millis();

    // The home shard of most accounts is not the market's: orders are parked first, and switches
    // send instructions.
    let (market, [expiring, leaving]) = (world.markets[0], [world.accounts[0], world.accounts[5]]);
    let expires = Timestamp(now() + 1_500);
    asked.push(client.ask(buy(expiring, market, TimeInForce::Gtd { expires })));
    asked.push(client.ask(buy(leaving, market, TimeInForce::Gtc)));
    let switch = client.ask(Command::SetDeadManSwitch { account: leaving, timeout_s: Some(1) });
    // The last market has a dispute window of half a second.
    let answered = *world.markets.last().unwrap();
    let change = |by, transition| client.ask(Command::ChangeMarket { market: answered, by: AdminId(by), transition });
    asked.extend([
        switch,
        change(1, Transition::Close),
        change(1, Transition::Resolve { answer: ANSWER }),
        change(1, Transition::Confirm { answer: ANSWER }),
        change(2, Transition::Confirm { answer: ANSWER }),
    ]);
    client.flush();

    let expired = first(&log, "an order expires", LIMIT, |event| cancelled(event, expiring, CancelReason::Expired));
    assert_on_time("an order expires", &expired, expires);

    let set = first(&log, "a switch is set", LIMIT, |event| matches!(event, Event::DeadManSwitchSet { .. }));
    let [Event::DeadManSwitchSet { due: Some(due), .. }] = set.events[..] else { panic!("{:?}", set.events) };
    assert_eq!((set.cause.id, due.as_millis()), (switch, set.time.as_millis() + 1_000));
    let fired = first(&log, "a switch fires", LIMIT, |event| matches!(event, Event::DeadManSwitchFired { .. }));
    assert_on_time("a switch fires", &fired, due);
    let gone = |event: &Event| cancelled(event, leaving, CancelReason::DeadManSwitch);
    assert_on_time("and its account's order ends", &first(&log, "the order ends", LIMIT, gone), due);

    let alone = |event: &Event| matches!(event, Event::Rejected { code: schemas::Rejection::SecondAdminRequired });
    first(&log, "one admin cannot confirm alone", LIMIT, alone);
    let resolved = first(&log, "a dispute window ends", LIMIT, |event| {
        matches!(event, Event::MarketChanged { state: MarketState::Resolved, by: None, .. })
    });
    let confirmed = resolved.events.iter().find_map(|event| match event {
        Event::MarketChanged { market, resolution, .. } if *market == answered => resolution.as_ref()?.confirmed,
        _ => None,
    });
    assert_eq!(confirmed.map(|confirmed| confirmed.by), Some(AdminId(2)));
    assert_on_time("a dispute window ends", &resolved, confirmed.unwrap().payout);

    let audit = drained(&log, LIMIT);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    engine.stop();
}

/// The home shard makes no progress, so the ask is not answered.
#[test]
fn a_parked_request_is_refused_in_time_and_late_credits_stay() {
    let log = TestLog::create("parked");
    let folder = tempfile::tempdir().unwrap();
    let (client, map) = (Client::open(&log), log.args.shard_map());
    let world = World::new(map, NEVER);
    let mut engine = Engine::start_ready(&log, folder.path(), &[]);
    let mut asked: Vec<CommandId> = world.opening().into_iter().map(|command| client.ask(command)).collect();
    client.flush();
    drained(&log, LIMIT);

    let idle = IdleMember::join(&log);
    let led = wait_for("half of the shards make no progress", LIMIT, || {
        Some(engine.leads()).filter(|led| led.len() == usize::from(SHARDS) / 2)
    });
    let market = *world.markets.iter().find(|market| led.contains(&map.of_market(**market).number())).unwrap();
    let account = *world.accounts.iter().find(|account| !led.contains(&map.of_account(**account).number())).unwrap();
    let order = client.ask(buy(account, market, TimeInForce::Gtc));
    client.flush();
    let parked = first(&log, "an order is parked", LIMIT, |event| matches!(event, Event::Parked(_)));
    let [Event::Parked(ref parked_request), ..] = parked.events[..] else { panic!("{:?}", parked.events) };
    let deadline = parked_request.deadline;
    assert_eq!((parked_request.command, deadline.as_millis()), (order, parked.time.as_millis() + PARKED_MAX_MS));
    let late = |event: &Event| matches!(event, Event::OrderRejected { code: Rejection::FundingTimeout, .. });
    let refused = first(&log, "it is refused", 2 * LIMIT, late);
    assert_on_time("a parked order is refused", &refused, deadline);

    idle.leave();
    let funded = |event: &Event| matches!(event, Event::PurseReceived { account: whose, .. } if *whose == account);
    first(&log, "the purse still gets the credits", LIMIT, funded);
    asked.extend([order, client.ask(buy(account, market, TimeInForce::Gtc))]);
    client.flush();
    let audit = drained(&log, LIMIT);
    assert_each_command_is_answered_once(&log, &audit, &asked);
    audit.assert_invariants();
    assert_eq!((audit.count("Asked"), audit.count("OrderPlaced")), (1, 1), "the second order needs no ask");
    engine.stop();
}
