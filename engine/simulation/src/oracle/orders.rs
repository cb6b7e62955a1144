//! What becomes of orders: each is born once, on its market's shard, as it was asked for; none trades when its time is over.

use std::collections::{BTreeMap, BTreeSet};

use schemas::answers::parts;
use schemas::{Command, Event, NewOrder, Request, Timestamp};

use super::history::History;

pub fn check(histories: &[History]) {
    for history in histories {
        check_births(history);
        check_times(history);
    }
}

fn check_births(history: &History) {
    let (asked, mut born, shard) = (history.asked(), BTreeSet::new(), history.shard);
    for part in history.outcomes.iter().flat_map(|(outcome, _)| parts(outcome)) {
        for event in part.events {
            let (id, order) = match event {
                Event::OrderPlaced(placed) => (placed.id, &placed.order),
                Event::OrderRejected { id, order, .. } => (*id, order),
                _ => continue,
            };
            assert!(id.shard() == shard && born.insert(id), "shard {shard}: order {id} is born twice, or elsewhere");
            let as_asked = asked.get(&part.command).is_some_and(|(command, _)| asks_for(command, order));
            assert!(as_asked, "shard {shard}: order {id} is not what {} asked for: {order:?}", part.command);
        }
    }
}

fn asks_for(command: &Command, order: &NewOrder) -> bool {
    match command {
        Command::PlaceOrder(asked) => asked == order,
        Command::Batch { requests, .. } => requests.contains(&Request::Place(*order)),
        _ => false,
    }
}

/// Neither an order nor its market trades when its time is over.
fn check_times(history: &History) {
    let (mut orders, mut markets) = (BTreeMap::new(), BTreeMap::new());
    for (outcome, _) in &history.outcomes {
        for event in &outcome.events {
            match event {
                Event::MarketCreated { listing, .. } => drop(markets.insert(listing.market, listing.expiry)),
                Event::MarketEdited { market, edit, .. } => {
                    if let Some(expiry) = edit.expiry {
                        markets.insert(*market, expiry);
                    }
                }
                Event::OrderPlaced(placed) => {
                    let expires = placed.order.terms.time_in_force().expires();
                    orders.insert(placed.id, expires.unwrap_or(Timestamp(u64::MAX)));
                }
                Event::Traded(trade) => {
                    let lives = |time: Option<&Timestamp>| time.is_some_and(|over| *over > outcome.time);
                    for order in [trade.maker.order, trade.taker.order] {
                        assert!(lives(orders.get(&order)), "order {order} traded when its time was over");
                    }
                    let market = trade.market;
                    assert!(lives(markets.get(&market)), "market {market} traded when its time was over");
                }
                _ => {}
            }
        }
    }
}
