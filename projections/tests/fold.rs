//! The fold alone: the rows are the same however a log is cut into batches, and they match the
//! history.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, on small numbers"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::exchange::{Exchange, Group, Place, Position, Purse};
use common::log::Log;
use common::model::Model;
use common::random::Random;
use projections::fold::{FoldFault, LedgerKind, ProposalEnd, RowChanges};
use proptest::prelude::*;
use schemas::event::{CancelReason, OrderPlaced, Party, Trade};
use schemas::reading::{Checkpoint as At, LogReader, ReadRecord};
use schemas::*;

const SHARDS: u16 = 3;

/// Creates a history of `steps` steps, with take-overs and records of stale engines.
fn history(seed: u64, steps: usize) -> (Log, Exchange) {
    history_by(seed, steps, false)
}

/// The same, optionally written by a later build.
fn history_by(seed: u64, steps: usize, later: bool) -> (Log, Exchange) {
    let mut exchange = Exchange::new(SHARDS, seed);
    let mut log = Log { later, ..Log::new(SHARDS, Timestamp(1_700_000_000_000)) };
    let told = exchange.seed(8, 3);
    log.tell_all(&told);
    for _ in 0..steps {
        log.time = Timestamp(log.time.as_millis() + exchange.random.below(1_000));
        let told = exchange.step();
        if exchange.random.below(50) == 0 {
            told.iter().take(1).for_each(|told| log.take_over(told.shard));
        }
        if exchange.random.below(20) == 0 {
            told.iter().for_each(|told| log.stale(told));
        }
        log.tell_all(&told);
    }
    (log, exchange)
}

/// Folds a log shard by shard, in batches whose sizes `size` chooses.
fn fold(log: &Log, mut size: impl FnMut() -> usize) -> Model {
    let mut model = Model::default();
    for shard in Shard::all(SHARDS) {
        let mut reader = LogReader::new(shard, SHARDS, At::default());
        let (mut changes, mut room) = (RowChanges::new(), size());
        for (offset, record) in log.shards[shard.index()].records.iter().enumerate() {
            if let ReadRecord::Outcome(outcome) = reader.read(offset as u64, record).unwrap() {
                changes.fold(&outcome).unwrap();
            }
            room -= 1;
            if room == 0 {
                model.apply(shard, &std::mem::take(&mut changes));
                room = size();
            }
        }
        model.apply(shard, &changes);
    }
    model
}

fn check_purses(model: &Model, exchange: &Exchange) {
    let shown = |[available, held, live_orders, sent, received]: [i64; 5]| Purse {
        available,
        held,
        live_orders,
        sent,
        received,
    };
    let purses: BTreeMap<Place, Purse> = model.purses.iter().map(|(place, purse)| (*place, shown(purse.0))).collect();
    assert_eq!(exchange.purses, purses);
    let mut ledger: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
    for (shard, entry) in &model.ledger {
        let (available, held) = ledger.entry((entry.change.account, *shard)).or_default();
        *available += entry.change.available.micros();
        *held += entry.change.held.micros();
    }
    let mut in_transit: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (place, purse) in &purses {
        let summed = ledger.get(place).copied().unwrap_or_default();
        assert_eq!(summed, (purse.available, purse.held), "{place:?}");
        *in_transit.entry(place.0).or_default() += purse.sent - purse.received;
    }
    for (account, in_transit) in in_transit {
        assert_eq!(in_transit, exchange.in_transit(account), "account {account}");
    }
}

/// Checks that only the home shards' events of groups count, and none about copies.
fn check_groups(model: &Model, exchange: &Exchange) {
    let shown = model.group_rows().map(|(account, id, row)| {
        let (limits, (generation, _)) = (row.limits.unwrap(), row.anew.unwrap());
        ((account, id), Group { limits, generation, triggered: row.triggered.map(|(cause, _)| cause) })
    });
    assert_eq!(exchange.groups, shown.collect());
}

