//! What the core and the model must agree on.

use std::collections::BTreeMap;

use engine_core::State;
use schemas::{AccountId, BookSide, Contract, Credits, Entry, Event, MarketId, OrderId, Price, Quantity, Timestamp};

use super::law::{Market, Model, Moved, Outcome, Wallets};
use super::shards::Shards;

/// Ends the comparison with what differs, and how.
macro_rules! agree {
    ($core:expr, $model:expr, $($what:tt)*) => {{
        let (core, model) = ($core, $model);
        if core != model {
            return Err(format!("{}\n  core:  {core:?}\n  model: {model:?}", format_args!($($what)*)));
        }
    }};
}

/// The events of a command. What travels between shards is left out, and what wallets got is added up for each order.
pub fn events(core: &[Event], model: &Outcome) -> Result<(), String> {
    let (told, wallets) = (tellings(core), wallets(core));
    let expected = tellings(&model.events);
    for at in 0..told.len().max(expected.len()) {
        agree!(told.get(at), expected.get(at), "event {at}");
    }
    agree!(&wallets, &model.wallets, "wallets");
    Ok(())
}

fn tellings(events: &[Event]) -> Vec<Event> {
    let travel = |event: &&Event| {
        !matches!(
            event,
            Event::Sent { .. }
                | Event::Received { .. }
                | Event::MessageSkipped { .. }
                | Event::Acknowledged { .. }
                | Event::Settled(_)
        )
    };
    let mut told: Vec<_> = events.iter().filter(travel).cloned().collect();
    // No word says whose position is paid out first.
    for payouts in told.chunk_by_mut(|a, b| payout(a).is_some() && payout(b).is_some()) {
        payouts.sort_by_key(payout);
    }
    told
}

fn payout(event: &Event) -> Option<(MarketId, AccountId)> {
    match event {
        Event::PaidOut { market, account, .. } => Some((*market, *account)),
        _ => None,
    }
}

fn wallets(events: &[Event]) -> Wallets {
    let mut wallets = Wallets::new();
    for event in events {
        if let Event::Settled(s) = event {
            let sum = wallets.entry((s.account, s.market, s.order)).or_default();
            sum.spent += s.spent;
            sum.released += s.released;
            sum.received += s.received;
            sum.ended |= s.ended;
        }
    }
    wallets.retain(|_, moved| *moved != Moved::default());
    wallets
}

/// Everything that is there.
pub fn states(core: &Shards, model: &Model) -> Result<(), String> {
    accounts(core, model)?;
    let markets = core.states.iter().map(|state| state.markets().count()).sum::<usize>();
    agree!(markets, model.markets.len(), "markets");
    for market in &model.markets {
        let home = &core.states[model.map.of_market(market.id()).index()];
        one_market(home, market)?;
    }
    for state in &core.states {
        // A time that is past means now.
        let late = |due: Timestamp| due.max(model.now);
        let (due, expected) = (state.next_due().map(late), model.next_due(state.shard()).map(late));
        agree!(due, expected, "next due on {}", state.shard());
        state.assert_all();
    }
    agree!(core.sums().balance(), Credits::ZERO, "I-1");
    holds(model)
}

fn accounts(core: &Shards, model: &Model) -> Result<(), String> {
    let there = core.states.iter().map(|state| state.accounts().count()).sum::<usize>();
    agree!(there, model.accounts.len(), "accounts");
    for (id, expected) in &model.accounts {
        let Some(account) = core.states[model.home(*id).index()].account(*id) else {
            return Err(format!("account {id} is not there"));
        };
        let wallet = (account.available, account.held, account.live_orders as usize);
        agree!(
            wallet,
            (expected.available, expected.held, expected.live_orders.len()),
            "wallet and live orders of {id}"
        );
        let settings = (account.frozen, account.limits, account.dead_man_due);
        agree!(settings, (expected.frozen, expected.limits, expected.dead_man), "settings of {id}");
    }
    Ok(())
}

fn one_market(home: &State, expected: &Market) -> Result<(), String> {
    let id = expected.id();
    let Some(market) = home.market(id) else { return Err(format!("market {id} is not there")) };
    agree!(&market.listing, &expected.listing, "listing of {id}");
    agree!((market.state, market.limits), (expected.state, expected.limits), "state and limits of {id}");
    agree!(market.resolution, expected.resolution, "resolution of {id}");
    agree!((market.collateral, market.fees), (expected.collateral, expected.fees), "collateral and fees of {id}");
    let outstanding = expected.positions.values().fold((0, 0), |sum, p| (sum.0 + p.yes, sum.1 + p.no));
    agree!((market.yes, market.no), outstanding, "contracts of {id}");
    let held: BTreeMap<_, _> = market.positions().map(|(account, position)| (account, *position)).collect();
    let positions: BTreeMap<_, _> = expected
        .positions
        .iter()
        .map(|(account, p)| {
            let reserved = |contract| expected.reserved(*account, contract);
            let (yes_reserved, no_reserved) = (reserved(Contract::Yes), reserved(Contract::No));
            (*account, engine_core::Position { yes: p.yes, no: p.no, yes_reserved, no_reserved })
        })
        .collect();
    agree!(held, positions, "positions of {id}");
    for side in [BookSide::Bid, BookSide::Ask] {
        let queue: Vec<Row> = market.orders(side).collect();
        let expected: Vec<Row> = expected
            .on_side(side)
            .map(|order| (order.id, order.account, order.entry, order.price, order.left(), order.hold()))
            .collect();
        agree!(queue, expected, "{side} queue of {id}");
    }
    Ok(())
}

type Row = (OrderId, AccountId, Entry, Price, Quantity, Credits);

/// The model's own books: holds are what live buys could still cost (I-5), and an order is live exactly if it rests.
fn holds(model: &Model) -> Result<(), String> {
    for (id, account) in &model.accounts {
        let orders: Vec<_> = model.markets.iter().flat_map(|market| market.of_account(*id)).collect();
        agree!(account.held, orders.iter().map(|order| order.hold()).sum::<Credits>(), "I-5 of {id}");
        let resting = orders.iter().map(|order| order.id).collect();
        agree!(&account.live_orders, &resting, "live orders of {id}");
    }
    Ok(())
}
