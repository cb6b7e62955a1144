//! `rust_ob`: orders in a BTreeMap by price and time, with decimal prices and quantities.

use engine_benches::{Add, Matcher, Tape};
use rust_ob::{Decimal, OrderBook, Side};

pub struct RustOb(Vec<OrderBook<u64>>);

impl RustOb {
    pub fn new(books: usize) -> Self {
        Self((0..books).map(|_| OrderBook::new()).collect())
    }
}

/// A whole number of the flow.
fn whole(value: Decimal) -> u32 {
    u32::try_from(value).expect("prices and quantities are whole")
}

impl Matcher for RustOb {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let side = if order.buy { Side::Buy } else { Side::Sell };
        let quantity = Decimal::from(order.quantity);
        // The flow's immediate-or-cancel orders take at any price.
        let matches = match order.ioc {
            true => self.0[book].process_market_order(order.id, side, quantity).expect("a valid order"),
            false => {
                let price = Decimal::from(order.price);
                self.0[book].process_limit_order(order.id, side, price, quantity).expect("a valid order")
            }
        };
        // The last one is the order's own.
        for maker in matches.iter().filter(|one| one.order != order.id) {
            tape.trade(maker.order, order.id, whole(maker.cost.abs() / maker.quantity), whole(maker.quantity));
        }
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.0[book].cancel_order(id).expect("the flow cancels live orders");
    }
}
