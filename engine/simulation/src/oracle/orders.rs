//! Checks orders: each is created once, on its market's shard, as submitted; none trades after its
//! expiry; contracts bought by a reduce-only order are redeemed.

use std::collections::{BTreeMap, BTreeSet};

use schemas::answers::parts;
use schemas::{BatchRequest, Command, Event, NewOrder, Side, Timestamp};

use super::history::History;

pub fn check(histories: &[History]) {
    for history in histories {
        check_births(history);
        check_times(history);
        check_reducing(history);
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
        Command::Batch { requests, .. } => requests.contains(&BatchRequest::Place(*order)),
        _ => false,
    }
}

/// Neither an order nor its market trades after its expiry.
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

/// A reduce-only order leaves its account with no more contracts: each contract that it buys is
/// redeemed in the same outcome.
fn check_reducing(history: &History) {
    let mut reducing = BTreeSet::new();
    for (outcome, _) in &history.outcomes {
        // Contracts bought by such orders, minus pairs redeemed.
        let mut kept: BTreeMap<_, i128> = BTreeMap::new();
        for event in &outcome.events {
            match event {
                Event::OrderPlaced(placed) if placed.order.instructions.reduce_only => drop(reducing.insert(placed.id)),
                Event::Traded(trade) => {
                    for party in [&trade.maker, &trade.taker] {
                        if reducing.contains(&party.order) && party.entry.side() == Side::Buy {
                            let bought = kept.entry((party.account, trade.market)).or_default();
                            *bought += i128::from(trade.quantity.contracts());
                        }
                    }
                }
                Event::PairsRedeemed { market, account, pairs } => {
                    *kept.entry((*account, *market)).or_default() -= i128::from(*pairs);
                }
                _ => {}
            }
        }
        let more = kept.into_iter().find(|(_, contracts)| *contracts > 0);
        assert!(more.is_none(), "{more:?}: an order that only reduces bought more than was redeemed");
    }
}
