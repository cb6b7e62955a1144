use schemas::shard_map::ShardMap;
use schemas::{Entry, Event, NewOrder};

use super::*;
use crate::fold::story::{ALICE, HOME, Story, THERE, fold, funded, matched, opened, order, received};
use crate::verify::{log, money};

/// Asserts that exactly the checks whose names begin with `expected` fail for a log.
fn fails(story: Story, expected: &[&str]) {
    fails_for(&fold(story), expected);
}

fn fails_for(fold: &Fold, expected: &[&str]) {
    let mut checks = check(fold);
    checks.extend(money::check(fold));
    checks.extend(log::check(fold, ShardMap::new(2).unwrap()));
    let failed: Vec<_> = checks.into_iter().filter(|check| !check.faults.is_empty()).map(|check| check.name).collect();
    let as_expected = failed.iter().zip(expected).all(|(name, beginning)| name.starts_with(beginning));
    assert!(as_expected && failed.len() == expected.len(), "{failed:?}");
}

const UNDER_WAY: &str = "no message, parked request, ask or instruction is left under way";

#[test]
fn everything_holds_for_a_sound_log() {
    fails(matched(), &[]);
}

#[test]
fn credits_between_purses_are_in_flight_until_they_arrive() {
    let mut story = matched();
    story.push(funded(ALICE, Credits::whole(1), 3));
    fails(story.clone(), &[UNDER_WAY]);
    story.push(received(ALICE, Credits::whole(1), 3));
    fails(story.clone(), &[]);
    story.push(funded(ALICE, Credits(50), 4));
    story.push(received(ALICE, Credits(49), 4));
    fails(story, &["each purse's sent and received", "I-1"]);
}

#[test]
fn credits_that_arrive_on_another_shard_are_missing_on_both_sides() {
    let mut story = matched();
    story.push(funded(ALICE, Credits(50), 3));
    let (_, mut events) = received(ALICE, Credits(50), 3);
    let Event::PurseReceived { from, .. } = &mut events[1] else { unreachable!() };
    *from = Shard::new(THERE).unwrap();
    story.push((THERE, events));
    fails(story, &["each purse's sent and received", "every fact is recorded by its home shard"]);
}

#[test]
fn held_credits_and_live_orders_are_those_of_the_purse_s_own_shard() {
    let mut story = matched();
    let amount = Credits(1);
    story.push((THERE, vec![Event::HoldRaised { account: ALICE, order: OrderId(1), amount }]));
    fails(story, &["I-5"]);
    let mut fold = fold(matched());
    fold.purses.get_mut(&(ALICE, Shard::new(HOME).unwrap())).unwrap().live_orders += 1;
    fails_for(&fold, &["I-8"]);
    // Removes all purses away from the home shard.
    fold.purses.retain(|(_, shard), _| shard.number() == HOME);
    fails_for(&fold, &["each purse's sent and received", "I-5", "I-8", "I-1"]);
}

#[test]
fn nothing_of_a_purse_is_negative() {
    let mut fold = fold(matched());
    let purse = fold.purses.get_mut(&(ALICE, Shard::new(HOME).unwrap())).unwrap();
    (purse.available, purse.held) = (Credits(-1), purse.available + Credits(1));
    fails_for(&fold, &["I-5", "I-4"]);
}

#[test]
fn account_facts_are_recorded_by_the_home_shard() {
    let mut story = matched();
    story.push((THERE, vec![Event::DeadManSwitchSet { account: ALICE, due: None }]));
    fails(story, &["every fact is recorded by its home shard"]);
}

fn refused(order: NewOrder) -> (u16, Vec<Event>) {
    (THERE, vec![Event::OrderRejected { id: OrderId(3), order, code: Rejection::FundsInsufficient }])
}

/// Returns outcomes that only let this many seconds pass.
fn pause(seconds: usize) -> Story {
    vec![(HOME, Vec::new()); seconds]
}

#[test]
fn a_refusal_for_lack_of_credits_is_checked() {
    let dear = order(ALICE, Entry::BuyYes, 9_000, 12);
    let cheap = order(ALICE, Entry::BuyYes, 9_000, 11);
    // Ten credits: two on the home shard and eight on the market's shard.
    fails([opened(), pause(12), vec![refused(dear)]].concat(), &[]);
    fails([opened(), pause(12), vec![refused(cheap)]].concat(), &["no order was refused for credits"]);
    fails([opened(), vec![refused(cheap)]].concat(), &[]);
}

#[test]
fn credits_taken_while_an_order_waited_were_not_unused() {
    let changes = |pairs: &[(u64, i64)]| -> Vec<(Timestamp, Credits)> {
        pairs.iter().map(|(second, credits)| (Timestamp(1_000 * second), Credits(*credits))).collect()
    };
    // As recorded by two shards: not in order of time.
    let idle = Idle::new(&changes(&[(1, 10), (25, -4), (24, 4), (40, -1)]));
    let around = |second: u64| idle.around(Timestamp(1_000 * second)).0;
    assert_eq!(around(0), 0);
    assert_eq!(around(14), 10, "the credits were there for a while");
    assert_eq!(around(24), 6, "credits spent a moment later may have been reserved for it");
    assert_eq!(around(36), 6, "credits received meanwhile may have come too late");
    assert_eq!(around(39), 9);
}
