//! The invariants of money and of the book, over the whole log. Their ids are those of `docs/invariants.md`.

use std::collections::HashMap;

use schemas::{AccountId, BookSide, Credits, MarketId, Price, Side};

use super::{Check, Faults};
use crate::fold::{Fold, Wallet};

/// I-1 to I-6, as far as they can be seen from outside an engine.
pub fn check(fold: &Fold) -> Vec<Check> {
    vec![
        conserved(fold),
        collateral(fold),
        not_crossed(fold),
        not_negative(fold),
        held(fold),
        live_orders(fold),
        levels(fold),
    ]
}

fn conserved(fold: &Fold) -> Check {
    let wallets: Credits = fold.wallets.values().map(|wallet| wallet.available + wallet.held).sum();
    let collateral: Credits = fold.markets.values().map(|market| market.collateral).sum();
    let fees: Credits = fold.markets.values().map(|market| market.fees).sum();
    let in_flight: Credits = fold.in_flight.values().flatten().copied().sum();
    let (inside, brought) = (wallets + collateral + in_flight + fees, fold.deposits - fold.withdrawals);
    let name = "I-1 wallets + collateral + in flight + fees = deposits − withdrawals";
    Check::holds(name, fold.wallets.len() + fold.markets.len(), inside == brought, || {
        format!("{wallets} + {collateral} + {in_flight} + {fees} = {inside}, not {brought}")
    })
}

fn collateral(fold: &Fold) -> Check {
    let mut held: HashMap<MarketId, (i64, i64)> = HashMap::new();
    for ((market, _), position) in &fold.positions {
        let (yes, no) = held.entry(*market).or_default();
        *yes += position.yes;
        *no += position.no;
    }
    let mut faults = Faults::default();
    for (id, market) in &fold.markets {
        // Once a market is resolved, one kind of contract may be paid out before the other.
        let paying = market.yes_value().is_some();
        let owed = match market.yes_value() {
            None => Credits::whole(market.yes),
            Some(ticks) => value(market.yes, ticks) + value(market.no, 10_000 - ticks),
        };
        faults.check(market.collateral == owed && (paying || market.yes == market.no), || {
            format!("market {id} has {} for {} YES and {} NO", market.collateral, market.yes, market.no)
        });
        let (yes, no) = held.get(id).copied().unwrap_or_default();
        faults.check((yes, no) == (market.yes, market.no), || {
            format!("market {id}: positions add up to {yes} YES and {no} NO, not {} and {}", market.yes, market.no)
        });
    }
    Check::of("I-2 each market's collateral = its YES = its NO", fold.markets.len(), faults)
}

fn value(contracts: i64, ticks: u16) -> Credits {
    Credits(contracts * i64::from(ticks) * 100)
}

fn not_crossed(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, market) in &fold.markets {
        let side = |wanted| market.book.keys().filter(move |(side, _)| *side == wanted).map(|(_, price)| *price);
        if let (Some(bid), Some(ask)) = (side(BookSide::Bid).max(), side(BookSide::Ask).min()) {
            faults.check(bid < ask, || format!("market {id}: bid {bid}, ask {ask}"));
        }
    }
    Check::of("I-3 no book is crossed", fold.markets.len(), faults)
}

fn not_negative(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, wallet) in &fold.wallets {
        let holds = wallet.available >= Credits::ZERO && wallet.held >= Credits::ZERO;
        faults.check(holds, || format!("account {id}: {wallet:?}"));
    }
    for (key, p) in &fold.positions {
        let holds = (0..=p.yes).contains(&p.yes_reserved) && (0..=p.no).contains(&p.no_reserved);
        faults.check(holds, || format!("{key:?}: {p:?}"));
    }
    Check::of("I-4 no wallet, position or reservation is negative", fold.wallets.len() + fold.positions.len(), faults)
}

/// Only where nothing is under way: a fill releases its account's credits a message later.
fn held(fold: &Fold) -> Check {
    let mut could_cost: HashMap<AccountId, Credits> = HashMap::new();
    for (id, order) in fold.orders.iter().filter(|(_, order)| order.side == Side::Buy && order.status.is_live()) {
        let hold = fold.births.get(id).map(|births| births.hold(order.limit, order.remaining()));
        *could_cost.entry(order.account).or_default() += hold.unwrap_or_default();
    }
    let mut faults = Faults::default();
    for (id, Wallet { held, .. }) in &fold.wallets {
        let cost = could_cost.get(id).copied().unwrap_or_default();
        faults.check(*held == cost, || format!("account {id} holds {held}, its live buys could cost {cost}"));
    }
    Check::of("I-5 held credits = what live buy orders could still cost", fold.wallets.len(), faults)
}

/// Only where nothing is under way, as above.
fn live_orders(fold: &Fold) -> Check {
    let mut live: HashMap<AccountId, i64> = HashMap::new();
    let orders = fold.orders.values().filter(|order| order.status.is_live());
    orders.for_each(|order| *live.entry(order.account).or_default() += 1);
    let mut faults = Faults::default();
    for (id, Wallet { live_orders, .. }) in &fold.wallets {
        let live = live.get(id).copied().unwrap_or_default();
        faults.check(*live_orders == live, || format!("account {id} counts {live_orders} live orders, and has {live}"));
    }
    Check::of("each account's home counts its live orders right", fold.wallets.len(), faults)
}

fn levels(fold: &Fold) -> Check {
    let mut summed = HashMap::new();
    for order in fold.orders.values().filter(|order| order.status.is_live()) {
        let Some(limit) = order.limit.and_then(Price::new) else { continue };
        let (side, price) = crate::fold::level(order, limit);
        *summed.entry((order.market, side, price)).or_default() += i64::from(order.remaining());
    }
    let told = fold
        .markets
        .iter()
        .flat_map(|(id, market)| market.book.iter().map(|(&(side, price), &quantity)| ((*id, side, price), quantity)));
    super::exactly("I-6 each level = the sum of its orders", &summed, &told.collect())
}
