//! Checks the invariants of money and of the book over the whole log. Their ids are those of
//! `docs/invariants.md`.

use std::collections::HashMap;

use schemas::{BookSide, Credits, MarketId, Price};

use super::{Check, Faults};
use crate::fold::Fold;

/// Checks the invariants of all money and of markets. (Those of purses are in `purses`.)
pub fn check(fold: &Fold) -> Vec<Check> {
    vec![conserved(fold), collateral(fold), not_crossed(fold), not_negative(fold), levels(fold)]
}

fn conserved(fold: &Fold) -> Check {
    let purses: Credits = fold.purses.values().map(|purse| purse.available + purse.held).sum();
    let collateral: Credits = fold.markets.values().map(|market| market.collateral).sum();
    let fees: Credits = fold.markets.values().map(|market| market.fees).sum();
    let in_flight: Credits = fold.waiting.messages.values().flatten().map(|freight| freight.credits).sum();
    let (inside, brought) = (purses + collateral + in_flight + fees, fold.deposits - fold.withdrawals);
    let name = "I-1 purses + collateral + in flight + fees = deposits − withdrawals";
    Check::holds(name, fold.purses.len() + fold.markets.len(), inside == brought, || {
        format!("{purses} + {collateral} + {in_flight} + {fees} = {inside}, not {brought}")
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
    for ((account, shard), purse) in &fold.purses {
        let credits = [purse.available, purse.held, purse.sent, purse.received];
        let holds = credits.into_iter().all(|credits| credits >= Credits::ZERO) && purse.live_orders >= 0;
        faults.check(holds, || format!("account {account} on shard {shard}: {purse:?}"));
    }
    for (key, p) in &fold.positions {
        let holds = (0..=p.yes).contains(&p.yes_reserved) && (0..=p.no).contains(&p.no_reserved);
        faults.check(holds, || format!("{key:?}: {p:?}"));
    }
    Check::of("I-4 no purse, position or reservation is negative", fold.purses.len() + fold.positions.len(), faults)
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
