use schemas::event::{CancelReason, OrderAmended};
use schemas::{BookSide, ClientId, Entry, GroupId, GroupLimits, NewOrder, Rejection, Status, TriggerCause};

use super::story::{
    ALICE, BOB, HOME, MARKET, Story, THERE, fold, matched, order, placed, quantity, resting, shard, taken,
};
use super::*;

/// Folds the story followed by one more event on the market's shard.
fn and(mut story: Story, event: Event) -> Fold {
    story.push((THERE, vec![event]));
    fold(story)
}

#[test]
fn a_match_fills_the_maker_mints_pairs_and_thins_the_book() {
    let fold = fold(matched());
    assert!(fold.faults.is_empty(), "{:?}", fold.faults);
    let (maker, taker) = (&fold.orders[&OrderId(1)], &fold.orders[&OrderId(2)]);
    assert_eq!((maker.status, maker.filled, maker.remaining()), (Status::PartiallyFilled, 4, 6));
    assert_eq!((taker.status, taker.filled, taker.remaining()), (Status::Filled, 4, 0));
    assert_eq!((maker.notional, taker.notional), (Credits(2_400_000), Credits(1_600_000)));
    assert_eq!(fold.order_totals[&OrderId(2)].traded, 4);
    let market = &fold.markets[&MARKET];
    assert_eq!((market.collateral, market.yes, market.no), (Credits::whole(4), 4, 4));
    assert_eq!(fold.levels(MARKET), [(BookSide::Bid, Price::new(6_000).unwrap(), 6)]);
    assert_eq!(fold.positions[&(MARKET, BOB)], ExpectedPosition { no: 4, ..ExpectedPosition::default() });
}

