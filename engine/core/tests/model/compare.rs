//! Compares the core with the model.

use std::collections::{BTreeMap, BTreeSet};

use engine_core::{Ahead, Purse, QueueCount, ShardState, YesClaim};
use schemas::limits::DAY_MS;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, BookSide, Contract, Credits, Entry, Event, OrderId, Price, Quantity, Shard, Timestamp};

use super::law::{Completed, Market, Model, Moved, Outcome, Wallets, Yes};
use super::normal;
use super::shards::Shards;

/// Fails the comparison with the difference.
macro_rules! agree {
    ($core:expr, $model:expr, $($what:tt)*) => {{
        let (core, model) = ($core, $model);
        if core != model {
            return Err(format!("{}\n  core:  {core:?}\n  model: {model:?}", format_args!($($what)*)));
        }
    }};
}

/// Compares the events of a command. Changes of wallets are summed for each order.
pub fn events(map: ShardMap, core: &[(Shard, Event)], model: &Outcome) -> Result<(), String> {
    let (told, expected) = (normal::normal(map, core), normal::normal(map, &model.events));
    let none = Vec::new();
    for shard in told.keys().chain(expected.keys()) {
        let (told, expected) = (told.get(shard).unwrap_or(&none), expected.get(shard).unwrap_or(&none));
        for at in 0..told.len().max(expected.len()) {
            agree!(told.get(at), expected.get(at), "event {at} on {shard}");
        }
    }
    agree!(&wallets(core), &model.wallets, "wallets");
    let completed = core.iter().filter_map(|(_, event)| match event {
        Event::InstructionCompleted { account, instruction } => Some((*account, *instruction)),
        _ => None,
    });
    agree!(in_order(completed.collect()), in_order(model.completed.clone()), "completed instructions");
    Ok(())
}

/// The order of several completed mass cancels is not specified.
fn in_order(mut completed: Vec<Completed>) -> Vec<Completed> {
    completed.sort_by_cached_key(|instruction| format!("{instruction:?}"));
    completed
}

fn wallets(events: &[(Shard, Event)]) -> Wallets {
    let mut wallets = Wallets::new();
    for (_, event) in events {
        if let Event::Settled(s) = event {
            let sum = wallets.entry((s.account, s.market, s.order)).or_default();
            sum.spent += s.spent;
            sum.released += s.released;
            sum.received += s.received;
        }
    }
    wallets.retain(|_, moved| *moved != Moved::default());
    wallets
}

/// Compares the whole state.
pub fn states(core: &Shards, model: &Model) -> Result<(), String> {
    accounts(core, model)?;
    let markets = core.states.iter().map(|state| state.markets().count()).sum::<usize>();
    agree!(markets, model.markets.len(), "markets");
    let archived = core.states.iter().flat_map(|state| state.archive().markets()).collect::<BTreeSet<_>>();
    agree!(archived, model.archived.keys().copied().collect(), "archived markets");
    let fees = core.states.iter().map(|state| state.archive().fees()).sum::<Credits>();
    agree!(fees, model.archived.values().copied().sum(), "fees of archived markets");
    for market in &model.markets {
        let home = &core.states[model.map.of_market(market.id()).index()];
        one_market(home, market)?;
    }
    let groups = core.states.iter().flat_map(|state| state.market_events());
    let groups: BTreeMap<_, _> = groups.map(|(id, known)| (id, (known.exclusive, known.yes))).collect();
    let expected: BTreeMap<_, _> = model.groups.iter().map(|(id, group)| (*id, (group.exclusive, group.yes))).collect();
    agree!(groups, expected, "market events");
    let admins: Vec<_> = core.states.iter().flat_map(|state| state.admins()).collect();
    agree!(admins, model.admins.values().collect::<Vec<_>>(), "admins");
    for state in &core.states {
        next_due(state, model)?;
        agree!(state.parked().count(), 0, "parked requests on {}", state.shard());
        deposits(state, model)?;
        state.assert_all();
    }
    agree!(core.sums().balance(), Credits::ZERO, "I-1");
    Ok(())
}

/// The core has timers that the model lacks: purses away from home return their free credits when
/// they are idle.
fn next_due(state: &ShardState, model: &Model) -> Result<(), String> {
    // A time in the past means now.
    let late = |due: Timestamp| due.max(model.now);
    let (due, expected) = (state.next_due().map(late), model.next_due(state.shard()).map(late));
    let rests =
        |(account, purse): (AccountId, &Purse)| model.home(account) != state.shard() && purse.available > Credits::ZERO;
    if due.is_some_and(|due| expected.is_none_or(|expected| due < expected)) && state.purses().any(rests) {
        return Ok(());
    }
    agree!(due, expected, "next due on {}", state.shard());
    Ok(())
}

