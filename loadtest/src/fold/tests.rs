use schemas::event::{CancelReason, OrderAmended, OrderPlaced, Party, Trade};
use schemas::message::{Message, Settlement, SettlementReason};
use schemas::record::Cause;
use schemas::{
    BookSide, Entry, FeeRate, Instructions, Listing, MarketLimits, NewOrder, OrderId, PostOnly, Price, Quantity,
    Status, Terms, TimeInForce, Timestamp,
};

use super::*;

const ALICE: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);
const MARKET: MarketId = MarketId(9);

fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}

fn order(account: AccountId, entry: Entry, ticks: u16, contracts: u32) -> NewOrder {
    let terms = Terms::Limit {
        price: Price::new(ticks).unwrap(),
        quantity: quantity(contracts),
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::Off,
    };
    let instructions = Instructions::default();
    NewOrder { account, market: MARKET, entry, terms, fee_rate: FeeRate::ZERO, client_id: None, instructions }
}

fn placed(id: u64, order: NewOrder, filled: u32, status: Status) -> Event {
    let Terms::Limit { quantity: asked, price, .. } = order.terms else { unreachable!() };
    Event::OrderPlaced(OrderPlaced {
        id: OrderId(id),
        order,
        price: order.entry.book_price(price),
        quantity: asked,
        filled: quantity(filled),
        status,
        cancel_reason: None,
    })
}

fn listing() -> Event {
    Event::MarketCreated(Listing {
        market: MARKET,
        ticker: "RAIN".parse().unwrap(),
        question: "Rain?".parse().unwrap(),
        expiry: Timestamp(1),
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    })
}

fn trade(contracts: u32, left: u32) -> Event {
    let party = |order, account, entry| Party { order: OrderId(order), account, entry, fee: Credits(5) };
    Event::Traded(Trade {
        id: TradeId(7),
        market: MARKET,
        price: Price::new(6_000).unwrap(),
        quantity: quantity(contracts),
        maker: party(1, ALICE, Entry::BuyYes),
        taker: party(2, BOB, Entry::BuyNo),
        maker_remaining: quantity(left),
    })
}

/// Folds events, one outcome each, told by the shard in front of it.
fn fold(events: Vec<(u16, Event)>) -> Fold {
    let mut fold = Fold::default();
    for (sequence, (number, event)) in events.into_iter().enumerate() {
        let outcome = Outcome {
            term: 0,
            sequence: sequence as u64 + 1,
            time: Timestamp(1_000),
            cause: Cause { offset: 0, id: CommandId(sequence as u128) },
            events: vec![event],
        };
        fold.apply(shard(number), &outcome);
    }
    fold
}

fn matched() -> Vec<(u16, Event)> {
    vec![
        (0, listing()),
        (1, Event::AccountOpened { account: ALICE }),
        (1, Event::AccountOpened { account: BOB }),
        (0, placed(1, order(ALICE, Entry::BuyYes, 6_000, 10), 0, Status::Active)),
        (0, placed(2, order(BOB, Entry::BuyNo, 4_000, 4), 4, Status::Filled)),
        (0, trade(4, 6)),
    ]
}

#[test]
fn a_match_fills_the_maker_mints_pairs_and_thins_the_book() {
    let fold = fold(matched());
    assert!(fold.faults.is_empty(), "{:?}", fold.faults);
    let (maker, taker) = (&fold.orders[&OrderId(1)], &fold.orders[&OrderId(2)]);
    assert_eq!((maker.status, maker.filled, maker.remaining()), (Status::PartiallyFilled, 4, 6));
    assert_eq!((taker.status, taker.filled, taker.remaining()), (Status::Filled, 4, 0));
    assert_eq!((maker.notional, taker.notional), (Credits(2_400_000), Credits(1_600_000)));
    assert_eq!(fold.births[&OrderId(2)].traded, 4);
    let market = &fold.markets[&MARKET];
    assert_eq!((market.collateral, market.yes, market.no), (Credits::whole(4), 4, 4));
    assert_eq!(fold.levels(MARKET), [(BookSide::Bid, Price::new(6_000).unwrap(), 6)]);
    assert_eq!(fold.positions[&(MARKET, BOB)], Position { no: 4, ..Position::default() });
}

#[test]
fn a_second_birth_and_a_wrong_remainder_are_faults() {
    let mut events = matched();
    events.push((2, placed(1, order(ALICE, Entry::BuyYes, 6_000, 10), 0, Status::Active)));
    assert_eq!(fold(events).births[&OrderId(1)].count, 2);
    let mut events = matched();
    events[5] = (0, trade(4, 5));
    assert_eq!(fold(events).faults.count(), 1);
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
    let mut events = matched();
    events.push((0, cancel(6)));
    let fold_once = fold(events.clone());
    assert!(fold_once.faults.is_empty());
    assert_eq!(fold_once.orders[&OrderId(1)].status, Status::Cancelled);
    assert!(fold_once.levels(MARKET).is_empty());
    events.push((0, cancel(6)));
    assert!(!fold(events).faults.is_empty(), "cancelled twice");
}

#[test]
fn an_amended_order_moves_and_is_for_what_it_was_amended_to() {
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
    let reduced = Event::OrderReduced { order, account, market, entry, price: price(5_500), quantity: quantity(6) };
    let mut events = matched();
    events.extend([(0, amended(6)), (0, reduced)]);
    let once = fold(events);
    assert!(once.faults.is_empty(), "{:?}", once.faults);
    let order = &once.orders[&OrderId(1)];
    assert_eq!((order.limit, order.quantity, order.filled, order.remaining()), (Some(5_500), 14, 4, 10));
    assert_eq!(once.levels(MARKET), [(BookSide::Bid, price(5_500), 10)]);
    let mut events = matched();
    events.push((0, amended(5)));
    assert_eq!(fold(events).faults.count(), 1);
}

#[test]
fn a_message_is_in_flight_until_both_ends_are_seen_in_either_order() {
    let settlement = Settlement {
        account: ALICE,
        market: MARKET,
        order: None,
        reason: SettlementReason::Payout,
        spent: Credits(1),
        released: Credits(0),
        received: Credits(3),
        ended: false,
    };
    let sent = (0, Event::Sent { to: shard(1), number: 1, message: Message::Settle(vec![settlement]) });
    let received = (1, Event::Received { from: shard(0), number: 1 });
    let one = fold(vec![sent.clone()]);
    assert_eq!(one.in_flight.values().copied().collect::<Vec<_>>(), [Some(Credits(2))]);
    for events in [vec![sent.clone(), received.clone()], vec![received, sent]] {
        let both = fold(events);
        assert!(both.in_flight.is_empty() && both.faults.is_empty());
    }
}

#[test]
fn an_entered_order_waits_for_its_outcome_whichever_shard_is_read_first() {
    let asked = order(ALICE, Entry::BuyYes, 6_000, 10);
    let (id, account, market, held) = (OrderId(1), ALICE, MARKET, asked.hold());
    let funded = (1, Event::OrderEntered { id, account, market, held, known_as: None });
    let birth = (0, placed(1, asked, 0, Status::Active));
    let opened = (1, Event::AccountOpened { account: ALICE });
    assert_eq!(fold(vec![opened.clone(), funded.clone()]).undecided(), 1);
    assert_eq!(fold(vec![opened.clone(), (0, listing()), funded.clone(), birth.clone()]).undecided(), 0);
    assert_eq!(fold(vec![opened, (0, listing()), birth, funded]).undecided(), 0);
}
