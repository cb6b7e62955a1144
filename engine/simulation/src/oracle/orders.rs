//! What becomes of orders: each that enters is born once, as its client called it, and none trades when its time is over.

use std::collections::BTreeMap;

use schemas::event::KnownAs;
use schemas::{AccountId, Event, MarketId, NewOrder, OrderId, Timestamp};

use super::history::History;

/// What its account's home said of an order.
struct Entered {
    account: AccountId,
    market: MarketId,
    known_as: Option<KnownAs>,
}

pub fn check(histories: &[History]) {
    let entered = entries(histories);
    let mut born = BTreeMap::new();
    for history in histories {
        for event in history.events() {
            let (id, order) = match event {
                Event::OrderPlaced(placed) => (placed.id, &placed.order),
                Event::OrderRejected { id, order, .. } => (*id, order),
                _ => continue,
            };
            *born.entry(id).or_insert(0) += 1;
            match entered.get(&id) {
                Some(entered) => assert_same(id, entered, order),
                None => assert!(!matches!(event, Event::OrderPlaced(_)), "order {id} was placed and never entered"),
            }
        }
        check_times(history);
    }
    let twice = born.iter().find(|(_, times)| **times != 1);
    assert!(twice.is_none(), "an order was born more than once: {twice:?}");
    let lost = entered.keys().find(|id| !born.contains_key(*id));
    assert!(lost.is_none(), "order {lost:?} entered and was never born");
}

fn entries(histories: &[History]) -> BTreeMap<OrderId, Entered> {
    let mut entered = BTreeMap::new();
    for history in histories {
        for event in history.events() {
            if let Event::OrderEntered { id, account, market, known_as, .. } = *event {
                assert!(id.entry_shard() == history.shard, "order {id} has the id of another entry");
                let before = entered.insert(id, Entered { account, market, known_as });
                assert!(before.is_none(), "order {id} entered twice");
            }
        }
    }
    entered
}

fn assert_same(id: OrderId, entered: &Entered, order: &NewOrder) {
    let name = entered.known_as.map(|known_as| known_as.client_id);
    let said = (entered.account, entered.market, name);
    let is = (order.account, order.market, order.client_id);
    assert!(said == is, "order {id} entered as {said:?} and is {is:?}");
}

/// Neither an order nor its market trades when its time is over.
fn check_times(history: &History) {
    let (mut orders, mut markets) = (BTreeMap::new(), BTreeMap::new());
    for (outcome, _) in &history.outcomes {
        for event in &outcome.events {
            match event {
                Event::MarketCreated(listing) => drop(markets.insert(listing.market, listing.expiry)),
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