fn check_truth(model: &Model, exchange: &Exchange) {
    check_purses(model, exchange);
    let frozen = model.accounts.iter().filter(|(_, account)| account.frozen == Some(true)).map(|(id, _)| *id);
    assert_eq!(exchange.frozen, frozen.collect());
    for (key, position) in &exchange.positions {
        let [yes, no, yes_reserved, no_reserved] = model.positions.get(key).map(|p| p.0).unwrap_or_default();
        assert_eq!(*position, Position { yes, no, yes_reserved, no_reserved });
    }
    assert_eq!(model.orders.len(), exchange.orders.len());
    for (id, order) in &exchange.orders {
        let row = &model.orders[id];
        let found = (row.quantity.contracts(), row.filled.contracts(), row.status);
        assert_eq!(found, (order.quantity, order.filled, order.status), "order {id}");
        assert_eq!((row.price, row.cancel_reason), (order.price, order.cancel_reason), "order {id}");
        assert_eq!(row.command, order.command, "order {id}");
        assert_eq!(row.order.instructions.group, order.group, "order {id}");
    }
    check_groups(model, exchange);
    let yes: BTreeMap<_, _> = model.market_events.iter().map(|(id, event)| (*id, event.yes.flatten())).collect();
    assert_eq!(yes, exchange.events.iter().map(|(id, (_, yes))| (*id, *yes)).collect());
    assert_eq!(model.clarifications.len(), exchange.clarifications);
    for (market, book) in &exchange.markets {
        let levels = model.levels.range((*market, BookSide::Bid, Price::MIN)..=(*market, BookSide::Ask, Price::MAX));
        let levels = levels.map(|((_, side, price), n)| ((*side, *price), n.cast_unsigned())).collect();
        assert_eq!(exchange.levels(*market), levels);
        let row = &model.markets[market];
        assert_eq!(row.state, Some(book.state));
        assert_eq!(row.resolution, book.resolution);
        let edit = &row.about.as_ref().unwrap().edit;
        let mut listing = row.born.as_ref().unwrap().listing.clone();
        listing.edit(edit);
        assert_eq!((&listing.about, listing.opens, listing.expiry), {
            let book = &book.listing;
            (&book.about, book.opens, book.expiry)
        });
        // I-2: a market's collateral is its YES outstanding is its NO outstanding.
        assert_eq!((row.collateral, row.yes), (Credits::whole(row.yes), row.no));
        let held = model.positions.iter().filter(|((m, _), _)| m == market).map(|(_, p)| p.0[0]).sum::<i64>();
        assert_eq!(row.yes, held);
        let volume = model.trades.iter().filter(|row| row.trade.market == *market);
        assert_eq!(row.volume, volume.map(|row| u64::from(row.trade.quantity.contracts())).sum::<u64>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_do_not_depend_on_where_batches_are_cut(seed: u64, cuts: u64, steps in 50_usize..400) {
        let (log, exchange) = history(seed, steps);
        let single = fold(&log, || 1);
        check_truth(&single, &exchange);
        let mut random = Random::new(cuts);
        let cut = fold(&log, || 1 + random.index(40));
        prop_assert_eq!(&single, &cut);
        let whole = fold(&log, || usize::MAX);
        prop_assert_eq!(&single, &whole);
    }
}

#[test]
fn additions_of_a_later_build_change_no_row() {
    for seed in 0..3 {
        let (today, _) = history_by(seed, 300, false);
        let (later, exchange) = history_by(seed, 300, true);
        let model = fold(&later, || 7);
        check_truth(&model, &exchange);
        assert!(model == fold(&today, || 7), "seed {seed}");
        let passed_over: u64 = outcomes(&later).iter().map(Outcome::unknown).sum();
        assert_eq!(passed_over, later.outcomes());
    }
}

/// Returns all outcomes of a log that count.
fn outcomes(log: &Log) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for shard in Shard::all(SHARDS) {
        let mut reader = LogReader::new(shard, SHARDS, At::default());
        for (offset, record) in log.shards[shard.index()].records.iter().enumerate() {
            if let ReadRecord::Outcome(outcome) = reader.read(offset as u64, record).unwrap() {
                outcomes.push(outcome);
            }
        }
    }
    outcomes
}

/// Returns true if an order is placed in the outcome of another account's command.
fn another_is_placed(outcome: &Outcome) -> bool {
    answers::parts(outcome).any(|part| {
        part.command != outcome.cause.id && part.events.iter().any(|event| matches!(event, Event::OrderPlaced(_)))
    })
}

#[test]
fn the_small_exchange_does_everything() {
    // Enough histories for each of these conditions to hold at the end of one.
    let histories: Vec<(Log, Exchange)> = (0..4).map(|seed| history(seed, 2_000)).collect();
    let mut model = Model::default();
    let (mut statuses, mut refusals, mut ends) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (log, exchange) in &histories {
        statuses.extend(exchange.orders.values().map(|order| order.status));
        let Model { accounts, homes, groups, keys, ledger, admin_acts, proposals, orders, trades, markets, .. } =
            fold(log, || 1);
        model.admin_acts.extend(admin_acts);
        ends.extend(proposals.values().map(|proposal| proposal.end.map(ProposalEnd::name)));
        refusals.extend(orders.values().filter_map(|row| row.rejection));
        model.accounts.extend(accounts);
        model.homes.extend(homes);
        model.groups.extend(groups);
        model.keys.extend(keys);
        model.ledger.extend(ledger);
        model.orders.extend(orders);
        model.trades.extend(trades);
        // Tickers are the same in each history.
        markets
            .into_iter()
            .filter(|(_, market)| market.settled)
            .for_each(|(id, market)| drop(model.markets.insert(id, market)));
    }
    assert_eq!(statuses.len(), 6, "{statuses:?}");
    let kinds: BTreeSet<_> = model.trades.iter().map(|row| row.trade.kind()).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(model.keys.values().any(|key| key.2.is_some()));
    assert!(model.accounts.values().any(|account| account.frozen == Some(true)));
    assert!(model.accounts.values().any(|account| matches!(account.dead_man_due, Some(Some(_)))));
    assert!(model.accounts.values().any(|account| account.limits.is_some()));
    let ledger: BTreeSet<_> = model.ledger.iter().map(|(_, entry)| entry.kind.name()).collect();
    assert_eq!(ledger.len(), 12, "{ledger:?}");
    let acts: BTreeSet<_> = model.admin_acts.iter().map(|(_, act)| act.act.name()).collect();
    assert_eq!(acts.len(), 14, "{acts:?}");
    assert_eq!(ends.len(), 4, "{ends:?}");
    for code in [
        Rejection::FundsInsufficient,
        Rejection::FundingTimeout,
        Rejection::CancelledWhileParked,
        Rejection::ParkedLimit,
    ] {
        assert!(refusals.contains(&code), "{refusals:?}");
    }
    let in_transit = |exchange: &Exchange| exchange.purses.keys().any(|(account, _)| exchange.in_transit(*account) > 0);
    assert!(histories.iter().any(|(_, exchange)| in_transit(exchange)));
    let waited = histories.iter().flat_map(|(log, _)| outcomes(log)).filter(another_is_placed).count();
    assert!(waited > 0);
    let moved = |row: &projections::fold::OrderRow| row.price != row.order.terms.limit();
    assert!(model.orders.values().any(|row| row.status.is_live() && moved(row)));
    assert!(model.orders.values().any(|row| row.cancel_reason == Some(CancelReason::Group)));
    let groups = || histories.iter().flat_map(|(_, exchange)| exchange.groups.values());
    assert!(groups().any(|group| group.triggered.is_some()) && groups().any(|group| group.triggered.is_none()));
    assert!(model.groups.len() > model.group_rows().count() && model.group_rows().count() > 0);
    assert!(model.markets.values().any(|market| market.settled));
    assert!(model.markets.values().any(|market| market.limits != Some(MarketLimits::NONE)));
}

#[test]
fn a_trade_without_its_taker_is_nonsense_and_changes_nothing() {
    let party = |order| Party { order, account: AccountId(1), entry: Entry::BuyYes, fee: Credits::ZERO };
    let trade = Trade {
        id: TradeId(1),
        market: MarketId(1),
        price: Price::MIN,
        quantity: Quantity::new(1).unwrap(),
        maker: party(OrderId(1)),
        taker: party(OrderId(2)),
        maker_remaining: Quantity::ZERO,
    };
    let mut changes = RowChanges::new();
    let refused = changes.fold(&outcome(1, vec![Event::Traded(trade)]));
    assert_eq!(refused, Err(FoldFault::TakerNotPlaced { sequence: 9, order: OrderId(2) }));
    assert_eq!(changes, RowChanges::new());
}

fn outcome(command: u128, events: Vec<Event>) -> Outcome {
    let cause = Cause { offset: 0, id: CommandId(command) };
    Outcome { term: 0, sequence: 9, time: Timestamp(1), cause, events }
}

#[test]
fn an_order_that_waited_has_the_id_of_its_own_command() {
    let (account, limit) = (AccountId(1), Price::new(5_000).unwrap());
    let quantity = Quantity::new(4).unwrap();
    let terms = Terms::Limit { price: limit, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off };
    let instructions = Instructions { self_trade: SelfTrade::Allow, ..Instructions::default() };
    let order = NewOrder {
        account,
        market: MarketId(2),
        entry: Entry::BuyYes,
        terms,
        fee_rate: FeeRate::ZERO,
        client_id: None,
        instructions,
    };
    let (filled, status) = (Quantity::ZERO, Status::Active);
    let placed = OrderPlaced { id: OrderId(3), order, price: limit, quantity, filled, status, cancel_reason: None };
    let (first, second) = (OrderId(4), OrderId(5));
    let code = Rejection::CancelledWhileParked;
    let mut changes = RowChanges::new();
    let events = vec![
        Event::OrderRejected { id: first, order, code },
        Event::Resumed { account, ticket: 6, command: CommandId(8) },
        Event::OrderPlaced(placed),
        Event::Resumed { account, ticket: 7, command: CommandId(9) },
        Event::OrderRejected { id: second, order, code },
    ];
    changes.fold(&outcome(7, events)).unwrap();
    let commands = [first, placed.id, second].map(|id| changes.orders.born[&id].command);
    assert_eq!(commands, [7, 8, 9].map(CommandId));
    // The index of its hold is that of its own event in the outcome.
    let entry = changes.ledger[0];
    assert_eq!((changes.ledger.len(), entry.index, entry.kind), (1, 2, LedgerKind::Hold));
    assert_eq!((entry.order, entry.market), (Some(placed.id), Some(order.market)));
    let purse = changes.purses[&account];
    let hold = order.hold();
    assert_eq!((purse.available, purse.held, purse.live_orders), (-hold, hold, 1));
}

#[test]
fn credits_moved_back_and_forth_without_end_do_not_overflow() {
    let (account, to, room) = (AccountId(1), Shard::new(2).unwrap(), Room::ZERO);
    let mut changes = RowChanges::new();
    let credits = Credits(limits::WALLET_MAX);
    for _ in 0..2_000 {
        let sent = Event::PurseSent { account, to, credits, room };
        let received = Event::PurseReceived { account, from: to, credits, room };
        changes.fold(&outcome(1, vec![received, sent])).unwrap();
    }
    let purse = changes.purses[&account];
    assert_eq!((purse.available, purse.sent), (Credits::ZERO, purse.received));
    assert_eq!(purse.sent.micros(), (i128::from(limits::WALLET_MAX) * 2_000) as i64);
}

#[test]
fn room_alone_makes_a_purse_and_no_ledger_entry() {
    let (account, from) = (AccountId(1), Shard::new(2).unwrap());
    let room = Room { orders: 1, held: Credits::ZERO };
    let mut changes = RowChanges::new();
    let made = Event::PurseReceived { account, from, credits: Credits::ZERO, room };
    changes.fold(&outcome(1, vec![made])).unwrap();
    assert_eq!(changes.purses[&account].last.sequence, 9);
    assert_eq!(changes.ledger, []);
}
