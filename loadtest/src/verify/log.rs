//! The log against itself.

use schemas::Status;
use schemas::shard_map::ShardMap;

use super::{Check, Faults};
use crate::fold::Fold;

/// Births, fills and messages add up.
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
        at_home(fold, map),
    ]
}

fn one_birth(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, births) in &fold.births {
        faults.check(births.count == 1, || format!("order {id} was born {} times", births.count));
    }
    for (command, ids) in &fold.by_client_id {
        faults.check(ids.len() == 1, || format!("client id {} of account {} led to {ids:?}", command.1, command.0));
    }
    Check::of("every order was born exactly once", fold.births.len(), faults)
}

fn fills(fold: &Fold) -> Check {
    let mut faults = Faults::default();
    for (id, order) in &fold.orders {
        let traded = fold.births.get(id).map_or(0, |births| births.traded);
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
    let mut faults = Faults::default();
    for (from, to, number) in fold.in_flight.keys() {
        faults.add(|| format!("message {number} from shard {from} to {to} has one end only"));
    }
    for (id, waits) in &fold.entered {
        faults.check(!waits, || format!("order {id} was funded and has no outcome"));
    }
    Check::of("no message and no entered order is left under way", fold.entered.len() + fold.in_flight.len(), faults)
}

/// Facts about a market come from its home; an order may also be refused where it came in.
fn at_home(fold: &Fold, map: ShardMap) -> Check {
    let mut faults = Faults::default();
    for (id, market) in &fold.markets {
        faults.check(market.shard == map.of_market(*id), || format!("market {id} is told by shard {}", market.shard));
    }
    for (id, row) in &fold.trades {
        let home = map.of_market(row.trade.market);
        faults.check(row.shard == home, || format!("trade {id} is told by shard {}, its home is {home}", row.shard));
    }
    for (id, order) in &fold.orders {
        let home = map.of_market(order.market);
        let refused_at_entry = order.status == Status::Rejected && order.shard == id.entry_shard();
        faults.check(id.market_shard() == home && (order.shard == home || refused_at_entry), || {
            format!("order {id} is told by shard {}, its market's home is {home}", order.shard)
        });
    }
    Check::of("every fact is told by its home", fold.markets.len() + fold.trades.len() + fold.orders.len(), faults)
}
