//! Verifies the log's internal consistency.

use schemas::limits::DAY_MS;
use schemas::shard_map::ShardMap;
use schemas::{Shard, Status};

use super::{Check, Faults};
use crate::fold::{ExpectedOrder, Fold};

/// Checks placements, fills and messages.
pub fn check(fold: &Fold, map: ShardMap) -> Vec<Check> {
    vec![
        Check::of(
            "the log never contradicts itself",
            usize::try_from(fold.outcomes).unwrap_or(usize::MAX),
            fold.faults.clone(),
        ),
        one_birth(fold),
        fills(fold),
        nothing_waits(fold),
        one_yes(fold),
        at_home(fold, map),
    ]
}

fn one_birth(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, order_totals) in &fold.order_totals {
        faults.check(order_totals.count == 1, || {
            format!("order {id} was placed or refused {} times", order_totals.count)
        });
    }
    for ((account, market, client_id), ids) in &fold.by_client_id {
        let named: Vec<&ExpectedOrder> =
            ids.iter().filter(|id| fold.is_named(**id)).filter_map(|id| fold.orders.get(id)).collect();
        let apart = |pair: &[&ExpectedOrder]| {
            pair[1].created_at.as_millis() >= pair[0].created_at.as_millis().saturating_add(DAY_MS)
        };
        // A client id is forgotten a day after its use, at the earliest.
        faults.check(named.windows(2).all(apart), || {
            format!("client id {client_id} of account {account} in market {market} led to {ids:?}")
        });
    }
    Check::of("every order was placed or refused exactly once", fold.order_totals.len(), faults)
}

fn fills(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, order) in &fold.orders {
        let traded = fold.order_totals.get(id).map_or(0, |order_totals| order_totals.traded);
        let ended_as_it_says = match order.status {
            Status::Filled => order.filled == order.quantity,
            Status::Active => order.filled == 0,
            Status::PartiallyFilled => order.filled > 0 && order.filled < order.quantity,
            Status::Rejected => order.filled == 0,
            Status::Cancelled | Status::Expired => order.filled <= order.quantity,
        };
        faults.check(traded == order.filled && ended_as_it_says, || {
            format!(
                "order {id} is {} with {} of {} filled, {traded} traded",
                order.status, order.filled, order.quantity
            )
        });
    }
    Check::of("every order is filled by its trades", fold.orders.len(), faults)
}

fn nothing_waits(fold: &Fold) -> Check {
    let (mut faults, waiting) = (Faults::default(), &fold.waiting);
    for (from, to, number) in waiting.messages.keys() {
        faults.add(|| format!("message {number} from shard {from} to {to} has one end only"));
    }
    for ((shard, account, ticket), command) in &waiting.parked {
        faults.add(|| {
            format!("request {ticket} of account {account} (command {command}) is still parked on shard {shard}")
        });
    }
    for (account, shard) in &waiting.asks {
        faults.add(|| format!("the ask of shard {shard} for account {account} is not answered"));
    }
    for ((shard, account, ticket), told) in &waiting.instructions {
        faults.add(|| format!("instruction {ticket} of account {account}, given by shard {shard}, waits: {told:?}"));
    }
    Check::of("no message, parked request, ask or instruction is left under way", waiting.begun, faults)
}

fn one_yes(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (event, markets) in fold.yes_of_events() {
        let holder = fold.market_events.get(&event).and_then(|known| known.yes);
        let one = markets.len() == 1 && holder == markets.first().copied();
        faults.check(one, || format!("markets {markets:?} of the exclusive event {event} are YES, {holder:?} may be"));
    }
    Check::of("I-12 at most one market of an exclusive event is YES", fold.market_events.len(), faults)
}

/// Checks that the right shard records each event: the market's home shard for the market, its
/// orders and trades; the account's home shard for the account. Purses change on any shard, but
/// credits move only between an account's home shard and its other purses.
fn at_home(fold: &Fold, map: ShardMap) -> Check {
    let (mut faults, mut count) = (Faults::default(), 0);
    let mut told = |what: &dyn Fn() -> String, by: Shard, home: Shard| {
        count += 1;
        faults.check(by == home, || format!("{} is recorded by shard {by}, its home shard is {home}", what()));
    };
    for (id, market) in &fold.markets {
        told(&|| format!("market {id}"), market.shard, map.of_market(*id));
    }
    for (id, row) in &fold.trades {
        told(&|| format!("trade {id}"), row.shard, map.of_market(row.trade.market));
    }
    for (id, order) in &fold.orders {
        told(&|| format!("order {id}"), order.shard, map.of_market(order.market));
        told(&|| format!("the id of order {id}"), id.shard(), map.of_market(order.market));
    }
    for (account, shard) in &fold.tellers {
        told(&|| format!("account {account}"), *shard, map.of_account(*account));
    }
    for (account, from, to) in fold.moved.keys() {
        let home = map.of_account(*account);
        faults.check(from != to && [from, to].contains(&&home), || {
            format!("credits of account {account} went from shard {from} to {to}, its home shard is {home}")
        });
    }
    for (account, shard) in fold.purses.keys() {
        let opened = fold.accounts.contains_key(account);
        faults.check(opened, || format!("account {account} has a purse on shard {shard} and was never opened"));
    }
    Check::of("every fact is recorded by its home shard", count + fold.moved.len() + fold.purses.len(), faults)
}
