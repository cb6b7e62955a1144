//! `lobster`: a BTreeMap of levels over an arena of orders.

use engine_benches::{Add, Matcher, Tape};
use lobster::{FillMetadata, OrderBook, OrderEvent, OrderType, Side};

/// Room for this many orders and orders a level before it grows: its own default.
const ARENA: usize = 10_000;
const QUEUE: usize = 10;

pub struct Lobster(Vec<OrderBook>);

impl Lobster {
    pub fn new(books: usize) -> Self {
        let arena = if books == 1 { ARENA } else { ARENA / 100 };
        Self((0..books).map(|_| OrderBook::new(arena, QUEUE, false)).collect())
    }
}

impl Matcher for Lobster {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let side = if order.buy { Side::Bid } else { Side::Ask };
        let (id, qty) = (u128::from(order.id), u64::from(order.quantity));
        // The flow's immediate-or-cancel orders take at any price.
        let order_type = match order.ioc {
            true => OrderType::Market { id, side, qty },
            false => OrderType::Limit { id, side, qty, price: u64::from(order.price) },
        };
        let event = self.0[book].execute(order_type);
        if let OrderEvent::PartiallyFilled { fills, .. } | OrderEvent::Filled { fills, .. } = event {
            for FillMetadata { order_2, qty, price, .. } in fills {
                tape.trade(order_2 as u64, order.id, price as u32, qty as u32);
            }
        }
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.0[book].execute(OrderType::Cancel { id: u128::from(id) });
    }
}