#[test]
fn a_purse_has_the_credits_of_its_shard_and_a_wallet_is_the_sum_of_purses() {
    let fold = fold(matched());
    let (home, there) = (&fold.purses[&(ALICE, shard(HOME))], &fold.purses[&(ALICE, shard(THERE))]);
    let (two, eight) = (Credits::whole(2), Credits::whole(8));
    assert_eq!(*home, ExpectedPurse { available: two, sent: eight, sequence: 4, ..ExpectedPurse::default() });
    let held = Credits(3_600_000);
    assert_eq!(
        *there,
        ExpectedPurse { available: two, held, live_orders: 1, received: eight, sequence: 11, sent: Credits::ZERO }
    );
    assert_eq!(
        fold.wallets()[&ALICE],
        ExpectedWallet { available: Credits::whole(4), held, in_transit: Credits::ZERO }
    );
    let kinds = |account, number| {
        let of_purse = fold.ledger.keys().filter(|(of, on, _)| (*of, *on) == (account, shard(number)));
        let mut kinds: Vec<_> = of_purse.map(|(.., kind)| *kind).collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(kinds(ALICE, HOME), ["DEPOSIT", "PURSE_SENT"]);
    assert_eq!(kinds(BOB, THERE), ["HOLD", "PURSE_RECEIVED", "TRADE"]);
}

#[test]
fn a_purse_that_was_never_created_cannot_change() {
    let home_alone: Story =
        matched().into_iter().filter(|(_, events)| !matches!(events[0], Event::Received { .. })).collect();
    assert!(fold(home_alone).faults.count() > 0);
}

#[test]
fn an_order_is_recorded_by_its_own_shard() {
    let entry = Entry::BuyYes;
    let (account, market, price) = (ALICE, MARKET, Price::new(6_000).unwrap());
    let (order, quantity, reason) = (OrderId(1), quantity(1), CancelReason::SelfTrade);
    let reduced = Event::OrderReduced { order, account, market, entry, price, quantity, reason };
    assert!(and(resting(), reduced.clone()).faults.is_empty());
    let mut story = resting();
    story.push((HOME, vec![reduced]));
    assert_eq!(fold(story).faults.count(), 2, "neither the order nor its book is there");
}

#[test]
fn a_second_placement_and_a_wrong_remainder_are_faults() {
    let again = placed(1, order(ALICE, Entry::BuyYes, 6_000, 10), 0, Status::Active);
    assert_eq!(and(matched(), again).order_totals[&OrderId(1)].count, 2);
    assert_eq!(fold(taken(5)).faults.count(), 1);
}

#[test]
fn an_order_answers_the_command_that_waited_for_it() {
    let asked = order(ALICE, Entry::BuyYes, 6_000, 10);
    let refused = |id| Event::OrderRejected { id: OrderId(id), order: asked, code: Rejection::FundingTimeout };
    let resumed = Event::Resumed { account: ALICE, ticket: 5, command: CommandId(77) };
    let mut story = super::story::opened();
    story.push((THERE, vec![refused(1), resumed, Event::BatchItem { index: 0 }, refused(2)]));
    let fold = fold(story);
    assert_eq!(fold.orders[&OrderId(1)].command, CommandId(10));
    assert_eq!(fold.orders[&OrderId(2)].command, CommandId(77));
    assert_eq!([1, 2].map(|id| fold.order_totals[&OrderId(id)].alone), [true, false]);
}

#[test]
fn a_cancel_ends_an_order_with_what_it_has_left() {
    let cancel = |contracts| Event::OrderCancelled {
        order: OrderId(1),
        account: ALICE,
        market: MARKET,
        entry: Entry::BuyYes,
        price: Price::new(6_000).unwrap(),
        quantity: quantity(contracts),
        reason: CancelReason::Requested,
    };
    let once = and(matched(), cancel(6));
    assert!(once.faults.is_empty());
    assert_eq!(once.orders[&OrderId(1)].status, Status::Cancelled);
    assert!(once.levels(MARKET).is_empty());
    let mut story = matched();
    story.push((THERE, vec![cancel(6)]));
    assert!(!and(story, cancel(6)).faults.is_empty(), "cancelled twice");
}

#[test]
fn a_group_is_what_its_home_shard_records() {
    let (account, group) = (ALICE, GroupId::new(7).unwrap());
    let limits = |contracts| GroupLimits::new(contracts, 10).unwrap();
    let set =
        |contracts, generation, anew| Event::GroupSet { account, group, limits: limits(contracts), generation, anew };
    let triggered = |cause| Event::GroupTriggered { account, group, cause };
    let mut story = resting();
    for (from, events) in [
        (HOME, vec![set(5, 1, true), set(6, 1, false)]),
        (THERE, vec![set(6, 1, true), triggered(TriggerCause::Filled)]),
        (HOME, vec![triggered(TriggerCause::Elsewhere), triggered(TriggerCause::Requested)]),
    ] {
        story.push((from, events));
    }
    let once = fold(story.clone());
    let row = once.groups[&(account, group)];
    assert_eq!((row.limits, row.generation, row.shard), (limits(6), 1, shard(HOME)));
    assert_eq!(
        row.triggered.map(|(cause, at)| (cause, at.as_millis())),
        Some((TriggerCause::Elsewhere, 1_000 * row.sequence))
    );
    story.push((HOME, vec![set(6, 2, true)]));
    let reset = fold(story.clone()).groups[&(account, group)];
    assert_eq!((reset.generation, reset.triggered, reset.set_at.as_millis()), (2, None, 1_000 * reset.sequence));
    for on in [THERE, HOME] {
        story.push((on, vec![Event::GroupDeleted { account, group }]));
        let gone = fold(story.clone());
        assert_eq!((gone.groups.is_empty(), gone.faults.count()), (on == HOME, 0));
    }
    story.push((HOME, vec![triggered(TriggerCause::Filled)]));
    assert_eq!(fold(story).faults.count(), 1);
}

#[test]
fn an_amended_order_moves_and_has_the_amended_quantity() {
    let price = |ticks| Price::new(ticks).unwrap();
    let amended = |old_remaining| {
        Event::OrderAmended(OrderAmended {
            order: OrderId(1),
            account: ALICE,
            market: MARKET,
            entry: Entry::BuyYes,
            old_price: price(6_000),
            old_remaining: quantity(old_remaining),
            price: price(5_500),
            quantity: quantity(20),
            filled: quantity(4),
            status: Status::PartiallyFilled,
            cancel_reason: None,
            in_place: false,
        })
    };
    let (order, account, market, entry) = (OrderId(1), ALICE, MARKET, Entry::BuyYes);
    let (at, quantity, reason) = (price(5_500), quantity(6), CancelReason::ReduceOnly);
    let reduced = Event::OrderReduced { order, account, market, entry, price: at, quantity, reason };
    let mut story = matched();
    story.push((THERE, vec![amended(6)]));
    let once = and(story, reduced);
    assert!(once.faults.is_empty(), "{:?}", once.faults);
    let order = &once.orders[&OrderId(1)];
    assert_eq!((order.limit, order.quantity, order.filled, order.remaining()), (Some(5_500), 14, 4, 10));
    assert_eq!(once.levels(MARKET), [(BookSide::Bid, price(5_500), 10)]);
    assert_eq!(and(matched(), amended(5)).faults.count(), 1);
}

#[test]
fn a_client_id_refers_to_the_first_order_whatever_is_refused_later() {
    let named = |contracts| NewOrder { client_id: Some(ClientId(5)), ..order(ALICE, Entry::BuyYes, 100, contracts) };
    let mut story = matched();
    story.push((THERE, vec![placed(11, named(1), 0, Status::Active)]));
    let code = Rejection::ClientIdReused;
    story.push((THERE, vec![Event::OrderRejected { id: OrderId(12), order: named(2), code }]));
    let fold = fold(story);
    assert_eq!((fold.is_named(OrderId(11)), fold.is_named(OrderId(12))), (true, false));
    assert_eq!(fold.by_client_id[&(ALICE, MARKET, ClientId(5))], [OrderId(11), OrderId(12)]);
}