fn accounts(core: &Shards, model: &Model) -> Result<(), String> {
    let there = core.states.iter().map(|state| state.accounts().count()).sum::<usize>();
    agree!(there, model.accounts.len(), "accounts");
    let purses = core.states.iter().map(|state| state.purses().count()).sum::<usize>();
    agree!(purses, model.accounts.values().map(|account| account.purses.len()).sum(), "purses");
    for (id, expected) in &model.accounts {
        let Some(account) = core.states[model.home(*id).index()].account(*id) else {
            return Err(format!("account {id} is missing"));
        };
        let settings = (account.frozen, account.limits, account.dead_man_due);
        agree!(settings, (expected.frozen, expected.limits, expected.dead_man), "settings of {id}");
        let keys: Vec<_> = account.keys().cloned().collect();
        agree!(keys, expected.keys.values().cloned().collect::<Vec<_>>(), "keys of {id}");
        let purses: Vec<_> = core.states.iter().filter_map(|state| Some((state.shard(), state.purse(*id)?))).collect();
        agree!(purses.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>(), expected.purses.clone(), "purses of {id}");
        agree!(purses.iter().all(|(_, purse)| purse.frozen == expected.frozen), true, "frozen purses of {id}");
        let available = purses.iter().map(|(_, purse)| purse.available).sum::<Credits>();
        agree!(available, expected.available, "available credits of {id}");
        let held = purses.iter().map(|(_, purse)| purse.held).sum::<Credits>();
        agree!(held, model.held(*id), "held credits of {id} (I-5)");
        let live = purses.iter().map(|(_, purse)| purse.live_orders as usize).sum::<usize>();
        agree!(live, model.live_orders(*id).len(), "live orders of {id}");
        core.states.iter().try_for_each(|state| pages(state, model, *id))?;
        core.states.iter().try_for_each(|state| groups(state, model, *id))?;
    }
    Ok(())
}

/// Compares an account's order groups on each shard where it has a purse. The filled contracts of a
/// triggered group are irrelevant.
fn groups(state: &ShardState, model: &Model, account: AccountId) -> Result<(), String> {
    let (at, now) = (state.shard(), model.now);
    let found = state.groups(account).into_iter().flat_map(|groups| groups.iter());
    let found: Vec<_> = found
        .map(|(id, group)| {
            let filled = if group.triggered { 0 } else { group.filled(now) };
            (id, group.limits, group.generation, group.triggered, filled)
        })
        .collect();
    let has_purse = model.accounts.get(&account).is_some_and(|found| found.purses.contains(&at));
    let known = model.order_groups.iter().filter(|((of, _), _)| *of == account && has_purse);
    let expected: Vec<_> = known
        .map(|((_, id), group)| {
            let triggered = !group.triggered.is_empty();
            let filled = if triggered { 0 } else { group.filled(at, now) };
            (*id, group.limits, group.generation, triggered, filled)
        })
        .collect();
    agree!(found, expected, "groups of {account} on {at}");
    Ok(())
}

/// Compares deposits that wait for a second admin, and today's deposits that each admin made alone.
fn deposits(state: &ShardState, model: &Model) -> Result<(), String> {
    let at = state.shard();
    let open: Vec<_> =
        state.deposits().open.iter().map(|(id, p)| (*id, p.account, p.amount, p.by, p.expires)).collect();
    let expected: Vec<_> = model.open_at(at).iter().map(|p| (p.id, p.account, p.amount, p.by, p.expires)).collect();
    agree!(open, expected, "proposed deposits on {at}");
    if state.deposits().day == model.now.0 / DAY_MS {
        for (by, sum) in &state.deposits().alone {
            agree!(*sum, model.sum_alone(at, *by), "deposits of {by} alone on {at}");
        }
    }
    Ok(())
}

fn one_market(home: &ShardState, expected: &Market) -> Result<(), String> {
    let id = expected.id();
    let Some(market) = home.market(id) else { return Err(format!("market {id} is missing")) };
    let listed = engine_core::Listed::of(&expected.listing);
    agree!(
        &market.listing,
        &engine_core::Listed { clarifications: expected.clarifications, ..listed },
        "listing of {id}"
    );
    agree!(market.traded, expected.traded, "whether {id} has traded");
    let claim = expected.yes.map(|yes| match yes {
        Yes::Its => YesClaim::Granted,
        Yes::Of(other) => YesClaim::Taken(other),
    });
    agree!((market.claims, market.yes_claim), (expected.claims, claim), "the claims of {id}");
    agree!((market.state, market.limits), (expected.state, expected.limits), "state and limits of {id}");
    agree!(market.settled, expected.settled, "payout of {id}");
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
        queues(home, &expected)?;
        agree!(queue, expected, "{side} queue of {id}");
    }
    Ok(())
}

/// Compares an account's live orders on a shard, page by page.
fn pages(state: &ShardState, model: &Model, account: AccountId) -> Result<(), String> {
    let mut expected = model.live_orders(account);
    expected.retain(|order| order.shard() == state.shard());
    expected.sort_unstable();
    let (mut found, mut after) = (Vec::new(), OrderId(0));
    loop {
        let mut count = QueueCount::of_at_most(usize::MAX);
        let page = state.queued_orders(account, None, (after, 2), &mut count);
        let Some(last) = page.last() else { break };
        after = last.order;
        found.extend(page.iter().map(|queued| queued.order));
    }
    agree!(found, expected, "live orders of {account} on {}", state.shard());
    Ok(())
}

/// Compares the quantity ahead of each order at its price, as far as its account may ask.
fn queues(home: &ShardState, queue: &[Row]) -> Result<(), String> {
    let mut count = QueueCount::of_at_most(queue.len());
    for (nth, (order, account, _, price, remaining, _)) in queue.iter().enumerate() {
        let before = queue[..nth].iter().filter(|(.., at, _, _)| at == price);
        let ahead = before.fold(Ahead::default(), |ahead, (.., left, _)| Ahead {
            contracts: ahead.contracts + u64::from(left.contracts()),
            orders: ahead.orders + 1,
            ..ahead
        });
        let told = home.queued_order(*account, *order, &mut count).map(|queued| (queued.ahead, queued.remaining));
        agree!(told, Some((ahead, *remaining)), "quantity ahead of {order}");
        let other = AccountId(account.0 + 1);
        agree!(home.queued_order(other, *order, &mut count), None, "{order} is visible to another account");
    }
    Ok(())
}

type Row = (OrderId, AccountId, Entry, Price, Quantity, Credits);
